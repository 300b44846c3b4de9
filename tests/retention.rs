//! What is older than is kept goes, and nothing else: files, stories, ended agreements; by the daemon and without one, and
//! killed in the middle. What comes again is still known, and whatever somebody does to what is left is found.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "audit/forge.rs"]
mod forge;
mod rig;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use forge::Forge;
use rig::{
    Chapter, Daemon, FarPlan, Ground, Remains, Row, SmallDisk, files_below, in_each, payment_date, record, until,
};
use sluse::domain::exchange::Exchange;
use sluse::domain::municipality::MunicipalityCode;
use sluse::engine::decide::Verdict;
use sluse::engine::point::{KILL_VARIABLE, POINTS_OF_RETENTION};
use sluse::engine::retention::Plan;
use sluse::store::anchor::AnchorLine;
use sluse::store::removal::Removed;
use sluse::store::{Body, Reading, SqliteReader};
use tempfile::TempDir;

const STORE: &str = "state/sluse.db";

/// Files go after a month, stories after a year, ended agreements after two months.
const PERIODS: [&str; 3] = ["keep_archive = \"30d\"", "keep_journal = \"1y\"", "keep_register = \"2mo\""];

const DAY_MICROS: i64 = 86_400_000_000;

/// Makes all that a daemon has left that much older, as if it had been written by a clock of then.
fn age(store: &Path, days: i64) {
    let conn = forge::open_raw(store);
    for sql in ["UPDATE journal SET at = at - ?1", "UPDATE applied SET known_at = known_at - ?1"] {
        conn.execute(sql, [days * DAY_MICROS]).unwrap();
    }
    forge::rechain(&conn, 1);
    drop(conn);
    let mut last = None;
    SqliteReader::open(store).unwrap().entries(0, &mut |entry| last = Some(AnchorLine::from(&entry))).unwrap();
    fs::write(store.with_file_name("journal.anchor"), format!("{}\n", last.unwrap())).unwrap();
}

/// A ground on which each municipality has asked twice: more than a year ago, and ten months ago, when some agreements ended;
/// and all but the first just now, when they came back.
fn with_rounds(municipalities: &[&str]) -> Ground {
    let mut ground = Ground::lay(municipalities, FarPlan { agreements: 120, ..FarPlan::default() });
    ground.sides[0].exchange_lines = PERIODS.map(str::to_owned).to_vec();
    for (round, days) in [(1, 100), (2, 300), (3, 0)] {
        let mut daemon = ground.start();
        let asks = &ground.sides[0].municipalities[usize::from(round == 3)..];
        for municipality in asks {
            ground.ask_for(*municipality, payment_date(round));
        }
        for municipality in asks {
            ground.until_state(*municipality, round as usize, "done");
        }
        daemon.terminate();
        if days > 0 {
            age(&ground.path(STORE), days);
        }
    }
    ground
}

/// What a command says, however its lines are wrapped, and its exit status; none: it was killed.
fn said(output: Output) -> (String, i32) {
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (said.split_whitespace().collect::<Vec<_>>().join(" "), output.status.code().unwrap_or(-1))
}

fn sluse(ground: &Ground, arguments: &[&str]) -> (String, i32) {
    said(ground.command(arguments))
}

fn fine(ground: &Ground, arguments: &[&str]) -> String {
    let (said, status) = sluse(ground, arguments);
    assert_eq!(status, 0, "{arguments:?}: {said}");
    said
}

fn running(ground: &Ground) -> Daemon {
    let mut daemon = ground.start();
    daemon.until_said("running");
    daemon
}

/// What lies in the archive of one municipality of the first exchange.
fn archived(ground: &Ground, municipality: MunicipalityCode) -> BTreeSet<PathBuf> {
    files_below(&ground.path(&format!("state/archive/sf2530-0/{municipality}")))
}

