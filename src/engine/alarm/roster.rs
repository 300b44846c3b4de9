//! What one receiver was told, and so what it is to be told next: the difference between that and what is so now. Whatever
//! came and went while it could not be reached is not told; nothing is told twice but by setting. Decides only. Start
//! with [`Roster::next`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::notice::{Event, Notice};
use crate::domain::moment::Moment;
use crate::engine::concern::{Concern, Severity};

/// The version of the file.
const VERSION: u32 = 1;

/// What is told, by the settings.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub least: Severity,
    /// None: an alarm is told once.
    pub repeat: Option<Duration>,
    /// What has been gone for so long is over.
    pub over_after: Duration,
}

/// What one receiver knows.
#[derive(Debug)]
pub struct Roster {
    kept: Kept,
    /// What it knows of and is no longer so, since when.
    gone: HashMap<String, Instant>,
}

/// As it is kept in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// A mark of the receiver: another one has been told nothing.
    target: String,
    told: BTreeMap<String, Told>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    /// When it was told last.
    at: Moment,
    concern: Concern,
}

impl Roster {
    pub fn new(target: &str) -> Roster {
        let kept = Kept { version: VERSION, target: target.to_owned(), told: BTreeMap::new() };
        Roster { kept, gone: HashMap::new() }
    }

    /// From its file. Errors: what is wrong with it.
    pub fn read(bytes: &[u8], target: &str) -> Result<Roster, String> {
        let kept: Kept = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        match kept.version {
            VERSION if kept.target == target => Ok(Roster { kept, gone: HashMap::new() }),
            VERSION => Ok(Roster::new(target)),
            other => Err(format!("version {other} is not known")),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.kept).expect("strings, numbers and times are always JSON")
    }

    /// The one notice that is due now, the most urgent first. `open`: ids of which nobody knows yet whether they are over.
    pub fn next(
        &mut self,
        rules: &Rules,
        concerns: &[Concern],
        open: &BTreeSet<String>,
        now: Moment,
        steady: Instant,
    ) -> Option<(Event, Vec<Concern>)> {
        let ids: BTreeSet<&str> = concerns.iter().map(|concern| concern.id.as_str()).collect();
        let told = &self.kept.told;
        self.gone.retain(|id, _| told.contains_key(id) && !ids.contains(id.as_str()));
        for id in told.keys().filter(|id| !ids.contains(id.as_str()) && !open.contains(*id)) {
            self.gone.entry(id.clone()).or_insert(steady);
        }
        let known = |concern: &Concern| told.get(&concern.id);
        let is_news = |concern: &&Concern| {
            concern.severity >= rules.least
                && known(concern).is_none_or(|told| told.concern.severity < concern.severity)
        };
        let is_of = |severity: Severity| move |concern: &&Concern| concern.severity == severity;
        let is_to_repeat = |concern: &&Concern| match (rules.repeat, known(concern)) {
            (Some(repeat), Some(told)) => now.since(told.at) >= repeat,
            (Some(_), None) | (None, _) => false,
        };
        let is_over = |id: &&String| self.gone.get(*id).is_some_and(|since| steady - *since >= rules.over_after);
        let alarms = || concerns.iter().filter(is_of(Severity::Alarm));
        let groups: [(Event, Vec<Concern>); 4] = [
            (Event::Alarm, alarms().filter(is_news).cloned().collect()),
            (Event::Reminder, alarms().filter(is_to_repeat).cloned().collect()),
            (Event::Warning, concerns.iter().filter(is_of(Severity::Warning)).filter(is_news).cloned().collect()),
            (Event::Clear, told.keys().filter(is_over).map(|id| told[id].concern.clone()).collect()),
        ];
        groups.into_iter().find(|(_, concerns)| !concerns.is_empty())
    }

