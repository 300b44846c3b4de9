//! The whole story of an exchange, milestone by milestone, what comes next, and where a person must act, how.
//! Start with [`show`].

use std::fmt::Write;

use serde::Serialize;

use super::held::{self, Called};
use super::sentence::{self, Around};
use super::status::deadline;
use super::text::{Cell, Look, Table, Tone, count, minute, municipality, paragraph, second, tone_of};
use crate::domain::exchange::Exchange;
use crate::engine::places::short_id;
use crate::engine::snapshot::{ErasedStory, ExchangeLine, Offer, Story, StoryEntry};
use crate::outbox::Waiting;
use crate::store::removal::FileLeft;

/// One thing that is told, as JSON: a story, or a file that waits.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Told {
    Story(Box<Story>),
    InOutbox { in_outbox: Waiting },
}

/// Everything that is told, as JSON has it.
pub fn told(stories: Vec<Story>, waiting: Vec<Waiting>) -> Vec<Told> {
    let waiting = waiting.into_iter().map(|in_outbox| Told::InOutbox { in_outbox });
    stories.into_iter().map(|story| Told::Story(Box::new(story))).chain(waiting).collect()
}

/// Stories as they are given, oldest first.
pub fn show(stories: &[Story], look: Look, called: &Called) -> String {
    stories.iter().map(|story| one(story, look, called)).collect::<Vec<_>>().join("\n")
}

/// What lies in an outbox under this name, as `status` says it.
pub fn in_outbox(waiting: &[Waiting]) -> String {
    let line = |waiting: &Waiting| {
        let place = waiting.municipality.map_or("elsewhere".to_owned(), municipality);
        paragraph("In the outbox: ", &format!("{place}, {}: {}.", waiting.name, waiting.why))
    };
    waiting.iter().map(line).collect()
}

/// Every exchange of a municipality, one line each.
pub fn list(exchanges: &[ExchangeLine], look: Look) -> String {
    let mut table = Table::new(["EXCHANGE", "BEGAN", "PAYMENT DATE", "STATE", "NEXT"]);
    for line in exchanges {
        let asked = line.payment_date.map(|date| date.to_string()).unwrap_or_default();
        table.row([
            short_id(line.id).into(),
            minute(line.begun).into(),
            asked.into(),
            Cell::toned(tone_of(&line.state), &line.state),
            (&line.next).into(),
        ]);
    }
    table.show(look)
}

/// That nothing goes by this name.
pub fn nothing(what: &str) -> String {
    if let Ok(code) = what.parse() {
        return format!("{} has no story yet: no query of it was taken, and no reply came", municipality(code));
    }
    format!(
        "nothing goes by the name {what:?}; expected a file's name as it is or was in the outbox, in OUT, in IN or in \
         refused/, an exchange's id or at least 4 characters of its beginning, or a municipality's code"
    )
}

/// The exchange after one more entry; what cannot follow, or is not understood, leaves it as it was.
pub fn after(before: Option<Exchange>, story: &Story, entry: &StoryEntry) -> Option<Exchange> {
    let Some(fact) = &entry.fact else { return before };
    match before {
        None => Exchange::begin(story.id, entry.at, fact).ok(),
        Some(before) => Some(before.after(entry.at, fact).unwrap_or(before)),
    }
}

/// What retention has taken of a story, and what is left.
fn what_is_left(erased: &ErasedStory) -> String {
    let ErasedStory { at, begun, ended, left } = erased;
    let files: Vec<String> = left
        .iter()
        .map(|FileLeft { what, name, size, hash }| {
            let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            let size = size.map(|size| format!(" of {}", count(size, "byte"))).unwrap_or_default();
            format!("{what}{name}{size}, keyed hash {}", hash.short())
        })
        .collect();
    let left = if files.is_empty() { "nothing of its files".to_owned() } else { files.join("; ") };
    let told = match at.story_at {
        Some(story_at) => format!(
            "It began at {} and was over at {}. Its story was older than is kept and was removed at {}. What is left, to know \
             again what comes twice: {left}.",
            second(*begun),
            second(*ended),
            second(story_at)
        ),
        None => format!(
            "Its files were older than is kept and were erased at {}; the hashes above are keyed. What is left: {left}.",
            second(at.files_at)
        ),
    };
    paragraph("Removed: ", &told)
}

fn one(story: &Story, look: Look, called: &Called) -> String {
    let heading = held::of_route(story.route.as_ref());
    let state = look.paint(tone_of(&story.state), &story.state);
    let mut shown = format!("{}: {state}\n", look.paint(Tone::Strong, &heading));
    let _ = writeln!(shown, "Exchange {}; Danish local time.\n", story.id);
    let mut before = None;
    for entry in &story.entries {
        let around = Around { before: before.as_ref(), recovered: entry.recovered.as_ref() };
        let told = match &entry.fact {
            Some(fact) => sentence::of(fact, around),
            None => format!(
                "Another version of Sluse wrote this; this one does not understand it (journal entry {}).",
                entry.seq
            ),
        };
        shown.push_str(&paragraph(&format!("{}  ", second(entry.at)), &told));
        before = after(before, story, entry);
    }
    if let Some(erased) = &story.erased {
        shown.push_str(&what_is_left(erased));
    }
    let _ = write!(shown, "\n{}", paragraph("Next: ", &format!("{}.", story.next)));
    if let Some(by) = story.deadline {
        let tone = if story.overdue { Tone::Bad } else { Tone::Plain };
        let text = paragraph("Deadline: ", &format!("{}.", deadline(by, story.overdue)));
        let _ = writeln!(shown, "{}", look.paint(tone, text.trim_end()));
        if story.overdue {
            let advice = "If the far side says that nothing will come, give up the wait; the query still counts:";
            let give_up = called.command(&format!("refuse {} --reason \"…\"", short_id(story.id)));
            let _ = writeln!(shown, "{}    {give_up}", paragraph("  ", advice));
        }
    }
    if let Some(trouble) = &story.trouble {
        shown.push_str(&paragraph("Not yet: ", &format!("{trouble}.")));
    }
    if let Some(offer) = &story.offer {
        let id = short_id(story.id);
        let (advice, command) = match offer {
            Offer::Withdraw => {
                ("Until its trigger is on its way it can be taken back:", format!("withdraw {id} --reason \"…\""))
            }
            Offer::Retry { seen } => (
                "The same query can be sent again, as a new exchange:",
                format!("retry {id} --seen {seen} --reason \"…\""),
            ),
        };
        let _ = writeln!(shown, "{}    {}", paragraph("  ", advice), called.command(&command));
    }
    if let Some(item) = &story.held {
        let _ = write!(shown, "\nIt waits for a person:\n{}", held::block(item, called));
    }
    shown
}
