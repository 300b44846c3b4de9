//! `sluse backup FOLDER`: what the backup holds, and what of it was not as the journal says.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::text::{count, paragraph};
use super::{Failure, Found, desk, json, write_out};
use crate::config::Settings;
use crate::durable::RealDisk;
use crate::engine::backup::{self, Manifest};
use crate::engine::desk::Office;
use crate::engine::offline::OfflineTrouble;
use crate::engine::site::Surroundings;

/// Makes the backup and tells of it.
pub fn back_up(settings: &Settings, folder: &Path, as_json: bool, out: &mut dyn Write) -> Result<Found, Failure> {
    let wrong = |trouble: &dyn std::fmt::Display| Failure::Wrong(trouble.to_string());
    desk::is_owner(&settings.folders.state, rustix::process::geteuid().as_raw()).map_err(Failure::Wrong)?;
    let office = Office::open(settings.clone(), Arc::new(RealDisk), Surroundings::real())
        .map_err(|troubles| wrong(&OfflineTrouble::layouts(&troubles)))?;
    let folder = std::path::absolute(folder).map_err(|e| wrong(&e))?;
    let manifest = backup::back_up(&office, &folder).map_err(|trouble| wrong(&trouble))?;
    let found = if manifest.wrong.is_empty() { Found::Fine } else { Found::Wrong };
    let shown = if as_json { json(&manifest)? } else { show(&manifest, &folder) };
    write_out(out, &shown)?;
    Ok(found)
}

/// What it holds, for a person.
pub fn show(manifest: &Manifest, folder: &Path) -> String {
    let bytes = manifest.files.iter().map(|file| file.size).sum();
    let told = format!(
        "{}, {}. The journal ends at entry {}, {}.",
        count(manifest.files.len() as u64, "file"),
        count(bytes, "byte"),
        manifest.seq,
        manifest.hash.short()
    );
    let mut shown = format!("The backup lies in {}\n{}", folder.display(), paragraph("", &told));
    for wrong in &manifest.wrong {
        shown.push_str(&paragraph("  not as the journal says: ", wrong));
    }
    shown.push_str(&paragraph(
        "",
        "Settings and keys are not in it. It holds CPR numbers: keep it as safe as the store itself.",
    ));
    shown
}
