//! The Danish municipalities: a four-digit code that is checked where it enters, and the table of
//! names and CVR numbers behind it. Start with [`MunicipalityCode`].

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// `code,cvr,name`, one line per municipality after a heading; 98 of them.
const CSV: &str = include_str!("municipalities.csv");

/// The table, read once: every record of a file has a code in it.
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(CSV));

/// The code of one of the 98 municipalities: four digits with leading zeros, such as `0751`.
/// Udbetaling Danmark's 0100 is not one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MunicipalityCode(u16);

/// What the table says about one municipality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Municipality {
    pub code: MunicipalityCode,
    /// Eight digits.
    pub cvr: &'static str,
    pub name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not the code of a Danish municipality, expected four digits such as 0751")]
pub struct UnknownMunicipality {
    found: String,
}

impl MunicipalityCode {
    /// All municipalities, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Municipality> {
        TABLE.rows.iter().copied()
    }

    /// The code that these bytes are, exactly four digits in ASCII; None: they are no municipality's.
    pub fn from_digits(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; 4] = digits.try_into().ok()?;
        let number = digits
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0')))?;
        TABLE.row(number).map(|row| row.code)
    }

    /// The municipality's name, such as `Aarhus`.
    pub fn name(self) -> &'static str {
        TABLE.row(self.0).map_or("", |row| row.name)
    }
}

impl FromStr for MunicipalityCode {
    type Err = UnknownMunicipality;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_digits(text.as_bytes()).ok_or_else(|| UnknownMunicipality { found: text.chars().take(12).collect() })
    }
}

impl TryFrom<String> for MunicipalityCode {
    type Error = UnknownMunicipality;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MunicipalityCode> for String {
    fn from(code: MunicipalityCode) -> String {
        code.to_string()
    }
}

impl fmt::Display for MunicipalityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Debug for MunicipalityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Table {
    /// In the order of the codes.
    rows: Vec<Municipality>,
    /// By a code's number: which row is its.
    row_by_number: Vec<Option<u8>>,
}

impl Table {
    fn read(csv: &'static str) -> Table {
        let mut table = Table { rows: Vec::new(), row_by_number: vec![None; 10_000] };
        for line in csv.lines().skip(1) {
            let columns = line.split_once(',').and_then(|(code, rest)| Some((code, rest.split_once(',')?)));
            let Some((code, (cvr, name))) = columns else { continue };
            let Ok(number) = code.parse::<u16>() else { continue };
            table.row_by_number[usize::from(number)] = u8::try_from(table.rows.len()).ok();
            table.rows.push(Municipality { code: MunicipalityCode(number), cvr, name });
        }
        table
    }

    fn row(&self, number: u16) -> Option<&Municipality> {
        let row = self.row_by_number.get(usize::from(number)).copied().flatten()?;
        self.rows.get(usize::from(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_98_municipalities_in_order_and_not_udbetaling_danmark() {
        let codes: Vec<_> = MunicipalityCode::all().map(|m| m.code).collect();

        assert_eq!(codes.len(), 98);
        assert!(codes.is_sorted());
        assert!("0100".parse::<MunicipalityCode>().is_err());
        assert!(MunicipalityCode::all().all(|m| m.cvr.len() == 8));
    }

    #[test]
    fn only_four_digits_of_a_known_municipality_are_a_code() {
        assert_eq!("0751".parse::<MunicipalityCode>().unwrap().name(), "Aarhus");
        for wrong in ["751", "00751", "+751", "0752", "", "075١", "9999", "075:", "075/"] {
            assert!(wrong.parse::<MunicipalityCode>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_four_digits_are_a_code_exactly_if_the_table_has_a_line_that_begins_with_them() {
        for number in 0..10_000 {
            let digits = format!("{number:04}");
            let line = CSV.lines().skip(1).find(|line| line.split(',').next() == Some(digits.as_str()));

            let code = MunicipalityCode::from_digits(digits.as_bytes());

            assert_eq!(code.map(|code| code.to_string()), line.map(|_| digits.clone()), "{digits}");
            assert_eq!(code.map(MunicipalityCode::name), line.and_then(|line| line.split(',').nth(2)), "{digits}");
        }
    }
}
