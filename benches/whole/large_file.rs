//! One large file, up and down: Sluse's transport with a SHA-256 of every byte and a sync at the end, against the
//! copying of OpenSSH's `sftp`, lftp and rclone, which do neither.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sluse::durable::{Disk, RealDisk, Source, Stream};
use sluse::transport::sftp::{SftpEndpoint, SftpSession, SftpSettings};
use sluse::transport::{Connect, FarSide, Folder, RemotePath};
use tokio::runtime::Runtime;

use crate::clients::Login;
use crate::delay::Delay;
use crate::floor::{Wire, noise, runtime};
use crate::measure::{Floor, Line, Section, Series, Side, Target, best, by_turns, number, timed};
use crate::rig::Sshd;
use crate::stage::{EACH_WAY, Plan, in_memory, on_disk, settle_disks};

/// At a distance a quarter of it will do: all are as fast as their windows from the first second on.
const BYTES_NEAR: u64 = 1 << 30;
const BYTES_FAR: u64 = 256 << 20;

/// Requests that wait for each other: OPEN, the data, CLOSE, the size.
const ROUND_TRIPS: f64 = 4.0;

const PROSE: &str = "Sluse's verbs `write` and `read`, as the daemon uses them: up from a file on the disk, hashed on the way, \
and the server is asked for a sync where it can; down into a file on the disk, hashed and synced before it counts. The others \
copy from and into the same folders, hash nothing, sync nothing; lftp also with four connections for one file down (`pget -n 4`), rclone with its own \
defaults. Logins are in the time of all. The server's folder is in memory for all.";

const WHY: &str = "The others copy only; Sluse also hashes every byte and syncs the file. Where the two cores are busy with both ends of the cipher already, that shows.";

pub fn row(plan: &Plan) -> Section {
    let near = compared(plan, BYTES_NEAR, None);
    let far = compared(plan, BYTES_FAR, Some(EACH_WAY));
    let (lines, notes): (Vec<_>, Vec<_>) = [near, far].into_iter().unzip();
    Section { title: "A large file", prose: PROSE, lines: lines.concat(), notes: notes.concat(), why: WHY }
}

/// Where both ends of a copy are.
struct Ends {
    login: Login,
    settings: SftpSettings,
    runtime: Runtime,
    /// On the disk: the file that goes up, and the folder for what comes down.
    source: PathBuf,
    folder: PathBuf,
    /// In the server's memory.
    there_up: PathBuf,
    bytes: u64,
}

