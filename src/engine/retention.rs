//! Retention: what of the house is older than is kept, as a plan; and each step of it, a checkpoint in the store and then
//! its files unlinked. A step is small, so that nobody waits for it; whatever breaks off is carried on, because the files
//! wait in the store until they are gone. The same by the daemon and without one. Start with [`Office::plan`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arrivals::metadata_name;
use super::desk::Office;
use super::places::Places;
use super::point;
use crate::domain::exchange::{Book, Exchange, Fact, Origin, State};
use crate::domain::identity::{ContentHash, ExchangeName, FileId, RemoteName, Route};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::retention::{AppliedLeft, Erased, Goes, HashKey, Keeps, LegalHold, Remnant, due, sealed};
use crate::durable::Disk;
use crate::outbox::QUERY_SIZE_MAX;
use crate::store::removal::{FileLeft, LeftBehind, Remains, Removal, Removed, StoryToGo};
use crate::store::{Body, Entry, HouseFact, Reading, Store, StoreTrouble};

/// Stories of one step: some hundred entries, which are some milliseconds of the store's time.
pub const STORIES_AT_ONCE: usize = 20;

/// Files that are unlinked before the store hears of it; each costs a sync.
pub const FILES_AT_ONCE: usize = 100;

/// What is left of a story's files is told by these names.
const REPLY: &str = "reply";
const RECEIPT: &str = "receipt";

/// What would go now, and what keeps the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub at: Moment,
    /// By exchange: those of the settings, and those of which there is still something.
    pub exchanges: Vec<Kept>,
    /// Registers from which something may go.
    pub registers: Vec<RegisterDue>,
    pub holds: Vec<LegalHold>,
}

/// How it stands with one exchange of the settings: stories, in counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub exchange: ExchangeName,
    /// Periods as in the settings; None: for ever.
    pub archive: Option<String>,
    pub journal: Option<String>,
    pub register: Option<String>,
    /// Whose files go, and that go with all but what a duplicate is known by.
    pub files_go: u64,
    pub stories_go: u64,
    pub open: u64,
    pub not_understood: u64,
    pub held_by_law: u64,
    /// By whose reply a register stands.
    pub of_register: u64,
    pub too_young: u64,
    pub for_ever: u64,
    pub gone: u64,
    /// When the next one is old enough.
    pub next: Option<Moment>,
}

/// Agreements that ended before then go from this register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterDue {
    pub route: Route,
    pub before: Moment,
    pub agreements: u64,
}

/// Of whom a person may say that nothing is removed, or that it is again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldAsk {
    pub scope: crate::domain::retention::Scope,
    pub reason: String,
    /// The hold is lifted.
    pub lift: bool,
}

/// One step, ready for the store.
pub struct Step {
    at: Moment,
    key: HashKey,
    stories: Vec<Due>,
    ended: Vec<(Route, Moment)>,
}

/// A story of which something goes.
struct Due {
    exchange: Exchange,
    goes: Goes,
    /// Their numbers.
    entries: Vec<u64>,
    /// Below the state folder.
    files: Vec<(String, Option<FileLeft>)>,
}

impl Office {
    /// What would go now, but for how many agreements of each register (that is asked of the store).
    pub fn plan(&self, book: &Book) -> Plan {
        let now = self.surroundings.now();
        let mut exchanges: BTreeMap<ExchangeName, Kept> = BTreeMap::new();
        for name in self.settings.exchanges.keys().chain(book.routes().map(|route| &route.exchange)) {
            exchanges.entry(name.clone()).or_insert_with(|| Kept::new(name, self.settings.periods(name)));
        }
        for exchange in book.all() {
            let Some(kept) = exchanges.get_mut(&exchange.route.exchange) else { continue };
            let periods = self.settings.periods(&exchange.route.exchange);
            kept.count(due(exchange, book.around(exchange), periods, now));
        }
        let registers = self.registers(book, now).into_iter();
        let registers = registers.map(|(route, before)| RegisterDue { route, before, agreements: 0 });
        Plan {
            at: now,
            exchanges: exchanges.into_values().collect(),
            registers: registers.collect(),
            holds: book.legal_holds().cloned().collect(),
        }
    }

