//! One field of a record: what may stand in it, how it is read and how it is written. What reads is
//! written back the same, so what is not canonical (a zero with a minus, say) is a fault.
//! Start with [`Field::decode`]; [`Field::encode`] is its mirror.

use std::borrow::Cow;

use jiff::civil::{Date, Time};

use super::record::Value;
use super::unfit::{Fault, Reveal, Rule, quoted};
use super::{CharacterSet, Span};
use crate::domain::amount::Oere;
use crate::domain::moment::PaymentMonth;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::Cpr;

/// The earliest year of a date or month. Nobody in the CPR register was born before 1858.
const YEAR_MIN: i16 = 1800;
/// Digits that a number may have and still be counted with (i64).
pub(crate) const NUMBER_DIGITS_MAX: usize = 18;

/// One field. Filler has an empty name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub name: String,
    pub at: Span,
    pub kind: Kind,
    pub role: Option<Role>,
    pub tally: Tally,
    /// All blanks stand for no value.
    pub may_be_blank: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blanks.
    Filler,
    /// Always the same; padded to the field's length.
    Constant(String),
    /// Anything that is valid in the character set, control characters too.
    Unread,
    /// Left-aligned, padded with blanks; no control characters.
    Text,
    /// Right-aligned with zeros. Kept with its zeros: it may be a name rather than a number.
    Digits,
    /// CCYYMMDD, or `open`.
    Date {
        open: Option<String>,
    },
    /// HHMMSS.
    Time,
    /// CCYYMM.
    Month,
    Cpr,
    Municipality,
    Amount {
        sign: Option<Sign>,
        unit: Unit,
    },
}

/// The column that an amount's sign stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Position, counted from 0.
    pub at: usize,
    pub plus: u8,
    pub minus: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Oere,
    Kroner,
}

/// What a field means to SF2530.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Municipality,
    Date,
    Time,
    Delivery,
    PaymentDate,
    PaymentMonth,
    Payer,
    ValidFrom,
    ValidTo,
    Amount,
}

/// A field's part in what the end record counts and sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    None,
    /// How many records there are of these types (indexes).
    Counts(Vec<usize>),
    /// The sum with this number, of the amounts in fields of this name.
    Sums {
        slot: usize,
        of: String,
    },
    /// An amount in the sum with this number.
    AddsTo(usize),
}

/// A record's bytes without the line end, cut by positions.
pub(crate) struct Body<'a> {
    pub bytes: &'a [u8],
    /// UTF-8 beyond ASCII: the byte at which each position starts, and the end. None: a position is a byte.
    pub starts: Option<Vec<usize>>,
}

/// What stood in a field, without a copy of it where that is possible.
#[derive(Clone)]
pub(crate) enum Decoded<'a> {
    /// Filler or a constant: the layout says it all.
    Nothing,
    Blank,
    Text(Cow<'a, str>),
    Digits(&'a str),
    Date(Option<Date>),
    Time(Time),
    Month(PaymentMonth),
    Cpr(Cpr),
    Municipality(MunicipalityCode),
    Amount(Oere),
}

impl<'a> Body<'a> {
    pub fn slice(&self, at: Span) -> &'a [u8] {
        &self.bytes[self.byte_of(at.start)..self.byte_of(at.end)]
    }

    /// The byte in the record at which a position starts.
    pub fn byte_of(&self, position: usize) -> usize {
        self.starts.as_ref().map_or(position, |starts| starts[position])
    }
}

