//! Many cases of one test, side by side: each mostly waits for somebody else. Use [`in_each`].

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const AT_ONCE: usize = 6;

/// Tries every case, and fails with the names of those that failed.
pub fn in_each<C: Copy + Debug + Sync>(cases: &[C], try_one: impl Fn(C) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| try_one(*case))).is_err() {
                failed.push(format!("{case:?}"));
            }
        }
        failed
    };
    let failed: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("what a case does is caught")).collect()
    });
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}
