//! The usual record, quickly: an agreement whose fields are all as they should be is read without a copy of anything.
//! Whatever is not usual is left to the layout's reader, which knows every case and says what is wrong; so nothing is
//! ever refused here, and nothing taken that would be refused there. Start with [`Quick::read`].

use jiff::civil::Date;

use crate::domain::agreement::Stated;
use crate::domain::amount::Oere;
use crate::domain::layout::{
    Field, Frame, Kind, Layout, RecordType, Role, Sign, Tally, Unit, are_digits, date_of, number_of,
};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::Cpr;

use super::{KEY_SEPARATOR, Place};

/// How one layout's agreements are read, and the room to do it in.
pub(super) struct Quick {
    /// By type. None: no agreement stands in it, or one that is read the long way.
    plans: Vec<Option<Plan>>,
    room: Room,
}

#[derive(Default)]
struct Room {
    key: String,
    other: String,
    sums: Vec<(usize, Oere)>,
}

/// What is done with one type's records.
struct Plan {
    checks: Vec<Check>,
    key: Vec<Written>,
    /// Fields without a role, in the order of their names, each with what stands before its value in JSON.
    other: Vec<(String, Written)>,
}

/// Positions from 0, up to and without the second one.
type Span = (usize, usize);

struct Check {
    at: Span,
    what: What,
}

/// What must stand there.
enum What {
    These(Vec<u8>),
    Digits,
    /// Letters, as they are kept.
    Text,
    Date(Option<String>, Option<Role>),
    Payer,
    Amount(Option<Sign>, Unit, Tally),
}

/// How a field is kept as text.
#[derive(Clone, Copy)]
struct Written {
    at: Span,
    is_trimmed: bool,
}

impl Quick {
    pub fn new(layout: &Layout, municipality: MunicipalityCode) -> Quick {
        let plans = layout.records().iter().map(|kind| Plan::of(kind, municipality)).collect();
        Quick { plans, room: Room::default() }
    }

    /// One that leaves everything to the long way.
    #[cfg(test)]
    pub fn none(layout: &Layout) -> Quick {
        Quick { plans: layout.records().iter().map(|_| None).collect(), room: Room::default() }
    }

    /// The agreement in a record, whose amounts are then in the sums. None: it is to be read the long way.
    pub fn read<'s>(&'s mut self, frame: &Frame<'s>, sums: &mut [Oere]) -> Option<Stated<'s>> {
        let plan = self.plans[frame.index].as_ref()?;
        let bytes = frame.bytes()?;
        let room = &mut self.room;
        let mut stated = Stated { key: "", payer: None, valid_from: None, valid_to: None, amount: None, other: "" };
        room.sums.clear();
        for check in &plan.checks {
            check.look(bytes, &mut stated, &mut room.sums)?;
        }
        if let (Some(from), Some(to)) = (stated.valid_from, stated.valid_to)
            && to < from
        {
            return None;
        }
        let key = match plan.key[..] {
            [only] => only.text_of(bytes)?,
            _ => plan.join_key(bytes, &mut room.key)?,
        };
        room.other.clear();
        for (before, written) in &plan.other {
            room.other.push_str(before);
            written.quote(bytes, &mut room.other)?;
        }
        room.other.push_str(if plan.other.is_empty() { "{}" } else { "\"}" });
        for (slot, amount) in &room.sums {
            sums[*slot] = sums[*slot].saturating_add(*amount);
        }
        Some(Stated { key, other: &room.other, ..stated })
    }
}

impl Plan {
    fn of(kind: &RecordType, municipality: MunicipalityCode) -> Option<Plan> {
        if kind.place != Place::Detail || kind.key.is_empty() {
            return None;
        }
        let checks = kind.fields.iter().map(|field| Check::of(field, municipality)).collect::<Option<Vec<_>>>()?;
        let key = kind.key.iter().map(|index| Written::of(&kind.fields[*index])).collect();
        let mut other: Vec<&Field> = (kind.fields.iter().enumerate())
            .filter(|(index, field)| {
                let says_something = !matches!(field.kind, Kind::Filler | Kind::Constant(_));
                field.role.is_none() && says_something && !kind.key.contains(index)
            })
            .map(|(_, field)| field)
            .collect();
        other.sort_by(|one, two| one.name.cmp(&two.name));
        let other = other.into_iter().enumerate().map(|(number, field)| {
            let name = serde_json::to_string(&field.name).expect("a text is JSON");
            (format!("{}{name}:\"", if number == 0 { "{" } else { "\"," }), Written::of(field))
        });
        let other = other.collect();
        Some(Plan { checks, key, other })
    }

