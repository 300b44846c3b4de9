//! Layouts as data: a TOML file says which records a file has, what stands where in them, and what the end
//! record counts, so that a municipality can put the official field list in place of our assumption
//! without compiling. The same layout reads and writes, and what reads is written back byte for byte.
//!
//! Start with [`Layout`]. [`read`] and [`write()`] work with records as values; `domain::query` and
//! `domain::reply` give the roles their meaning. Nothing here opens a file.
//!
//! ```text
//! source: TOML ──► Layout          frames: bytes ──► records, in order and counted   (wholeness)
//!                                  reader: records ──► checked fields, summed        (reply, query)
//!                                  record: records as values, both ways              (read, write)
//! ```

mod across;
mod field;
mod frames;
mod mistakes;
mod name;
mod reader;
mod record;
mod source;
mod unfit;

use std::fmt;

pub use mistakes::{LayoutMistakes, Mistake};
pub use name::{BadTemplate, BadTemplateUse, NameParts, NameTemplate};
pub use record::{Record, Unwritable, Value, Wholeness, read, wholeness, write};
pub use unfit::{Rule, Unfit};

pub(crate) use field::{Decoded, Field, Kind, Role, Sign, Tally, Unit, are_digits, date_of, number_of};
pub(crate) use frames::Frame;
pub(crate) use reader::{CheckedRecord, Reader, checked};
pub(crate) use unfit::Fault;

/// The shipped assumption about SF2530's query.
const QUERY: &str = include_str!("../../../layouts/sf2530/query.toml");
/// The shipped assumption about SF2530's reply.
const REPLY: &str = include_str!("../../../layouts/sf2530/reply.toml");

/// How the records of one kind of file look. Valid by construction: no field overlaps another, every
/// position belongs to a field, every name that is referred to exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    name: String,
    purpose: Purpose,
    template: NameTemplate,
    characters: CharacterSet,
    line_end: LineEnd,
    type_at: Span,
    records: Vec<RecordType>,
    /// Names of the fields that tell one agreement from another, in their order. Empty but for replies.
    key: Vec<String>,
    /// How many sums the end record has.
    sums: usize,
}

/// What a file by this layout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It asks, for one payment date.
    Query,
    /// It answers with all active agreements.
    Reply,
    /// Only its records are known.
    Records,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CharacterSet {
    /// ISO-8859-1 as it is, not windows-1252. A position is a byte.
    Latin1,
    /// A position is a character.
    Utf8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Crlf,
    Lf,
    None,
}

/// Positions from `start` up to and without `end`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
}

/// One type of record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordType {
    pub name: String,
    /// What stands in the type's positions.
    pub code: String,
    pub place: Place,
    /// Positions, without the line end.
    pub length: usize,
    /// In the order of their positions.
    pub fields: Vec<Field>,
    /// In a reply: which fields are the key, in the key's order. Empty: no agreement stands in it.
    pub key: Vec<usize>,
}

/// Where in a file records of a type stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Start,
    Detail,
    End,
    /// After the end record.
    Error,
}

impl Layout {
    /// Reads a layout file. `source` is its name, for messages. Errors: all mistakes at once, each with its line
    /// and column and what was expected there.
    pub fn parse(source: &str, toml: &str) -> Result<Layout, LayoutMistakes> {
        source::parse(source, toml)
    }

    /// SF2530's query as shipped: a documented assumption.
    pub fn shipped_query() -> Layout {
        Layout::parse("sf2530/query.toml", QUERY).expect("a test reads the shipped layout")
    }

    /// SF2530's reply as shipped: a documented assumption.
    pub fn shipped_reply() -> Layout {
        Layout::parse("sf2530/reply.toml", REPLY).expect("a test reads the shipped layout")
    }

    /// What the layout calls itself, such as `SF2530A`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// How files by this layout are called.
    pub fn file_name(&self) -> &NameTemplate {
        &self.template
    }

    pub(crate) fn records(&self) -> &[RecordType] {
        &self.records
    }

    pub(crate) fn record_at(&self, place: Place) -> Option<&RecordType> {
        self.records.iter().find(|record| record.place == place)
    }

    /// Errors: a file of one purpose is read by a layout of another.
    pub(crate) fn check_purpose(&self, expected: Purpose) -> Result<(), Unfit> {
        if self.purpose == expected {
            return Ok(());
        }
        let found = format!("is read by the layout {}, which is for {}", self.name, self.purpose);
        Err(Unfit::file(Rule::Purpose, found, format!("a layout for {expected}")))
    }
}

impl RecordType {
    /// Where the field with this role stands in `fields`.
    pub fn role(&self, role: Role) -> Option<usize> {
        self.fields.iter().position(|field| field.role == Some(role))
    }
}

impl Span {
    pub fn len(self) -> usize {
        self.end - self.start
    }
}

/// As in a field list: `3-10`, counted from 1.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len() == 1 { write!(f, "{}", self.end) } else { write!(f, "{}-{}", self.start + 1, self.end) }
    }
}

impl LineEnd {
    pub fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::Crlf => b"\r\n",
            LineEnd::Lf => b"\n",
            LineEnd::None => b"",
        }
    }
}

impl fmt::Display for LineEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineEnd::Crlf => "CRLF",
            LineEnd::Lf => "LF",
            LineEnd::None => "no line end",
        })
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Purpose::Query => "queries",
            Purpose::Reply => "replies",
            Purpose::Records => "records alone",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_layouts_have_no_mistake() {
        assert_eq!(Layout::shipped_query().purpose(), Purpose::Query);
        assert_eq!(Layout::shipped_reply().purpose(), Purpose::Reply);
        assert!(Layout::shipped_reply().records().iter().all(|record| record.length == 120));
    }

    #[test]
    fn the_shipped_layouts_say_that_they_are_an_assumption() {
        assert!(QUERY.contains("DOCUMENTED ASSUMPTION") && REPLY.contains("DOCUMENTED ASSUMPTION"));
    }
}
