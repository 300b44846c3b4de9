//! The manual is kept true by being run: every command on every page is one that the program understands, and every block is
//! run as it stands, here or by the test that is named for it; each ends with the exit status that the page says.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "manual/pages.rs"]
mod pages;
mod rig;
#[path = "manual/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use pages::{Block, blocks, dead_links, mistakes};
use rig::{Chapter, FarPlan, Ground, Plan, Row, payment_date, record, until};
use rustix::process::{Pid, Signal, kill_process};
use sluse::engine::point::KILL_VARIABLE;
use stage::{Stage, shell};

/// Blocks that are run elsewhere.
struct Elsewhere {
    page: &'static str,
    /// The block's name, or how it begins; None: each of the page.
    block: Option<&'static str>,
    /// A file, or a folder of them.
    by: &'static str,
    /// What stands there because of it; `NAME` is the block's.
    proof: &'static str,
}

const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere { page: "README.md", block: Some("make demo"), by: "Makefile", proof: "demo:" },
    Elsewhere { page: "README.md", block: Some("first-exchange"), by: "tests/readme.rs", proof: "```sh NAME" },
    Elsewhere { page: "docs/install.md", block: Some("names"), by: "tests/system", proof: "SFTP_USER=" },
    Elsewhere { page: "docs/install.md", block: None, by: "tests/system", proof: "manual NAME" },
    Elsewhere { page: "docs/key-rotation.md", block: None, by: "tests/key_rotation.rs", proof: "\"NAME\"" },
    Elsewhere {
        page: "docs/log-messages.md",
        block: Some("journal"),
        by: "tests/system",
        proof: "journalctl -u sluse",
    },
    Elsewhere { page: "docs/incidents.md", block: None, by: "tests/incidents", proof: "```console" },
];

/// On what ground a block is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Everything is done, and the daemon runs.
    Quiet,
    /// A query is held.
    Held,
    /// One was refused.
    Refused,
    /// The daemon does not run.
    Stopped,
    /// Nobody knows whether a trigger was made.
    Doubt,
    /// The store is lost, and a backup is put back.
    Lost,
    /// The official layouts have come.
    Layouts,
    /// A hub, to be stopped again.
    Hub,
    /// None is needed.
    Bare,
}

/// Where a block is not for a quiet day: its page, and what stands in it, or its name.
const SCENES: &[(&str, &str, Scene)] = &[
    ("docs/commands.md", "sluse approve", Scene::Held),
    ("docs/commands.md", "sluse refuse", Scene::Held),
    ("docs/commands.md", "sluse withdraw", Scene::Held),
    ("docs/commands.md", "sluse retry", Scene::Refused),
    ("docs/commands.md", "sluse recover", Scene::Stopped),
    ("docs/commands.md", "sluse settle", Scene::Doubt),
    ("docs/commands.md", "sluse hub", Scene::Hub),
    ("docs/commands.md", "sluse demo", Scene::Bare),
    ("docs/backup.md", "/srv/backup", Scene::Lost),
    ("docs/backup.md", "recover", Scene::Lost),
    ("docs/layouts.md", "layouts-", Scene::Layouts),
];

impl Elsewhere {
    fn is_of(&self, block: &Block) -> bool {
        let names = |name: &str| block.name == name || block.text.starts_with(name);
        self.page == block.page && self.block.is_none_or(names)
    }

    /// Whether the place that is named runs it.
    fn is_proven(&self, block: &Block) -> bool {
        let proof = self.proof.replace("NAME", &block.name);
        let has_it = |text: &str| text.lines().any(|line| line.contains(&proof));
        texts_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(self.by)).iter().any(|text| has_it(text))
    }
}

fn texts_of(path: &Path) -> Vec<String> {
    match path.is_dir() {
        true => fs::read_dir(path).unwrap().flat_map(|entry| texts_of(&entry.unwrap().path())).collect(),
        false => fs::read_to_string(path).into_iter().collect(),
    }
}

fn is_of_scene(block: &Block, (page, words, _): &(&str, &str, Scene)) -> bool {
    block.page == *page && (block.text.contains(words) || block.name.starts_with(words))
}

