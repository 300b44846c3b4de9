//! A flood of files in one outbox: it is handled to the last file, in bounded memory, it delays nobody else's query, and
//! what people are shown stays readable.
//!
//! `SLUSE_FLOOD=100000 cargo test --release --test flood` is the flood of `make soak`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rig::{Chapter, FarPlan, Ground, Row, payment_date, record, sorted_names, until_within};
use sluse::domain::municipality::MunicipalityCode;
use sluse::engine::control::{Answer, Request};
use sluse::engine::snapshot::Snapshot;

/// So many files, unless the environment says otherwise.
const FLOOD: usize = 5_000;
const FLOOD_VARIABLE: &str = "SLUSE_FLOOD";

/// What the daemon may have taken of memory at most, in KiB: this in a build without optimization, whatever lies in the
/// outboxes, and for each file that was taken its story, which the book knows for ever.
const MEMORY_MAX_KIB: u64 = 100 << 10;
const MEMORY_PER_STORY_KIB: u64 = 4;

/// The neighbour's query is done in this time, however long the flood takes; alone it takes about two seconds.
const NEIGHBOUR_WITHIN: Duration = Duration::from_secs(20);

/// The flood is handled in this time: 20 ms a file.
const PER_FILE_MAX: Duration = Duration::from_millis(20);

/// More lines than this nobody reads.
const LINES_MAX: usize = 80;

fn status(ground: &Ground) -> Snapshot {
    match ground.ask(&Request::Status) {
        Answer::Status(snapshot) => snapshot,
        answer => panic!("{answer:?}"),
    }
}

/// Lines of the status as a person sees it.
fn lines_of_status(ground: &Ground) -> usize {
    let config = ground.path("sluse.toml");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sluse"))
        .args(["--config".as_ref(), config.as_os_str(), "status".as_ref()])
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("IN THE OUTBOX") || shown.contains("REFUSED"), "{shown}");
    shown.lines().count()
}

fn states(ground: &Ground, municipality: MunicipalityCode) -> BTreeMap<&'static str, usize> {
    let mut states = BTreeMap::new();
    for exchange in ground.exchanges(municipality) {
        *states.entry(exchange.state.name()).or_default() += usize::from(exchange.state.is_final());
    }
    states
}

#[test]
fn a_flood_in_one_outbox_is_handled_to_the_last_file_and_delays_nobody_else() {
    let flood = std::env::var(FLOOD_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(FLOOD);
    let mut ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
    let [flooded, neighbour] = [ground.sides[0].municipalities[0], ground.sides[0].municipalities[1]];
    let mut daemon = ground.start();
    daemon.until_said("running");

    // Given a flood of small files that are no queries, one good query behind them, and one in the folder beside it
    let outbox = ground.outbox(flooded);
    for number in 0..flood {
        fs::write(outbox.join(format!("flood-{number:06}.txt")), format!("no query, number {number}\r\n")).unwrap();
    }
    let began = Instant::now();
    ground.ask_for(flooded, payment_date(1));
    ground.ask_for(neighbour, payment_date(1));

    // Then the neighbour's is done while the flood is handled
    ground.until_state(neighbour, 1, "done");
    let neighbours = began.elapsed();
    assert!(neighbours < NEIGHBOUR_WITHIN, "the neighbour waited {neighbours:?}");
    let snapshot = status(&ground);
    let lines = lines_of_status(&ground);
    assert!(lines < LINES_MAX, "{lines} lines");
    eprintln!("neighbour done after {neighbours:?}, status is {lines} lines, {} waiting", snapshot.outbox.len());

    // And the flood is handled to its last file, each with a sentence, and the good one of its folder with it
    let within = Duration::from_secs(30) + PER_FILE_MAX.saturating_mul(u32::try_from(flood).unwrap());
    until_within(within, "the outbox to be empty", || sorted_names(&outbox).is_empty().then_some(()));
    let claimed = began.elapsed();
    let done = until_within(within, "the end of each", || {
        // The journal of a flood is long: it is read only when the spool says that the end is near.
        if !sorted_names(&ground.path("state/spool")).is_empty() {
            return None;
        }
        let states = states(&ground, flooded);
        (states.get("refused") == Some(&flood) && states.get("done") == Some(&1)).then_some(states)
    });
    let took = began.elapsed();
    let names = sorted_names(&ground.path(&format!("state/refused/sf2530-0/{flooded}")));
    let sentences = names.iter().filter(|name| name.ends_with(".why.txt")).count();
    assert_eq!((sentences, names.len()), (flood, 2 * flood));
    for municipality in [flooded, neighbour] {
        ground.assert_once(municipality, 1);
    }

    // And people can still read what they are shown, and memory was bounded
    assert!(lines_of_status(&ground) < LINES_MAX);
    let refused = status(&ground).refused;
    // Those that were refused before the good one came are shown no longer.
    let others = refused.last().unwrap().name.split_whitespace().find_map(|word| word.parse::<usize>().ok());
    assert!(others.is_some_and(|others| (1..=flood - 10).contains(&others)), "{:?}", refused.last());
    let memory = daemon.memory_peak() >> 10;
    eprintln!(
        "{flood} files: claimed after {claimed:?}, handled after {took:?}, memory at most {memory} KiB, {done:?}"
    );
    assert!(memory < MEMORY_MAX_KIB + MEMORY_PER_STORY_KIB * flood as u64, "{memory} KiB");
    let outcome = format!(
        "{} refused, each with a sentence; both good queries done; memory at most {} MiB",
        done["refused"],
        memory.div_ceil(1024)
    );
    let tried = flood as u64 + 2;
    record(&Row { tried, ..Row::once(Chapter::Outbox, "a flood of small files in one outbox", outcome) });
}
