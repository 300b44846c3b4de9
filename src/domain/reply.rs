//! The reply: all active withholding agreements of one municipality. Read as it comes, in chunks, so that
//! memory does not grow with the file; fit as a whole or not at all, which only [`ReplyReader::finish`]
//! can say. Start with [`ReplyReader`]; [`write_reply`] is its mirror, for the hub.

mod quick;

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};

use super::agreement::{Agreement, AgreementKey, Stated, other_json};
use super::amount::Oere;
use super::identity::DeliveryNumber;
use super::layout::{
    CheckedRecord, Decoded, Fault, Field, Layout, Place, Purpose, Reader, Record, RecordType, Role, Rule, Unfit,
    Unwritable, Value, checked, write,
};
use super::municipality::MunicipalityCode;
use quick::Quick;

/// Between the parts of a key that has several.
const KEY_SEPARATOR: char = '|';

/// What the start record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    pub municipality: MunicipalityCode,
    /// Danish time.
    pub date: Date,
    /// None: the layout has no field for it, or it is blank.
    pub delivery: Option<DeliveryNumber>,
}

/// A reply that was fit from its first byte to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyEnd {
    pub head: ReplyHead,
    /// Agreements.
    pub count: u64,
    /// Of their amounts.
    pub sum: Oere,
    /// Error records after the end record, where the layout allows them.
    pub error_records: u64,
}

/// Takes a reply in chunks of any size, cut anywhere. Agreements come out as they are read, before it is known
/// whether the reply is fit: stage them, and use them only after [`ReplyReader::finish`].
pub struct ReplyReader<'l> {
    layout: &'l Layout,
    reader: Reader<'l>,
    quick: Quick,
    seen: Seen,
}

/// What the records have said so far.
#[derive(Debug)]
struct Seen {
    municipality: MunicipalityCode,
    head: Option<ReplyHead>,
    count: u64,
    sum: Oere,
    error_records: u64,
}

type Sink<'s> = dyn FnMut(u64, &Stated<'_>) -> Result<(), Unfit> + 's;

impl<'l> ReplyReader<'l> {
    /// `municipality` is the route's: every place that names one must agree.
    pub fn new(layout: &'l Layout, municipality: MunicipalityCode) -> Self {
        let seen = Seen { municipality, head: None, count: 0, sum: Oere(0), error_records: 0 };
        ReplyReader { layout, reader: Reader::new(layout), quick: Quick::new(layout, municipality), seen }
    }

    /// Takes the next bytes. `sink` gets each agreement with its record's number, counted from 1. Errors: the
    /// reply is unfit, or `sink` said so; from then on always the same.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut Sink<'_>) -> Result<(), Unfit> {
        self.layout.check_purpose(Purpose::Reply)?;
        let ReplyReader { layout, reader, quick, seen } = self;
        reader.feed_unchecked(chunk, &mut |frame, sums| match quick.read(frame, sums) {
            Some(stated) => seen.add_agreement(frame.number, &stated, sink),
            None => seen.add(&checked(layout, frame, sums)?, sink),
        })
    }

    /// The start record, as soon as it has been read.
    pub fn head(&self) -> Option<&ReplyHead> {
        self.seen.head.as_ref()
    }

    /// The reply is over. Errors: it broke off, or its last record is missing.
    pub fn finish(self) -> Result<ReplyEnd, Unfit> {
        self.layout.check_purpose(Purpose::Reply)?;
        self.reader.finish()?;
        let Seen { head, count, sum, error_records, .. } = self.seen;
        let head = head.ok_or_else(|| Unfit::file(Rule::Start, "has no date", "one in its start record"))?;
        Ok(ReplyEnd { head, count, sum, error_records })
    }
}

/// A reply's name must not name another municipality than the route's. A name that is not of the layout's template
/// says nothing.
pub fn check_reply_name(layout: &Layout, file_name: &str, route: MunicipalityCode) -> Result<(), Unfit> {
    match layout.file_name().read(file_name) {
        Some(named) if named.municipality != route => {
            Err(Unfit::file_name(format!("says municipality {}", named.municipality), route.to_string()))
        }
        _ => Ok(()),
    }
}

