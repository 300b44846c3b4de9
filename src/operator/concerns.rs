//! Alarms and warnings, the most urgent first: what, since when, why, and which command comes next. Start with [`show`].

use std::fmt::Write;

use super::held::Called;
use super::text::{Look, Tone, minute, paragraph};
use crate::engine::snapshot::{Concern, Severity};

/// More than this is counted: the rest stands in the lines of the municipalities, and in JSON.
const SHOWN_MAX: usize = 20;

/// Nothing where there is none, else with an empty line before it.
pub fn show(concerns: &[Concern], look: Look, called: &Called) -> String {
    let mut shown = String::new();
    for concern in concerns.iter().take(SHOWN_MAX) {
        let (heading, tone) = match concern.severity {
            Severity::Alarm => ("ALARM    ", Tone::Bad),
            Severity::Warning => ("warning  ", Tone::Plain),
        };
        let text = format!("{}. Since {}. Next: {}:", concern.what, minute(concern.since), concern.advice);
        let told = paragraph(heading, &text);
        let command = called.command(&concern.command);
        let indent = " ".repeat(heading.len() + 4);
        let _ = writeln!(shown, "\n{}\n{indent}{command}", look.paint(tone, told.trim_end()));
    }
    if let Some(more) = concerns.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        let _ = writeln!(shown, "\nAnd {more} more: {}", called.command("status --json"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::concern::ConcernKind;

    fn concern(severity: Severity) -> Concern {
        Concern {
            what: "the reply for 0751 Aarhus (exchange 3f0f9a2e) has not come, and was expected by 2026-12-01 16:15"
                .into(),
            advice: "ask Udbetaling Danmark why not".into(),
            command: "explain 3f0f9a2e".into(),
            ..Concern::new(ConcernKind::Reply, "3f0f9a2e", severity, "2026-12-01T04:15".parse().unwrap())
        }
    }

    #[test]
    fn an_alarm_says_what_since_when_and_what_next() {
        let shown = show(&[concern(Severity::Alarm), concern(Severity::Warning)], Look::PLAIN, &Called::with(None));

        assert_eq!(
            shown,
            "
ALARM    the reply for 0751 Aarhus (exchange 3f0f9a2e) has not come, and was expected by 2026-12-01
         16:15. Since 2026-12-01 04:15. Next: ask Udbetaling Danmark why not:
             sluse explain 3f0f9a2e

warning  the reply for 0751 Aarhus (exchange 3f0f9a2e) has not come, and was expected by 2026-12-01
         16:15. Since 2026-12-01 04:15. Next: ask Udbetaling Danmark why not:
             sluse explain 3f0f9a2e
"
        );
    }

    #[test]
    fn a_flood_of_alarms_is_counted() {
        let shown = show(&vec![concern(Severity::Alarm); 98], Look::PLAIN, &Called::with(None));

        assert_eq!(shown.matches("ALARM").count(), SHOWN_MAX);
        assert!(shown.ends_with("\nAnd 78 more: sluse status --json\n"), "{shown}");
    }
}
