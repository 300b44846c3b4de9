//! What became of each exchange that was to be sent again, one line each, and what of it is wrong. Start with [`show`].

use super::Found;
use super::text::{Look, Tone, municipality, paragraph};
use crate::engine::places::short_id;
use crate::engine::retry::{CameTo, RetryLine};

/// That there is nothing to do is no fault.
const NOTHING_SELECTED: &str = "Nothing that the hub rejected is selected by this: nothing is to be sent again.\n";

/// One line for each, and how many there are of either kind.
pub fn show(lines: &[RetryLine], only_looked: bool, look: Look) -> String {
    if lines.is_empty() {
        return NOTHING_SELECTED.to_owned();
    }
    let mut shown = String::new();
    for line in lines {
        let (tone, came_to) = match &line.came_to {
            CameTo::Retried { state, next, .. } => (Tone::Good, format!("{state}; next: {next}")),
            CameTo::Possible { state } => (Tone::Good, format!("would be sent again, {state} at first")),
            CameTo::Refused { why } => (Tone::Bad, format!("not sent again: {why}")),
        };
        let told = paragraph(&format!("{}  ", names(line)), &format!("{}: {came_to}", about(line)));
        shown.push_str(&look.paint(tone, told.trim_end()));
        shown.push('\n');
    }
    let refused = lines.iter().filter(|line| is_refused(line)).count();
    let good = lines.len() - refused;
    let held = lines.iter().filter(|line| is_held(line)).count();
    shown
        + &match only_looked {
            true => format!("{good} would be sent again, {refused} would not. Nothing was changed.\n"),
            false if held > 0 => {
                let sent = good - held;
                format!("{sent} sent again, {held} accepted and held (decide with `sluse held`), {refused} not.\n")
            }
            false => format!("{good} sent again, {refused} not.\n"),
        }
}

/// Wrong if any was refused.
pub fn found(lines: &[RetryLine]) -> Found {
    if lines.iter().any(is_refused) { Found::Wrong } else { Found::Fine }
}

fn is_refused(line: &RetryLine) -> bool {
    matches!(line.came_to, CameTo::Refused { .. })
}

/// The new one waits for a person before it is sent.
fn is_held(line: &RetryLine) -> bool {
    matches!(&line.came_to, CameTo::Retried { state, .. } if state == "held")
}

/// `3f0f9a2e → 77aa0c11`, or the one that there is.
fn names(line: &RetryLine) -> String {
    let of = line.of.parse().map_or_else(|_| line.of.clone(), short_id);
    match &line.came_to {
        CameTo::Retried { by, .. } => format!("{of} → {}", short_id(*by)),
        CameTo::Possible { .. } | CameTo::Refused { .. } => of,
    }
}

fn about(line: &RetryLine) -> String {
    let place = line.municipality.map_or_else(|| "no exchange".to_owned(), municipality);
    let date = line.payment_date.map(|date| format!(", payment date {date}")).unwrap_or_default();
    format!("{place}{date}")
}