    /// Whether there is anything, in the settings or in the journal, that such a hold covers; one that is lifted is looked
    /// for among the holds. Errors: which exchange or municipality is not known, and which exchanges are.
    pub fn can_be_held(&self, book: &Book, ask: &HoldAsk) -> Result<(), String> {
        let HoldAsk { scope, lift, .. } = ask;
        let of_settings = self.settings.exchanges.iter().flat_map(|(name, exchange)| {
            let route = |code: &MunicipalityCode| Route { exchange: name.clone(), municipality: *code };
            exchange.municipalities.iter().map(route)
        });
        let routes: BTreeSet<Route> = book.routes().cloned().chain(of_settings).collect();
        if *lift || (scope.exchange.is_none() && scope.municipality.is_none()) || routes.iter().any(|r| scope.covers(r))
        {
            return Ok(());
        }
        let names: BTreeSet<_> = routes.iter().map(|route| format!("`{}`", route.exchange)).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        Err(format!("neither the settings nor the journal know {scope}; the exchanges are {names}"))
    }

    /// Whether the settings let anything go at all.
    pub fn keeps_for_ever(&self) -> bool {
        let all = self.settings.exchanges.values().map(|exchange| &exchange.retention);
        all.chain([&self.settings.retention]).all(|periods| periods.archive.is_none())
    }

    /// Each register from which ended agreements go, and those that ended before when.
    pub fn registers(&self, book: &Book, now: Moment) -> Vec<(Route, Moment)> {
        let routes = book.routes().filter(|route| !book.is_held_by_law(route));
        let mut routes: Vec<_> = routes
            .filter_map(|route| {
                let period = self.settings.periods(&route.exchange).register?;
                Some((route.clone(), period.before(now)))
            })
            .collect();
        routes.sort();
        routes
    }

    /// The next stories that go, oldest first. None: there are no more.
    pub fn step_of_stories(&self, book: &Book) -> Option<Step> {
        let now = self.surroundings.now();
        let goes = |exchange: &&Exchange| {
            due(exchange, book.around(exchange), self.settings.periods(&exchange.route.exchange), now).ok()
        };
        let mut due: Vec<_> = book.all().filter_map(|exchange| Some((exchange, goes(&exchange)?))).collect();
        due.sort_by_key(|(exchange, _)| (exchange.since, exchange.id));
        due.truncate(STORIES_AT_ONCE);
        let key = self.key(book);
        let story = |(exchange, goes): (&Exchange, Goes)| {
            let files = files(&self.places, exchange, &key);
            let state = &self.settings.folders.state;
            let below = |(file, left)| Some((below(state, file)?, left));
            let files = files.into_iter().filter_map(below).collect();
            Due { exchange: exchange.clone(), goes, entries: book.entries_of(exchange.id).to_vec(), files }
        };
        let stories: Vec<_> = due.into_iter().map(story).collect();
        (!stories.is_empty()).then(|| Step { at: now, key, stories, ended: Vec::new() })
    }

    /// As much as goes from this register at once.
    pub fn step_of_register(&self, book: &Book, route: Route, before: Moment) -> Step {
        Step { at: self.surroundings.now(), key: self.key(book), stories: Vec::new(), ended: vec![(route, before)] }
    }

    fn key(&self, book: &Book) -> HashKey {
        book.key().unwrap_or_else(|| self.surroundings.hash_key())
    }
}