/// The files of one of its exchanges that lie there, each with its content.
fn files_of(ground: &Ground, exchange: &Exchange) -> Vec<(PathBuf, Vec<u8>)> {
    let (id, transfer) = (exchange.id.to_string(), exchange.arrivals[0].transfer.to_string());
    let is_its = |path: &PathBuf| path.to_string_lossy().contains(&id) || path.to_string_lossy().contains(&transfer);
    let found = archived(ground, exchange.route.municipality).into_iter().filter(is_its);
    found.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Agreements of the first page that are not on the second.
fn ended(ground: &Ground, municipality: MunicipalityCode) -> u64 {
    let [first, second] = [1, 2].map(|round| ground.page(municipality, round));
    first.keys().filter(|key| !second.contains_key(key)).count() as u64
}

fn to_unlink(store: &Path) -> i64 {
    forge::open_raw(store).query_row("SELECT count(*) FROM to_unlink", [], |row| row.get(0)).unwrap()
}

fn checkpoints(store: &Path) -> Vec<Removed> {
    let mut found = Vec::new();
    let mut note = |entry: sluse::store::Entry| {
        if let Body::House(sluse::store::HouseFact::Checkpoint { removed, .. }) = entry.body {
            found.push(removed);
        }
    };
    SqliteReader::open(store).unwrap().entries(0, &mut note).unwrap();
    found
}

/// A hold on a name that nobody knows would keep nothing, and somebody would rely on it: it is a mistake, told with the
/// names that there are, and nothing is journalled.
fn refuses_holds_on_what_is_not_there(ground: &Ground) {
    for (hold, unknown) in [
        (&["--exchange", "sf2530"][..], "exchange sf2530;"),
        (&["0849"], "municipality 0849;"),
        (&["0461", "--exchange", "sf2530-0"], "sf2530-0/0461;"),
    ] {
        let (said, status) = sluse(ground, &[&["legal-hold", "add", "--reason", "case 12/2026"], hold].concat());
        assert!(status == 2 && said.contains(unknown), "{said}");
        assert!(said.contains("the exchanges are `sf2530-0`, `sf2530-1`"), "{said}");
    }
    assert!(!fine(ground, &["legal-hold", "list"]).contains("case 12/2026"));
}

#[test]
fn what_is_older_than_is_kept_goes_the_rest_stays_and_what_comes_again_is_known() {
    // Given stories of several ages of two municipalities, and one of an exchange that is kept for ever
    let mut ground = with_rounds(&["0101", "0751"]);
    ground.add_side(&["0461"], FarPlan { agreements: 3, ..FarPlan::default() });
    let [gone, held] = ground.sides[0].municipalities[..] else { panic!("two of them") };
    let kept = ground.sides[1].municipalities[0];
    let mut daemon = running(&ground);
    ground.ask_for(kept, payment_date(1));
    ground.until_state(kept, 1, "done");
    daemon.terminate();
    let stories = ground.exchanges(gone);
    let [oldest, older] = [0, 1].map(|number| files_of(&ground, &stories[number]));
    let receipts: Vec<_> = stories[0].receipts.iter().map(|read| read.name.to_string()).collect();
    let receipt = files_below(&ground.path("state/archive/receipts"));
    let receipt = receipt.iter().find(|path| path.to_string_lossy().contains(&receipts[0])).unwrap();
    let receipt = fs::read(receipt).unwrap();
    let (everything, other) = (archived(&ground, held), files_below(&ground.path("state/archive/sf2530-1")));
    let now_in_register = fine(&ground, &["register", "0101"]);

    // When one of the two is held by law, and what is old enough is to go; and the daemon is killed amid it
    let mut daemon = running(&ground);
    refuses_holds_on_what_is_not_there(&ground);
    let listed = fine(&ground, &["legal-hold", "add", "0751", "--reason", "case 12/2026"]);
    assert!(listed.contains("municipality 0751") && listed.contains("case 12/2026"), "{listed}");
    let plan: Plan = serde_json::from_str(&fine(&ground, &["retention", "--json"])).unwrap();
    let [first, second] = &plan.exchanges[..] else { panic!("{plan:?}") };
    assert_eq!((first.stories_go, first.files_go, first.held_by_law), (1, 1, 3), "{plan:?}");
    assert_eq!(plan.registers.iter().map(|due| due.agreements).sum::<u64>(), 0, "its replies can be read: {plan:?}");
    assert_eq!((second.for_ever, second.stories_go + second.files_go), (1, 0), "{plan:?}");
    daemon.terminate();
    assert_eq!(checkpoints(&ground.path(STORE)), [], "nobody has removed anything by looking");
    let mut killed = ground.start_with(&[(KILL_VARIABLE, "file_unlinked".to_owned())]);
    killed.until_said("running");
    assert_eq!(sluse(&ground, &["retention", "--now"]).1, 1);
    killed.wait_for_kill();
    assert!(to_unlink(&ground.path(STORE)) > 0);

    // Then the next daemon carries it on
    let mut daemon = running(&ground);
    until("the files to be gone", || (to_unlink(&ground.path(STORE)) == 0).then_some(()));
    let ended = ended(&ground, gone);
    assert!(ended > 0, "the book ends somebody");
    let mut sum = Removed::default();
    checkpoints(&ground.path(STORE)).into_iter().for_each(|removed| sum += removed);
    assert_eq!((sum.erased, sum.stories, sum.agreements), (2, 1, ended), "{sum:?}");
    assert!(fine(&ground, &["retention", "--now"]).contains("Nothing is older than is kept"));

    // And it is just that
    assert_eq!((archived(&ground, gone), oldest.len(), older.len()), (BTreeSet::new(), 3, 3));
    assert!(!oldest[0].0.parent().unwrap().exists(), "the names of folders tell, too");
    assert_eq!((archived(&ground, held), files_below(&ground.path("state/archive/sf2530-1"))), (everything, other));
    assert_eq!(fine(&ground, &["register", "0101"]), now_in_register);
    let (verified, status) = sluse(&ground, &["audit", "verify"]);
    assert!(status == 0 && verified.contains("Retention has removed"), "{verified}");
    let rebuilt = fine(&ground, &["rebuild"]);
    assert!(rebuilt.contains("the rows that checkpoints left of 2 others taken"), "{rebuilt}");
    let explained = fine(&ground, &["explain", &stories[0].id.to_string()]);
    assert!(explained.contains("was removed at") && explained.contains("keyed hash"), "{explained}");
    assert!(!explained.contains(&stories[0].arrivals[0].hash.short()), "{explained}");
    let explained = fine(&ground, &["explain", &stories[1].id.to_string()]);
    assert!(explained.contains("were erased at") && explained.contains("handed over"), "{explained}");
    assert!(!explained.contains(&stories[1].arrivals[0].hash.short()), "{explained}");

    // And whoever asks for what is not there any more is told so, and from when on it is
    let then = (jiff::Zoned::now().date() - jiff::Span::new().days(200)).to_string();
    for option in ["--known-at", "--valid-on"] {
        let (said, status) = sluse(&ground, &["register", "0101", option, &then]);
        assert!(status == 2 && said.contains("ask from then on"), "{said}");
        fine(&ground, &["register", "0751", option, &then]);
    }
    let yesterday = (jiff::Zoned::now().date() - jiff::Span::new().days(1)).to_string();
    fine(&ground, &["register", "0101", "--known-at", &yesterday]);

    // And a reply and a receipt that come once more are known and cleared away, also by a new daemon
    daemon.terminate();
    let mut daemon = running(&ground);
    let fetched = ground.count_of(gone, "reply_fetched");
    for (path, content) in oldest.iter().chain(&older) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.to_string_lossy().contains("/replies/") {
            ground.far().put_into_in(name, content);
        }
    }
    ground.far().put_into_in(&receipts[0], &receipt);
    until("IN to be cleared", || ground.far().names_in_in().is_empty().then_some(()));
    assert_eq!(ground.count_of(gone, "reply_fetched"), fetched);

    // And a second query for a payment that was asked about then is held
    ground.ask_for(gone, payment_date(1));
    until("it to be held", || (!ground.held().is_empty()).then_some(()));
    let item = ground.held_one();
    assert!(item.reasons.join(" ").contains(&stories[0].id.to_string()), "{item:?}");
    assert_eq!(ground.decide(&item, Verdict::Refuse), "refused");
    until("it to be set aside", || {
        let is_over = ground.exchanges(gone).iter().all(|exchange| exchange.state.is_final());
        is_over.then_some(())
    });
    let outcome = "what is left of them knows reply, receipt and payment date again";
    record(&Row { tried: 3, ..Row::once(Chapter::Audit, "a duplicate of what retention has removed", outcome) });

    // And once the hold is lifted, the other one's goes too, and is told; a backup has what is left
    fine(&ground, &["legal-hold", "remove", "0751", "--reason", "the case is closed"]);
    assert!(fine(&ground, &["retention", "--now"]).contains("Removed: "));
    assert!(daemon.log().contains("what was older than is kept was removed"), "{}", daemon.log());
    assert!(archived(&ground, held).len() < 10, "{:?}", archived(&ground, held));
    fine(&ground, &["audit", "verify"]);
    fine(&ground, &["rebuild"]);
    fine(&ground, &["backup", ground.path("backup").to_str().unwrap()]);
    daemon.terminate();
    let mut daemon = running(&ground);
    assert_eq!(ground.status().restored, None);
    daemon.terminate();
}