fn compared(plan: &Plan, bytes: u64, each_way: Option<Duration>) -> (Vec<Line>, Vec<String>) {
    let (memory, disk) = (in_memory(), on_disk());
    let sshd = Sshd::with(crate::rig::Plan { root: Some(memory.path().to_owned()), ..Default::default() });
    let line = each_way.map(|each_way| Delay::before(sshd.port(), each_way));
    let port = line.as_ref().map_or(sshd.port(), Delay::port);
    let ends = Ends {
        login: Login::at(&sshd, port),
        settings: SftpSettings { port, ..sshd.settings() },
        runtime: runtime(),
        source: disk.path().join("source"),
        folder: disk.path().to_owned(),
        there_up: sshd.out().join("up"),
        bytes,
    };
    fs::write(&ends.source, noise(bytes)).expect("there is room");
    fs::copy(&ends.source, sshd.r#in().join("down")).expect("there is memory");
    let (source, down) = (ends.source.display().to_string(), ends.folder.join("down").display().to_string());

    let [up, up_sftp, up_lftp, up_rclone] = by_turns(
        plan.runs,
        [
            Side::seconds("Sluse", || ends.up(|| ends.sluse_up())),
            Side::seconds("sftp", || ends.up(|| ends.login.sftp(&format!("put {source} OUT/up\n"), disk.path()))),
            Side::seconds("lftp", || ends.up(|| ends.login.lftp(&format!("put {source} -o OUT/up")))),
            Side::seconds("rclone", || ends.up(|| ends.login.rclone(&[&source, ":sftp:OUT/up"]))),
        ],
    );
    let [back, back_sftp, back_lftp, back_pget, back_rclone] = by_turns(
        plan.runs,
        [
            Side::seconds("Sluse", || ends.down(|| ends.sluse_down())),
            Side::seconds("sftp", || ends.down(|| ends.login.sftp(&format!("get IN/down {down}\n"), disk.path()))),
            Side::seconds("lftp", || ends.down(|| ends.login.lftp(&format!("get IN/down -o {down}")))),
            Side::seconds("lftp, 4 connections", || {
                ends.down(|| ends.login.lftp(&format!("pget -n 4 IN/down -o {down}")))
            }),
            Side::seconds("rclone", || ends.down(|| ends.login.rclone(&[":sftp:IN/down", &down]))),
        ],
    );

    let distance = if each_way.is_some() { "20 ms" } else { "loopback" };
    let limit = if each_way.is_some() { 0.5 } else { 0.85 };
    let wire = Wire::measured(&sshd, memory.path());
    let distances = ROUND_TRIPS * each_way.map_or(0.0, |each_way| 2.0 * each_way.as_secs_f64());
    let floor = |per_byte: f64| Floor {
        value: bytes as f64 * per_byte + distances,
        what: format!(
            "{} MB/s through `ssh` and `cat` with AES-GCM, {ROUND_TRIPS} round trips",
            number(1e-6 / per_byte)
        ),
    };
    let notes = [
        ("up", vec![&up_sftp, &up_lftp, &up_rclone]),
        ("down", vec![&back_sftp, &back_lftp, &back_pget, &back_rclone]),
    ]
    .map(|(way, all)| {
        let all: Vec<_> = all.iter().map(|one| format!("{}: {}", one.name, one.shown())).collect();
        format!("{distance}, {way}: {}.", all.join("; "))
    });
    let made = |way: &str, ours: Series, theirs: Series, floor: Floor| Line {
        work: format!("{} MiB {way}, {distance}", bytes >> 20),
        ours,
        theirs: Some(theirs),
        target: Target::RatioAtMost(limit),
        floor: Some(floor),
    };
    let lines = vec![
        made("up", up, best([up_sftp, up_lftp, up_rclone]), floor(wire.up_per_byte)),
        made("down", back, best([back_sftp, back_lftp, back_pget, back_rclone]), floor(wire.down_per_byte)),
    ];
    (lines, notes.into())
}

impl Ends {
    /// Does it once into an empty place, and looks whether everything came.
    fn up(&self, work: impl FnOnce() -> f64) -> f64 {
        let _ = fs::remove_file(&self.there_up);
        settle_disks();
        let seconds = work();
        assert_eq!(size_of(&self.there_up), self.bytes);
        seconds
    }

    fn down(&self, work: impl FnOnce() -> f64) -> f64 {
        let here = self.folder.join("down");
        let _ = fs::remove_file(&here);
        settle_disks();
        let seconds = work();
        assert_eq!(size_of(&here), self.bytes);
        seconds
    }

    async fn session(&self) -> SftpSession {
        SftpEndpoint::new(self.settings.clone()).connect().await.expect("the server is there")
    }

    fn sluse_up(&self) -> f64 {
        let path = RemotePath { folder: Folder::Out, name: "up".parse().expect("a good name") };
        let work = async {
            let session = self.session().await;
            let file = RealDisk.open(&self.source).expect("it is there");
            let mut source = Source(Box::new(Hashed { file, digest: Sha256::new() }));
            session.write(&path, &mut source).await.expect("it can be written");
            assert_eq!(session.size(&path).await, Ok(self.bytes));
            session.close().await;
        };
        timed(|| self.runtime.block_on(work)).0
    }

    fn sluse_down(&self) -> f64 {
        let path = RemotePath { folder: Folder::In, name: "down".parse().expect("a good name") };
        let work = async {
            let session = self.session().await;
            let mut stream = Stream::new(RealDisk.create(&self.folder.join("down")).expect("the folder is ours"));
            session.read(&path, self.bytes, &mut stream).await.expect("it can be read");
            let copied = tokio::task::spawn_blocking(move || stream.finish()).await.expect("no panic");
            assert_eq!(copied.expect("the disk works").size, self.bytes);
            session.close().await;
        };
        timed(|| self.runtime.block_on(work)).0
    }
}

fn size_of(path: &Path) -> u64 {
    File::open(path).and_then(|file| file.metadata()).expect("it has come").len()
}

/// A file whose bytes are hashed as they are read.
struct Hashed {
    file: Box<dyn Read + Send>,
    digest: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
