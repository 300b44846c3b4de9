//! The samples of one moment, and their text. Forty lines of our own for the format: the client libraries write
//! OpenMetrics, which `promtool check metrics` and older scrapers do not take.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::process;
use super::table::{self, METRICS, Metric};
use super::tally::Counts;
use crate::engine::snapshot::{EndpointLine, RouteLine, Snapshot};
use crate::operator::lookout::{Silence, View};
use crate::operator::status::NO_QUERY;

/// Samples by metric, each with the values of its labels.
#[derive(Default)]
pub struct Samples(BTreeMap<&'static str, Vec<(Vec<String>, f64)>>);

impl Samples {
    /// One sample. `labels`: as many values as the metric has labels, in their order.
    fn set(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let labels = labels.iter().map(|value| (*value).to_owned()).collect();
        self.0.entry(metric.name).or_default().push((labels, value));
    }

    pub fn of_process(&mut self) {
        self.set(&table::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        let told = process::look();
        let known = [
            (&table::RSS, told.resident_bytes),
            (&table::CPU, told.cpu_seconds),
            (&table::START, told.started_at),
            (&table::OPEN_FILES, told.open_files),
            (&table::OPEN_FILES_MAX, told.open_files_max),
        ];
        for (metric, value) in known {
            if let Some(value) = value {
                self.set(metric, &[], value);
            }
        }
    }

    pub fn of_engine(&mut self, view: Result<&View, &Silence>) {
        self.set(&table::ENGINE_ANSWERS, &[], truth(view.is_ok()));
        if let Ok(view) = view {
            self.set(&table::ENGINE_ANSWER_SECONDS, &[], view.took.as_secs_f64());
        }
    }

    pub fn of_house(&mut self, snapshot: &Snapshot) {
        self.set(&table::STANDS_BY, &[], truth(snapshot.restored.is_some()));
        self.set(&table::ANCHOR_TROUBLE, &[], truth(snapshot.anchor_trouble.is_some()));
        let of_all = snapshot.halts.iter().filter(|halt| halt.exchange.is_none()).count();
        self.set(&table::STANDSTILLS, &["house"], number(of_all));
        self.set(&table::STANDSTILLS, &["exchange"], number(snapshot.halts.len() - of_all));
        let lasted = snapshot.halts.iter().map(|halt| snapshot.at.since(halt.since).as_secs_f64());
        self.set(&table::STANDSTILL_SECONDS, &[], lasted.fold(0.0, f64::max));
        snapshot.endpoints.iter().for_each(|endpoint| self.of_endpoint(endpoint));
        snapshot.routes.iter().for_each(|route| self.of_route(route, snapshot));
        let concerns = counted(snapshot.concerns.iter().map(|concern| (concern.kind.name(), concern.severity.name())));
        for ((kind, severity), number) in concerns {
            self.set(&table::CONCERNS, &[kind, severity], number);
        }
        let outbox = counted(
            snapshot
                .outbox
                .iter()
                .map(|waiting| waiting.municipality.map_or_else(|| "elsewhere".to_owned(), |code| code.to_string())),
        );
        for (municipality, files) in outbox {
            self.set(&table::OUTBOX_WAITING, &[&municipality], files);
        }
        let refused = counted(snapshot.refused.iter().map(|file| (file.exchange.clone(), file.municipality.clone())));
        for ((exchange, municipality), files) in refused {
            self.set(&table::REFUSED, &[&exchange, &municipality], files);
        }
        self.set(&table::UNREADABLE, &[], number(snapshot.unreadable.len()));
        self.set(&table::NOT_UNDERSTOOD, &[], number(snapshot.unread.len()));
    }

    fn of_endpoint(&mut self, endpoint: &EndpointLine) {
        let name = [endpoint.name.as_str()];
        let is_connected = endpoint.trouble.is_none() && endpoint.listed_at.is_some();
        self.set(&table::ENDPOINT_CONNECTED, &name, truth(is_connected));
        if let Some(at) = endpoint.listed_at {
            self.set(&table::ENDPOINT_LISTED, &name, at.as_micros() as f64 / 1e6);
        }
        self.set(&table::ENDPOINT_PENDING, &name, number(endpoint.waiting.len()));
        self.set(&table::ENDPOINT_FOREIGN, &name, endpoint.foreign as f64);
    }

    fn of_route(&mut self, route: &RouteLine, snapshot: &Snapshot) {
        let code = route.municipality.to_string();
        let of = [route.exchange.as_str(), code.as_str()];
        let state = route.foremost().map_or(NO_QUERY.0, |line| line.state.as_str());
        self.set(&table::MUNICIPALITY_STATE, &[of[0], of[1], state], 1.0);
        if let Some(foremost) = route.foremost() {
            self.set(&table::MUNICIPALITY_SINCE, &of, snapshot.at.since(foremost.since).as_secs_f64());
        }
        if let Some(by) = route.open.iter().filter_map(|line| line.deadline).min() {
            let left = (by.as_micros() as f64 - snapshot.at.as_micros() as f64) / 1e6;
            self.set(&table::MUNICIPALITY_DEADLINE, &of, left);
        }
        self.set(&table::MUNICIPALITY_OPEN, &of, number(route.open.len()));
        self.set(&table::MUNICIPALITY_WAITING, &of, number(route.waiting_for_person()));
        let overdue = route.open.iter().filter(|line| line.overdue).count();
        self.set(&table::MUNICIPALITY_OVERDUE, &of, number(overdue));
        self.set(&table::MUNICIPALITY_UNASKED, &of, truth(route.unasked.is_some()));
    }

    pub fn of_journal(&mut self, counts: Option<&Counts>) {
        self.set(&table::JOURNAL_READ, &[], truth(counts.is_some()));
        let Some(counts) = counts else { return };
        self.set(&table::JOURNAL_HEAD, &[], counts.head as f64);
        for (fact, times) in &counts.facts {
            self.set(&table::FACTS, &[fact], *times as f64);
        }
        for (outcome, times) in &counts.ended {
            self.set(&table::ENDED, &[outcome], *times as f64);
        }
    }

    /// In the order of the table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Metric { name, kind, labels, help } in METRICS {
            let Some(samples) = self.0.get(name) else { continue };
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
            for (values, value) in samples {
                let pairs = labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
                match pairs.collect::<Vec<_>>().join(",") {
                    none if none.is_empty() => _ = writeln!(text, "{name} {value}"),
                    pairs => _ = writeln!(text, "{name}{{{pairs}}} {value}"),
                }
            }
        }
        text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn truth(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

fn number(count: usize) -> f64 {
    count as f64
}

fn counted<K: Ord>(those: impl Iterator<Item = K>) -> BTreeMap<K, f64> {
    let mut counts = BTreeMap::new();
    those.for_each(|key| *counts.entry(key).or_default() += 1.0);
    counts
}
