//! Service windows: when the other side may be down for its own reasons, in Danish local time. A wait does not go on while
//! one is open. Start with [`Windows::after`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::payments::hour_and_minute;
use crate::domain::moment::Moment;

/// One window that comes again each week, or each day: `daily 05:00-06:00`, `Monday 03:00-06:00`, `Sunday 22:00-Monday
/// 06:00`. Its end is no longer in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// None: every day.
    begins: Option<Weekday>,
    from: Time,
    /// Days from the one on which it begins to the one on which it ends.
    days: i8,
    until: Time,
}

/// A text that is no [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a text such as \"daily 05:00-06:00\" or \"Sunday 22:00-Monday 06:00\"")]
pub struct BadWindow;

/// All windows of an endpoint; they may overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(Arc<[Window]>);

/// The days by their names, as settings have them.
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("Monday", Weekday::Monday),
    ("Tuesday", Weekday::Tuesday),
    ("Wednesday", Weekday::Wednesday),
    ("Thursday", Weekday::Thursday),
    ("Friday", Weekday::Friday),
    ("Saturday", Weekday::Saturday),
    ("Sunday", Weekday::Sunday),
];

/// So many days, and twice the wait, are looked at: by then even windows that leave little of a week have let it pass.
const DAYS_MAX_AT_LEAST: i64 = 28;

impl Windows {
    pub fn new(windows: Vec<Window>) -> Windows {
        Windows(windows.into())
    }

    /// The moment at which so long a wait is over that began at `since`, where the time in windows does not count. It is
    /// never in a window, so a wait that would end in one, or begin in one and take no time, ends with the window.
    pub fn after(&self, since: Moment, wait: Duration) -> Moment {
        let (mut at, mut left) = (since, wait);
        let days_back = self.0.iter().map(|window| window.days).max().unwrap_or_default();
        let mut day = add_days(since.date_in_copenhagen(), -i64::from(days_back) - 1);
        let days_max = i64::from(days_back) + DAYS_MAX_AT_LEAST + 2 * (wait.as_secs() / 86_400) as i64;
        for _ in 0..days_max {
            let mut of_day: Vec<_> = self.0.iter().filter_map(|window| window.on(day)).collect();
            of_day.sort();
            for (opens, closes) in of_day {
                if closes <= at {
                    continue;
                }
                // It is over before this one opens; at the very opening it would be in it.
                let open_for = opens.since(at);
                if open_for > left {
                    return at.plus(left);
                }
                left -= open_for;
                at = closes;
            }
            day = add_days(day, 1);
            if at.plus(left) < Moment::in_danish_time(day.at(0, 0, 0, 0)) {
                break;
            }
        }
        at.plus(left)
    }

    /// Until when a window is open, if one is; windows that follow on each other are one.
    pub fn end_of_open(&self, at: Moment) -> Option<Moment> {
        Some(self.after(at, Duration::ZERO)).filter(|end| *end > at)
    }
}

fn add_days(day: Date, days: i64) -> Date {
    day.saturating_add(jiff::Span::new().days(days))
}

impl Window {
    /// When it opens and closes, if it begins on this day.
    fn on(&self, day: Date) -> Option<(Moment, Moment)> {
        let begins_today = self.begins.is_none_or(|weekday| weekday == day.weekday());
        let last = add_days(day, i64::from(self.days));
        let at = |day: Date, time: Time| Moment::in_danish_time(DateTime::from_parts(day, time));
        // On the day when the clock goes forward, one that begins in the missing hour may have no time left.
        begins_today.then(|| (at(day, self.from), at(last, self.until))).filter(|(opens, closes)| opens < closes)
    }
}

