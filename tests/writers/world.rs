//! Where writers and Sluse meet: a disk in memory, with a clock that stands still but for what takes time, and a writer whose
//! every act happens at its moment, in the middle of a copy too. Times of files tick as coarsely as a file system's.
//! Start with [`World`].

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sluse::durable::{Disk, Found, Growing, Kind, Stamp};

/// Between two times that a file can have: a hundredth of a second, the coarsest clock of a kernel.
pub const TICK: Duration = Duration::from_millis(10);

/// A copy reads so many bytes at once, and then time passes.
const READ_AT_ONCE: usize = 100;

/// One act of a writer. Bytes go through the file that it opened last, whatever its name is by then.
#[derive(Clone, Debug)]
pub enum Act {
    /// As `open` with O_CREAT.
    Open {
        name: PathBuf,
        truncate: bool,
    },
    WriteAt {
        offset: usize,
        bytes: Vec<u8>,
    },
    Append(Vec<u8>),
    /// Over whatever has the other name.
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
}

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    modified_micros: i64,
    writes: Vec<Duration>,
}

#[derive(Default)]
struct Platter {
    now: Duration,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    /// When a name in a folder last came or went.
    changed: BTreeMap<PathBuf, i64>,
    acts: VecDeque<(Duration, Act)>,
    open: Option<usize>,
    /// Every read takes so long.
    read_takes: Duration,
}

#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Platter>>);

impl World {
    pub fn new(acts: impl IntoIterator<Item = (Duration, Act)>, read_takes: Duration) -> World {
        let platter = Platter { acts: acts.into_iter().collect(), read_takes, ..Platter::default() };
        World(Arc::new(Mutex::new(platter)))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("nobody panics with it")
    }

    pub fn now(&self) -> Duration {
        self.platter().now
    }

    /// Lets time pass, and the writer act meanwhile.
    pub fn pass(&self, time: Duration) {
        let until = self.now() + time;
        self.platter().pass_until(until);
    }

    /// When the writer acts next; None: it is finished.
    pub fn next_act(&self) -> Option<Duration> {
        self.platter().acts.front().map(|(at, _)| *at)
    }

    pub fn files_in(&self, folder: &Path) -> usize {
        self.platter().names.keys().filter(|path| path.parent() == Some(folder)).count()
    }

    /// What a file holds, and whether it was written to after that moment.
    pub fn content(&self, inode: u64, since: Duration) -> (Vec<u8>, bool) {
        let platter = self.platter();
        let inode = &platter.inodes[inode as usize];
        (inode.content.clone(), inode.writes.iter().any(|at| *at > since))
    }
}

