//! What retention would remove, what it has removed, and the legal holds, for people. Start with [`show`].

use std::fmt::Write;

use super::held::Called;
use super::text::{Look, Table, count, grouped, minute, paragraph};
use crate::domain::retention::LegalHold;
use crate::engine::retention::{Kept, Plan, RegisterDue};
use crate::store::removal::Removed;

/// What would go now, by exchange, and what keeps the rest.
pub fn show(plan: &Plan, look: Look, called: &Called) -> String {
    let mut shown = String::new();
    for kept in &plan.exchanges {
        let of_it: Vec<_> = plan.registers.iter().filter(|due| due.route.exchange == kept.exchange).collect();
        shown += &one(kept, &of_it);
        shown.push('\n');
    }
    if !plan.holds.is_empty() {
        shown += &holds(&plan.holds, look);
        shown.push('\n');
    }
    let goes = plan.exchanges.iter().any(|kept| kept.files_go + kept.stories_go > 0) || !plan.registers.is_empty();
    match goes {
        true => {
            shown += &paragraph("", "The daemon removes it tonight; it goes at once by:");
            let _ = writeln!(shown, "    {}", called.command("retention --now"));
        }
        false => shown += "Nothing is to go now.\n",
    }
    shown
}

fn one(kept: &Kept, registers: &[&RegisterDue]) -> String {
    let period = |period: &Option<String>| period.clone().unwrap_or_else(|| "for ever".to_owned());
    let mut shown = format!(
        "Exchange {}: files {}, stories {}, ended agreements {}\n",
        kept.exchange,
        period(&kept.archive),
        period(&kept.journal),
        period(&kept.register)
    );
    let agreements: u64 = registers.iter().map(|due| due.agreements).sum();
    let goes =
        [(kept.files_go, "whose files go"), (kept.stories_go, "of which only what a duplicate is known by stays")];
    let mut told: Vec<String> = goes
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", stories(*number)))
        .collect();
    if agreements > 0 {
        told.push(format!("{} that ended", count(agreements, "agreement")));
    }
    let goes = if told.is_empty() { "nothing".to_owned() } else { told.join("; ") };
    shown += &paragraph("  Goes: ", &format!("{goes}."));
    let next = kept.next.map(|next| format!(", the next one until {}", minute(next))).unwrap_or_default();
    let keeps = [
        (kept.open, "not over".to_owned()),
        (kept.held_by_law, "under a legal hold".to_owned()),
        (kept.not_understood, "whose journal cannot be followed".to_owned()),
        (kept.too_young, format!("not old enough{next}")),
        (kept.of_register, "by whose reply a register stands".to_owned()),
        (kept.for_ever, "of which no more is ever to go".to_owned()),
    ];
    let kept_by: Vec<_> = keeps
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", stories(*number)))
        .collect();
    if !kept_by.is_empty() {
        shown += &paragraph("  Stays: ", &format!("{}.", kept_by.join("; ")));
    }
    if kept.gone > 0 {
        shown += &paragraph("  Gone already: ", &format!("{}.", stories(kept.gone)));
    }
    shown
}

fn stories(number: u64) -> String {
    if number == 1 { "1 story".to_owned() } else { format!("{} stories", grouped(number)) }
}

/// What was removed just now.
pub fn removed(removed: &Removed) -> String {
    if removed.is_nothing() {
        return "Nothing is older than is kept.\n".to_owned();
    }
    let Removed { files, bytes, stories: whole, entries, agreements, rows, .. } = *removed;
    let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(entries)) };
    let text = format!(
        "Removed: {} ({}); {} with {entries} of the journal; {} with {} of the register. A checkpoint in the journal says so.",
        count(files, "file"),
        count(bytes, "byte"),
        stories(whole),
        count(agreements, "ended agreement"),
        count(rows, "row"),
    );
    paragraph("", &text)
}

/// The holds that are in force.
pub fn holds(holds: &[LegalHold], look: Look) -> String {
    if holds.is_empty() {
        return "No legal hold is in force.\n".to_owned();
    }
    let mut table = Table::new(["LEGAL HOLD ON", "SINCE", "BY", "WHY"]);
    for LegalHold { scope, since, who, reason } in holds {
        table.row([scope.to_string().into(), minute(*since).into(), who.into(), reason.into()]);
    }
    table.show(look)
}
