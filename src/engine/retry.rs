//! Sending a query again that came to nothing: which exchanges a person means, whether each may be retried, its bytes from
//! the archive, and the facts that link old and new. A retry is a new exchange with an id and a name of its own, and is
//! checked like any other query. Everything but [`Office::bring`] only decides. Start with [`RetryAsk`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::decide::{NotDecided, decision, find, has_not_moved_on, is_good, not_now};
use super::desk::Office;
use super::intake::{accepted, unused_name};
use super::places::short_id;
use super::point;
use crate::domain::exchange::fact::{Accepted, Fact};
use crate::domain::exchange::{Book, Exchange, Origin, State};
use crate::domain::identity::{ContentHash, ExchangeName, FileId, Route};
use crate::domain::layout::Layout;
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::query::{Query, read_query};
use crate::durable::{Found, list, read_bounded};
use crate::outbox::QUERY_SIZE_MAX;

/// Folders of one route in the archive: twelve a year, for longer than anything is kept.
const ARCHIVED_MAX: usize = 1_000_000;

/// What a person wants sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAsk {
    pub which: Selection,
    /// None: nothing is changed, it is only told what would be.
    pub reason: Option<String>,
    /// What `explain` showed of the one exchange that is named. None: whatever is there now.
    pub seen: Option<String>,
}

/// Which exchanges. What a person refused or withdrew is only meant where it is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Ids, or unambiguous beginnings of them.
    Named(Vec<String>),
    /// What the hub rejected, and all of this is true of; nothing of it: everything that it rejected.
    Rejected(Filter),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Any of these; empty: any.
    pub municipalities: Vec<MunicipalityCode>,
    pub exchange: Option<ExchangeName>,
    pub payment_date: Option<Date>,
    /// Rejected then or later.
    pub since: Option<Moment>,
    /// A code of the hub's error receipt.
    pub code: Option<i64>,
}

/// What became of one exchange that was selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryLine {
    /// Its id; where there is no such exchange, what was named.
    pub of: String,
    pub municipality: Option<MunicipalityCode>,
    pub payment_date: Option<Date>,
    pub came_to: CameTo,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "came_to", rename_all = "snake_case")]
pub enum CameTo {
    /// It goes on as exchange `by`, which is `accepted`, or `held` where a person must decide first.
    Retried { by: FileId, state: String, next: String },
    /// It could be retried, and would be in this state at first. Only looked at.
    Possible { state: String },
    /// Why not, in a sentence.
    Refused { why: String },
}

/// One exchange on its way to be retried.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The exchange that came to nothing.
    pub of: FileId,
    /// Its query as it was accepted.
    pub query: Accepted,
    /// The exchange that it is to go on as.
    pub by: FileId,
    layout: Layout,
    /// In Denmark, as it was begun.
    today: Date,
}

impl RetryAsk {
    /// Whether nothing is to be changed.
    pub fn is_only_a_look(&self) -> bool {
        self.reason.is_none()
    }

    /// The exchanges that are meant, as the book is now, oldest first; or in the order in which they were named. For a
    /// name without an exchange the line that says so. Errors: what was asked for cannot be.
    pub fn select(&self, book: &Book) -> Result<Vec<Result<FileId, RetryLine>>, NotDecided> {
        if self.reason.as_ref().is_some_and(|reason| !is_good(reason)) {
            return Err(NotDecided::BadReason);
        }
        Ok(match &self.which {
            Selection::Named(names) => {
                let mut found: Vec<Result<FileId, RetryLine>> = Vec::new();
                for name in names {
                    let one =
                        find(book, name).map(|exchange| exchange.id).map_err(|not| RetryLine::unknown(name, &not));
                    if !found.contains(&one) {
                        found.push(one);
                    }
                }
                found
            }
            Selection::Rejected(filter) => {
                let mut found: Vec<_> = book.all().filter(|exchange| filter.is_true_of(exchange)).collect();
                found.sort_by_key(|exchange| (exchange.begun, exchange.id));
                found.into_iter().map(|exchange| Ok(exchange.id)).collect()
            }
        })
    }
}

impl Filter {
    fn is_true_of(&self, exchange: &Exchange) -> bool {
        let (State::Rejecting { errors } | State::Rejected { errors }) = &exchange.state else { return false };
        let route = &exchange.route;
        let date = exchange.query().map(|query| query.payment_date);
        (self.municipalities.is_empty() || self.municipalities.contains(&route.municipality))
            && self.exchange.as_ref().is_none_or(|name| *name == route.exchange)
            && self.payment_date.is_none_or(|wanted| date == Some(wanted))
            && self.since.is_none_or(|since| exchange.since >= since)
            && self.code.is_none_or(|code| errors.iter().any(|error| error.code == Some(code)))
    }
}

