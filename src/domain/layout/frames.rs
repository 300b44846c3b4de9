//! Bytes into records: where each begins and ends, of which type it is, whether the order is right and whether
//! the end record counted them. Looks into no other field. Start with [`Frames`].
//!
//! What is held back between two chunks is never more than a little over the longest record, and the answer does not
//! depend on where the chunks were cut.

use super::field::{Body, Field, Tally, number_of};
use super::unfit::{Fault, Reveal, Rule, Unfit, quoted};
use super::{CharacterSet, Layout, LineEnd, Place, RecordType, Span};

/// A UTF-8 character has at most this many bytes.
const CHARACTER_BYTES_MAX: usize = 4;
/// By so many bytes a record may be too long and still have its length told.
const EXCESS_TOLD: usize = 64;

/// Cuts a file, in chunks of any size, into records.
pub(crate) struct Frames<'l> {
    layout: &'l Layout,
    /// The bytes of a record that has not come whole.
    carry: Vec<u8>,
    /// Bytes of the records that are behind us.
    offset: u64,
    /// Records behind us, and how many of each type.
    records: u64,
    counts: Vec<u64>,
    /// By type: whether it counts others.
    counting: Vec<bool>,
    stage: Stage,
    /// The first unfitness is the last word.
    failed: Option<Unfit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    BeforeStart,
    Details,
    AfterEnd,
}

/// One record in its place.
pub(crate) struct Frame<'a> {
    /// From 1.
    pub number: u64,
    /// Bytes before it.
    offset: u64,
    /// Its type, as an index of the layout's.
    pub index: usize,
    pub body: Body<'a>,
}

/// A record at the beginning of some bytes.
struct Cut<'a> {
    index: usize,
    body: Body<'a>,
    /// Bytes with the line end.
    total: usize,
}

type Each<'e> = dyn FnMut(&Frame<'_>) -> Result<(), Unfit> + 'e;

impl<'l> Frames<'l> {
    pub fn new(layout: &'l Layout) -> Self {
        let has_start = layout.record_at(Place::Start).is_some();
        let counts = |field: &Field| matches!(field.tally, Tally::Counts(_));
        Frames {
            layout,
            carry: Vec::new(),
            offset: 0,
            records: 0,
            counts: vec![0; layout.records.len()],
            counting: layout.records.iter().map(|record| record.fields.iter().any(counts)).collect(),
            stage: if has_start { Stage::BeforeStart } else { Stage::Details },
            failed: None,
        }
    }

    /// Takes the next bytes and shows each record that is whole with them. Errors: the file is unfit, or `each`
    /// said so; from then on always the same.
    pub fn feed(&mut self, chunk: &[u8], each: &mut Each<'_>) -> Result<(), Unfit> {
        self.unless_failed(|frames| frames.take_chunk(chunk, each))
    }

    /// The file is over. Errors: it broke off, or its last record is missing.
    pub fn finish(&mut self) -> Result<(), Unfit> {
        self.unless_failed(|frames| {
            if !frames.carry.is_empty() {
                return Err(frames.misfit(&frames.carry));
            }
            match (frames.stage, frames.layout.record_at(Place::End)) {
                (Stage::BeforeStart, _) => Err(Unfit::file(Rule::Start, "is empty", frames.expected_start())),
                (Stage::Details, Some(end)) => {
                    let found = format!("ends after record {} without an end record", frames.records);
                    Err(Unfit::file(Rule::End, found, format!("type {} last", end.code)))
                }
                (Stage::Details, None) | (Stage::AfterEnd, _) => Ok(()),
            }
        })
    }

    fn unless_failed(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Unfit>) -> Result<(), Unfit> {
        if let Some(unfit) = &self.failed {
            return Err(unfit.clone());
        }
        step(self).inspect_err(|unfit| self.failed = Some(unfit.clone()))
    }