    fn join_key<'r>(&self, bytes: &[u8], room: &'r mut String) -> Option<&'r str> {
        room.clear();
        for (number, part) in self.key.iter().enumerate() {
            let text = part.text_of(bytes).filter(|text| !text.contains(KEY_SEPARATOR))?;
            if number > 0 {
                room.push(KEY_SEPARATOR);
            }
            room.push_str(text);
        }
        Some(room)
    }
}

impl Check {
    fn of(field: &Field, municipality: MunicipalityCode) -> Option<Check> {
        let padded = |text: &str| format!("{text:<width$}", width = field.at.len()).into_bytes();
        let what = match (&field.kind, field.role) {
            (Kind::Filler, _) => What::These(padded("")),
            (Kind::Constant(value), _) => What::These(padded(value)),
            (Kind::Municipality, Some(Role::Municipality)) => What::These(padded(&municipality.to_string())),
            (Kind::Digits, None) => What::Digits,
            (Kind::Text, None) => What::Text,
            (Kind::Date { open }, role @ (None | Some(Role::ValidFrom | Role::ValidTo))) => {
                What::Date(open.clone(), role)
            }
            (Kind::Cpr, Some(Role::Payer)) => What::Payer,
            (Kind::Amount { sign, unit }, Some(Role::Amount)) => What::Amount(*sign, *unit, field.tally.clone()),
            _ => return None,
        };
        Some(Check { at: (field.at.start, field.at.end), what })
    }

    /// None: something else stands there, or something that is not usual.
    fn look<'a>(&self, bytes: &'a [u8], stated: &mut Stated<'a>, sums: &mut Vec<(usize, Oere)>) -> Option<()> {
        let found = &bytes[self.at.0..self.at.1];
        match &self.what {
            What::These(these) => (found == these.as_slice()).then_some(()),
            What::Digits => are_digits(found).then_some(()),
            What::Text => {
                let is_usual = |byte: &u8| matches!(byte, b' '..=b'~' | 0xA0..);
                found.iter().fold(true, |all, byte| all & is_usual(byte)).then_some(())
            }
            What::Date(open, role) => {
                let is_open = open.as_ref().is_some_and(|open| open.as_bytes() == found);
                let date: Option<Date> = if is_open { None } else { Some(date_of(found)?) };
                match role {
                    Some(Role::ValidFrom) => stated.valid_from = date,
                    Some(Role::ValidTo) => stated.valid_to = date,
                    _ => {}
                }
                Some(())
            }
            What::Payer => {
                let number = number_of(found).filter(|_| found.len() == 10)?;
                stated.payer = Some(Cpr::from_number(number.try_into().ok()?).ok()?);
                Some(())
            }
            What::Amount(sign, unit, tally) => {
                let units = number_of(found)?;
                let oere = match unit {
                    Unit::Oere => units,
                    Unit::Kroner => units * 100,
                };
                let oere = match sign {
                    None => oere,
                    Some(sign) if bytes[sign.at] == sign.plus => oere,
                    Some(sign) if bytes[sign.at] == sign.minus && oere != 0 => -oere,
                    Some(_) => return None,
                };
                if let Tally::AddsTo(slot) = tally {
                    sums.push((*slot, Oere(oere)));
                }
                stated.amount = Some(Oere(oere));
                Some(())
            }
        }
    }
}

impl Written {
    fn of(field: &Field) -> Written {
        Written { at: (field.at.start, field.at.end), is_trimmed: matches!(field.kind, Kind::Text) }
    }

    fn bytes_of(self, bytes: &[u8]) -> &[u8] {
        let found = &bytes[self.at.0..self.at.1];
        if !self.is_trimmed {
            return found;
        }
        let end = found.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        &found[..end]
    }

    /// None: it is not ASCII.
    fn of_ascii(found: &[u8]) -> Option<&str> {
        std::str::from_utf8(found).ok().filter(|text| text.is_ascii())
    }

    fn text_of(self, bytes: &[u8]) -> Option<&str> {
        Written::of_ascii(self.bytes_of(bytes))
    }

    /// Appends it as it stands within quotation marks in JSON.
    fn quote(self, bytes: &[u8], to: &mut String) -> Option<()> {
        let found = self.bytes_of(bytes);
        if found.iter().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\')) {
            return None;
        }
        match Written::of_ascii(found) {
            Some(text) => to.push_str(text),
            // A byte beyond ASCII is here only where the character set is ISO-8859-1.
            None => to.extend(found.iter().map(|byte| char::from(*byte))),
        }
        Some(())
    }
}
