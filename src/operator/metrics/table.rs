//! Every metric there is: name, kind, labels and meaning stand together; the text for Prometheus and the reference are
//! made from here.

use std::fmt::Write;

/// One metric.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// One sentence, without its full stop.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    /// Only grows; its name ends in `_total`.
    Counter,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $($(#[$doc])* pub static $id: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// All of them, in the order in which they are told.
        pub static METRICS: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    BUILD_INFO = Gauge "sluse_build_info" ["version"] "Always 1; the label says which version runs";
    ENGINE_ANSWERS = Gauge "sluse_engine_answers" []
        "Whether the engine answered within 10 s; where it is 0, what comes from the engine is left out";
    ENGINE_ANSWER_SECONDS = Gauge "sluse_engine_answer_seconds" [] "How long the engine took to answer";
    STANDS_BY = Gauge "sluse_stands_by" []
        "Whether nothing is sent because the store was put back from a backup and nobody has run `sluse recover`";
    ANCHOR_TROUBLE = Gauge "sluse_anchor_trouble" []
        "Whether the anchor cannot be written, so that the next restored backup might not be noticed";
    STANDSTILLS = Gauge "sluse_standstills" ["reach"]
        "What a full or failing disk keeps from going on: of the whole house, or of some exchanges";
    STANDSTILL_SECONDS = Gauge "sluse_standstill_seconds" [] "For how long the oldest standstill has lasted; 0 without one";
    ENDPOINT_CONNECTED = Gauge "sluse_endpoint_connected" ["endpoint"]
        "Whether the far side was reached and its folder IN listed the last time that it was tried";
    ENDPOINT_LISTED = Gauge "sluse_endpoint_last_listing_timestamp_seconds" ["endpoint"]
        "When IN was last listed, since 1970; left out where it was not since the start";
    ENDPOINT_PENDING = Gauge "sluse_endpoint_pending_files" ["endpoint"]
        "Files in IN that look like ours and cannot be taken";
    ENDPOINT_FOREIGN = Gauge "sluse_endpoint_foreign_files" ["endpoint"] "Files in IN that are for other integrations";
    MUNICIPALITY_STATE = Gauge "sluse_municipality_state" ["exchange", "municipality", "state"]
        "Always 1; the label says where the municipality's most urgent story stands";
    MUNICIPALITY_SINCE = Gauge "sluse_municipality_state_seconds" ["exchange", "municipality"]
        "For how long that story has been in its state";
    MUNICIPALITY_DEADLINE = Gauge "sluse_municipality_deadline_seconds" ["exchange", "municipality"]
        "How long until the far side's next step is due, the soonest of all open stories; negative: overdue";
    MUNICIPALITY_OPEN = Gauge "sluse_municipality_open_exchanges" ["exchange", "municipality"]
        "Stories that are not at their end";
    MUNICIPALITY_WAITING = Gauge "sluse_municipality_waiting_for_person" ["exchange", "municipality"]
        "Of them, those that wait for a person's decision";
    MUNICIPALITY_OVERDUE = Gauge "sluse_municipality_overdue" ["exchange", "municipality"]
        "Of them, those whose receipt or reply is overdue";
    MUNICIPALITY_UNASKED = Gauge "sluse_municipality_unasked" ["exchange", "municipality"]
        "Whether the latest query was rejected by the hub or unfit, so that nothing was asked, and no newer one followed";
    CONCERNS = Gauge "sluse_concerns" ["kind", "severity"]
        "What a person should know of or see to, as alarms tell it (docs/alarms.md); left out where there is none";
    OUTBOX_WAITING = Gauge "sluse_outbox_waiting_files" ["municipality"]
        "Files in the outbox that were not taken, of each municipality no more than 11 counted; left out where there are none";
    REFUSED = Gauge "sluse_refused_files" ["exchange", "municipality"]
        "Files in refused/ that no later query followed, of each municipality no more than 11 counted; left out where there are none";
    UNREADABLE = Gauge "sluse_unreadable_folders" [] "Folders that queries pass and that cannot be read";
    NOT_UNDERSTOOD = Gauge "sluse_stories_not_understood" []
        "Stories of no municipality here that begin with a journal entry of another version";
    JOURNAL_READ = Gauge "sluse_journal_read" []
        "Whether the journal was read to its end; where it is 0, what comes from the journal is left out";
    JOURNAL_HEAD = Gauge "sluse_journal_head_seq" [] "The number of the journal's last entry";
    FACTS = Counter "sluse_facts_total" ["fact"]
        "Entries of the journal by what happened; read from the journal, so it survives a restart";
    ENDED = Counter "sluse_exchanges_ended_total" ["outcome"]
        "Exchanges that came to their end, by the state in which they did; read from the journal";
    RSS = Gauge "process_resident_memory_bytes" [] "Memory of the daemon that is in the machine's memory";
    CPU = Counter "process_cpu_seconds_total" [] "Time of all processors that the daemon has used";
    START = Gauge "process_start_time_seconds" [] "When the daemon was started, since 1970";
    OPEN_FILES = Gauge "process_open_fds" [] "Files and sockets that the daemon has open";
    OPEN_FILES_MAX = Gauge "process_max_fds" [] "How many it may have open";
}

/// The table of `docs/metrics.md`.
pub fn reference() -> String {
    let mut text = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for Metric { name, kind, labels, help } in METRICS {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(text, "| `{name}` | {} | {} | {help} |", kind.word(), labels.join(", "));
    }
    text
}
