//! Records as values, both ways: what [`read`] accepts, [`write()`] gives back byte for byte. For layouts whose
//! roles nobody needs, for tests, and below `domain::query` and `domain::reply` for writing.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::{Date, Time};

use super::field::{Decoded, Field, Tally};
use super::frames::Frames;
use super::reader::Reader;
use super::unfit::{Unfit, masked};
use super::{CharacterSet, Layout, Place, RecordType};
use crate::domain::amount::Oere;
use crate::domain::moment::PaymentMonth;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::Cpr;

/// One record: the name of its type, and its fields by name. Filler and constants are not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub values: BTreeMap<String, Value>,
}

/// What stands in a field. It may be about a person, so it shows itself with its digits masked.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A field that may be blank, and is.
    Blank,
    /// Without the blanks behind it.
    Text(String),
    /// With its leading zeros; they may be left out for writing.
    Digits(String),
    /// None: open.
    Date(Option<Date>),
    Time(Time),
    Month(PaymentMonth),
    Cpr(Cpr),
    Municipality(MunicipalityCode),
    Amount(Oere),
}

/// Why records cannot be written by a layout. No value is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("record {record}: the layout has no record named `{name}`")]
    UnknownRecord { record: usize, name: String },
    #[error("record {record}: the layout has no field named `{field}` there")]
    UnknownField { record: usize, field: String },
    #[error("record {record}: field `{field}` {problem}")]
    Field { record: usize, field: String, problem: String },
    #[error("the layout {layout} {problem}")]
    Layout { layout: String, problem: &'static str },
    /// Written, and then not fit to be read: the records break a rule of their layout.
    #[error("what would be written is unfit: {0}")]
    Unfit(#[from] Unfit),
}

/// Whether a file is all there, as far as its layout can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wholeness {
    /// Start record, end record and count are right. What stands in the fields was not looked at.
    Whole,
    /// It may still be growing; why it is not whole as it is.
    NotWhole(Unfit),
    /// The layout has no end record that counts.
    CannotTell,
}

/// Reads a whole file. Errors: the first rule that it breaks.
pub fn read(layout: &Layout, bytes: &[u8]) -> Result<Vec<Record>, Unfit> {
    let mut records = Vec::new();
    let mut reader = Reader::new(layout);
    reader.feed(bytes, &mut |record| {
        let fields = record.kind.fields.iter().zip(&record.values);
        let values = fields.filter_map(|(field, value)| Some((field.name.clone(), Value::of(value)?))).collect();
        records.push(Record { name: record.kind.name.clone(), values });
        Ok(())
    })?;
    reader.finish()?;
    Ok(records)
}

/// Writes a whole file. Counts and sums that a record leaves out are filled in. Errors: a value that does not fit
/// its field, or records that would not be read again.
pub fn write(layout: &Layout, records: &[Record]) -> Result<Vec<u8>, Unwritable> {
    let mut writer = Writer { layout, counts: vec![0; layout.records.len()], sums: vec![Oere(0); layout.sums] };
    let mut bytes = Vec::new();
    for (index, record) in records.iter().enumerate() {
        writer.append(&mut bytes, index + 1, record)?;
    }
    let mut reader = Reader::new(layout);
    reader.feed(&bytes, &mut |_| Ok(()))?;
    reader.finish()?;
    Ok(bytes)
}

/// Looks at the records' types, lengths and order and at the end record's counts, and at no other field.
pub fn wholeness(layout: &Layout, bytes: &[u8]) -> Wholeness {
    let counts = |end: &RecordType| end.fields.iter().any(|field| matches!(field.tally, Tally::Counts(_)));
    if !layout.record_at(Place::End).is_some_and(counts) {
        return Wholeness::CannotTell;
    }
    let mut frames = Frames::new(layout);
    match frames.feed(bytes, &mut |_| Ok(())).and_then(|()| frames.finish()) {
        Ok(()) => Wholeness::Whole,
        Err(unfit) => Wholeness::NotWhole(unfit),
    }
}

