//! Which names each sender has used, kept for ever: a file of lines that is only added to, so that a
//! hub that starts again knows what it has delivered. A last line that was cut short is passed over.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folders::{FolderTrouble, trouble};
use crate::domain::identity::{RemoteName, TransferId, UserName};

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The name is taken; the data may lie in an IN or not.
    Accepted,
    /// Data and metadata lie, or lay, in each recipient's IN.
    Delivered,
}

#[derive(Serialize, Deserialize)]
struct Line {
    transfer: TransferId,
    sender: UserName,
    name: RemoteName,
    progress: Progress,
}

#[derive(Debug)]
pub struct UsedNames {
    path: PathBuf,
    file: File,
    by_name: HashMap<(UserName, RemoteName), (TransferId, Progress)>,
}

impl UsedNames {
    /// Errors: the file cannot be read or made. Lines that are not ours to read are passed over.
    pub fn open(path: &Path) -> Result<UsedNames, FolderTrouble> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(trouble("read", path)(error)),
        };
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let by_name = lines.map(|line| ((line.sender, line.name), (line.transfer, line.progress))).collect();
        let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(trouble("open", path))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").map_err(trouble("write", path))?;
        }
        Ok(UsedNames { path: path.to_owned(), file, by_name })
    }

    /// The transfer that used this name, and how far it came.
    pub fn get(&self, sender: &UserName, name: &RemoteName) -> Option<(TransferId, Progress)> {
        self.by_name.get(&(sender.clone(), name.clone())).copied()
    }

    pub fn record(
        &mut self,
        sender: &UserName,
        name: &RemoteName,
        transfer: TransferId,
        progress: Progress,
    ) -> Result<(), FolderTrouble> {
        let line = Line { transfer, sender: sender.clone(), name: name.clone(), progress };
        let mut text = serde_json::to_string(&line).expect("names, ids and a word always become JSON");
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(trouble("write", &self.path))?;
        self.by_name.insert((line.sender, line.name), (transfer, progress));
        Ok(())
    }
}
