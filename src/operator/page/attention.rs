//! Everything that needs a person, as matters in the order of urgency: what stops the house, what waits for a decision,
//! what is overdue, what asked nothing, what cannot be reached. Where the engine has concerns, they are shown in the place of
//! what the page would make out itself. Start with [`matters`].

mod concerns;

use super::view::{Eye, Line, Matter};
use super::words::sentences::Said;
use crate::engine::places::short_id;
use crate::engine::snapshot::{Choice, EndpointLine, ExchangeLine, Halt, HeldItem, RouteLine, Snapshot};
use crate::operator::held;
use crate::operator::lookout::View;
use crate::operator::text::municipality;

/// So many decisions are shown in full; the rest are counted, with the command that shows them.
const DECISIONS_SHOWN_MAX: usize = 20;

/// The most urgent first. Empty: all is as it should be.
pub fn matters(eye: &Eye<'_>, view: &View) -> Vec<Matter> {
    let snapshot = &view.snapshot;
    let mut decisions: Vec<Matter> =
        view.held.iter().take(DECISIONS_SHOWN_MAX).map(|item| decision(eye, item)).collect();
    decisions.extend(further(eye, view.held.len()));
    if !snapshot.concerns.is_empty() {
        return concerns::among(eye, &snapshot.concerns, &view.held, decisions);
    }
    let mut matters = Vec::new();
    matters.extend(snapshot.restored.iter().map(|why| restored(eye, why)));
    matters.extend(snapshot.halts.iter().enumerate().map(|(number, halt)| halted(eye, number, halt)));
    matters.extend(decisions);
    matters.extend(overdue(eye, snapshot));
    matters.extend(unasked(eye, snapshot));
    matters.extend(snapshot.endpoints.iter().filter_map(|endpoint| unreachable(eye, endpoint)));
    matters.extend(snapshot.anchor_trouble.iter().map(|why| anchor(eye, why)));
    matters.extend(unreadable(eye, snapshot));
    matters
}

/// Where one exchange's story is told.
pub fn story_href(id: crate::domain::identity::FileId) -> String {
    format!("/exchange/{id}")
}

/// What waits for a decision.
pub fn decision(eye: &Eye<'_>, item: &HeldItem) -> Matter {
    let words = eye.words();
    let title = match &item.route {
        Some(route) => municipality(route.municipality),
        None => words.unread.to_owned(),
    };
    let delivery = |number: Option<String>| match number {
        Some(number) => words.delivery.replace("{}", &number),
        None => words.no_delivery.to_owned(),
    };
    let mut about = Vec::new();
    if let Some(query) = &item.query {
        let text = format!(
            "{}, {}, {} {}",
            query.file,
            delivery(Some(query.delivery.to_string())),
            words.payment_date.to_lowercase(),
            eye.language.date(query.payment_date)
        );
        about.push((words.query_file, Said::plain(text)));
    }
    if let Some(reply) = &item.reply {
        let text = format!("{}, {}", reply.file, delivery(reply.delivery.map(|number| number.to_string())));
        about.push((words.reply_file, Said::plain(text)));
    }
    if let Some(other) = &item.other {
        let same = if other.is_same_date { words.same_date } else { words.same_month };
        let text = Said::plain(format!("{}, ", short_id(other.id))).then(eye.say(&other.state));
        about.push((words.other_query, text.then(Said::plain(format!(", {same}")))));
    }
    Matter {
        id: format!("held-{}", item.id),
        title: Said::plain(title),
        href: Some(story_href(item.id)),
        kind: eye.say(&item.state),
        since: Some(eye.time(item.since)),
        about,
        lines: item.reasons.iter().map(|reason| eye.say(reason).sentence().into()).collect(),
        change: item.summary.as_ref().map(|summary| eye.change(summary)),
        advice: eye.say(held::advice(item)),
        commands: held::commands(item, eye.called),
        has_mark: item.choice != Choice::Nothing,
        is_warning: false,
    }
}