impl Value {
    /// None: the layout says it all.
    pub(super) fn of(decoded: &Decoded<'_>) -> Option<Value> {
        Some(match decoded {
            Decoded::Nothing => return None,
            Decoded::Blank => Value::Blank,
            Decoded::Text(text) => Value::Text(text.clone().into_owned()),
            Decoded::Digits(digits) => Value::Digits((*digits).to_owned()),
            Decoded::Date(date) => Value::Date(*date),
            Decoded::Time(time) => Value::Time(*time),
            Decoded::Month(month) => Value::Month(*month),
            Decoded::Cpr(cpr) => Value::Cpr(*cpr),
            Decoded::Municipality(code) => Value::Municipality(*code),
            Decoded::Amount(amount) => Value::Amount(*amount),
        })
    }
}

impl Record {
    /// A record of a type, with a value for each field that `value` has one for.
    pub(crate) fn of(kind: &RecordType, value: impl Fn(&Field) -> Option<Value>) -> Record {
        let values = kind.fields.iter().filter_map(|field| Some((field.name.clone(), value(field)?))).collect();
        Record { name: kind.name.clone(), values }
    }
}

/// What was written so far, as the end record counts it.
struct Writer<'l> {
    layout: &'l Layout,
    counts: Vec<u64>,
    sums: Vec<Oere>,
}

