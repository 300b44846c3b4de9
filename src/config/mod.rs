//! The settings: one TOML file as values that need no further check. All mistakes are told at once, each
//! with file, line, column and what was expected. Start with [`Settings::read`]; what is wrong is
//! [`Mistakes`].
//!
//! Never guesses: an unknown key is a mistake, and so is a value that is nearly right. Never changes
//! anything on disk. Every setting is documented in `table`; `config/sluse.toml` and `docs/settings.md`
//! are made from there ([`shipped`]).

mod files;
mod key;
mod mistake;
mod sections;
pub mod shipped;
mod table;
mod value;
mod written;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use crate::domain::calendar::payments::{Payments, Term};
use crate::domain::calendar::windows::Windows;
use crate::domain::change::Percent;
use crate::domain::identity::{EndpointName, ExchangeName, UserName};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::patience::Severity;
use crate::domain::retention::Periods;
use files::Looked;
use mistake::Findings;

pub use mistake::{Mistake, Mistakes, Note, Place, Spot};
pub use value::{BadValue, Fingerprint, Listen, TriggerWay, is_address};
pub use written::{Change, Written};

/// A settings file is some kilobytes; what is longer is some other file. Bytes.
const SIZE_MAX: u64 = 256 * 1024;

/// Everything that one settings file decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub store: StoreSettings,
    pub folders: Folders,
    /// At least one; perhaps one that no exchange uses.
    pub endpoints: BTreeMap<EndpointName, EndpointSettings>,
    /// At least one. The endpoint of each is in `endpoints`.
    pub exchanges: BTreeMap<ExchangeName, ExchangeSettings>,
    /// None: no query is expected at any time.
    pub calendar: Option<CalendarSettings>,
    pub alarm: AlarmSettings,
    /// None: there is no status page.
    pub page: Option<PageSettings>,
    /// Of what is of no exchange of these settings any more.
    pub retention: Periods,
    /// What a person should know although the settings hold.
    pub notes: Vec<Note>,
    /// What the file says.
    pub written: Written,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// The SQLite database, absolute.
    pub path: PathBuf,
    /// The file that says outside of it how far the journal was; see [`Settings::anchor`].
    pub anchor: Option<PathBuf>,
}

/// Absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Spool, archive and refused lie below it.
    pub state: PathBuf,
    /// The control socket's folder.
    pub run: PathBuf,
}

impl Folders {
    /// Where commands reach the daemon; short enough for a socket's path.
    pub fn control_socket(&self) -> PathBuf {
        self.run.join("control.sock")
    }
}

/// One SFTP server and one user there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// A name or an IP address.
    pub host: String,
    pub port: u16,
    pub user: UserName,
    /// The private key's file, a credential resolved.
    pub identity: PathBuf,
    /// The file whose first line opens the private key.
    pub passphrase: Option<PathBuf>,
    /// At least one.
    pub host_keys: Vec<Fingerprint>,
    /// Folder names there, without a slash at the end; never the same.
    pub out: String,
    pub r#in: String,
    pub poll: Duration,
    pub poll_within: Duration,
    pub service_windows: Windows,
    pub trigger: TriggerWay,
}

/// One kind of query and its replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeSettings {
    pub endpoint: EndpointName,
    pub recipient: UserName,
    /// None: the layouts that are compiled in.
    pub layouts: Option<PathBuf>,
    /// Absolute; no folder of these settings is the same as another or lies in another.
    pub outbox: PathBuf,
    pub inbox: PathBuf,
    /// At least one, in the order of the codes, each once; in no other exchange of the same endpoint.
    pub municipalities: Vec<MunicipalityCode>,
    pub settle: Duration,
    /// Longer than `settle`.
    pub unfit_after: Duration,
    pub receipt_within: Duration,
    pub reply_within: Duration,
    pub end_guard: Percent,
    pub amount_guard: Percent,
    /// Program by absolute path, then arguments; empty: none.
    pub hand_over_command: Vec<String>,
    /// Its own, or the house's.
    pub retention: Periods,
}

/// When a query is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarSettings {
    pub payments: Payments,
    /// Earlier than `query_by`.
    pub query_from: Term,
    pub query_by: Term,
}

/// Who is told when a person is needed. Its default is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmSettings {
    /// Program by absolute path, then arguments; empty: none.
    pub command: Vec<String>,
    pub webhook: Option<Webhook>,
    /// The least that is told.
    pub least: Severity,
    /// None: each alarm is told once.
    pub repeat: Option<Duration>,
    /// How long what was told must have been gone before it is told to be over.
    pub over_after: Duration,
    pub heartbeat: Option<HeartbeatSettings>,
}

/// What is asked for again and again while the engine turns; at least one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    pub webhook: Option<Webhook>,
    /// Program by absolute path, then arguments; empty: none.
    pub command: Vec<String>,
    pub every: Duration,
}

/// An address for HTTP, or where it lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Webhook {
    Address(String),
    /// The file whose first line is the address, a credential resolved.
    File(PathBuf),
}

/// Without the address, which may be a secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Webhook::Address(_) => f.write_str("Address"),
            Webhook::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// The status page and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSettings {
    pub listen: Listen,
    /// The file whose first line a caller must know. Never None where other machines reach it.
    pub token: Option<PathBuf>,
}

/// How far settings are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The text alone.
    Values,
    /// Also what it names on this machine: identities, layouts, folders and their modes.
    Files,
}

