//! Money in øre, the only unit that is counted in; shown in kroner.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in øre, negative where the sign column says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Oere(pub i64);

impl Oere {
    /// Errors: none; a sum beyond the range stays at the end of the range, which no end record can equal.
    pub fn saturating_add(self, other: Oere) -> Oere {
        Oere(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for Oere {
    fn sum<I: Iterator<Item = Oere>>(amounts: I) -> Oere {
        amounts.fold(Oere(0), Oere::saturating_add)
    }
}

/// In kroner: `1,603.00`.
impl fmt::Display for Oere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kroner = (self.0.unsigned_abs() / 100).to_string();
        let mut grouped = String::with_capacity(kroner.len() + kroner.len() / 3 + 4);
        for (i, digit) in kroner.chars().enumerate() {
            if i > 0 && (kroner.len() - i).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{grouped}.{:02}", self.0.unsigned_abs() % 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_shown_in_kroner() {
        for (oere, shown) in [(160_300, "1,603.00"), (0, "0.00"), (-5, "-0.05"), (123_456_789, "1,234,567.89")] {
            assert_eq!(Oere(oere).to_string(), shown);
        }
    }
}
