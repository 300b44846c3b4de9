//! What waits for a person: why, what would change, and the exact commands by which it is decided. Start with
//! [`show`]; [`block`] is one item, for `explain` and `status` too.

use std::fmt::Write;
use std::path::Path;

use super::sentence::tally;
use super::text::{Look, Tone, grouped, minute, municipality, paragraph};
use crate::domain::change::ChangeSummary;
use crate::domain::identity::Route;
use crate::engine::places::short_id;
use crate::engine::snapshot::{Choice, HeldItem};

/// How `sluse` was called, so that a command that is shown works when it is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    prefix: String,
}

impl Called {
    /// `settings` is the settings file if it was named on the command line.
    pub fn with(settings: Option<&Path>) -> Called {
        let prefix = match settings {
            None => "sluse".to_owned(),
            Some(path) => format!("sluse --config {}", quoted(&path.display().to_string())),
        };
        Called { prefix }
    }

    /// A whole command line.
    pub fn command(&self, rest: &str) -> String {
        format!("{} {rest}", self.prefix)
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+:@%,=".contains(c));
    if is_plain && !text.is_empty() { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Everything that waits, oldest first.
pub fn show(items: &[HeldItem], look: Look, called: &Called) -> String {
    if items.is_empty() {
        return "Nothing waits for a person.\n".to_owned();
    }
    let mut shown = String::new();
    for (i, item) in items.iter().enumerate() {
        let heading = format!("{}  {}", short_id(item.id), of_route(item.route.as_ref()));
        if i > 0 {
            shown.push('\n');
        }
        let _ = writeln!(
            shown,
            "{}: {} since {}",
            look.paint(Tone::Strong, &heading),
            look.paint(Tone::Bad, &item.state),
            minute(item.since)
        );
        shown.push_str(&block(item, called));
    }
    shown
}

/// `0751 Aarhus, sf2530`, or that the journal does not say.
pub fn of_route(route: Option<&Route>) -> String {
    match route {
        Some(route) => format!("{}, {}", municipality(route.municipality), route.exchange),
        None => "of a municipality that is not known".to_owned(),
    }
}

/// What it is about, the reasons, what would change, and the commands.
pub fn block(item: &HeldItem, called: &Called) -> String {
    let mut shown = about(item);
    for reason in &item.reasons {
        shown.push_str(&paragraph("  - ", reason));
    }
    if let Some(summary) = &item.summary {
        let _ = write!(shown, "\n{}", change(summary));
    }
    shown.push('\n');
    shown.push_str(&paragraph("  ", advice(item)));
    // Commands are not wrapped: they are there to be copied.
    for command in commands(item, called) {
        let _ = writeln!(shown, "    {command}");
    }
    shown
}

/// The files that are being decided on, and for a second query the one before it.
fn about(item: &HeldItem) -> String {
    let mut shown = String::new();
    if let Some(query) = &item.query {
        let text = format!("{}, delivery {}, payment date {}", query.file, query.delivery, query.payment_date);
        shown.push_str(&paragraph("  query  ", &text));
    }
    if let Some(reply) = &item.reply {
        let delivery = match reply.delivery {
            Some(number) => format!("delivery {number}"),
            None => "no delivery number that can be read".to_owned(),
        };
        shown.push_str(&paragraph("  reply  ", &format!("{}, {delivery}", reply.file)));
    }
    if let Some(other) = &item.other {
        let same = if other.is_same_date { "the same date" } else { "another date of the same month" };
        let text = format!("{}, {}, payment date {}: {same}", short_id(other.id), other.state, other.payment_date);
        shown.push_str(&paragraph("  other  ", &text));
    }
    shown
}

/// What a reply would change, as a small table.
fn change(summary: &ChangeSummary) -> String {
    let rows = [
        ["".to_owned(), "before".to_owned(), "after".to_owned()],
        ["agreements".to_owned(), grouped(summary.before_count), grouped(summary.after_count)],
        ["kr a month".to_owned(), summary.before_total.to_string(), summary.after_total.to_string()],
    ];
    let width = rows.iter().flat_map(|row| &row[1..]).map(|text| text.chars().count()).max().unwrap_or(0);
    let mut shown = String::new();
    for [name, before, after] in &rows {
        let _ = writeln!(shown, "    {name:10}  {before:>width$}  {after:>width$}");
    }
    let _ = writeln!(shown, "    {}", tally(summary));
    shown
}

/// What the choice is, and what follows from each side of it.
pub fn advice(item: &HeldItem) -> &'static str {
    match item.choice {
        Choice::ApproveOrRefuse => {
            "Let it pass, or refuse it. The mark makes the decision void if anything has moved on since:"
        }
        Choice::SendOrSettle => {
            "Send it (again), refuse it, or, if it was sent before, say so: then Sluse waits for receipt and reply. The mark \
             makes the decision void if anything has moved on since:"
        }
        Choice::RefuseOnly => "It cannot be approved: refuse it, or have the sender send a fit one.",
        Choice::Settle => {
            "A receipt, a reply, or a far side that can be reached again may settle it without you. If it takes too long, \
             ask there whether the trigger was seen. Sent: Sluse waits for receipt and reply. Not sent: the query is \
             refused, and can be sent again (`sluse retry`)."
        }
        Choice::Nothing => {
            "No decision is possible, and Sluse leaves it alone: its journal was written by another version, or altered: \
             `sluse audit verify` tells which. If another version wrote it, run that version again. Keep the store as it is; \
             ask those who support Sluse."
        }
    }
}

/// The command lines by which it is decided, the reason left to the person.
pub fn commands(item: &HeldItem, called: &Called) -> Vec<String> {
    let verbs: &[(&str, &str)] = match item.choice {
        Choice::ApproveOrRefuse => &[("approve", ""), ("refuse", "")],
        Choice::SendOrSettle => &[("approve", ""), ("refuse", ""), ("settle", " --sent")],
        Choice::RefuseOnly => &[("refuse", "")],
        Choice::Settle => &[("settle", " --sent"), ("settle", " --not-sent")],
        Choice::Nothing => &[],
    };
    let (id, seen) = (short_id(item.id), &item.seen);
    verbs
        .iter()
        .map(|(verb, flag)| called.command(&format!("{verb} {id}{flag} --seen {seen} --reason \"…\"")))
        .collect()
}
