//! Which days are paid on, and from when until when a query for each is expected. Start with [`Payments::from`] and
//! [`Term::before`].

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};

use super::{bank_days_before, last_bank_day_of_month};
use crate::domain::moment::Moment;

/// Further ahead nobody looks, and no term begins.
const DAYS_AHEAD: i32 = 62;

/// More bank days before a payment than this belong to the payment before it.
const BANK_DAYS_MAX: u8 = 30;

/// The payment dates of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payments {
    /// The last bank day of each month.
    LastBankDay,
    /// These, in their order.
    Dates(Vec<Date>),
}

impl Payments {
    /// The payment dates from a day on, for two months.
    pub fn from(&self, day: Date) -> Vec<Date> {
        let end = day.saturating_add(jiff::Span::new().days(DAYS_AHEAD));
        match self {
            Payments::Dates(dates) => dates.iter().copied().filter(|date| (day..=end).contains(date)).collect(),
            Payments::LastBankDay => {
                let first = day.first_of_month();
                let months = (0..=3).map(|month| first.saturating_add(jiff::Span::new().months(month)));
                months.map(last_bank_day_of_month).filter(|date| (day..=end).contains(date)).collect()
            }
        }
    }

    /// The day after which nothing is expected any more. None: there always is a next one.
    pub fn end(&self) -> Option<Date> {
        match self {
            Payments::LastBankDay => None,
            Payments::Dates(dates) => dates.last().copied(),
        }
    }
}

/// A point before a payment, written `2 bank days before, 12:00`, in Danish local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    bank_days: u8,
    time: Time,
}

/// A text that is no [`Term`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a text such as \"2 bank days before, 12:00\"")]
pub struct BadTerm;

impl Term {
    /// The moment of this point for one payment. On the day when the clock goes back, an hour that comes twice is the
    /// first of them; on the day when it goes forward, one that does not come is as much later as the clock jumps.
    pub fn before(self, payment: Date) -> Moment {
        Moment::in_danish_time(bank_days_before(payment, self.bank_days).to_datetime(self.time))
    }

    /// Whether it is earlier than another one, whatever the payment.
    pub fn is_earlier_than(self, other: Term) -> bool {
        (self.bank_days, other.time) > (other.bank_days, self.time)
    }
}

impl FromStr for Term {
    type Err = BadTerm;

    fn from_str(text: &str) -> Result<Term, BadTerm> {
        let (days, time) = text.split_once(", ").ok_or(BadTerm)?;
        let number = days.strip_suffix(" bank days before").or_else(|| days.strip_suffix(" bank day before"));
        let number = number.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).ok_or(BadTerm)?;
        let bank_days = number.parse().ok().filter(|number| *number <= BANK_DAYS_MAX).ok_or(BadTerm)?;
        Ok(Term { bank_days, time: hour_and_minute(time).ok_or(BadTerm)? })
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = if self.bank_days == 1 { "day" } else { "days" };
        write!(f, "{} bank {days} before, {}", self.bank_days, self.time.strftime("%H:%M"))
    }
}

