//! The agreements of one reply in the order of their keys, each key once, in bounded memory. What does not fit lies in
//! a file without a name, in runs that are merged on the way back; where the agreements come in order already, nothing
//! is sorted at all. Knows neither the register nor SQLite. Start with [`Sorting`].

mod packed;
mod run;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;

use crate::domain::agreement::Stated;
pub use packed::{Packed, Packing};
use packed::{key_prefix, packed_at};
use run::{Merge, Run};

/// So much of a reply is in memory before it is put into the file: some forty thousand agreements.
const BUDGET_BYTES: usize = 4 << 20;

/// Takes the agreements of one reply in any order.
pub struct Sorting {
    /// Where the file is made once it is needed.
    folder: PathBuf,
    budget_bytes: usize,
    file: Option<(File, u64)>,
    /// Runs in the file: first byte and length.
    spilled: Vec<(u64, u64)>,
    /// Packed agreements that are not in the file.
    arena: Vec<u8>,
    places: Vec<Place>,
    /// Where the last one begins in the arena.
    last: Option<usize>,
    /// The last key in the file.
    spilled_key: Vec<u8>,
    /// Every key so far was greater than the one before it.
    is_ascending: bool,
    count: u64,
}

/// Where a packed agreement begins in the arena, behind the beginning of its key: most comparisons end there.
#[derive(Clone, Copy)]
struct Place {
    prefix: u64,
    at: usize,
}

/// The same key in two records of one reply, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub record: u64,
    pub first: u64,
}

/// The agreements of one reply, checked: in the order of their keys, each once. It can be gone through again and again.
pub struct Sorted {
    /// The day as of which agreements that are not among them have ended.
    pub as_of: Date,
    merge: Merge,
    count: u64,
}

impl Sorting {
    /// Nothing is made in `folder`, nor itself, unless the reply is a long one.
    pub fn new(folder: &Path) -> Sorting {
        Sorting::within(folder, BUDGET_BYTES)
    }

    /// The same with another bound for what is in memory.
    pub fn within(folder: &Path, budget_bytes: usize) -> Sorting {
        Sorting {
            folder: folder.to_owned(),
            budget_bytes,
            file: None,
            spilled: Vec::new(),
            arena: Vec::new(),
            places: Vec::new(),
            last: None,
            spilled_key: Vec::new(),
            is_ascending: true,
            count: 0,
        }
    }

    /// Takes the next agreement. Errors: the file cannot be made or written; nothing can be made of the rest then.
    pub fn take(&mut self, record: u64, stated: &Stated<'_>) -> io::Result<()> {
        if self.arena.len() >= self.budget_bytes {
            self.spill()?;
        }
        if self.is_ascending {
            let former = self.last.map_or(self.spilled_key.as_slice(), |at| packed_at(&self.arena, at).key_bytes());
            self.is_ascending = self.count == 0 || former < stated.key.as_bytes();
        }
        let at = self.arena.len();
        packed::pack(&mut self.arena, record, stated);
        self.places.push(Place { prefix: key_prefix(stated.key.as_bytes()), at });
        self.last = Some(at);
        self.count += 1;
        Ok(())
    }

    /// The reply is over. Inner error: the first record whose key stood in a former one.
    pub fn finish(mut self, as_of: Date) -> io::Result<Result<Sorted, Duplicate>> {
        if !self.is_ascending {
            sort(&self.arena, &mut self.places);
        }
        let is_ascending = self.is_ascending;
        let file = self.file.take().map(|(file, _)| Arc::new(file));
        let mut runs = Vec::new();
        match (&file, is_ascending) {
            (Some(file), true) => {
                // What lies there is one run, whenever it was put there.
                let length = self.spilled.iter().map(|(_, length)| length).sum();
                runs.push(Run::in_file(file.clone(), 0, length));
            }
            (Some(file), false) => {
                runs.extend(self.spilled.iter().map(|(from, length)| Run::in_file(file.clone(), *from, *length)));
            }
            (None, _) => {}
        }
        let order = self.places.iter().map(|place| place.at).collect();
        runs.push(Run::in_memory(self.arena, order));
        let mut sorted = Sorted { as_of, merge: Merge::new(runs), count: self.count };
        sorted.rewind()?;
        if !is_ascending && let Some(duplicate) = sorted.duplicate()? {
            return Ok(Err(duplicate));
        }
        Ok(Ok(sorted))
    }

    /// Puts what is in memory into the file, as a run of its own.
    fn spill(&mut self) -> io::Result<()> {
        let (file, length) = match &mut self.file {
            Some((file, length)) => (file, length),
            none => {
                let (file, length) = none.insert((nameless(&self.folder)?, 0));
                (file, length)
            }
        };
        if self.is_ascending {
            file.write_all(&self.arena)?;
        } else {
            sort(&self.arena, &mut self.places);
            let mut out = io::BufWriter::with_capacity(run::BUFFER_BYTES, file);
            for place in &self.places {
                out.write_all(packed_at(&self.arena, place.at).bytes())?;
            }
            out.flush()?;
        }
        if let Some(at) = self.last.take() {
            self.spilled_key.clear();
            self.spilled_key.extend_from_slice(packed_at(&self.arena, at).key_bytes());
        }
        self.spilled.push((*length, self.arena.len() as u64));
        *length += self.arena.len() as u64;
        self.arena.clear();
        self.places.clear();
        Ok(())
    }
}

impl Sorted {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Goes back to the first one.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.merge.rewind()
    }

    /// The one that it stands at. None: it is behind the last one.
    pub fn current(&self) -> Option<Packed<'_>> {
        self.merge.current()
    }

    /// Goes to the next one.
    pub fn advance(&mut self) -> io::Result<()> {
        self.merge.advance()
    }

    /// Of the records whose key stood in a former one, the first.
    fn duplicate(&mut self) -> io::Result<Option<Duplicate>> {
        let (mut key, mut records) = (Vec::new(), Vec::new());
        let mut found: Option<Duplicate> = None;
        while let Some(packed) = self.current() {
            if records.is_empty() || packed.key_bytes() != key.as_slice() {
                key.clear();
                key.extend_from_slice(packed.key_bytes());
                records.clear();
            }
            records.push(packed.record());
            // The same key comes in the order of its records.
            if let [first, record] = records[..]
                && found.is_none_or(|found| record < found.record)
            {
                found = Some(Duplicate { record, first });
            }
            records.truncate(2);
            self.advance()?;
        }
        self.rewind()?;
        Ok(found)
    }
}

/// By key, and where that is the same by record.
fn sort(arena: &[u8], places: &mut [Place]) {
    places.sort_unstable_by(|one, other| {
        let rest = || packed_at(arena, one.at).place().cmp(&packed_at(arena, other.at).place());
        one.prefix.cmp(&other.prefix).then_with(rest)
    });
}

/// A file of mode 0600 that is gone with its last user, however that ends.
fn nameless(folder: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            // What a crash left in the moment between the two.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => DirBuilder::new().mode(0o700).create(folder)?,
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests;
