//! Where the work is done: how often ([`Plan`]), and folders on a real disk and in memory. Start with [`Plan`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::{Date, date};
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::read_query;
use tempfile::TempDir;

use crate::rig::{Daemon, FarPlan, Ground};

/// How often everything is measured, unless the environment says otherwise.
const RUNS: usize = 5;
const RUNS_VARIABLE: &str = "SLUSE_BENCH_RUNS";

/// Half the round trip of the long line.
pub const EACH_WAY: Duration = Duration::from_millis(10);

/// Records that make a query 4 KiB long: 33 of 122 bytes.
const DETAILS: usize = 31;

/// Where files in memory are.
const MEMORY: &str = "/dev/shm";

/// How the run is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    pub runs: usize,
}

impl Plan {
    pub fn from_environment() -> Plan {
        let runs = std::env::var(RUNS_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
        Plan { runs: runs.max(1) }
    }

    /// Whether its medians are good enough to be published.
    pub fn is_enough(&self) -> bool {
        self.runs >= RUNS
    }
}

/// A folder in memory: what is not to be measured should not wait for a disk.
pub fn in_memory() -> TempDir {
    TempDir::with_prefix_in("sluse-bench-", MEMORY).expect("every Linux has /dev/shm")
}

/// A folder where this machine's disk is. `TMPDIR` says where; `make bench` puts it below `target`.
pub fn on_disk() -> TempDir {
    TempDir::with_prefix("sluse-bench-").expect("a temporary folder can be made")
}

/// What is dirty is written now, and not while somebody is measured.
pub fn settle_disks() {
    rustix::fs::sync();
}

/// A ground for all municipalities whose far side has its folders in memory.
pub fn ground(far: &Path, plan: FarPlan) -> Ground {
    let codes: Vec<String> = MunicipalityCode::all().map(|municipality| municipality.code.to_string()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut ground = Ground::lay(&codes, FarPlan { folder: Some(far.to_owned()), ..plan });
    ground.sides[0].poll = "60s";
    ground
}

/// Starts the daemon, the release binary, and waits until it has looked everywhere once and is idle.
pub fn started(ground: &Ground) -> Daemon {
    let mut daemon = ground.start();
    daemon.until_said("connected");
    let last = ground.sides[0].municipalities.last().expect("there are some");
    let folder = ground.outbox(*last);
    crate::rig::until("the outbox folders and the first listing", || {
        (folder.is_dir() && ground.endpoint_line(0).listed_at.is_some()).then_some(())
    });
    daemon
}

/// The payment date of a round, of any number of rounds: each in a month of its own.
pub fn payment_date(round: usize) -> Date {
    let (year, month) = (round / 12, round % 12);
    date(2031 + i16::try_from(year).expect("few rounds"), i8::try_from(month).expect("below 12") + 1, 27)
}

/// A fit query that lies ready on the ground's disk, to be dropped into its outbox by one rename.
pub struct Ready {
    from: PathBuf,
    to: PathBuf,
}

impl Ready {
    pub fn drop_in(&self) {
        fs::rename(&self.from, &self.to).expect("both folders are ours");
    }
}

/// So many queries of 4 KiB for every municipality by turns, each for a payment date of its own.
pub fn queries(ground: &Ground, count: usize, first_round: usize) -> Vec<Ready> {
    let folder = ground.path("ready");
    fs::create_dir_all(&folder).expect("the temporary folder is ours");
    let municipalities = ground.sides[0].municipalities.clone();
    let made = (0..count).map(|number| {
        let municipality = municipalities[number % municipalities.len()];
        let (name, bytes) = ground.compose(municipality, payment_date(first_round + number / municipalities.len()));
        let bytes = lengthened(&bytes);
        read_query(&Layout::shipped_query(), &name, &bytes, municipality).expect("it is a fit query");
        let ready = Ready { from: folder.join(&name), to: ground.outbox(municipality).join(&name) };
        fs::write(&ready.from, bytes).expect("there is room");
        ready
    });
    made.collect()
}

/// The same query with its one detail record several times, and counted.
fn lengthened(bytes: &[u8]) -> Vec<u8> {
    let records: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let [start, detail, end] = records[..] else { panic!("a composed query has three records") };
    let mut end = end.to_vec();
    end[6..14].copy_from_slice(format!("{DETAILS:08}").as_bytes());
    [start, &detail.repeat(DETAILS), &end].concat()
}
