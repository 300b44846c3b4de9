//! The municipalities at a glance, the most urgent first, with what needs a person above them and the state of the house
//! below. Start with [`Glance::of`].

use askama::Template;

use super::attention::{matters, story_href};
use super::view::{Eye, Frame, Matter, When};
use super::words::sentences::Said;
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::snapshot::{EndpointLine, ExchangeLine, RouteLine, Snapshot};
use crate::operator::lookout::View;
use crate::operator::status::{NO_QUERY, NOTHING_TAKEN};
use crate::operator::text::municipality;

/// The states on the way, in their order; what is at one of them has passed those before it.
const WAY: [&[&str]; 8] = [
    &["accepted"],
    &["uploaded", "submitting"],
    &["submitted"],
    &["receipted"],
    &["replied"],
    &["applied"],
    &["handed over"],
    &["done"],
];

#[derive(Template)]
#[template(path = "glance.html")]
pub struct Glance {
    frame: Frame,
    headline: Said,
    /// Such as `3 done`.
    counts: Vec<Said>,
    matters: Vec<Matter>,
    rows: Vec<Row>,
    /// Whether the same municipality may stand under more than one exchange.
    several_exchanges: bool,
    endpoints: Vec<Endpoint>,
    outbox: Vec<(String, String, Said)>,
    refused: Vec<(String, String, Said)>,
    refused_lies: Said,
}

struct Row {
    id: String,
    href: String,
    code: MunicipalityCode,
    name: String,
    exchange: String,
    state: Said,
    tone: Tone,
    /// How many of the eight steps are behind it; None: it has left the way.
    step: Option<usize>,
    since: Option<When>,
    next: Said,
    trouble: Option<Said>,
    besides: Option<Said>,
    deadline: Option<When>,
    overdue: bool,
}

/// What a row asks of its reader; the words say it too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Calls,
    OnTheWay,
    AtRest,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Calls => "calls",
            Tone::OnTheWay => "moves",
            Tone::AtRest => "rests",
        }
    }
}

struct Endpoint {
    name: String,
    lines: Vec<Said>,
    waiting: Vec<(String, Said)>,
    calls: bool,
}

impl Glance {
    pub fn of(eye: &Eye<'_>, view: &View) -> Glance {
        let snapshot = &view.snapshot;
        let words = eye.words();
        let matters = matters(eye, view);
        let mut routes: Vec<&RouteLine> = snapshot.routes.iter().collect();
        routes.sort_by_key(|route| urgency(route));
        let place = |code: Option<MunicipalityCode>| code.map_or(words.elsewhere.to_owned(), municipality);
        Glance {
            frame: Frame::new(eye.language, words.status, "/", Some(eye.time(snapshot.at))),
            headline: match matters.len() {
                0 => Said::plain(words.all_well),
                number => eye.count(number, words.one_needs_you, words.some_need_you),
            },
            counts: counts(eye, snapshot),
            matters,
            rows: routes.iter().map(|route| Row::of(eye, route, snapshot.restored.is_some())).collect(),
            several_exchanges: snapshot.routes.windows(2).any(|two| two[0].exchange != two[1].exchange),
            endpoints: snapshot.endpoints.iter().map(|endpoint| Endpoint::of(eye, endpoint)).collect(),
            outbox: snapshot
                .outbox
                .iter()
                .map(|waiting| (place(waiting.municipality), waiting.name.clone(), eye.say(&waiting.why)))
                .collect(),
            refused: snapshot
                .refused
                .iter()
                .map(|file| {
                    let place = file.municipality.parse().map_or(file.municipality.clone(), municipality);
                    (place, file.name.clone(), file.reason.as_ref().map(|why| eye.say(why)).unwrap_or_default())
                })
                .collect(),
            refused_lies: Said::filled(words.refused_lies, Said::plain(&snapshot.refused_folder)),
        }
    }
}

