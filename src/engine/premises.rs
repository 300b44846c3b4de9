//! What the settings become: folders, links to the far side, outboxes that are watched. Made when the daemon starts, and
//! again when the settings are read again; what stays the same is kept, so that no connection ends for it. Start with
//! [`Premises::lay`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;
use zeroize::Zeroizing;

use super::attendant::{Attendant, Said};
use super::desk::Office;
use super::house::{Renewal, Renewed};
use super::ledger::Ledger;
use super::link::Link;
use super::offline::OfflineTrouble;
use super::places::Places;
use super::site::{Kind, Site};
use super::{RunTrouble, setup};
use crate::config::{AlarmSettings, EndpointSettings, Settings};
use crate::domain::identity::{EndpointName, Route};
use crate::durable::{RealDisk, read_bounded};
use crate::outbox::watch::Watch;
use crate::transport::host_key::HostKeyPin;
use crate::transport::identity_key::Identity;
use crate::transport::sftp::{Deadlines, SftpEndpoint, SftpSettings};

/// Modes of a municipality's folder: the benefit system's group writes into the outbox and reads the inbox.
const OUTBOX_MODE: u32 = 0o2770;
const INBOX_MODE: u32 = 0o2750;

/// The longest pass phrase that is read.
const PASSPHRASE_BYTES_MAX: u64 = 4 << 10;

/// The sections whose settings are for the daemon's whole life; all others can change while it runs.
const FIXED: [&str; 2] = ["store", "folders"];

/// What stays while the settings change.
pub struct Premises {
    pub ledger: Ledger,
    /// Set when the daemon is to stop, for what runs long.
    pub stopping: Arc<AtomicBool>,
    /// Notified when something may have come into an outbox.
    pub hint: Arc<Notify>,
    /// Ends all links.
    pub links_stop: CancellationToken,
    links: JoinSet<()>,
    /// Whom alarms and heartbeat reach.
    alarm: watch::Sender<AlarmSettings>,
    at_work: Option<(Arc<Site<SftpEndpoint>>, Watch)>,
}

impl Premises {
    pub fn new(ledger: Ledger, stopping: Arc<AtomicBool>, alarm: watch::Sender<AlarmSettings>) -> Premises {
        Premises {
            ledger,
            stopping,
            hint: Arc::new(Notify::new()),
            links_stop: CancellationToken::new(),
            links: JoinSet::new(),
            alarm,
            at_work: None,
        }
    }

    /// Makes everything that the settings of this office ask for, and keeps the links that stay as they are.
    pub fn lay(&mut self, office: Office) -> Result<(Renewed<SftpEndpoint>, Watch), RunTrouble> {
        let mut endpoints = BTreeMap::new();
        for (name, settings) in &office.settings.endpoints {
            let link = match self.link(name, settings) {
                Some(link) => link,
                None => {
                    let (connect, surroundings) = (endpoint(name, settings)?, office.surroundings.clone());
                    let (link, task) = Link::new(name.clone(), connect, surroundings, self.links_stop.clone());
                    self.links.spawn(task);
                    link
                }
            };
            endpoints.insert(name.clone(), (settings.clone(), link));
        }
        let mut watch = Watch::new(self.hint.clone());
        let mut kinds = BTreeMap::new();
        let mut outboxes = Vec::new();
        for (name, settings) in &office.settings.exchanges {
            let (Some((endpoint, link)), Some((query, reply))) =
                (endpoints.get(&settings.endpoint), office.layouts.get(name))
            else {
                continue;
            };
            let kind = Arc::new(Kind {
                name: name.clone(),
                settings: settings.clone(),
                endpoint: endpoint.clone(),
                query: query.clone(),
                reply: reply.clone(),
                link: link.clone(),
            });
            let outbox = kind.outbox();
            settings.municipalities.iter().for_each(|code| watch.add(&outbox.folder(*code)));
            outboxes.push((kind.clone(), outbox));
            kinds.insert(name.clone(), kind);
        }
        let (ledger, stopping) = (self.ledger.clone(), self.stopping.clone());
        let site = Arc::new(Site { office, ledger, stopping, kinds, endpoints });
        Ok((Renewed { site, outboxes }, watch))
    }

    /// The engine works on this from now on; what it worked on before ends with its last piece of work.
    pub fn settle_in(&mut self, site: Arc<Site<SftpEndpoint>>, watch: Watch) {
        self.at_work = Some((site, watch));
        // Those of links that have ended.
        while self.links.try_join_next().is_some() {}
    }

    /// Lets the far side go.
    pub async fn close(mut self) {
        self.at_work = None;
        self.links_stop.cancel();
        while self.links.join_next().await.is_some() {}
    }

    fn link(&self, name: &EndpointName, settings: &EndpointSettings) -> Option<Arc<Link<SftpEndpoint>>> {
        let (site, _) = self.at_work.as_ref()?;
        let (former, link) = site.endpoints.get(name)?;
        (former == settings).then(|| link.clone())
    }

