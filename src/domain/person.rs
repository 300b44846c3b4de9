//! CPR numbers: ten digits that name a person. Checked for what can be checked, and masked wherever
//! they are shown; only a payload file and the register hold one in full.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

/// A CPR number, or ten zeros for "required but unknown". It shows itself masked (`070761-xxxx`);
/// [`Cpr::digits`] is the only way to the whole number, so that each such place can be found.
///
/// Modulus 11 is not looked at: it has not been guaranteed since 2007.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpr(u64);

/// Why ten characters are no CPR number. The number itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCpr {
    #[error("expected ten digits")]
    NotTenDigits,
    #[error("expected a day and month that exist in the first six digits")]
    NoSuchDay,
}

impl Cpr {
    /// The whole number, ten digits. For payload files and the register alone.
    pub fn digits(self) -> String {
        format!("{:010}", self.0)
    }

    /// The same as bytes, without a copy on the heap.
    pub fn digit_bytes(self) -> [u8; 10] {
        let (mut rest, mut digits) = (self.0, [0; 10]);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits
    }

    /// The number that its ten digits are.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The CPR number whose ten digits are this number. Errors: as for its text.
    pub fn from_number(number: u64) -> Result<Cpr, BadCpr> {
        if number > 9_999_999_999 {
            return Err(BadCpr::NotTenDigits);
        }
        let cpr = Cpr(number);
        if cpr.is_unknown() || cpr.born().is_some() { Ok(cpr) } else { Err(BadCpr::NoSuchDay) }
    }

    /// 0000000000: required, but unknown.
    pub fn is_unknown(self) -> bool {
        self.0 == 0
    }

    /// A replacement number, given where a person has no CPR number yet: its day is 60 higher. Worth a
    /// warning, no reason to reject.
    pub fn is_replacement(self) -> bool {
        !self.is_unknown() && self.0 / 100_000_000 > 60
    }

    /// The date of birth, for a replacement number with the 60 taken off. None for an unknown one.
    pub fn born(self) -> Option<Date> {
        let day = self.0 / 100_000_000 % 100;
        let month = self.0 / 1_000_000 % 100;
        let yy = self.0 / 10_000 % 100;
        let seventh = self.0 / 1_000 % 10;
        let century = match (seventh, yy) {
            (0..=3, _) | (4 | 9, 37..) => 1900,
            (4 | 9, _) | (5..=8, 0..=57) => 2000,
            _ => 1800,
        };
        let day = if day > 60 { day - 60 } else { day };
        Date::new((century + yy) as i16, month as i8, day as i8).ok()
    }
}

impl FromStr for Cpr {
    type Err = BadCpr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 10 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadCpr::NotTenDigits);
        }
        Cpr::from_number(text.parse().map_err(|_| BadCpr::NotTenDigits)?)
    }
}

/// Masked: `070761-xxxx`.
impl fmt::Display for Cpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}-xxxx", self.0 / 10_000)
    }
}

impl fmt::Debug for Cpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How people write a CPR number with something between its parts.
const GROUPINGS: [&[usize]; 2] = [&[6, 4], &[2, 2, 2, 4]];

/// What stands between the parts, also as word processors write it.
const SEPARATORS: [char; 12] =
    ['-', ' ', '/', '.', '\u{a0}', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}', '\u{202f}'];

/// One is usual; a slip of the finger makes two or three.
const SEPARATORS_MAX: usize = 3;

/// Free text with everything in it that could be a CPR number masked: ten digits or more in a row, or six and
/// four, or two, two, two and four, with separators between them. For names of files and words of others, which
/// may hold anything. A text that this changes must not be kept.
pub fn mask_in_text(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        match cpr_length(rest) {
            Some(length) => {
                let mut digits = 0;
                masked.extend(rest[..length].iter().map(|c| {
                    digits += usize::from(c.is_ascii_digit());
                    if c.is_ascii_digit() && digits > 6 { 'x' } else { *c }
                }));
                at += length;
            }
            None => {
                let run = run_of_digits(rest).max(1);
                masked.extend(&rest[..run]);
                at += run;
            }
        }
    }
    masked
}

