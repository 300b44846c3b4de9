//! What a person should know of before it is too late, or must see to now: one [`Concern`] for each thing that is late,
//! held, refused or out of reach. Made anew at each look (`desk::concerns`), told by alarms, `status`, page and metrics.
//! All of it can be shown: no personal data.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::identity::{EndpointName, ExchangeName, FileId};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;

pub use crate::domain::patience::Severity;

/// One thing that is not as it should be, for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concern {
    /// The same at each look for as long as it lasts, and nobody else's: `reply:3f0f9a2e-…`.
    pub id: String,
    pub kind: ConcernKind,
    pub severity: Severity,
    /// None: it is of no one endpoint.
    #[serde(default)]
    pub endpoint: Option<EndpointName>,
    /// The exchange of the settings. None: it is everybody's.
    #[serde(default)]
    pub exchange: Option<ExchangeName>,
    /// None: all of them.
    #[serde(default)]
    pub municipality: Option<MunicipalityCode>,
    /// The one exchange that it is about.
    #[serde(default)]
    pub story: Option<FileId>,
    #[serde(default)]
    pub payment_date: Option<Date>,
    /// Since when it has been so, or what is late has been waited for.
    pub since: Moment,
    /// Until when it should have come, or be over. None: it should not be at all.
    #[serde(default)]
    pub deadline: Option<Moment>,
    /// What, and why: a sentence without its capital letter and full stop.
    pub what: String,
    /// What a person does next: a sentence without its capital letter and full stop.
    pub advice: String,
    /// The command that shows or decides it, without `sluse` before it: `explain 3f0f9a2e`.
    pub command: String,
}

/// What sort of thing it is. `docs/alarms.md` has a row for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcernKind {
    /// No query for a payment of the calendar was sent.
    Query,
    /// The hub's receipt has not come.
    Receipt,
    /// The reply has not come.
    Reply,
    /// IN of an endpoint could not be listed.
    Poll,
    /// A server shows a host key that is not pinned.
    HostKey,
    /// A server does not let us in.
    Login,
    /// A query, a receipt or a reply waits for a person's decision.
    Held,
    /// It is unknown whether a trigger was made.
    InDoubt,
    /// The hub rejected the latest query of a municipality.
    Rejected,
    /// The latest file of a municipality's outbox was no fit query.
    Unfit,
    /// A story of the journal cannot be followed.
    Journal,
    /// An exchange has tried the same step again and again.
    Stuck,
    /// A file in IN looks like ours and cannot be taken.
    Untakable,
    /// A disk is full or fails.
    Disk,
    /// A folder that queries pass cannot be read.
    Folder,
    /// The store was put back from a backup.
    Restored,
    /// The anchor cannot be written.
    Anchor,
    /// The payment dates of the settings come to their end.
    Calendar,
    /// Alarms cannot be delivered to one of their receivers.
    Receiver,
    /// The engine does not turn any more.
    Stalled,
    /// The service has failed.
    Unit,
    /// A person tries the receivers out.
    Test,
}

impl ConcernKind {
    /// All of them, in the order of `docs/alarms.md`.
    pub const ALL: [ConcernKind; 22] = [
        ConcernKind::Query,
        ConcernKind::Receipt,
        ConcernKind::Reply,
        ConcernKind::Poll,
        ConcernKind::HostKey,
        ConcernKind::Login,
        ConcernKind::Held,
        ConcernKind::InDoubt,
        ConcernKind::Rejected,
        ConcernKind::Unfit,
        ConcernKind::Journal,
        ConcernKind::Stuck,
        ConcernKind::Untakable,
        ConcernKind::Disk,
        ConcernKind::Folder,
        ConcernKind::Restored,
        ConcernKind::Anchor,
        ConcernKind::Calendar,
        ConcernKind::Receiver,
        ConcernKind::Stalled,
        ConcernKind::Unit,
        ConcernKind::Test,
    ];

    /// Its name in alarms, in the log and as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            ConcernKind::Query => "query",
            ConcernKind::Receipt => "receipt",
            ConcernKind::Reply => "reply",
            ConcernKind::Poll => "poll",
            ConcernKind::HostKey => "host_key",
            ConcernKind::Login => "login",
            ConcernKind::Held => "held",
            ConcernKind::InDoubt => "in_doubt",
            ConcernKind::Rejected => "rejected",
            ConcernKind::Unfit => "unfit",
            ConcernKind::Journal => "journal",
            ConcernKind::Stuck => "stuck",
            ConcernKind::Untakable => "untakable",
            ConcernKind::Disk => "disk",
            ConcernKind::Folder => "folder",
            ConcernKind::Restored => "restored",
            ConcernKind::Anchor => "anchor",
            ConcernKind::Calendar => "calendar",
            ConcernKind::Receiver => "receiver",
            ConcernKind::Stalled => "stalled",
            ConcernKind::Unit => "unit",
            ConcernKind::Test => "test",
        }
    }
}

impl Concern {
    /// One that is everybody's; whoever makes it says more. `of` tells it from others of its kind, and may be empty.
    pub fn new(kind: ConcernKind, of: &str, severity: Severity, since: Moment) -> Concern {
        let id = if of.is_empty() { kind.name().to_owned() } else { format!("{}:{of}", kind.name()) };
        Concern {
            id,
            kind,
            severity,
            endpoint: None,
            exchange: None,
            municipality: None,
            story: None,
            payment_date: None,
            since,
            deadline: None,
            what: String::new(),
            advice: String::new(),
            command: "status".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_name_and_json_says_the_same() {
        for kind in ConcernKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let names: std::collections::BTreeSet<_> = ConcernKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ConcernKind::ALL.len());
        assert_eq!(serde_json::to_value(Severity::Alarm).unwrap(), Severity::Alarm.name());
        assert!(Severity::Alarm > Severity::Warning);
    }

    #[test]
    fn the_manual_has_a_row_for_every_kind_in_their_order_and_for_no_other() {
        let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alarms.md")).unwrap();

        let rows: Vec<&str> = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();

        assert_eq!(rows, ConcernKind::ALL.map(ConcernKind::name));
    }
}