/// What three rounds have left, laid out anew.
struct House(TempDir);

impl House {
    fn lay() -> House {
        static REMAINS: OnceLock<Remains> = OnceLock::new();
        House(REMAINS.get_or_init(|| Remains::of(&with_rounds(&["0751"]))).lay())
    }

    fn call(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
        command.arg("--config").arg(self.0.path().join("sluse.toml")).args(arguments).env_remove("SLUSE_LOG");
        command.envs(environment.iter().copied()).output().unwrap()
    }

    fn fine(&self, arguments: &[&str]) -> String {
        let (said, status) = said(self.call(arguments, &[]));
        assert_eq!(status, 0, "{arguments:?}: {said}");
        said
    }

    fn archive(&self) -> BTreeSet<PathBuf> {
        let archive = self.0.path().join("state/archive");
        files_below(&archive).into_iter().map(|path| path.strip_prefix(&archive).unwrap().to_owned()).collect()
    }

    /// How many entries the journal still tells.
    fn entries(&self) -> u64 {
        let mut number = 0;
        let reader = SqliteReader::open(&self.0.path().join(STORE)).unwrap();
        reader.entries(0, &mut |entry| number += u64::from(matches!(entry.body, Body::Exchange { .. }))).unwrap();
        number
    }
}

#[test]
fn killed_at_any_step_it_is_carried_on_and_comes_to_the_same() {
    let whole = House::lay();
    let before = (whole.archive().len(), whole.entries());
    whole.fine(&["retention", "--now"]);
    let expected = (whole.archive(), whole.entries());
    assert!(expected.0.len() < before.0 && expected.1 < before.1, "{before:?}");

    in_each(&POINTS_OF_RETENTION, |point| {
        let house = House::lay();
        let killed = house.call(&["retention", "--now"], &[(KILL_VARIABLE, point)]);
        assert_eq!(killed.status.signal(), Some(9), "{point}: {}", said(killed).0);
        // What is recorded is whole in itself, whatever lies about
        house.fine(&["audit", "verify"]);
        house.fine(&["rebuild"]);
        let (recovered, _) = said(house.call(&["recover", "--offline", "--json"], &[]));
        assert!(recovered.contains("\"replies\": []") && recovered.contains("\"queries\": []"), "{point}: {recovered}");

        house.fine(&["retention", "--now"]);

        assert_eq!((house.archive(), house.entries()), expected, "{point}");
        assert_eq!(to_unlink(&house.0.path().join(STORE)), 0, "{point}");
        for looked in [["audit", "verify"].as_slice(), &["rebuild"], &["explain", "0751"]] {
            house.fine(looked);
        }
        let outcome = "carried on by the next run; audit and rebuild find nothing wrong";
        record(&Row::once(Chapter::Processes, format!("`kill -9` of a retention at {point}"), outcome));
    });
}