/// Every block that a person types.
fn typed(pages: &BTreeMap<String, String>) -> Vec<Block> {
    let all = pages.iter().flat_map(|(page, text)| blocks(page, text));
    all.filter(|block| ["sh", "console"].contains(&block.language.as_str())).collect()
}

/// Those that are run here, on this ground.
fn blocks_of(scene: Scene) -> Vec<Block> {
    let of =
        |block: &Block| SCENES.iter().find(|entry| is_of_scene(block, entry)).map_or(Scene::Quiet, |entry| entry.2);
    let here = typed(&pages::pages()).into_iter().filter(|block| !ELSEWHERE.iter().any(|place| place.is_of(block)));
    let found: Vec<_> = here.filter(|block| of(block) == scene).collect();
    assert!(!found.is_empty(), "no block of the manual needs {scene:?}");
    found
}

/// What is listed and not there, or there and not as it is listed.
fn misplaced(typed: &[Block], elsewhere: &[Elsewhere]) -> Vec<String> {
    let mut found = Vec::new();
    for place in elsewhere {
        if !typed.iter().any(|block| place.is_of(block)) {
            found.push(format!("{}: no block is {:?}", place.page, place.block));
        }
    }
    for block in typed {
        let Some(place) = elsewhere.iter().find(|place| place.is_of(block)) else { continue };
        if !place.is_proven(block) {
            found.push(format!("{}:{}: `{}` is not run by {}", block.page, block.line, block.name, place.by));
        }
    }
    found
}

/// Settings that a page shows and that the page of all settings does not have.
fn unknown_settings(block: &Block, settings: &str) -> Vec<String> {
    let is_there = |section: &str, key: &str| match section {
        "" => settings.contains(&format!("### `{key}` in ")),
        section => settings.contains(&format!("### `{key}` in `[{section}]`")),
    };
    let shown: toml::Table = block.text.parse().unwrap_or_else(|why| panic!("{}:{}: {why}", block.page, block.line));
    let mut unknown = Vec::new();
    for (name, value) in &shown {
        let (section, keys): (&str, Vec<&String>) = match value {
            toml::Value::Table(table) => (name, table.keys().collect()),
            _ => ("", vec![name]),
        };
        let of_it = keys.into_iter().filter(|key| !is_there(section, key));
        unknown.extend(of_it.map(|key| format!("{}:{}: no `{key}` in [{section}]", block.page, block.line)));
    }
    unknown
}

fn tell(ran: u64) {
    let outcome = "each ends with the exit status that its page says";
    record(&Row { tried: ran, ..Row::once(Chapter::Processes, "blocks of the manual, run as they stand", outcome) });
}

#[test]
fn every_command_in_the_manual_is_one_that_the_program_understands_and_every_link_leads_somewhere() {
    let pages = pages::pages();

    let mistaken: Vec<_> = pages.iter().flat_map(|(page, text)| mistakes(page, text)).collect();
    let mut dead = dead_links(&pages);

    assert!(mistaken.is_empty(), "\n{}", mistaken.join("\n"));
    let front = &pages["docs/README.md"];
    let of_docs = pages.keys().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "README.md");
    dead.extend(
        of_docs.filter(|page| !front.contains(&format!("]({page}"))).map(|page| format!("docs/README.md: no {page}")),
    );
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

#[test]
fn every_setting_that_a_page_shows_is_one_that_there_is() {
    let pages = pages::pages();
    let settings = &pages["docs/settings.md"];

    let shown = pages.iter().flat_map(|(page, text)| blocks(page, text)).filter(|block| block.language == "toml");
    let shown: Vec<_> = shown.collect();

    let unknown: Vec<_> = shown.iter().flat_map(|block| unknown_settings(block, settings)).collect();
    assert!(shown.len() >= 4 && unknown.is_empty(), "{unknown:?}");
    for bad in ["[page]\nlissen = \"x\"", "[pages]\nlisten = \"x\"", "host_key = []"] {
        let planted = &blocks("page.md", &format!("```toml\n{bad}\n```\n"))[0];
        assert_eq!(unknown_settings(planted, settings).len(), 1, "{bad}");
    }
}