impl Field {
    /// Reads and checks the field. Errors: what stands there is not of the field's kind.
    pub fn decode<'a>(&self, body: &Body<'a>, set: CharacterSet) -> Result<Decoded<'a>, Fault> {
        let bytes = body.slice(self.at);
        if self.may_be_blank && is_blank(bytes) {
            // A blank amount has a blank in its sign's column too, or it would not be written back the same.
            return match &self.kind {
                Kind::Amount { sign: Some(sign), .. } if body.slice(sign.span()) != b" " => {
                    Err(Fault::new(Rule::Kind, "is blank and has a sign", "a blank sign beside a blank amount"))
                }
                _ => Ok(Decoded::Blank),
            };
        }
        let sign = match &self.kind {
            Kind::Amount { sign: Some(sign), .. } => Some((*sign, body.slice(sign.span()))),
            _ => None,
        };
        self.decode_bytes(bytes, sign, set)
    }

    /// What stood in the field, for keeping: without padding, an amount with its sign before it.
    pub fn written(&self, body: &Body<'_>, value: &Decoded<'_>) -> String {
        let ascii = |at| String::from_utf8_lossy(body.slice(at)).into_owned();
        match (value, &self.kind) {
            (Decoded::Nothing | Decoded::Blank, _) => String::new(),
            (Decoded::Text(text), _) => text.clone().into_owned(),
            (Decoded::Amount(_), Kind::Amount { sign: Some(sign), .. }) => ascii(sign.span()) + &ascii(self.at),
            _ => ascii(self.at),
        }
    }

    /// The value of what [`Field::written`] gave. None: it is not of the field's kind.
    pub fn value_of(&self, written: &str) -> Option<Value> {
        if written.is_empty() && self.may_be_blank {
            return Some(Value::Blank);
        }
        let (sign, text) = match &self.kind {
            Kind::Amount { sign: Some(sign), .. } => {
                let (found, digits) = written.split_at_checked(1)?;
                (Some((*sign, found.as_bytes())), digits)
            }
            _ => (None, written),
        };
        Value::of(&self.decode_bytes(text.as_bytes(), sign, CharacterSet::Utf8).ok()?)
    }

    /// Whether no date can be said.
    pub fn knows_open(&self) -> bool {
        matches!(self.kind, Kind::Date { open: Some(_) })
    }

    fn decode_bytes<'a>(
        &self,
        bytes: &'a [u8],
        sign: Option<(Sign, &[u8])>,
        set: CharacterSet,
    ) -> Result<Decoded<'a>, Fault> {
        match &self.kind {
            Kind::Filler if is_blank(bytes) => Ok(Decoded::Nothing),
            Kind::Filler => Err(fault(Rule::Kind, bytes, set, "blanks")),
            Kind::Constant(value) => self.decode_constant(bytes, value, set),
            Kind::Unread => Ok(Decoded::Text(without_padding(text_of(bytes, set)?))),
            Kind::Text => decode_text(bytes, set),
            Kind::Digits => match digits_of(bytes) {
                Some(digits) => Ok(Decoded::Digits(digits)),
                None if matches!(self.tally, Tally::Counts(_)) => {
                    Err(shown_fault(Rule::Kind, bytes, set, format!("{} digits", self.at.len())))
                }
                None => Err(fault(Rule::Kind, bytes, set, format!("{} digits", self.at.len()))),
            },
            Kind::Date { open } => match date_of(bytes) {
                _ if open.as_ref().is_some_and(|open| open.as_bytes() == bytes) => Ok(Decoded::Date(None)),
                Some(date) => Ok(Decoded::Date(Some(date))),
                None => Err(shown_fault(Rule::Date, bytes, set, expected_date(open.as_deref()))),
            },
            Kind::Time => {
                let time = time_of(bytes).ok_or_else(|| fault(Rule::Date, bytes, set, "a time as HHMMSS"))?;
                Ok(Decoded::Time(time))
            }
            Kind::Month => {
                let month = month_of(bytes);
                Ok(Decoded::Month(month.ok_or_else(|| shown_fault(Rule::Date, bytes, set, "a month as CCYYMM"))?))
            }
            Kind::Cpr => {
                let digits = digits_of(bytes).ok_or_else(|| fault(Rule::Kind, bytes, set, "ten digits"))?;
                let day = "a CPR number, with a day and month that exist";
                Ok(Decoded::Cpr(digits.parse().map_err(|_| fault(Rule::Date, bytes, set, day))?))
            }
            Kind::Municipality => {
                let code = MunicipalityCode::from_digits(bytes);
                Ok(Decoded::Municipality(
                    code.ok_or_else(|| fault(Rule::Municipality, bytes, set, "the code of a municipality"))?,
                ))
            }
            Kind::Amount { unit, .. } => decode_amount(bytes, sign, *unit, set).map(Decoded::Amount),
        }
    }

    /// Writes a value into a record's positions, which are blank. Errors: what is wrong with the value, without
    /// showing it.
    pub fn encode(&self, value: Option<&Value>, record: &mut [char], set: CharacterSet) -> Result<(), String> {
        let text: Cow<'_, str> = match (&self.kind, value) {
            (Kind::Filler, None) => return Ok(()),
            (Kind::Constant(constant), None) => constant.as_str().into(),
            (_, None | Some(Value::Blank)) if self.is_blank_allowed() => return Ok(()),
            (_, None) => return Err("has no value".to_owned()),
            (Kind::Unread | Kind::Text, Some(Value::Text(text))) => text.as_str().into(),
            (Kind::Digits, Some(Value::Digits(digits))) => self.padded_digits(digits)?.into(),
            (Kind::Date { open: Some(open) }, Some(Value::Date(None))) => open.as_str().into(),
            (Kind::Date { .. }, Some(Value::Date(Some(date)))) => {
                format!("{:04}{:02}{:02}", date.year(), date.month(), date.day()).into()
            }
            (Kind::Time, Some(Value::Time(time))) => {
                format!("{:02}{:02}{:02}", time.hour(), time.minute(), time.second()).into()
            }
            (Kind::Month, Some(Value::Month(month))) => format!("{:04}{:02}", month.year, month.month).into(),
            (Kind::Cpr, Some(Value::Cpr(cpr))) => cpr.digits().into(),
            (Kind::Municipality, Some(Value::Municipality(code))) => code.to_string().into(),
            (Kind::Amount { sign, unit }, Some(Value::Amount(amount))) => {
                match sign {
                    Some(sign) => record[sign.at] = char::from(if amount.0 < 0 { sign.minus } else { sign.plus }),
                    None if amount.0 < 0 => return Err("is negative and has no column for its sign".to_owned()),
                    None => {}
                }
                let units = match unit {
                    Unit::Oere => amount.0.unsigned_abs(),
                    Unit::Kroner if amount.0 % 100 != 0 => return Err("is not a whole number of kroner".to_owned()),
                    Unit::Kroner => amount.0.unsigned_abs() / 100,
                };
                self.padded_digits(&units.to_string())?.into()
            }
            _ => return Err("has a value of another kind than the layout says".to_owned()),
        };
        if set == CharacterSet::Latin1 && !encoding_rs::mem::is_str_latin1(&text) {
            return Err("has a character that ISO-8859-1 does not have".to_owned());
        }
        if text.chars().count() > self.at.len() {
            return Err(format!("is longer than its {} positions", self.at.len()));
        }
        record[self.at.start..].iter_mut().zip(text.chars()).for_each(|(position, c)| *position = c);
        Ok(())
    }

    /// Nothing to write is as good as blanks.
    fn is_blank_allowed(&self) -> bool {
        self.may_be_blank || matches!(self.kind, Kind::Text | Kind::Unread)
    }

    fn padded_digits(&self, digits: &str) -> Result<String, String> {
        let width = self.at.len();
        if digits.len() > width || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("is not a number of at most {width} digits"));
        }
        Ok(format!("{digits:0>width$}"))
    }

    fn decode_constant<'a>(&self, bytes: &[u8], value: &str, set: CharacterSet) -> Result<Decoded<'a>, Fault> {
        // Constants are ASCII (the layout sees to it), so a position is a byte if they are equal.
        let (head, padding) = bytes.split_at(value.len().min(bytes.len()));
        if head == value.as_bytes() && is_blank(padding) && bytes.len() == self.at.len() {
            return Ok(Decoded::Nothing);
        }
        Err(fault(Rule::Constant, bytes, set, format!("{value:?}")))
    }
}

