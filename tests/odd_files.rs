//! Whatever else may lie in an outbox: each is told in a sentence, none is followed, none holds up the good file that
//! comes after it. The daemon runs as a user of its own.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rig::{Chapter, Daemon, FarPlan, Ground, Row, User, payment_date, record, sorted_names, until};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use sluse::domain::municipality::MunicipalityCode;
use sluse::outbox::QUERY_SIZE_MAX;

/// Where a thing is told.
#[derive(Clone, Copy)]
enum Told {
    /// In the status, and it stays where it is.
    InOutbox,
    /// In the status, until this is done about it.
    Until(fn(&Path)),
    /// In `refused/`, beside the file.
    Refused,
    /// It is a query, and is sent.
    Sent,
    /// Nowhere: it is gone.
    Nowhere,
}

/// One odd thing in an outbox folder of its own.
#[derive(Clone, Copy)]
struct Odd {
    thing: &'static str,
    /// Puts it into the folder; the bytes are a good query's. Errors: this machine does not have such a thing.
    put: fn(&Path, &[u8]) -> io::Result<()>,
    told: Told,
    /// What the sentence says.
    words: &'static str,
}

const LINK: &str = "a symbolic link, left alone: only regular files are taken";
const PROTOCOL: &str = "left alone: triggers, metadata and receipts are made by Sluse and the hub";
const UNFINISHED: &str = "left alone: its name says that it is not finished";

const fn odd(thing: &'static str, told: Told, words: &'static str, put: fn(&Path, &[u8]) -> io::Result<()>) -> Odd {
    Odd { thing, put, told, words }
}

#[rustfmt::skip]
const ODD: &[Odd] = &[
    odd("a symbolic link to a file", Told::InOutbox, LINK, |folder, query| {
        fs::write(folder.join("../../aside.txt"), query)?;
        symlink("../../aside.txt", folder.join("link.txt"))
    }),
    odd("a symbolic link to a folder", Told::InOutbox, LINK, |folder, _| symlink(".", folder.join("link.txt"))),
    odd("a symbolic link to /etc/passwd", Told::InOutbox, LINK, |folder, _| symlink("/etc/passwd", folder.join("link.txt"))),
    odd("a symbolic link to nothing", Told::InOutbox, LINK, |folder, _| symlink("nothing", folder.join("link.txt"))),
    odd("a FIFO", Told::InOutbox, "a FIFO, left alone", |folder, _| node(folder, FileType::Fifo, 0)),
    odd("a socket", Told::InOutbox, "a socket, left alone", |folder, _| {
        UnixListener::bind(folder.join("socket.txt")).map(drop)
    }),
    odd("a device", Told::InOutbox, "a device, left alone", |folder, _| {
        // The null device.
        node(folder, FileType::CharacterDevice, rustix::fs::makedev(1, 3))
    }),
    odd("a folder", Told::InOutbox, "a folder, left alone", |folder, query| {
        fs::create_dir(folder.join("folder.txt"))?;
        fs::write(folder.join("folder.txt/query.txt"), query)
    }),
    odd("a name with a new line and a terminal's escape", Told::Refused, "record 1", |folder, _| {
        fs::write(folder.join("new\nline \u{1b}[31mred.txt"), "no query")
    }),
    odd("a name that is not UTF-8", Told::Refused, "record 1", |folder, _| {
        fs::write(folder.join(OsString::from_vec(b"\xff\xfe\x9b.txt".to_vec())), "no query")
    }),
    odd("a name of 255 bytes", Told::Refused, "record 1", |folder, _| fs::write(folder.join("n".repeat(255)), "no query")),
    odd("a good query by a name with a new line", Told::Sent, "", |folder, query| fs::write(folder.join("a\nb.txt"), query)),
    odd("a name with a leading dot", Told::InOutbox, UNFINISHED, |folder, query| fs::write(folder.join(".query.txt"), query)),
    odd("a name that ends with .part", Told::InOutbox, UNFINISHED, |folder, query| fs::write(folder.join("query.part"), query)),
    odd("a name that ends with .trigger", Told::InOutbox, PROTOCOL, |folder, query| fs::write(folder.join("q.trigger"), query)),
    odd("a name that ends with .metadata", Told::InOutbox, PROTOCOL, |folder, query| fs::write(folder.join("q.metadata"), query)),
    odd("an empty file", Told::Refused, "is empty", |folder, _| fs::write(folder.join("empty.txt"), "")),
    odd("a file one byte over the limit", Told::Refused, "larger than 67108864 bytes", |folder, _| {
        sparse(folder, QUERY_SIZE_MAX + 1)
    }),
    odd("a sparse file of a terabyte", Told::Refused, "larger than 67108864 bytes", |folder, _| sparse(folder, 1 << 40)),
    odd("a file that the daemon may not read", Told::Until(open_spooled), "claimed into the spool, cannot be copied", |folder, _| {
        let file = folder.join("secret.txt");
        fs::write(&file, "no query")?;
        fs::set_permissions(file, Permissions::from_mode(0o000))
    }),
    odd("a folder that the daemon may not read", Told::Until(open_folder), "the folder cannot be read", |folder, _| {
        fs::set_permissions(folder, Permissions::from_mode(0o300))
    }),
    odd("a folder in which the daemon may rename nothing", Told::Until(open_folder), "it cannot be claimed, trying again", |folder, _| {
        fs::write(folder.join("kept.txt"), "no query")?;
        fs::set_permissions(folder, Permissions::from_mode(0o500))
    }),
    odd("a file of another user in a folder with the sticky bit", Told::InOutbox, "it cannot be claimed, trying again", |folder, _| {
        if !rustix::process::geteuid().is_root() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        std::os::unix::fs::chown(folder, Some(0), None)?;
        fs::set_permissions(folder, Permissions::from_mode(0o1777))?;
        fs::write(folder.join("theirs.txt"), "no query")
    }),
    odd("a file that cannot be changed (chattr +i)", Told::Until(change_again), "it cannot be claimed, trying again", |folder, _| {
        fs::write(folder.join("fixed.txt"), "no query")?;
        let changed = Command::new("chattr").arg("+i").arg(folder.join("fixed.txt")).status()?;
        if changed.success() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
    }),
    odd("a hard link to a file elsewhere", Told::Sent, "", |folder, query| {
        let elsewhere = folder.join("../../elsewhere.txt");
        fs::write(&elsewhere, query)?;
        User::SLUSE.gets(&elsewhere, true);
        fs::hard_link(elsewhere, folder.join("query.txt"))
    }),
    odd("a file that is removed while it is looked at, a hundred times", Told::Nowhere, "", |folder, query| {
        for number in 0..100 {
            let file = folder.join(format!("brief-{number}.txt"));
            fs::write(&file, &query[..query.len() - 1])?;
            fs::remove_file(file)?;
        }
        Ok(())
    }),
];