#[test]
fn every_block_is_run_here_or_where_the_list_says_and_the_list_has_no_others() {
    let typed = typed(&pages::pages());

    assert_eq!(misplaced(&typed, ELSEWHERE), Vec::<String>::new());
    let is_needed = |entry: &(&str, &str, Scene)| typed.iter().any(|block| is_of_scene(block, entry));
    let idle: Vec<_> = SCENES.iter().filter(|entry| !is_needed(entry)).collect();
    assert!(idle.is_empty(), "{idle:?}");
    assert!(typed.len() > 40, "only {} blocks were found", typed.len());
}

#[test]
fn a_bad_command_a_wrong_exit_status_and_a_stale_entry_are_found() {
    let page = |text: &str| mistakes("page.md", text);
    for bad in [
        "```sh\nsluse status --no-such-option\n```\n",
        "```sh\nuntil sluse explian 0751 | grep done; do :; done\n```\n",
        "1. A list:\n\n   ```sh\n   sluse approve 3f0f9a2e   # without a reason\n   ```\n",
        "```sh\nsudo -u sluse sluse backupp /srv\n```\n",
        "```sh\nsystemd-run --pipe -p User=sluse sluse check --conect\n```\n",
        "```console\n$ sluse helt\n```\n",
        "```console\nNext:\n    sluse approve 3f0f9a2e --because you\n```\n",
        "Call `sluse\nresolve ID`.",
        "Call `sluse settle ID --perhaps`.",
        "Call `sluse audit certify`.",
    ] {
        assert_eq!(page(bad).len(), 1, "{bad}: {:?}", page(bad));
    }
    for good in [
        "```sh\nsluse query 0751 --payment-date \"$(date +%F)\" && sluse status || true\n```\n",
        "```sh\nsystemctl restart sluse; journalctl -u sluse -p warning; adduser me sluse\n```\n",
        "Call `sluse settle ID --sent\\|--not-sent`, `sluse check [--connect]`, or `sluse COMMAND --help`.",
    ] {
        assert_eq!(page(good), Vec::<String>::new(), "{good}");
    }

    let here = Path::new("/");
    for (line, is_as_it_says) in [
        ("true", true),
        ("false", false),
        ("false   # exit status 1: it is so", true),
        ("true   # exit status 1: it is not so", false),
        ("sh -c 'exit 2'  # exit status 1", false),
    ] {
        assert_eq!(shell(line, here, &[]).is_ok(), is_as_it_says, "{line}");
    }

    let typed = blocks("README.md", "```sh first-exchange\nsluse status\n```\n");
    let entry = |block, proof| Elsewhere { page: "README.md", block: Some(block), by: "tests/readme.rs", proof };
    assert_eq!(misplaced(&typed, &[entry("first-exchange", "```sh NAME")]).len(), 0);
    assert_eq!(misplaced(&typed, &[entry("second-exchange", "```sh NAME")]).len(), 1, "no such block");
    assert_eq!(misplaced(&typed, &[entry("first-exchange", "```sh NAME ever after")]).len(), 1, "nobody runs it");
    assert_eq!(dead_links(&[("a.md".into(), "[x](b.md) [y](#no) [z](#so)\n# So\n".into())].into()).len(), 2);
}

