//! `sluse recover`: what a store that was put back does not know, told to whoever decides; with `--accept` the daemon
//! can go on afterwards.

use std::fmt::Write as _;
use std::io::Write;

use super::cli::Recover;
use super::held::Called;
use super::text::{Cell, Look, Table, municipality, paragraph};
use super::{Failure, Found, desk, json, write_out};
use crate::config::Settings;
use crate::domain::identity::RemoteName;
use crate::engine::offline::OfflineTrouble;
use crate::engine::places::short_id;
use crate::engine::recover::{Accept, FarLook, Recovery, Report};

/// So many names of one kind are told; JSON has all.
const NAMES_SHOWN_MAX: usize = 20;

/// Looks, and recovers if it was asked to.
pub fn recover(settings: &Settings, asked: &Recover, called: &Called, out: &mut dyn Write) -> Result<Found, Failure> {
    let uid = rustix::process::geteuid().as_raw();
    desk::is_owner(&settings.folders.state, uid).map_err(Failure::Wrong)?;
    let mut recovery = Recovery::open(settings).map_err(|trouble| match trouble {
        OfflineTrouble::Locked { .. } => {
            Failure::Wrong(format!("{trouble}: stop the daemon first, by `systemctl stop sluse`"))
        }
        trouble => Failure::Wrong(trouble.to_string()),
    })?;
    if !asked.offline {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Output)?;
        runtime.block_on(recovery.look_far());
    }
    let report = recovery.report();
    let unseen = report.far.iter().find(|look| look.trouble.is_some());
    let shown = if asked.json.json { json(&report)? } else { show(&report, called) };
    match (asked.accept, unseen) {
        (false, _) => {
            write_out(out, &shown)?;
            Ok(if report.is_fine() { Found::Fine } else { Found::Wrong })
        }
        (true, Some(look)) => {
            write_out(out, &shown)?;
            let again = called.command("recover --offline --accept …");
            let endpoint = &look.endpoint;
            Err(Failure::Wrong(format!("endpoint {endpoint} was not looked at; to recover without that: {again}")))
        }
        (true, None) => {
            let who = format!("uid {}", rustix::process::getuid().as_raw());
            let reason = asked.reason.clone().unwrap_or_default();
            recovery.accept(Accept { who, reason }).map_err(|trouble| Failure::Wrong(trouble.to_string()))?;
            let done = if asked.json.json { shown } else { shown_after(called) };
            write_out(out, &done)?;
            Ok(Found::Fine)
        }
    }
}

fn shown_after(called: &Called) -> String {
    format!(
        "Recovered. What may have been sent or handed over waits for a person, now or later:\n    {}\nThe rest goes on when the \
         daemon runs again:\n    systemctl start sluse\n",
        called.command("held")
    )
}

/// What was found, for a person.
pub fn show(report: &Report, called: &Called) -> String {
    let mut shown = match &report.restored {
        Some(restored) => paragraph("", &format!("{}{}.", restored[..1].to_uppercase(), &restored[1..])),
        None if report.journal > 0 => format!("The journal has what its anchor says: entry {}.\n", report.journal),
        None => "The journal has no entry yet.\n".to_owned(),
    };
    if !report.open.is_empty() {
        let mut table = Table::new(["IN THE JOURNAL", "MUNICIPALITY", "STATE", "BECOMES"]);
        for open in &report.open {
            let place = municipality(open.municipality);
            table.row([short_id(open.id).into(), place.into(), (&open.state).into(), (&open.becomes).into()]);
        }
        let _ = write!(shown, "\n{}", table.show(Look::PLAIN));
    }
    if !report.queries.is_empty() || !report.replies.is_empty() {
        let mut table = Table::new(["IN NO JOURNAL", "MUNICIPALITY", "FILE"]);
        for query in &report.queries {
            let name = query.name.as_deref().unwrap_or("a query whose name is not known");
            table.row([short_id(query.id).into(), municipality(query.municipality).into(), Cell::from(name)]);
        }
        for reply in &report.replies {
            table.row(["a reply".into(), municipality(reply.municipality).into(), Cell::from(reply.name.as_str())]);
        }
        let _ = write!(shown, "\n{}", table.show(Look::PLAIN));
    }
    for name in &report.receipts {
        shown.push_str(&paragraph("In no journal: ", &format!("receipt {name}.")));
    }
    for odd in &report.odd {
        shown.push_str(&paragraph("Cannot be taken in: ", odd));
    }
    for look in &report.far {
        let _ = write!(shown, "\n{}", far(look));
    }
    if report.is_fine() {
        let advice = "The daemon goes on by itself. Only if the store was put back together with its anchor:";
        let accept = called.command("recover --accept --reason \"…\"");
        let _ = write!(shown, "\n{}    {accept}\n", paragraph("", advice));
    } else {
        let advice = "To let the daemon go on: queries that may have been sent, and replies that may have been handed \
                      over, will wait for a person; everything else goes on by itself.";
        let accept = called.command("recover --accept --reason \"…\"");
        let _ = write!(shown, "\n{}    {accept}\n", paragraph("", advice));
    }
    shown
}

fn far(look: &FarLook) -> String {
    let heading = format!("Endpoint {}: ", look.endpoint);
    if let Some(trouble) = &look.trouble {
        return paragraph(&heading, &format!("not looked at: {trouble}."));
    }
    let kinds: [(&str, &[RemoteName]); 5] = [
        ("triggers in OUT, not taken by the hub yet", &look.triggers),
        ("triggers in OUT that were never made visible", &look.parts),
        ("data in OUT", &look.data),
        ("receipts in IN", &look.receipts),
        ("replies in IN", &look.replies),
    ];
    if kinds.iter().all(|(_, names)| names.is_empty()) {
        return paragraph(&heading, "nothing of ours lies there.");
    }
    let mut shown = format!("{}\n", heading.trim_end());
    for (what, names) in kinds.iter().filter(|(_, names)| !names.is_empty()) {
        let mut told: Vec<&str> = names.iter().take(NAMES_SHOWN_MAX).map(RemoteName::as_str).collect();
        let more = format!("and {} more", names.len().saturating_sub(NAMES_SHOWN_MAX));
        told.extend((names.len() > NAMES_SHOWN_MAX).then_some(more.as_str()));
        shown.push_str(&paragraph(&format!("  {what}: "), &told.join(", ")));
    }
    shown
}
