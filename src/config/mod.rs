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

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use crate::domain::change::Percent;
use crate::domain::identity::{EndpointName, ExchangeName, UserName};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::retention::Periods;
use files::Looked;
use mistake::Findings;

pub use mistake::{Mistake, Mistakes, Note, Place, Spot};
pub use value::{BadValue, Fingerprint, TriggerWay};

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
    /// Of what is of no exchange of these settings any more.
    pub retention: Periods,
    /// What a person should know although the settings hold.
    pub notes: Vec<Note>,
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
        let mut findings = Findings::new(file, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut errors: Vec<_> =
            errors.into_iter().map(|e| (e.span().unwrap_or(0..0), e.message().to_owned())).collect();
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
        let looked = Looked { environment, depth };
        let settings = sections::Document::new(document.get_ref(), &mut findings, looked).settings();
        match (findings.conclude(), settings) {
            (Ok(notes), Some(settings)) => Ok(Settings { notes, ..settings }),
            (Err(mistakes), _) => Err(mistakes),
            // Cannot be: where there are no settings, there is a mistake. Should it be so all the same,
            // the settings are not used.
            (Ok(_), None) => Err(wrong_as_a_whole(file, "the settings cannot be read".to_owned())),
        }
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
