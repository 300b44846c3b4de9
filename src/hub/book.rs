//! UDK Debitor's book: which withholding agreements a municipality has in which round. Pure and made up:
//! the same seed, municipality and round always give the same agreements, and the people in them do not
//! exist. Start with [`Book::at`].
//!
//! From one round to the next a few amounts change. In even rounds some agreements end and some are new,
//! in odd rounds some that had ended are resumed. The changes are few enough not to look like a mistake:
//! well under a fifth of the agreements, well under 30 % of the monthly total.

use jiff::civil::Date;

use crate::domain::agreement::{Agreement, AgreementKey};
use crate::domain::amount::Oere;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::Cpr;

/// The standard monthly contribution (normalbidrag) of 2025, in øre.
const NORMALBIDRAG_OERE: i64 = 160_300;

/// In a smaller book a single agreement is too large a part for one to end or begin unnoticed: there
/// only amounts change.
const SMALLEST_THAT_COMES_AND_GOES: usize = 12;

/// One agreement out of this many changes, ends, begins or is resumed in a round.
const ONE_IN: usize = 25;

/// The book of all municipalities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Book {
    pub seed: u64,
    /// How many agreements each municipality has in the first round.
    pub agreements: u32,
}

impl Book {
    /// The active agreements of a municipality in a round, in the order of their numbers. Rounds count
    /// from 1; round 0, in which nobody has asked yet, is as round 1.
    pub fn at(&self, municipality: MunicipalityCode, round: u32) -> Vec<Agreement> {
        let mut pages = Pages::opened(self, municipality);
        for round in 2..=round {
            pages.turn(round);
        }
        pages.active.sort_by(|a, b| a.key.cmp(&b.key));
        pages.active
    }
}

/// An amount after a small change: up until it is large, then down again.
fn adjusted(Oere(oere): Oere) -> Oere {
    let step = oere / 32;
    if oere > 2 * NORMALBIDRAG_OERE { Oere(oere - step) } else { Oere(oere + step) }
}

struct Pages {
    municipality: MunicipalityCode,
    dice: Dice,
    active: Vec<Agreement>,
    ended: Vec<Agreement>,
    written: u32,
    /// The book never grows beyond twice its first size.
    written_max: u32,
}

impl Pages {
    fn opened(book: &Book, municipality: MunicipalityCode) -> Pages {
        let code = municipality.to_string().bytes().fold(0, |code, byte| code * 256 + u64::from(byte));
        let dice = Dice(book.seed ^ code.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let written_max = book.agreements.saturating_mul(2);
        let mut pages = Pages { municipality, dice, active: Vec::new(), ended: Vec::new(), written: 0, written_max };
        (0..book.agreements).for_each(|_| pages.begin_one());
        pages
    }

    fn turn(&mut self, round: u32) {
        let some = self.active.len().div_ceil(ONE_IN);
        for _ in 0..some {
            let which = self.dice.below(self.active.len());
            let amount = &mut self.active[which].amount;
            *amount = amount.map(adjusted);
        }
        if self.active.len() < SMALLEST_THAT_COMES_AND_GOES {
            return;
        }
        for _ in 0..some {
            if !round.is_multiple_of(2) {
                self.active.extend(self.ended.pop());
                continue;
            }
            let which = self.dice.below(self.active.len());
            let ending = self.active.swap_remove(which);
            self.ended.insert(0, ending);
            if self.written < self.written_max {
                self.begin_one();
            }
        }
    }

    fn begin_one(&mut self) {
        self.written += 1;
        let serial = self.written;
        let children = [1, 1, 1, 1, 2][self.dice.below(5)];
        let amount = if self.dice.below(6) == 0 { NORMALBIDRAG_OERE / 2 } else { NORMALBIDRAG_OERE * children };
        let year = 2019 + self.dice.below(7) as i16;
        let ends = self.dice.below(5) == 0;
        // A letter outside ASCII now and then: the file is ISO-8859-1.
        let case = if serial.is_multiple_of(10) { "\u{c5}" } else { "0" };
        let other = [
            ("case_reference", format!("S-{year}-{case}{:03}", serial % 1000)),
            ("priority", "01".to_owned()),
            ("kind", "BB".to_owned()),
        ];
        self.active.push(Agreement {
            key: AgreementKey(format!("{}{serial:08}", self.municipality)),
            payer: Some(self.dice.person()),
            valid_from: Some(Date::constant(year, 1 + self.dice.below(12) as i8, 1)),
            valid_to: ends.then(|| Date::constant(2028 + self.dice.below(5) as i16, 12, 31)),
            amount: Some(Oere(amount)),
            other: other.map(|(name, value)| (name.to_owned(), value)).into(),
        });
    }
}

/// SplitMix64: eight lines that give the same numbers in every release, which a library does not promise.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 up to, and without, `end`; 0 if `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }

