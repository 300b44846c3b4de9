//! A store in memory, by the same contract as the one on disk. What is committed outlives everything; a call that
//! fails afterwards has committed all the same. Start with [`Safe`]; [`SimStore`] is what one process sees of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use sluse::domain::agreement::{Agreement, AgreementKey};
use sluse::domain::change::{Change, ChangeSummary, Known};
use sluse::domain::exchange::Fact;
use sluse::domain::identity::{ContentHash, Route};
use sluse::domain::moment::Moment;
use sluse::domain::retention::HashKey;
use sluse::store::chain::Stored;
use sluse::store::removal::{EntryLeft, LeftBehind, Remains, Removal, Removed, digest_of, next_link};
use sluse::store::{
    Answer, Body, Changed, Entry, Head, HouseFact, Order, Outcome, Question, Reading, Sorted, Store, StoreTrouble,
};

use super::fate::Life;
use super::fault::Kind;

/// One line of the register's history.
#[derive(Clone)]
struct Statement {
    route: Route,
    seq: u64,
    known_at: Moment,
    change: Change,
    asserts_from: Option<Date>,
    agreement: Agreement,
}

#[derive(Default)]
struct Shelf {
    entries: Vec<Entry>,
    statements: Vec<Statement>,
    loaded: BTreeSet<Route>,
    /// What retention has made of an entry: what it says now, or nothing. The judge sees what it was.
    altered: BTreeMap<u64, Option<Body>>,
    left: LeftBehind,
    link: Option<ContentHash>,
    to_unlink: BTreeSet<String>,
    /// How long the journal was before the last call that wrote to it.
    former_length: usize,
}

/// What outlives a process.
#[derive(Clone, Default)]
pub struct Safe(Arc<Mutex<Shelf>>);

impl Safe {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> Head {
        self.shelf().entries.last().map_or(Head::genesis(), |entry| Head { seq: entry.seq, hash: entry.hash })
    }

    /// What no honest store does: takes back what it last said to be on disk.
    pub fn lose_last_commit(&self) {
        let mut shelf = self.shelf();
        let kept = shelf.former_length;
        shelf.entries.truncate(kept);
        shelf.statements.retain(|statement| statement.seq <= kept as u64);
    }

    /// The journal behind entry `after`, as it was before anything was removed from it.
    pub fn journal(&self, after: u64) -> Vec<Entry> {
        self.shelf().entries.get(after as usize..).unwrap_or_default().to_vec()
    }

    /// The same as it is now.
    fn kept(&self, after: u64) -> Vec<Entry> {
        let altered = self.shelf().altered.clone();
        let now = |entry: Entry| match altered.get(&entry.seq) {
            None => Some(entry),
            Some(says) => says.clone().map(|body| Entry { body, ..entry }),
        };
        self.journal(after).into_iter().filter_map(now).collect()
    }

    /// What the register holds of a route now.
    pub fn register(&self, route: &Route) -> BTreeMap<AgreementKey, Agreement> {
        let mut now = BTreeMap::new();
        for Statement { change, agreement, .. } in self.shelf().statements.iter().filter(|s| s.route == *route) {
            match change {
                Change::Ended => now.remove(&agreement.key),
                Change::New | Change::Changed | Change::Resumed => now.insert(agreement.key.clone(), agreement.clone()),
            };
        }
        now
    }
}

/// The writer.
pub struct SimStore {
    safe: Safe,
    /// None: nothing ever goes wrong.
    life: Option<Life>,
    head: std::cell::Cell<Head>,
}

impl SimStore {
    pub fn open(safe: Safe, life: Option<Life>) -> SimStore {
        let head = std::cell::Cell::new(safe.head());
        SimStore { safe, life, head }
    }

    fn call<T>(
        &self,
        what: &dyn Fn() -> String,
        work: impl FnOnce() -> Result<T, StoreTrouble>,
    ) -> Result<T, StoreTrouble> {
        match &self.life {
            None => work(),
            Some(life) => life.call(Kind::Store, what, |failure| unusable(failure.to_string()), |_| work()),
        }
    }

    fn check_head(&self, expected: Head) -> Result<(), StoreTrouble> {
        let found = self.safe.head();
        if found == expected { Ok(()) } else { Err(StoreTrouble::Moved { expected: expected.seq, found: found.seq }) }
    }
}