impl Sign {
    pub fn span(self) -> Span {
        Span { start: self.at, end: self.at + 1 }
    }
}

fn decode_text<'a>(bytes: &'a [u8], set: CharacterSet) -> Result<Decoded<'a>, Fault> {
    let text = without_padding(text_of(bytes, set)?);
    match text.chars().find(|c| c.is_control()) {
        None => Ok(Decoded::Text(text)),
        Some(control) => {
            let found = format!("has the control character U+{:04X} in it", u32::from(control));
            Err(Fault::new(Rule::Kind, found, "text"))
        }
    }
}

fn without_padding(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(' ')),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(' ').len());
            Cow::Owned(text)
        }
    }
}

fn text_of(bytes: &[u8], set: CharacterSet) -> Result<Cow<'_, str>, Fault> {
    match set {
        CharacterSet::Latin1 => Ok(encoding_rs::mem::decode_latin1(bytes)),
        CharacterSet::Utf8 => {
            let text = std::str::from_utf8(bytes);
            Ok(text.map_err(|_| Fault::new(Rule::Kind, "has bytes in it that are not UTF-8", "text in UTF-8"))?.into())
        }
    }
}

fn decode_amount(bytes: &[u8], sign: Option<(Sign, &[u8])>, unit: Unit, set: CharacterSet) -> Result<Oere, Fault> {
    let units = number_of(bytes).ok_or_else(|| fault(Rule::Kind, bytes, set, "an amount in digits"))?;
    // The layout keeps the digits so few that this cannot overflow.
    let amount = match unit {
        Unit::Oere => units,
        Unit::Kroner => units * 100,
    };
    let Some((sign, found)) = sign else { return Ok(Oere(amount)) };
    let signs = || format!("{:?} or {:?}", char::from(sign.plus), char::from(sign.minus));
    match found {
        [plus] if *plus == sign.plus => Ok(Oere(amount)),
        [minus] if *minus == sign.minus && amount != 0 => Ok(Oere(-amount)),
        [minus] if *minus == sign.minus => {
            Err(Fault::new(Rule::Kind, "is a negative zero", format!("a zero with {:?}", char::from(sign.plus))))
        }
        _ => {
            let found = format!("has the sign {}", quoted(found, set, Reveal::Masked));
            Err(Fault::new(Rule::Kind, found, signs()))
        }
    }
}

