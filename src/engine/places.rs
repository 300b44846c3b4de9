//! Where things lie in the state folder:
//!
//! ```text
//! spool/<municipality>.<exchange>.<file id>.<name>         claimed originals, until the exchange ends
//! archive/<exchange>/<municipality>/<file id>/query        the copy that is sent
//! archive/<exchange>/<municipality>/<file id>/changed      its original, if it was written to after it was copied
//! archive/<exchange>/<municipality>/replies/<transfer id>-<hash>/<name>   replies, metadata beside
//! archive/receipts/<hash>.<name>                           receipts
//! refused/<exchange>/<municipality>/<id>.<name>            refused files, with <…>.why.txt beside
//! journal.anchor                                           how far the journal is, unless the settings put it elsewhere
//! sorting/                                                 a long reply while it is sorted, in a file without a name
//! told-<receiver>.json                                     what each receiver of alarms was told
//! sluse.lock                                               held by the one writer
//! ```

use std::path::{Path, PathBuf};

use crate::domain::exchange::fact::Arrival;
use crate::domain::identity::{ContentHash, FileId, RemoteName, Route, TransferId};

/// The state folder.
#[derive(Clone, Debug)]
pub struct Places {
    state: PathBuf,
}

impl Places {
    pub fn new(state: &Path) -> Places {
        Places { state: state.to_owned() }
    }

    pub fn lock(&self) -> PathBuf {
        self.state.join("sluse.lock")
    }

    /// What a receiver of alarms was told.
    pub fn told(&self, receiver: &str) -> PathBuf {
        self.state.join(format!("told-{receiver}.json"))
    }

    pub fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }

    pub fn archive(&self) -> PathBuf {
        self.state.join("archive")
    }

    /// Where a long reply is sorted.
    pub fn sorting(&self) -> PathBuf {
        self.state.join("sorting")
    }

    pub fn refused(&self) -> PathBuf {
        self.state.join("refused")
    }

    /// The spool beside an outbox that lies on another file system, where no rename reaches ours.
    pub fn spool_in(outbox: &Path) -> PathBuf {
        outbox.join(".spool")
    }

    /// The copy of a query that is sent.
    pub fn query(&self, route: &Route, id: FileId) -> PathBuf {
        self.archived(route).join(id.to_string()).join("query")
    }

    /// The original of a query that was written to after it was copied.
    pub fn changed_original(&self, route: &Route, id: FileId) -> PathBuf {
        self.archived(route).join(id.to_string()).join("changed")
    }

    /// A reply that is being fetched; another of the same transfer may be fetched at the same time.
    pub fn reply_part(&self, route: &Route, transfer: TransferId, name: &RemoteName) -> PathBuf {
        let name = ContentHash::of(name.as_str().as_bytes()).short();
        self.archived(route).join("replies").join(format!("{transfer}-{name}.part"))
    }

    /// A fetched reply.
    pub fn reply(&self, arrival: &Arrival) -> PathBuf {
        let folder = format!("{}-{}", arrival.transfer, arrival.hash.short());
        self.archived(&arrival.route).join("replies").join(folder).join(arrival.name.as_str())
    }

    pub fn receipt(&self, name: &RemoteName, hash: ContentHash) -> PathBuf {
        self.archive().join("receipts").join(format!("{}.{name}", hash.short()))
    }

    /// A refused file, and the sentence beside it.
    pub fn refused_file(&self, route: &Route, id: FileId, name: &str) -> (PathBuf, PathBuf) {
        let folder = self.refused().join(route.exchange.as_str()).join(route.municipality.to_string());
        let name = format!("{}.{name}", short_id(id));
        (folder.join(&name), folder.join(format!("{name}.why.txt")))
    }

    /// What was taken and fetched of one municipality.
    pub fn archived(&self, route: &Route) -> PathBuf {
        self.archive().join(route.exchange.as_str()).join(route.municipality.to_string())
    }
}

/// The first group of an id: enough for people and, unless they are unlucky, for commands.
pub fn short_id(id: FileId) -> String {
    id.to_string().chars().take(8).collect()
}