#[test]
fn nothing_of_what_is_left_is_altered_unseen() {
    // Given a store from which files, stories and ended agreements have gone
    let house = House::lay();
    house.fine(&["retention", "--now"]);
    let forge = Forge::of(&house.0.path().join(STORE));
    assert_eq!(forge.verify(&[]).1, [], "what nobody was at");

    // When somebody changes it
    let mut tried = 0;
    for (what, sql) in [
        ("a removed entry's hash", "UPDATE removed SET hash = zeroblob(32) WHERE seq = (SELECT min(seq) FROM removed)"),
        ("the last removed entry's hash", "UPDATE removed SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM removed)"),
        ("a removed entry", "DELETE FROM removed WHERE seq = (SELECT min(seq) FROM removed)"),
        ("all removed entries", "DELETE FROM removed"),
        ("what an altered entry says", "UPDATE removed SET body = replace(body, '0751', '0101') WHERE body IS NOT NULL"),
        ("an altered entry's moment", "UPDATE removed SET at = at + 1 WHERE body IS NOT NULL"),
        (
            "what an altered entry said at all",
            "UPDATE removed SET version = NULL, at = NULL, exchange = NULL, kind = NULL, body = NULL WHERE body IS NOT NULL",
        ),
        (
            "a removed entry put back",
            "INSERT INTO journal SELECT r.seq, j.version, j.at, j.exchange, j.kind, j.body, j.previous, r.hash
             FROM removed r, journal j WHERE r.body IS NULL ORDER BY j.seq, r.seq LIMIT 1",
        ),
        (
            "an entry removed as if a checkpoint had",
            "INSERT INTO removed (seq, hash) SELECT seq, hash FROM journal WHERE exchange IS NOT NULL ORDER BY seq DESC LIMIT 1;
             DELETE FROM journal WHERE seq IN (SELECT seq FROM removed)",
        ),
        ("a line of what is left", "UPDATE remains SET body = replace(body, '0751', '0101') WHERE number = 1"),
        ("a link of what is left", "UPDATE remains SET link = zeroblob(32) WHERE number = 1"),
        ("the last line of what is left", "DELETE FROM remains WHERE number = (SELECT max(number) FROM remains)"),
        ("the first line of what is left", "DELETE FROM remains WHERE number = 1"),
        ("everything that is left", "DELETE FROM remains"),
        (
            "a line more of what is left",
            "INSERT INTO remains SELECT max(number) + 1, max(seq), body, link FROM remains",
        ),
        ("the checkpoint", "UPDATE journal SET body = replace(body, 'checkpoint', 'checkpoinT') WHERE kind = 'checkpoint'"),
        ("the checkpoint's counts", "UPDATE journal SET body = replace(body, '\"erased\":', '\"erased\":1') WHERE kind = 'checkpoint'"),
        ("the checkpoint's entry", "DELETE FROM journal WHERE seq = (SELECT min(seq) FROM journal WHERE kind = 'checkpoint')"),
        ("the key", "UPDATE secret SET key = zeroblob(32)"),
        ("no key", "DELETE FROM secret"),
        (
            "a row of an erased reply",
            "UPDATE statement SET amount_oere = amount_oere + 1 WHERE number = (SELECT min(number) FROM statement)",
        ),
        ("an erased reply's rows", "DELETE FROM statement WHERE number = (SELECT min(number) FROM statement)"),
        ("an erased reply's mark", "UPDATE applied SET known_at = known_at + 1 WHERE seq = (SELECT min(seq) FROM applied)"),
        ("no mark of an erased reply", "DELETE FROM applied WHERE seq = (SELECT min(seq) FROM applied)"),
        ("a trigger of it", "DROP TRIGGER remains_are_never_deleted"),
    ] {
        forge.restore();
        forge.tamper(|conn| conn.execute_batch(sql).unwrap());
        let (_, flaws) = forge.verify(&[]);
        assert!(!flaws.is_empty(), "{what} is altered unseen");
        assert!(flaws.iter().all(|flaw| !flaw.what.contains("0707614285")), "{what}: {flaws:?}");
        tried += 1;
    }

    // Then it is found
    let outcome = "found by `sluse audit verify`";
    record(&Row { tried, ..Row::once(Chapter::Audit, "what retention has left behind altered", outcome) });
}