fn unusable(reason: impl Into<String>) -> StoreTrouble {
    StoreTrouble::Unusable { attempted: "use", path: "memory".into(), reason: reason.into() }
}

/// The entries as they would be read back.
fn chained(mut head: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
    let mut entries = Vec::new();
    for body in bodies {
        let stored = Stored::behind(head, at, body).map_err(|reason| StoreTrouble::Unusable {
            attempted: "append to",
            path: "memory".into(),
            reason,
        })?;
        // Not read back from its text, as a store on disk does: the suite of the stored facts shows that it is the same.
        let entry = Entry { seq: stored.seq, at, body: body.clone(), hash: stored.hash(head.hash) };
        head = Head { seq: entry.seq, hash: entry.hash };
        entries.push(entry);
    }
    Ok(entries)
}

impl Reading for SimStore {
    fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
        self.safe.kept(after).into_iter().for_each(each);
        self.head.set(self.safe.head());
        Ok(self.head.get())
    }

    fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        let shelf = self.safe.shelf();
        let mut last: BTreeMap<(&Route, &AgreementKey), &Statement> = BTreeMap::new();
        for statement in &shelf.statements {
            let is_asked = question.exchange.as_ref().is_none_or(|wanted| *wanted == statement.route.exchange)
                && question.municipality.is_none_or(|wanted| wanted == statement.route.municipality)
                && question.known_at.is_none_or(|known_at| statement.known_at <= known_at)
                && question.valid_on.is_none_or(|day| statement.asserts_from.is_none_or(|from| from <= day));
            if is_asked {
                last.insert((&statement.route, &statement.agreement.key), statement);
            }
        }
        for statement in last.into_values() {
            let Statement { route, known_at, change, agreement, .. } = statement;
            let has_run_out = question.valid_on.is_some_and(|day| agreement.valid_to.is_some_and(|to| to < day));
            if *change != Change::Ended && !has_run_out {
                let (route, agreement) = (route.clone(), agreement.clone());
                each(Answer { route, agreement, known_at: *known_at, change: *change });
            }
        }
        Ok(())
    }

    fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        let shelf = self.safe.shelf();
        for made in shelf.statements.iter().filter(|statement| statement.seq == seq) {
            let is_before =
                |s: &&Statement| s.seq < seq && s.route == made.route && s.agreement.key == made.agreement.key;
            let before = shelf.statements.iter().rev().find(is_before).map(|statement| statement.agreement.clone());
            let after = (made.change != Change::Ended).then(|| made.agreement.clone());
            each(Changed { change: made.change, before, after });
        }
        Ok(())
    }

    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
        Ok(self.safe.kept(seq.saturating_sub(1)).into_iter().find(|entry| entry.seq == seq))
    }

    fn left(&self) -> Result<LeftBehind, StoreTrouble> {
        Ok(self.safe.shelf().left.clone())
    }

    fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
        let shelf = self.safe.shelf();
        Ok(shelf.over(route, before, &shelf.images()).len() as u64)
    }
}

impl Shelf {
    /// The replies whose rows are all that is left of them.
    fn images(&self) -> BTreeSet<u64> {
        let reply = |left: &Remains| if let Remains::Reply { seq, .. } = left { Some(*seq) } else { None };
        self.left.remains.iter().filter_map(|(_, left)| reply(left)).collect()
    }

    /// Agreements that had ended before that moment, and of which only such replies speak.
    fn over(&self, route: &Route, before: Moment, images: &BTreeSet<u64>) -> BTreeSet<AgreementKey> {
        let mut last: BTreeMap<&AgreementKey, &Statement> = BTreeMap::new();
        let of_route = || self.statements.iter().filter(|statement| statement.route == *route);
        last.extend(of_route().map(|statement| (&statement.agreement.key, statement)));
        let is_over = |(key, last): &(&AgreementKey, &Statement)| {
            let mut all = of_route().filter(|statement| statement.agreement.key == **key);
            last.change == Change::Ended && last.known_at < before && all.all(|said| images.contains(&said.seq))
        };
        last.into_iter().filter(is_over).map(|(key, _)| key.clone()).collect()
    }

    fn digest_of_reply(&self, seq: u64, key: &HashKey) -> (u64, ContentHash) {
        let (mut digest, mut rows) = (key.digest(), 0);
        for statement in self.statements.iter().filter(|statement| statement.seq == seq) {
            digest.update(statement.agreement.key.0.as_bytes());
            rows += 1;
        }
        (rows, digest.finish())
    }

