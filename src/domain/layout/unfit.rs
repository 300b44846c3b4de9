//! Why a file is not taken: one sentence that names the record, the byte, the field and the rule, and
//! shows what was there without showing a person. Start with [`Unfit`].

use std::borrow::Cow;
use std::fmt;

use super::CharacterSet;

/// What a found value shows at most; the rest is cut.
const FOUND_CHARACTERS_MAX: usize = 40;

/// Why a file is unfit: it is taken whole or not at all. As a sentence, such as ``record 3, byte 291:
/// field `valid_to` is "20261301", expected a date as CCYYMMDD``. Digits are shown as `x`, unless they
/// are a type, a length, a count or a date; so no CPR or agreement number stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{subject} {found}, expected {expected}")]
pub struct Unfit {
    place: Place,
    subject: Subject,
    rule: Rule,
    found: String,
    expected: String,
}

/// The rules that a file can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The layout is for files of another purpose.
    Purpose,
    /// What the file's name says agrees with its content and its route.
    Name,
    /// The start record comes first, once.
    Start,
    /// The end record is there, and the file does not break off before it.
    End,
    /// Nothing comes after the end but what the layout allows.
    AfterEnd,
    /// A record's type is one of the layout's.
    RecordType,
    /// A record is as long as its type says.
    Length,
    /// A record ends with the layout's line end.
    LineEnd,
    /// A field holds what its kind says.
    Kind,
    /// A date, month or time exists.
    Date,
    /// A constant, such as the interface's name, is as the layout says.
    Constant,
    /// The municipality is the route's, everywhere.
    Municipality,
    /// The end record's count is right.
    Count,
    /// The end record's sum is right.
    Sum,
    /// An agreement does not end before it begins.
    Period,
    /// A query asks for one payment date and one payment month.
    Payment,
    /// An agreement's key can be told apart, and comes once.
    Key,
}

/// Where in the file; records and bytes count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    File,
    Record(u64),
    Byte { record: u64, byte: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    File,
    FileName,
    Record,
    Field(Box<str>),
    /// A field without a name; the first and last position in the record, counted from 1.
    Positions(usize, usize),
}

/// A field's fault before it is known in which record the field stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub rule: Rule,
    /// With its verb: `is "20261301"`.
    pub found: String,
    pub expected: String,
}

impl Fault {
    pub fn new(rule: Rule, found: impl Into<String>, expected: impl Into<String>) -> Fault {
        Fault { rule, found: found.into(), expected: expected.into() }
    }
}

impl Unfit {
    /// The rule that was broken.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The record, counted from 1; None where the whole file is meant.
    pub fn record(&self) -> Option<u64> {
        match self.place {
            Place::File => None,
            Place::Record(record) | Place::Byte { record, .. } => Some(record),
        }
    }

    /// The byte in the file, counted from 1; None where a whole file or record is meant.
    pub fn byte(&self) -> Option<u64> {
        match self.place {
            Place::File | Place::Record(_) => None,
            Place::Byte { byte, .. } => Some(byte),
        }
    }

    pub(crate) fn file(rule: Rule, found: impl Into<String>, expected: impl Into<String>) -> Unfit {
        Unfit::new(Place::File, Subject::File, Fault::new(rule, found, expected))
    }

    pub(crate) fn file_name(found: impl Into<String>, expected: impl Into<String>) -> Unfit {
        Unfit::new(Place::File, Subject::FileName, Fault::new(Rule::Name, found, expected))
    }

    pub(crate) fn in_record(record: u64, byte: u64, fault: Fault) -> Unfit {
        Unfit::new(Place::Byte { record, byte }, Subject::Record, fault)
    }

    pub(crate) fn in_field(record: u64, byte: u64, field: &str, fault: Fault) -> Unfit {
        Unfit::new(Place::Byte { record, byte }, Subject::Field(field.into()), fault)
    }

    /// About filler, which has no name.
    pub(crate) fn in_positions(record: u64, byte: u64, (first, last): (usize, usize), fault: Fault) -> Unfit {
        Unfit::new(Place::Byte { record, byte }, Subject::Positions(first, last), fault)
    }

    /// About a record that is known by its number only.
    pub(crate) fn whole_record(record: u64, fault: Fault) -> Unfit {
        Unfit::new(Place::Record(record), Subject::Record, fault)
    }

    fn new(place: Place, subject: Subject, fault: Fault) -> Unfit {
        Unfit { place, subject, rule: fault.rule, found: fault.found, expected: fault.expected }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => Ok(()),
            Place::Record(record) => write!(f, "record {record}: "),
            Place::Byte { record, byte } => write!(f, "record {record}, byte {byte}: "),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::File => f.write_str("the file"),
            Subject::FileName => f.write_str("the file name"),
            Subject::Record => f.write_str("the record"),
            Subject::Field(name) => write!(f, "field `{name}`"),
            Subject::Positions(first, last) if first == last => write!(f, "position {first}"),
            Subject::Positions(first, last) => write!(f, "positions {first}-{last}"),
        }
    }
}

/// How much of a found value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reveal {
    /// A type, a length, a count or a date.
    Digits,
    /// Anything else.
    Masked,
}

/// A found value in quotation marks: control characters escaped, at most 40 characters.
pub(crate) fn quoted(bytes: &[u8], set: CharacterSet, reveal: Reveal) -> String {
    let text = match set {
        CharacterSet::Latin1 => encoding_rs::mem::decode_latin1(bytes),
        CharacterSet::Utf8 => String::from_utf8_lossy(bytes),
    };
    let mut shown = String::from("\"");
    let shown_text: Cow<'_, str> = if reveal == Reveal::Masked { masked(&text).into() } else { text };
    for character in shown_text.chars().take(FOUND_CHARACTERS_MAX) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if shown_text.chars().nth(FOUND_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown.push('"');
    shown
}

/// Every digit, of any script, as `x`.
pub(crate) fn masked(text: &str) -> String {
    text.chars().map(|c| if c.is_numeric() { 'x' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_value_shows_neither_a_person_nor_a_control_character() {
        let shown = quoted(b"0707614285 S-\xc6\x1b\r", CharacterSet::Latin1, Reveal::Masked);

        assert_eq!(shown, "\"xxxxxxxxxx S-Æ\\u{1b}\\r\"");
        assert!(quoted(&[b'A'; 200], CharacterSet::Utf8, Reveal::Digits).chars().count() < 50);
    }

    #[test]
    fn the_sentence_names_record_byte_field_and_rule() {
        let fault = Fault::new(Rule::Date, "is \"20261301\"", "a date as CCYYMMDD");

        let unfit = Unfit::in_field(3, 291, "valid_to", fault);

        assert_eq!(
            unfit.to_string(),
            "record 3, byte 291: field `valid_to` is \"20261301\", expected a date as CCYYMMDD"
        );
        assert_eq!((unfit.record(), unfit.byte(), unfit.rule()), (Some(3), Some(291), Rule::Date));
    }
}