    fn take_chunk(&mut self, chunk: &[u8], each: &mut Each<'_>) -> Result<(), Unfit> {
        let mut rest = chunk;
        while !self.carry.is_empty() && !rest.is_empty() {
            let carried = self.carry.len();
            let topping = rest.len().min(self.layout.window() - carried);
            let mut buffer = std::mem::take(&mut self.carry);
            buffer.extend_from_slice(&rest[..topping]);
            match self.step(&buffer, each)? {
                // What was carried was no whole record, so the record ends in this chunk: go on there, without a copy.
                Some(used) => rest = &rest[used - carried..],
                None => {
                    self.carry = buffer;
                    rest = &rest[topping..];
                }
            }
        }
        while let Some(used) = self.step(rest, each)? {
            rest = &rest[used..];
        }
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    /// Takes the record at the beginning of `bytes` and says how long it was. None: it has not come whole.
    fn step(&mut self, bytes: &[u8], each: &mut Each<'_>) -> Result<Option<usize>, Unfit> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if self.stage == Stage::AfterEnd && self.layout.record_at(Place::Error).is_none() {
            let fault = Fault::new(Rule::AfterEnd, "comes after the end record", "nothing there");
            return Err(self.unfit_here(fault));
        }
        let Some(cut) = self.layout.cut(bytes) else {
            return if bytes.len() < self.layout.window() { Ok(None) } else { Err(self.misfit(bytes)) };
        };
        self.enter(cut.index)?;
        self.records += 1;
        self.counts[cut.index] += 1;
        let frame = Frame { number: self.records, offset: self.offset, index: cut.index, body: cut.body };
        if self.counting[frame.index] {
            self.check_counts(&frame)?;
        }
        each(&frame)?;
        self.offset += cut.total as u64;
        Ok(Some(cut.total))
    }

    /// Errors: a record of this type has no business here.
    fn enter(&mut self, index: usize) -> Result<(), Unfit> {
        let record = &self.layout.records[index];
        let found = |what: &str| format!("is of type {}{what}", record.code);
        let (rule, found, expected) = match (self.stage, record.place) {
            (Stage::BeforeStart, Place::Start) => {
                self.stage = Stage::Details;
                return Ok(());
            }
            (Stage::Details, Place::End) => {
                self.stage = Stage::AfterEnd;
                return Ok(());
            }
            (Stage::Details, Place::Detail) | (Stage::AfterEnd, Place::Error) => return Ok(()),
            (Stage::BeforeStart, Place::Detail | Place::End | Place::Error) => {
                (Rule::Start, found(""), self.expected_start())
            }
            (Stage::Details, Place::Start) => (Rule::Start, found(", a second start"), "one start record".to_owned()),
            (Stage::Details, Place::Error) => {
                (Rule::End, found(", before the end record"), "error records after the end record".to_owned())
            }
            (Stage::AfterEnd, Place::Start | Place::Detail | Place::End) => {
                (Rule::AfterEnd, found(", after the end record"), "only error records there".to_owned())
            }
        };
        Err(self.unfit_here(Fault::new(rule, found, expected)))
    }

    fn check_counts(&self, frame: &Frame<'_>) -> Result<(), Unfit> {
        let record = &self.layout.records[frame.index];
        for field in &record.fields {
            let Tally::Counts(of) = &field.tally else { continue };
            let expected: u64 = of.iter().map(|index| self.counts[*index]).sum();
            let written = frame.body.slice(field.at);
            if number_of(written).and_then(|count| u64::try_from(count).ok()) != Some(expected) {
                let found = format!("is {}", quoted(written, self.layout.characters, Reveal::Digits));
                let fault = Fault::new(Rule::Count, found, format!("{expected}, as counted"));
                return Err(frame.unfit(field, fault));
            }
        }
        Ok(())
    }

    /// Why there is no record at the beginning of `bytes`, which fill the window, or are the last.
    fn misfit(&self, bytes: &[u8]) -> Unfit {
        let layout = self.layout;
        let bytes = &bytes[..bytes.len().min(layout.window())];
        let line = layout.line(bytes);
        let until = line.unwrap_or(bytes);
        let positions = layout.positions_in(until);
        let code = layout.slice(until, layout.type_at);
        let record = code.and_then(|code| layout.type_of(code)).map(|index| &layout.records[index]);
        let breaks_off = line.is_none() && bytes.len() < layout.window();

        let fault = match (record, code) {
            (None, Some(code)) => {
                let known: Vec<_> = layout.records.iter().map(|record| record.code.as_str()).collect();
                let found = format!("is of type {}", quoted(code, layout.characters, Reveal::Digits));
                Fault::new(Rule::RecordType, found, format!("one of {}", known.join(", ")))
            }
            (None, None) if breaks_off => Fault::new(
                Rule::End,
                format!("breaks off after {}", layout.counted(positions)),
                format!("its type in {}", layout.type_at),
            ),
            (None, None) => Fault::new(
                Rule::Length,
                format!("is {} long", layout.counted(positions)),
                format!("its type in {}", layout.type_at),
            ),
            (Some(record), _) if positions == record.length && line.is_some() => {
                Fault::new(Rule::LineEnd, "ends with another line end", layout.line_end.to_string())
            }
            (Some(record), _) if positions == record.length && breaks_off => {
                Fault::new(Rule::LineEnd, "ends without a line end", layout.line_end.to_string())
            }
            (Some(record), _) if breaks_off && positions < record.length => {
                let found = format!("breaks off after {}", layout.counted(positions));
                Fault::new(Rule::End, found, layout.expected_length(record))
            }
            (Some(record), _) => {
                let found = match line {
                    Some(_) => format!("is {} long", layout.counted(positions)),
                    None => "is much longer".to_owned(),
                };
                Fault::new(Rule::Length, found, layout.expected_length(record))
            }
        };
        self.unfit_here(fault)
    }

