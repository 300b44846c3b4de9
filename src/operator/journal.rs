//! Where log lines go: to systemd's journal with fields of their own where standard error is the journal, else to standard
//! error as text, or as JSON where `SLUSE_LOG_FORMAT` says so. Start with [`log`].
//!
//! A line in the journal reads as on a terminal, sentence and fields, because that is what `journalctl -u sluse` shows;
//! beside it each field is one to search by (`SLUSE_MUNICIPALITY=0751`), and the sentence alone is `SLUSE_SENTENCE`.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;
use sha2::{Digest, Sha256};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as lines};

/// The environment variable that says how much is logged, such as `debug` or `sluse=debug,russh=info`.
const LOG_VARIABLE: &str = "SLUSE_LOG";

/// The libraries are quiet unless they warn: their lines are not for the people of the daemon.
const LOG_DEFAULT: &str = "warn,sluse=info";

/// The environment variable that says how lines on standard error look: `json`, else text.
const FORMAT_VARIABLE: &str = "SLUSE_LOG_FORMAT";

/// Where journald takes entries.
const SOCKET: &str = "/run/systemd/journal/socket";

/// What systemd sets where standard output or error is the journal: device and inode, as `8:1234`.
const STREAM_VARIABLE: &str = "JOURNAL_STREAM";

/// Of one value; a datagram holds some of them.
const VALUE_BYTES_MAX: usize = 16 << 10;

/// Ours are documented, each by its sentence; a library's are not.
const OURS: &str = "sluse";

/// Sends log lines where they belong, from now on. A second call, as in a test, changes nothing.
pub fn log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let set_up = tracing_subscriber::registry().with(filter);
    let journal = is_stderr(std::env::var(STREAM_VARIABLE).ok().as_deref()).then(|| Journal::at(Path::new(SOCKET)));
    if let Some(Ok(journal)) = journal {
        let _ = set_up.with(journal).try_init();
        return;
    }
    // A line that cannot be written, on a full disk, is lost; to say so on the same stream would end the daemon.
    let stderr = lines::layer().with_writer(std::io::stderr).with_target(false).log_internal_errors(false);
    let _ = match std::env::var(FORMAT_VARIABLE).is_ok_and(|format| format == "json") {
        true => set_up.with(stderr.json().flatten_event(true).with_current_span(false)).try_init(),
        false => set_up.with(stderr.with_ansi(std::io::stderr().is_terminal())).try_init(),
    };
}

/// Whether this is what standard error is connected to, and not only what a parent's was.
fn is_stderr(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    fstat(std::io::stderr()).is_ok_and(|stat| device == stat.st_dev.to_string() && inode == stat.st_ino.to_string())
}

/// Sends each event to journald, by its own protocol: keys and values in one datagram.
struct Journal {
    socket: UnixDatagram,
    to: PathBuf,
}

impl Journal {
    fn at(to: &Path) -> std::io::Result<Journal> {
        Ok(Journal { socket: UnixDatagram::unbound()?, to: to.to_owned() })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        let is_ours = metadata.target().split("::").next() == Some(OURS);
        let entry = said.entry(*metadata.level(), is_ours, metadata.file().zip(metadata.line()));
        // Not connected, so that it reaches a journald that was started anew. Where none is there the line goes the way
        // that everything else goes that is written to standard error; if that fails too, it is lost.
        if self.socket.send_to(&entry, &self.to).is_err() {
            let _ = writeln!(std::io::stderr(), "{}", said.line());
        }
    }
}

