//! Points in time. The journal is UTC; what a payload says is Danish local time from the embedded
//! time-zone database, never from `TZ`. Nothing here asks a clock: a moment is always an argument.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};

/// An instant, in UTC, to the microsecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(Timestamp);

impl Moment {
    /// From microseconds since 1970-01-01T00:00:00Z. Out-of-range values become the nearest moment.
    pub fn from_micros(micros: i64) -> Moment {
        Moment(Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX }))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// What a clock on the wall in Copenhagen shows at this moment.
    pub fn in_copenhagen(self) -> DateTime {
        self.0.to_zoned(copenhagen()).datetime()
    }

    /// The date in Copenhagen at this moment.
    pub fn date_in_copenhagen(self) -> Date {
        self.in_copenhagen().date()
    }

    /// For people: Danish local time to the minute, `2026-12-01 04:15`.
    pub fn minute(self) -> String {
        self.in_copenhagen().strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// The moment at which a clock on the wall in Copenhagen shows this. What it shows twice, on the day when it goes
    /// back, is the first of them; what it never shows, on the day when it goes forward, is as much later as it jumps.
    pub fn in_danish_time(local: DateTime) -> Moment {
        local.to_zoned(copenhagen()).map_or(Moment(Timestamp::MAX), |zoned| zoned.timestamp().into())
    }

    pub fn plus(self, wait: std::time::Duration) -> Moment {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        Moment(self.0.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// That much later on the calendar, at the same time of the Danish day; a day that its month does not have becomes
    /// the month's last.
    pub fn plus_on_calendar(self, span: Span) -> Moment {
        let then = self.0.to_zoned(copenhagen()).checked_add(span);
        then.map_or(Moment(Timestamp::MAX), |then| then.timestamp().into())
    }

    /// The same back in time.
    pub fn minus_on_calendar(self, span: Span) -> Moment {
        let then = self.0.to_zoned(copenhagen()).checked_sub(span);
        then.map_or(Moment(Timestamp::MIN), |then| then.timestamp().into())
    }

    /// How long it is from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Moment) -> std::time::Duration {
        self.0.duration_since(earlier.0).try_into().unwrap_or_default()
    }
}

/// Europe/Copenhagen from the database that is compiled in, whatever the machine has or the environment says.
static COPENHAGEN: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZoneDatabase::bundled().get("Europe/Copenhagen").unwrap_or(TimeZone::UTC));

fn copenhagen() -> TimeZone {
    COPENHAGEN.clone()
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        Moment::from_micros(timestamp.as_microsecond())
    }
}

impl FromStr for Moment {
    type Err = jiff::Error;

    /// RFC 3339 with an offset, or a civil date and time (or a date alone: its first instant) taken as
    /// Copenhagen's.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Ok(timestamp.into());
        }
        let civil = match text.parse::<Date>() {
            Ok(date) if text.len() == 10 => date.at(0, 0, 0, 0),
            _ => text.parse::<DateTime>()?,
        };
        Ok(civil.to_zoned(copenhagen())?.timestamp().into())
    }
}

/// In UTC, to the second: `2026-12-01T03:15:00Z`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", Timestamp::from_second(self.0.as_second()).unwrap_or(self.0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The month that a payment is for, written `2026-12`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PaymentMonth {
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
}

impl PaymentMonth {
    pub fn of(date: Date) -> PaymentMonth {
        PaymentMonth { year: date.year(), month: date.month() }
    }
}

impl fmt::Display for PaymentMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc_and_read_in_copenhagen_time() {
        let winter: Moment = "2026-12-01T04:15:00".parse().unwrap();
        let summer: Moment = "2026-07-01".parse().unwrap();

        assert_eq!(winter.to_string(), "2026-12-01T03:15:00Z");
        assert_eq!(summer.to_string(), "2026-06-30T22:00:00Z");
        assert_eq!(winter.in_copenhagen().to_string(), "2026-12-01T04:15:00");
        assert_eq!("2026-12-01T03:15:00Z".parse::<Moment>().unwrap(), winter);
    }
}
