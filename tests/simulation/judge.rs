//! The judge: a few sentences about what must be true of a run, checked against what the others wrote down: the hub, the
//! benefit system, the person and the journal. It knows nothing of duties, sessions or states on the way. Start with
//! [`judge`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sluse::domain::envelope::ReceiptOutcome;
use sluse::domain::exchange::fact::Arrival;
use sluse::domain::exchange::hold::HoldReason;
use sluse::domain::exchange::{Book, Fact, Origin, State};
use sluse::domain::identity::{ContentHash, FileId, RemoteName};
use sluse::engine::decide::Verdict;
use sluse::store::{Body, Entry};

use super::benefit::Written;
use super::fault::Kind;
use super::hub::{Records, SentReply};
use super::person::Notebook;
use super::sim_store::Safe;

/// What a run has left behind.
pub struct Case {
    pub written: Vec<Written>,
    pub journal: Vec<Entry>,
    pub eaten: Vec<(PathBuf, Vec<u8>)>,
    /// What still lies in the outbox.
    pub left: Vec<PathBuf>,
    pub records: Records,
    pub notebook: Notebook,
    /// What still lies in IN.
    pub in_in: BTreeMap<RemoteName, Vec<u8>>,
    /// Somebody looked after what waited for a person.
    pub has_person: bool,
    pub is_at_rest: bool,
}

/// What is known of a run when it is over.
#[derive(Default)]
pub struct Evidence {
    pub effects: Vec<Kind>,
    pub faults: Vec<String>,
    /// The same without what is only this run's.
    pub told: Vec<String>,
    pub journal: Vec<Entry>,
    /// What lies in IN at the end.
    pub in_in: Vec<RemoteName>,
    /// What must not be.
    pub breaches: Vec<String>,
    /// Exchanges that wait for a person, or for whom one decided.
    pub persons: usize,
    /// How each doubt ended, as the journal says it.
    pub doubts: Vec<String>,
    /// Decisions that people took, and those that were refused because things had moved on.
    pub decided: u64,
    pub stale: u64,
    /// How often other settings came into force, and how often they were refused.
    pub renewed: [u64; 2],
    /// How the exchanges ended, with what a person is told of the ones that wait.
    pub ends: BTreeMap<String, u64>,
}

/// Judges, and puts what it finds into the evidence.
pub fn judge(case: &Case, safe: &Safe, evidence: &mut Evidence) {
    let book = book_of(&case.journal);
    let decided: BTreeSet<FileId> = case.notebook.said.iter().map(|(id, _)| *id).collect();
    let waiting: BTreeSet<FileId> = book.waiting_for_person().map(|exchange| exchange.id).collect();
    evidence.persons = waiting.union(&decided).count();
    evidence.doubts = case.doubts(&book);
    (evidence.decided, evidence.stale) = (case.notebook.decided, case.notebook.stale);
    for exchange in book.all() {
        let reasons = exchange.held().into_iter().flatten().map(|reason| class_of(&reason)).collect::<Vec<_>>();
        let end = match reasons.is_empty() {
            true => exchange.state.name().to_owned(),
            false => format!("{}: {}", exchange.state.name(), reasons.join("; ")),
        };
        *evidence.ends.entry(end).or_default() += 1;
    }
    let mut say = |what: String| evidence.breaches.push(what);
    case.notebook.breaches.iter().cloned().for_each(&mut say);
    nothing_is_forgotten(case, &book, &mut say);
    nothing_is_sent_twice(case, &book, &mut say);
    nothing_in_in_is_lost(case, &book, &mut say);
    every_story_ends(case, &book, &mut say);
    nobody_decides_but_the_person(case, &mut say);
    no_reply_has_two_effects(case, &mut say);
    what_is_done_was_handed_over_once(case, &book, &mut say);
    the_register_is_what_was_applied(case, &book, safe, &mut say);
    if !case.is_at_rest {
        say("the house never came to rest".to_owned());
    }
}

