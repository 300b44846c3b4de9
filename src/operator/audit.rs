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
use crate::store::anchor::{AnchorLine, BEGINNING, parse_all};
use crate::store::audit::{Flaw, Part, Recovery, Verified};

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
    pub recoveries: Vec<Recovery>,
    /// Entries that retention has removed, and those of which it has removed a file's hash.
    pub removed: u64,
    pub sealed: u64,
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
    let Verified { entries, removed, sealed, head, anchors_met: met, recoveries, not_understood, flaws: flaw_count } =
        verified.map_err(|trouble| Failure::Wrong(trouble.to_string()))?;
    let anchor = anchor.map(|file| AnchorSeen { file: file.display().to_string(), lines: line_count, met, torn });
    let head = head.map(head_line);
    Ok(Audit { entries, head, anchor, recoveries, removed, sealed, not_understood, flaw_count, flaws })
}

/// The anchor of the settings, if there is one.
fn anchor_of(settings: &Settings) -> Option<PathBuf> {
    let anchor = settings.anchor();
    anchor.exists().then_some(anchor)
}

fn read_anchor(path: &Path) -> Result<(Vec<AnchorLine>, bool), Failure> {
    let bytes = read_bounded(&RealDisk, path, ANCHOR_BYTES_MAX)
        .map_err(|e| Failure::Usage(format!("cannot read the anchor {}: {e}", path.display())))?;
    // What is not UTF-8 is no line either.
    let text = String::from_utf8_lossy(&bytes);
    let (lines, torn) = parse_all(&text);
    match lines.is_empty() && !text.starts_with(BEGINNING) {
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

/// What was found, for people: first what it comes to and what to do, then every flaw.
pub fn show(audit: &Audit, look: Look, called: &Called) -> String {
    let mut shown = paragraph("", &summary(audit, called));
    if audit.not_understood > 0 {
        let entries = count_entries(audit.not_understood);
        let text = format!(
            "{entries} of another version of Sluse, in their place; this one does not understand them and leaves their \
             exchanges alone: {}",
            called.command("held")
        );
        shown.push_str(&paragraph("", &text));
    }
    if audit.removed + audit.sealed > 0 {
        let text = format!(
            "Retention has removed {} of these, which stand in the chain by their hashes alone, and the hashes of files from \
             {}; that is what its checkpoints say, link by link.",
            count_entries(audit.removed),
            count_entries(audit.sealed)
        );
        shown.push_str(&paragraph("", &text));
    }
    shown.push_str(&anchored(audit));
    if audit.flaw_count > 0 {
        shown.push('\n');
    }
    for (flaw, as_it) in grouped_by_anchor(&audit.flaws) {
        let more = match as_it {
            0 => ".".to_owned(),
            more => format!("; the same of {} behind it.", count(more, "line")),
        };
        let text = paragraph(&place(flaw), &format!("{}{more}", flaw.what));
        let _ = writeln!(shown, "{}", look.paint(Tone::Bad, text.trim_end()));
    }
    let unshown = audit.flaw_count.saturating_sub(audit.flaws.len() as u64);
    if unshown > 0 {
        let _ = writeln!(shown, "And {} more.", grouped(unshown));
    }
    if let Some(head) = &audit.head {
        let keep = match audit.flaw_count {
            0 => "Its head, to be kept elsewhere as a line of an anchor:",
            _ => "The last entry, as it is now:",
        };
        let _ = write!(shown, "\n{keep}\n    {}\n", head.line);
    }
    shown
}

/// What it comes to, and the command that helps.
fn summary(audit: &Audit, called: &Called) -> String {
    let entries = count_entries(audit.entries);
    if audit.flaw_count == 0 {
        return format!("The journal holds: {entries}, each as it was written, and the register agrees.");
    }
    let first = audit.flaws.iter().map(|flaw| (flaw.part == Part::Anchor).then_some(flaw.entry).flatten()).min();
    // Of anything but the anchor: a flaw of the store itself.
    let Some(Some(first)) = first else {
        let flaws = count(audit.flaw_count, "flaw");
        return format!(
            "The store is not what was written: {flaws}; {entries} read. Keep the store as it is, and a copy of it; what a \
             backup or an anchor kept elsewhere says tells what it was."
        );
    };
    let whole = format!(
        "The journal is whole in itself ({entries}), and from entry {first} on it is not the one of this anchor"
    );
    // Behind the first of what was put back before that entry, the journal goes another way by a person's will.
    let recovery =
        audit.recoveries.iter().find(|recovery| i64::try_from(recovery.journal).is_ok_and(|last| last < first));
    match recovery {
        Some(Recovery { entry, at, journal }) => format!(
            "{whole}. It tells why: a store that ended at entry {journal} was put back, and somebody went on from there by \
             `sluse recover` (entry {entry}, {at}). If you know of that, nothing is wrong: this anchor is older, keep the \
             head below in its place. If nobody knows of it, keep the store as it is, and a copy of it."
        ),
        None => format!(
            "{whole}: a backup was put back, its end was lost, or it was written anew. Where a backup was put back: stop the \
             daemon, then {}. Else keep the store as it is, and a copy of it.",
            called.command("recover")
        ),
    }
}

/// Each flaw, and how many of the anchor's lines behind it have the same: hundreds of them are one thing to a person.
fn grouped_by_anchor(flaws: &[Flaw]) -> Vec<(&Flaw, u64)> {
    let mut grouped: Vec<(&Flaw, u64)> = Vec::new();
    for flaw in flaws {
        match grouped.last_mut() {
            Some((last, more)) if flaw.part == Part::Anchor && last.part == Part::Anchor && last.what == flaw.what => {
                *more += 1;
            }
            _ => grouped.push((flaw, 0)),
        }
    }
    grouped
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
        Part::Remains => "checkpoint",
    };
    match flaw.entry {
        Some(entry) => format!("{part}, entry {entry}: "),
        None => format!("{part}: "),
    }
}

fn count_entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(number)) }
}
