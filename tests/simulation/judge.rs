//! The judge: a few sentences about what must be true of a run, checked against what the others wrote down: the hub, the
//! benefit system and the journal. It knows nothing of duties, sessions or states on the way. Start with [`judge`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sluse::domain::exchange::{Book, Fact, Origin, State};
use sluse::domain::identity::{ContentHash, FileId};
use sluse::store::{Body, Entry};

use super::fate::Kind;
use super::hub::Records;
use super::sim_store::Safe;
use super::world::Written;

/// What a run has left behind.
pub struct Case {
    pub written: Vec<Written>,
    pub journal: Vec<Entry>,
    pub eaten: Vec<(PathBuf, Vec<u8>)>,
    /// What still lies in the outbox.
    pub left: Vec<PathBuf>,
    pub records: Records,
    pub is_at_rest: bool,
}

/// What is known of a run when it is over.
pub struct Evidence {
    pub effects: Vec<Kind>,
    pub faults: Vec<String>,
    /// What must not be.
    pub breaches: Vec<String>,
    /// Exchanges that wait for a person.
    pub persons: usize,
}

/// Judges, and puts what it finds into the evidence.
pub fn judge(case: &Case, safe: &Safe, evidence: &mut Evidence) {
    let book = book_of(&case.journal);
    evidence.persons = book.waiting_for_person().count();
    let mut say = |what: String| evidence.breaches.push(what);
    nothing_is_forgotten(case, &book, &mut say);
    nothing_is_sent_twice(case, &book, &mut say);
    every_story_ends(case, &book, &mut say);
    no_reply_has_two_effects(case, &mut say);
    what_is_done_was_handed_over_once(case, &book, &mut say);
    the_register_is_what_was_applied(case, &book, safe, &mut say);
}

fn book_of(journal: &[Entry]) -> Book {
    let mut book = Book::default();
    for entry in journal {
        if let Body::Exchange { id, fact } = &entry.body {
            book.take_in(entry.seq, *id, entry.at, fact);
        }
    }
    book
}

type Say<'a> = &'a mut dyn FnMut(String);

/// Every file that the benefit system wrote is in the journal, once.
fn nothing_is_forgotten(case: &Case, book: &Book, say: Say<'_>) {
    for path in &case.left {
        say(format!("{} was never taken", path.display()));
    }
    for query in &case.written {
        let hash = ContentHash::of(&query.content);
        let stories = book.all().filter(|exchange| match &exchange.origin {
            Origin::Query(accepted) => accepted.hash == hash,
            Origin::Unfit(unfit) => unfit.hash == hash,
            Origin::Reply => false,
        });
        match stories.count() {
            1 => {}
            count => say(format!("{} has {count} stories in the journal", query.name)),
        }
    }
    for (id, why) in book.all_broken() {
        say(format!("the journal says something impossible of {id}: {why}"));
    }
}

/// At most one trigger of an id was ever taken, and one query counted per municipality and payment date; and what
/// was, the journal had intended.
fn nothing_is_sent_twice(case: &Case, book: &Book, say: Say<'_>) {
    let mut triggers: BTreeMap<FileId, u32> = BTreeMap::new();
    for taken in &case.records.taken {
        let Some(id) = taken.id else { continue };
        *triggers.entry(id).or_default() += 1;
        if book.get(id).is_none_or(|exchange| exchange.attempts == 0) {
            say(format!("the hub took {}, which the journal never intended", taken.name));
        }
    }
    for (id, count) in triggers.iter().filter(|(_, count)| **count > 1) {
        say(format!("{count} triggers of {id} were taken by the hub"));
    }
    let mut counted: BTreeMap<_, u32> = BTreeMap::new();
    for query in &case.records.counted {
        *counted.entry((query.municipality, query.payment_date)).or_default() += 1;
    }
    for ((municipality, date), count) in counted.iter().filter(|(_, count)| **count > 1) {
        say(format!("UDK counted {count} queries of {municipality} for {date}"));
    }
}

/// Every exchange is at its end or waits for a person; and what ended here without UDK was not counted there.
fn every_story_ends(case: &Case, book: &Book, say: Say<'_>) {
    if !case.is_at_rest {
        say("the house never came to rest".to_owned());
    }
    let waiting: BTreeSet<FileId> = book.waiting_for_person().map(|exchange| exchange.id).collect();
    let counted: BTreeSet<FileId> = case.records.counted.iter().map(|query| query.id).collect();
    for exchange in book.all() {
        let (id, state) = (exchange.id, exchange.state.name());
        if !exchange.state.is_final() && !waiting.contains(&id) {
            say(format!("{id} is {state}, and nobody is named"));
        }
        let is_query = exchange.query().is_some();
        match exchange.state {
            State::Done { .. } if is_query && !counted.contains(&id) => {
                say(format!("{id} is done, and UDK has no query"))
            }
            State::Refused { .. } | State::Rejected { .. } | State::Withdrawn { .. } if counted.contains(&id) => {
                say(format!("{id} is {state}, and UDK has the query"));
            }
            _ => {}
        }
    }
}