/// `12:00`, from 00:00 to 23:59.
pub(super) fn hour_and_minute(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
    if !two(hour) || !two(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn term(text: &str) -> Term {
        text.parse().unwrap()
    }

    #[test]
    fn a_term_is_read_as_it_is_written_and_nothing_else_is() {
        for text in ["0 bank days before, 00:00", "1 bank day before, 09:30", "2 bank days before, 12:00"] {
            assert_eq!(term(text).to_string(), text);
        }
        for wrong in [
            "",
            "2 bank days before",
            "2 bank days before, 12",
            "2 bank days before, 24:00",
            "2 bank days before, 12:60",
            "2 bank days before, 9:30",
            "2 bank days before,12:00",
            "two bank days before, 12:00",
            "-1 bank days before, 12:00",
            "+1 bank days before, 12:00",
            "31 bank days before, 12:00",
            "2 days before, 12:00",
            "2 bank days after, 12:00",
        ] {
            assert_eq!(wrong.parse::<Term>(), Err(BadTerm), "{wrong}");
        }
    }

    #[test]
    fn the_term_of_a_payment_is_a_moment_in_danish_local_time() {
        for (of, payment, expected) in [
            ("2 bank days before, 12:00", date(2026, 12, 30), "2026-12-28T11:00:00Z"),
            ("2 bank days before, 12:00", date(2026, 7, 31), "2026-07-29T10:00:00Z"),
            // The last bank day before Easter; summer time has not begun.
            ("1 bank day before, 12:00", date(2024, 3, 27), "2024-03-26T11:00:00Z"),
            // The clock goes forward on Sunday 29 March 2026: 02:30 does not come, 01:59 and 03:00 do.
            ("0 bank days before, 01:59", date(2026, 3, 29), "2026-03-29T00:59:00Z"),
            ("0 bank days before, 02:30", date(2026, 3, 29), "2026-03-29T01:30:00Z"),
            ("0 bank days before, 03:00", date(2026, 3, 29), "2026-03-29T01:00:00Z"),
            // It goes back on Sunday 25 October 2026: 02:30 comes twice, and the first one counts.
            ("0 bank days before, 01:59", date(2026, 10, 25), "2026-10-24T23:59:00Z"),
            ("0 bank days before, 02:30", date(2026, 10, 25), "2026-10-25T00:30:00Z"),
            ("0 bank days before, 03:00", date(2026, 10, 25), "2026-10-25T02:00:00Z"),
            // Over the change: three bank days before Tuesday are Thursday, still in summer time.
            ("3 bank days before, 12:00", date(2026, 10, 27), "2026-10-22T10:00:00Z"),
        ] {
            assert_eq!(term(of).before(payment).to_string(), expected, "{of} {payment}");
        }
    }

    #[test]
    fn the_next_payments_are_found_whatever_day_it_is() {
        let monthly = Payments::LastBankDay;
        assert_eq!(monthly.from(date(2026, 11, 23)), [date(2026, 11, 30), date(2026, 12, 30)]);
        assert_eq!(monthly.from(date(2026, 12, 30)), [date(2026, 12, 30), date(2027, 1, 29), date(2027, 2, 26)]);
        assert_eq!(monthly.from(date(2026, 12, 31)), [date(2027, 1, 29), date(2027, 2, 26)]);
        assert_eq!(monthly.from(date(2024, 3, 28)), [date(2024, 4, 30)]);
        assert_eq!(monthly.end(), None);

        let listed = Payments::Dates(vec![date(2026, 11, 13), date(2026, 12, 11), date(2027, 6, 11)]);
        assert_eq!(listed.from(date(2026, 11, 13)), [date(2026, 11, 13), date(2026, 12, 11)]);
        assert_eq!(listed.from(date(2026, 12, 12)), []);
        assert_eq!(listed.end(), Some(date(2027, 6, 11)));
    }

    #[test]
    fn a_term_with_more_bank_days_or_an_earlier_time_on_the_same_day_is_earlier() {
        let noon = term("2 bank days before, 12:00");
        assert!(term("5 bank days before, 23:59").is_earlier_than(noon));
        assert!(term("2 bank days before, 11:59").is_earlier_than(noon));
        assert!(!noon.is_earlier_than(noon));
        assert!(!term("2 bank days before, 12:01").is_earlier_than(noon));
        assert!(!term("1 bank day before, 00:00").is_earlier_than(noon));
    }

    proptest! {
        #[test]
        fn an_earlier_term_never_comes_later(days in 0i64..20_000, a in 0u8..30, b in 0u8..30, at_a in 0i8..24, at_b in 0i8..24) {
            let payment = date(1990, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let of = |bank_days, hour| Term { bank_days, time: Time::constant(hour, 0, 0, 0) };
            let (one, other) = (of(a, at_a), of(b, at_b));
            if one.is_earlier_than(other) {
                // The payment's own day may be no bank day, and the day before it one: only the order is sure.
                prop_assert!(one.before(payment) <= other.before(payment));
            }
        }
    }
}