#[test]
fn what_is_kept_for_a_shorter_time_since_a_reload_goes_at_the_next_run() {
    // Given a story of long ago, of a house that keeps everything
    let mut ground = Ground::lay(&["0751"], FarPlan { agreements: 3, ..FarPlan::default() });
    let municipality = ground.municipality();
    let mut daemon = running(&ground);
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    daemon.terminate();
    age(&ground.path(STORE), 100);
    let daemon = running(&ground);
    assert!(fine(&ground, &["retention", "--now"]).contains("Nothing is older than is kept"));

    // When it is to keep them for a month
    ground.replace_settings("[retention]\narchive = \"30d\"\njournal = \"1y\"\nregister = \"1y\"\n");
    ground.write_settings();
    daemon.reload();
    until("the new settings to be in force", || daemon.log().contains("read again and in force").then_some(()));
    assert!(daemon.log().contains("key=retention.archive now=\"\\\"30d\\\"\""), "{}", daemon.log());

    // Then its files go at the next run
    assert!(fine(&ground, &["retention", "--now"]).contains("Removed: "));
    assert_eq!(archived(&ground, municipality), BTreeSet::new());
}

/// A ground on which one story is old enough for its files to go; `state` is made ready first.
fn with_one_old_story<T>(state: impl FnOnce(&Path) -> T) -> (Ground, T) {
    let mut ground = Ground::lay(&["0751"], FarPlan { agreements: 3, ..FarPlan::default() });
    ground.sides[0].exchange_lines = PERIODS.map(str::to_owned).to_vec();
    let state = state(&ground.path("state"));
    let mut daemon = running(&ground);
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    daemon.terminate();
    age(&ground.path(STORE), 100);
    (ground, state)
}