    /// The receiver has this notice.
    pub fn note(&mut self, notice: &Notice) {
        for concern in &notice.concerns {
            match notice.event {
                Event::Alarm | Event::Reminder | Event::Warning => {
                    let told = Told { at: notice.at, concern: concern.clone() };
                    self.kept.told.insert(concern.id.clone(), told);
                }
                Event::Clear | Event::Test => {
                    self.kept.told.remove(&concern.id);
                    self.gone.remove(&concern.id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::concern::ConcernKind;

    const ONCE: Rules = Rules { least: Severity::Warning, repeat: None, over_after: Duration::from_secs(60) };

    fn at(seconds: u64) -> Moment {
        "2026-12-01T08:00:00Z".parse::<Moment>().unwrap().plus(Duration::from_secs(seconds))
    }

    fn concern(of: &str, severity: Severity) -> Concern {
        Concern::new(ConcernKind::Reply, of, severity, at(0))
    }

    /// A roster and its clock; what it says is noted as told.
    struct Told {
        roster: Roster,
        began: Instant,
        rules: Rules,
    }

    impl Told {
        fn new(rules: Rules) -> Told {
            Told { roster: Roster::new("x"), began: Instant::now(), rules }
        }

        /// Everything that is told at this second, as `event: ids`.
        fn at(&mut self, seconds: u64, concerns: &[Concern], open: &[&str]) -> Vec<String> {
            let open = open.iter().map(|id| (*id).to_owned()).collect();
            let steady = self.began + Duration::from_secs(seconds);
            let mut said = Vec::new();
            while let Some((event, told)) = self.roster.next(&self.rules, concerns, &open, at(seconds), steady) {
                let ids: Vec<&str> = told.iter().map(|concern| concern.id.as_str()).collect();
                said.push(format!("{}: {}", event.name(), ids.join(" ")));
                self.roster.note(&Notice { event, at: at(seconds), host: String::new(), concerns: told });
            }
            said
        }

        /// As after a new start.
        fn restart(&mut self) {
            self.roster = Roster::read(&self.roster.to_bytes(), "x").unwrap();
        }
    }

    #[test]
    fn each_is_told_once_as_a_warning_once_as_an_alarm_and_once_when_it_is_over() {
        let mut told = Told::new(ONCE);
        let (warning, alarm) = (concern("a", Severity::Warning), concern("a", Severity::Alarm));

        assert_eq!(told.at(0, &[], &[]), [""; 0]);
        assert_eq!(told.at(10, std::slice::from_ref(&warning), &[]), ["warning: reply:a"]);
        assert_eq!(told.at(20, std::slice::from_ref(&warning), &[]), [""; 0]);
        assert_eq!(told.at(30, std::slice::from_ref(&alarm), &[]), ["alarm: reply:a"]);
        told.restart();
        assert_eq!(told.at(40, std::slice::from_ref(&alarm), &[]), [""; 0]);
        assert_eq!(told.at(50, &[], &[]), [""; 0]);
        assert_eq!(told.at(109, &[], &[]), [""; 0]);
        assert_eq!(told.at(110, &[], &[]), ["clear: reply:a"]);
        assert_eq!(told.at(500, &[], &[]), [""; 0]);
        assert_eq!(told.at(510, &[alarm], &[]), ["alarm: reply:a"]);
    }

    #[test]
    fn what_comes_and_goes_is_neither_told_again_nor_told_to_be_over() {
        let mut told = Told::new(ONCE);
        let alarm = [concern("a", Severity::Alarm)];
        assert_eq!(told.at(0, &alarm, &[]), ["alarm: reply:a"]);

        for round in 1..20 {
            assert_eq!(told.at(100 * round, &[], &[]), [""; 0]);
            assert_eq!(told.at(100 * round + 59, &[], &[]), [""; 0]);
            assert_eq!(told.at(100 * round + 60 - 1, &alarm, &[]), [""; 0]);
        }
    }

    #[test]
    fn all_that_is_due_at_once_is_one_notice_and_alarms_come_first() {
        let mut told = Told::new(ONCE);
        let now: Vec<Concern> = ["a", "b"].map(|of| concern(of, Severity::Warning)).into();
        let now = [now, ["c", "d"].map(|of| concern(of, Severity::Alarm)).into()].concat();

        assert_eq!(told.at(0, &now, &[]), ["alarm: reply:c reply:d", "warning: reply:a reply:b"]);
        assert_eq!(told.at(0, &[], &[]), [""; 0]);
        assert_eq!(told.at(60, &[], &[]), ["clear: reply:a reply:b reply:c reply:d"]);
    }

    #[test]
    fn an_alarm_is_told_again_as_often_as_the_settings_say_also_over_a_new_start_and_a_warning_is_not() {
        let mut told = Told::new(Rules { repeat: Some(Duration::from_secs(3600)), ..ONCE });
        let now = [concern("a", Severity::Alarm), concern("b", Severity::Warning)];
        assert_eq!(told.at(0, &now, &[]), ["alarm: reply:a", "warning: reply:b"]);

        assert_eq!(told.at(3599, &now, &[]), [""; 0]);
        told.restart();
        assert_eq!(told.at(3600, &now, &[]), ["reminder: reply:a"]);
        assert_eq!(told.at(7199, &now, &[]), [""; 0]);
        assert_eq!(told.at(7200, &now, &[]), ["reminder: reply:a"]);
    }

    #[test]
    fn whoever_wants_alarms_alone_hears_of_no_warning_and_of_no_end_of_one() {
        let mut told = Told::new(Rules { least: Severity::Alarm, ..ONCE });

        assert_eq!(told.at(0, &[concern("a", Severity::Warning)], &[]), [""; 0]);
        assert_eq!(told.at(100, &[], &[]), [""; 0]);
        assert_eq!(told.at(200, &[concern("a", Severity::Alarm)], &[]), ["alarm: reply:a"]);
        // It is still there, only less urgent.
        assert_eq!(told.at(300, &[concern("a", Severity::Warning)], &[]), [""; 0]);
        assert_eq!(told.at(400, &[concern("a", Severity::Alarm)], &[]), [""; 0]);
    }

    #[test]
    fn what_nobody_knows_yet_after_a_start_is_not_told_to_be_over() {
        let mut told = Told::new(ONCE);
        assert_eq!(told.at(0, &[concern("a", Severity::Alarm)], &[]), ["alarm: reply:a"]);

        told.restart();
        assert_eq!(told.at(1_000, &[], &["reply:a"]), [""; 0]);
        assert_eq!(told.at(2_000, &[], &["reply:a"]), [""; 0]);
        assert_eq!(told.at(2_001, &[], &[]), [""; 0]);
        assert_eq!(told.at(2_061, &[], &[]), ["clear: reply:a"]);
    }

    #[test]
    fn another_receiver_has_been_told_nothing_and_a_damaged_file_is_known_for_one() {
        let mut told = Told::new(ONCE);
        told.at(0, &[concern("a", Severity::Alarm)], &[]);
        let bytes = told.roster.to_bytes();

        assert!(Roster::read(&bytes, "another").unwrap().kept.told.is_empty());
        assert!(Roster::read(&bytes[..bytes.len() - 1], "x").is_err());
        let newer = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2");
        assert!(Roster::read(newer.as_bytes(), "x").unwrap_err().contains("version 2"));
    }

    proptest! {
        /// Whatever happens, each is told in turn that it is there and that it is over, beginning with the first.
        #[test]
        fn beginnings_and_ends_take_turns(steps in proptest::collection::vec((0u8..3, 1u64..200, any::<bool>()), 1..60)) {
            let mut told = Told::new(ONCE);
            let mut is_known = false;
            let mut seconds = 0;
            for (what, wait, restarts) in steps {
                seconds += wait;
                let now: Vec<Concern> = match what {
                    0 => vec![],
                    1 => vec![concern("a", Severity::Warning)],
                    _ => vec![concern("a", Severity::Alarm)],
                };
                for said in told.at(seconds, &now, &[]) {
                    let is_end = said.starts_with("clear");
                    prop_assert!(is_known || !is_end, "{said}");
                    is_known = !is_end;
                }
                prop_assert!(is_known || now.is_empty());
                if restarts {
                    told.restart();
                }
            }
        }
    }
}