/// What comes first: what waits for a person, what is overdue, what has asked nothing or does not get on, what is on its
/// way by its deadline, what never began, what is done.
fn urgency(route: &RouteLine) -> (bool, bool, bool, bool, bool, bool, i64, MunicipalityCode) {
    let foremost = route.foremost();
    let is = |what: fn(&ExchangeLine) -> bool| foremost.is_some_and(what);
    (
        route.waiting_for_person() == 0,
        !route.open.iter().any(|line| line.overdue),
        route.unasked.is_none(),
        !is(|line| line.trouble.is_some()),
        route.open.is_empty(),
        foremost.is_some(),
        deadline(route).map_or(i64::MAX, |by| by.as_micros()),
        route.municipality,
    )
}

/// The soonest of the far side's, and of ours for the next query that the calendar expects.
fn deadline(route: &RouteLine) -> Option<Moment> {
    let theirs = route.open.iter().filter_map(|line| line.deadline);
    theirs.chain(route.expected.map(|expected| expected.by)).min()
}

fn counts(eye: &Eye<'_>, snapshot: &Snapshot) -> Vec<Said> {
    let mut states: Vec<(&str, usize)> = Vec::new();
    for route in &snapshot.routes {
        let state = route.foremost().map_or(NO_QUERY.0, |line| line.state.as_str());
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, number)) => *number += 1,
            None => states.push((state, 1)),
        }
    }
    states.sort_by_key(|(state, number)| (std::cmp::Reverse(*number), *state));
    let told = |(state, number): (&str, usize)| {
        Said::plain(format!("{} ", eye.language.number(number as u64))).then(eye.say(state))
    };
    let total = eye.count(snapshot.routes.len(), eye.words().of_one, eye.words().of_many);
    std::iter::once(total).chain(states.into_iter().map(told)).collect()
}

/// How far on the way of eight steps a state is.
pub fn step(state: &str) -> Option<usize> {
    WAY.iter().position(|names| names.contains(&state)).map(|index| index + 1)
}

impl Row {
    fn of(eye: &Eye<'_>, route: &RouteLine, is_restored: bool) -> Row {
        let words = eye.words();
        let foremost = route.foremost();
        let overdue = route.open.iter().any(|line| line.overdue);
        let calls = route.waiting_for_person() > 0 || overdue || route.unasked.is_some();
        let next = match foremost {
            Some(line) => line.next.as_str(),
            None if is_restored => NOTHING_TAKEN,
            None => NO_QUERY.1,
        };
        let others = route.open.len().saturating_sub(1);
        Row {
            id: format!("{}-{}", route.exchange, route.municipality),
            href: foremost.map_or(format!("/municipality/{}", route.municipality), |line| story_href(line.id)),
            code: route.municipality,
            name: route.name.clone(),
            exchange: route.exchange.to_string(),
            state: eye.say(foremost.map_or(NO_QUERY.0, |line| &line.state)),
            tone: match calls {
                true => Tone::Calls,
                false if route.open.is_empty() => Tone::AtRest,
                false => Tone::OnTheWay,
            },
            step: foremost.and_then(|line| step(&line.state)),
            since: foremost.map(|line| eye.time(line.since)),
            next: eye.say(next),
            trouble: foremost
                .and_then(|line| line.trouble.as_ref())
                .map(|trouble| Said::filled(words.not_yet, eye.say(trouble))),
            besides: (others > 0).then(|| eye.count(others, words.besides_one, words.besides_many)),
            deadline: deadline(route).map(|by| eye.time(by)),
            overdue,
        }
    }
}

impl Endpoint {
    fn of(eye: &Eye<'_>, endpoint: &EndpointLine) -> Endpoint {
        let words = eye.words();
        let mut lines = vec![match endpoint.listed_at {
            Some(at) => eye.at(words.listed, at),
            None => Said::plain(words.never_listed),
        }];
        let foreign = usize::try_from(endpoint.foreign).unwrap_or(usize::MAX);
        if foreign > 0 {
            lines.push(eye.count(foreign, words.foreign_one, words.foreign));
        }
        lines.extend(endpoint.trouble.as_ref().map(|trouble| eye.say(trouble).sentence()));
        Endpoint {
            name: endpoint.name.to_string(),
            lines,
            waiting: endpoint.waiting.iter().map(|(name, why)| (name.clone(), eye.say(why))).collect(),
            calls: endpoint.trouble.is_some(),
        }
    }
}
