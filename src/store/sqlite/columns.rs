//! How values stand in the columns, written and read back. What cannot be read is never repeated: it may be
//! personal data.

use jiff::civil::Date;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::domain::agreement::{Agreement, AgreementKey};
use crate::domain::amount::Oere;
use crate::domain::change::Change;

/// A column that holds something that is never written there.
#[derive(Debug, thiserror::Error)]
#[error("it is not what the register writes there")]
struct Unreadable;

/// `CCYYMMDD` as a number, which orders as the days do.
pub fn date_column(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

fn date_from(column: i64) -> Option<Date> {
    let (year, day_of_year) = (column.div_euclid(10_000), column.rem_euclid(10_000));
    Date::new(year.try_into().ok()?, (day_of_year / 100) as i8, (day_of_year % 100) as i8).ok()
}

pub fn change_column(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Changed => "changed",
        Change::Ended => "ended",
        Change::Resumed => "resumed",
    }
}

pub fn change_at(row: &Row<'_>, index: usize) -> rusqlite::Result<Change> {
    match row.get_ref(index)?.as_str()? {
        "new" => Ok(Change::New),
        "changed" => Ok(Change::Changed),
        "ended" => Ok(Change::Ended),
        "resumed" => Ok(Change::Resumed),
        _ => Err(unreadable(index)),
    }
}

/// The agreement whose six columns (key, payer, valid from, valid to, amount, other) begin at `first`.
pub fn agreement_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Agreement> {
    let (payer, other) = (first + 1, first + 5);
    Ok(Agreement {
        key: AgreementKey(row.get(first)?),
        payer: match row.get_ref(payer)?.as_str_or_null()? {
            Some(digits) => Some(digits.parse().map_err(|_| unreadable(payer))?),
            None => None,
        },
        valid_from: date_at(row, first + 2)?,
        valid_to: date_at(row, first + 3)?,
        amount: row.get::<_, Option<i64>>(first + 4)?.map(Oere),
        other: serde_json::from_str(row.get_ref(other)?.as_str()?).map_err(|_| unreadable(other))?,
    })
}

/// Any text of a row that was checked where it entered, such as a route's names.
pub fn name_at<T: std::str::FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    row.get_ref(index)?.as_str()?.parse().map_err(|_| unreadable(index))
}

fn date_at(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Date>> {
    let column: Option<i64> = row.get(index)?;
    column.map(|column| date_from(column).ok_or_else(|| unreadable(index))).transpose()
}

/// It is not what is written there.
pub fn unreadable(index: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(Unreadable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_comes_back_and_orders_as_a_number() {
        let days: Vec<Date> =
            [Date::MIN, Date::constant(0, 1, 1), Date::constant(2026, 11, 30), Date::constant(2026, 12, 1), Date::MAX]
                .into();

        let columns: Vec<_> = days.iter().map(|day| date_column(*day)).collect();

        assert!(columns.is_sorted());
        assert_eq!(columns[3], 20_261_201);
        assert_eq!(columns.into_iter().map(date_from).collect::<Option<Vec<_>>>(), Some(days));
        assert_eq!(date_from(20_261_301), None);
    }
}