/// A reason's first clause, without what is only this run's.
fn class_of(reason: &HoldReason) -> String {
    let said = reason.to_string();
    let end = [": ", "; ", ", "].iter().filter_map(|mark| said.find(mark)).min().unwrap_or(said.len());
    without_numbers(&said[..end])
}

/// A sentence without what is only one run's: each word with a digit in it.
pub fn without_numbers(sentence: &str) -> String {
    let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    let words = sentence.split(' ').map(|word| if has_digit(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
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

impl Case {
    fn has_said(&self, id: FileId, verdict: Verdict) -> bool {
        self.notebook.said.contains(&(id, verdict))
    }

    /// Of each exchange whose trigger was in doubt, what settled it.
    fn doubts(&self, book: &Book) -> Vec<String> {
        let mut open: BTreeMap<FileId, &str> = BTreeMap::new();
        let mut ends = Vec::new();
        for entry in &self.journal {
            let Body::Exchange { id, fact } = &entry.body else { continue };
            let end = match fact {
                Fact::TriggerIntended { .. } => {
                    open.insert(*id, "");
                    continue;
                }
                Fact::Doubted { trouble } => {
                    open.insert(*id, trouble);
                    continue;
                }
                Fact::TriggerMade => {
                    open.remove(id);
                    continue;
                }
                Fact::TriggerFound { evidence } => format!("it is there: {evidence}"),
                // What was answered leaves no doubt.
                Fact::TriggerNotMade { .. } if open.get(id) == Some(&"") => {
                    open.remove(id);
                    continue;
                }
                Fact::TriggerNotMade { evidence } => format!("it is not there: {evidence}"),
                Fact::ReceiptRead { outcome: ReceiptOutcome::Success, .. } => "it is there: a receipt came".to_owned(),
                Fact::ReceiptRead { .. } => "an error receipt came, and a person is named".to_owned(),
                Fact::ReplyFetched(_) => "it is there: the reply came".to_owned(),
                Fact::Settled { sent, .. } => {
                    format!("a person settled it: {}", if *sent { "sent" } else { "not sent" })
                }
                _ => continue,
            };
            if open.remove(id).is_some() {
                ends.push(end);
            }
        }
        let still = |id: &&FileId| book.get(**id).is_some_and(|exchange| !exchange.state.is_final());
        ends.extend(open.keys().filter(still).map(|_| "a person is named".to_owned()));
        ends
    }

    /// Each applied reply in the order of the journal, with the exchange that it was applied for.
    fn applied(&self) -> Vec<(FileId, Option<&Arrival>)> {
        let mut fetched: BTreeMap<FileId, &Arrival> = BTreeMap::new();
        let mut applied = Vec::new();
        for entry in &self.journal {
            match &entry.body {
                Body::Exchange { id, fact: Fact::ReplyFetched(arrival) } => {
                    fetched.insert(*id, arrival);
                }
                Body::Exchange { id, fact: Fact::Applied { .. } } => applied.push((*id, fetched.get(id).copied())),
                _ => {}
            }
        }
        applied
    }

    fn sent(&self, arrival: &Arrival) -> Option<&SentReply> {
        self.records.replies.iter().find(|reply| reply.transfer == arrival.transfer && reply.hash == arrival.hash)
    }
}

/// Every file that the benefit system wrote is in the journal, once.
fn nothing_is_forgotten(case: &Case, book: &Book, say: Say<'_>) {
    for path in &case.left {
        say(format!("{} was never taken", path.display()));
    }
    for query in &case.written {
        let hashes: Vec<_> =
            query.changed.iter().chain([&query.content]).map(|content| ContentHash::of(content)).collect();
        let stories = book.all().filter(|exchange| match &exchange.origin {
            Origin::Query(accepted) => hashes.contains(&accepted.hash),
            Origin::Unfit(unfit) => hashes.contains(&unfit.hash),
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

/// At most one trigger of an id was ever taken, and one query counted per municipality and payment date, unless a
/// person approved another; and what was, the journal had intended.
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
    let mut counted: BTreeMap<_, Vec<FileId>> = BTreeMap::new();
    for sent in &case.records.counted {
        counted.entry((sent.query.municipality, sent.query.payment_date)).or_default().push(sent.id);
    }
    for ((municipality, date), ids) in counted {
        let approved = ids.iter().filter(|id| case.has_said(**id, Verdict::Approve)).count();
        if ids.len() > 1 + approved {
            say(format!("UDK counted {} queries of {municipality} for {date}, {approved} approved", ids.len()));
        }
    }
    for (id, hash) in &case.records.data {
        let accepted = book.get(*id).and_then(|exchange| exchange.query());
        if accepted.is_none_or(|accepted| accepted.hash != *hash) {
            say(format!("UDK got other bytes in {id} than those that were accepted"));
        }
    }
}

/// Every exchange is at its end, or waits for a person where none looks after it, or for what the hub will not send;
/// and what ended here without UDK was not counted there.
fn every_story_ends(case: &Case, book: &Book, say: Say<'_>) {
    let waiting: BTreeSet<FileId> = book.waiting_for_person().map(|exchange| exchange.id).collect();
    let counted: BTreeSet<FileId> = case.records.counted.iter().map(|query| query.id).collect();
    for exchange in book.all() {
        let (id, state) = (exchange.id, exchange.state.name());
        // Its deadline will name a person.
        let is_owed = exchange.submitted_at.is_some() && case.records.silent.contains(&id);
        if !exchange.state.is_final() && case.has_person {
            say(format!("{id} is {state}, though a person looked after it"));
        } else if !exchange.state.is_final() && !waiting.contains(&id) && !is_owed {
            say(format!("{id} is {state}, and nobody is named"));
        }
        let is_query = exchange.query().is_some();
        match exchange.state {
            State::Done { .. } if is_query && !counted.contains(&id) && !case.has_said(id, Verdict::Refuse) => {
                say(format!("{id} is done, and UDK has no query"))
            }
            State::Refused { .. } | State::Rejected { .. } | State::Withdrawn { .. } if counted.contains(&id) => {
                say(format!("{id} is {state}, and UDK has the query"));
            }
            _ => {}
        }
    }
}

/// Each decision in the journal is one that the person took.
fn nobody_decides_but_the_person(case: &Case, say: Say<'_>) {
    for entry in &case.journal {
        let Body::Exchange { id, fact } = &entry.body else { continue };
        let verdict = match fact {
            Fact::Approved { .. } => Verdict::Approve,
            Fact::Declined { .. } => Verdict::Refuse,
            Fact::Settled { sent: true, .. } => Verdict::SettleSent,
            Fact::Settled { sent: false, .. } => Verdict::SettleNotSent,
            _ => continue,
        };
        if !case.has_said(*id, verdict) {
            say(format!("the journal has a decision on {id} that nobody took: {}", fact.name()));
        }
    }
}

/// No reply is applied twice, the same bytes under another transfer id only where a person approved; and never one
/// that UDK did not send.
fn no_reply_has_two_effects(case: &Case, say: Say<'_>) {
    let (mut transfers, mut contents) = (BTreeMap::<_, u32>::new(), BTreeMap::<_, u32>::new());
    for (id, arrival) in case.applied() {
        let Some(arrival) = arrival else {
            say(format!("{id} was applied without a reply"));
            continue;
        };
        *transfers.entry(arrival.transfer).or_default() += 1;
        if !case.has_said(id, Verdict::Approve) {
            *contents.entry(arrival.hash).or_default() += 1;
        }
        match case.sent(arrival) {
            None => say(format!("{id} was applied, and nobody has sent that reply")),
            Some(sent) if !sent.is_true => say(format!("{id} was applied, and UDK never meant that reply")),
            Some(sent) if sent.municipality != arrival.route.municipality => {
                say(format!("{id} holds another municipality's reply"));
            }
            Some(_) => {}
        }
    }
    for (transfer, count) in transfers.iter().filter(|(_, count)| **count > 1) {
        say(format!("the reply of transfer {transfer} was applied {count} times"));
    }
    for (hash, count) in contents.iter().filter(|(_, count)| **count > 1) {
        say(format!("the reply {} was applied {count} times", hash.short()));
    }
}

/// What the benefit system got: whole replies only, none twice, each with its change list before it; and all of those
/// that were applied and whose exchange is done.
fn what_is_done_was_handed_over_once(case: &Case, book: &Book, say: Say<'_>) {
    let mut replies: BTreeMap<String, u32> = BTreeMap::new();
    let mut lists: BTreeMap<String, u32> = BTreeMap::new();
    let sent: BTreeSet<ContentHash> = case.records.replies.iter().map(|reply| reply.hash).collect();
    for (path, content) in &case.eaten {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.strip_suffix(".changes.csv") {
            Some(stem) => {
                *lists.entry(stem.to_owned()).or_default() += 1;
                if !content.starts_with(b"change;agreement;") {
                    say(format!("{name} in the inbox is not whole"));
                }
            }
            None if sent.contains(&ContentHash::of(content)) => {
                let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
                if !lists.contains_key(stem) {
                    say(format!("{name} was handed over before its change list"));
                }
                *replies.entry(stem.to_owned()).or_default() += 1;
            }
            None => say(format!("{name} in the inbox is no reply that was ever sent")),
        }
    }
    for (stem, count) in replies.iter().filter(|(_, count)| **count > 1) {
        say(format!("the reply {stem} was handed over {count} times"));
    }
    for (stem, count) in lists.iter().filter(|(_, count)| **count > 1) {
        say(format!("the change list of {stem} was handed over {count} times"));
    }
    let applied: BTreeSet<FileId> = case.applied().into_iter().map(|(id, _)| id).collect();
    for exchange in book.all().filter(|exchange| matches!(exchange.state, State::Done { .. })) {
        let id = exchange.id;
        // A person gave up waiting, or gave up the hand-over.
        let is_given_up = case.has_said(id, Verdict::Refuse);
        if !applied.contains(&id) {
            if !is_given_up {
                say(format!("{id} is done without a reply"));
            }
            continue;
        }
        let Some(arrival) = exchange.arrivals.last() else { continue };
        let has =
            |stems: &BTreeMap<String, u32>| stems.keys().any(|stem| stem.ends_with(&arrival.transfer.to_string()));
        if !has(&replies) && !is_given_up {
            say(format!("{id} is done, and its reply was never handed over"));
        }
        if !has(&lists) && !is_given_up {
            say(format!("{id} is done, and its change list was never handed over"));
        }
    }
}

/// The register holds of each route what the last applied reply said, and nothing else.
fn the_register_is_what_was_applied(case: &Case, book: &Book, safe: &Safe, say: Say<'_>) {
    let mut expected = BTreeMap::new();
    for (id, arrival) in case.applied() {
        let (Some(reply), Some(exchange)) = (arrival.and_then(|arrival| case.sent(arrival)), book.get(id)) else {
            continue;
        };
        let said = reply.agreements.iter().map(|agreement| (agreement.key.clone(), agreement.clone()));
        expected.insert(exchange.route.clone(), said.collect::<BTreeMap<_, _>>());
    }
    for query in &case.written {
        let (held, said) = (safe.register(&query.route), expected.remove(&query.route));
        if said.is_some_and(|said| said != held) {
            say(format!("the register of {} is not what its last reply said", query.route));
        }
    }
}

/// What is others' stays in IN as it was; what is ours is there, or was fetched before it went.
fn nothing_in_in_is_lost(case: &Case, book: &Book, say: Say<'_>) {
    for (name, content) in &case.records.foreign {
        if case.in_in.get(name) != Some(content) {
            say(format!("{name} was for others and is gone from IN"));
        }
    }
    let fetched: BTreeSet<ContentHash> =
        book.all().flat_map(|exchange| exchange.arrivals.iter().map(|arrival| arrival.hash)).collect();
    for reply in &case.records.replies {
        let was_put = case.records.put.contains(&(reply.name.clone(), reply.hash));
        let is_there = case.in_in.get(&reply.name).is_some_and(|content| ContentHash::of(content) == reply.hash);
        if was_put && !is_there && !fetched.contains(&reply.hash) {
            say(format!("{} was removed from IN and never fetched", reply.name));
        }
    }
}
