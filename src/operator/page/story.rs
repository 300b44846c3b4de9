//! One exchange: where it stands and what comes next, its milestones on a time line, what its reply changes in counts,
//! what waits for a person, and everything that happened. Read from the journal, as `explain` reads it. Start with
//! [`StoryPage::of`].

use askama::Template;

use super::attention::{decision, story_href};
use super::glance::step;
use super::view::{Change, Eye, Frame, Matter, When};
use super::words::sentences::Said;
use crate::domain::change::ChangeSummary;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::exchange::Fact;
use crate::domain::moment::Moment;
use crate::engine::places::short_id;
use crate::engine::snapshot::{Offer, Story, StoryEntry};
use crate::operator::explain;
use crate::operator::sentence::{self, Around};
use crate::operator::text::municipality;

/// The milestones of the way, by the state's name that each gives.
const MILESTONES: [&str; 8] =
    ["accepted", "uploaded", "submitted", "receipted", "replied", "applied", "handed over", "done"];

#[derive(Template)]
#[template(path = "story.html")]
pub struct StoryPage {
    frame: Frame,
    heading: String,
    municipality_href: Option<String>,
    exchange: Option<String>,
    id: String,
    payment_date: Option<When>,
    state: Said,
    calls: bool,
    next: Said,
    due: Option<Said>,
    trouble: Option<Said>,
    milestones: Vec<Milestone>,
    change: Option<Change>,
    /// Whether the register holds it.
    is_applied: bool,
    held: Option<Matter>,
    offer: Option<(Said, String)>,
    entries: Vec<Entry>,
}

struct Milestone {
    name: Said,
    at: Option<When>,
    /// Since the one before it.
    after: Option<String>,
    /// Where it is not reached yet: until when it should be.
    by: Option<Said>,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Passed,
    /// Where the exchange stands.
    Here,
    Ahead,
}

impl Place {
    fn class(self) -> &'static str {
        match self {
            Place::Passed => "passed",
            Place::Here => "here",
            Place::Ahead => "ahead",
        }
    }
}

struct Entry {
    at: When,
    told: Said,
    seq: u64,
}

impl StoryPage {
    pub fn of(eye: &Eye<'_>, story: &Story) -> StoryPage {
        let words = eye.words();
        let heading = match &story.route {
            Some(route) => municipality(route.municipality),
            None => words.unread.to_owned(),
        };
        let facts = || story.entries.iter().filter_map(|entry| entry.fact.as_ref());
        let payment_date = facts().find_map(|fact| match fact {
            Fact::Accepted(query) => Some(eye.date(query.payment_date)),
            _ => None,
        });
        let title = format!("{heading}: {}", eye.say(&story.state).text());
        StoryPage {
            frame: Frame::new(eye.language, title, &story_href(story.id), Some(eye.time(eye.now))),
            heading,
            municipality_href: story.route.as_ref().map(|route| format!("/municipality/{}", route.municipality)),
            exchange: story.route.as_ref().map(|route| route.exchange.to_string()),
            id: story.id.to_string(),
            payment_date,
            state: eye.say(&story.state),
            calls: story.held.is_some() || story.overdue,
            next: eye.say(&story.next).sentence(),
            due: story.deadline.map(|by| eye.at(if story.overdue { words.overdue } else { words.due }, by)),
            trouble: story.trouble.as_ref().map(|why| Said::filled(words.not_yet, eye.say(why)).sentence()),
            milestones: milestones(eye, story),
            change: facts().filter_map(change_of).next_back().map(|summary| eye.change(summary)),
            is_applied: facts().any(|fact| matches!(fact, Fact::Applied { .. })),
            held: story.held.as_ref().map(|item| Matter::body(decision(eye, item))),
            offer: offer(eye, story),
            entries: entries(eye, story),
        }
    }
}

/// What a fact says that a reply changes, or would.
fn change_of(fact: &Fact) -> Option<&ChangeSummary> {
    match fact {
        Fact::Applied { summary, .. } => Some(summary),
        Fact::ReplyHeld { summary, .. } => summary.as_ref(),
        _ => None,
    }
}