impl CameTo {
    /// What a retry came to that was recorded as this exchange.
    pub fn retried(book: &Book, by: FileId) -> CameTo {
        match book.get(by) {
            Some(exchange) => {
                CameTo::Retried { by, state: exchange.state.name().to_owned(), next: exchange.next_step() }
            }
            None => CameTo::Refused { why: "what it was decided on has moved on; look again".to_owned() },
        }
    }
}

impl RetryLine {
    /// What became of an exchange of the book.
    pub fn of(book: &Book, id: FileId, came_to: CameTo) -> RetryLine {
        let exchange = book.get(id);
        RetryLine {
            of: id.to_string(),
            municipality: exchange.map(|exchange| exchange.route.municipality),
            payment_date: exchange.and_then(Exchange::query).map(|query| query.payment_date),
            came_to,
        }
    }

    fn unknown(name: &str, not: &NotDecided) -> RetryLine {
        let came_to = CameTo::Refused { why: not.to_string() };
        RetryLine { of: name.to_owned(), municipality: None, payment_date: None, came_to }
    }
}

/// The exchange, if it may be retried as the book is now. Asked before its bytes are fetched, and again after.
pub fn may_be_retried<'b>(book: &'b Book, id: FileId, seen: Option<&str>) -> Result<&'b Exchange, NotDecided> {
    let exchange = book.get(id).ok_or_else(|| NotDecided::Unknown(short_id(id)))?;
    let not_now = |why: &str| Err(not_now(exchange, why));
    if book.broken(id).is_some() {
        return not_now("its journal says something impossible");
    }
    match &exchange.origin {
        Origin::Unfit(_) => return not_now("its file was unfit; put a corrected query into the outbox"),
        Origin::Reply => return not_now("it has no query that could be sent again"),
        Origin::Query(_) if let Some(erased) = exchange.erased => {
            let date = erased.files_at.date_in_copenhagen();
            return not_now(&format!("its archived copy was erased on {date}, because it was older than is kept"));
        }
        Origin::Query(_) => {}
    }
    if let Some(by) = book.live_retry(exchange) {
        let state = book.get(by).map_or("unknown", |retry| retry.state.name());
        return not_now(&format!("it was sent again already, as exchange {by}, which is {state}"));
    }
    has_not_moved_on(book, exchange, seen)?;
    match (exchange.can_be_retried(), exchange.is_refused(), exchange.is_live_query()) {
        (true, _, _) => Ok(exchange),
        (false, true, true) => not_now("the hub has its query all the same, so it counts"),
        (false, true, false) => not_now("it is still being cleared away; ask again in a moment"),
        (false, false, _) => not_now("its query counts; only what was rejected, refused or withdrawn is sent again"),
    }
}

impl Office {
    /// A retry that may be begun.
    pub fn begin_retry(&self, book: &Book, id: FileId, seen: Option<&str>) -> Result<Retry, NotDecided> {
        let exchange = may_be_retried(book, id, seen)?;
        let (name, municipality) = (&exchange.route.exchange, exchange.route.municipality);
        let settings = self.settings.exchanges.get(name);
        let is_served = settings.is_some_and(|settings| settings.municipalities.contains(&municipality));
        match (exchange.query(), self.layouts.get(name)) {
            (Some(query), Some((layout, _))) if is_served => {
                let (query, layout, by) = (query.clone(), layout.clone(), self.surroundings.file_id());
                Ok(Retry { of: id, query, by, layout, today: self.surroundings.now().date_in_copenhagen() })
            }
            _ => Err(not_now(exchange, format!("the settings no longer have {municipality} in an exchange `{name}`"))),
        }
    }

    /// Reads the archived copy, and unless this is only a look, makes the new exchange's copy of it, synced: it is
    /// there before any fact names it, and without one it is nobody's. Blocks. Errors: why it cannot be sent, in words.
    pub fn bring(&self, retry: &Retry, only_look: bool) -> Result<Query, String> {
        let Retry { of, query, by, layout, .. } = retry;
        let from = self.places.query(&query.route, *of);
        let bytes = read_bounded(self.disk.as_ref(), &from, QUERY_SIZE_MAX)
            .map_err(|e| format!("its copy in the archive cannot be read ({}): {e}", from.display()))?;
        if bytes.len() as u64 != query.size || ContentHash::of(&bytes) != query.hash {
            let from = from.display();
            return Err(format!("its copy in the archive is no longer what was taken from the outbox: {from}"));
        }
        let read = read_query(layout, &query.original_name, &bytes, query.route.municipality)
            .map_err(|unfit| format!("by the layout of today it is unfit: {unfit}"))?;
        if !only_look {
            let to = self.places.query(&query.route, *by);
            let folder = to.parent().unwrap_or(&to);
            let written = self.disk.make_folder(folder, 0o700).and_then(|()| self.disk.replace(&to, &bytes));
            written.map_err(|e| format!("the new copy cannot be written ({}): {e}", to.display()))?;
            point::reached("retry_copied");
        }
        Ok(read)
    }
}

