//! `sluse check --connect`: what a look at each far side has found, one line for each thing that a transfer needs, and what
//! to do where it is not there. Changes no setting. Start with [`lines`].

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::held::Called;
use super::text::{Look, Tone, count, grouped, paragraph};
use crate::config::TriggerWay;
use crate::engine::far_check::{FarCheck, Pending};
use crate::transport::sftp::probe::{Offers, PROBE};
use crate::transport::{Listing, ShownHostKey, Trouble};

/// A clock that is further off makes the two sides' logs hard to compare. Nothing in Sluse goes by it.
const CLOCK_OFF_MAX_SECONDS: i64 = 60;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub what: &'static str,
    pub verdict: Verdict,
    /// Without its full stop.
    pub said: String,
    /// What a person does about it; whole sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_do: Option<String>,
    /// A line to be copied into the settings or into a shell, as `to_do` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Worth knowing; everything works.
    Note,
    Wrong,
    /// Nothing is known of it.
    NotTried,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "WRONG",
            Verdict::NotTried => "not tried",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Verdict::Ok => Tone::Good,
            Verdict::Wrong => Tone::Bad,
            Verdict::Note | Verdict::NotTried => Tone::Plain,
        }
    }
}

/// What was found at one endpoint, as JSON.
#[derive(Debug, Serialize)]
pub struct Told {
    endpoint: String,
    host: String,
    port: u16,
    user: String,
    fine: bool,
    lines: Vec<Line>,
}

/// Whether everything that a transfer needs is there.
pub fn is_fine(checks: &[FarCheck]) -> bool {
    checks.iter().all(|check| !lines(check).iter().any(|line| line.verdict == Verdict::Wrong))
}

pub fn told(checks: &[FarCheck]) -> Vec<Told> {
    let one = |check: &FarCheck| Told {
        endpoint: check.endpoint.to_string(),
        host: check.host.clone(),
        port: check.port,
        user: check.user.clone(),
        fine: is_fine(std::slice::from_ref(check)),
        lines: lines(check),
    };
    checks.iter().map(one).collect()
}

/// Every endpoint with its lines.
pub fn show(checks: &[FarCheck], look: Look, called: &Called) -> String {
    let mut shown = String::new();
    for check in checks {
        let FarCheck { endpoint, host, port, user, .. } = check;
        let heading = look.paint(Tone::Strong, &format!("Endpoint {endpoint}"));
        let _ = writeln!(shown, "\n{heading}: {host}, port {port}, user {user}");
        for line in lines(check) {
            let word = look.paint(line.verdict.tone(), &format!("{:9}", line.verdict.word()));
            let text = paragraph(&format!("  {:9}  {:10}  ", "", line.what), &format!("{}.", line.said));
            shown.push_str(&text.replacen(&" ".repeat(11), &format!("  {word}"), 1));
            if let Some(to_do) = &line.to_do {
                shown.push_str(&paragraph(&format!("  {:9}  {:10}  ", "", ""), to_do));
            }
            if let Some(copy) = &line.copy {
                // Not wrapped: it is there to be copied.
                let _ = writeln!(shown, "      {copy}");
            }
        }
    }
    if !is_fine(checks) {
        let again = called.command("check --connect");
        let _ = write!(shown, "\nWhen that is mended, look again:\n    {again}\n");
    }
    shown
}

/// One line for each thing, in the order in which they are tried; what was not come to has one line for all.
pub fn lines(check: &FarCheck) -> Vec<Line> {
    let identity = match &check.identity {
        Ok(identity) => identity,
        Err(why) => return vec![no_identity(why)],
    };
    let found = &check.found;
    let mut lines = vec![reach(check)];
    lines.extend(host_key(check));
    lines.extend(login(check, identity));
    lines.extend(found.in_listed.as_ref().map(|listed| listing("IN", listed, check.in_in)));
    lines.extend(found.out_listed.as_ref().map(|listed| listing("OUT", listed, check.in_out)));
    if let Some(Ok(true)) = found.left_over {
        lines.push(note("left over", format!("{PROBE} of a former check lay in OUT, and was removed")));
    }
    lines.extend(found.written.as_ref().map(|written| match written {
        Ok(()) => ok("write", "a file can be written to OUT, and its size looked up"),
        Err(trouble) => wrong("write", format!("a file cannot be written to OUT: {trouble}"), RIGHTS_IN_OUT),
    }));
    lines.extend(found.offers.map(|offers| rename(check, offers)));
    lines.extend(found.removed.as_ref().map(|removed| match removed {
        Ok(()) => ok("remove", "a file can be removed from OUT; nothing of this check is left there"),
        Err(Trouble::Missing) => note(
            "remove",
            "somebody else took this check's file out of OUT meanwhile: another check, or whoever clears OUT".to_owned(),
        ),
        Err(trouble) => {
            let said = format!("{PROBE} cannot be removed from OUT: {trouble}");
            wrong("remove", said, "Ask the operator of the far side for the right to remove files from OUT. The next check looks for that file again.")
        }
    }));
    lines.extend(left_there(check));
    if let Some(Ok(_)) = found.session {
        let said = "whether files may be removed from IN, because that cannot be tried without a trace; `sluse status` says \
                    so when it is not allowed";
        lines.push(Line { verdict: Verdict::NotTried, ..ok("remove IN", said) });
    }
    lines.extend(found.offers.map(extensions));
    lines.extend(check.clock_ahead_seconds.map(clock));
    lines.extend(found.room.map(|bytes| note("room", format!("OUT has room for {}", megabytes(bytes)))));
    lines.extend(found.round_trip.map(|took| note("answer in", milliseconds(took))));
    if check.is_out_of_time {
        let said = format!("the time for this check was over while it was {}; the server stands still", found.step);
        lines.push(wrong(
            "time",
            said,
            "Ask the operator of the far side, or look again later; `--within` gives it longer.",
        ));
    }
    lines
}

