//! The engine's concerns as matters: one each, or one for many of a kind. What waits for a decision is told in full by the
//! decision itself. Start with [`among`].

use super::super::view::{Eye, Line, Matter};
use super::super::words::Words;
use super::super::words::sentences::Said;
use super::story_href;
use crate::engine::snapshot::{Concern, ConcernKind, HeldItem, Severity};
use crate::operator::text::municipality;

/// More of one kind than these are one matter with a line for each.
const OF_A_KIND_MAX: usize = 3;

/// The concerns with the decisions among them: first what is everybody's, then the decisions, then the rest in its order.
pub fn among(eye: &Eye<'_>, concerns: &[Concern], held: &[HeldItem], decisions: Vec<Matter>) -> Vec<Matter> {
    let is_decided = |concern: &&Concern| concern.story.is_some_and(|story| held.iter().any(|item| item.id == story));
    let left = concerns.iter().filter(|concern| !is_decided(concern));
    let is_everybodys = |concern: &&Concern| {
        concern.severity == Severity::Alarm && concern.municipality.is_none() && concern.endpoint.is_none()
    };
    let (first, rest): (Vec<_>, Vec<_>) = left.partition(is_everybodys);
    let mut matters: Vec<Matter> = first.into_iter().map(|concern| one(eye, concern)).collect();
    matters.extend(decisions);
    let of_kind = |kind| rest.iter().filter(move |concern| concern.kind == kind);
    let mut grouped = Vec::new();
    for concern in &rest {
        if of_kind(concern.kind).count() <= OF_A_KIND_MAX {
            matters.push(one(eye, concern));
        } else if !grouped.contains(&concern.kind) {
            grouped.push(concern.kind);
            matters.push(many(eye, concern.kind, of_kind(concern.kind).copied()));
        }
    }
    matters
}

fn one(eye: &Eye<'_>, concern: &Concern) -> Matter {
    let title = title(eye.words(), concern.kind);
    let title = match whose(concern) {
        Some(whose) => format!("{title}: {whose}"),
        None => title.to_owned(),
    };
    Matter {
        id: concern.id.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        title: Said::plain(title),
        href: concern.story.map(story_href),
        since: Some(eye.time(concern.since)),
        lines: vec![eye.say(&concern.what).sentence().into()],
        advice: eye.say(&concern.advice).sentence(),
        commands: vec![eye.called.command(&concern.command)],
        is_warning: concern.severity == Severity::Warning,
        ..Matter::default()
    }
}

fn many<'c>(eye: &Eye<'_>, kind: ConcernKind, concerns: impl Iterator<Item = &'c Concern>) -> Matter {
    let mut is_warning = true;
    let mut lines = Vec::new();
    for concern in concerns {
        is_warning &= concern.severity == Severity::Warning;
        let whose = whose(concern).map(|whose| format!("{whose}: ")).unwrap_or_default();
        let text = Said::plain(whose).then(eye.say(&concern.what)).sentence();
        lines.push(Line { text, href: concern.story.map(story_href) });
    }
    Matter {
        id: format!("concern-{}", kind.name()),
        title: Said::plain(title(eye.words(), kind)),
        lines,
        commands: vec![eye.called.command("status")],
        is_warning,
        ..Matter::default()
    }
}

fn whose(concern: &Concern) -> Option<String> {
    match (concern.municipality, &concern.endpoint) {
        (Some(code), _) => Some(municipality(code)),
        (None, Some(endpoint)) => Some(endpoint.to_string()),
        (None, None) => None,
    }
}

fn title(words: &Words, kind: ConcernKind) -> &'static str {
    match kind {
        ConcernKind::Query => words.concern_query,
        ConcernKind::Receipt | ConcernKind::Reply => words.late,
        ConcernKind::Poll => words.concern_poll,
        ConcernKind::HostKey => words.concern_host_key,
        ConcernKind::Login => words.concern_login,
        ConcernKind::Held | ConcernKind::InDoubt => words.concern_decision,
        ConcernKind::Rejected | ConcernKind::Unfit => words.nothing_asked,
        ConcernKind::Journal => words.unread,
        ConcernKind::Stuck => words.concern_stuck,
        ConcernKind::Untakable => words.concern_untakable,
        ConcernKind::Disk => words.halted,
        ConcernKind::Folder => words.unreadable,
        ConcernKind::Restored => words.restored,
        ConcernKind::Anchor => words.anchor,
        ConcernKind::Calendar => words.concern_calendar,
        ConcernKind::Receiver => words.concern_receiver,
        ConcernKind::Stalled => words.silent,
        ConcernKind::Unit => words.concern_unit,
        ConcernKind::Test => words.concern_test,
    }
}
