//! Notifications from the file system, as a hint to look. They may be late, lost or never come: then the
//! daemon is slower, not wrong.

use std::path::Path;
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tracing::warn;

/// Watches folders for as long as it lives.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// `hint` is notified when something may have come.
    pub fn new(hint: Arc<Notify>) -> Watch {
        // Our own reads make access events, which would have us look for ever.
        let on_event = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if matches!(event.kind, EventKind::Access(access) if !is_end_of_writing(access)) => {}
            Ok(_) | Err(_) => hint.notify_one(),
        };
        match notify::recommended_watcher(on_event) {
            Ok(watcher) => Watch { watcher: Some(watcher) },
            Err(error) => {
                warn!(%error, "no notifications from the file system, new files are found by the periodic scan");
                Watch { watcher: None }
            }
        }
    }

    /// Watches one folder, not what is below it.
    pub fn add(&mut self, folder: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            warn!(folder = %folder.display(), %error, "folder cannot be watched, new files are found by the periodic scan");
        }
    }
}

fn is_end_of_writing(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(access, AccessKind::Close(AccessMode::Write))
}
