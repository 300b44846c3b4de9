//! `sluse rebuild`: whether the register is what the journal's replies make it, row for row, and the archive what was
//! put there. Changes nothing. Start with [`rebuild()`].

use std::fmt::Write;
use std::sync::Arc;

use super::desk::is_owner;
use super::held::Called;
use super::progress::Progress;
use super::text::{Look, Tone, count, grouped, paragraph};
use super::{Failure, Found};
use crate::config::Settings;
use crate::durable::RealDisk;
use crate::engine::desk::Office;
use crate::engine::rebuild::{self, Finding, Rebuilt};
use crate::engine::site::Surroundings;

/// Rebuilds by these settings, showing on a terminal how far it is. Errors: nothing could be compared.
pub fn rebuild(settings: &Settings) -> Result<Rebuilt, Failure> {
    is_owner(&settings.folders.state, rustix::process::geteuid().as_raw()).map_err(Failure::Wrong)?;
    let office = Office::open(settings.clone(), Arc::new(RealDisk), Surroundings::real())
        .map_err(|troubles| Failure::Usage(troubles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let mut progress = Progress::on_terminal();
    rebuild::rebuild(&office, &mut |words| progress.tell(|| words))
        .map_err(|trouble| Failure::Wrong(trouble.to_string()))
}

pub fn found(rebuilt: &Rebuilt) -> Found {
    if rebuilt.findings.is_empty() { Found::Fine } else { Found::Wrong }
}

/// What was found, for people.
pub fn show(rebuilt: &Rebuilt, look: Look, called: &Called) -> String {
    let mut shown = String::new();
    for finding in &rebuilt.findings {
        let text = paragraph(&place(finding), &format!("{}.", finding.what));
        let _ = writeln!(shown, "{}", look.paint(Tone::Bad, text.trim_end()));
    }
    let Rebuilt { head, replies, left, rows, files, findings } = rebuilt;
    let replies = if *replies == 1 { "1 reply".to_owned() } else { format!("{} replies", grouped(*replies)) };
    let left = match left {
        0 => String::new(),
        left => format!(", the rows that checkpoints left of {} others taken over,", grouped(*left)),
    };
    let looked = format!(
        "{replies} applied again{left} up to journal entry {}, {} compared, {} looked at",
        grouped(*head),
        count(*rows, "row"),
        count(*files, "archived file"),
    );
    if findings.is_empty() {
        return paragraph("", &format!("The register is what its replies make it: {looked}."));
    }
    let differing: u64 = findings.iter().map(|finding| finding.rows).sum();
    let of: std::collections::BTreeSet<_> =
        findings.iter().filter(|finding| finding.rows > 0).filter_map(|finding| finding.route.as_ref()).collect();
    let municipalities = match of.len() {
        1 => "1 municipality".to_owned(),
        several => format!("{several} municipalities"),
    };
    let sum = format!("{} of {municipalities} differ; {looked}.", count(differing, "row"));
    let _ = write!(shown, "\n{}", paragraph("", &sum));
    let journal = format!("Whether the journal itself is what was written: {}", called.command("audit verify"));
    shown + &paragraph("", &journal)
}

/// `sf2530/0751, entry 42: `
fn place(finding: &Finding) -> String {
    let entry = finding.entry.map(|entry| format!("entry {entry}"));
    let parts: Vec<String> = finding.route.clone().into_iter().chain(entry).collect();
    match parts.is_empty() {
        true => "register: ".to_owned(),
        false => format!("{}: ", parts.join(", ")),
    }
}