/// The same key twice in one reply. Whoever holds the register sees it; this is the sentence for it. `record` and
/// `first` count from 1.
pub fn duplicate_key(record: u64, first: u64) -> Unfit {
    Unfit::whole_record(record, Fault::new(Rule::Key, format!("has the same key as record {first}"), "each key once"))
}

/// Writes a reply. `created` is Danish time and gives the start record its time; its date is the head's. Errors: the
/// layout has fields that an agreement has no value for, or a value does not fit. What is written, [`ReplyReader`]
/// reads; that no key comes twice is the caller's care.
pub fn write_reply(
    layout: &Layout,
    head: &ReplyHead,
    created: DateTime,
    agreements: &[Agreement],
) -> Result<Vec<u8>, Unwritable> {
    layout.check_purpose(Purpose::Reply)?;
    let mut kinds = layout.records().iter().filter(|record| !record.key.is_empty());
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        let problem = "has several kinds of agreements, and which one to write is not known";
        return Err(Unwritable::Layout { layout: layout.name().to_owned(), problem });
    };
    let frame_value = |role| match role {
        Role::Municipality => Some(Value::Municipality(head.municipality)),
        Role::Date => Some(Value::Date(Some(head.date))),
        Role::Time => Some(Value::Time(created.time())),
        Role::Delivery => head.delivery.map(|delivery| Value::Digits(delivery.to_string())),
        Role::PaymentDate | Role::PaymentMonth | Role::Payer | Role::ValidFrom | Role::ValidTo | Role::Amount => None,
    };
    let frame = |place| layout.record_at(place).map(|kind| Record::of(kind, |field| frame_value(field.role?)));

    let mut records = Vec::with_capacity(agreements.len() + 2);
    records.extend(frame(Place::Start));
    for agreement in agreements {
        records.push(record_of(kind, head.municipality, agreement, records.len() + 1)?);
    }
    records.extend(frame(Place::End));

    let bytes = write(layout, &records)?;
    let mut reader = ReplyReader::new(layout, head.municipality);
    reader.feed(&bytes, &mut |_, _| Ok(()))?;
    reader.finish()?;
    Ok(bytes)
}

impl Seen {
    fn add(&mut self, record: &CheckedRecord<'_, '_>, sink: &mut Sink<'_>) -> Result<(), Unfit> {
        record.check_municipality(self.municipality)?;
        match record.kind.place {
            Place::Start => self.head = head_of(record, self.municipality),
            Place::Detail if !record.kind.key.is_empty() => {
                let agreement = agreement_of(record)?;
                let other = other_json(&agreement.other);
                self.add_agreement(record.number(), &agreement.stated(&other), sink)?;
            }
            Place::Error => self.error_records += 1,
            Place::Detail | Place::End => {}
        }
        Ok(())
    }

    fn add_agreement(&mut self, record: u64, stated: &Stated<'_>, sink: &mut Sink<'_>) -> Result<(), Unfit> {
        self.count += 1;
        self.sum = self.sum.saturating_add(stated.amount.unwrap_or_default());
        sink(record, stated)
    }
}

fn head_of(record: &CheckedRecord<'_, '_>, municipality: MunicipalityCode) -> Option<ReplyHead> {
    let Some(Decoded::Date(Some(date))) = record.role(Role::Date) else { return None };
    let delivery = match record.role(Role::Delivery) {
        Some(Decoded::Digits(digits)) => digits.parse().ok().map(DeliveryNumber),
        _ => None,
    };
    Some(ReplyHead { municipality, date: *date, delivery })
}

