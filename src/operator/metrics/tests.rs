//! What is told to Prometheus is well-formed, is all that the table says, and is what the shipped rules and the dashboard
//! ask for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::table::{Kind, Metric};
use super::tally::{Counts, Tally};
use super::*;
use crate::engine::snapshot::{Concern, ConcernKind, Severity, Snapshot};
use crate::operator::tests::{every_fact, fine, id, troubled};
use crate::store::{Body, SqliteStore, Store};

fn view(snapshot: Snapshot) -> View {
    View { snapshot, held: Vec::new(), took: Duration::from_millis(3) }
}

fn counts() -> Counts {
    Counts { head: 42, facts: [("accepted", 7)].into(), ended: [("done", 6), ("rejected", 1)].into() }
}

/// Everything that lies about, lies about.
fn full() -> String {
    let concern = Concern::new(ConcernKind::Disk, "", Severity::Alarm, "2026-12-01T04:00:00Z".parse().unwrap());
    expose(Ok(&view(Snapshot { concerns: vec![concern], ..troubled() })), Some(&counts()))
}

fn shipped(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is shipped")
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("sluse_") || word.starts_with("process_")).collect()
}

#[test]
fn every_metric_of_the_table_is_told_with_its_help_and_kind_and_nothing_else_is() {
    let text = full();
    for Metric { name, kind, labels, help } in METRICS {
        assert!(
            text.contains(&format!("# HELP {name} {help}\n# TYPE {name} {}\n{name}", kind.word())),
            "{name}: {text}"
        );
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(labels.iter().all(|label| !label.is_empty()) && !help.ends_with('.'), "{name}");
    }
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let value = line.rsplit(' ').next().unwrap();
        assert!(known.contains(name) && value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
    }
    let lines: BTreeSet<_> = text.lines().collect();
    assert_eq!(lines.len(), text.lines().count(), "no sample is told twice: {text}");
}

#[test]
fn an_engine_that_does_not_answer_and_a_journal_that_cannot_be_read_are_told_and_the_rest_left_out() {
    let text = expose(Err(&Silence::default()), None);

    assert!(text.contains("sluse_engine_answers 0\n") && text.contains("sluse_journal_read 0\n"), "{text}");
    assert!(text.contains("process_resident_memory_bytes ") && text.contains("sluse_build_info{"), "{text}");
    assert!(!text.contains("sluse_municipality") && !text.contains("sluse_facts"), "{text}");
}

#[test]
fn a_house_without_trouble_says_so_in_numbers() {
    let text = expose(Ok(&view(fine())), Some(&counts()));

    for line in [
        "sluse_stands_by 0",
        "sluse_standstills{reach=\"house\"} 0",
        "sluse_standstill_seconds 0",
        "sluse_unreadable_folders 0",
        "sluse_journal_head_seq 42",
        "sluse_exchanges_ended_total{outcome=\"rejected\"} 1",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
}

#[test]
fn what_the_journal_says_is_counted_once_and_on_from_there() {
    // Given a journal, its facts in no order that is possible
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("sluse.db")).unwrap();
    let exchange = |fact| Body::Exchange { id: id("3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6"), fact };
    let at = "2026-12-01T03:15:00Z".parse().unwrap();
    let facts = every_fact();
    let bodies: Vec<Body> = facts.iter().cloned().map(exchange).collect();

    // When it is read in two goes
    let mut tally = Tally::default();
    store.append(store.head(), at, &bodies[..3]).unwrap();
    let first = tally.read_on(&store).unwrap();
    store.append(store.head(), at, &bodies[3..]).unwrap();
    let counted = tally.read_on(&store).unwrap();

    // Then each entry is counted once
    assert_eq!((first.head, counted.head), (3, facts.len() as u64));
    assert_eq!(counted.facts.values().sum::<u64>(), facts.len() as u64);
    assert_eq!(tally.read_on(&store).unwrap(), counted);
}

#[test]
fn rules_and_dashboard_ask_only_for_metrics_that_there_are() {
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    for path in
        ["config/prometheus/sluse.rules.yml", "config/prometheus/sluse.rules.test.yml", "config/grafana/sluse.json"]
    {
        let text = shipped(path);
        let asked: BTreeSet<_> = names(&text).into_iter().filter(|name| !name.starts_with("sluse_page")).collect();
        let unknown: Vec<_> = asked.difference(&known).collect();
        assert!(!asked.is_empty() && unknown.is_empty(), "{path}: {unknown:?}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&shipped("config/grafana/sluse.json")).unwrap();
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() >= 8));
}

#[test]
fn the_page_about_the_metrics_has_the_table_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- made from the table of metrics -->\n", "<!-- up to here -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (kept, after) = rest.split_once(end).unwrap();
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        fs::write(&path, format!("{before}{begin}{}{end}{after}", reference())).unwrap();
        return;
    }
    assert_eq!(kept, reference(), "write it anew by SLUSE_UPDATE=1 cargo test metrics");
}