fn node(folder: &Path, kind: FileType, device: u64) -> io::Result<()> {
    Ok(mknodat(CWD, folder.join("node.txt"), kind, Mode::RUSR | Mode::WUSR, device)?)
}

fn sparse(folder: &Path, size: u64) -> io::Result<()> {
    let (hidden, shown) = (folder.join(".huge"), folder.join("huge.txt"));
    fs::File::create(&hidden)?.set_len(size)?;
    User::SLUSE.gets(&hidden, true);
    fs::rename(hidden, shown)
}

fn open_folder(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o2770)).unwrap();
}

/// The file is in the spool by now.
fn open_spooled(folder: &Path) {
    let spool = folder.join("../../../state/spool");
    let name = sorted_names(&spool).into_iter().find(|name| name.ends_with("secret.txt")).unwrap();
    fs::set_permissions(spool.join(name), Permissions::from_mode(0o644)).unwrap();
}

fn change_again(folder: &Path) {
    assert!(Command::new("chattr").arg("-i").arg(folder.join("fixed.txt")).status().unwrap().success());
}

/// Whatever becomes of the test, its folders can be removed.
struct Changeable(Vec<PathBuf>);

impl Drop for Changeable {
    fn drop(&mut self) {
        for file in self.0.iter().map(|folder| folder.join("fixed.txt")).filter(|file| file.exists()) {
            let _ = Command::new("chattr").arg("-i").arg(file).status();
        }
    }
}

/// Puts one thing into its folder. False: this machine does not have it, and says why.
fn is_put(ground: &Ground, odd: &Odd, municipality: MunicipalityCode) -> bool {
    let (_, query) = ground.compose(municipality, payment_date(1));
    let put = (odd.put)(&ground.outbox(municipality), &query);
    put.inspect_err(|trouble| eprintln!("{} cannot be made here: {trouble}", odd.thing)).is_ok()
}

/// The sentence that Sluse says of a thing.
fn told(ground: &Ground, daemon: &Daemon, odd: &Odd, municipality: MunicipalityCode) -> String {
    let folder = ground.outbox(municipality);
    let waiting = || {
        let is_of_it = |name: &str| name == folder.display().to_string();
        let mut all = ground.waiting().into_iter();
        let found = all.find(|w| w.municipality == Some(municipality) || is_of_it(&w.name))?;
        found.why.contains(odd.words).then_some(found.why)
    };
    let refused = || {
        let beside = ground.path(&format!("state/refused/sf2530-0/{municipality}"));
        let names = sorted_names(&beside);
        let why = names.iter().find(|name| name.ends_with(".why.txt"))?;
        let text = fs::read_to_string(beside.join(why)).unwrap();
        assert!(text.contains(odd.words), "{}: {text}", odd.thing);
        text.lines().nth(1).map(str::to_owned)
    };
    match odd.told {
        Told::InOutbox | Told::Until(_) => until(&format!("the sentence on {}", odd.thing), waiting),
        Told::Refused => until(&format!("the refusal of {}", odd.thing), refused),
        Told::Sent => ground.until_state(municipality, 1, "done").state.name().to_owned(),
        Told::Nowhere => {
            assert!(!daemon.log().contains("a task ended abnormally"));
            "it is gone, and nothing is said of it".to_owned()
        }
    }
}

