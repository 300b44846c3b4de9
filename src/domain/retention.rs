//! How long things are kept: periods, legal holds, and what may go of one exchange at a moment, or what keeps it. Decides
//! only. Start with [`due`].

mod hash_key;
mod remnant;

use std::fmt;

use jiff::{Span, ToSpan};
use serde::{Deserialize, Serialize};

pub use hash_key::{HashKey, KeyedDigest};
pub use remnant::{AppliedLeft, End, Remnant, sealed};

use super::exchange::Exchange;
use super::identity::{ExchangeName, Route};
use super::moment::Moment;
use super::municipality::MunicipalityCode;

/// A time that is counted on the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    pub years: i16,
    pub months: i32,
    pub days: i32,
}

impl Period {
    /// The first moment at which what ended at `end` has been kept for so long.
    pub fn after(self, end: Moment) -> Moment {
        end.plus_on_calendar(self.span())
    }

    /// The moment that is so long before `now`.
    pub fn before(self, now: Moment) -> Moment {
        now.minus_on_calendar(self.span())
    }

    fn span(self) -> Span {
        self.years.years().months(self.months).days(self.days)
    }

    /// On any calendar at least as long as the other. False also where that hangs on the months' lengths.
    pub fn is_at_least(self, other: Period) -> bool {
        let days = |period: Period, of_month: i64| {
            (i64::from(period.years) * 12 + i64::from(period.months)) * of_month + i64::from(period.days)
        };
        self == other || (days(self, 28) >= days(other, 28) && days(self, 31) >= days(other, 31))
    }
}

/// As in the settings: `1y 6mo`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(i64::from(self.years), "y"), (self.months.into(), "mo"), (self.days.into(), "d")];
        let parts: Vec<_> =
            parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}")).collect();
        f.write_str(if parts.is_empty() { "0d" } else { "" })?;
        f.write_str(&parts.join(" "))
    }
}

/// For how long what is kept of one exchange; None: for ever. `archive` is no longer than the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Periods {
    /// The files: queries, replies, receipts, refused files.
    pub archive: Option<Period>,
    /// The story of an exchange that is over.
    pub journal: Option<Period>,
    /// What the register knows of an agreement that has ended.
    pub register: Option<Period>,
}

/// Whom a legal hold covers; None: all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub municipality: Option<MunicipalityCode>,
}

impl Scope {
    pub fn covers(&self, route: &Route) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| *exchange == route.exchange)
            && self.municipality.is_none_or(|municipality| municipality == route.municipality)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.exchange, self.municipality) {
            (None, None) => f.write_str("everything"),
            (Some(exchange), None) => write!(f, "exchange {exchange}"),
            (None, Some(code)) => write!(f, "municipality {code}"),
            (Some(exchange), Some(code)) => write!(f, "{exchange}/{code}"),
        }
    }
}

/// A legal hold that is in force: nothing that it covers is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    pub scope: Scope,
    pub since: Moment,
    pub who: String,
    pub reason: String,
}

/// When retention has taken what of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Its files.
    pub files_at: Moment,
    /// Its entries, too.
    pub story_at: Option<Moment>,
    /// So many of its replies and receipts, the first ones, went with them: a receipt may come for a story that is over,
    /// and the hub may bring one back to life.
    pub replies: usize,
    pub receipts: usize,
}

/// What goes of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goes {
    /// Its files; its story is told on.
    Files,
    /// All but what a duplicate is known by.
    Story,
}

/// What keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeps {
    /// It is not over, or waits for a person.
    Open,
    /// Its journal cannot be followed.
    Broken,
    LegalHold,
    /// The register stands by its reply.
    Register,
    /// It is not old enough before then.
    Until(Moment),
    /// The settings keep it for ever.
    ForEver,
    /// Nothing more is to go of it.
    Gone,
}

/// What the house knows of a story beside itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    pub is_broken: bool,
    pub is_held: bool,
    /// The register of its route stands by its reply: the last one that was applied.
    pub is_last_applied: bool,
    /// The journal has entries of it; none any more where the story was removed and nothing has come since.
    pub has_entries: bool,
}

/// What goes of this exchange now, or what keeps it.
pub fn due(exchange: &Exchange, around: Around, periods: &Periods, now: Moment) -> Result<Goes, Keeps> {
    if exchange.erased.is_some_and(|erased| erased.story_at.is_some()) && !around.has_entries {
        return Err(Keeps::Gone);
    }
    if around.is_broken {
        return Err(Keeps::Broken);
    }
    if !exchange.state.is_final() {
        return Err(Keeps::Open);
    }
    if around.is_held {
        return Err(Keeps::LegalHold);
    }
    let until = |period: Option<Period>| period.map(|period| period.after(exchange.since));
    let is_over = |until: &Moment| *until <= now;
    let (story, files) = (until(periods.journal), until(periods.archive));
    let has_files = exchange.has_files();
    match (story.filter(is_over), files.filter(is_over)) {
        (Some(_), _) if !around.is_last_applied => Ok(Goes::Story),
        (_, Some(_)) if has_files => Ok(Goes::Files),
        (Some(_), _) => Err(Keeps::Register),
        (None, _) => {
            let next = [files.filter(|_| has_files), story].into_iter().flatten().min();
            Err(next.map_or(Keeps::ForEver, Keeps::Until))
        }
    }
}

/// The hours of the Danish night in which nobody pays and the far side has its service window.
const NIGHT: std::ops::Range<i8> = 1..5;

/// Where no night comes, because the machine is switched off then.
const AT_LEAST_EVERY: std::time::Duration = std::time::Duration::from_secs(36 * 3600);

/// Whether it is time again to look what may go. `last`: when that was done last, or the daemon began.
pub fn is_time(now: Moment, last: Moment) -> bool {
    let is_night = NIGHT.contains(&now.in_copenhagen().hour());
    let is_today = now.date_in_copenhagen() == last.date_in_copenhagen();
    (is_night && !is_today && now > last) || now.since(last) >= AT_LEAST_EVERY
}

#[cfg(test)]
mod tests;
