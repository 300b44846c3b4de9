//! What a test run tried and what came of it, kept for `docs/evidence.md`. Every row is measured by the test that tried
//! it, after it looked at both sides. Nothing is kept unless the environment names a folder. Start with [`record`].

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The folder that rows are kept in: `make evidence` names one.
pub const EVIDENCE_VARIABLE: &str = "SLUSE_EVIDENCE";

/// The file in that folder: one JSON object a line.
pub const ROWS: &str = "rows.jsonl";

/// What kind of trial it was; the table has a chapter for each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chapter {
    Simulation,
    Planted,
    InDoubt,
    Processes,
    Disk,
    Outbox,
    FarSide,
    Decisions,
    Audit,
    Fuzzing,
    PersonalData,
    Restart,
}

/// One fault, how often it was tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub chapter: Chapter,
    /// What was done to Sluse, as a person would say it: `killed at data_uploaded`.
    pub fault: String,
    pub tried: u64,
    /// Where it ended, as Sluse itself says it: `done`, `held: the reply ends 40 % …`.
    pub outcome: String,
    /// How many of the trials lost something, sent something twice, or named a person.
    pub lost: u64,
    pub doubled: u64,
    pub persons: u64,
}

impl Row {
    /// One trial that ended like this; nothing lost, nothing doubled, nobody named.
    pub fn once(chapter: Chapter, fault: impl Into<String>, outcome: impl Into<String>) -> Row {
        Row { chapter, fault: fault.into(), tried: 1, outcome: outcome.into(), lost: 0, doubled: 0, persons: 0 }
    }
}

/// Keeps a row, if somebody wants it. Rows of the same fault and outcome are added up by whoever reads them.
pub fn record(row: &Row) {
    let Some(folder) = std::env::var_os(EVIDENCE_VARIABLE).map(PathBuf::from) else { return };
    let row = Row { outcome: anywhere(&row.outcome), ..row.clone() };
    let mut line = serde_json::to_vec(&row).expect("a row has a JSON form");
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(ROWS)).expect("the folder is there");
    // One write: other tests append to it too.
    file.write_all(&line).expect("there is room for a line");
}

/// The same sentence wherever the test's temporary folder lies.
fn anywhere(text: &str) -> String {
    let folder = std::env::temp_dir().display().to_string();
    let mut parts = text.split(&folder);
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let behind = part.trim_start_matches('/');
        said.push('…');
        said.push_str(behind.find('/').map_or("", |end| &behind[end..]));
    }
    said
}
