//! `sluse audit verify`: whether journal and register are what was written, beside a running daemon or without one.
//! Changes nothing. Start with [`verify`].

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::desk::is_owner;
use super::held::Called;
use super::progress::Progress;
use super::text::{Look, Tone, count, grouped, paragraph};
use super::{Failure, Found};
use crate::config::Settings;
use crate::durable::{RealDisk, read_bounded};
use crate::store::SqliteReader;
use crate::store::anchor::{AnchorLine, parse_all};
use crate::store::audit::{Flaw, Part, Verified};

/// More flaws than this are counted and not shown.
pub const FLAWS_SHOWN_MAX: usize = 10_000;

/// An anchor has a line for each write, of about a hundred bytes.
const ANCHOR_BYTES_MAX: u64 = 1 << 30;

/// What an audit came to, as it is shown; as JSON this is all of it.
#[derive(Debug, Serialize)]
pub struct Audit {
    pub entries: u64,
    /// The last entry; None: there is none, or it cannot be read.
    pub head: Option<HeadLine>,
    /// None: there was no anchor to hold the journal against.
    pub anchor: Option<AnchorSeen>,
    pub not_understood: u64,
    /// How many there are; at most [`FLAWS_SHOWN_MAX`] of them follow.
    pub flaw_count: u64,
    pub flaws: Vec<Flaw>,
}

#[derive(Debug, Serialize)]
pub struct HeadLine {
    pub seq: u64,
    pub hash: String,
    pub at: String,
    /// The three as an anchor has them.
    pub line: String,
}

#[derive(Debug, Serialize)]
pub struct AnchorSeen {
    pub file: String,
    pub lines: u64,
    pub met: u64,
    /// Something stands there that is no line, as a crash in the middle of a write leaves it.
    pub torn: bool,
}

/// Looks at the store that the settings name. `anchor` None: the settings' own, if there is one. Errors: the store or
/// the anchor cannot be read.
pub fn verify(settings: &Settings, anchor: Option<&Path>) -> Result<Audit, Failure> {
    is_owner(&settings.folders.state, rustix::process::geteuid().as_raw()).map_err(Failure::Wrong)?;
    // The anchor first: what the daemon writes meanwhile is then in the journal and not yet in these lines.
    let anchor = anchor.map(Path::to_owned).or_else(|| anchor_of(settings));
    let read = anchor.as_deref().map(read_anchor).transpose()?;
    let reader = SqliteReader::open(&settings.store.path).map_err(|trouble| Failure::Wrong(trouble.to_string()))?;
    let mut flaws = Vec::new();
    let mut progress = Progress::on_terminal();
    let (lines, torn) = read.unwrap_or_default();
    let line_count = lines.len() as u64;
    let verified = reader.verify(
        lines,
        &mut |flaw| {
            if flaws.len() < FLAWS_SHOWN_MAX {
                flaws.push(flaw);
            }
        },
        &mut |read| progress.tell(|| format!("{} read", count_entries(read))),
    );
    drop(progress);
    let Verified { entries, head, anchors_met: met, not_understood, flaws: flaw_count } =
        verified.map_err(|trouble| Failure::Wrong(trouble.to_string()))?;
    let anchor = anchor.map(|file| AnchorSeen { file: file.display().to_string(), lines: line_count, met, torn });
    Ok(Audit { entries, head: head.map(head_line), anchor, not_understood, flaw_count, flaws })
}

/// The anchor of the settings, if there is one and it has a line yet.
fn anchor_of(settings: &Settings) -> Option<PathBuf> {
    let anchor = settings.anchor();
    anchor.metadata().is_ok_and(|file| file.len() > 0).then_some(anchor)
}

fn read_anchor(path: &Path) -> Result<(Vec<AnchorLine>, bool), Failure> {
    let bytes = read_bounded(&RealDisk, path, ANCHOR_BYTES_MAX)
        .map_err(|e| Failure::Usage(format!("cannot read the anchor {}: {e}", path.display())))?;
    // What is not UTF-8 is no line either.
    let (lines, torn) = parse_all(&String::from_utf8_lossy(&bytes));
    match lines.is_empty() {
        true => Err(Failure::Usage(format!("{} is no anchor: none of its lines is one", path.display()))),
        false => Ok((lines, torn)),
    }
}

fn head_line(head: AnchorLine) -> HeadLine {
    HeadLine { seq: head.seq, hash: head.hash.to_string(), at: head.at.to_string(), line: head.to_string() }
}

impl Audit {
    pub fn found(&self) -> Found {
        if self.flaw_count == 0 { Found::Fine } else { Found::Wrong }
    }
}

/// What was found, for people.
pub fn show(audit: &Audit, look: Look, called: &Called) -> String {
    let mut shown = String::new();
    for flaw in &audit.flaws {
        let text = paragraph(&place(flaw), &format!("{}.", flaw.what));
        let _ = writeln!(shown, "{}", look.paint(Tone::Bad, text.trim_end()));
    }
    let unshown = audit.flaw_count.saturating_sub(audit.flaws.len() as u64);
    if unshown > 0 {
        let _ = writeln!(shown, "And {} more.", grouped(unshown));
    }
    if audit.flaw_count > 0 {
        shown.push('\n');
    }
    let entries = count_entries(audit.entries);
    shown.push_str(&match audit.flaw_count {
        0 => paragraph("", &format!("The journal holds: {entries}, each as it was written, and the register agrees.")),
        flaws => {
            let flaws = count(flaws, "flaw");
            let advice = "Keep the store as it is, and a copy of it; what a backup or an anchor kept elsewhere says \
                          tells what it was.";
            paragraph("", &format!("The store is not what was written: {flaws}; {entries} read. {advice}"))
        }
    });
    if audit.not_understood > 0 {
        let entries = count_entries(audit.not_understood);
        let text = format!(
            "{entries} of another version of Sluse, in their place; this one does not understand them and leaves their \
             exchanges alone: {}",
            called.command("held")
        );
        shown.push_str(&paragraph("", &text));
    }
    shown.push_str(&anchored(audit));
    if let Some(head) = &audit.head {
        let keep = match audit.flaw_count {
            0 => "Its head, to be kept elsewhere as a line of an anchor:",
            _ => "The last entry, as it is now:",
        };
        let _ = write!(shown, "\n{keep}\n    {}\n", head.line);
    }
    shown
}

fn anchored(audit: &Audit) -> String {
    let Some(anchor) = &audit.anchor else {
        let text = "There was no anchor to hold it against. Without one, a journal that was written anew from some entry on \
                    is not seen, nor an end that was cut off with every trace of it.";
        return paragraph("", text);
    };
    let torn = if anchor.torn { "; something else stands there too, as a write that broke off leaves it" } else { "" };
    let met = match anchor.met == anchor.lines {
        true => format!("It meets every line of {} ({}){torn}.", anchor.file, grouped(anchor.lines)),
        false => {
            format!("It meets {} of {} lines of {}{torn}.", grouped(anchor.met), grouped(anchor.lines), anchor.file)
        }
    };
    paragraph("", &met)
}

fn place(flaw: &Flaw) -> String {
    let part = match flaw.part {
        Part::File => "file",
        Part::Journal => "journal",
        Part::Anchor => "anchor",
        Part::Register => "register",
    };
    match flaw.entry {
        Some(entry) => format!("{part}, entry {entry}: "),
        None => format!("{part}: "),
    }
}

fn count_entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(number)) }
}
