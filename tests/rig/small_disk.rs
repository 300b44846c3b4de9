//! A file system of a few megabytes, made for one test: to be filled, to be made read-only, and gone with the test.
//! Mounting needs root; where it cannot be done, the test fails and says so. Start with [`SmallDisk::mount`].

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fills it. No daemon looks at a name that begins with a dot.
const BALLAST: &str = ".ballast";

/// So little is written at a time when the end is near: one page.
const PAGE: usize = 4096;

/// Mounted as long as this lives. Declare it after the ground that it lies on, so that it goes first.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// On this folder, over what is in it. It can hold a few hundred files.
    pub fn mount(at: &Path) -> SmallDisk {
        fs::create_dir_all(at).expect("the temporary directory is ours");
        let options = "size=8m,nr_inodes=400,mode=0700";
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "sluse-test"]).arg(at));
        SmallDisk { at: at.to_owned() }
    }

    /// Another mount of what is there already.
    pub fn mount_again(at: &Path) -> SmallDisk {
        run(Command::new("mount").arg("--bind").arg(at).arg(at));
        SmallDisk { at: at.to_owned() }
    }

    /// Not a byte more fits.
    pub fn fill(&self) {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.at.join(BALLAST)).unwrap();
        while ballast.write_all(&[0; PAGE]).is_ok() {}
    }

    /// So many kilobytes more fit.
    pub fn leave_free(&self, kib: u64) {
        self.fill();
        let ballast = OpenOptions::new().write(true).open(self.at.join(BALLAST)).unwrap();
        let filled = ballast.metadata().unwrap().len();
        ballast.set_len(filled - kib * 1024).unwrap();
    }

    /// Not a file more fits.
    pub fn fill_with_files(&self) {
        let mut number = 0;
        let folder = self.at.join(BALLAST);
        // The folder itself may be what does not fit any more.
        let _ = fs::create_dir(&folder);
        while File::create(folder.join(number.to_string())).is_ok() {
            number += 1;
        }
    }

    /// Room again.
    pub fn empty(&self) {
        let ballast = self.at.join(BALLAST);
        if ballast.is_dir() {
            fs::remove_dir_all(ballast).unwrap();
        } else {
            fs::remove_file(ballast).unwrap();
        }
    }

    /// Whatever is written to it fails. Nobody may have a file open for writing just then.
    pub fn make_read_only(&self) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.at));
    }

    pub fn make_writable(&self) {
        run(Command::new("mount").args(["-o", "remount,rw"]).arg(&self.at));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: who still has a file open keeps nothing but that file.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("mount is part of every system");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test mounts a small file system, which only root may: {command:?}: {said}");
}
