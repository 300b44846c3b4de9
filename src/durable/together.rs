//! Syncs that are waited for at the same time are made together: one sync of the file system in place of one for each
//! file and folder. Where a single one is wanted it is made alone, so that nobody waits for what others have written.
//! Start with [`sync`].
//!
//! `syncfs` returns when everything that was written before it was called is on the disk, and since Linux 5.8 it says
//! whether a write-back failed since the file given to it was opened.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// The file systems that files were synced on, by device number; a process sees few of them.
static LINES: Mutex<BTreeMap<u64, Arc<Line>>> = Mutex::new(BTreeMap::new());

/// A shared sync that fails says so to those who waited for it, and the kernel then to nobody who opens a file later;
/// but it may have been the bytes of somebody who had not come to his sync yet. Changes to folders come to it at once.
const DISTRUST: Duration = Duration::from_secs(5);

/// How often a shared sync of this file's file system has failed. A writer keeps it from his first byte on: if it has grown
/// when all of his are synced, some of them may be lost.
pub(super) fn failures(file: &File) -> io::Result<u64> {
    Ok(line_of(file)?.state().failures)
}

/// What has gone into these files and folders is on the disk when this returns.
pub(super) fn sync(files: &[&File]) -> io::Result<()> {
    let mut by_device: BTreeMap<u64, Vec<&File>> = BTreeMap::new();
    for file in files {
        by_device.entry(file.metadata()?.dev()).or_default().push(file);
    }
    by_device.into_iter().try_for_each(|(device, files)| {
        line(device).sync(|| files.iter().try_for_each(|file| file.sync_all()), || Ok(rustix::fs::syncfs(files[0])?))
    })
}

fn line_of(file: &File) -> io::Result<Arc<Line>> {
    Ok(line(file.metadata()?.dev()))
}

fn line(device: u64) -> Arc<Line> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).entry(device).or_default().clone()
}

/// Who waits for a sync of one file system.
#[derive(Default)]
struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    /// Rounds that failed, and when the last one did.
    failures: u64,
    failed: Option<Instant>,
    /// At work alone.
    alone: usize,
    is_at_work: bool,
    /// The round for whoever comes now.
    next: Arc<Round>,
}

/// One sync for all who wait for it.
#[derive(Default)]
struct Round {
    came_to: OnceLock<Result<(), Errno>>,
    /// It is over, or somebody has to begin it. Each round has its own, so that nobody is woken in vain.
    news: Condvar,
}

impl Line {
    /// `alone` syncs what is the caller's own, `all` everything. One of them is called, here or, for all who wait by then,
    /// by another caller that began after this call. After a round that failed nobody is told for a while that all is well.
    fn sync(&self, alone: impl FnOnce() -> io::Result<()>, all: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.synced(alone, all)?;
        match self.state().failed {
            Some(failed) if failed.elapsed() < DISTRUST => Err(Errno::IO.into()),
            _ => Ok(()),
        }
    }

    fn synced(&self, alone: impl FnOnce() -> io::Result<()>, all: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state();
        if state.alone == 0 && !state.is_at_work {
            state.alone += 1;
            drop(state);
            let synced = alone();
            self.state().alone -= 1;
            return synced;
        }
        // What a round at work has begun with may not be all of ours.
        let ours = state.next.clone();
        loop {
            if let Some(outcome) = ours.came_to.get() {
                return Ok((*outcome)?);
            }
            if !state.is_at_work {
                break;
            }
            state = ours.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_at_work = true;
        state.next = Arc::default();
        drop(state);
        let synced = all();
        let number = |trouble: &io::Error| Errno::from_io_error(trouble).unwrap_or(Errno::IO);
        let mut state = self.state();
        let _ = ours.came_to.set(synced.as_ref().map_or_else(|trouble| Err(number(trouble)), |()| Ok(())));
        if synced.is_err() {
            state.failures += 1;
            state.failed = Some(Instant::now());
        }
        state.is_at_work = false;
        ours.news.notify_all();
        state.next.news.notify_one();
        synced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const CALLERS: u64 = 32;
    const CALLS: u64 = 50;

    fn all_at_once(call: impl Fn() + Sync) {
        std::thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| (0..CALLS).for_each(|_| call()));
            }
        });
    }

    #[test]
    fn nobody_returns_before_a_sync_that_began_after_his_call() {
        let (line, clock, begun) = (Line::default(), AtomicU64::new(0), Mutex::new(Vec::new()));
        let now = || clock.fetch_add(1, Ordering::SeqCst);

        all_at_once(|| {
            let (called, mut own) = (now(), None);
            let alone = || {
                own = Some(now());
                std::thread::yield_now();
                Ok(())
            };
            let all = || {
                begun.lock().unwrap().push(now());
                std::thread::yield_now();
                Ok(())
            };
            line.sync(alone, all).unwrap();
            let returned = now();
            let is_in_time = |began: &u64| (called..returned).contains(began);
            assert!(own.is_some() || begun.lock().unwrap().iter().rev().any(is_in_time));
        });

        let state = line.state();
        assert!(state.alone == 0 && !state.is_at_work);
    }

    #[test]
    fn a_failure_is_told_to_everyone_who_waited_for_that_sync_and_to_those_who_come_soon_after() {
        let (line, told) = (Line::default(), AtomicU64::new(0));

        all_at_once(|| {
            let mut is_own = false;
            let succeeds = || {
                is_own = true;
                std::thread::yield_now();
                Ok(())
            };
            let synced = line.sync(succeeds, || Err(Errno::IO.into()));
            told.fetch_add(u64::from(synced.is_err()), Ordering::SeqCst);
            assert!(is_own || synced.is_err());
        });

        let told = told.into_inner();
        assert_eq!(told > 0, line.state().failures > 0);
        line.state().failed = Some(Instant::now());
        assert!(line.sync(|| Ok(()), || Ok(())).is_err());
        line.state().failed = Instant::now().checked_sub(DISTRUST);
        assert!(line.sync(|| Ok(()), || Ok(())).is_ok());
    }

    #[test]
    fn files_and_folders_are_synced_by_one_call() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("file")).unwrap();

        all_at_once(|| sync(&[&file, &File::open(folder.path()).unwrap()]).unwrap());

        sync(&[]).unwrap();
    }
}
