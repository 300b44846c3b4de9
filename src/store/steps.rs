//! How far the store's own work has got, for whoever watches whether it gets on: a reply of a million agreements takes its
//! time in one piece, and is not to be taken for a store that is stuck. Start with [`Steps`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Goes up while work with the store gets on, and stands still while it waits for the disk or for nothing.
#[derive(Clone, Debug, Default)]
pub struct Steps(Arc<AtomicU64>);

impl Steps {
    /// One step more.
    pub fn take(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