    fn remove(&mut self, at: Moment, removal: &Removal) -> Result<(Removed, Vec<Remains>), StoreTrouble> {
        let mut seqs = removal.stories.iter().flat_map(|story| &story.entries);
        if seqs.any(|(seq, _)| *seq == 0 || *seq > self.entries.len() as u64) {
            return Err(unusable("no such entry"));
        }
        let (mut removed, mut remains, mut replies) = (Removed::default(), Vec::new(), BTreeSet::new());
        for story in &removal.stories {
            self.to_unlink.extend(story.files.iter().map(|(file, _)| file.clone()));
            let mut entries = Vec::new();
            for (seq, says) in story.entries.iter().filter(|(_, says)| says.is_some() || story.remnant.is_some()) {
                let entry = self.entries.get(*seq as usize - 1).ok_or_else(|| unusable("no such entry"))?;
                let head = Head { seq: seq - 1, hash: Head::genesis().hash };
                let stored = says.as_ref().map(|body| Stored::behind(head, entry.at, body)).transpose();
                let says_now = stored.map_err(unusable)?.as_ref().map(digest_of);
                entries.push(EntryLeft { seq: *seq, hash: entry.hash, says: says_now });
                self.altered.insert(*seq, says.clone());
            }
            let files: Vec<_> = story.files.iter().filter_map(|(_, left)| left.clone()).collect();
            removed.erased += u64::from(!files.is_empty());
            removed.files += files.len() as u64;
            removed.bytes += files.iter().filter_map(|file| file.size).sum::<u64>();
            replies.extend(story.applied);
            remains.push(match &story.remnant {
                None => Remains::Files { id: story.id, files, entries },
                Some(remnant) => {
                    removed.stories += 1;
                    removed.entries += entries.len() as u64;
                    Remains::Story { remnant: Box::new(remnant.clone()), files, entries }
                }
            });
        }
        let mut images = self.images();
        images.extend(&replies);
        for (route, before) in &removal.ended {
            let over = self.over(route, *before, &images);
            let is_over = |said: &Statement| said.route == *route && over.contains(&said.agreement.key);
            replies.extend(self.statements.iter().filter(|said| is_over(said)).map(|said| said.seq));
            let rows = self.statements.iter().filter(|said| is_over(said)).count() as u64;
            if rows > 0 {
                self.statements.retain(|said| !is_over(said));
                let agreements = over.len() as u64;
                (removed.agreements, removed.rows) = (removed.agreements + agreements, removed.rows + rows);
                remains.push(Remains::Register { route: route.clone(), before: *before, agreements, rows });
            }
        }
        for seq in replies {
            let (rows, digest) = self.digest_of_reply(seq, &removal.key);
            remains.push(Remains::Reply { seq, rows, digest });
        }
        for left in &remains {
            let text = serde_json::to_string(left).map_err(|e| unusable(e.to_string()))?;
            self.link = Some(next_link(self.link.unwrap_or(Head::genesis().hash), &text));
        }
        self.left.key = Some(removal.key);
        self.left.remains.extend(remains.iter().map(|left| (at, left.clone())));
        Ok((removed, remains))
    }
}

impl Store for SimStore {
    fn head(&self) -> Head {
        self.head.get()
    }

    fn append(&mut self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
        let names = || bodies.iter().map(name).collect::<Vec<_>>().join(", ");
        let entries = self.call(&|| format!("append {}", names()), || {
            self.check_head(expected)?;
            let entries = chained(expected, at, bodies)?;
            let mut shelf = self.safe.shelf();
            shelf.former_length = shelf.entries.len();
            shelf.entries.extend(entries.iter().cloned());
            Ok(entries)
        })?;
        self.head.set(self.safe.head());
        Ok(entries)
    }