/// Where the good file is named that comes after a thing.
const NEXT: &str = "next.txt";

fn give_next(ground: &Ground, municipality: MunicipalityCode) {
    let (_, bytes) = ground.compose(municipality, payment_date(2));
    let (part, next) = (ground.path("next.part"), ground.outbox(municipality).join(NEXT));
    fs::write(&part, bytes).unwrap();
    User::SLUSE.gets(&part, true);
    fs::rename(&part, next).unwrap();
}

fn assert_next_is_done(ground: &Ground, odd: &Odd, municipality: MunicipalityCode) {
    until(&format!("the query after {} to be done", odd.thing), || {
        let exchanges = ground.exchanges(municipality);
        let of_it = exchanges.iter().find(|exchange| exchange.query().is_some_and(|q| q.original_name == NEXT))?;
        (of_it.state.name() == "done").then_some(())
    });
}

#[test]
fn whatever_lies_in_an_outbox_is_told_in_a_sentence_and_holds_nothing_up() {
    let codes: Vec<String> = MunicipalityCode::all().take(ODD.len()).map(|row| row.code.to_string()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut ground = Ground::lay(&codes, FarPlan::default());
    ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
    let mut daemon = ground.start_as_sluse();
    daemon.until_said("running");
    let municipalities = ground.sides[0].municipalities.clone();
    let municipality = |number: usize| municipalities[number];

    let put: Vec<(usize, &Odd)> =
        ODD.iter().enumerate().filter(|(number, odd)| is_put(&ground, odd, municipality(*number))).collect();
    let _changeable = Changeable(put.iter().map(|(number, _)| ground.outbox(municipality(*number))).collect());
    let sentences: Vec<String> =
        put.iter().map(|(number, odd)| told(&ground, &daemon, odd, municipality(*number))).collect();
    assert_shown_safely(&ground, &daemon);
    for ((number, odd), sentence) in put.iter().zip(&sentences) {
        let folder = ground.outbox(municipality(*number));
        if let Told::Until(mend) = odd.told {
            mend(&folder);
        }
        give_next(&ground, municipality(*number));
        println!("{}: {sentence}", odd.thing);
    }
    for ((number, odd), sentence) in put.iter().zip(&sentences) {
        assert_next_is_done(&ground, odd, municipality(*number));
        let fault = format!("{} in the outbox", odd.thing);
        record(&Row::once(Chapter::Outbox, fault, sentence.clone()));
    }

    // None was followed, none was taken but what was refused or sent, and what was mended went its way
    for (number, odd) in put {
        let folder = ground.outbox(municipality(number));
        let left = || fs::read_dir(&folder).unwrap().count();
        match odd.told {
            Told::InOutbox => assert_eq!(left(), 1, "{} is still there", odd.thing),
            Told::Until(_) => until(&format!("{} to go its way", odd.thing), || (left() == 0).then_some(())),
            Told::Refused | Told::Sent | Told::Nowhere => assert_eq!(left(), 0, "{} is not", odd.thing),
        }
    }
    let passwd = fs::read("/etc/passwd").unwrap();
    assert!(files_below(&ground.path("state")).iter().all(|file| fs::read(file).unwrap() != passwd));
    let elsewhere = fs::read(ground.path("side-0/elsewhere.txt")).unwrap();
    assert_eq!(elsewhere.len(), 366, "the other name of what was sent still has its bytes");
}

/// That nothing of a file's name reaches a terminal as anything but letters.
fn assert_shown_safely(ground: &Ground, daemon: &Daemon) {
    let config = ground.path("sluse.toml");
    let show = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
        let output = command.arg("--config").arg(&config).args(arguments).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let mut shown = vec![show(&["status"]), daemon.log()];
    let named = ["new\nline \u{1b}[31mred.txt", "a\nb.txt", "link.txt"];
    shown.extend(named.iter().map(|name| show(&["explain", name])));
    for text in shown {
        assert!(text.contains("txt"), "{text:?}");
        let escaped = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
        assert_eq!(escaped, None, "{text:?}");
        let has_line = text.lines().any(|line| line.starts_with("line ") || line.starts_with("b.txt"));
        assert!(!has_line, "a name's own new line: {text}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let below = |entry: fs::DirEntry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files_below(&entry.path()),
        kind if kind.is_file() && entry.metadata().unwrap().len() <= QUERY_SIZE_MAX => vec![entry.path()],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}