/// What a person may do though nothing waits: the words, and the command.
fn offer(eye: &Eye<'_>, story: &Story) -> Option<(Said, String)> {
    let (words, id) = (eye.words(), short_id(story.id));
    let command = |rest: String| eye.called.command(&rest);
    match &story.offer {
        Some(Offer::Withdraw) => {
            Some((Said::plain(words.can_withdraw), command(format!("withdraw {id} --reason \"…\""))))
        }
        Some(Offer::Retry { seen }) => {
            Some((Said::plain(words.can_retry), command(format!("retry {id} --seen {seen} --reason \"…\""))))
        }
        None if story.overdue => Some((Said::plain(words.can_give_up), command(format!("refuse {id} --reason \"…\"")))),
        None => None,
    }
}

/// The milestone, by its place on the way, that a fact is the proof of.
fn milestone_of(fact: &Fact) -> Option<usize> {
    match fact {
        Fact::Accepted(_) | Fact::Unfit(_) => Some(0),
        Fact::DataUploaded => Some(1),
        Fact::TriggerMade | Fact::TriggerFound { .. } | Fact::Settled { sent: true, .. } => Some(2),
        Fact::ReceiptRead { outcome: ReceiptOutcome::Success, .. } => Some(3),
        Fact::ReplyFetched(_) => Some(4),
        Fact::Applied { .. } => Some(5),
        Fact::HandedOver => Some(6),
        Fact::Tidied { .. } => Some(7),
        _ => None,
    }
}

/// The way with the moments at which its milestones were reached. A story that has left the way, or stands still on it,
/// has one more, where it stands; one that has ended elsewhere has none ahead.
fn milestones(eye: &Eye<'_>, story: &Story) -> Vec<Milestone> {
    let mut reached: [Option<Moment>; MILESTONES.len()] = Default::default();
    for entry in &story.entries {
        if let Some(place) = entry.fact.as_ref().and_then(milestone_of) {
            // A second reply, or data that was uploaded again, counts as when it came.
            reached[place] = Some(entry.at);
        }
    }
    let is_done = story.state == "done";
    if !is_done {
        reached[MILESTONES.len() - 1] = None;
    }
    let furthest = reached.iter().rposition(Option::is_some);
    let mut shown = Vec::new();
    let mut former: Option<Moment> = None;
    for (place, name) in MILESTONES.iter().enumerate() {
        let Some(at) = reached[place] else { continue };
        // A receipt may be read after the reply.
        let lasted = former.filter(|former| *former <= at).map(|former| at.since(former));
        let after = lasted.filter(|lasted| lasted.as_secs() > 0).map(|lasted| eye.language.lasting(lasted));
        let is_here = furthest == Some(place) && step(&story.state) == Some(place + 1);
        shown.push(Milestone {
            name: eye.say(name),
            at: Some(eye.time(at)),
            after,
            by: None,
            place: if is_here { Place::Here } else { Place::Passed },
        });
        former = Some(at);
    }
    if !shown.iter().any(|milestone| milestone.place == Place::Here) {
        let since = story.entries.last().map(|entry| eye.time(entry.at));
        shown.push(Milestone { name: eye.say(&story.state), at: since, after: None, by: None, place: Place::Here });
    }
    let is_over = ["refused", "rejected", "withdrawn", "given up", "done"].contains(&story.state.as_str());
    if !is_over {
        let ahead = furthest.map_or(0, |furthest| furthest + 1);
        for (number, name) in MILESTONES.iter().skip(ahead).enumerate() {
            // What is due next is the first that the far side has to do.
            let is_due = number == 0 || (number == 1 && ahead == 3);
            let due = story.deadline.filter(|_| is_due && (3..=4).contains(&(ahead + number)));
            let by = due.map(|by| eye.at(eye.words().expected, by));
            shown.push(Milestone { name: eye.say(name), at: None, after: None, by, place: Place::Ahead });
        }
    }
    shown
}

fn entries(eye: &Eye<'_>, story: &Story) -> Vec<Entry> {
    let mut before = None;
    let mut told = Vec::new();
    for entry in &story.entries {
        let StoryEntry { seq, at, fact, recovered } = entry;
        let around = Around { before: before.as_ref(), recovered: recovered.as_ref() };
        let said = match fact {
            Some(fact) => eye.say(&sentence::of(fact, around)),
            None => Said::plain(eye.words().not_understood),
        };
        told.push(Entry { at: eye.second(*at), told: said, seq: *seq });
        before = explain::after(before, story, entry);
    }
    told
}
