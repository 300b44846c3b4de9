//! The far side as an enemy: everything that we could think of that may lie in IN, against a real server, on one
//! ground and under one daemon. Each has one outcome, which the manual tells (`docs/far-side.md`); nothing is deleted that
//! is not ours, nothing is read without a bound, and what is as it should be gets through all the while.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

#[path = "far_side/files.rs"]
mod files;
#[path = "far_side/scene.rs"]
mod scene;
#[path = "far_side/stories.rs"]
mod stories;
#[path = "far_side/table.rs"]
mod table;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;

use rig::{Chapter, Daemon, FarPlan, Ground, Row, payment_date, record, until};
use scene::{Case, Ends, Scene, endpoint};
use sluse::domain::municipality::MunicipalityCode;
use sluse::engine::point::KILL_VARIABLE;
use sluse::engine::snapshot::HeldItem;
use table::{Line, assert_is_the_manuals, without_ids};

/// The cases by the chapters of the manual. Of the last one, the daemon was in doubt.
const CHAPTERS: [(&str, &[Case]); 8] = [
    ("Metadata that cannot be believed", files::METADATA),
    ("Sizes that lie", files::SIZES),
    ("Data and metadata that do not meet", files::ALONE),
    ("Files for others, and of no known kind", files::OTHERS),
    ("Receipts that cannot be read", files::RECEIPTS),
    ("Receipts at the wrong time", stories::RECEIPTS),
    ("Replies at the wrong time, or to the wrong place", stories::REPLIES),
    ("After doubt", stories::AFTER_DOUBT),
];

/// The numbers of cases that play with strange files; no query has such a delivery number.
const FIRST_NUMBER: u32 = 7001;

/// Where files lie about; it has queries too.
const STRANGE_FILES: &str = "0751";
/// Of nobody's story.
const NEIGHBOUR: &str = "0101";

/// More than this the daemon never needed, though 6 GB lay before it. Bytes. A daemon at rest has some 30 MB.
const MEMORY_MAX: u64 = 64 << 20;
/// Read by the server, for all cases and all looks: the one long file, and what is bounded.
const BYTES_READ_MAX: u64 = 600 << 20;

/// The scenes in the order of the chapters' cases.
fn scenes(ground: &Ground) -> Vec<(&'static Case, Scene<'_>)> {
    let strange: MunicipalityCode = STRANGE_FILES.parse().unwrap();
    let neighbour: MunicipalityCode = NEIGHBOUR.parse().unwrap();
    let mut free = ground.sides[0].municipalities.iter().copied().filter(|code| ![strange, neighbour].contains(code));
    let cases = CHAPTERS.iter().flat_map(|(_, cases)| *cases);
    let scene = |(number, case): (usize, &'static Case)| {
        let is_story = is_story(case);
        let municipality = if is_story { free.next().expect("there are more municipalities") } else { strange };
        let number = FIRST_NUMBER + u32::try_from(number).expect("there are some dozens");
        (case, Scene { ground, municipality, number, neighbour, rounds_asked: Cell::new(0) })
    };
    cases.enumerate().map(scene).collect()
}

fn is_story(case: &Case) -> bool {
    CHAPTERS[5..].iter().any(|(_, cases)| cases.iter().any(|of| std::ptr::eq(of, case)))
}

/// As status shows it.
const OVERDUE: &str = "OVERDUE: ";

/// State and sentence, as Sluse says them.
fn outcome(scene: &Scene<'_>, ends: Ends) -> Option<(String, String)> {
    match ends {
        Ends::NotTaken(words) => {
            let why = scene.shown()?;
            why.contains(words).then(|| ("not taken".into(), why))
        }
        Ends::LeftAlone => {
            scene.shown().is_none().then(|| ("left alone".into(), "files there for others, left alone".into()))
        }
        Ends::Story(count, state, words) => {
            let exchanges = scene.ground.exchanges(scene.municipality);
            if exchanges.len() != count {
                return None;
            }
            let is_of_scene =
                |held: &&HeldItem| held.route.as_ref().is_some_and(|route| route.municipality == scene.municipality);
            let found = match scene.ground.held().iter().find(is_of_scene) {
                Some(held) => (held.state.clone(), held.reasons[0].clone()),
                None => {
                    let line = scene.line()?;
                    // Everything is overdue soon here; only some cases are about that.
                    let overdue = if line.overdue && words.starts_with(OVERDUE) { OVERDUE } else { "" };
                    (line.state, format!("{overdue}{}", line.next))
                }
            };
            (found.0 == state && found.1.contains(words)).then_some(found)
        }
    }
}

/// The files of IN with this case's number or municipality in their names, and their sizes.
fn strange_files(ground: &Ground) -> BTreeMap<std::ffi::OsString, u64> {
    let entries = fs::read_dir(ground.far().sshd.r#in()).unwrap();
    let entries = entries.map(Result::unwrap);
    let is_strange = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.contains("_7") || name.contains(STRANGE_FILES) || !name.starts_with("BETADM")
    };
    let of = |entry: fs::DirEntry| (entry.file_name(), entry.path().symlink_metadata().unwrap().len());
    entries.map(of).filter(|(name, _)| is_strange(name)).collect()
}