const RIGHTS_IN_OUT: &str =
    "Ask the operator of the far side for the right to write into OUT, or put the right folder into `out`.";

fn line(verdict: Verdict, what: &'static str, said: impl Into<String>) -> Line {
    Line { what, verdict, said: said.into(), to_do: None, copy: None }
}

fn ok(what: &'static str, said: impl Into<String>) -> Line {
    line(Verdict::Ok, what, said)
}

fn note(what: &'static str, said: String) -> Line {
    line(Verdict::Note, what, said)
}

fn wrong(what: &'static str, said: String, to_do: &str) -> Line {
    Line { to_do: Some(to_do.to_owned()), ..line(Verdict::Wrong, what, said) }
}

fn no_identity(why: &str) -> Line {
    let to_do = "A credential is seen by the service alone. As the service sees it, with the name and the file of LoadCredential= \
                 in the unit:";
    let command =
        "systemd-run --pipe --wait -p User=sluse -p LoadCredential=sftp-key:/etc/sluse/sftp-key sluse check --connect";
    let copy = why.contains("/run/credentials/").then(|| command.to_owned());
    let to_do = if copy.is_some() { to_do } else { "Put a key that can be read into `identity`." };
    Line { copy, ..wrong("identity", format!("{why}, so nothing was tried"), to_do) }
}

fn reach(check: &FarCheck) -> Line {
    let FarCheck { host, port, .. } = check;
    match &check.found.session {
        Some(Ok(took)) => ok("reach", format!("connected and logged in within {}", milliseconds(*took))),
        Some(Err(Trouble::HostKey { .. } | Trouble::Login(_))) => ok("reach", format!("{host} answers on port {port}")),
        Some(Err(Trouble::Unreachable(why))) => {
            let to_do = "See that this machine may reach that host and port (name, firewall, the far side's service hours), and look again.";
            wrong("reach", why.clone(), to_do)
        }
        Some(Err(trouble)) => wrong(
            "reach",
            trouble.to_string(),
            "Ask the operator of the far side whether SFTP is served there for this user.",
        ),
        None => wrong(
            "reach",
            format!("{host} on port {port} did not come to an end with connecting"),
            "See that this machine may reach that host and port, or ask the operator of the far side.",
        ),
    }
}

fn host_key(check: &FarCheck) -> Option<Line> {
    if let Some(Err(Trouble::HostKey { found, pinned })) = &check.found.session {
        return Some(strange_host_key(check, found, pinned));
    }
    let shown = check.found.host_key.as_ref()?;
    let all = check.host_keys.len();
    let place = check.host_keys.iter().position(|pin| pin == shown).map_or(0, |place| place + 1);
    let of = if all == 1 {
        "the one of the settings".to_owned()
    } else {
        format!("number {place} of {all} in the settings")
    };
    Some(ok("host key", format!("{shown}, {of}")))
}

fn strange_host_key(check: &FarCheck, found: &[ShownHostKey], pinned: &[String]) -> Line {
    let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
    let said = format!(
        "the server shows {}, and the settings have {}; nothing was sent to it",
        shown.join(", "),
        pinned.join(", ")
    );
    let to_do = format!(
        "Either it has a new key, or somebody stands between. Read the found one to the operator of the far side by telephone (not \
         by mail, and not to a number from a mail). Only if it is theirs, write it beside the old one under \
         [endpoint.{}], and `systemctl reload sluse`; take the old one out when it is no longer used:",
        check.endpoint
    );
    let first = found.first().map(|key| key.fingerprint.clone());
    let keys: Vec<_> = pinned.iter().cloned().chain(first).map(|key| format!("\"{key}\"")).collect();
    Line { copy: Some(format!("host_keys = [{}]", keys.join(", "))), ..wrong("host key", said, &to_do) }
}

