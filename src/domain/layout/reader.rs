//! Records with all their fields checked and the end record's sums compared, in chunks of any size. Knows no
//! roles: what a municipality or a period must be is for `domain::query` and `domain::reply` to say.
//! Start with [`Reader`].

use std::cmp::Ordering;

use super::field::{Decoded, Field, Role, Tally};
use super::frames::{Frame, Frames};
use super::unfit::{Fault, Rule, Unfit};
use super::{Layout, RecordType};
use crate::domain::amount::Oere;
use crate::domain::municipality::MunicipalityCode;

pub(crate) struct Reader<'l> {
    layout: &'l Layout,
    frames: Frames<'l>,
    sums: Vec<Oere>,
}

/// One record, each of its fields of its kind.
pub(crate) struct CheckedRecord<'r, 'a> {
    pub kind: &'r RecordType,
    frame: &'r Frame<'a>,
    /// One for each of the type's fields.
    pub values: Vec<Decoded<'a>>,
}

/// Takes a record whose fields are not checked yet, and adds its amounts to the sums.
pub type OnFrame<'e> = dyn FnMut(&Frame<'_>, &mut [Oere]) -> Result<(), Unfit> + 'e;

impl<'l> Reader<'l> {
    pub fn new(layout: &'l Layout) -> Self {
        Reader { layout, frames: Frames::new(layout), sums: vec![Oere(0); layout.sums] }
    }

    /// Takes the next bytes and shows each record that is whole with them. Errors: the file is unfit, or `each`
    /// said so; from then on always the same.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        each: &mut dyn FnMut(&CheckedRecord<'_, '_>) -> Result<(), Unfit>,
    ) -> Result<(), Unfit> {
        let Reader { layout, frames, sums } = self;
        frames.feed(chunk, &mut |frame| each(&checked(layout, frame, sums)?))
    }

    /// The same, where the fields are checked by `each`, which adds up the sums: see [`checked`].
    pub fn feed_unchecked(&mut self, chunk: &[u8], each: &mut OnFrame<'_>) -> Result<(), Unfit> {
        let Reader { frames, sums, .. } = self;
        frames.feed(chunk, &mut |frame| each(frame, sums))
    }

    /// The file is over. Errors: it broke off, or its last record is missing.
    pub fn finish(mut self) -> Result<(), Unfit> {
        self.frames.finish()
    }
}

/// Reads and checks all fields of a record, and adds its amounts to the sums.
pub(crate) fn checked<'r, 'a>(
    layout: &'r Layout,
    frame: &'r Frame<'a>,
    sums: &mut [Oere],
) -> Result<CheckedRecord<'r, 'a>, Unfit> {
    let kind = &layout.records()[frame.index];
    let mut values = Vec::with_capacity(kind.fields.len());
    for field in &kind.fields {
        let value = field.decode(&frame.body, layout.characters).map_err(|fault| frame.unfit(field, fault))?;
        match (&field.tally, &value) {
            (Tally::AddsTo(slot), Decoded::Amount(amount)) => sums[*slot] = sums[*slot].saturating_add(*amount),
            (Tally::Sums { slot, of }, Decoded::Amount(written)) => {
                let found = match written.cmp(&sums[*slot]) {
                    Ordering::Equal => None,
                    Ordering::Less => Some("is less than the records add up to"),
                    Ordering::Greater => Some("is more than the records add up to"),
                };
                if let Some(found) = found {
                    let expected = format!("the sum of `{of}` in {} records", frame.number - 1);
                    return Err(frame.unfit(field, Fault::new(Rule::Sum, found, expected)));
                }
            }
            _ => {}
        }
        values.push(value);
    }
    Ok(CheckedRecord { kind, frame, values })
}

impl CheckedRecord<'_, '_> {
    /// From 1.
    pub fn number(&self) -> u64 {
        self.frame.number
    }

    /// The value in the field with this role. None: the record's type has no such field.
    pub fn role(&self, role: Role) -> Option<&Decoded<'_>> {
        self.kind.role(role).map(|index| &self.values[index])
    }

    /// What stood in the field with this number, for keeping.
    pub fn written(&self, index: usize) -> String {
        self.kind.fields[index].written(&self.frame.body, &self.values[index])
    }

    /// Errors: the record names a municipality, and it is another.
    pub fn check_municipality(&self, expected: MunicipalityCode) -> Result<(), Unfit> {
        match self.role(Role::Municipality) {
            Some(Decoded::Municipality(found)) if *found != expected => {
                let fault = Fault::new(Rule::Municipality, "is another municipality", expected.to_string());
                Err(self.unfit(Role::Municipality, fault))
            }
            _ => Ok(()),
        }
    }

    /// About the field with this role.
    pub fn unfit(&self, role: Role, fault: Fault) -> Unfit {
        match self.kind.role(role) {
            Some(index) => self.unfit_field(&self.kind.fields[index], fault),
            None => Unfit::whole_record(self.number(), fault),
        }
    }

    pub fn unfit_field(&self, field: &Field, fault: Fault) -> Unfit {
        self.frame.unfit(field, fault)
    }
}
