//! What a receiver gets: one event, with everything that it is about, as JSON and as text that can be sent on as it is.
//! Bounded, however much there is. No personal data, because concerns have none. Start with [`Notice`].

use std::fmt::Write;

use serde::Serialize;

use crate::domain::moment::Moment;
use crate::engine::concern::Concern;

/// More than this is counted and not told: `sluse status` tells all of it.
const TOLD_MAX: usize = 100;

/// The same for the text, which may go to a telephone.
const IN_TEXT_MAX: usize = 10;

/// A subject is one line of a mail, in characters.
const SUBJECT_MAX: usize = 160;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The time is up, or nothing happens until a person acts.
    Alarm,
    /// It lasts.
    Reminder,
    /// Four fifths of the time are gone, or it may end by itself.
    Warning,
    /// What was told is over.
    Clear,
    /// A person tries the receivers out.
    Test,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Notice {
    pub event: Event,
    pub at: Moment,
    /// This machine's name.
    pub host: String,
    /// At least one; all are told by this, also those that are only counted.
    pub concerns: Vec<Concern>,
}

/// As it goes to a webhook, or to a command's standard input.
#[derive(Serialize)]
struct Json<'n> {
    event: Event,
    at: Moment,
    host: &'n str,
    subject: String,
    text: String,
    /// How many there are in all.
    count: usize,
    concerns: &'n [Concern],
}

impl Event {
    pub fn name(self) -> &'static str {
        match self {
            Event::Alarm => "alarm",
            Event::Reminder => "reminder",
            Event::Warning => "warning",
            Event::Clear => "clear",
            Event::Test => "test",
        }
    }

    /// As it stands before the sentence.
    fn heading(self) -> &'static str {
        match self {
            Event::Alarm => "ALARM",
            Event::Reminder => "STILL",
            Event::Warning => "warning",
            Event::Clear => "over",
            Event::Test => "test",
        }
    }
}

impl Notice {
    /// One line: `Sluse on srv1: ALARM: the reply for …`.
    pub fn subject(&self) -> String {
        let first = self.concerns.first().map(|concern| concern.what.as_str()).unwrap_or_default();
        let told = match self.concerns.len() {
            0 | 1 => first.to_owned(),
            several => format!("{several} things, the first: {first}"),
        };
        let subject = format!("Sluse on {}: {}: {told}", self.host, self.event.heading());
        if subject.chars().count() <= SUBJECT_MAX {
            return subject;
        }
        subject.chars().take(SUBJECT_MAX - 1).chain(['…']).collect()
    }

    /// What, since when, why, and which command comes next; Danish local time.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for concern in self.concerns.iter().take(IN_TEXT_MAX) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}: {}.", self.event.heading(), concern.what);
            let since = concern.since.minute();
            match self.event {
                Event::Clear => {
                    let _ = writeln!(text, "It had lasted since {since}, and is over since at most some minutes.");
                }
                Event::Alarm | Event::Reminder | Event::Warning | Event::Test => {
                    let _ = writeln!(text, "Since {since}. Next: {}.", concern.advice);
                }
            }
            let _ = writeln!(text, "    sluse {}", concern.command);
        }
        if let Some(more) = self.concerns.len().checked_sub(IN_TEXT_MAX).filter(|more| *more > 0) {
            let _ = writeln!(text, "\nAnd {more} more:\n    sluse status");
        }
        let _ = writeln!(text, "\nOn {}, {}, Danish local time.", self.host, self.at.minute());
        text
    }

    /// One JSON value, in one line.
    pub fn json(&self) -> Vec<u8> {
        let json = Json {
            event: self.event,
            at: self.at,
            host: &self.host,
            subject: self.subject(),
            text: self.text(),
            count: self.concerns.len(),
            concerns: &self.concerns[..self.concerns.len().min(TOLD_MAX)],
        };
        let mut bytes = serde_json::to_vec(&json).expect("strings, numbers and times are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// The same for a command's environment, where it is about one thing alone with what that is.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("SLUSE_EVENT", self.event.name().to_owned()),
            ("SLUSE_SUBJECT", self.subject()),
            ("SLUSE_TEXT", self.text()),
            ("SLUSE_COUNT", self.concerns.len().to_string()),
        ];
        if let [concern] = self.concerns.as_slice() {
            variables.push(("SLUSE_ID", concern.id.clone()));
            variables.push(("SLUSE_KIND", concern.kind.name().to_owned()));
            variables.push(("SLUSE_SEVERITY", concern.severity.name().to_owned()));
            variables.push(("SLUSE_COMMAND", format!("sluse {}", concern.command)));
            let municipality = concern.municipality.map(|code| ("SLUSE_MUNICIPALITY", code.to_string()));
            let exchange = concern.story.map(|id| ("SLUSE_EXCHANGE", id.to_string()));
            variables.extend(municipality.into_iter().chain(exchange));
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::concern::{ConcernKind, Severity};

    fn concern(number: usize) -> Concern {
        Concern {
            municipality: "0751".parse().ok(),
            what: format!(
                "the reply for 0751 Aarhus (exchange 3f0f9a{number:02}) has not come, and was expected by 2026-12-01 16:15"
            ),
            advice: "ask Udbetaling Danmark why not".to_owned(),
            command: format!("explain 3f0f9a{number:02}"),
            ..Concern::new(ConcernKind::Reply, "3f0f", Severity::Alarm, "2026-12-01T04:15".parse().unwrap())
        }
    }

    fn notice(event: Event, count: usize) -> Notice {
        let concerns = (0..count).map(concern).collect();
        Notice { event, at: "2026-12-01T16:15:20".parse().unwrap(), host: "srv1".to_owned(), concerns }
    }

    #[test]
    fn the_text_says_what_since_when_why_and_which_command_comes_next() {
        let alarm = notice(Event::Alarm, 1);

        assert_eq!(
            alarm.text(),
            "ALARM: the reply for 0751 Aarhus (exchange 3f0f9a00) has not come, and was expected by 2026-12-01 16:15.\n\
             Since 2026-12-01 04:15. Next: ask Udbetaling Danmark why not.\n    sluse explain 3f0f9a00\n\n\
             On srv1, 2026-12-01 16:15, Danish local time.\n"
        );
        let json: serde_json::Value = serde_json::from_slice(&alarm.json()).unwrap();
        assert_eq!(json["event"], "alarm");
        assert_eq!(json["concerns"][0]["municipality"], "0751");
        assert_eq!(json["text"], alarm.text());
        let variables = alarm.environment();
        assert!(variables.contains(&("SLUSE_COMMAND", "sluse explain 3f0f9a00".to_owned())));
        assert!(variables.contains(&("SLUSE_MUNICIPALITY", "0751".to_owned())));
    }

    #[test]
    fn however_much_there_is_a_notice_stays_small_and_says_how_much_there_is() {
        let alarm = notice(Event::Alarm, 1_000);

        let json: serde_json::Value = serde_json::from_slice(&alarm.json()).unwrap();

        assert!(alarm.subject().contains("1000 things") && alarm.subject().chars().count() <= SUBJECT_MAX);
        assert!(alarm.text().contains("And 990 more:\n    sluse status"));
        assert_eq!(json["count"], 1_000);
        assert_eq!(json["concerns"].as_array().unwrap().len(), TOLD_MAX);
        assert!(alarm.json().len() < 64 << 10, "a pipe takes it at once: {}", alarm.json().len());
        assert!(!alarm.environment().iter().any(|(name, _)| *name == "SLUSE_ID"));
    }
}