    /// Goes over to new settings whenever they come, until told to stop.
    pub async fn keep_up(
        mut self,
        mut attendant: Attendant,
        renewals: mpsc::Sender<Renewal<SftpEndpoint>>,
        stop: CancellationToken,
    ) -> Premises {
        loop {
            let reread = tokio::select! {
                biased;
                () = stop.cancelled() => return self,
                reread = attendant.reloads.recv() => reread,
            };
            let Some(reread) = reread else {
                stop.cancelled().await;
                return self;
            };
            (attendant.tell)(Said::Reloading);
            let came_to = match reread.settings {
                Ok(settings) => self.renew(*settings, &renewals).await,
                Err(why) => Err(why),
            };
            if came_to.is_ok() {
                // Nobody waits any more when the daemon stops.
                let _ = reread.in_force.send(());
            }
            attendant.tell_of_reload(came_to);
        }
    }

    /// What is to be known of it. Errors: why the former settings stay.
    async fn renew(
        &mut self,
        settings: Settings,
        renewals: &mpsc::Sender<Renewal<SftpEndpoint>>,
    ) -> Result<String, String> {
        let Some((site, _)) = &self.at_work else { return Err("nothing is at work yet".to_owned()) };
        let office = &site.office;
        let changes = office.settings.written.changes(&settings.written);
        if let Some(first) = changes.iter().find(|change| FIXED.contains(&change.section())) {
            return Err(format!(
                "`{}` cannot change while Sluse runs, only when it starts; put it back, or `systemctl restart sluse`",
                first.key
            ));
        }
        let (disk, surroundings) = (office.disk.clone(), office.surroundings.clone());
        let office = Office::open(settings, disk, surroundings)
            .map_err(|troubles| OfflineTrouble::layouts(&troubles).to_string())?;
        make_folders(&office).map_err(|trouble| trouble.to_string())?;
        let (renewed, watch) = self.lay(office).map_err(|trouble| trouble.to_string())?;
        let site = renewed.site.clone();
        let (answer, answered) = oneshot::channel();
        let ended = || "the daemon is stopping".to_owned();
        renewals.send(Renewal { renewed, answer }).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())??;
        self.alarm.send_replace(site.settings.alarm.clone());
        self.settle_in(site, watch);
        for change in &changes {
            info!(key = %change.key, before = change.before, now = change.now, "setting changed");
        }
        info!(changes = changes.len(), "settings read again and in force");
        Ok(match changes.len() {
            0 => "settings read again, nothing has changed".to_owned(),
            1 => "settings read again, 1 change is in force".to_owned(),
            more => format!("settings read again, {more} changes are in force"),
        })
    }
}

/// The state's folders, and each municipality's in outbox and inbox. Those themselves must be there: a path that
/// is mistaken is not to be filled.
pub fn make_folders(office: &Office) -> Result<(), RunTrouble> {
    let make =
        |folder: &Path, mode| office.disk.make_folder(folder, mode).map_err(setup("make the folder", folder.display()));
    for folder in [office.places.spool(), office.places.archive(), office.places.refused()] {
        make(&folder, 0o700)?;
    }
    for (exchange, settings) in &office.settings.exchanges {
        for folder in [&settings.outbox, &settings.inbox] {
            office.disk.mount(folder).map_err(setup("find the folder", folder.display()))?;
        }
        let mount = |folder: &Path| office.disk.mount(folder).ok();
        if mount(&settings.outbox) != mount(&office.places.spool()) {
            make(&Places::spool_in(&settings.outbox), 0o700)?;
        }
        for municipality in &settings.municipalities {
            make(&settings.outbox.join(municipality.to_string()), OUTBOX_MODE)?;
            make(&settings.inbox.join(municipality.to_string()), INBOX_MODE)?;
            let route = Route { exchange: exchange.clone(), municipality: *municipality };
            make(&office.places.archived(&route), 0o700)?;
        }
    }
    Ok(())
}

/// The SFTP server that the settings name, with the key that they name.
pub fn endpoint(name: &EndpointName, settings: &EndpointSettings) -> Result<SftpEndpoint, RunTrouble> {
    Ok(SftpEndpoint::new(far_side(name, settings)?))
}

/// What an endpoint of the settings comes to: the key read, the pins understood.
pub fn far_side(name: &EndpointName, settings: &EndpointSettings) -> Result<SftpSettings, RunTrouble> {
    let key = |reason: String| RunTrouble::Setup {
        attempted: "use",
        what: format!("the identity of endpoint `{name}`"),
        reason,
    };
    let passphrase = match &settings.passphrase {
        None => None,
        Some(path) => {
            let bytes = Zeroizing::new(
                read_bounded(&RealDisk, path, PASSPHRASE_BYTES_MAX).map_err(setup("read", path.display()))?,
            );
            let text = std::str::from_utf8(&bytes).map_err(|e| key(e.to_string()))?;
            Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
        }
    };
    let identity = Identity::read(&settings.identity, passphrase).map_err(|e| key(e.to_string()))?;
    let host_keys = settings.host_keys.iter().map(|pin| pin.as_str().parse::<HostKeyPin>());
    Ok(SftpSettings {
        host: settings.host.clone(),
        port: settings.port,
        user: settings.user.clone(),
        identity,
        host_keys: host_keys.collect::<Result<_, _>>().map_err(|e| key(e.to_string()))?,
        out: settings.out.clone(),
        r#in: settings.r#in.clone(),
        deadlines: Deadlines::default(),
    })
}
