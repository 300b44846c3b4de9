//! The manual's page of commands, made from the command line's own definition: what stands in the table of [`WRONG`] is
//! all that is added. A test keeps `docs/commands.md` as it is made here; `SLUSE_UPDATE=1 cargo test commands` writes it
//! anew, and `tests/manual.rs` runs every example on it.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::cli::Cli;

const OPENING: &str = "\
# Commands

This page is made from the program's own command line; `sluse COMMAND --help` says the same. `3f0f9a2e` stands for the beginning of an
exchange's id, as `sluse status` and `sluse held` show it. Dates are Danish, such as `2026-12-31`.

Commands ask the daemon while it runs, and may be called by whoever is in the group `sluse`. Where it does not run they take the store's lock
and answer themselves; that only the user can who owns the store: `sudo -u sluse sluse …`, or `runuser -u sluse -- sluse …` where there is no sudo (root is told so, and makes no file that the daemon
could not write). So it is with `audit`, `backup` and `rebuild`, which read the store beside a running daemon, and with `recover`. Whatever changes something is journalled with who, when and why.
`--config FILE`, or `SLUSE_CONFIG` in the environment, names another settings file than `/etc/sluse/sluse.toml`.

## Exit statuses

| exit status | when | for instance |
|---|---|---|
| 0 | it was done, or all is well; also where there was nothing to do | `sluse held` with nothing held, `sluse audit verify`, \
`sluse rebuild`, `sluse retry --all-rejected --reason mended` with nothing rejected |
| 1 | a person should look, or what was asked for was not done: something waits or is overdue, there is no such exchange, a decision is \
refused, a file cannot be read or written, there is no store | `sluse status` without a daemon, `sluse explain 0101` with no story, \
`sluse approve 3f0f9a2e --reason seen` of no exchange |
| 2 | command line or settings are mistaken, and nothing was done | `sluse held --no-such-option`, `sluse register 0849` and \
`sluse query 0849 --payment-date 2099-12-31` of a municipality that is not in the settings, `sluse query 0751 --payment-date 2020-12-30` \
of a day that is past, `sluse legal-hold add --exchange nobody --reason seen` |
";

/// When each command ends with exit status 1; each of them also where what was asked for could not be done.
const WRONG: &[(&str, &str)] = &[
    ("run", "it cannot start, or the store is not what it was"),
    ("check", "with `--connect`: something is wrong at a far side; with `--sample`: a file is unfit"),
    ("status", "a person should look, or the daemon does not run"),
    ("explain", "there is no such exchange"),
    ("query", "the outbox cannot be written"),
    ("gate", "a payment must not go by the register, or nobody can say"),
    ("held", "something waits for a person"),
    ("approve", "it was not decided: nothing waits under that id, or it has moved on"),
    ("refuse", "it was not decided: nothing waits under that id, or it has moved on"),
    ("settle", "it was not settled: it is not in doubt, or has moved on"),
    ("withdraw", "it cannot be taken back: the hub may have it"),
    ("retry", "something is not sent again"),
    ("register", "the register cannot be read"),
    ("backup", "no backup was made, or a file was not as the journal says"),
    ("recover", "there is something to decide, or nothing was recovered"),
    ("retention", "what was to go cannot be removed yet"),
    ("legal-hold add", "nothing is held: the reason is no good, or it cannot be recorded"),
    ("legal-hold remove", "there is no such hold"),
    ("legal-hold list", "the journal cannot be read"),
    ("audit verify", "something is not what was written"),
    ("rebuild", "a row or an archived file is not what it was"),
    ("alarm test", "a receiver was not told"),
    ("alarm unit-failed", "a receiver was not told"),
    ("hub", "it cannot work with its folder"),
    ("demo", "the register is not what UDK Debitor sent"),
];

/// `docs/commands.md`.
fn page() -> String {
    let commands = leaves();
    let mut text =
        format!("{OPENING}\n## All commands\n\n| command | what it is for | exit status 1 |\n|---|---|---|\n");
    for (path, command) in &commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let anchor = path.replace(' ', "-");
        let wrong = wrong(path).unwrap_or_default();
        let _ = writeln!(text, "| [`sluse {path}`](#sluse-{anchor}) | {about} | {wrong} |");
    }
    for (path, command) in &commands {
        text += &section(path, command);
    }
    text
}

fn wrong(path: &str) -> Option<&'static str> {
    WRONG.iter().find(|(of, _)| *of == path).map(|(_, when)| *when)
}

/// Every command that does something, with the words by which it is called, in the order of the help.
fn leaves() -> Vec<(String, Command)> {
    let mut whole = Cli::command().term_width(0);
    whole.build();
    let mut found = Vec::new();
    for command in whole.get_subcommands().filter(|command| command.get_name() != "help") {
        let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
        if below.is_empty() {
            found.push((command.get_name().to_owned(), command.clone()));
        }
        for leaf in below {
            found.push((format!("{} {}", command.get_name(), leaf.get_name()), leaf.clone()));
        }
    }
    found
}

fn section(path: &str, command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    // Of a first paragraph clap takes the full stop away.
    let about = about.replacen("\n\n", ".\n\n", 1);
    let stop = if about.ends_with('.') { "" } else { "." };
    let usage = command.clone().render_usage().to_string().replace("Usage: ", "");
    let mut text = format!("\n## `sluse {path}`\n\n{about}{stop}\n\n- Usage: `{}`\n", usage.trim());
    let arguments = command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
    for argument in arguments {
        text += &entry(argument);
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, rest): (Vec<_>, Vec<_>) = help.split("\n\n").partition(|part| part.starts_with("Example"));
    for paragraph in rest.iter().filter(|paragraph| !paragraph.is_empty()) {
        let _ = write!(text, "\n{paragraph}\n");
    }
    for example in examples {
        let lines = example.lines().skip(1).map(str::trim);
        let _ = write!(text, "\n```sh\n{}\n```\n", lines.collect::<Vec<_>>().join("\n"));
    }
    text
}

/// An argument or option, what it means, and what holds without it.
fn entry(argument: &Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().join(" ");
    let shown = match argument.get_long() {
        Some(long) if argument.get_action().takes_values() => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let mut terms = String::new();
    if argument.get_action().takes_values() && !values.is_empty() {
        let _ = write!(terms, "; one of {}", values.join(", "));
    }
    let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !default.is_empty() {
        let _ = write!(terms, "; default `{}`", default.join(" "));
    }
    format!("- `{shown}`: {help}{terms}.\n")
}

#[test]
fn the_manuals_page_of_commands_is_as_the_command_line_makes_it() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();

    assert!(kept == page(), "docs/commands.md is another; write it anew by SLUSE_UPDATE=1 cargo test --lib commands");
}

#[test]
fn every_command_has_an_exit_status_told_and_an_example_and_no_other_is_told_of() {
    let commands = leaves();
    let paths: Vec<&str> = commands.iter().map(|(path, _)| path.as_str()).collect();

    assert_eq!(paths, WRONG.iter().map(|(path, _)| *path).collect::<Vec<_>>());
    for (path, command) in commands.iter().filter(|(path, _)| path != "run") {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("  sluse {path}")), "{path} has no example: {help}");
    }
}
