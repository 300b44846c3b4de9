//! What a daemon left behind, kept in memory and laid out anew as often as somebody wants to be at it. Start with
//! [`Remains::of`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Ground;

/// The settings, below a ground and below what is laid out.
const CONFIG: &str = "sluse.toml";

/// Every file of a ground's state folder and its settings, by its path below the ground.
pub struct Remains {
    ground: String,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Remains {
    pub fn of(ground: &Ground) -> Remains {
        let root = ground.path("");
        let mut kept = files_below(&ground.path("state"));
        kept.insert(ground.path(CONFIG));
        let read = |path: PathBuf| (path.strip_prefix(&root).unwrap().to_owned(), fs::read(&path).unwrap());
        Remains { ground: root.display().to_string(), files: kept.into_iter().map(read).collect() }
    }

    /// The same in a folder of its own, with settings that name that folder.
    pub fn lay(&self) -> TempDir {
        let folder = TempDir::with_prefix("sluse-remains-").unwrap();
        for (path, bytes) in &self.files {
            let to = folder.path().join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
        let config = folder.path().join(CONFIG);
        let text = fs::read_to_string(&config).unwrap();
        fs::write(config, text.replace(&self.ground, &format!("{}/", folder.path().display()))).unwrap();
        folder
    }
}

/// All files in a folder and the folders in it; none where it is not there.
pub fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(files_below(&entry.path())),
            false => {
                files.insert(entry.path());
            }
        }
    }
    files
}
