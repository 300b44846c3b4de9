//! Danish bank days, as Danmarks Nationalbank lists them: computed, for any year. Which days are paid on, and until when a
//! query for them must be there, is in [`payments`]; when the platform is closed, in [`windows`]. Times are Danish local
//! time from the embedded database, right on both days when the clock changes. Knows no clock: what time it is, is an
//! argument. Start with [`is_bank_day`] and [`payments::Payments`].

pub mod payments;
pub mod windows;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// The last year in which Store Bededag, the fourth Friday after Easter, was a holiday.
const STORE_BEDEDAG_UNTIL: i16 = 2023;

/// Whether the banks are open. They are closed on Saturdays, Sundays, 1 January, Maundy Thursday, Good Friday, Easter
/// Monday, Ascension Day and the day after it, Whit Monday, Constitution Day (5 June), 24, 25, 26 and 31 December, and
/// were until 2023 on Store Bededag.
pub fn is_bank_day(date: Date) -> bool {
    let is_weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    let is_fixed = matches!((date.month(), date.day()), (1, 1) | (6, 5) | (12, 24..=26 | 31));
    !is_weekend && !is_fixed && !is_movable_holiday(date)
}

/// The bank day that lies so many bank days before a date; 0: the date itself, whatever day it is.
pub fn bank_days_before(date: Date, count: u8) -> Date {
    let mut found = date;
    for _ in 0..count {
        found = the_bank_day_before(found);
    }
    found
}

/// The last day of a date's month on which the banks are open.
pub fn last_bank_day_of_month(date: Date) -> Date {
    match date.last_of_month() {
        last if is_bank_day(last) => last,
        last => the_bank_day_before(last),
    }
}

fn the_bank_day_before(date: Date) -> Date {
    let mut day = date;
    // No more than five closed days follow each other; the first day of all time has none before it.
    while let Ok(before) = day.yesterday() {
        day = before;
        if is_bank_day(day) {
            break;
        }
    }
    day
}

fn is_movable_holiday(date: Date) -> bool {
    let Ok(since_easter) = date.since(easter(date.year())).map(|span| span.get_days()) else { return false };
    match since_easter {
        // Maundy Thursday, Good Friday, Easter Monday, Ascension Day and the day after it, Whit Monday.
        -3 | -2 | 1 | 39 | 40 | 50 => true,
        26 => date.year() <= STORE_BEDEDAG_UNTIL,
        _ => false,
    }
}

/// Easter Sunday of a year, by the Gregorian rule (Meeus, Jones and Butcher).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let (golden, century, of_century) = (year % 19, year / 100, year % 100);
    let moved = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
    let moon = moved - (moved / 28) * (1 - (moved / 28) * (29 / (moved + 1)) * ((21 - golden) / 11));
    let weekday = (century * 100 + of_century + year / 4 + moon + 2 - century + century / 4) % 7;
    let days_after_28_february = moon - weekday + 28;
    // The 28th day after 28 February is 28 March in every year, leap or not: it is counted from 1 March.
    let first = Date::constant(i16::try_from(year).unwrap_or(i16::MAX).clamp(1, 9999), 3, 1);
    first.checked_add((i64::from(days_after_28_february) - 1).days()).unwrap_or(first)
}

#[cfg(test)]
mod tests;