/// No reply's bytes are applied twice.
fn no_reply_has_two_effects(case: &Case, say: Say<'_>) {
    let mut fetched: BTreeMap<FileId, ContentHash> = BTreeMap::new();
    let mut applied: BTreeMap<ContentHash, u32> = BTreeMap::new();
    for entry in &case.journal {
        match &entry.body {
            Body::Exchange { id, fact: Fact::ReplyFetched(arrival) } => {
                fetched.insert(*id, arrival.hash);
            }
            Body::Exchange { id, fact: Fact::Applied { .. } } => match fetched.get(id) {
                Some(hash) => *applied.entry(*hash).or_default() += 1,
                None => say(format!("{id} was applied without a reply")),
            },
            _ => {}
        }
    }
    for (hash, count) in applied.iter().filter(|(_, count)| **count > 1) {
        say(format!("the reply {} was applied {count} times", hash.short()));
    }
}

/// What the benefit system got: whole replies only, none twice, each with its change list before it; and all of those
/// whose exchange is done.
fn what_is_done_was_handed_over_once(case: &Case, book: &Book, say: Say<'_>) {
    let mut replies: BTreeMap<ContentHash, u32> = BTreeMap::new();
    let mut lists: BTreeMap<String, u32> = BTreeMap::new();
    let sent: BTreeSet<ContentHash> = case.records.replies.iter().map(|reply| reply.hash).collect();
    for (path, content) in &case.eaten {
        let hash = ContentHash::of(content);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.strip_suffix(".changes.csv") {
            Some(stem) => {
                *lists.entry(stem.to_owned()).or_default() += 1;
                if !content.starts_with(b"change;agreement;") {
                    say(format!("{name} in the inbox is not whole"));
                }
            }
            None if sent.contains(&hash) => *replies.entry(hash).or_default() += 1,
            None => say(format!("{name} in the inbox is no reply that was ever sent")),
        }
    }
    let twice = |count: &u32| *count > 1;
    for (hash, count) in replies.iter().filter(|(_, count)| twice(count)) {
        say(format!("the reply {} was handed over {count} times", hash.short()));
    }
    for (stem, count) in lists.iter().filter(|(_, count)| twice(count)) {
        say(format!("the change list of {stem} was handed over {count} times"));
    }
    for exchange in book.all().filter(|exchange| matches!(exchange.state, State::Done { .. })) {
        let Some(arrival) = exchange.arrivals.last() else {
            say(format!("{} is done without a reply", exchange.id));
            continue;
        };
        if !replies.contains_key(&arrival.hash) {
            say(format!("{} is done, and its reply was never handed over", exchange.id));
        }
        if !lists.keys().any(|stem| stem.ends_with(&arrival.transfer.to_string())) {
            say(format!("{} is done, and its change list was never handed over", exchange.id));
        }
    }
}

/// The register holds of each route what the last applied reply said, and nothing else.
fn the_register_is_what_was_applied(case: &Case, book: &Book, safe: &Safe, say: Say<'_>) {
    let mut expected = BTreeMap::new();
    let mut fetched: BTreeMap<FileId, ContentHash> = BTreeMap::new();
    for entry in &case.journal {
        match &entry.body {
            Body::Exchange { id, fact: Fact::ReplyFetched(arrival) } => {
                fetched.insert(*id, arrival.hash);
            }
            Body::Exchange { id, fact: Fact::Applied { .. } } => {
                let reply = case.records.replies.iter().find(|reply| fetched.get(id) == Some(&reply.hash));
                let (Some(reply), Some(exchange)) = (reply, book.get(*id)) else {
                    say(format!("{id} was applied, and nobody has sent that reply"));
                    continue;
                };
                if reply.municipality != exchange.route.municipality {
                    say(format!("{id} holds another municipality's reply"));
                }
                let said = reply.agreements.iter().map(|agreement| (agreement.key.clone(), agreement.clone()));
                expected.insert(exchange.route.clone(), said.collect::<BTreeMap<_, _>>());
            }
            _ => {}
        }
    }
    for query in &case.written {
        let (held, said) = (safe.register(&query.route), expected.remove(&query.route));
        if said.is_some_and(|said| said != held) {
            say(format!("the register of {} is not what its last reply said", query.route));
        }
    }
}