impl Office {
    /// What retries left that were broken off before their facts: copies under an id that the journal does not know, byte
    /// for byte those of a query that may be retried, and without an original in a spool. Only for a journal that is whole:
    /// one that was put back may have forgotten a retry that was sent. Blocks.
    pub fn broken_off(&self, book: &Book) -> io::Result<BTreeMap<FileId, PathBuf>> {
        let mut retriable: BTreeMap<&Route, Vec<&Accepted>> = BTreeMap::new();
        for exchange in book.all().filter(|exchange| exchange.can_be_retried()) {
            retriable.entry(&exchange.route).or_default().extend(exchange.query());
        }
        let spooled: BTreeSet<FileId> = self.spooled_if_any().files.iter().map(|spooled| spooled.id).collect();
        let mut broken_off = BTreeMap::new();
        for (route, queries) in retriable {
            for id in self.archived_ids(route)?.into_iter().filter(|id| !book.knows(*id) && !spooled.contains(id)) {
                let copy = self.places.query(route, id);
                let bytes = match read_bounded(self.disk.as_ref(), &copy, QUERY_SIZE_MAX) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    read => read?,
                };
                let hash = ContentHash::of(&bytes);
                if queries.iter().any(|query| query.hash == hash) {
                    broken_off.insert(id, copy);
                }
            }
        }
        Ok(broken_off)
    }

    /// Takes them away: whose copy it is has them in the archive, and nothing was sent of them.
    pub fn clear_broken_off(&self, book: &Book) -> io::Result<()> {
        for (id, copy) in self.broken_off(book)? {
            self.disk.remove(&copy)?;
            info!(exchange = %short_id(id), "the copy that a broken-off retry left was taken away");
        }
        Ok(())
    }

    /// The exchanges of a route that have a folder in the archive.
    fn archived_ids(&self, route: &Route) -> io::Result<Vec<FileId>> {
        let folder = self.places.archive().join(route.exchange.as_str()).join(route.municipality.to_string());
        let id = |found: &Found| found.name.to_str()?.parse().ok();
        match list(self.disk.as_ref(), &folder, ARCHIVED_MAX, |found| id(found).is_some()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            found => Ok(found?.iter().filter_map(id).collect()),
        }
    }
}

/// The facts of a retry, all for one append: the new exchange, held at once where the rules say so, and the link.
pub fn facts(
    book: &Book,
    retry: &Retry,
    read: &Query,
    ask: &RetryAsk,
    who: &str,
) -> Result<Vec<(FileId, Fact)>, String> {
    may_be_retried(book, retry.of, ask.seen.as_deref()).map_err(|not| not.to_string())?;
    let Retry { of, query, by, layout, today } = retry;
    let spool_name = format!("{}.{}.{by}.{}", query.route.municipality, query.route.exchange, query.original_name);
    let query = Accepted {
        spool_name,
        remote_name: unused_name(book, &[], layout, read)?,
        delivery: read.delivery,
        payment_date: read.payment_date,
        payment_month: read.payment_month,
        retry_of: Some(*of),
        ..query.clone()
    };
    let decision = decision(who, ask.reason.as_deref().unwrap_or_default());
    let link = (*of, Fact::Retried { by: *by, decision });
    Ok(accepted(book, &[], *today, query).into_iter().map(|fact| (*by, fact)).chain([link]).collect())
}