impl Step {
    /// Carries it out in the store. None: there was nothing to remove.
    pub fn carry_out(self, store: &mut dyn Store) -> Result<Option<(Entry, LeftBehind)>, StoreTrouble> {
        let Step { at, key, stories, ended } = self;
        let mut to_go = Vec::with_capacity(stories.len());
        for story in stories {
            to_go.push(story.into_removal(store, &key)?);
        }
        let mut due = Vec::new();
        for (route, before) in ended {
            if store.ended_before(&route, before)? > 0 {
                due.push((route, before));
            }
        }
        if to_go.is_empty() && due.is_empty() {
            return Ok(None);
        }
        point::reached("retention_begun");
        let head = store.head();
        let done = store.checkpoint(head, at, &Removal { key, stories: to_go, ended: due })?;
        point::reached("checkpointed");
        Ok(Some(done))
    }
}

impl Due {
    /// The story as the store is to remove it.
    fn into_removal(self, store: &dyn Store, key: &HashKey) -> Result<StoryToGo, StoreTrouble> {
        let Due { exchange, goes, entries, files } = self;
        let (mut applied, already) = (None, exchange.sealed_hashes());
        let mut says = Vec::new();
        for seq in entries {
            let Some(Entry { at, body: Body::Exchange { id, fact }, .. }) = store.entry(seq)? else { continue };
            if let Fact::Applied { delivery, as_of, .. } = &fact {
                applied = Some(AppliedLeft { seq, at, delivery: *delivery, as_of: *as_of });
            }
            match goes {
                Goes::Files => {
                    says.extend(sealed(&fact, key, &already).map(|fact| (seq, Some(Body::Exchange { id, fact }))))
                }
                Goes::Story => says.push((seq, None)),
            }
        }
        let remnant = match goes {
            Goes::Files => None,
            Goes::Story => Remnant::of(&exchange, applied, key),
        };
        // What the register has of a reply that was erased before is what is left of it already.
        let goes_now = exchange.erased.is_none() || !exchange.replies_kept().is_empty();
        let applied = applied.map(|applied| applied.seq).filter(|_| goes_now);
        Ok(StoryToGo { id: exchange.id, files, remnant, entries: says, applied })
    }
}

/// Every file that is still kept of a story, and what is left of those that the journal knows; a folder ends with a slash.
fn files(places: &Places, exchange: &Exchange, key: &HashKey) -> Vec<(PathBuf, Option<FileLeft>)> {
    let mut files = Vec::new();
    let left = |what: &str, name: Option<&RemoteName>, size: Option<u64>, hash: ContentHash| {
        Some(FileLeft { what: what.to_owned(), name: name.cloned(), size, hash: key.seal(hash) })
    };
    let (route, id) = (&exchange.route, exchange.id);
    let query = places.query(route, id);
    let folder = |file: &Path| file.parent().unwrap_or(file).join("");
    let own = match &exchange.origin {
        // They went before.
        _ if exchange.erased.is_some() => None,
        Origin::Query(of) => {
            files.push((query.clone(), left("query", Some(&of.remote_name), Some(of.size), of.hash)));
            Some(of.original_name.clone())
        }
        Origin::Unfit(unfit) => {
            let kept = (unfit.size <= QUERY_SIZE_MAX).then(|| left("unfit file", None, Some(unfit.size), unfit.hash));
            files.push((query.clone(), kept.flatten()));
            Some(unfit.original_name.clone())
        }
        Origin::Reply => exchange.arrivals.last().map(|arrival| arrival.name.to_string()),
    };
    if !matches!(exchange.origin, Origin::Reply) && exchange.erased.is_none() {
        files.push((places.changed_original(route, id), None));
        files.push((folder(&query), None));
    }
    if let (Some(name), State::Refused { .. } | State::Withdrawn { .. }) = (own, &exchange.state) {
        let (file, sentence) = places.refused_file(route, id, &name);
        files.extend([(file, None), (sentence, None)]);
    }
    for arrival in exchange.replies_kept() {
        let file = places.reply(arrival);
        if let Some(metadata) = metadata_name(&arrival.name) {
            files.push((file.with_file_name(metadata.as_str()), None));
        }
        files.push((folder(&file), None));
        files.push((file, left(REPLY, Some(&arrival.name), Some(arrival.size), arrival.hash)));
    }
    for receipt in exchange.receipts_kept() {
        let file = places.receipt(&receipt.name, receipt.hash);
        files.push((file, left(RECEIPT, Some(&receipt.name), None, receipt.hash)));
    }
    files
}