fn login(check: &FarCheck, identity: &str) -> Option<Line> {
    let user = &check.user;
    match &check.found.session {
        Some(Ok(_)) => Some(ok("login", format!("key {identity} is accepted for user {user}"))),
        Some(Err(Trouble::Login(why))) => {
            let to_do = "Ask the operator of the far side which key it has for this user. Give it the public one of ours \
                         (`ssh-keygen -y -f` and the file of `identity` print it), or put the right one into `identity`.";
            let ours = if why.contains(identity) { String::new() } else { format!("; our key is {identity}") };
            Some(wrong("login", format!("{why}{ours}"), to_do))
        }
        Some(Err(_)) | None => None,
    }
}

fn listing(folder: &'static str, listed: &Result<Listing, Trouble>, pending: Pending) -> Line {
    let what = if folder == "IN" { "list IN" } else { "list OUT" };
    match listed {
        Ok(_) => {
            let Pending { ours, foreign } = pending;
            ok(what, format!("{} of ours, {} for others", count(ours, "file"), grouped(foreign)))
        }
        Err(trouble) if folder == "OUT" => {
            note(what, format!("OUT cannot be listed, which no transfer needs: {trouble}"))
        }
        Err(Trouble::GaveUp(why)) => note(what, format!("{why}; the daemon asks for the expected files by name")),
        Err(trouble) => wrong(
            what,
            format!("IN cannot be listed: {trouble}"),
            "Ask the operator of the far side for the right to list IN, or put the right folder into `in`. Until then the daemon \
             asks for the expected files by name, and cannot find those under other names.",
        ),
    }
}

/// What follows for the trigger.
fn rename(check: &FarCheck, offers: Offers) -> Line {
    let in_place = "so the trigger is written under its final name; if a connection breaks just then, only a receipt, a reply or a \
                    person can say whether it was made";
    let is_write = check.trigger == TriggerWay::Write;
    match &check.found.renamed {
        Some(Ok(())) if is_write => note(
            "rename",
            "a file can be renamed in OUT, but `trigger` says \"write\": with \"rename\" no doubt about a trigger would last".to_owned(),
        ),
        Some(Ok(())) => ok("rename", "a file can be renamed in OUT by posix-rename, and so the trigger is made by one rename"),
        Some(Err(Trouble::Missing)) => note(
            "rename",
            "this check's file was gone before it could be renamed: another check, or whoever clears OUT; look again".to_owned(),
        ),
        Some(Err(trouble)) => note("rename", format!("a file cannot be renamed in OUT ({trouble}), {in_place}")),
        None if !offers.posix_rename => note("rename", format!("the server has no posix-rename, {in_place}")),
        None => line(Verdict::NotTried, "rename", "whether a file can be renamed in OUT, because none could be written"),
    }
}

/// Said only where it is not known that nothing is left.
fn left_there(check: &FarCheck) -> Option<Line> {
    let found = &check.found;
    let may_be_there = matches!(found.written, Some(Ok(()) | Err(Trouble::Uncertain(_))))
        || (check.is_out_of_time && found.left_over.is_some());
    let is_known = matches!(found.removed, Some(Ok(()) | Err(Trouble::Missing)));
    let said =
        format!("{PROBE} may lie in OUT: the next check looks for it and removes it; nobody takes it for a transfer");
    (may_be_there && !is_known).then(|| note("left over", said))
}

fn extensions(offers: Offers) -> Line {
    let Offers { posix_rename, fsync, limits, statvfs } = offers;
    let all = [(posix_rename, "posix-rename"), (fsync, "fsync"), (limits, "limits"), (statvfs, "statvfs")];
    let names = |wanted: bool| all.iter().filter(|(is, _)| *is == wanted).map(|(_, name)| *name).collect::<Vec<_>>();
    let (there, missing) = (names(true), names(false));
    let mut said = match there.is_empty() {
        true => "none of those that Sluse uses".to_owned(),
        false => there.join(", "),
    };
    if !missing.is_empty() {
        let _ = write!(said, "; not {}", missing.join(", "));
    }
    if !fsync {
        said.push_str("; without fsync the server says that a file is there before it is safe on its disk");
    }
    if !(posix_rename && fsync && limits) {
        said.push_str("; without all of the first three it is one request after the other, which takes longer");
    }
    note("extensions", said)
}

fn clock(ahead_seconds: i64) -> Line {
    let off = ahead_seconds.unsigned_abs();
    let which = if ahead_seconds > 0 { "ahead of" } else { "behind" };
    match ahead_seconds.abs() <= CLOCK_OFF_MAX_SECONDS {
        true => ok("clock", "the server's and ours are the same, to a minute"),
        false => Line {
            to_do: Some("Nothing here goes by it; but the logs of both sides are hard to compare. See which of the two is wrong.".to_owned()),
            ..note("clock", format!("the server's is {} {which} ours", count(off, "second")))
        },
    }
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", grouped(bytes / 1_000_000))
}

#[cfg(test)]
mod tests;
