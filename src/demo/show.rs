//! What a demo prints. With a handful of municipalities every milestone is a line; with many, a line now and then
//! says how far they are.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::DemoSettings;
use crate::domain::agreement::Agreement;
use crate::domain::amount::Oere;
use crate::domain::change::ChangeSummary;
use crate::domain::exchange::{Exchange, Fact};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;

/// So many municipalities are shown line by line.
const SHOWN_SINGLY_MAX: usize = 5;

/// So many agreements of one municipality are shown.
const AGREEMENTS_SHOWN_MAX: usize = 6;

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

pub struct Show<'o> {
    out: &'o mut (dyn Write + Send),
    municipalities: usize,
    counts: BTreeMap<&'static str, usize>,
    told: Instant,
}

impl<'o> Show<'o> {
    pub fn new(out: &'o mut (dyn Write + Send), municipalities: usize) -> Show<'o> {
        Show { out, municipalities, counts: BTreeMap::new(), told: Instant::now() }
    }

    fn is_single(&self) -> bool {
        self.municipalities <= SHOWN_SINGLY_MAX
    }

    pub fn opening(
        &mut self,
        demo: &DemoSettings,
        municipalities: &[MunicipalityCode],
        address: SocketAddr,
        folder: &Path,
    ) -> std::io::Result<()> {
        let names: Vec<_> = municipalities.iter().take(SHOWN_SINGLY_MAX).map(|m| format!("{m} {}", m.name())).collect();
        let more = municipalities.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(self.out, "Sluse demo in {}", folder.display())?;
        writeln!(
            self.out,
            "  hub and UDK Debitor behind SFTP on {address}, about {} agreements per municipality",
            demo.agreements
        )?;
        writeln!(self.out, "  municipalities: {}{more}", names.join(", "))
    }

    pub fn round(&mut self, round: u32, payment_date: Date) -> std::io::Result<()> {
        self.counts.clear();
        writeln!(self.out, "\nRound {round}: which withholding agreements are there for the payment of {payment_date}?")
    }

    pub fn milestone(&mut self, at: Moment, exchange: &Exchange, fact: &Fact) -> std::io::Result<()> {
        let Some((milestone, detail)) = milestone(fact) else { return Ok(()) };
        *self.counts.entry(milestone).or_default() += 1;
        if self.is_single() {
            let time = at.in_copenhagen().strftime("%H:%M:%S%.3f").to_string();
            let municipality = exchange.route.municipality;
            return writeln!(self.out, "  {time}  {municipality} {:<14} {milestone:<12} {detail}", municipality.name());
        }
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.progress()?;
        }
        Ok(())
    }

    fn progress(&mut self) -> std::io::Result<()> {
        self.told = Instant::now();
        let of = |milestone: &str| self.counts.get(milestone).copied().unwrap_or(0);
        writeln!(
            self.out,
            "  accepted {:>3}   uploaded {:>3}   submitted {:>3}   receipted {:>3}   replied {:>3}   applied {:>3}   done {:>3}",
            of("accepted"),
            of("uploaded"),
            of("submitted"),
            of("receipted"),
            of("replied"),
            of("applied"),
            of("done")
        )
    }

    pub fn round_ended(
        &mut self,
        round: u32,
        took: Duration,
        summaries: &BTreeMap<MunicipalityCode, ChangeSummary>,
    ) -> std::io::Result<()> {
        if !self.is_single() {
            self.progress()?;
        }
        writeln!(self.out, "\nRound {round} took {:.1} s. What the replies changed:", took.as_secs_f64())?;
        writeln!(
            self.out,
            "  {:<20} {:>6} {:>8} {:>6} {:>8} {:>10} {:>11} {:>16}",
            "municipality", "new", "changed", "ended", "resumed", "unchanged", "agreements", "monthly, kr"
        )?;
        let mut sum = ChangeSummary::default();
        for (municipality, summary) in summaries {
            if self.is_single() {
                line(self.out, &format!("{municipality} {}", municipality.name()), summary)?;
            }
            for (total, part) in [
                (&mut sum.new, summary.new),
                (&mut sum.changed, summary.changed),
                (&mut sum.ended, summary.ended),
                (&mut sum.resumed, summary.resumed),
                (&mut sum.unchanged, summary.unchanged),
                (&mut sum.after_count, summary.after_count),
            ] {
                *total += part;
            }
            sum.after_total = sum.after_total.saturating_add(summary.after_total);
        }
        line(self.out, "all", &sum)
    }