#[test]
fn every_block_for_a_quiet_day_for_what_is_held_and_for_a_stopped_daemon_ends_as_its_page_says() {
    // Given a house where all is done, somebody to be told, and what the pages call by a name of their own
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.add_settings("[alarm]\ncommand = [\"/bin/true\"]\n");
    let mut stage = Stage::with(ground);
    let aarhus = stage.ground.municipality();
    for kind in ["FORESP", "SVAR"] {
        let name = format!("BETADM_{kind}_0751_20261201_0042.txt");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(&name);
        fs::copy(fixture, stage.ground.path("etc/samples").join(&name)).unwrap();
    }

    // When each block is run, then it ends as its page says
    for (number, block) in blocks_of(Scene::Quiet).iter().enumerate() {
        stage.backups = stage.ground.path(&format!("backups/{number}"));
        fs::create_dir(&stage.backups).unwrap();
        fs::copy(stage.ground.path("state/journal.anchor"), stage.ground.path("elsewhere/anchor")).unwrap();
        stage.run(block);
        if block.text.contains("sluse query") {
            let asked = stage.ground.exchanges(aarhus).len().max(stage.next_round as usize);
            stage.ground.until_state(aarhus, asked, "done");
            stage.next_round += 1;
        }
    }

    // And so with a second query for the same payment, which waits for a person
    for block in blocks_of(Scene::Held) {
        stage.ground.ask_for(aarhus, payment_date(1));
        until("the query to be held", || (stage.ground.held().len() == 1).then_some(()));
        let item = stage.ground.held_one();
        stage.decide_on(&item);
        stage.run(&block);
        until("it to be over", || {
            stage.ground.exchanges(aarhus).iter().all(|exchange| exchange.state.is_final()).then_some(())
        });
    }
    let refused =
        stage.ground.exchanges(aarhus).into_iter().find(|exchange| exchange.state.name() == "refused").unwrap();
    stage.id = refused.id.to_string();
    blocks_of(Scene::Refused).iter().for_each(|block| stage.run(block));

    stage.stop();
    blocks_of(Scene::Stopped).iter().for_each(|block| stage.run(block));
    tell(stage.ran);
}

#[test]
fn every_block_of_putting_a_backup_back_ends_as_its_page_says() {
    let mut stage = Stage::with(Ground::lay(&["0751"], FarPlan::default()));
    let [backup, put_back, folders, recover] = &blocks_of(Scene::Lost)[..] else { panic!("the page has four steps") };

    stage.run(backup);
    // What has happened since is what there is to decide
    stage.round();
    stage.begins_in = stage.ground.path("state");
    stage.run(put_back);
    stage.run(folders);
    stage.is_to_hold = true;
    stage.run(recover);

    tell(stage.ran);
}

#[test]
fn what_is_in_doubt_is_settled_a_hub_and_a_demo_run_as_the_page_says() {
    // Given a trigger that may have been made
    let sshd = Plan { refused_requests: vec!["posix-rename"], ..Plan::default() };
    let mut stage = Stage::with(Ground::lay(&["0751"], FarPlan { sshd, ..FarPlan::default() }));
    stage.stop();
    let mut killed = stage.ground.start_with(&[(KILL_VARIABLE, "trigger_intended".to_owned())]);
    stage.ground.ask_for(stage.ground.municipality(), payment_date(2));
    killed.wait_for_kill();
    stage.start();
    until("it to be in doubt", || (stage.ground.held().len() == 1).then_some(()));
    let item = stage.ground.held_one();
    stage.decide_on(&item);

    blocks_of(Scene::Doubt).iter().for_each(|block| stage.run(block));
    blocks_of(Scene::Bare).iter().for_each(|block| stage.run(block));

    // And a hub, on a port that is free, which ends well when it is stopped
    let [hub] = &blocks_of(Scene::Hub)[..] else { panic!("there is one") };
    let folder = stage.ground.path("scratch");
    fs::write(folder.join("key.pub"), stage.ground.far().sshd.client_key().public_line()).unwrap();
    let line = hub.text.trim().strip_prefix("sluse ").unwrap();
    let line =
        line.replace("127.0.0.1:2222", "127.0.0.1:0").replace("/srv/hub", &folder.join("hub").display().to_string());
    let log = folder.join("hub.log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluse"))
        .args(line.split(' '))
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    until("the hub to listen", || fs::read_to_string(&log).unwrap().contains("hub listens").then_some(()));
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(&log).unwrap());
    tell(stage.ran + 1);
}