impl FromStr for Window {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<Window, BadWindow> {
        let (from, until) = text.split_once('-').ok_or(BadWindow)?;
        let (day, from) = from.split_once(' ').ok_or(BadWindow)?;
        let weekday = |name: &str| WEEKDAYS.iter().find(|(of, _)| *of == name).map(|(_, weekday)| *weekday);
        let begins = match day {
            "daily" => None,
            name => Some(weekday(name).ok_or(BadWindow)?),
        };
        let (ends, until) = match (until.split_once(' '), begins) {
            (None, _) => (begins, until),
            (Some((name, until)), Some(_)) => (Some(weekday(name).ok_or(BadWindow)?), until),
            (Some(_), None) => return Err(BadWindow),
        };
        let (from, until) = (hour_and_minute(from).ok_or(BadWindow)?, hour_and_minute(until).ok_or(BadWindow)?);
        let days = begins.zip(ends).map_or(0, |(begins, ends)| begins.until(ends));
        // One that ends before it begins would go on for a week, or, daily, until the next one.
        let window = Window { begins, from, days, until };
        (days > 0 || from < until).then_some(window).ok_or(BadWindow)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |weekday: Weekday| WEEKDAYS.iter().find(|(_, of)| *of == weekday).map_or("", |(name, _)| name);
        let (from, until) = (self.from.strftime("%H:%M"), self.until.strftime("%H:%M"));
        match self.begins {
            None => write!(f, "daily {from}-{until}"),
            Some(begins) if self.days == 0 => write!(f, "{} {from}-{until}", name(begins)),
            Some(begins) => {
                write!(f, "{} {from}-{} {until}", name(begins), name(begins.wrapping_add(i64::from(self.days))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Serviceplatformen may have.
    const PLATFORM: [&str; 3] = ["daily 05:00-06:00", "Monday 03:00-06:00", "Sunday 22:00-Monday 06:00"];

    fn windows(texts: &[&str]) -> Windows {
        Windows::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    const MINUTES: u64 = 60;
    const HOURS: u64 = 60 * MINUTES;

    #[test]
    fn a_window_is_read_as_it_is_written_and_nothing_else_is() {
        for text in PLATFORM.iter().chain(&["Saturday 23:00-Friday 22:59", "Tuesday 00:00-Wednesday 00:00"]) {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), *text);
        }
        for wrong in [
            "",
            "05:00-06:00",
            "daily 5:00-6:00",
            "daily 06:00-05:00",
            "daily 05:00-05:00",
            "daily 22:00-Monday 06:00",
            "Monday 06:00-03:00",
            "monday 03:00-06:00",
            "Mandag 03:00-06:00",
            "Monday 03:00 - 06:00",
            "first Monday 03:00-06:00",
        ] {
            assert_eq!(wrong.parse::<Window>(), Err(BadWindow), "{wrong}");
        }
    }

    #[test]
    fn a_wait_does_not_go_on_while_a_window_is_open() {
        let platform = windows(&PLATFORM);
        // 24 November 2026 is a Tuesday; Danish time is one hour ahead of UTC.
        for (since, wait, until) in [
            ("2026-11-24T12:00", 30 * MINUTES, "2026-11-24T12:30"),
            // Ten minutes before the window and twenty after it.
            ("2026-11-24T04:50", 30 * MINUTES, "2026-11-24T06:20"),
            // What would be over as it opens is over as it closes.
            ("2026-11-24T04:30", 30 * MINUTES, "2026-11-24T06:00"),
            ("2026-11-24T04:29", 30 * MINUTES, "2026-11-24T04:59"),
            // It began inside.
            ("2026-11-24T05:10", 30 * MINUTES, "2026-11-24T06:30"),
            ("2026-11-24T05:10", 0, "2026-11-24T06:00"),
            ("2026-11-24T06:00", 30 * MINUTES, "2026-11-24T06:30"),
            // One night, one window.
            ("2026-11-24T20:00", 12 * HOURS, "2026-11-25T09:00"),
            // Sunday evening to Monday morning: all three are one.
            ("2026-11-29T21:00", 2 * HOURS, "2026-11-30T07:00"),
            // Two days and nights, with the long one.
            ("2026-11-28T12:00", 48 * HOURS, "2026-11-30T21:00"),
        ] {
            assert_eq!(platform.after(at(since), Duration::from_secs(wait)), at(until), "{wait} s from {since}");
        }
    }

    #[test]
    fn on_the_days_when_the_clock_changes_a_window_is_as_long_as_it_really_is() {
        // 29 March 2026: 02:00 is 03:00. 25 October 2026: 03:00 is 02:00 again.
        let night = windows(&["daily 01:00-04:00"]);
        assert_eq!(night.end_of_open(at("2026-03-29T00:30:00Z")), Some(at("2026-03-29T02:00:00Z")));
        assert_eq!(night.after(at("2026-03-28T23:30:00Z"), Duration::from_secs(HOURS)), at("2026-03-29T02:30:00Z"));
        assert_eq!(night.after(at("2026-10-24T22:30:00Z"), Duration::from_secs(HOURS)), at("2026-10-25T03:30:00Z"));
        // One that lies in the hour that does not come is as much later as the clock jumps.
        let missing = windows(&["daily 02:15-02:45"]);
        let night = at("2026-03-29T00:00:00Z");
        assert_eq!(missing.after(night, Duration::from_secs(2 * HOURS)), at("2026-03-29T02:30:00Z"));
    }

    #[test]
    fn without_windows_a_wait_is_as_long_as_it_is() {
        let never = Windows::default();
        assert_eq!(never.after(at("2026-11-24T05:10"), Duration::from_secs(60)), at("2026-11-24T05:11"));
        assert_eq!(never.end_of_open(at("2026-11-24T05:10")), None);
    }

    #[test]
    fn windows_that_leave_nothing_of_the_week_do_not_make_a_wait_endless() {
        let always = windows(&["Monday 00:00-Sunday 00:00", "Sunday 00:00-Monday 00:00"]);

        let over = always.after(at("2026-11-24T12:00"), Duration::from_secs(60));

        assert!(over > at("2026-11-24T12:00"));
    }

    proptest! {
        #[test]
        fn a_wait_ends_outside_every_window_and_no_sooner_than_without(
            minutes in 0u64..(3 * 366 * 24 * 60), wait in 0u64..(80 * 60), longer in 0u64..(10 * 60),
        ) {
            let platform = windows(&PLATFORM);
            let since = at("2025-01-01").plus(Duration::from_secs(minutes * MINUTES));
            let over = platform.after(since, Duration::from_secs(wait * MINUTES));

            prop_assert_eq!(platform.end_of_open(over), None);
            prop_assert!(over.since(since) >= Duration::from_secs(wait * MINUTES));
            let later = platform.after(since, Duration::from_secs((wait + longer) * MINUTES));
            prop_assert!(later.since(over) >= Duration::from_secs(longer * MINUTES));
        }
    }
}
