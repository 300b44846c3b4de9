//! What work costs at the least, measured on the same machine in the same run: a round trip, a byte through the cipher,
//! a sync. Start with [`Wire::measured`], [`syncs`], [`new_files`] and [`renames`].

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use sluse::transport::sftp::SftpEndpoint;
use sluse::transport::{Connect, FarSide, Folder, RemotePath};
use tokio::runtime::Runtime;

use crate::clients::Login;
use crate::measure::{Series, Unit};
use crate::rig::Sshd;

/// Bytes that are sent to find out what one costs.
const BYTES: u64 = 256 << 20;
const ROUND_TRIPS: usize = 500;
const TIMES: usize = 3;

/// Of /proc: on every Linux that this runs on.
pub const TICKS_PER_SECOND: f64 = 100.0;

/// What a server on loopback costs without any work.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Seconds, of the smallest SFTP request and its answer on a session that is warm.
    pub round_trip: f64,
    /// Seconds for each byte, through an SSH channel without a file protocol, there and back.
    pub up_per_byte: f64,
    pub down_per_byte: f64,
}

impl Wire {
    /// `memory`: a folder in memory that the server's user can reach.
    pub fn measured(sshd: &Sshd, memory: &Path) -> Wire {
        let login = Login::at(sshd, sshd.port());
        let file = memory.join("floor");
        fs::write(&file, noise(BYTES)).expect("there is memory");
        let empty = least_of(|| login.ssh("true", Stdio::null()));
        let up = least_of(|| login.ssh("cat > /dev/null", File::open(&file).expect("it is there").into()));
        let down = least_of(|| login.ssh(&format!("cat {}", file.display()), Stdio::null()));
        fs::remove_file(&file).expect("it is ours");
        let per_byte = |seconds: f64| (seconds - empty).max(0.0) / BYTES as f64;
        let round_trip = round_trips(sshd, ROUND_TRIPS).median();
        Wire { round_trip, up_per_byte: per_byte(up), down_per_byte: per_byte(down) }
    }
}

/// So many round trips, one after the other, on a warm session: sizes looked up. In seconds.
pub fn round_trips(sshd: &Sshd, count: usize) -> Series {
    let path = RemotePath { folder: Folder::In, name: "floor".parse().expect("a good name") };
    fs::write(sshd.r#in().join("floor"), "x").expect("the folder is ours");
    let series = runtime().block_on(async {
        let session = SftpEndpoint::new(sshd.settings()).connect().await.expect("the server is there");
        let mut series = Series::seconds("a round trip");
        for _ in 0..count {
            let began = Instant::now();
            session.size(&path).await.expect("it is there");
            series.add(began.elapsed().as_secs_f64());
        }
        session.close().await;
        series
    });
    fs::remove_file(sshd.r#in().join("floor")).expect("it is ours");
    series
}

/// Appends of so many bytes, each synced, in seconds.
pub fn syncs(folder: &Path, bytes: usize, count: usize) -> Series {
    let path = folder.join("synced");
    let mut file = File::create(&path).expect("the folder is ours");
    let block = vec![7; bytes];
    let mut series = Series::new("a sync", Unit::Seconds);
    for _ in 0..count {
        let began = Instant::now();
        file.write_all(&block).and_then(|()| file.sync_data()).expect("there is room");
        series.add(began.elapsed().as_secs_f64());
    }
    fs::remove_file(path).expect("it is ours");
    series
}

/// New files of so many bytes, each on the disk with its name, in seconds.
pub fn new_files(folder: &Path, bytes: usize, count: usize) -> Series {
    let block = vec![7; bytes];
    let mut series = Series::new("a new file", Unit::Seconds);
    for number in 0..count {
        let began = Instant::now();
        let mut file = File::create(folder.join(format!("new-{number}"))).expect("the folder is ours");
        file.write_all(&block).and_then(|()| file.sync_all()).expect("there is room");
        File::open(folder).and_then(|folder| folder.sync_all()).expect("the folder is ours");
        series.add(began.elapsed().as_secs_f64());
    }
    series
}

/// Those files renamed into another folder one by one, each on the disk in both, in seconds.
pub fn renames(from: &Path, to: &Path, count: usize) -> Series {
    let mut series = Series::new("a rename", Unit::Seconds);
    for number in 0..count {
        let name = format!("new-{number}");
        let began = Instant::now();
        fs::rename(from.join(&name), to.join(&name)).expect("both folders are ours");
        for folder in [to, from] {
            File::open(folder).and_then(|folder| folder.sync_all()).expect("the folder is ours");
        }
        series.add(began.elapsed().as_secs_f64());
    }
    series
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What all cores together have worked since the machine began, in seconds.
pub fn busy_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").expect("every Linux has it");
    let all = stat.lines().next().expect("the line of all cores");
    let ticks: Vec<f64> = all.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    [0, 1, 2, 5, 6].iter().map(|field| ticks[*field]).sum::<f64>() / TICKS_PER_SECOND
}

/// As the daemon has it.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be made")
}

/// Bytes that no compression makes fewer, the same in every run.
pub fn noise(bytes: u64) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = (0..bytes / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

fn least_of(mut work: impl FnMut() -> f64) -> f64 {
    (0..TIMES).map(|_| work()).fold(f64::INFINITY, f64::min)
}