#[test]
fn a_receipt_that_comes_after_its_storys_files_were_erased_goes_at_the_next_run() {
    // Given a story whose files are erased, and a second receipt for it, which the hub has thought of late
    let (ground, ()) = with_one_old_story(|_| ());
    let (municipality, receipts) = (ground.municipality(), ground.path("state/archive/receipts"));
    let mut daemon = running(&ground);
    let name = ground.exchanges(municipality)[0].receipts[0].name.to_string();
    let text = fs::read_to_string(files_below(&receipts).first().unwrap()).unwrap();
    let (before, rest) = text.split_once("<FileTransferUUID>").unwrap();
    let other = format!("{before}<FileTransferUUID>47570fc2-be65-4ab1-8da7-3bcc086bfef9{}", &rest[36..]);
    assert!(fine(&ground, &["retention", "--now"]).contains("Removed: "));
    assert_eq!(files_below(&receipts), BTreeSet::new());
    ground.far().put_into_in(&name, other.as_bytes());
    until("it to be read", || (ground.count_of(municipality, "receipt_read") == 2).then_some(()));
    assert_eq!(files_below(&receipts).len(), 1);
    fine(&ground, &["rebuild"]);
    fine(&ground, &["backup", ground.path("backup").to_str().unwrap()]);
    assert_eq!(files_below(&ground.path("backup/archive/receipts")).len(), 1);

    // When retention runs again
    assert!(fine(&ground, &["retention", "--now"]).contains("Removed: "));

    // Then it is gone, nothing is left to go, and the next daemon knows it all the same
    assert_eq!(files_below(&ground.path("state/archive")), BTreeSet::new());
    assert!(fine(&ground, &["retention", "--now"]).contains("Nothing is older than is kept"));
    fine(&ground, &["audit", "verify"]);
    fine(&ground, &["rebuild"]);
    daemon.terminate();
    let _daemon = running(&ground);
    assert!(fine(&ground, &["retention", "--now"]).contains("Nothing is older than is kept"));
    ground.far().put_into_in(&name, other.as_bytes());
    until("IN to be cleared", || ground.far().names_in_in().is_empty().then_some(()));
    assert_eq!(ground.count_of(municipality, "receipt_read"), 2);
    let outcome = "erased by the next run, and known when it comes again";
    record(&Row::once(Chapter::Audit, "a receipt for a story whose files are erased", outcome));
}

