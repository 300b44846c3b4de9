//! `sluse demo`: hub and daemon and whole rounds in one folder, everything real but the distance: an SFTP server, keys,
//! a store, files. Each milestone is shown as the journal gets it, then what the last reply changed, then
//! the register; and the register is compared with the book that UDK Debitor answered from.

mod ground;
mod show;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::domain::agreement::{Agreement, AgreementKey};
use crate::domain::change::ChangeSummary;
use crate::domain::exchange::{Book, Fact};
use crate::domain::identity::FileId;
use crate::domain::municipality::MunicipalityCode;
use crate::engine;
use crate::engine::attendant::Attendant;
use crate::engine::control::{Answer, Request};
use crate::hub::Hub;
use crate::hub::book::Book as Agreements;
use crate::hub::ledger::Ledger;
use crate::store::{Body, Question, Reading, SqliteReader};
use ground::Ground;
use show::Show;

/// A round that takes longer than this has failed: a hub that answers at once takes seconds.
const ROUND_WITHIN: Duration = Duration::from_secs(300);

/// The journal is looked at this often for what to show.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to show.
#[derive(Clone, Debug)]
pub struct DemoSettings {
    /// 1 to 98.
    pub municipalities: usize,
    pub agreements: u32,
    /// At least 1.
    pub rounds: u32,
    /// None: a temporary folder that is removed at the end.
    pub keep: Option<PathBuf>,
}

/// Runs it, telling `out` what happens. Returns whether the register equals what UDK Debitor sent.
pub async fn run(demo: DemoSettings, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
    let municipalities: Vec<_> = MunicipalityCode::all().map(|m| m.code).take(demo.municipalities).collect();
    let ground = Ground::lay(&demo, &municipalities)?;
    let mut show = Show::new(out, municipalities.len());

    let hub = Hub::open(ground.hub_settings()?).await?;
    let stop_hub = CancellationToken::new();
    let (address, fingerprint) = (hub.address(), hub.fingerprint().map(str::to_owned));
    let (Some(address), Some(fingerprint)) = (address, fingerprint) else { anyhow::bail!("the hub has no server") };
    let hub = tokio::spawn(hub.run(stop_hub.clone()));
    let settings = ground.settings(address, &fingerprint)?;
    show.opening(&demo, &municipalities, address, ground.folder())?;

    let stop = CancellationToken::new();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let daemon = tokio::spawn(engine::run(settings.clone(), stop.clone(), Attendant::who_waits(ready)));
    let rounds = async {
        // An engine that cannot start says so itself, below.
        if is_ready.await.is_ok() {
            for round in 1..=demo.rounds {
                one_round(&settings, &municipalities, round, &mut show).await?;
            }
        }
        anyhow::Ok(())
    };
    let played = rounds.await;
    stop.cancel();
    daemon.await??;
    stop_hub.cancel();
    hub.await??;
    played?;

    let is_true = compare(&ground, &settings, &municipalities, demo.rounds, &mut show)?;
    show.closing(is_true, demo.keep.is_some().then(|| ground.folder()))?;
    Ok(is_true)
}

/// Asks for each municipality, and shows what the journal gets until every exchange of the round is at its end.
async fn one_round(
    settings: &Settings,
    municipalities: &[MunicipalityCode],
    round: u32,
    show: &mut Show<'_>,
) -> anyhow::Result<()> {
    let payment_date = payment_date(round)?;
    show.round(round, payment_date)?;
    let reader = SqliteReader::open(&settings.store.path)?;
    let mut seq = reader.entries(0, &mut |_| {})?.seq;
    for municipality in municipalities {
        let request = Request::Query { exchange: None, municipality: *municipality, payment_date };
        match ground::ask(settings, &request).await? {
            Answer::Composed { .. } => {}
            answer => anyhow::bail!("no query was composed for {municipality}: {answer:?}"),
        }
    }
    let mut book = Book::default();
    let mut summaries: BTreeMap<MunicipalityCode, ChangeSummary> = BTreeMap::new();
    let began = std::time::Instant::now();
    loop {
        let mut entries = Vec::new();
        seq = reader.entries(seq, &mut |entry| entries.push(entry))?.seq;
        for entry in entries {
            let Body::Exchange { id, fact } = &entry.body else { continue };
            book.take_in(entry.seq, *id, entry.at, fact);
            let Some(exchange) = book.get(*id) else { continue };
            if let Fact::Applied { summary, .. } = fact {
                summaries.insert(exchange.route.municipality, summary.clone());
            }
            show.milestone(entry.at, exchange, fact)?;
        }
        let ended: Vec<FileId> = book.all().filter(|e| e.state.is_final()).map(|e| e.id).collect();
        let held: Vec<_> = book.waiting_for_person().filter(|e| e.held().is_some()).collect();
        if let Some(exchange) = held.first() {
            let reasons = exchange.held().unwrap_or_default();
            anyhow::bail!(
                "exchange {} is held: {}",
                exchange.id,
                reasons.first().map_or(String::new(), ToString::to_string)
            );
        }
        if ended.len() == municipalities.len() {
            break;
        }
        anyhow::ensure!(began.elapsed() < ROUND_WITHIN, "only {} exchanges came to their end", ended.len());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    show.round_ended(round, began.elapsed(), &summaries)?;
    Ok(())
}

/// The register against the book, agreement by agreement; and each query counted once.
fn compare(
    ground: &Ground,
    settings: &Settings,
    municipalities: &[MunicipalityCode],
    rounds: u32,
    show: &mut Show<'_>,
) -> anyhow::Result<bool> {
    let reader = SqliteReader::open(&settings.store.path)?;
    let agreements: &Agreements = ground.agreements();
    let mut is_true = true;
    let mut total = 0;
    for municipality in municipalities {
        let mut registered: BTreeMap<AgreementKey, Agreement> = BTreeMap::new();
        let question = Question { municipality: Some(*municipality), ..Question::default() };
        reader.register(&question, &mut |answer| {
            registered.insert(answer.agreement.key.clone(), answer.agreement);
        })?;
        show.register(*municipality, registered.values())?;
        let sent = agreements.at(*municipality, rounds).into_iter().map(|a| (a.key.clone(), a));
        let sent: BTreeMap<AgreementKey, Agreement> = sent.collect();
        total += sent.len();
        if sent != registered {
            is_true = false;
            show.differs(*municipality, sent.len(), registered.len())?;
        }
    }
    let ledger = Ledger::read(&ground.debitor_ledger())?;
    let counts: Vec<u64> = ledger.counted.values().flat_map(BTreeMap::values).copied().collect();
    let expected = municipalities.len() * rounds as usize;
    let is_once = counts.len() == expected && counts.iter().all(|count| *count == 1);
    show.judgement(is_true, total, is_once, counts.len())?;
    Ok(is_true && is_once)
}

/// The last day but one of a month to come, a month further on for each round.
fn payment_date(round: u32) -> anyhow::Result<Date> {
    let today = jiff::Zoned::now().date();
    let month = today.checked_add(i64::from(round).months())?;
    Ok(month.last_of_month().checked_sub(1.day())?)
}