/// The path below the state folder, as the store keeps it.
fn below(state: &Path, file: PathBuf) -> Option<String> {
    let below = file.strip_prefix(state).ok()?.to_str()?;
    // What is left of a path has no slash at its end.
    let slash = if file.to_str()?.ends_with('/') { "/" } else { "" };
    Some(format!("{below}{slash}"))
}

/// Unlinks these files, and folders if they are empty; what is gone already is as good. Unlinking is not overwriting: what
/// the disk keeps of them is the file system's affair.
pub fn unlink(disk: &dyn Disk, state: &Path, files: &[String]) -> io::Result<()> {
    for file in files {
        let path = state.join(file);
        match file.ends_with('/') {
            true => disk.remove_folder(&path)?,
            false => disk.remove(&path)?,
        }
        point::reached("file_unlinked");
    }
    point::reached("files_unlinked");
    Ok(())
}

/// All of it at once, where no daemon serves anybody meanwhile.
pub fn run(office: &Office, store: &mut dyn Store, book: &mut Book) -> Result<Result<Removed, String>, StoreTrouble> {
    let mut removed = Removed::default();
    while let Some(step) = office.step_of_stories(book) {
        removed += taken(book, step.carry_out(store)?);
    }
    for (route, before) in office.registers(book, office.surroundings.now()) {
        loop {
            let more = taken(book, office.step_of_register(book, route.clone(), before).carry_out(store)?);
            removed += more;
            if more.is_nothing() {
                break;
            }
        }
    }
    loop {
        let files = store.to_unlink(FILES_AT_ONCE)?;
        if files.is_empty() {
            return Ok(Ok(removed));
        }
        if let Err(e) = unlink(office.disk.as_ref(), &office.settings.folders.state, &files) {
            return Ok(Err(format!("what was to go is recorded, but its files cannot be unlinked yet: {e}")));
        }
        store.unlinked(&files)?;
    }
}

/// Takes what a step has left behind into the book. Gives how much it removed.
pub fn taken(book: &mut Book, done: Option<(Entry, LeftBehind)>) -> Removed {
    let Some((entry, left)) = done else { return Removed::default() };
    if let Some(key) = left.key {
        book.use_key(key);
    }
    for (at, remains) in &left.remains {
        match remains {
            Remains::Files { id, .. } => book.note_erased(*id, *at),
            Remains::Story { remnant, .. } => book.remember(remnant, *at),
            Remains::Register { route, before, .. } => book.note_known_from(route.clone(), *before),
            Remains::Reply { .. } => {}
        }
    }
    match entry.body {
        Body::House(HouseFact::Checkpoint { removed, .. }) => removed,
        _ => Removed::default(),
    }
}

/// The book with all that is left of what was removed, before any entry.
pub fn remembered(left: &LeftBehind) -> Book {
    let mut book = Book::default();
    if let Some(key) = left.key {
        book.use_key(key);
    }
    for (at, remains) in &left.remains {
        match remains {
            Remains::Story { remnant, .. } => book.remember(remnant, *at),
            Remains::Register { route, before, .. } => book.note_known_from(route.clone(), *before),
            Remains::Files { .. } | Remains::Reply { .. } => {}
        }
    }
    book
}

