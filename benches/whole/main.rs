//! `make bench`: the work that Sluse does, side by side with what users have today, in one run on one machine. Each
//! row is a function that returns a [`Section`]; the page is written from them, and only a whole run of all rows writes
//! it. Nothing is asserted about speed here: the page says what is reached and what is not.
//!
//! Names of rows as arguments measure these alone and print them; `SLUSE_BENCH_RUNS=1` is a quick look.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a measurement that cannot be made ends the run")]

mod clients;
mod country;
mod delay;
mod floor;
mod gate;
mod idle;
mod large_file;
mod latency;
mod listing;
mod measure;
mod memory;
mod page;
mod reading;
mod register;
mod replies;
#[path = "../../tests/rig/mod.rs"]
mod rig;
mod small_files;
mod stage;

use std::path::Path;
use std::process::ExitCode;

use measure::Section;
use stage::Plan;

/// Measures one row.
type Row = fn(&Plan) -> Section;

/// Every row, in the order of the page.
const ROWS: &[(&str, Row)] = &[
    ("small-files", small_files::row),
    ("large-file", large_file::row),
    ("register", register::row),
    ("reading", reading::row),
    ("memory", memory::row),
    ("country", country::row),
    ("listing", listing::row),
    ("idle", idle::row),
    ("latency", latency::row),
    ("gate", gate::row),
];

fn main() -> ExitCode {
    // What cargo adds is for the test harness that is not here.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [memory::CHILD, reply, store] = asked.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        memory::child(Path::new(reply), Path::new(store));
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = asked.iter().find(|name| !ROWS.iter().any(|(row, _)| row == name)) {
        let known: Vec<_> = ROWS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no row {unknown}; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let plan = Plan::from_environment();
    let is_whole = asked.is_empty();
    let mut sections = Vec::new();
    let mut failed = Vec::new();
    for (name, row) in ROWS.iter().filter(|(name, _)| is_whole || asked.iter().any(|asked| asked == name)) {
        eprintln!("{name}:");
        let its_plan = plan.clone();
        // In a thread of its own: a row that fails takes no other with it.
        match std::thread::spawn(move || row(&its_plan)).join() {
            Ok(section) => {
                print!("{}", page::section(&section));
                sections.push(section);
            }
            Err(_) => failed.push(*name),
        }
    }
    if !failed.is_empty() {
        eprintln!("not measured: {}", failed.join(", "));
        return ExitCode::FAILURE;
    }
    if is_whole {
        page::write(&plan, &sections);
    }
    ExitCode::SUCCESS
}
