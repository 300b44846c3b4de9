//! Runs of packed agreements, each in order, and their merging. A run in the file is read a piece at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::packed::{Packed, key_prefix, lengths, packed_at};

/// So much of a run in the file is in memory.
pub(super) const BUFFER_BYTES: usize = 32 << 10;

/// Packed agreements in order.
pub(super) struct Run {
    source: Source,
    /// The bytes that are here; of a run in the file, a piece of it.
    bytes: Vec<u8>,
    /// Where the one that is next begins in them, and its key. None: the run is over.
    next: Option<(usize, u64)>,
}

enum Source {
    /// Where each begins, in order; and how many of them are behind us.
    Memory { order: Vec<usize>, behind: usize },
    /// Of the whole run: the first byte, how many there are, and how many were read.
    File { file: Arc<File>, from: u64, length: u64, read: u64, at: usize },
}

impl Run {
    pub fn in_memory(bytes: Vec<u8>, order: Vec<usize>) -> Run {
        Run { source: Source::Memory { order, behind: 0 }, bytes, next: None }
    }

    pub fn in_file(file: Arc<File>, from: u64, length: u64) -> Run {
        Run { source: Source::File { file, from, length, read: 0, at: 0 }, bytes: Vec::new(), next: None }
    }

    fn rewind(&mut self) -> io::Result<()> {
        match &mut self.source {
            Source::Memory { behind, .. } => *behind = 0,
            Source::File { read, at, .. } => {
                (*read, *at) = (0, 0);
                self.bytes.clear();
            }
        }
        self.advance()
    }

    /// Goes to the next one.
    fn advance(&mut self) -> io::Result<()> {
        let at = match &mut self.source {
            Source::Memory { order, behind } => {
                let at = order.get(*behind).copied();
                *behind += 1;
                at
            }
            Source::File { file, from, length, read, at } => {
                let here = *at;
                let is_whole = |bytes: &[u8]| lengths(bytes).filter(|(_, total)| *total <= bytes.len());
                let mut whole = is_whole(&self.bytes[here..]).map(|(_, total)| (here, total));
                let mut keep = here;
                while whole.is_none() && (*read < *length || keep < self.bytes.len()) {
                    if *read == *length {
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "what was sorted was cut off"));
                    }
                    refill(&mut self.bytes, keep, file, *from, *length, read)?;
                    keep = 0;
                    whole = is_whole(&self.bytes).map(|(_, total)| (0, total));
                }
                whole.map(|(here, total)| {
                    *at = here + total;
                    here
                })
            }
        };
        self.next = at.map(|at| (at, key_prefix(packed_at(&self.bytes, at).key_bytes())));
        Ok(())
    }

    fn is_before(&self, other: &Run) -> bool {
        match (self.next, other.next) {
            (Some((at, prefix)), Some((other_at, other_prefix))) => {
                let rest = || packed_at(&self.bytes, at).place() < packed_at(&other.bytes, other_at).place();
                prefix < other_prefix || (prefix == other_prefix && rest())
            }
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Keeps what begins at `keep` and reads on behind it: so much as fits, or the whole of one that is longer.
fn refill(bytes: &mut Vec<u8>, keep: usize, file: &File, from: u64, length: u64, read: &mut u64) -> io::Result<()> {
    bytes.drain(..keep);
    let wanted = lengths(bytes).map_or(BUFFER_BYTES, |(_, total)| total.max(BUFFER_BYTES));
    let left = usize::try_from(length - *read).unwrap_or(usize::MAX);
    let here = bytes.len();
    bytes.resize(here + (wanted - here.min(wanted)).min(left), 0);
    file.read_exact_at(&mut bytes[here..], from + *read)?;
    *read += (bytes.len() - here) as u64;
    Ok(())
}

/// Several runs as one.
pub(super) struct Merge {
    /// A heap: none is before the one at half its place.
    runs: Vec<Run>,
}

impl Merge {
    /// [`Merge::rewind`] comes before anything else.
    pub fn new(runs: Vec<Run>) -> Merge {
        Merge { runs }
    }

    pub fn rewind(&mut self) -> io::Result<()> {
        for run in &mut self.runs {
            run.rewind()?;
        }
        for place in (0..self.runs.len() / 2).rev() {
            self.sink(place);
        }
        Ok(())
    }

    pub fn current(&self) -> Option<Packed<'_>> {
        let first = self.runs.first()?;
        first.next.map(|(at, _)| packed_at(&first.bytes, at))
    }

    pub fn advance(&mut self) -> io::Result<()> {
        if let Some(first) = self.runs.first_mut() {
            first.advance()?;
            self.sink(0);
        }
        Ok(())
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            for child in [left, right] {
                if child < self.runs.len() && self.runs[child].is_before(&self.runs[least]) {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.runs.swap(place, least);
            place = least;
        }
    }
}
