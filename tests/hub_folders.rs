//! The whole hub over folders alone, as it stands behind an OpenSSH server: a query goes in, a receipt
//! and a reply come out, and a name is used once.

#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails the test that asked for it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::date;
use sluse::domain::envelope::{FileMetadata, ReceiptOutcome, SendersFileId, TechnicalReceipt, Trigger};
use sluse::domain::identity::{DeliveryNumber, UserName};
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::{QueryOrder, compose_query};
use sluse::domain::reply::ReplyReader;
use sluse::hub::debitor::{Debitor, DebitorSettings};
use sluse::hub::faults::Faults;
use sluse::hub::ledger::Ledger;
use sluse::hub::{Hub, HubSettings, HubTrouble};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const QUERY: &str = "BETADM_FORESP_0751_20991201_0042.txt";
const REPLY: &str = "BETADM_SVAR_0751_20991201_0042.txt";
const FILE_ID: &str = "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11";
const LIMIT: Duration = Duration::from_secs(30);

struct Running {
    root: TempDir,
    stop: CancellationToken,
    hub: JoinHandle<Result<(), HubTrouble>>,
}

fn ky() -> UserName {
    "KY_SIMPELSFTP".parse().unwrap()
}

fn udk() -> UserName {
    "UDK_DEBITOR".parse().unwrap()
}

fn aarhus() -> MunicipalityCode {
    "0751".parse().unwrap()
}

async fn hub(faults: Faults, foreign: bool) -> Running {
    let root = TempDir::new().unwrap();
    let hub = Hub::open(HubSettings {
        users: [(ky(), vec![])].into(),
        debitor: Some(DebitorSettings::of(udk())),
        pass_interval: Duration::from_millis(5),
        foreign,
        faults,
        ..HubSettings::over(root.path().to_owned())
    })
    .await
    .unwrap();
    let stop = CancellationToken::new();
    Running { root, hub: tokio::spawn(hub.run(stop.clone())), stop }
}

impl Running {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("KY_SIMPELSFTP").join(name)
    }

    /// Sends a query as the daemon does: data first, the trigger by rename.
    fn send(&self, payment_date: jiff::civil::Date) {
        let order = QueryOrder {
            municipality: aarhus(),
            created: date(2099, 12, 1).at(4, 15, 0, 0),
            delivery: DeliveryNumber(42),
            payment_date,
        };
        let data = compose_query(&Layout::shipped_query(), &order).unwrap();
        let trigger = Trigger {
            file_name: QUERY.parse().unwrap(),
            size: data.len() as u64,
            sender: ky(),
            senders_file_id: Some(FILE_ID.to_owned()),
            recipients: vec![udk()],
        };
        fs::write(self.path("OUT").join(QUERY), data).unwrap();
        fs::write(self.path("OUT/part"), trigger.to_xml()).unwrap();
        fs::rename(self.path("OUT/part"), self.path("OUT").join(format!("{QUERY}.trigger"))).unwrap();
    }

    /// Waits for a file, and takes it away as a client does.
    async fn fetch(&self, name: &str) -> Vec<u8> {
        let path = self.path("IN").join(name);
        wait_for(&path).await;
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        bytes
    }

    async fn fetch_receipt(&self) -> TechnicalReceipt {
        TechnicalReceipt::read(&self.fetch(&format!("{QUERY}.sftpreceipt")).await).unwrap()
    }

    fn ledger(&self) -> Ledger {
        Ledger::read(&self.root.path().join(Debitor::LEDGER)).unwrap()
    }

    async fn end(&mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(LIMIT, &mut self.hub).await;
        ended.expect("the hub did not stop").unwrap().unwrap();
    }
}

async fn wait_for(path: &Path) {
    let appears = async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while !path.exists() {
            looks.tick().await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, appears).await;
    assert!(waited.is_ok(), "{} never came", path.display());
}

#[tokio::test]
async fn a_query_is_receipted_answered_and_counted_once_and_its_name_is_spent() {
    let mut hub = hub(Faults::default(), false).await;
    hub.send(date(2099, 12, 30));

    let receipt = hub.fetch_receipt().await;
    let metadata = FileMetadata::read(&hub.fetch(&format!("{REPLY}.metadata")).await).unwrap();
    let reply = hub.fetch(REPLY).await;
    assert_eq!(
        (receipt.senders_file_id, receipt.outcome),
        (SendersFileId::Uuid(FILE_ID.parse().unwrap()), ReceiptOutcome::Success)
    );
    assert_eq!((metadata.size, metadata.sender), (reply.len() as u64, udk()));
    let layout = Layout::shipped_reply();
    let mut reader = ReplyReader::new(&layout, aarhus());
    reader.feed(&reply, &mut |_, _| Ok(())).unwrap();
    assert_eq!(reader.finish().unwrap().count, 25);

    hub.send(date(2099, 12, 30));
    let ReceiptOutcome::Failure { errors } = hub.fetch_receipt().await.outcome else {
        unreachable!("a name that was used before is refused");
    };
    hub.end().await;
    assert_eq!(errors[0].code, Some(46));
    assert_eq!(hub.ledger().counted[&aarhus()][&date(2099, 12, 30)], 1);
    assert_eq!(fs::read_dir(hub.root.path().join("UDK_DEBITOR/OUT")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_refused_query_reaches_nobody() {
    let mut hub = hub(Faults::asked_for(["error-receipt"]).unwrap(), false).await;
    hub.send(date(2099, 12, 30));

    let outcome = hub.fetch_receipt().await.outcome;
    hub.end().await;

    assert!(matches!(outcome, ReceiptOutcome::Failure { errors } if errors[0].code == Some(99)));
    assert_eq!(hub.ledger(), Ledger::default());
    assert!(hub.path("OUT").join(QUERY).exists(), "the data stays behind");
}

#[tokio::test]
async fn other_integrations_leave_a_file_metadata_alone_and_a_receipt_in_the_shared_folder() {
    let mut hub = hub(Faults::default(), true).await;
    hub.end().await;

    let mut names: Vec<_> =
        fs::read_dir(hub.path("IN")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "EINDKOMST_20261130_0007.xml",
            "EINDKOMST_20261130_0007.xml.metadata",
            "EINDKOMST_20261130_0008.xml.metadata",
            "YDELSESREFUSION_20261130_0003.csv.sftpreceipt",
        ]
    );
}
