//! Bank days against tables that were written by hand from the calendars of several years.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;

/// Every day of a year from Monday to Friday on which the banks are closed, as month and day.
fn closed_weekdays(year: i16) -> BTreeSet<(i8, i8)> {
    let all = date(year, 1, 1).series(1.day()).take_while(|day| day.year() == year);
    let weekdays = all.filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
    weekdays.filter(|day| !is_bank_day(*day)).map(|day| (day.month(), day.day())).collect()
}

#[test]
fn easter_falls_where_the_church_has_it() {
    for (year, month, day) in [
        (1818, 3, 22),
        (1943, 4, 25),
        (1954, 4, 18),
        (1981, 4, 19),
        (2000, 4, 23),
        (2008, 3, 23),
        (2011, 4, 24),
        (2016, 3, 27),
        (2019, 4, 21),
        (2020, 4, 12),
        (2021, 4, 4),
        (2022, 4, 17),
        (2023, 4, 9),
        (2024, 3, 31),
        (2025, 4, 20),
        (2026, 4, 5),
        (2027, 3, 28),
        (2028, 4, 16),
        (2029, 4, 1),
        (2030, 4, 21),
        (2038, 4, 25),
        (2049, 4, 18),
        (2076, 4, 19),
    ] {
        assert_eq!(easter(year), date(year, month, day));
    }
}

/// Month and day of every closed day from Monday to Friday.
#[rustfmt::skip]
const CLOSED: [(i16, &[(i8, i8)]); 6] = [
    // 24 and 31 December are Sundays; the last Store Bededag.
    (2023, &[(4, 6), (4, 7), (4, 10), (5, 5), (5, 18), (5, 19), (5, 29), (6, 5), (12, 25), (12, 26)]),
    // 26 April would have been Store Bededag.
    (2024, &[(1, 1), (3, 28), (3, 29), (4, 1), (5, 9), (5, 10), (5, 20), (6, 5), (12, 24), (12, 25), (12, 26), (12, 31)]),
    (2025, &[(1, 1), (4, 17), (4, 18), (4, 21), (5, 29), (5, 30), (6, 5), (6, 9), (12, 24), (12, 25), (12, 26), (12, 31)]),
    (2026, &[(1, 1), (4, 2), (4, 3), (4, 6), (5, 14), (5, 15), (5, 25), (6, 5), (12, 24), (12, 25), (12, 31)]),
    (2027, &[(1, 1), (3, 25), (3, 26), (3, 29), (5, 6), (5, 7), (5, 17), (12, 24), (12, 31)]),
    // Whit Monday is Constitution Day.
    (2028, &[(4, 13), (4, 14), (4, 17), (5, 25), (5, 26), (6, 5), (12, 25), (12, 26)]),
];

#[test]
fn the_banks_are_closed_on_the_days_that_nationalbanken_lists_and_on_no_others() {
    for (year, closed) in CLOSED {
        assert_eq!(closed_weekdays(year), closed.iter().copied().collect(), "{year}");
    }
}

#[test]
fn the_last_bank_day_of_a_month_is_the_one_that_a_person_finds_in_the_calendar() {
    for (year, last) in [
        (2023, [31, 28, 31, 28, 31, 30, 31, 31, 29, 31, 30, 29]),
        // Maundy Thursday and Good Friday end March.
        (2024, [31, 29, 27, 30, 31, 28, 31, 30, 30, 31, 29, 30]),
        // Ascension Day and the day after it end May.
        (2025, [31, 28, 31, 30, 28, 30, 31, 29, 30, 31, 28, 30]),
        (2026, [30, 27, 31, 30, 29, 30, 31, 31, 30, 30, 30, 30]),
    ] {
        let found = (1..=12).map(|month| last_bank_day_of_month(date(year, month, 10)).day());
        assert_eq!(found.collect::<Vec<_>>(), last, "{year}");
    }
}

#[test]
fn bank_days_are_counted_backwards_over_holidays() {
    for (from, count, to) in [
        ((2026, 12, 30), 0, (2026, 12, 30)),
        ((2026, 12, 30), 2, (2026, 12, 28)),
        // Over Christmas and a weekend.
        ((2026, 12, 30), 3, (2026, 12, 23)),
        ((2026, 12, 30), 5, (2026, 12, 21)),
        // Over Easter.
        ((2026, 4, 7), 1, (2026, 4, 1)),
        ((2024, 4, 2), 2, (2024, 3, 26)),
        // From a day that is none itself.
        ((2026, 5, 17), 1, (2026, 5, 13)),
        ((2026, 5, 17), 0, (2026, 5, 17)),
        ((2027, 1, 4), 1, (2026, 12, 30)),
    ] {
        let day = |(year, month, day)| date(year, month, day);
        assert_eq!(bank_days_before(day(from), count), day(to), "{count} before {from:?}");
    }
}

fn any_day() -> impl Strategy<Value = Date> {
    (0i64..150 * 366).prop_map(|days| date(1990, 1, 1).checked_add(days.days()).unwrap())
}

proptest! {
    #[test]
    fn easter_is_a_sunday_between_22_march_and_25_april(year in 1583i16..9999) {
        let easter = easter(year);
        prop_assert_eq!(easter.weekday(), Weekday::Sunday);
        prop_assert!((date(year, 3, 22)..=date(year, 4, 25)).contains(&easter));
    }

    #[test]
    fn a_day_so_many_bank_days_before_is_a_bank_day_with_as_many_between(day in any_day(), count in 1u8..20) {
        let before = bank_days_before(day, count);
        prop_assert!(is_bank_day(before));
        let between = before.series(1.day()).take_while(|between| *between < day).filter(|day| is_bank_day(*day));
        prop_assert_eq!(between.count(), usize::from(count));
    }

    #[test]
    fn the_last_bank_day_of_a_month_has_none_after_it_in_its_month(day in any_day()) {
        let last = last_bank_day_of_month(day);
        prop_assert!(is_bank_day(last));
        prop_assert_eq!((last.year(), last.month()), (day.year(), day.month()));
        let mut after = last.series(1.day()).skip(1).take_while(|day| day.month() == last.month());
        prop_assert!(after.all(|day| !is_bank_day(day)));
    }

    #[test]
    fn there_are_never_more_than_five_closed_days_in_a_row(day in any_day()) {
        prop_assert!(day.series(1.day()).take(6).any(is_bank_day));
    }
}
