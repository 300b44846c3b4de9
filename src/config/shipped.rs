//! The two documents that are made from the table of settings: the shipped file and the reference. Tests
//! keep both as they are made here; `SLUSE_UPDATE=1 cargo test config` writes them anew.

use std::fmt::Write;

use super::key::{About, Presence, SectionAbout};
use super::table::SECTIONS;

/// Columns of a comment in the shipped file.
const COMMENT_WIDTH: usize = 100;

/// `config/sluse.toml`: every key with its documentation. Keys with a default are commented out and show
/// the default.
pub fn file() -> String {
    let mut text = String::from(
        "# The settings of sluse. Times are written 90s, 10m or 12h. An unknown key is a mistake; all mistakes\n\
         # are told at once by `sluse check`. A key that is commented out has the value it shows, or is not used.\n\
         # All but [store] and [folders] can change while the daemon runs: `systemctl reload sluse`.\n",
    );
    for section in SECTIONS {
        text += "\n";
        text += &comment(section.meaning);
        text += &match section.example_name {
            Some(example) => format!("[{}.{example}]\n", section.name),
            None => format!("[{}]\n", section.name),
        };
        for key in section.keys {
            text += "\n";
            text += &comment(key.meaning);
            text += &comment(&terms(key));
            text += &assignment(key);
        }
    }
    text
}

/// `docs/settings.md`: the same for reading.
pub fn reference() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         One TOML file, `/etc/sluse/sluse.toml`. `sluse check` reads it and tells all mistakes at once, each with \
         line, column and what was expected. An unknown key is a mistake. Times are written `90s`, `10m` or `12h`.\n\n\
         All but `[store]` and `[folders]` can change while the daemon runs, by `systemctl reload sluse`: all of it or, where \
         something is mistaken or cannot be, nothing, and the log shows what changed, key by key. A new private key or pass \
         phrase in the same file is used after `systemctl restart sluse`.\n\n\
         This page is made from the program's own table of settings.\n",
    );
    for section in SECTIONS {
        let _ = write!(text, "\n## `{}`\n\n{}\n", section.heading(), section.meaning);
        for key in section.keys {
            text += &entry(section, key);
        }
    }
    text
}

fn entry(section: &SectionAbout, key: &About) -> String {
    let mut entry = format!("\n### `{}` in `{}`\n\n{}\n\n", key.name, section.heading(), key.meaning);
    let _ = writeln!(entry, "- Expected: {}.", key.expected);
    entry += &match &key.presence {
        Presence::Required { example } => format!("- Required, such as `{}`.\n", one_line(example)),
        Presence::Default { value, reason } => format!("- Default: `{}` ({reason}).\n", one_line(value)),
        Presence::Optional { example, absent } => {
            format!("- Optional, such as `{}`. Without it: {absent}.\n", one_line(example))
        }
    };
    entry
}

/// What is expected, and what holds if it is not there.
fn terms(key: &About) -> String {
    let presence = match &key.presence {
        Presence::Required { .. } => "Required.".to_owned(),
        Presence::Default { value, reason } => format!("Default {}: {reason}.", one_line(value)),
        Presence::Optional { absent, .. } => format!("Without it: {absent}."),
    };
    format!("Expected: {}. {presence}", key.expected)
}

fn assignment(key: &About) -> String {
    match &key.presence {
        Presence::Required { example } => format!("{} = {example}\n", key.name),
        Presence::Default { value, .. } => format!("#{} = {value}\n", key.name),
        Presence::Optional { example, .. } => format!("#{} = {example}\n", key.name),
    }
}

/// A list that is written over several lines, in one.
fn one_line(value: &str) -> String {
    value.lines().map(str::trim).collect::<Vec<_>>().join(" ").replace("[ ", "[").replace(", ]", "]")
}

/// The sentences as comment lines.
fn comment(sentences: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in sentences.split_whitespace() {
        let line = lines.len() - 1;
        if lines[line].chars().count() + 1 + word.chars().count() > COMMENT_WIDTH {
            lines.push(format!("# {word}"));
        } else {
            lines[line] += " ";
            lines[line] += word;
        }
    }
    lines.join("\n") + "\n"
}