impl Settings {
    /// Where the anchor of the store lies.
    pub fn anchor(&self) -> PathBuf {
        self.store.anchor.clone().unwrap_or_else(|| self.folders.state.join("journal.anchor"))
    }

    /// For how long what is of this exchange is kept.
    pub fn periods(&self, exchange: &ExchangeName) -> &Periods {
        self.exchanges.get(exchange).map_or(&self.retention, |exchange| &exchange.retention)
    }

    /// Reads a settings file. `environment` is asked for `CREDENTIALS_DIRECTORY`.
    ///
    /// Errors: everything that is wrong with it, also that it cannot be read.
    pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>, depth: Depth) -> Result<Settings, Mistakes> {
        let file = path.display().to_string();
        let bytes = bytes_of(path).map_err(|message| wrong_as_a_whole(&file, message))?;
        match String::from_utf8(bytes) {
            Ok(text) => Settings::parse(&file, &text, environment, depth),
            Err(error) => {
                let from = error.utf8_error().valid_up_to();
                // The text before the fault is the same in the replaced form, so the place is right.
                let text = String::from_utf8_lossy(error.as_bytes());
                let mut findings = Findings::new(&file, &text);
                findings.broken(from..from + 1, "this is not UTF-8, expected text in UTF-8".to_owned());
                Err(findings.conclude().err().unwrap_or_else(|| wrong_as_a_whole(&file, "not UTF-8".to_owned())))
            }
        }
    }

    /// The same from a text; `file` is what the mistakes call it.
    pub fn parse(
        file: &str,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
        depth: Depth,
    ) -> Result<Settings, Mistakes> {
        let looked = Looked { environment, depth };
        let (settings, notes, written) = read_document(file, text, looked, |document| document.settings())?;
        Ok(Settings { notes, written, ..settings })
    }
}

impl AlarmSettings {
    /// The section `[alarm]` alone, whatever is wrong with the others: a daemon that cannot start for a mistake in its
    /// settings is to be told of all the same. `environment` is asked for `CREDENTIALS_DIRECTORY`.
    pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<AlarmSettings, Mistakes> {
        read_section(path, "[alarm]", environment, |mut document| document.alarm())
    }
}

impl Folders {
    /// The section `[folders]` alone, for whoever tells of a daemon that cannot start for a mistake in its settings.
    pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Folders, Mistakes> {
        read_section(path, "[folders]", environment, |mut document| document.folders())
    }
}

/// One section of a file, whatever is wrong with the others.
fn read_section<T>(
    path: &Path,
    heading: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    read: impl FnOnce(sections::Document<'_, '_, '_>) -> Option<T>,
) -> Result<T, Mistakes> {
    let file = path.display().to_string();
    let bytes = bytes_of(path).map_err(|message| wrong_as_a_whole(&file, message))?;
    let text = String::from_utf8_lossy(&bytes);
    // The table that the section stands in, without what may be no TOML before and behind it.
    let begin = text.lines().position(|line| line.trim() == heading);
    let lines = text.lines().enumerate().skip(begin.unwrap_or(usize::MAX));
    let of_section = lines.take_while(|(at, line)| Some(*at) == begin || !line.trim_start().starts_with('['));
    let section: String = of_section.flat_map(|(_, line)| [line, "\n"]).collect();
    let section = "\n".repeat(begin.unwrap_or_default()) + &section;
    read_document(&file, &section, Looked { environment, depth: Depth::Values }, read).map(|(found, ..)| found)
}

/// What `read` makes of a text. Errors: everything that is wrong with it.
fn read_document<T>(
    file: &str,
    text: &str,
    looked: Looked<'_>,
    read: impl FnOnce(sections::Document<'_, '_, '_>) -> Option<T>,
) -> Result<(T, Vec<Note>, Written), Mistakes> {
    let mut findings = Findings::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = errors.into_iter().map(|e| (e.span().unwrap_or(0..0), e.message().to_owned())).collect();
    errors.sort_by_key(|(span, _)| span.start);
    for (span, message) in errors {
        let message = match (message.as_str(), text.get(span.clone())) {
            ("duplicate key", Some(key)) => {
                format!("`{}` is here a second time, expected once", key::printable(key))
            }
            _ => message,
        };
        findings.broken(span, message);
    }
    let written = Written::of(document.get_ref());
    let found = read(sections::Document::new(document.get_ref(), &mut findings, looked));
    match (findings.conclude(), found) {
        (Ok(notes), Some(found)) => Ok((found, notes, written)),
        (Err(mistakes), _) => Err(mistakes),
        // Cannot be: where there is nothing, there is a mistake. Should it be so all the same, the settings are not
        // used.
        (Ok(_), None) => Err(wrong_as_a_whole(file, "the settings cannot be read".to_owned())),
    }
}

/// Errors: what to tell a person.
fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("the settings cannot be read: {error}");
    let mut bytes = Vec::new();
    File::open(path).map_err(wrong)?.take(SIZE_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(format!("the file is longer than {} KiB, expected a settings file", SIZE_MAX / 1024));
    }
    Ok(bytes)
}

fn wrong_as_a_whole(file: &str, message: String) -> Mistakes {
    let place = Place { file: file.to_owned(), spot: None };
    Mistakes { mistakes: vec![Mistake { place, message }], notes: Vec::new(), further: 0 }
}

#[cfg(test)]
mod tests;