#[test]
fn a_run_that_a_full_disk_interrupts_says_so_and_goes_on_when_there_is_room() {
    let (ground, disk) = with_one_old_story(SmallDisk::mount);
    let daemon = running(&ground);

    // When the store cannot be written just then
    disk.fill();
    let (said, status) = sluse(&ground, &["retention", "--now"]);

    // Then the person and the log hear what was done, what was not and what comes next, and nobody hears of a good end
    assert_eq!(status, 1, "{said}");
    for words in ["it is interrupted", "until then 0 stories lost their files", "goes by itself when the store can be"]
    {
        assert!(said.contains(words), "{said}");
    }
    let interrupted = "retention: interrupted, so much was removed; the rest goes when the store can be written again";
    assert!(daemon.log().contains(interrupted), "{}", daemon.log());
    assert!(!daemon.log().contains("older than is kept"), "{}", daemon.log());
    assert!(!archived(&ground, ground.municipality()).is_empty());

    // And the run goes on by itself when there is room
    disk.empty();
    until("its end", || daemon.log().contains("what was older than is kept was removed").then_some(()));
    until("the files to be gone", || archived(&ground, ground.municipality()).is_empty().then_some(()));
    fine(&ground, &["audit", "verify"]);
    let outcome = "told as interrupted, and carried on when there is room";
    record(&Row::once(Chapter::Disk, "state folder full in the middle of a retention", outcome));
}

#[test]
fn a_run_whose_files_cannot_be_unlinked_says_so_and_they_go_when_they_can() {
    // Given a file that is no file any more
    let (ground, ()) = with_one_old_story(|_| ());
    let file = archived(&ground, ground.municipality()).into_iter().find(|path| path.ends_with("query")).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let daemon = running(&ground);

    let (said, status) = sluse(&ground, &["retention", "--now"]);

    // Then it is told as what it is
    assert!(status == 1 && said.contains("its files cannot be unlinked yet"), "{status}: {said}");
    let not_all = "is removed from the store, but not all of its files, which is tried again and again";
    assert!(daemon.log().contains(not_all), "{}", daemon.log());
    assert!(!daemon.log().contains("what was older than is kept was removed"), "{}", daemon.log());

    // And once it can be unlinked, that is told, too
    fs::remove_dir(&file).unwrap();
    fine(&ground, &["retention", "--now"]);
    until("the files to be gone", || (to_unlink(&ground.path(STORE)) == 0).then_some(()));
    assert!(daemon.log().contains("files that retention has given up can be unlinked again"), "{}", daemon.log());
    assert_eq!(archived(&ground, ground.municipality()), BTreeSet::new());
}