/// An event's sentence and fields.
#[derive(Default)]
struct Said {
    sentence: String,
    /// In their order, by the names that the code gives them.
    fields: Vec<(&'static str, String)>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = format!("{value:?}");
        text.truncate(text.floor_char_boundary(VALUE_BYTES_MAX));
        match field.name() {
            "message" => self.sentence = text,
            name => self.fields.push((name, text)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Said {
    /// As a person reads it.
    fn line(&self) -> String {
        let mut line = self.sentence.clone();
        for (name, value) in &self.fields {
            // Writing into a string does not fail.
            let _ = write!(line, " {name}={value}");
        }
        line
    }

    /// As journald takes it. `place`: file and line of the code.
    fn entry(&self, level: Level, is_ours: bool, place: Option<(&str, u32)>) -> Vec<u8> {
        let priority = match level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            Level::DEBUG | Level::TRACE => "7",
        };
        let mut entry = Vec::new();
        put(&mut entry, "MESSAGE", &self.line());
        put(&mut entry, "PRIORITY", priority);
        put(&mut entry, "SYSLOG_IDENTIFIER", OURS);
        if let Some((file, line)) = place {
            put(&mut entry, "CODE_FILE", file);
            put(&mut entry, "CODE_LINE", &line.to_string());
        }
        if is_ours {
            put(&mut entry, "MESSAGE_ID", &message_id(&self.sentence));
        }
        put(&mut entry, "SLUSE_SENTENCE", &self.sentence);
        for (name, value) in &self.fields {
            put(&mut entry, &format!("SLUSE_{}", key(name)), value);
        }
        entry
    }
}

/// What the journal calls a sentence: its catalog explains it by this id. 32 hexadecimal digits.
pub fn message_id(sentence: &str) -> String {
    let digest = Sha256::new().chain_update(b"sluse log message: ").chain_update(sentence).finalize();
    digest.iter().take(16).fold(String::new(), |id, byte| id + &format!("{byte:02x}"))
}

/// A key of the journal has capital letters, digits and underscores.
fn key(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn put(entry: &mut Vec<u8>, key: &str, value: &str) {
    entry.extend_from_slice(key.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use tracing::{info, warn};

    use super::*;

    /// What journald gets of what is logged meanwhile.
    fn received(log: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(subscriber, log);
        let mut buffer = vec![0; 1 << 20];
        let bytes = journald.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..bytes]).into_owned()
    }

    #[test]
    fn an_entry_reads_as_a_line_and_has_a_field_for_each_of_its_fields() {
        let municipality = "0751";
        let entry = received(|| info!(%municipality, bytes = 366, remote_name = "a b", "query accepted"));

        let lines: Vec<_> = entry.lines().collect();
        for line in [
            "MESSAGE=query accepted municipality=0751 bytes=366 remote_name=a b",
            "PRIORITY=6",
            "SYSLOG_IDENTIFIER=sluse",
            "SLUSE_SENTENCE=query accepted",
            "SLUSE_MUNICIPALITY=0751",
            "SLUSE_BYTES=366",
            "SLUSE_REMOTE_NAME=a b",
            &format!("MESSAGE_ID={}", message_id("query accepted")),
        ] {
            assert!(lines.contains(&line), "{line} is not in {entry}");
        }
    }

    #[test]
    fn a_value_of_several_lines_stays_one_value_and_forges_no_field() {
        let entry = received(|| warn!(why = "one\nPRIORITY=0", "step not done"));

        assert!(entry.contains("SLUSE_WHY\n\u{e}\0\0\0\0\0\0\0one\nPRIORITY=0\n"), "{entry:?}");
        assert!(entry.contains("\nPRIORITY=4\n"), "{entry:?}");
    }

    #[test]
    fn a_library_s_line_is_not_taken_for_one_of_ours() {
        let entry = received(|| warn!(target: "russh::client", "odd packet"));

        assert!(!entry.contains("MESSAGE_ID"), "{entry}");
    }

    #[test]
    fn a_huge_value_is_cut_and_the_entry_still_arrives() {
        let entry = received(|| info!(why = "ø".repeat(1 << 20), "file waits"));

        assert!(entry.contains("SLUSE_WHY=ø") && entry.len() < 4 * VALUE_BYTES_MAX, "{} bytes", entry.len());
    }

    #[test]
    fn standard_error_is_the_journal_only_where_the_variable_names_it() {
        let stat = fstat(std::io::stderr()).unwrap();

        assert!(is_stderr(Some(&format!("{}:{}", stat.st_dev, stat.st_ino))));
        assert!(!is_stderr(Some(&format!("{}:{}", stat.st_dev, stat.st_ino + 1))));
        assert!(!is_stderr(Some("nonsense")) && !is_stderr(None));
    }
}