    /// Somebody who does not exist: born 1955 to 1999 on a day that exists, but not on the first of a
    /// month, and with a wrong check digit. Real numbers without a right one were given out for a few
    /// first days of January only.
    fn person(&mut self) -> Cpr {
        let day = 2 + self.below(27);
        let month = 1 + self.below(12);
        let year = 55 + self.below(45);
        let serial = self.below(4000);
        let mut digits = format!("{day:02}{month:02}{year:02}{serial:04}");
        if has_right_check_digit(&digits) {
            let last = digits.pop().and_then(|digit| digit.to_digit(10)).unwrap_or(0);
            digits.push(char::from_digit((last + 1) % 10, 10).unwrap_or('0'));
        }
        digits.parse().expect("a day from 2 to 28 exists in every month")
    }
}

/// Modulus 11 over all ten digits.
fn has_right_check_digit(digits: &str) -> bool {
    const WEIGHTS: [u32; 10] = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1];
    let values = digits.chars().filter_map(|c| c.to_digit(10));
    values.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum::<u32>().is_multiple_of(11)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn aarhus() -> MunicipalityCode {
        "0751".parse().unwrap()
    }

    fn amounts(book: &Book, round: u32) -> BTreeMap<String, i64> {
        let agreements = book.at(aarhus(), round);
        let amounts: BTreeMap<_, _> =
            agreements.iter().map(|agreement| (agreement.key.0.clone(), agreement.amount.unwrap().0)).collect();
        assert_eq!(amounts.len(), agreements.len(), "a number is there twice");
        amounts
    }

    #[test]
    fn the_same_seed_gives_the_same_book_and_another_another() {
        let book = Book { seed: 7, agreements: 20 };
        let payers = |book: &Book, code: &str| -> Vec<_> {
            book.at(code.parse().unwrap(), 5).iter().map(|a| a.payer.unwrap().digits()).collect()
        };

        assert_eq!(payers(&book, "0751"), payers(&book, "0751"));
        assert_ne!(payers(&book, "0751"), payers(&book, "0101"));
        assert_ne!(payers(&book, "0751"), payers(&Book { seed: 8, ..book }, "0751"));
    }

    #[test]
    fn agreements_begin_change_end_and_are_resumed_over_the_rounds() {
        let book = Book { seed: 1, agreements: 30 };
        let rounds: Vec<_> = (1..=8).map(|round| amounts(&book, round)).collect();
        let (mut seen, mut gone) = (BTreeSet::new(), BTreeSet::new());
        let (mut new, mut changed, mut ended, mut resumed) = (0, 0, 0, 0);
        for pair in rounds.windows(2) {
            seen.extend(pair[0].keys());
            changed += pair[1].iter().filter(|(key, oere)| pair[0].get(*key).is_some_and(|old| old != *oere)).count();
            let left: Vec<_> = pair[0].keys().filter(|key| !pair[1].contains_key(*key)).collect();
            let came: Vec<_> = pair[1].keys().filter(|key| !pair[0].contains_key(*key)).collect();
            resumed += came.iter().filter(|key| gone.contains(**key)).count();
            new += came.iter().filter(|key| !seen.contains(**key)).count();
            ended += left.len();
            gone.extend(left);
        }

        assert!(new > 0 && changed > 0 && ended > 0 && resumed > 0, "{new} {changed} {ended} {resumed}");
    }

    #[test]
    fn no_round_looks_like_a_mistake() {
        for (seed, agreements) in (0..40).flat_map(|seed| [(seed, 1), (seed, 11), (seed, 12), (seed, 25), (seed, 60)]) {
            let book = Book { seed, agreements };
            let rounds: Vec<_> = (1..=12).map(|round| amounts(&book, round)).collect();
            for pair in rounds.windows(2) {
                let ended = pair[0].keys().filter(|key| !pair[1].contains_key(*key)).count();
                let totals = [pair[0].values().sum::<i64>(), pair[1].values().sum::<i64>()];
                assert!(ended * 5 < pair[0].len() || ended == 0, "seed {seed}, {agreements} agreements");
                assert!((totals[1] - totals[0]).abs() * 100 < totals[0] * 30, "seed {seed}, {agreements} agreements");
            }
        }
        assert!(Book { seed: 1, agreements: 0 }.at(aarhus(), 9).is_empty());
    }

    #[test]
    fn nobody_in_the_book_exists() {
        for agreement in (Book { seed: 3, agreements: 2000 }).at(aarhus(), 1) {
            let payer = agreement.payer.unwrap();
            assert!(payer.born().is_some_and(|born| born.day() > 1));
            assert!(!has_right_check_digit(&payer.digits()));
        }
        assert!(has_right_check_digit("0707614285"));
    }

    #[test]
    fn the_book_does_not_grow_for_ever() {
        let book = Book { seed: 1, agreements: 20 };

        assert!(book.at(aarhus(), 500).len() <= 40);
    }
}
