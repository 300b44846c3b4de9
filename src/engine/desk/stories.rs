//! The stories that a person means by a name, and what waits for a decision, told with what the whole book knows.

use super::routes::refused_name_and_reason;
use super::{Live, Office};
use crate::domain::exchange::fact::Decision;
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::unread::{Marks, Unread};
use crate::domain::exchange::{Book, Exchange};
use crate::domain::identity::RemoteName;
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::control::Answer;
use crate::engine::decide::{register_head, why_not_withdrawn};
use crate::engine::retry::may_be_retried;
use crate::engine::snapshot::{
    ErasedStory, ExchangeLine, Halt, HeldItem, NOTHING_BY_ITSELF, Offer, OtherQuery, Story, StoryEntry, seen,
};
use crate::outbox::{Waiting, printable};
use crate::store::removal::FileLeft;
use crate::store::{Body, HouseFact, Reading, StoreTrouble};

impl Office {
    /// The stories that a person may mean, without their entries, oldest first: of a municipality all that are open,
    /// and the latest one. With them the files of that name that wait in an outbox. `live` is None where no daemon runs.
    pub fn stories(&self, book: &Book, what: &str, live: Option<Live>) -> (Vec<Story>, Vec<Waiting>) {
        let live = live.unwrap_or_else(|| self.without_daemon(book));
        let (mut found, waiting) = match what.parse::<MunicipalityCode>() {
            Ok(code) => (open_and_latest(book, code), Vec::new()),
            Err(_) => {
                let (name, shown) = names(what);
                let is_meant = |waiting: &Waiting| waiting.name == name || waiting.name == shown;
                let waiting = live.outbox.iter().filter(|waiting| is_meant(waiting)).cloned();
                (going_by(book, what), waiting.map(|waiting| self.with_what_keeps(waiting, &live)).collect())
            }
        };
        found.sort_by_key(|exchange| (exchange.begun, exchange.id));
        let told = found.into_iter().map(|exchange| self.story(book, exchange, &live));
        let unread = book.unread().into_iter().filter(|unread| is_meant(unread, what)).map(|unread| {
            let item = HeldItem::unread(unread, book.broken(unread.id).unwrap_or_default());
            unread_story(item)
        });
        (told.chain(unread).collect(), waiting)
    }

    /// Every exchange of a municipality in one line each, oldest first.
    pub fn list(&self, book: &Book, municipality: MunicipalityCode) -> Vec<ExchangeLine> {
        let of_it = book.all().filter(|exchange| exchange.route.municipality == municipality);
        let mut lines: Vec<ExchangeLine> = of_it.map(|exchange| self.line(book, exchange, None)).collect();
        lines.sort_by_key(|line| (line.begun, line.id));
        lines
    }

    fn story(&self, book: &Book, exchange: &Exchange, live: &Live) -> Story {
        let line = self.line(book, exchange, self.trouble(exchange, live));
        Story {
            id: exchange.id,
            route: Some(exchange.route.clone()),
            state: line.state,
            next: line.next,
            deadline: line.deadline,
            overdue: line.overdue,
            trouble: line.trouble,
            held: held_item(book, exchange),
            offer: offer(book, exchange),
            entries: Vec::new(),
            erased: exchange.erased.map(|at| ErasedStory {
                at,
                begun: exchange.begun,
                ended: exchange.since,
                left: files_left(exchange),
            }),
        }
    }

    /// A file in an outbox, and why it is not claimed even when it is whole.
    fn with_what_keeps(&self, waiting: Waiting, live: &Live) -> Waiting {
        let keeps = |halt: &&Halt| {
            let of = halt.exchange.as_ref().and_then(|exchange| self.settings.exchanges.get(exchange));
            let is_of = |code| of.is_none_or(|settings| settings.municipalities.contains(&code));
            waiting.municipality.is_none_or(is_of)
        };
        match live.keeping_claims.iter().find(keeps) {
            Some(halt) => Waiting { why: format!("{}; not yet: {}", waiting.why, halt.what), ..waiting },
            None => waiting,
        }
    }

    /// What keeps this exchange from its next step: a setback of its own, the store, or its endpoint's trouble.
    fn trouble(&self, exchange: &Exchange, live: &Live) -> Option<String> {
        if exchange.state.is_final() {
            return None;
        }
        let of_endpoint = || {
            let settings = self.settings.exchanges.get(&exchange.route.exchange)?;
            let endpoint = live.endpoints.iter().find(|endpoint| endpoint.name == settings.endpoint)?;
            let trouble = endpoint.trouble.as_ref()?;
            Some(format!("endpoint {}: {trouble}", endpoint.name))
        };
        live.troubles.get(&exchange.id).cloned().or_else(|| live.standstill.clone()).or_else(of_endpoint)
    }
}

/// What is known of the files of a story whose files are gone.
fn files_left(exchange: &Exchange) -> Vec<FileLeft> {
    let left = |what: &str, name: Option<&RemoteName>, size, hash| FileLeft {
        what: what.to_owned(),
        name: name.cloned(),
        size,
        hash,
    };
    let query = exchange.query().map(|query| left("query", Some(&query.remote_name), Some(query.size), query.hash));
    let receipts = exchange.receipts.iter().map(|read| left("receipt", Some(&read.name), None, read.hash));
    let replies = exchange.arrivals.iter().map(|reply| left("reply", Some(&reply.name), Some(reply.size), reply.hash));
    query.into_iter().chain(receipts).chain(replies).collect()
}