    pub fn register<'a>(
        &mut self,
        municipality: MunicipalityCode,
        agreements: impl ExactSizeIterator<Item = &'a Agreement>,
    ) -> std::io::Result<()> {
        if !self.is_single() {
            return Ok(());
        }
        let count = agreements.len();
        writeln!(self.out, "\nRegister of {municipality} {}: {count} agreements", municipality.name())?;
        writeln!(self.out, "  {:<14} {:<12} {:<11} {:<11} {:>12}", "agreement", "payer", "from", "to", "monthly, kr")?;
        for agreement in agreements.take(AGREEMENTS_SHOWN_MAX) {
            let day = |day: Option<Date>| day.map_or("open".to_owned(), |day| day.to_string());
            let payer = agreement.payer.map(|payer| payer.to_string()).unwrap_or_default();
            writeln!(
                self.out,
                "  {:<14} {payer:<12} {:<11} {:<11} {:>12}",
                agreement.key.0,
                day(agreement.valid_from),
                day(agreement.valid_to),
                agreement.amount.unwrap_or(Oere(0)),
            )?;
        }
        if count > AGREEMENTS_SHOWN_MAX {
            writeln!(self.out, "  … and {} more", count - AGREEMENTS_SHOWN_MAX)?;
        }
        Ok(())
    }

    pub fn differs(&mut self, municipality: MunicipalityCode, sent: usize, registered: usize) -> std::io::Result<()> {
        writeln!(self.out, "  {municipality}: the register ({registered}) is not what UDK Debitor sent ({sent})")
    }

    pub fn judgement(&mut self, is_true: bool, total: usize, is_once: bool, queries: usize) -> std::io::Result<()> {
        let equals = if is_true { "equals" } else { "DOES NOT EQUAL" };
        let once = if is_once { "each counted once" } else { "NOT each counted once" };
        writeln!(self.out, "\nThe register {equals} what UDK Debitor sent ({total} agreements).")?;
        writeln!(self.out, "UDK Debitor got {queries} queries, {once}.")
    }

    pub fn closing(&mut self, is_true: bool, kept: Option<&Path>) -> std::io::Result<()> {
        if let Some(kib) = resident_kib() {
            writeln!(self.out, "Most memory that hub and daemon held together: {} MB.", kib / 1024)?;
        }
        if let Some(folder) = kept {
            let settings = folder.join("sluse.toml");
            writeln!(self.out, "Kept. Try: sluse --config {} status", settings.display())?;
        }
        writeln!(self.out, "{}", if is_true { "All true." } else { "Not true." })
    }
}

/// The milestone that a fact is to somebody watching, if it is one.
fn milestone(fact: &Fact) -> Option<(&'static str, String)> {
    Some(match fact {
        Fact::Accepted(query) => ("accepted", format!("{} ({} bytes)", query.remote_name, query.size)),
        Fact::DataUploaded => ("uploaded", "data in OUT, its size looked up".to_owned()),
        Fact::TriggerMade => ("submitted", "trigger renamed into place: from here the hub has it".to_owned()),
        Fact::TriggerFound { evidence } => ("submitted", evidence.clone()),
        Fact::ReceiptRead { .. } => ("receipted", "the hub's technical receipt".to_owned()),
        Fact::ReplyFetched(arrival) => ("replied", format!("{} ({} bytes)", arrival.name, arrival.size)),
        Fact::Applied { summary, .. } => ("applied", format!("{} agreements in the register", summary.after_count)),
        Fact::HandedOver => ("handed over", "reply and change list in the inbox".to_owned()),
        Fact::Tidied { .. } => ("done", "far side tidied".to_owned()),
        _ => return None,
    })
}

fn line(out: &mut dyn Write, name: &str, summary: &ChangeSummary) -> std::io::Result<()> {
    writeln!(
        out,
        "  {name:<20} {:>6} {:>8} {:>6} {:>8} {:>10} {:>11} {:>16}",
        summary.new,
        summary.changed,
        summary.ended,
        summary.resumed,
        summary.unchanged,
        summary.after_count,
        summary.after_total
    )
}

/// The most memory that this process ever held, in KiB; None where the kernel does not say.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