/// Of which files only hashes are left, once the book has their stories.
pub fn note_erased(book: &mut Book, left: &LeftBehind) {
    let mut erased: HashMap<FileId, Erased> = HashMap::new();
    for (at, remains) in &left.remains {
        let none = Erased { files_at: *at, story_at: None, replies: 0, receipts: 0 };
        match remains {
            Remains::Files { id, files, .. } => {
                let number = |what: &str| files.iter().filter(|file| file.what == what).count();
                let erased = erased.entry(*id).or_insert(none);
                erased.files_at = *at;
                erased.replies += number(REPLY);
                erased.receipts += number(RECEIPT);
            }
            Remains::Story { remnant, .. } => {
                let erased = erased.entry(remnant.id).or_insert(none);
                erased.story_at = Some(*at);
                (erased.replies, erased.receipts) = (remnant.arrivals.len(), remnant.receipts.len());
            }
            Remains::Reply { .. } | Remains::Register { .. } => {}
        }
    }
    erased.into_iter().for_each(|(id, erased)| book.take_erased(id, erased));
}

/// The entries that do not tell of a file any more, because it was erased.
pub fn erased(left: &LeftBehind) -> HashSet<u64> {
    left.remains.iter().flat_map(|(_, remains)| remains.entries()).map(|entry| entry.seq).collect()
}

/// Takes in what the house's own facts say of retention.
pub fn take_in(book: &mut Book, at: Moment, fact: &HouseFact) {
    match fact {
        HouseFact::HeldByLaw { scope, who, reason } => {
            let (scope, who, reason) = (scope.clone(), who.clone(), reason.clone());
            book.hold_by_law(LegalHold { scope, since: at, who, reason });
        }
        HouseFact::HoldLifted { scope, .. } => book.lift_hold(scope),
        HouseFact::RegisterShownInFull { .. }
        | HouseFact::Recovered { .. }
        | HouseFact::StoodStill { .. }
        | HouseFact::Checkpoint { .. } => {}
    }
}

impl HoldAsk {
    /// The fact that it is. Errors: why it cannot be.
    pub fn fact(self, book: &Book, who: String) -> Result<HouseFact, String> {
        if !super::decide::is_good(&self.reason) {
            return Err(super::decide::NotDecided::BadReason.to_string());
        }
        let HoldAsk { scope, reason, lift } = self;
        let reason = reason.trim().to_owned();
        match lift {
            true if book.legal_holds().all(|hold| hold.scope != scope) => {
                Err(format!("there is no legal hold on {scope}; `sluse legal-hold list` shows those that there are"))
            }
            true => Ok(HouseFact::HoldLifted { scope, who, reason }),
            false => Ok(HouseFact::HeldByLaw { scope, who, reason }),
        }
    }
}

impl Plan {
    /// Fills in what only the store can count.
    pub fn count(mut self, store: &dyn Reading) -> Result<Plan, StoreTrouble> {
        for due in &mut self.registers {
            due.agreements = store.ended_before(&due.route, due.before)?;
        }
        self.registers.retain(|due| due.agreements > 0);
        Ok(self)
    }
}

impl Kept {
    fn new(name: &ExchangeName, periods: &crate::domain::retention::Periods) -> Kept {
        let [archive, journal, register] =
            [periods.archive, periods.journal, periods.register].map(|period| period.map(|period| period.to_string()));
        Kept {
            exchange: name.clone(),
            archive,
            journal,
            register,
            files_go: 0,
            stories_go: 0,
            open: 0,
            not_understood: 0,
            held_by_law: 0,
            of_register: 0,
            too_young: 0,
            for_ever: 0,
            gone: 0,
            next: None,
        }
    }

    fn count(&mut self, verdict: Result<Goes, Keeps>) {
        let counted = match verdict {
            Ok(Goes::Files) => &mut self.files_go,
            Ok(Goes::Story) => &mut self.stories_go,
            Err(Keeps::Open) => &mut self.open,
            Err(Keeps::Broken) => &mut self.not_understood,
            Err(Keeps::LegalHold) => &mut self.held_by_law,
            Err(Keeps::Register) => &mut self.of_register,
            Err(Keeps::Until(moment)) => {
                self.next = Some(self.next.map_or(moment, |next| next.min(moment)));
                &mut self.too_young
            }
            Err(Keeps::ForEver) => &mut self.for_ever,
            Err(Keeps::Gone) => &mut self.gone,
        };
        *counted += 1;
    }
}
