//! Holding the daemon still at a named point, while a test does something to the world around it. Start with
//! [`Pause::at`].

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use sluse::engine::point;

use super::wait::until;

/// A point where the daemon that is started with [`Pause::environment`] will wait, once.
pub struct Pause {
    point: &'static str,
    pipe: PathBuf,
}

/// The daemon waits until this is dropped.
pub struct Held {
    _pipe: File,
}

impl Pause {
    /// The pipe lies in `folder`.
    pub fn at(folder: &Path, point: &'static str) -> Pause {
        let pipe = folder.join(format!("pause-{point}"));
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, mode, 0).expect("the temporary directory is ours");
        Pause { point, pipe }
    }

    pub fn environment(&self) -> [(&'static str, String); 2] {
        let pipe = self.pipe.display().to_string();
        [(point::PAUSE_VARIABLE, self.point.to_owned()), (point::PAUSE_PIPE_VARIABLE, pipe)]
    }

    /// Waits until the daemon is there.
    pub fn hold(self) -> Held {
        let mut options = OpenOptions::new();
        // A pipe without a reader cannot be opened to write in this way.
        options.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let pipe = until(&format!("the daemon at {}", self.point), || options.open(&self.pipe).ok());
        std::fs::remove_file(&self.pipe).expect("the pipe is there");
        Held { _pipe: pipe }
    }
}

impl Held {
    pub fn let_go(self) {}
}