/// A daemon with one doubt for each case of the last chapter.
fn doubting(ground: &Ground, scenes: &[(&Case, Scene<'_>)]) -> Daemon {
    for (_, scene) in &scenes[scenes.len() - stories::AFTER_DOUBT.len()..] {
        let mut daemon = ground.start_with(&[(KILL_VARIABLE, "trigger_requested".to_owned())]);
        scene.ask();
        daemon.wait_for_kill();
    }
    ground.start()
}

#[test]
fn whatever_comes_has_one_outcome_and_the_manual_tells_it() {
    // Given municipalities enough, and a hub that takes queries and says nothing by itself
    let stories = CHAPTERS[5..].iter().map(|(_, cases)| cases.len()).sum::<usize>();
    let codes: Vec<String> = MunicipalityCode::all().map(|m| m.code.to_string()).collect();
    let others = codes.iter().map(String::as_str).filter(|code| ![STRANGE_FILES, NEIGHBOUR].contains(code));
    let served: Vec<&str> = [STRANGE_FILES, NEIGHBOUR].into_iter().chain(others.take(stories)).collect();
    let plan = FarPlan { faults: vec!["silent", "swallow-receipts"], ..FarPlan::default() };
    let mut ground = Ground::lay(&served, plan);
    ground.sides[0].exchange_lines = vec!["receipt_within = \"1s\"".into(), "reply_within = \"1s\"".into()];
    let ground = ground;
    let scenes = scenes(&ground);
    let daemon = doubting(&ground, &scenes);

    // When everything comes, each case a step at a time
    let steps = scenes.iter().map(|(case, _)| case.steps.len()).max().unwrap_or(0);
    let mut strange = BTreeMap::new();
    for step in 0..steps {
        for (case, scene) in &scenes {
            if let Some(take) = case.steps.get(step) {
                take(scene);
            }
        }
        if step == 0 {
            strange = strange_files(&ground);
        }
    }
    let sound = Scene { number: 1, municipality: NEIGHBOUR.parse().unwrap(), ..scene_like(&scenes) };
    sound.ask();
    sound.success();
    sound.answer(0);

    // Then each comes to its one end
    let outcomes: Vec<(String, String)> = scenes
        .iter()
        .map(|(case, scene)| {
            let mut seen = Vec::new();
            let what = format!("{}: {:?}", case.comes, case.ends);
            let found = until(&what, || {
                let found = outcome(scene, case.ends);
                if found.is_none() && seen != scene.standing() {
                    seen = scene.standing();
                    eprintln!("{}: {}", case.comes, seen.join("; "));
                }
                found
            });
            (found.0, without_ids(&found.1))
        })
        .collect();
    // which is its end: what is done with is cleared away, and nothing else comes of it
    for (case, scene) in scenes.iter().filter(|(case, _)| matches!(case.ends, Ends::Story(_, "done", _))) {
        until(&format!("{}: IN to be cleared", case.comes), || scene.in_in().is_empty().then_some(()));
    }
    for ((case, scene), (state, sentence)) in scenes.iter().zip(&outcomes) {
        let (state_now, sentence_now) = outcome(scene, case.ends).expect("it has come to its end");
        assert_eq!((&state_now, &without_ids(&sentence_now)), (state, sentence), "{}", case.comes);
    }
    // what is as it should be gets through
    ground.until_state(sound.municipality, 1, "done");
    ground.assert_register(sound.municipality, 1);
    // what is not ours lies there as it did, and is counted
    let foreign: u64 = scenes.iter().map(|(case, _)| case.foreign).sum();
    let mut counted = None;
    until(&format!("{foreign} files to be counted for others"), || {
        let now = endpoint(&ground);
        if counted.replace(now.foreign) != Some(now.foreign) {
            eprintln!("for others: {}; not taken: {}", now.foreign, now.waiting.len());
        }
        (now.foreign == foreign).then_some(())
    });
    assert_eq!(strange_files(&ground), strange);
    // each query was sent once
    for (case, scene) in &scenes {
        for round in 1..=scene.rounds_asked.get() {
            assert_eq!(ground.far().count(scene.municipality, payment_date(round)), 1, "{}", case.comes);
        }
    }
    // nothing is left half-fetched, and nothing was read without a bound
    let archive = ground.path("state/archive/sf2530-0").join(STRANGE_FILES).join("replies");
    assert_eq!(rig::sorted_names(&archive), Vec::<String>::new());
    let (memory, read) = (daemon.memory_peak(), ground.far().sshd.bytes_read());
    eprintln!("memory at its peak: {} KiB; read by the server: {} KiB", memory >> 10, read >> 10);
    assert!(memory < MEMORY_MAX, "{memory} bytes of memory");
    assert!(read < BYTES_READ_MAX, "{read} bytes read");

    // And all of it stands in the evidence and in the manual
    let whole = ground.came_of(Chapter::FarSide, "");
    assert_eq!((whole.lost, whole.doubled), (0, 0), "{whole:?}");
    for ((case, _), (state, sentence)) in scenes.iter().zip(&outcomes) {
        let persons = u64::from(state == "held");
        let (lost, doubled) = (whole.lost, whole.doubled);
        let outcome = format!("{state}: {sentence}");
        record(&Row { persons, lost, doubled, ..Row::once(Chapter::FarSide, case.comes, outcome) });
    }
    let mut outcomes = outcomes.into_iter();
    let chapters = CHAPTERS.map(|(heading, cases)| {
        let line = |(case, (state, sentence)): (&'static Case, (String, String))| Line {
            comes: case.comes,
            state,
            sentence,
            person: case.person,
        };
        (heading, cases.iter().zip(outcomes.by_ref()).map(line).collect())
    });
    assert_is_the_manuals(&chapters);
}

fn scene_like<'g>(scenes: &[(&Case, Scene<'g>)]) -> Scene<'g> {
    let (_, like) = &scenes[0];
    Scene { rounds_asked: Cell::new(0), ..*like }
}