/// How many characters from here could be a CPR number, if any. Here is the beginning of a run of digits.
fn cpr_length(characters: &[char]) -> Option<usize> {
    let run = run_of_digits(characters);
    if run >= 10 {
        return Some(run);
    }
    // With the usual separator the runs may be longer: nothing else is written so.
    if run >= 6 && characters.get(run) == Some(&'-') {
        let behind = run_of_digits(&characters[run + 1..]);
        if behind >= 4 {
            return Some(run + 1 + behind);
        }
    }
    GROUPINGS.iter().find_map(|groups| {
        let mut at = 0;
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                let between = characters[at..].iter().take_while(|c| SEPARATORS.contains(c)).count();
                if !(1..=SEPARATORS_MAX).contains(&between) {
                    return None;
                }
                at += between;
            }
            if run_of_digits(&characters[at..]) != *group {
                return None;
            }
            at += group;
        }
        Some(at)
    })
}

fn run_of_digits(characters: &[char]) -> usize {
    characters.iter().take_while(|c| c.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_keeps_what_could_be_a_cpr_number() {
        for (text, masked) in [
            ("about 0707614285.", "about 070761xxxx."),
            ("070761-4285", "070761-xxxx"),
            ("x120707614285", "x120707xxxxxx"),
            ("070761/4285, 070761.4285 and 070761 4285", "070761/xxxx, 070761.xxxx and 070761 xxxx"),
            ("07.07.61-4285", "07.07.61-xxxx"),
            (
                "070761\u{2013}4285, 070761--4285 and 070761 - 4285",
                "070761\u{2013}xxxx, 070761--xxxx and 070761 - xxxx",
            ),
            ("12070761-42850", "120707xx-xxxxx"),
            ("070761 4285 070761 4285", "070761 xxxx 070761 xxxx"),
            ("QUERY.20261201.0042.txt at 20261201 0715", "QUERY.20261201.0042.txt at 20261201 0715"),
            ("070761 og 4285, 070761-428", "070761 og 4285, 070761-428"),
            ("BETADM_FORESP_0751_20261201_0042.txt", "BETADM_FORESP_0751_20261201_0042.txt"),
            ("2026-12-01, code 42", "2026-12-01, code 42"),
            ("", ""),
        ] {
            assert_eq!(mask_in_text(text), masked);
        }
    }

    #[test]
    fn a_cpr_number_never_shows_itself_in_full() {
        let cpr: Cpr = "0707614285".parse().unwrap();

        assert_eq!(format!("{cpr} {cpr:?}"), "070761-xxxx 070761-xxxx");
        assert_eq!(cpr.digits(), "0707614285");
    }

    #[test]
    fn the_seventh_digit_gives_the_century() {
        for (digits, year) in [
            ("0101003000", 1900),
            ("0101364000", 2036),
            ("0101374000", 1937),
            ("0101575000", 2057),
            ("0101585000", 1858),
            ("0101369000", 2036),
        ] {
            assert_eq!(digits.parse::<Cpr>().unwrap().born().unwrap().year(), year, "{digits}");
        }
    }

    #[test]
    fn the_check_digit_is_no_reason_to_reject_and_a_replacement_number_passes() {
        assert!("0707614286".parse::<Cpr>().is_ok());
        assert!("6707614286".parse::<Cpr>().unwrap().is_replacement());
        assert!("0000000000".parse::<Cpr>().unwrap().is_unknown());
        assert_eq!("3113614285".parse::<Cpr>(), Err(BadCpr::NoSuchDay));
        assert_eq!("07076142850".parse::<Cpr>(), Err(BadCpr::NotTenDigits));
    }
}
