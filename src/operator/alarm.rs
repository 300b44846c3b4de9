//! `sluse alarm`: tells the receivers of the settings at once, without the daemon: to try them out, or that the service has
//! failed. Start with [`tell`].

use std::path::Path;
use std::time::Duration;

use super::cli;
use crate::config::{AlarmSettings, Folders};
use crate::domain::moment::Moment;
use crate::durable::Disk;
use crate::durable::RealDisk;
use crate::engine::alarm::notice::{Event, Notice};
use crate::engine::alarm::read_told;
use crate::engine::alarm::send::{Receiver, host_name, receivers};
use crate::engine::concern::{Concern, ConcernKind, Severity};
use crate::engine::offline::StoreLock;
use crate::engine::places::Places;

/// That a unit has failed is tried so often: nobody else tells it.
const TRIES_MAX: u32 = 5;

/// Between two tries.
const AGAIN_IN: Duration = Duration::from_secs(5);

/// What became of each receiver.
pub struct Told {
    pub lines: Vec<String>,
    pub is_fine: bool,
}

/// Tells every receiver. Errors: the section `[alarm]` cannot be read, or names nobody.
pub fn tell(what: &cli::Alarm, config: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Told, String> {
    // Settings that have a mistake elsewhere may be why the unit has failed.
    let settings = AlarmSettings::read(config, environment).map_err(|mistakes| mistakes.to_string())?;
    let receivers = receivers(&settings);
    if receivers.is_empty() {
        return Err(format!(
            "error: {}: [alarm] has neither `command` nor `webhook`: nobody is told\n",
            config.display()
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("error: cannot start: {e}\n"))?;
    let notice = notice(what, jiff::Timestamp::now().into());
    let tries = match what {
        cli::Alarm::Test => 1,
        cli::Alarm::UnitFailed { .. } => TRIES_MAX,
    };
    let mut told = Told { lines: Vec::new(), is_fine: true };
    for receiver in &receivers {
        match runtime.block_on(send(receiver, &notice, tries)) {
            Ok(()) => {
                told.lines.push(format!("{}: told", receiver.name()));
                if let cli::Alarm::UnitFailed { .. } = what {
                    keep(config, environment, receiver, &notice);
                }
            }
            Err(why) => {
                told.lines.push(format!("{}: NOT told: {why}", receiver.name()));
                told.is_fine = false;
            }
        }
    }
    Ok(told)
}

async fn send(receiver: &Receiver, notice: &Notice, tries: u32) -> Result<(), String> {
    let mut sent = receiver.send(notice).await;
    for _ in 1..tries {
        if sent.is_ok() {
            break;
        }
        tokio::time::sleep(AGAIN_IN).await;
        sent = receiver.send(notice).await;
    }
    sent
}

/// So that the next daemon says that it is over. What cannot be kept leaves the receiver without that word.
fn keep(config: &Path, environment: &dyn Fn(&str) -> Option<String>, receiver: &Receiver, notice: &Notice) {
    // As with [alarm]: the mistake that has ended the daemon is somewhere else.
    let Ok(folders) = Folders::read(config, environment) else { return };
    let places = Places::new(&folders.state);
    // A daemon that runs keeps the file itself.
    let Ok(_lock) = StoreLock::take(&places.lock()) else { return };
    let path = places.told(receiver.name());
    let mut roster = read_told(&RealDisk, &path, &receiver.mark());
    roster.note(notice);
    let _ = RealDisk.replace(&path, &roster.to_bytes());
}

fn notice(what: &cli::Alarm, at: Moment) -> Notice {
    let (event, concern) = match what {
        cli::Alarm::Test => (
            Event::Test,
            Concern {
                what: "this is a test, nothing is wrong".to_owned(),
                advice: "nothing: you have been reached".to_owned(),
                ..Concern::new(ConcernKind::Test, "", Severity::Alarm, at)
            },
        ),
        cli::Alarm::UnitFailed { unit } => (
            Event::Alarm,
            Concern {
                what: format!("the unit {unit} has failed and is not started again: nothing happens by itself"),
                advice: format!(
                    "see why with `journalctl -u {unit} -n 50`, mend it, and `systemctl reset-failed {unit}; systemctl start \
                     {unit}`; everything can be resumed"
                ),
                ..Concern::new(ConcernKind::Unit, unit, Severity::Alarm, at)
            },
        ),
    };
    Notice { event, at, host: host_name(), concerns: vec![concern] }
}
