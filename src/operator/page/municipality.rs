//! One municipality: its stories that are open, and all that there ever were, in one line each. Start with
//! [`MunicipalityPage::of`].

use askama::Template;

use super::attention::story_href;
use super::view::{Eye, Frame, When};
use super::words::sentences::Said;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::snapshot::ExchangeLine;
use crate::operator::text::municipality;

/// So many exchanges are shown, the latest; a municipality has about one a month.
const SHOWN_MAX: usize = 200;

#[derive(Template)]
#[template(path = "municipality.html")]
pub struct MunicipalityPage {
    frame: Frame,
    heading: String,
    rows: Vec<Row>,
    more: Option<Said>,
}

struct Row {
    href: String,
    began: When,
    payment_date: Option<When>,
    state: Said,
    calls: bool,
    next: Said,
}

impl MunicipalityPage {
    /// `lines`: every exchange, oldest first.
    pub fn of(eye: &Eye<'_>, code: MunicipalityCode, lines: &[ExchangeLine]) -> MunicipalityPage {
        let row = |line: &ExchangeLine| Row {
            href: story_href(line.id),
            began: eye.time(line.begun),
            payment_date: line.payment_date.map(|date| eye.date(date)),
            state: eye.say(&line.state),
            calls: line.waits_for_person || line.overdue,
            next: eye.say(&line.next),
        };
        let more = lines.len().saturating_sub(SHOWN_MAX);
        let path = format!("/municipality/{code}");
        MunicipalityPage {
            frame: Frame::new(eye.language, municipality(code), &path, Some(eye.time(eye.now))),
            heading: municipality(code),
            rows: lines.iter().rev().take(SHOWN_MAX).map(row).collect(),
            more: (more > 0).then(|| eye.count(more, eye.words().and_more, eye.words().and_more)),
        }
    }
}