/// Whether a person may mean a story by this of which little is known.
fn is_meant(unread: &Unread, what: &str) -> bool {
    let Marks { route, remote_name, .. } = &unread.marks;
    let (name, _) = names(what);
    route.as_ref().is_some_and(|route| what.parse() == Ok(route.municipality))
        || remote_name.as_ref().is_some_and(|remote| remote.as_str() == name)
        || (name.len() >= 4 && unread.id.to_string().starts_with(&name.to_ascii_lowercase()))
}

fn unread_story(item: HeldItem) -> Story {
    Story {
        id: item.id,
        route: item.route.clone(),
        state: item.state.clone(),
        next: NOTHING_BY_ITSELF.to_owned(),
        deadline: None,
        overdue: false,
        trouble: None,
        held: Some(item),
        offer: None,
        entries: Vec::new(),
        erased: None,
    }
}

/// A name as it was given, without folders, and as Sluse shows it where letters are not plain.
fn names(what: &str) -> (&str, String) {
    let name = what.rsplit('/').next().unwrap_or(what);
    (name, printable(name.as_ref()))
}

fn going_by<'b>(book: &'b Book, what: &str) -> Vec<&'b Exchange> {
    let (name, shown) = names(what);
    let mut found = book.find(name);
    if shown != name {
        found.extend(book.find(&shown));
    }
    let refused = shown.strip_suffix(".why.txt").unwrap_or(&shown);
    found.extend(book.all().filter(|exchange| refused_name_and_reason(exchange).is_some_and(|(n, _)| n == refused)));
    found.sort_by_key(|exchange| exchange.id);
    found.dedup_by_key(|exchange| exchange.id);
    found
}

fn open_and_latest(book: &Book, code: MunicipalityCode) -> Vec<&Exchange> {
    let of_it = || book.all().filter(|exchange| exchange.route.municipality == code);
    let latest = of_it().max_by_key(|exchange| (exchange.begun, exchange.id)).map(|exchange| exchange.id);
    of_it().filter(|exchange| !exchange.state.is_final() || Some(exchange.id) == latest).collect()
}

/// Everything that waits for a person, oldest first.
pub fn held(book: &Book) -> Answer {
    let mut items: Vec<_> = book.waiting_for_person().filter_map(|exchange| held_item(book, exchange)).collect();
    let why = |id| book.broken(id).unwrap_or_default();
    items.extend(book.unread().into_iter().map(|unread| HeldItem::unread(unread, why(unread.id))));
    items.sort_by_key(|item| (item.since, item.id));
    Answer::Held { items }
}

fn held_item(book: &Book, exchange: &Exchange) -> Option<HeldItem> {
    let register_head = book.register(&exchange.route).map_or(0, |mark| mark.head);
    let item = HeldItem::of(exchange, book.broken(exchange.id), register_head)?;
    Some(HeldItem { other: other_query(book, exchange), ..item })
}

/// What a person may decide of an exchange that waits for nobody.
fn offer(book: &Book, exchange: &Exchange) -> Option<Offer> {
    let waits = exchange.held().is_some() || book.broken(exchange.id).is_some();
    if !waits && why_not_withdrawn(exchange).is_none() {
        return Some(Offer::Withdraw);
    }
    may_be_retried(book, exchange.id, None).ok()?;
    Some(Offer::Retry { seen: seen(exchange, register_head(book, exchange)) })
}

/// The query that makes this one a second one.
fn other_query(book: &Book, exchange: &Exchange) -> Option<OtherQuery> {
    let second = |reason| match reason {
        HoldReason::SecondQuery { other, .. } => Some(other),
        _ => None,
    };
    let other = book.get(exchange.held()?.into_iter().find_map(second)?)?;
    let payment_date = other.query()?.payment_date;
    let is_same_date = exchange.query().is_some_and(|query| query.payment_date == payment_date);
    Some(OtherQuery { id: other.id, state: other.state_name().to_owned(), payment_date, is_same_date })
}

/// Gives stories their entries, from the journal alone.
pub fn tell_stories(
    mut stories: Vec<Story>,
    waiting: Vec<Waiting>,
    journal: &dyn Reading,
) -> Result<Answer, StoreTrouble> {
    // What a recovery finds is written in one transaction behind it, all at its own moment.
    let mut recovery: Option<(Moment, Decision)> = None;
    journal.entries(0, &mut |entry| {
        let (id, fact) = match entry.body {
            Body::Exchange { id, fact } => (id, Some(fact)),
            Body::NotUnderstood { id: Some(id), .. } => (id, None),
            Body::House(HouseFact::Recovered { who, reason, .. }) => {
                recovery = Some((entry.at, Decision { who, reason }));
                return;
            }
            Body::NotUnderstood { id: None, .. } | Body::House(_) => return,
        };
        recovery = recovery.take().filter(|(at, _)| *at == entry.at);
        if let Some(story) = stories.iter_mut().find(|story| story.id == id) {
            let recovered = recovery.as_ref().map(|(_, decision)| decision.clone());
            story.entries.push(StoryEntry { seq: entry.seq, at: entry.at, fact, recovered });
        }
    })?;
    Ok(Answer::Explained { stories, waiting })
}
