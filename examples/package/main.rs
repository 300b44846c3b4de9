//! Makes what the package holds beside the program and its files, from the code and the manual: manual pages, completions,
//! and the journal's catalog, by which `journalctl -x` explains each log message. Called with the folder to fill.

mod messages;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use sluse::operator::cli::Cli;
use sluse::operator::journal::message_id;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("the folder to fill is the one argument")?;
    let folder = Path::new(&folder);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder)?;
    }
    clap_mangen::generate_to(Cli::command(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "sluse", &completions)?;
    }
    fs::write(folder.join("sluse.catalog"), catalog(include_str!("../../docs/log-messages.md")))?;
    Ok(())
}

/// In the form of systemd's message catalogs.
fn catalog(page: &str) -> String {
    let mut catalog = String::from("# What docs/log-messages.md says of each message.\n");
    for row in messages::documented(page) {
        // Writing into a string does not fail.
        let _ = write!(
            catalog,
            "\n-- {}\nSubject: {}\nDefined-By: Sluse\nDocumentation: man:sluse(1)\n\n{}\n\nWhat to do: {}.\n",
            message_id(&row.sentence),
            row.sentence,
            row.meaning,
            row.what_to_do
        );
    }
    catalog
}
