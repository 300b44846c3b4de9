//! `sluse check`: whether the settings hold, and what they name is there. Changes nothing.

use std::path::Path;

use super::text::count;
use crate::config::{Depth, Settings};
use crate::engine::check_layouts;

/// What is said of settings that hold. Errors: everything that is wrong, for standard error.
pub fn check(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let settings = Settings::read(path, environment, Depth::Files).map_err(|mistakes| mistakes.to_string())?;
    check_layouts(&settings).map_err(|mistakes| with_line_ends(&mistakes))?;
    let notes: String = settings.notes.iter().map(|note| format!("{note}\n")).collect();
    let municipalities = settings.exchanges.values().map(|exchange| exchange.municipalities.len()).sum::<usize>();
    let municipalities = match municipalities {
        1 => "1 municipality".to_owned(),
        number => format!("{number} municipalities"),
    };
    Ok(format!(
        "{notes}ok: {}: {}, {}, {municipalities}\n",
        path.display(),
        count(settings.endpoints.len() as u64, "endpoint"),
        count(settings.exchanges.len() as u64, "exchange"),
    ))
}

fn with_line_ends(mistakes: &[String]) -> String {
    mistakes.iter().map(|mistake| format!("{}\n", mistake.trim_end())).collect()
}
