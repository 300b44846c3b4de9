//! The most memory that a reply ever takes on its way into the register, for one that is long and one that is five
//! times as long: each in a process of its own, which [`child`] is.

use std::path::Path;
use std::process::Command;

use crate::measure::{Line, Section, Series, Target, Unit};
use crate::register::{apply, remove_store};
use crate::replies::{Content, Order, ReplyFile};
use crate::stage::{Plan, on_disk};

const SHORT: u64 = 1_000_000;
const LONG: u64 = 5_000_000;

/// The first argument of a child.
pub const CHILD: &str = "memory-of";

const PROSE: &str = "The peak of resident memory (VmHWM) of a process that does nothing but put one reply into an empty register: archived \
file, checks, comparison, one transaction. A mebibyte is 2^20 bytes; the limit of 96 MB is held as 91.5 MiB.";

/// 96 MB.
const LIMIT_MIB: f64 = 96e6 / 1_048_576.0;

pub fn row(plan: &Plan) -> Section {
    let disk = on_disk();
    let mut peaks = [(SHORT, "1,000,000 records"), (LONG, "5,000,000 records")]
        .map(|(agreements, name)| (agreements, Series::new(name, Unit::Mebibytes)));
    for (agreements, peak) in &mut peaks {
        let path = disk.path().join(format!("reply-{agreements}"));
        ReplyFile::write(&path, *agreements, Content::First, Order::ByNumber);
        for _ in 0..plan.runs {
            let value = peak_of(&path, *agreements);
            eprintln!("  {}: {value} MiB", peak.name);
            peak.add(value);
        }
        std::fs::remove_file(path).expect("it is ours");
    }
    let [(_, short), (_, long)] = peaks;
    let limited = |ours: Series| Line {
        work: format!("peak of memory, {}", ours.name),
        ours,
        theirs: None,
        target: Target::AtMost((LIMIT_MIB * 10.0).round() / 10.0),
        floor: None,
    };
    let lines = vec![
        Line {
            work: "peak of memory, 5,000,000 records".to_owned(),
            ours: long.clone(),
            theirs: Some(short.clone()),
            target: Target::RatioAtMost(1.2),
            floor: None,
        },
        limited(short),
        limited(long),
    ];
    Section { title: "Memory", prose: PROSE, lines, notes: Vec::new(), why: "" }
}

/// The work of the process that is measured; says its peak in KiB.
pub fn child(reply: &Path, store: &Path) {
    let reply = ReplyFile::find(reply);
    apply(store, &reply, 1);
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

fn peak_of(reply: &Path, agreements: u64) -> f64 {
    let store = reply.with_file_name(format!("store-{agreements}.db"));
    remove_store(&store);
    let program = std::env::current_exe().expect("this is Linux");
    let output = Command::new(program).arg(CHILD).arg(reply).arg(&store).output().expect("it can be started again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    remove_store(&store);
    let kib: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of KiB");
    kib / 1024.0
}