fn agreement_of(record: &CheckedRecord<'_, '_>) -> Result<Agreement, Unfit> {
    let key = key_of(record)?;
    let mut agreement =
        Agreement { key, payer: None, valid_from: None, valid_to: None, amount: None, other: BTreeMap::new() };
    for (index, (field, value)) in record.kind.fields.iter().zip(&record.values).enumerate() {
        match (field.role, value) {
            (Some(Role::Payer), Decoded::Cpr(cpr)) => agreement.payer = Some(*cpr),
            (Some(Role::ValidFrom), Decoded::Date(date)) => agreement.valid_from = *date,
            (Some(Role::ValidTo), Decoded::Date(date)) => agreement.valid_to = *date,
            (Some(Role::Amount), Decoded::Amount(amount)) => agreement.amount = Some(*amount),
            (Some(_), _) | (None, Decoded::Nothing) => {}
            (None, _) if !record.kind.key.contains(&index) => {
                agreement.other.insert(field.name.clone(), record.written(index));
            }
            (None, _) => {}
        }
    }
    if let (Some(from), Some(to)) = (agreement.valid_from, agreement.valid_to)
        && to < from
    {
        let fault = Fault::new(Rule::Period, format!("is {to}"), format!("{from} or later, the first day"));
        return Err(record.unfit(Role::ValidTo, fault));
    }
    Ok(agreement)
}

fn key_of(record: &CheckedRecord<'_, '_>) -> Result<AgreementKey, Unfit> {
    let mut key = String::new();
    let is_compound = record.kind.key.len() > 1;
    for (part, index) in record.kind.key.iter().enumerate() {
        let text = record.written(*index);
        if is_compound && text.contains(KEY_SEPARATOR) {
            let fault = Fault::new(Rule::Key, "has a | in it", "none in a part of the key");
            return Err(record.unfit_field(&record.kind.fields[*index], fault));
        }
        if part > 0 {
            key.push(KEY_SEPARATOR);
        }
        key.push_str(&text);
    }
    Ok(AgreementKey(key))
}

/// The record that states an agreement. `number` counts from 1.
fn record_of(
    kind: &RecordType,
    municipality: MunicipalityCode,
    agreement: &Agreement,
    number: usize,
) -> Result<Record, Unwritable> {
    let wrong = |field: &str, problem: &str| Unwritable::Field {
        record: number,
        field: field.to_owned(),
        problem: problem.to_owned(),
    };
    let parts: Vec<&str> = match kind.key.len() {
        1 => vec![&agreement.key.0],
        _ => agreement.key.0.split(KEY_SEPARATOR).collect(),
    };
    if parts.len() != kind.key.len() {
        return Err(wrong("key", "has another number of parts than the layout's key"));
    }
    if let Some(name) = agreement.other.keys().find(|name| !kind.fields.iter().any(|field| field.name == **name)) {
        return Err(Unwritable::UnknownField { record: number, field: name.clone() });
    }
    let mut record = Record { name: kind.name.clone(), values: BTreeMap::new() };
    for (index, field) in kind.fields.iter().enumerate() {
        let by_role = match field.role {
            Some(Role::Municipality) => Some(Value::Municipality(municipality)),
            Some(Role::Payer) => agreement.payer.map(Value::Cpr),
            Some(Role::ValidFrom) => date_or_blank(field, agreement.valid_from),
            Some(Role::ValidTo) => date_or_blank(field, agreement.valid_to),
            Some(Role::Amount) => agreement.amount.map(Value::Amount),
            Some(Role::Date | Role::Time | Role::Delivery | Role::PaymentDate | Role::PaymentMonth) | None => None,
        };
        let part = kind.key.iter().position(|key| *key == index).map(|part| parts[part]);
        let text = part.or_else(|| agreement.other.get(&field.name).map(String::as_str));
        let by_text = match text {
            Some(text) => Some(field.value_of(text).ok_or_else(|| wrong(&field.name, "is not of the field's kind"))?),
            None => None,
        };
        if let (Some(by_role), Some(by_text)) = (&by_role, &by_text)
            && by_role != by_text
        {
            return Err(wrong(&field.name, "says something else than the agreement's key"));
        }
        if let Some(value) = by_role.or(by_text) {
            record.values.insert(field.name.clone(), value);
        }
    }
    Ok(record)
}

/// No date is open where the field knows open, else blank where it may be.
fn date_or_blank(field: &Field, date: Option<Date>) -> Option<Value> {
    if date.is_none() && !field.knows_open() { None } else { Some(Value::Date(date)) }
}

#[cfg(test)]
mod tests;
