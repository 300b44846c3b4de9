//! `docs/benchmarks.md`: what was measured, where, and with what. Everything on it but the rows' prose comes of the run.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::floor::cores;
use crate::measure::{Line, Section, Target, number};
use crate::stage::{Plan, in_memory, on_disk};

const PAGE: &str = "docs/benchmarks.md";

const INTRODUCTION: &str = "\
# How fast, and against what

`make bench` makes this page anew; nothing in the tables is typed by hand. All sides of a row do the same work in one run on one \
machine, by turns, against the same OpenSSH server; what stands here are medians (least–most). A ratio is Sluse's median by the \
other's: smaller is better. The floor is what the work costs at the least, measured in the same run. 20 ms: a proxy that \
hands every byte on 10 ms later in each direction, and limits nothing else.
";

/// Writes the page, if the run was long enough to be published.
pub fn write(plan: &Plan, sections: &[Section]) {
    let page = whole(plan, sections);
    if plan.is_enough() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        fs::write(&path, page).unwrap_or_else(|why| panic!("cannot write {}: {why}", path.display()));
        eprintln!("written: {PAGE}");
    } else {
        println!("{page}");
        eprintln!("not written to {PAGE}: {} runs are too few", plan.runs);
    }
}

fn whole(plan: &Plan, sections: &[Section]) -> String {
    let lines = || sections.iter().flat_map(|section| &section.lines);
    let reached = lines().filter(|line| line.is_reached() == Some(true)).count();
    let asked = lines().filter(|line| line.is_reached().is_some()).count();
    let mut page = INTRODUCTION.to_owned();
    let _ = writeln!(page, "\n{reached} of {asked} targets are reached.\n");
    page += "## Ratios\n\n| ratio | target | reached | work | against |\n|---:|---:|---|---|---|\n";
    for line in lines() {
        let against = line.theirs.as_ref().map_or("", |theirs| &theirs.name);
        let _ = writeln!(page, "| {} | {} | {} | {} | {against} |", ratio(line), target(line), reach(line), line.work);
    }
    sections.iter().for_each(|one| page += &section(one));
    page += &machine(plan);
    page
}

/// One section of the page.
pub fn section(section: &Section) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", section.title, section.prose);
    text += "| work | Sluse | against | ratio | target | reached | floor |\n|---|---|---|---:|---:|---|---|\n";
    for line in &section.lines {
        let against =
            line.theirs.as_ref().map_or(String::new(), |theirs| format!("{}: {}", theirs.name, theirs.shown()));
        let floor = line.floor.as_ref().map_or(String::new(), |floor| {
            let of = number(line.ours.median() / floor.value);
            format!("{} {}, Sluse {of} × ({})", number(floor.value), line.ours.unit.sign(), floor.what)
        });
        let _ = writeln!(
            text,
            "| {} | {} | {against} | {} | {} | {} | {floor} |",
            line.work,
            line.ours.shown(),
            ratio(line),
            target(line),
            reach(line)
        );
    }
    if !section.notes.is_empty() {
        text.push('\n');
    }
    for note in &section.notes {
        let _ = writeln!(text, "- {note}");
    }
    if section.falls_short() {
        let _ = writeln!(text, "\n**Not reached.** {}", section.why);
    }
    text
}

fn ratio(line: &Line) -> String {
    line.ratio().map_or_else(|| line.ours.shown(), |ratio| format!("**{}**", number(ratio)))
}

fn target(line: &Line) -> String {
    match line.target {
        Target::RatioAtMost(limit) => format!("≤ {limit}"),
        Target::AtMost(limit) => format!("≤ {limit} {}", line.ours.unit.sign()),
        Target::AtLeast(limit) => format!("≥ {limit} {}", line.ours.unit.sign()),
        Target::Report => "shown".to_owned(),
    }
}

fn reach(line: &Line) -> &'static str {
    match line.is_reached() {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    }
}

/// What all this was measured on.
fn machine(plan: &Plan) -> String {
    let (disk, memory) = (on_disk(), in_memory());
    let kind = |folder: &Path| said("stat", &["-f", "-c", "%T", &folder.display().to_string()]);
    let facts = [
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
        ("Sluse", format!("{}, commit {}", env!("CARGO_PKG_VERSION"), commit())),
        ("processor", format!("{}, {} cores", from_file("/proc/cpuinfo", "model name"), cores())),
        ("memory", from_file("/proc/meminfo", "MemTotal")),
        ("kernel", said("uname", &["-sr"])),
        ("disk", format!("{}; the server's folder: {}", kind(disk.path()), kind(memory.path()))),
        ("load at the end", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
        ("runs of each", plan.runs.to_string()),
        ("OpenSSH", said("ssh", &["-V"])),
        ("lftp", said("lftp", &["--version"])),
        ("rclone", said("rclone", &["version"])),
        ("sqlite3", said("sqlite3", &["--version"])),
        ("awk", said("mawk", &["-W", "version"])),
        ("rustc", said("rustc", &["--version"])),
    ];
    let mut text = "\n## The machine\n\n| | |\n|---|---|\n".to_owned();
    for (name, fact) in facts {
        let _ = writeln!(text, "| {name} | {fact} |");
    }
    text
}

/// The first line that a program prints of itself.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let Ok(output) = output else { return "not there".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

fn from_file(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
}

fn commit() -> String {
    let state = match said("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        "" => "",
        _ => " and what is not committed",
    };
    format!("{}{state}", said("git", &["rev-parse", "--short", "HEAD"]))
}