/// The state in which a new exchange would begin.
pub fn first_state(facts: &[(FileId, Fact)]) -> String {
    let is_held = facts.iter().any(|(_, fact)| matches!(fact, Fact::QueryHeld { .. }));
    if is_held { "held" } else { "accepted" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::envelope::{ReceiptError, ReceiptOutcome};
    use crate::domain::exchange::fact::{OriginalStamp, TriggerWay};
    use crate::domain::identity::{DeliveryNumber, RemoteName, TransferId};
    use crate::domain::moment::PaymentMonth;

    fn id(number: u128) -> FileId {
        FileId::new(uuid::Uuid::from_u128(0xfade_0000_0000_4000_8000_0000_0000_0000 + number))
    }

    fn at(second: i64) -> Moment {
        Moment::from_micros(second * 1_000_000)
    }

    fn name(text: String) -> RemoteName {
        text.parse().unwrap()
    }

    /// A query that the hub rejected at its tenth second with this code; of two, the later one has the higher number.
    fn rejected(book: &mut Book, number: u128, municipality: &str, date: &str, code: i64) {
        let payment_date: Date = date.parse().unwrap();
        let error = ReceiptError { code: Some(code), title: "Recipient".into(), text: "unknown".into() };
        let part = name(format!("{number}.part"));
        let facts = [
            Fact::Accepted(Accepted {
                route: Route { exchange: "sf2530".parse().unwrap(), municipality: municipality.parse().unwrap() },
                original_name: format!("query{number}.txt"),
                spool_name: format!("spooled{number}"),
                original: OriginalStamp { device: 1, inode: 2, size: 360, modified_micros: 3 },
                remote_name: name(format!("query{number}.txt")),
                size: 360,
                hash: ContentHash::of(b"query"),
                delivery: DeliveryNumber(number as u32),
                payment_date,
                payment_month: PaymentMonth::of(payment_date),
                retry_of: None,
            }),
            Fact::DataUploaded,
            Fact::TriggerStaged { part: part.clone() },
            Fact::TriggerIntended { way: TriggerWay::Rename { part } },
            Fact::TriggerMade,
            Fact::ReceiptRead {
                transfer: TransferId::new(uuid::Uuid::from_u128(number)),
                name: name(format!("query{number}.txt.sftpreceipt")),
                hash: ContentHash::of(b"receipt"),
                outcome: ReceiptOutcome::Failure { errors: vec![error] },
            },
            Fact::Tidied { left: vec![] },
        ];
        for fact in &facts {
            book.take_in(number as u64, id(number), at(number as i64 * 10), fact);
        }
        assert_eq!(book.broken(id(number)), None);
    }

    fn house() -> Book {
        let mut book = Book::default();
        rejected(&mut book, 1, "0751", "2026-12-31", 21);
        rejected(&mut book, 2, "0751", "2027-01-29", 21);
        rejected(&mut book, 3, "0101", "2026-12-31", 40);
        book
    }

    fn selected(book: &Book, which: Selection) -> Vec<Result<FileId, RetryLine>> {
        RetryAsk { which, reason: None, seen: None }.select(book).unwrap()
    }

    #[test]
    fn what_is_selected_is_what_every_option_is_true_of() {
        let book = house();
        let of =
            |filter| selected(&book, Selection::Rejected(filter)).into_iter().map(Result::unwrap).collect::<Vec<_>>();
        let any = Filter::default;
        let date = || Some("2026-12-31".parse().unwrap());
        let aarhus = || vec!["0751".parse().unwrap()];

        assert_eq!(of(any()), [id(1), id(2), id(3)]);
        assert_eq!(of(Filter { municipalities: aarhus(), ..any() }), [id(1), id(2)]);
        assert_eq!(of(Filter { payment_date: date(), ..any() }), [id(1), id(3)]);
        assert_eq!(of(Filter { municipalities: aarhus(), payment_date: date(), ..any() }), [id(1)]);
        assert_eq!(of(Filter { code: Some(40), ..any() }), [id(3)]);
        assert_eq!(of(Filter { since: Some(at(20)), ..any() }), [id(2), id(3)]);
        assert_eq!(of(Filter { since: Some(at(20)), code: Some(21), ..any() }), [id(2)]);
        assert_eq!(of(Filter { exchange: Some("sf2531".parse().unwrap()), ..any() }), []);
    }

    #[test]
    fn what_is_named_twice_is_meant_once_and_what_is_not_there_is_told() {
        let book = house();
        let (first, unknown) = (id(1).to_string(), "beefbeef".to_owned());
        let names = vec![first.clone(), unknown.clone(), first, unknown, "fade0000".to_owned()];

        let found = selected(&book, Selection::Named(names));

        assert_eq!(found[0], Ok(id(1)));
        let why = |line: &Result<FileId, RetryLine>| match line {
            Err(RetryLine { came_to: CameTo::Refused { why }, .. }) => why.clone(),
            line => panic!("{line:?}"),
        };
        assert!(why(&found[1]).contains("no exchange has an id"), "{found:?}");
        assert!(why(&found[2]).contains("more than one"), "{found:?}");
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn nothing_is_selected_for_a_reason_that_may_not_be_kept() {
        let ask = |reason: &str| RetryAsk {
            which: Selection::Rejected(Filter::default()),
            reason: Some(reason.to_owned()),
            seen: None,
        };

        assert_eq!(ask("of 070761-4285").select(&house()), Err(NotDecided::BadReason));
        assert!(ask("the hub knows the recipient now").select(&house()).is_ok());
    }
}
