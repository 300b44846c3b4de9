//! A tool of the project, not an example: adds up what a whole test run tried (`tests/rig/evidence.rs`), searches
//! everything that was said in it for the planted CPR numbers (`tests/rig/leaks.rs`), and writes the table. `make
//! evidence` runs it. It ends with 1 if anything was lost, doubled or said.
#![allow(dead_code, reason = "what is taken in from the tests' rig is used in part")]

#[path = "../tests/rig/evidence.rs"]
mod evidence;
#[path = "../tests/rig/leaks.rs"]
mod leaks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use evidence::{Chapter, ROWS, Row};

/// What a chapter is called, and what one has to know to read it.
fn heading(chapter: Chapter) -> (&'static str, &'static str) {
    match chapter {
        Chapter::Simulation => (
            "Simulation",
            "The real engine on a stopped clock in a simulated world; a judge of a few sentences looks at the end. A sweep puts \
one fault at every effect of a round; seeded runs put several anywhere.",
        ),
        Chapter::Planted => (
            "Planted faults",
            "Sluse itself is made wrong on purpose, to see that the judge finds it. The outcome is what the judge said.",
        ),
        Chapter::InDoubt => (
            "In doubt",
            "The connection is lost at each request of a round. Nothing is guessed: what evidence cannot settle, a person does.",
        ),
        Chapter::Processes => (
            "Real processes",
            "The daemon and an OpenSSH server as processes: killed, frozen, cut off. A witness counts every trigger that \
becomes visible.",
        ),
        Chapter::Disk => ("Disk", "Full, read-only, out of handles, cut off, restored from a backup."),
        Chapter::Outbox => ("Outbox", "Writers of every kind, and what lies in an outbox and is no query."),
        Chapter::FarSide => ("The far side", "Answers that are late, twice, wrong, hostile, or somebody else's."),
        Chapter::Decisions => ("Decisions", "What persons decide, and when it is too late for it."),
        Chapter::Audit => ("Audit", "The journal tampered with in every way; found or not."),
        Chapter::Fuzzing => ("Fuzzing", "Every reader of foreign bytes, fed what a coverage-guided fuzzer found."),
        Chapter::PersonalData => (
            "Personal data",
            "Everything that was said in the whole run, searched for every CPR number that was planted in it, with and without \
hyphen and inside longer runs of digits.",
        ),
        Chapter::Restart => ("Restart", "How soon after a start the first useful thing is done."),
    }
}

/// All rows of one fault, added up.
#[derive(Default)]
struct Sum {
    tried: u64,
    lost: u64,
    doubled: u64,
    persons: u64,
    outcomes: BTreeMap<String, u64>,
}

/// What was searched for planted numbers.
struct Search {
    planted: u64,
    bytes: u64,
    leaks: Vec<String>,
}

type Sums = BTreeMap<(Chapter, String), Sum>;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("expected the folder that the tests kept their evidence in")?;
    let sums = sums(&folder)?;
    let search = search(&folder)?;
    let (lost, doubled) = (total(&sums, |sum| sum.lost), total(&sums, |sum| sum.doubled));
    println!("{} trials: {lost} lost, {doubled} doubled", total(&sums, |sum| sum.tried));
    println!("{} planted numbers, {} bytes searched: {} said", search.planted, search.bytes, search.leaks.len());
    search.leaks.iter().for_each(|leak| println!("  {leak}"));
    if let Some(document) = arguments.next() {
        fs::write(&document, written(&sums, &search)?)
            .with_context(|| format!("cannot write {}", document.display()))?;
    }
    let is_well = lost == 0 && doubled == 0 && search.leaks.is_empty();
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sums(folder: &Path) -> Result<Sums> {
    let rows = fs::read_to_string(folder.join(ROWS)).context("cannot read the rows of the run")?;
    let mut sums = Sums::new();
    for line in rows.lines() {
        let row: Row = serde_json::from_str(line).context("a row that is none")?;
        let sum = sums.entry((row.chapter, row.fault)).or_default();
        sum.tried += row.tried;
        sum.lost += row.lost;
        sum.doubled += row.doubled;
        sum.persons += row.persons;
        *sum.outcomes.entry(row.outcome).or_default() += row.tried;
    }
    ensure!(!sums.is_empty(), "nothing was tried");
    Ok(sums)
}

fn total(sums: &Sums, of: impl Fn(&Sum) -> u64) -> u64 {
    sums.values().map(of).sum()
}

fn search(folder: &Path) -> Result<Search> {
    let planted = fs::read_to_string(folder.join(leaks::PLANTED)).context("no number was planted")?;
    let planted =
        planted.lines().map(str::parse).collect::<Result<BTreeSet<u64>, _>>().context("a number that is none")?;
    let mut search = Search { planted: planted.len() as u64, bytes: 0, leaks: Vec::new() };
    for entry in fs::read_dir(folder.join(leaks::SAID)).context("nothing was said")? {
        let path = entry?.path();
        let text = fs::read(&path)?;
        search.bytes += text.len() as u64;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        search.leaks.extend(leaks::leaks(&text, &planted).into_iter().map(|line| format!("{name}: {line}")));
    }
    Ok(search)
}

/// The document: nothing in it is typed but its headings.
fn written(sums: &Sums, search: &Search) -> Result<String> {
    let mut text = String::from("# Evidence\n\n");
    let persons = total(sums, |sum| sum.persons);
    writeln!(
        text,
        "Made by `make evidence` from one whole test run: every row was measured by the test that tried it, after it had \
looked at both sides.\n\n{}.\n\n| trials | lost | doubled | CPR numbers said | a person was asked |\n|---:|---:|---:|---:|---:|\n\
| {} | {} | {} | {} | {persons} |",
        surroundings(),
        total(sums, |sum| sum.tried),
        total(sums, |sum| sum.lost),
        total(sums, |sum| sum.doubled),
        search.leaks.len(),
    )?;
    let mut chapter = None;
    for ((of, fault), sum) in sums {
        if chapter.replace(*of) != Some(*of) {
            let (title, what) = heading(*of);
            writeln!(text, "\n## {title}\n\n{what}\n")?;
            text += "| what was done | tried | where it ended | a person was asked | lost | doubled |\n|---|---:|---|---:|---:|---:|\n";
        }
        let outcomes = match sum.outcomes.iter().collect::<Vec<_>>()[..] {
            [(outcome, _)] => outcome.clone(),
            ref several => {
                several.iter().map(|(outcome, times)| format!("{times} × {outcome}")).collect::<Vec<_>>().join("; ")
            }
        };
        let Sum { tried, lost, doubled, persons, .. } = sum;
        writeln!(text, "| {} | {tried} | {} | {persons} | {lost} | {doubled} |", cell(fault), cell(&outcomes))?;
    }
    writeln!(
        text,
        "\nOf the whole run {} bytes of logs, answers, notices and test output were searched for {} planted CPR numbers: \
{} found.",
        search.bytes,
        search.planted,
        search.leaks.len()
    )?;
    Ok(text)
}

/// A table's cell is one line without bars.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// On what it ran.
fn surroundings() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        // OpenSSH's server says its version among its usage.
        let line = text.lines().find(|line| line.chars().any(|c| c.is_ascii_digit())).unwrap_or_default();
        line.split(',').next().unwrap_or_default().trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "Sluse {}, {}, {}, Linux {}, {cores} cores, {}",
        env!("CARGO_PKG_VERSION"),
        said("/usr/sbin/sshd", "-V"),
        said("rustc", "--version"),
        said("uname", "-r").split('-').next().unwrap_or_default(),
        jiff::Zoned::now().date(),
    )
}
