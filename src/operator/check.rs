//! `sluse check`: whether the settings hold, and what they name is there; with `--connect` also what they name elsewhere
//! ([`connect`]). Changes nothing.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::cli::Check;
use super::held::Called;
use super::text::{Look, count};
use super::{Failure, Found, connect as far, json, write_out};
use crate::config::{Depth, Settings};
use crate::engine::check_layouts;
use crate::engine::far_check::check_far;

/// What is said of settings that hold, and the settings. Errors: everything that is wrong, for standard error.
pub fn check(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<(String, Settings), String> {
    let settings = Settings::read(path, environment, Depth::Files).map_err(|mistakes| mistakes.to_string())?;
    check_layouts(&settings).map_err(|mistakes| with_line_ends(&mistakes))?;
    let notes: String = settings.notes.iter().map(|note| format!("{note}\n")).collect();
    let municipalities = settings.exchanges.values().map(|exchange| exchange.municipalities.len()).sum::<usize>();
    let municipalities = match municipalities {
        1 => "1 municipality".to_owned(),
        number => format!("{number} municipalities"),
    };
    let said = format!(
        "{notes}ok: {}: {}, {}, {municipalities}\n",
        path.display(),
        count(settings.endpoints.len() as u64, "endpoint"),
        count(settings.exchanges.len() as u64, "exchange"),
    );
    Ok((said, settings))
}

/// Tries every far side. `said` of the settings goes before, but for JSON.
pub fn connect(
    settings: &Settings,
    said: &str,
    asked: Check,
    look: Look,
    called: &Called,
    out: &mut dyn Write,
) -> Result<Found, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Failure::Output)?;
    let checks = runtime.block_on(check_far(settings, Duration::from_secs(asked.within)));
    // What a far side that stands still has not answered is not waited for.
    runtime.shutdown_background();
    let shown = match asked.json {
        true => json(&far::told(&checks))?,
        false => format!("{said}{}", far::show(&checks, look, called)),
    };
    write_out(out, &shown)?;
    Ok(if far::is_fine(&checks) { Found::Fine } else { Found::Wrong })
}

fn with_line_ends(mistakes: &[String]) -> String {
    mistakes.iter().map(|mistake| format!("{}\n", mistake.trim_end())).collect()
}