#[test]
fn the_official_layouts_are_put_in_place_by_the_pages_steps_and_tried_on_a_sample() {
    // Given an official list in which agreement and payer stand the other way round, and its sample
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.sides[0].exchange_lines.push("#layouts = \"/etc/sluse/layouts\"".to_owned());
    let mut stage = Stage::with(ground);
    let fixture = |kind: &str| {
        let name = format!("BETADM_{kind}_0751_20261201_0042.txt");
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(&name)).unwrap();
        (stage.ground.path("etc/samples").join(name), bytes)
    };
    let (query, bytes) = fixture("FORESP");
    fs::write(query, bytes).unwrap();
    let (reply, bytes) = fixture("SVAR");
    let turned = bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|record| match &record[..2] {
        b"20" => [&record[..6], &record[16..28], &record[6..16], &record[28..]].concat(),
        _ => record.to_vec(),
    });
    fs::write(&reply, turned.collect::<Vec<_>>()).unwrap();
    let official = "s/at = \"7-16\", name = \"payer\"/at = \"19-28\", name = \"payer\"/\n\
                    s/at = \"17-28\", name = \"agreement_number\"/at = \"7-18\", name = \"agreement_number\"/\n\
                    s/^name = \"\\(SF.*\\)\"/name = \"\\1 official\"/\n";
    fs::write(stage.ground.path("official.sed"), official).unwrap();
    let read = |stage: &Stage, file: &Path| {
        let output = stage.ground.command(&["check", "--sample", file.to_str().unwrap()]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said.split_whitespace().collect::<Vec<_>>().join(" "))
    };

    // Then the assumed layout does not read it, and says where
    let (status, said) = read(&stage, &reply);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("UNFIT") && said.contains("record 2, byte"), "{said}");

    let other = stage.ground.path("scratch/0707614285.txt");
    fs::copy(&reply, &other).unwrap();
    let (status, said) = read(&stage, &other);
    assert!(status == Some(1) && said.contains("UNFIT") && said.contains("is of no layout's"), "{said}");
    let (status, said) = read(&stage, &stage.ground.path("scratch/none.txt"));
    assert!(status == Some(1) && said.contains("cannot read"), "{said}");

    // When the page's steps are taken, then the official one does
    blocks_of(Scene::Layouts).iter().for_each(|block| stage.run(block));
    let (status, said) = read(&stage, &reply);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("a reply of exchange sf2530-0 for 0751 Aarhus: delivery 42, as of 2026-12-01"), "{said}");
    assert_eq!(rig::sorted_names(&stage.ground.outbox(stage.ground.municipality())), Vec::<String>::new());
    tell(stage.ran);
}

#[test]
fn the_package_has_every_page_of_the_manual_and_its_front_page_for_the_readme() {
    // Given what is put where; a pattern stands for every file of a folder that ends like it
    let cargo: toml::Table =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap().parse().unwrap();
    let assets = cargo["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let pages = pages::pages();
    let mut placed = Vec::new();
    for asset in assets {
        let [from, to] = [0, 1].map(|at| asset[at].as_str().unwrap());
        let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
        let of_it: Vec<_> = match from.split_once('*') {
            Some((folder, end)) => {
                pages.keys().filter(|page| page.starts_with(folder) && page.ends_with(end)).collect()
            }
            None => Vec::new(),
        };
        match of_it.is_empty() {
            true if to.ends_with('/') => placed.push(format!("{to}{}", name(from))),
            true => placed.push(to.to_owned()),
            false => placed.extend(of_it.iter().map(|page| format!("{to}{}", name(page)))),
        }
    }

    // Then no two files are put into one place, and each page has one
    let mut places = placed.clone();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), placed.len(), "two files for one place: {placed:?}");
    for page in pages.keys().filter_map(|page| page.strip_prefix("docs/")) {
        assert!(placed.contains(&format!("usr/share/doc/sluse/{page}")), "{page} is not in the package");
    }
}

#[test]
fn the_line_that_clears_the_inbox_takes_what_is_older_than_it_says_and_leaves_the_folders() {
    // Given the page's line, and an inbox with an old reply and a new one
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let line = page.lines().find(|line| line.starts_with("e /var/spool/sluse/inbox")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("0751");
    fs::create_dir(&inbox).unwrap();
    for (name, days) in [("old.txt", 61), ("new.txt", 59)] {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        fs::File::create(inbox.join(name)).unwrap().set_modified(then).unwrap();
    }
    let config = folder.path().join("clear.conf");
    fs::write(&config, line.replace("/var/spool/sluse/inbox", &folder.path().display().to_string())).unwrap();

    // When systemd cleans
    let cleaned = Command::new("systemd-tmpfiles").arg("--clean").arg(&config).output().unwrap();

    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    assert_eq!(rig::sorted_names(&inbox), ["new.txt"]);
}
