//! What a duty needs to be carried out: the office (settings, disk, clock and dice), the ledger, the link to its
//! endpoint. Nothing here is state of the business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use uuid::Builder;

use super::desk::Office;
use super::ledger::Ledger;
use super::link::Link;
use crate::config::{EndpointSettings, ExchangeSettings};
use crate::domain::envelope::Trigger;
use crate::domain::exchange::fact::Accepted;
use crate::domain::identity::{BadName, EndpointName, ExchangeName, FileId, RemoteName};
use crate::domain::layout::{Layout, Purpose};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::patience::Patience;
use crate::domain::retention::HashKey;
use crate::durable::Disk;
use crate::outbox::Outbox;
use crate::transport::{Connect, Folder, RemotePath};

/// The clock and the dice, so that nobody takes them from the air.
#[derive(Clone)]
pub struct Surroundings {
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    dice: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Surroundings {
    pub fn new(
        clock: impl Fn() -> Moment + Send + Sync + 'static,
        dice: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Surroundings {
        Surroundings { clock: Arc::new(clock), dice: Arc::new(dice) }
    }

    /// This machine's clock and the system's random numbers.
    pub fn real() -> Surroundings {
        Surroundings::new(|| jiff::Timestamp::now().into(), rand::random::<u64>)
    }

    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// A number in [0, 1).
    pub fn share(&self) -> f64 {
        (self.nonce() as f64) / (f64::from(u32::MAX) + 1.0)
    }

    pub fn nonce(&self) -> u32 {
        ((self.dice)() >> 32) as u32
    }

    pub fn hash_key(&self) -> HashKey {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|eight| eight.copy_from_slice(&(self.dice)().to_le_bytes()));
        HashKey::new(bytes)
    }

    pub fn file_id(&self) -> FileId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(self.dice)().to_le_bytes());
        bytes[8..].copy_from_slice(&(self.dice)().to_le_bytes());
        FileId::new(Builder::from_random_bytes(bytes).into_uuid())
    }
}

/// One exchange of the settings, ready to work.
pub struct Kind<C: Connect> {
    pub name: ExchangeName,
    pub settings: ExchangeSettings,
    pub endpoint: EndpointSettings,
    pub query: Layout,
    pub reply: Layout,
    pub link: Arc<Link<C>>,
}

/// Everything around the engine.
pub struct Site<C: Connect> {
    pub office: Office,
    pub ledger: Ledger,
    /// Set when the daemon is to stop, for what runs long on the ledger's thread.
    pub stopping: Arc<AtomicBool>,
    pub kinds: BTreeMap<ExchangeName, Arc<Kind<C>>>,
    pub endpoints: BTreeMap<EndpointName, (EndpointSettings, Arc<Link<C>>)>,
}

impl<C: Connect> std::ops::Deref for Site<C> {
    type Target = Office;

    fn deref(&self) -> &Office {
        &self.office
    }
}

impl<C: Connect> Site<C> {
    /// The exchanges that travel by this endpoint.
    pub fn kinds_of(&self, endpoint: &EndpointName) -> Vec<Arc<Kind<C>>> {
        self.kinds.values().filter(|kind| kind.settings.endpoint == *endpoint).cloned().collect()
    }
}

impl<C: Connect> Kind<C> {
    /// Its outbox, nothing seen of it yet.
    pub fn outbox(&self) -> Outbox {
        let ExchangeSettings { outbox, municipalities, settle, unfit_after, .. } = &self.settings;
        Outbox::new(self.name.clone(), outbox.clone(), municipalities.clone(), *settle, *unfit_after)
    }

    /// The trigger of a query, by the settings as they are now. Always the same bytes while they are.
    pub fn trigger(&self, id: FileId, query: &Accepted) -> Vec<u8> {
        let trigger = Trigger {
            file_name: query.remote_name.clone(),
            size: query.size,
            sender: self.endpoint.user.clone(),
            senders_file_id: Some(id.to_string()),
            recipients: vec![self.settings.recipient.clone()],
        };
        trigger.to_xml()
    }

    /// The folder of one municipality in the outbox.
    pub fn outbox_of(&self, municipality: MunicipalityCode) -> PathBuf {
        self.settings.outbox.join(municipality.to_string())
    }

    /// The folder of one municipality in the inbox.
    pub fn inbox(&self, municipality: MunicipalityCode) -> PathBuf {
        self.settings.inbox.join(municipality.to_string())
    }
}

/// How long an exchange of these settings waits for the other side.
pub fn patience(settings: &ExchangeSettings, endpoint: &EndpointSettings) -> Patience {
    let (receipt_within, reply_within) = (settings.receipt_within, settings.reply_within);
    Patience { receipt_within, reply_within, windows: endpoint.service_windows.clone() }
}

/// Why the layouts of an exchange cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutTrouble {
    #[error("cannot read {file}: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("{0}")]
    Mistaken(String),
}

/// A layout file is some kilobytes.
const LAYOUT_SIZE_MAX: u64 = 1 << 20;

/// The layouts of a folder (`query.toml`, `reply.toml`), or the ones compiled in.
pub fn layouts(disk: &dyn Disk, folder: Option<&Path>) -> Result<(Layout, Layout), LayoutTrouble> {
    let Some(folder) = folder else {
        return Ok((Layout::shipped_query(), Layout::shipped_reply()));
    };
    let read = |name: &str, purpose: Purpose| {
        let path = folder.join(name);
        let file = path.display().to_string();
        let bytes = crate::durable::read_bounded(disk, &path, LAYOUT_SIZE_MAX)
            .map_err(|e| LayoutTrouble::Unreadable { file: file.clone(), reason: e.to_string() })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| LayoutTrouble::Unreadable { file: file.clone(), reason: "it is not UTF-8".into() })?;
        let layout = Layout::parse(&file, &text).map_err(|mistakes| LayoutTrouble::Mistaken(mistakes.to_string()))?;
        match layout.purpose() == purpose {
            true => Ok(layout),
            false => Err(LayoutTrouble::Mistaken(format!(
                "{file}: a layout of {}, expected one of {purpose}",
                layout.purpose()
            ))),
        }
    };
    Ok((read("query.toml", Purpose::Query)?, read("reply.toml", Purpose::Reply)?))
}

pub fn in_out(name: &RemoteName) -> RemotePath {
    RemotePath { folder: Folder::Out, name: name.clone() }
}

pub fn in_in(name: &RemoteName) -> RemotePath {
    RemotePath { folder: Folder::In, name: name.clone() }
}

/// The trigger's final name.
pub fn trigger_name(query: &RemoteName) -> Result<RemoteName, BadName> {
    query.with_suffix(".trigger")
}