    /// In the record that begins here.
    fn unfit_here(&self, fault: Fault) -> Unfit {
        Unfit::in_record(self.records + 1, self.offset + 1, fault)
    }

    fn expected_start(&self) -> String {
        let code = self.layout.record_at(Place::Start).map_or("", |start| &start.code);
        format!("a start record of type {code} first")
    }
}

impl<'a> Frame<'a> {
    /// The record's bytes, if each position is one of them.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        if self.body.starts.is_none() { Some(self.body.bytes) } else { None }
    }

    pub fn unfit(&self, field: &Field, fault: Fault) -> Unfit {
        let byte = self.offset + self.body.byte_of(field.at.start) as u64 + 1;
        match field.name.is_empty() {
            true => Unfit::in_positions(self.number, byte, (field.at.start + 1, field.at.end), fault),
            false => Unfit::in_field(self.number, byte, &field.name, fault),
        }
    }
}

impl Layout {
    /// Bytes that are enough to tell any record, or why there is none.
    fn window(&self) -> usize {
        let longest = self.records.iter().map(|record| record.length).max().unwrap_or(0);
        let positions = match self.characters {
            CharacterSet::Latin1 => longest,
            CharacterSet::Utf8 => longest * CHARACTER_BYTES_MAX,
        };
        positions + LineEnd::Crlf.bytes().len() + EXCESS_TOLD
    }

    /// The record at the beginning of `bytes`: its type is known, it is whole, its line end is where it belongs.
    fn cut<'a>(&self, bytes: &'a [u8]) -> Option<Cut<'a>> {
        let index = self.type_of(self.slice(bytes, self.type_at)?)?;
        let length = self.records[index].length;
        let body = match self.characters {
            CharacterSet::Latin1 => Body { bytes: bytes.get(..length)?, starts: None },
            CharacterSet::Utf8 if bytes.get(..length)?.is_ascii() => Body { bytes: &bytes[..length], starts: None },
            CharacterSet::Utf8 => {
                let starts: Vec<_> = character_starts(bytes).take(length + 1).collect();
                let end = *starts.get(length)?;
                Body { bytes: &bytes[..end], starts: Some(starts) }
            }
        };
        let total = body.bytes.len() + self.line_end.bytes().len();
        bytes[body.bytes.len()..].starts_with(self.line_end.bytes()).then_some(Cut { index, body, total })
    }

    fn type_of(&self, code: &[u8]) -> Option<usize> {
        self.records.iter().position(|record| record.code.as_bytes() == code)
    }

    /// The bytes of some positions, if they are all there.
    fn slice<'a>(&self, bytes: &'a [u8], at: Span) -> Option<&'a [u8]> {
        match self.characters {
            CharacterSet::Latin1 => bytes.get(at.start..at.end),
            CharacterSet::Utf8 => {
                let mut starts = character_starts(bytes);
                let start = starts.nth(at.start)?;
                bytes.get(start..starts.nth(at.len() - 1)?)
            }
        }
    }

    /// What stands before the first line end. None: there is none, or the layout has none.
    fn line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.line_end == LineEnd::None {
            return None;
        }
        let line = &bytes[..bytes.iter().position(|byte| *byte == b'\n')?];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn positions_in(&self, bytes: &[u8]) -> usize {
        match self.characters {
            CharacterSet::Latin1 => bytes.len(),
            CharacterSet::Utf8 => character_starts(bytes).count() - 1,
        }
    }

    fn counted(&self, positions: usize) -> String {
        let unit = match self.characters {
            CharacterSet::Latin1 => "byte",
            CharacterSet::Utf8 => "character",
        };
        if positions == 1 { format!("1 {unit}") } else { format!("{positions} {unit}s") }
    }

    fn expected_length(&self, record: &RecordType) -> String {
        format!("{} for type {}", record.length, record.code)
    }
}

/// The byte at which each whole character starts, and at last the end of the whole ones. A byte that begins no
/// character counts as one; whoever reads the text refuses it.
fn character_starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let width = match bytes.get(start) {
            None => 0,
            Some(0xC2..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            Some(0xF0..=0xF4) => 4,
            Some(_) => 1,
        };
        next = (width > 0 && start + width <= bytes.len()).then_some(start + width);
        Some(start)
    })
}