    fn apply(
        &mut self,
        order: &Order,
        stated: &mut Sorted,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        let outcome = self.call(&|| format!("apply a reply of {}", order.route), || {
            self.check_head(self.head.get())?;
            let (summary, verdicts) = self.compare(order, stated.as_of, &all_of(stated)?);
            let fact = match decide(&summary) {
                None => return Ok(Outcome::Held(summary)),
                Some(fact @ Fact::Applied { .. }) => fact,
                Some(_) => return Err(unusable("only what was applied can be")),
            };
            let entries = chained(self.head.get(), order.at, &[Body::Exchange { id: order.id, fact }])?;
            let entry = entries.into_iter().next().ok_or_else(|| unusable("no entry"))?;
            let mut shelf = self.safe.shelf();
            shelf.former_length = shelf.entries.len();
            shelf.entries.push(entry.clone());
            shelf.loaded.insert(order.route.clone());
            shelf.statements.extend(verdicts.into_iter().map(|verdict| Statement { seq: entry.seq, ..verdict }));
            Ok(Outcome::Applied(entry))
        })?;
        self.head.set(self.safe.head());
        Ok(outcome)
    }

    fn checkpoint(
        &mut self,
        expected: Head,
        at: Moment,
        removal: &Removal,
    ) -> Result<(Entry, LeftBehind), StoreTrouble> {
        let done = self.call(&|| "make a checkpoint".to_owned(), || {
            self.check_head(expected)?;
            let mut shelf = self.safe.shelf();
            let (removed, remains) = shelf.remove(at, removal)?;
            let digest = shelf.link.unwrap_or(Head::genesis().hash);
            let fact = HouseFact::Checkpoint { removed, remains: shelf.left.remains.len() as u64, digest };
            let entries = chained(expected, at, &[Body::House(fact)])?;
            let entry = entries.into_iter().next().ok_or_else(|| unusable("no entry"))?;
            shelf.former_length = shelf.entries.len();
            shelf.entries.push(entry.clone());
            let remains = remains.into_iter().map(|left| (at, left)).collect();
            Ok((entry, LeftBehind { key: Some(removal.key), remains }))
        })?;
        self.head.set(self.safe.head());
        Ok(done)
    }

    fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble> {
        Ok(self.safe.shelf().to_unlink.iter().rev().take(at_most).cloned().collect())
    }

    fn unlinked(&mut self, files: &[String]) -> Result<(), StoreTrouble> {
        self.call(&|| "note what was unlinked".to_owned(), || {
            let mut shelf = self.safe.shelf();
            shelf.to_unlink.retain(|file| !files.contains(file));
            Ok(())
        })
    }
}

impl SimStore {
    fn compare(
        &self,
        order: &Order,
        as_of: Date,
        stated: &BTreeMap<AgreementKey, Agreement>,
    ) -> (ChangeSummary, Vec<Statement>) {
        let shelf = self.safe.shelf();
        let mut summary = ChangeSummary { first_load: !shelf.loaded.contains(&order.route), ..Default::default() };
        let mut known = BTreeMap::new();
        for statement in shelf.statements.iter().filter(|statement| statement.route == order.route) {
            let ended = statement.change == Change::Ended;
            known.insert(&statement.agreement.key, Known { agreement: statement.agreement.clone(), ended });
        }
        let keys: BTreeSet<&AgreementKey> = known.keys().copied().chain(stated.keys()).collect();
        let mut verdicts = Vec::new();
        for key in keys {
            let (known, stated) = (known.get(key), stated.get(key));
            let Some(change) = summary.add(known, stated) else { continue };
            let agreement = stated.or(known.map(|known| &known.agreement)).cloned();
            verdicts.extend(agreement.map(|agreement| Statement {
                route: order.route.clone(),
                seq: 0,
                known_at: order.at,
                change,
                asserts_from: if change == Change::Ended { Some(as_of) } else { agreement.valid_from },
                agreement,
            }));
        }
        (summary, verdicts)
    }
}

fn all_of(stated: &mut Sorted) -> Result<BTreeMap<AgreementKey, Agreement>, StoreTrouble> {
    let unreadable = |trouble: std::io::Error| unusable(trouble.to_string());
    let mut all = BTreeMap::new();
    stated.rewind().map_err(unreadable)?;
    while let Some(packed) = stated.current() {
        let agreement = packed.to_agreement().ok_or_else(|| unusable("no agreement"))?;
        all.insert(agreement.key.clone(), agreement);
        stated.advance().map_err(unreadable)?;
    }
    Ok(all)
}

fn name(body: &Body) -> &'static str {
    match body {
        Body::Exchange { fact, .. } => fact.name(),
        Body::House(fact) => fact.name(),
        Body::NotUnderstood { .. } => "what was not understood",
    }
}
