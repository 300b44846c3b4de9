//! How long to wait: before a request is tried again, and before silence is somebody's business.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calendar::windows::Windows;
use super::moment::Moment;

/// The longest wait before the first repetition.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// No wait is longer: so soon after a server is healthy again, so is every route.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Backoff with full jitter: anything from nothing to the bound of this failure, so that 98 routes do not
/// come back in step. `failures` counts from 1; `random` is in [0, 1).
pub fn backoff(failures: u32, random: f64) -> Duration {
    let bound = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST_WAIT);
    bound.mul_f64(random.clamp(0.0, 1.0))
}

/// So much of a time that may be waited is gone when a person is warned, in percent.
const WARN_AT_PERCENT: u32 = 80;

/// How long an exchange may wait for the other side, by the settings of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the trigger to its receipt.
    pub receipt_within: Duration,
    /// From the trigger to the reply.
    pub reply_within: Duration,
    /// The other side's: time in them does not count.
    pub windows: Windows,
}

/// How urgent it is for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Four fifths of the time are gone, or it may end by itself.
    #[default]
    Warning,
    /// The time is up, or nothing happens until a person acts.
    Alarm,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Alarm => "alarm",
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    Receipt,
    Reply,
}

/// What is waited for, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    pub awaited: Awaited,
    pub wait: Wait,
}

/// A wait that has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub since: Moment,
    /// When four fifths of it are gone.
    pub warn_at: Moment,
    pub by: Moment,
}

impl Wait {
    /// So long a wait, where the time in service windows does not count.
    pub fn of(since: Moment, within: Duration, windows: &Windows) -> Wait {
        let warn_within = within.saturating_mul(WARN_AT_PERCENT) / 100;
        Wait { since, warn_at: windows.after(since, warn_within), by: windows.after(since, within) }
    }

    /// From one moment to another, whatever lies between them.
    pub fn between(since: Moment, by: Moment) -> Wait {
        Wait { since, warn_at: since.plus(by.since(since).saturating_mul(WARN_AT_PERCENT) / 100), by }
    }
}

impl Patience {
    /// The wait for what the other side owes for a trigger of that moment.
    pub fn expects(&self, awaited: Awaited, submitted_at: Moment) -> Expectation {
        let within = match awaited {
            Awaited::Receipt => self.receipt_within,
            Awaited::Reply => self.reply_within,
        };
        Expectation { awaited, wait: Wait::of(submitted_at, within, &self.windows) }
    }
}

impl Expectation {
    pub fn by(self) -> Moment {
        self.wait.by
    }

    pub fn is_overdue(self, now: Moment) -> bool {
        now > self.by()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_bound_and_jitter_takes_all_of_it() {
        assert_eq!(backoff(1, 0.0), Duration::ZERO);
        assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(3, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST_WAIT);
    }

    #[test]
    fn a_person_is_warned_when_four_fifths_of_the_time_are_gone_and_windows_do_not_count() {
        let windows = Windows::new(vec!["daily 05:00-06:00".parse().unwrap()]);
        let at = |text: &str| text.parse::<Moment>().unwrap();
        let patience = Patience {
            receipt_within: Duration::from_secs(30 * 60),
            reply_within: Duration::from_secs(10 * 3600),
            windows,
        };

        let receipt = patience.expects(Awaited::Receipt, at("2026-11-24T04:50"));
        let reply = patience.expects(Awaited::Reply, at("2026-11-24T10:00"));

        assert_eq!((receipt.wait.warn_at, receipt.by()), (at("2026-11-24T06:14"), at("2026-11-24T06:20")));
        assert_eq!((reply.wait.warn_at, reply.by()), (at("2026-11-24T18:00"), at("2026-11-24T20:00")));
        assert!(!receipt.is_overdue(receipt.by()) && receipt.is_overdue(at("2026-11-24T06:20:01")));
        let wait = Wait::between(at("2026-11-23T08:00"), at("2026-11-28T08:00"));
        assert_eq!(wait.warn_at, at("2026-11-27T08:00"));
    }
}