impl Platter {
    fn pass_until(&mut self, until: Duration) {
        while self.acts.front().is_some_and(|(at, _)| *at <= until) {
            let Some((at, act)) = self.acts.pop_front() else { return };
            self.now = self.now.max(at);
            self.act(act);
        }
        self.now = self.now.max(until);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Open { name, truncate } => {
                let number = match self.names.get(&name) {
                    Some(number) => *number,
                    None => self.new_inode(name),
                };
                self.open = Some(number);
                if truncate {
                    self.write(|content| content.clear());
                }
            }
            Act::WriteAt { offset, bytes } => self.write(|content| {
                content.resize(content.len().max(offset + bytes.len()), 0);
                content[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }),
            Act::Append(bytes) => self.write(|content| content.extend_from_slice(&bytes)),
            Act::Rename { from, to } => {
                if let Some(number) = self.take_name(&from) {
                    self.give_name(to, number);
                }
            }
            Act::Link { from, to } => {
                if let Some(number) = self.names.get(&from).copied()
                    && !self.names.contains_key(&to)
                {
                    self.give_name(to, number);
                }
            }
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(number) = self.open else { return };
        let inode = &mut self.inodes[number];
        write(&mut inode.content);
        inode.modified_micros = ticked(self.now);
        inode.writes.push(self.now);
    }

    fn new_inode(&mut self, name: PathBuf) -> usize {
        self.inodes.push(Inode { modified_micros: ticked(self.now), ..Inode::default() });
        self.give_name(name, self.inodes.len() - 1);
        self.inodes.len() - 1
    }

    fn give_name(&mut self, name: PathBuf, number: usize) {
        self.note_change(&name);
        self.names.insert(name, number);
    }

    fn take_name(&mut self, name: &Path) -> Option<usize> {
        self.note_change(name);
        self.names.remove(name)
    }

    fn note_change(&mut self, name: &Path) {
        let folder = name.parent().unwrap_or(name);
        self.changed.insert(folder.to_owned(), ticked(self.now));
    }

    fn number(&self, file: &Path) -> io::Result<usize> {
        self.names.get(file).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stamp(&self, number: usize) -> Stamp {
        let Inode { content, modified_micros, .. } = &self.inodes[number];
        Stamp { device: 1, inode: number as u64, size: content.len() as u64, modified_micros: *modified_micros }
    }
}

fn ticked(now: Duration) -> i64 {
    let ticks = now.as_micros() / TICK.as_micros();
    (ticks * TICK.as_micros()) as i64
}

/// Reads what is there at the moment of each read.
struct Reading {
    world: World,
    number: usize,
    offset: usize,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut platter = self.world.platter();
        let content = &platter.inodes[self.number].content;
        let rest = content.get(self.offset..).unwrap_or_default();
        let read = rest.len().min(buffer.len()).min(READ_AT_ONCE);
        buffer[..read].copy_from_slice(&rest[..read]);
        self.offset += read;
        let until = platter.now + platter.read_takes;
        platter.pass_until(until);
        Ok(read)
    }
}

struct Writing {
    world: World,
    number: usize,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.world.platter().inodes[self.number].content.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Growing for Writing {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for World {
    fn walk(&self, folder: &Path, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<()> {
        let platter = self.platter();
        let files = platter.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        let found: Vec<_> = files
            .filter_map(|(path, number)| {
                Some(Found { name: path.file_name()?.to_owned(), kind: Kind::File(platter.stamp(*number)) })
            })
            .collect();
        drop(platter);
        let _ = found.into_iter().try_for_each(each);
        Ok(())
    }

    fn stamp(&self, file: &Path) -> io::Result<Stamp> {
        let platter = self.platter();
        Ok(platter.stamp(platter.number(file)?))
    }

    fn mount(&self, _: &Path) -> io::Result<u64> {
        Ok(1)
    }

    fn folder_inode(&self, _: &Path) -> io::Result<u64> {
        Ok(1)
    }

    fn changed_micros(&self, folder: &Path) -> io::Result<i64> {
        self.platter().changed.get(folder).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        let number = self.platter().number(file)?;
        Ok(Box::new(Reading { world: self.clone(), number, offset: 0 }))
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Growing>> {
        let mut platter = self.platter();
        if platter.names.contains_key(file) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = platter.new_inode(file.to_owned());
        Ok(Box::new(Writing { world: self.clone(), number }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.platter();
        if platter.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = platter.number(from)?;
        platter.take_name(from);
        platter.give_name(to.to_owned(), number);
        Ok(())
    }

    fn rename_unsynced(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename(from, to)
    }

    fn make_folder_unsynced(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folders(&self, _: &[&Path]) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.platter().take_name(file);
        Ok(())
    }

    fn remove_folder(&self, _: &Path) -> io::Result<()> {
        // Nothing on the way from outbox to copy removes a folder.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn make_folder(&self, _: &Path, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn append(&self, _: &Path, _: &[u8], _: bool) -> io::Result<()> {
        // Nothing on the way from outbox to copy appends.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        self.remove(file)?;
        self.create(file)?.write_all(content)
    }

    fn share_with_group(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