fn further(eye: &Eye<'_>, held: usize) -> Option<Matter> {
    let more = held.checked_sub(DECISIONS_SHOWN_MAX).filter(|more| *more > 0)?;
    Some(Matter {
        id: "held-more".to_owned(),
        title: eye.count(more, eye.words().and_more, eye.words().and_more),
        commands: vec![eye.called.command("held")],
        ..Matter::default()
    })
}

fn restored(eye: &Eye<'_>, why: &str) -> Matter {
    Matter {
        id: "restored".to_owned(),
        title: Said::plain(eye.words().restored),
        lines: vec![eye.say(why).sentence().into()],
        commands: vec![eye.called.command("recover")],
        ..Matter::default()
    }
}

fn halted(eye: &Eye<'_>, number: usize, halt: &Halt) -> Matter {
    Matter {
        id: format!("halt-{number}"),
        title: Said::plain(eye.words().halted),
        kind: Said::plain(halt.exchange.as_ref().map(ToString::to_string).unwrap_or_default()),
        since: Some(eye.time(halt.since)),
        lines: vec![eye.say(&halt.what).sentence().into()],
        advice: Said::plain(eye.words().halted_remedy),
        ..Matter::default()
    }
}

fn overdue(eye: &Eye<'_>, snapshot: &Snapshot) -> Option<Matter> {
    let words = eye.words();
    let late = snapshot.routes.iter().flat_map(|route| {
        route.open.iter().filter(|line| line.overdue && !line.waits_for_person).map(move |line| (route, line))
    });
    let line = |(route, line): (&RouteLine, &ExchangeLine)| {
        let due = line.deadline.map(|by| eye.at(words.overdue_since, by)).unwrap_or_default();
        told_of(route, line, due)
    };
    grouped(eye, "overdue", words.late, late.map(line).collect(), Said::plain(words.overdue_advice))
}

fn unasked(eye: &Eye<'_>, snapshot: &Snapshot) -> Option<Matter> {
    let words = eye.words();
    let nothing = snapshot.routes.iter().filter_map(|route| {
        let line = route.unasked.as_ref()?;
        Some(told_of(route, line, Said::filled(words.unasked_told, eye.say(&line.state))))
    });
    grouped(eye, "unasked", words.nothing_asked, nothing.collect(), Said::default())
}

fn told_of(route: &RouteLine, line: &ExchangeLine, what: Said) -> Line {
    let name = Said::plain(format!("{} {}: ", route.municipality, route.name));
    Line { text: name.then(what), href: Some(story_href(line.id)) }
}

/// What many municipalities may share is one matter.
fn grouped(eye: &Eye<'_>, id: &str, title: &'static str, lines: Vec<Line>, advice: Said) -> Option<Matter> {
    (!lines.is_empty()).then(|| Matter {
        id: id.to_owned(),
        title: Said::plain(title),
        commands: vec![eye.called.command("status")],
        lines,
        advice,
        ..Matter::default()
    })
}

fn unreachable(eye: &Eye<'_>, endpoint: &EndpointLine) -> Option<Matter> {
    let words = eye.words();
    let trouble = endpoint.trouble.as_ref()?;
    Some(Matter {
        id: format!("far-{}", endpoint.name),
        title: Said::filled(words.far_side, Said::plain(endpoint.name.as_str())),
        lines: vec![eye.say(trouble).sentence().into()],
        advice: Said::plain(words.far_side_remedy),
        ..Matter::default()
    })
}

fn anchor(eye: &Eye<'_>, why: &str) -> Matter {
    Matter {
        id: "anchor".to_owned(),
        title: Said::plain(eye.words().anchor),
        lines: vec![eye.say(why).sentence().into()],
        ..Matter::default()
    }
}

fn unreadable(eye: &Eye<'_>, snapshot: &Snapshot) -> Option<Matter> {
    let told = |folder: &crate::engine::snapshot::UnreadableFolder| {
        Said::plain(format!("{}: {}", folder.folder, folder.why)).sentence().into()
    };
    (!snapshot.unreadable.is_empty()).then(|| Matter {
        id: "unreadable".to_owned(),
        title: Said::plain(eye.words().unreadable),
        lines: snapshot.unreadable.iter().map(told).collect(),
        ..Matter::default()
    })
}