impl Writer<'_> {
    fn append(&mut self, bytes: &mut Vec<u8>, number: usize, record: &Record) -> Result<(), Unwritable> {
        let types = &self.layout.records;
        let Some(index) = types.iter().position(|kind| kind.name == record.name) else {
            return Err(Unwritable::UnknownRecord { record: number, name: record.name.clone() });
        };
        let kind = &types[index];
        let is_known = |name: &String| kind.fields.iter().any(|field| field.name == *name && !name.is_empty());
        if let Some(field) = record.values.keys().find(|name| !is_known(name)) {
            return Err(Unwritable::UnknownField { record: number, field: field.clone() });
        }
        self.counts[index] += 1;

        let mut positions = vec![' '; kind.length];
        let type_at = self.layout.type_at;
        positions[type_at.start..].iter_mut().zip(kind.code.chars()).for_each(|(position, c)| *position = c);
        for field in &kind.fields {
            let given = record.values.get(&field.name);
            let tallied = if given.is_none() { self.tallied(field) } else { None };
            let value = given.or(tallied.as_ref());
            if let (Tally::AddsTo(slot), Some(Value::Amount(amount))) = (&field.tally, value) {
                self.sums[*slot] = self.sums[*slot].saturating_add(*amount);
            }
            field.encode(value, &mut positions, self.layout.characters).map_err(|problem| Unwritable::Field {
                record: number,
                field: field.name.clone(),
                problem,
            })?;
        }
        let text: String = positions.into_iter().collect();
        match self.layout.characters {
            CharacterSet::Latin1 => bytes.extend_from_slice(&encoding_rs::mem::encode_latin1_lossy(&text)),
            CharacterSet::Utf8 => bytes.extend_from_slice(text.as_bytes()),
        }
        bytes.extend_from_slice(self.layout.line_end.bytes());
        Ok(())
    }

    fn tallied(&self, field: &Field) -> Option<Value> {
        match &field.tally {
            Tally::Counts(of) => {
                let count: u64 = of.iter().map(|index| self.counts[*index]).sum();
                Some(Value::Digits(count.to_string()))
            }
            Tally::Sums { slot, .. } => Some(Value::Amount(self.sums[*slot])),
            Tally::None | Tally::AddsTo(_) => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Blank => f.write_str("Blank"),
            Value::Text(text) => write!(f, "Text({:?})", masked(text)),
            Value::Digits(digits) => write!(f, "Digits({:?})", masked(digits)),
            Value::Date(date) => write!(f, "Date({date:?})"),
            Value::Time(time) => write!(f, "Time({time:?})"),
            Value::Month(month) => write!(f, "Month({month})"),
            Value::Cpr(cpr) => write!(f, "Cpr({cpr})"),
            Value::Municipality(code) => write!(f, "Municipality({code})"),
            Value::Amount(amount) => write!(f, "Amount({amount})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUERY: &[u8] = include_bytes!("../../../tests/fixtures/BETADM_FORESP_0751_20261201_0042.txt");
    const REPLY: &[u8] = include_bytes!("../../../tests/fixtures/BETADM_SVAR_0751_20261201_0042.txt");

    fn is_whole(bytes: &[u8]) -> bool {
        wholeness(&Layout::shipped_query(), bytes) == Wholeness::Whole
    }

    #[test]
    fn the_samples_are_written_back_byte_for_byte() {
        for (layout, bytes) in [(Layout::shipped_query(), QUERY), (Layout::shipped_reply(), REPLY)] {
            let records = read(&layout, bytes).unwrap();

            assert_eq!(write(&layout, &records).unwrap(), bytes);
        }
    }

    #[test]
    fn a_growing_file_is_whole_only_with_its_last_byte() {
        assert!((0..QUERY.len()).all(|length| !is_whole(&QUERY[..length])));
        assert!(is_whole(QUERY));
    }

    #[test]
    fn a_file_with_another_count_is_not_whole_and_its_other_fields_are_not_looked_at() {
        let text = String::from_utf8(QUERY.to_vec()).unwrap();

        assert!(!is_whole(text.replace("00000001+", "00000002+").as_bytes()));
        assert!(is_whole(text.replace("20261230", "2026123x").as_bytes()));
    }

    #[test]
    fn a_layout_without_a_count_cannot_tell() {
        let toml = include_str!("../../../layouts/sf2530/query.toml").replace(", counts = \"details\"", "");
        let layout = Layout::parse("uncounted", &toml).unwrap();

        assert_eq!(wholeness(&layout, QUERY), Wholeness::CannotTell);
    }

    #[test]
    fn counts_and_sums_that_are_left_out_are_filled_in_and_wrong_ones_refused() {
        let layout = Layout::shipped_reply();
        let mut records = read(&layout, REPLY).unwrap();

        let end = records.last_mut().unwrap();
        end.values.remove("count");
        end.values.remove("sum");
        assert_eq!(write(&layout, &records).unwrap(), REPLY);

        records.remove(1);
        records.last_mut().unwrap().values.insert("count".to_owned(), Value::Digits("3".to_owned()));
        assert!(matches!(write(&layout, &records), Err(Unwritable::Unfit(_))));
    }

    #[test]
    fn a_value_shows_itself_masked() {
        let shown = format!("{:?}", read(&Layout::shipped_reply(), REPLY).unwrap());

        assert!(!shown.contains("0707614285") && !shown.contains("1001"), "{shown}");
        assert!(shown.contains("Cpr(070761-xxxx)"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back_whatever_was_changed(
            changes in prop::collection::vec((0..REPLY.len(), any::<u8>()), 1..4),
            digits in prop::collection::vec((0..REPLY.len(), prop::sample::select(b" 0123456789+-".to_vec())), 0..3),
        ) {
            let layout = Layout::shipped_reply();
            let mut bytes = REPLY.to_vec();
            for (at, byte) in changes.into_iter().chain(digits) {
                bytes[at] = byte;
            }

            if let Ok(records) = read(&layout, &bytes) {
                prop_assert_eq!(write(&layout, &records).unwrap(), bytes);
            }
        }

        #[test]
        fn padding_in_a_text_is_reproduced(text in "[ -~\u{a0}-\u{ff}]{12}") {
            let layout = Layout::shipped_reply();
            let mut bytes = REPLY.to_vec();
            let latin1 = encoding_rs::mem::encode_latin1_lossy(&text).into_owned();
            bytes[122 + 28..122 + 40].copy_from_slice(&latin1);

            let records = read(&layout, &bytes).unwrap();

            prop_assert_eq!(write(&layout, &records).unwrap(), bytes);
        }
    }
}