fn expected_date(open: Option<&str>) -> String {
    open.map_or_else(|| "a date as CCYYMMDD".to_owned(), |open| format!("a date as CCYYMMDD, or {open:?} for open"))
}

fn fault(rule: Rule, bytes: &[u8], set: CharacterSet, expected: impl Into<String>) -> Fault {
    Fault::new(rule, format!("is {}", quoted(bytes, set, Reveal::Masked)), expected)
}

/// For dates and counts, the only digits of a field that are shown.
fn shown_fault(rule: Rule, bytes: &[u8], set: CharacterSet, expected: impl Into<String>) -> Fault {
    Fault::new(rule, format!("is {}", quoted(bytes, set, Reveal::Digits)), expected)
}

// The folds below look at every byte, so that the compiler can take many at once.

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |seen, byte| seen | (byte ^ b' ')) == 0
}

/// The bytes as text, if all of them are digits.
pub(crate) fn digits_of(bytes: &[u8]) -> Option<&str> {
    if are_digits(bytes) { std::str::from_utf8(bytes).ok() } else { None }
}

pub(crate) fn are_digits(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// At most 18 digits as a number.
pub(crate) fn number_of(digits: &[u8]) -> Option<i64> {
    if digits.len() > NUMBER_DIGITS_MAX || !are_digits(digits) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// CCYYMMDD, of the years 1800 to 9999.
pub(crate) fn date_of(bytes: &[u8]) -> Option<Date> {
    let number = number_of(bytes).filter(|_| bytes.len() == 8)?;
    let date = Date::new((number / 10_000) as i16, (number / 100 % 100) as i8, (number % 100) as i8).ok()?;
    (date.year() >= YEAR_MIN).then_some(date)
}

fn month_of(bytes: &[u8]) -> Option<PaymentMonth> {
    let number = number_of(bytes).filter(|_| bytes.len() == 6)?;
    let month = PaymentMonth { year: (number / 100) as i16, month: (number % 100) as i8 };
    (month.year >= YEAR_MIN && (1..=12).contains(&month.month)).then_some(month)
}

fn time_of(bytes: &[u8]) -> Option<Time> {
    let number = number_of(bytes).filter(|_| bytes.len() == 6)?;
    Time::new((number / 10_000) as i8, (number / 100 % 100) as i8, (number % 100) as i8, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: Kind, length: usize) -> Field {
        let at = Span { start: 0, end: length };
        Field { name: "f".to_owned(), at, kind, role: None, tally: Tally::None, may_be_blank: false }
    }

    fn amount(unit: Unit) -> Field {
        let sign = Some(Sign { at: 0, plus: b'+', minus: b'-' });
        Field { at: Span { start: 1, end: 6 }, ..field(Kind::Amount { sign, unit }, 0) }
    }

    fn decode<'a>(field: &Field, bytes: &'a [u8]) -> Result<Decoded<'a>, Fault> {
        field.decode(&Body { bytes, starts: None }, CharacterSet::Latin1)
    }

    #[test]
    fn a_field_that_is_not_of_its_kind_is_a_fault() {
        let open = Kind::Date { open: Some("00000000".to_owned()) };
        for (kind, wrong) in [
            (Kind::Filler, "   x"),
            (Kind::Constant("AB".to_owned()), "AB x"),
            (Kind::Constant("AB".to_owned()), "ab"),
            (Kind::Text, "a\tb"),
            (Kind::Text, "a\u{9b}"),
            (Kind::Digits, "12 4"),
            (Kind::Digits, "    "),
            (Kind::Digits, "+123"),
            (Kind::Date { open: None }, "00000000"),
            (Kind::Date { open: None }, "20260229"),
            (open.clone(), "20261301"),
            (open.clone(), "00010101"),
            (open, "        "),
            (Kind::Time, "240000"),
            (Kind::Time, "235960"),
            (Kind::Month, "202613"),
            (Kind::Month, "000001"),
            (Kind::Cpr, "3113614285"),
            (Kind::Cpr, "070761-285"),
            (Kind::Municipality, "0100"),
            (Kind::Municipality, "751 "),
        ] {
            let latin1 = encoding_rs::mem::encode_latin1_lossy(wrong);
            let fault = decode(&field(kind.clone(), latin1.len()), &latin1).err();
            assert!(fault.is_some(), "{kind:?} {wrong:?}");
        }
    }

    #[test]
    fn an_amount_is_in_oere_whatever_its_unit_and_a_negative_zero_is_a_fault() {
        for (unit, text, oere) in [
            (Unit::Oere, "+00150", Some(150)),
            (Unit::Oere, "-00150", Some(-150)),
            (Unit::Kroner, "-00150", Some(-15_000)),
            (Unit::Oere, "-00000", None),
            (Unit::Oere, " 00150", None),
            (Unit::Oere, "+0015 ", None),
        ] {
            let found = decode(&amount(unit), text.as_bytes());
            let found = found.ok().map(|found| matches!(found, Decoded::Amount(Oere(n)) if Some(n) == oere));
            assert_eq!(found, oere.map(|_| true), "{text}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_cut() {
        for (field, value) in [
            (field(Kind::Text, 3), Value::Text("abcd".to_owned())),
            (field(Kind::Text, 3), Value::Text("€".to_owned())),
            (field(Kind::Digits, 3), Value::Digits("1234".to_owned())),
            (field(Kind::Digits, 3), Value::Digits("1a".to_owned())),
            (field(Kind::Digits, 3), Value::Text("1".to_owned())),
            (field(Kind::Date { open: None }, 8), Value::Date(None)),
            (amount(Unit::Oere), Value::Amount(Oere(100_000))),
            (amount(Unit::Kroner), Value::Amount(Oere(150))),
        ] {
            let mut record = [' '; 8];
            assert!(field.encode(Some(&value), &mut record, CharacterSet::Latin1).is_err(), "{field:?}");
        }
    }
}
