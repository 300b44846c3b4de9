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

use rustix::io::Errno;

/// The file systems that files were synced on, by device number; a process sees few of them.
static LINES: Mutex<BTreeMap<u64, Arc<Line>>> = Mutex::new(BTreeMap::new());

/// What has gone into these files and folders, all of one file system, is on the disk when this returns.
pub(super) fn sync(files: &[&File]) -> io::Result<()> {
    let Some(first) = files.first() else { return Ok(()) };
    let device = first.metadata()?.dev();
    let line = LINES.lock().unwrap_or_else(PoisonError::into_inner).entry(device).or_default().clone();
    line.sync(|| files.iter().try_for_each(|file| file.sync_all()), || Ok(rustix::fs::syncfs(first)?))
}

/// Who waits for a sync of one file system.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    round_is_over: Condvar,
}

#[derive(Default)]
struct State {
    /// At work alone.
    alone: usize,
    is_at_work: bool,
    /// The round for whoever comes now.
    next: Arc<Round>,
}

/// One sync for all who waited for it. Set: what it came to.
#[derive(Default)]
struct Round(OnceLock<Result<(), Errno>>);

impl Line {
    /// `alone` syncs what is the caller's own, `all` everything. One of them is called, here or, for all who wait by then,
    /// by another caller that began after this call.
    fn sync(&self, alone: impl FnOnce() -> io::Result<()>, all: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
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
            if let Some(outcome) = ours.0.get() {
                return Ok((*outcome)?);
            }
            if !state.is_at_work {
                break;
            }
            state = self.round_is_over.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_at_work = true;
        state.next = Arc::default();
        drop(state);
        let synced = all();
        let number = |trouble: &io::Error| Errno::from_io_error(trouble).unwrap_or(Errno::IO);
        let mut state = self.state();
        let _ = ours.0.set(synced.as_ref().map_or_else(|trouble| Err(number(trouble)), |()| Ok(())));
        state.is_at_work = false;
        self.round_is_over.notify_all();
        synced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_failure_is_told_to_everyone_who_waited_for_that_sync() {
        let (line, told, alone) = (Line::default(), AtomicU64::new(0), AtomicU64::new(0));
        let fails = || Err(rustix::io::Errno::IO.into());

        all_at_once(|| {
            let succeeds = || {
                alone.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                Ok(())
            };
            if line.sync(succeeds, fails).is_err_and(|e| e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()))
            {
                told.fetch_add(1, Ordering::SeqCst);
            }
        });

        assert_eq!(told.into_inner() + alone.into_inner(), CALLERS * CALLS);
    }

    #[test]
    fn files_and_folders_are_synced_by_one_call() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("file")).unwrap();

        all_at_once(|| sync(&[&file, &File::open(folder.path()).unwrap()]).unwrap());

        sync(&[]).unwrap();
    }
}
