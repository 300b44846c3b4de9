//! Where everything stands: the whole house in one table ([`overview`]), or one municipality in full ([`of`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::concerns;
use super::held::{self, Called};
use super::text::{Cell, Look, Table, Tone, count, minute, municipality, paragraph, tone_of};
use crate::domain::identity::ExchangeName;
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::places::short_id;
use crate::engine::snapshot::{
    Concern, EndpointLine, ExchangeLine, ExpectedQuery, HeldItem, RouteLine, Severity, Snapshot,
};

/// So many municipalities are named with the command that explains them; more of them have one cause.
const EXPLAINED_MAX: usize = 5;

/// Where a municipality stands of which no query was ever taken.
pub const NO_QUERY: (&str, &str) = ("no query yet", "a query is put into the outbox");

/// What comes next there while the store was put back and nobody has looked.
pub const NOTHING_TAKEN: &str = "nothing is taken until the store is recovered";

/// Whether nothing asks for a person: nothing waits for a decision, nothing is overdue, every query was taken, the far
/// side and the folders can be reached, no disk keeps anything, there is no alarm, and the daemon runs.
pub fn is_fine(snapshot: &Snapshot) -> bool {
    let is_route_fine = |route: &RouteLine| {
        route.unasked.is_none() && !route.open.iter().any(|line| line.waits_for_person || line.overdue)
    };
    snapshot.daemon_runs
        && snapshot.restored.is_none()
        && snapshot.anchor_trouble.is_none()
        && snapshot.routes.iter().all(is_route_fine)
        && snapshot.endpoints.iter().all(|endpoint| endpoint.trouble.is_none())
        && snapshot.unreadable.is_empty()
        && snapshot.unread.is_empty()
        && snapshot.halts.is_empty()
        && snapshot.concerns.iter().all(|concern| concern.severity < Severity::Alarm)
}

/// What concerns one municipality; None: the settings do not have it.
pub fn part_of(snapshot: Snapshot, code: MunicipalityCode) -> Option<Snapshot> {
    let mut part = snapshot;
    part.routes.retain(|route| route.municipality == code);
    part.endpoints.retain(|endpoint| part.routes.iter().any(|route| route.endpoint == endpoint.name));
    part.unreadable.retain(|folder| folder.municipality.is_none_or(|of| of == code));
    part.halts.retain(|halt| {
        let has_exchange = |of: &ExchangeName| part.routes.iter().any(|route| route.exchange == *of);
        halt.exchange.as_ref().is_none_or(has_exchange)
            && halt.municipalities.as_ref().is_none_or(|those| those.contains(&code))
    });
    part.concerns.retain(|concern: &Concern| {
        let its_endpoint = concern.endpoint.as_ref();
        let its_exchange = concern.exchange.as_ref();
        concern.municipality.is_none_or(|of| of == code)
            && its_exchange.is_none_or(|of| part.routes.iter().any(|route| route.exchange == *of))
            && its_endpoint.is_none_or(|of| part.endpoints.iter().any(|endpoint| endpoint.name == *of))
    });
    part.outbox.retain(|waiting| waiting.municipality == Some(code));
    part.unread.clear();
    part.refused.retain(|refused| refused.municipality == code.to_string());
    (!part.routes.is_empty()).then_some(part)
}

/// One line per municipality, then what else a person should see.
pub fn overview(snapshot: &Snapshot, look: Look, called: &Called) -> String {
    let mut shown = heading(snapshot, look);
    shown.push_str(&concerns::show(&snapshot.concerns, look, called));
    let _ = write!(shown, "\n{}", routes(snapshot, look));
    if snapshot.daemon_runs {
        shown.push_str(&endpoints(&snapshot.endpoints, look, called));
    }
    shown.push_str(&left_over(snapshot, look));
    if snapshot.restored.is_none() {
        shown.push_str(&to_explain(&snapshot.routes, called));
    }
    let waits = snapshot.routes.iter().any(|route| route.waiting_for_person() > 0);
    // Of a restored store nothing can be decided.
    if snapshot.restored.is_none() && (waits || !snapshot.unread.is_empty()) {
        let _ = write!(shown, "\nWhat waits for a person, and how it is decided: {}\n", called.command("held"));
    }
    shown
}

/// One municipality, with what waits for a person in full.
pub fn of(code: MunicipalityCode, part: &Snapshot, held: &[HeldItem], look: Look, called: &Called) -> String {
    let mut shown = format!("{}. {}\n", look.paint(Tone::Strong, &municipality(code)), daemon(part, look));
    shown.push_str(&halts(part, look));
    shown.push_str(&concerns::show(&part.concerns, look, called));
    for route in &part.routes {
        let _ = write!(shown, "\n{}", route_in_full(route, look, called));
    }
    if part.daemon_runs {
        shown.push_str(&endpoints(&part.endpoints, look, called));
    }
    shown.push_str(&left_over(part, look));
    let items: Vec<_> = held
        .iter()
        .filter(|item| item.route.as_ref().is_some_and(|route| route.municipality == code))
        .cloned()
        .collect();
    if !items.is_empty() {
        let _ = write!(shown, "\n{}", held::show(&items, look, called));
    }
    shown
}

fn heading(snapshot: &Snapshot, look: Look) -> String {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for route in &snapshot.routes {
        *states.entry(route.foremost().map_or(NO_QUERY.0, |line| line.state.as_str())).or_default() += 1;
    }
    let told: Vec<String> = states.iter().map(|(state, number)| format!("{number} {state}")).collect();
    let routes = snapshot.routes.len();
    let is_one_exchange = snapshot.routes.windows(2).all(|two| two[0].exchange == two[1].exchange);
    let of = match (routes, is_one_exchange) {
        (1, _) => "municipality",
        (_, true) => "municipalities",
        // The same municipality stands under each of its exchanges.
        (_, false) => "routes",
    };
    let counted = paragraph("", &format!("{routes} {of}: {}.", told.join(", ")));
    format!("{}\n{}{counted}", daemon(snapshot, look), halts(snapshot, look))
}

/// What a disk keeps from going on.
fn halts(snapshot: &Snapshot, look: Look) -> String {
    let mut shown = String::new();
    let is_one_exchange = snapshot.routes.windows(2).all(|two| two[0].exchange == two[1].exchange);
    for halt in &snapshot.halts {
        let of = halt.exchange.as_ref().filter(|_| !is_one_exchange);
        let of = of.map(|exchange| format!("Exchange {exchange}: ")).unwrap_or_default();
        let heading = format!("Since {}: ", minute(halt.since));
        let text = format!("{of}{}.", halt.what);
        let _ = writeln!(shown, "{}", look.paint(Tone::Bad, paragraph(&heading, &text).trim_end()));
    }
    if !shown.is_empty() {
        let remedy = "It goes on by itself; nothing is lost. Make room on that disk, or mend it.";
        let _ = writeln!(shown, "{remedy}");
    }
    shown
}

fn daemon(snapshot: &Snapshot, look: Look) -> String {
    let at = format!("It is {}, Danish local time.", minute(snapshot.at));
    let mut told = match snapshot.daemon_runs {
        true => format!("Sluse runs. {at}"),
        false => {
            let warning = "The daemon does not run: nothing happens by itself until `systemctl start sluse`.";
            format!("{}\n{at}", look.paint(Tone::Bad, warning))
        }
    };
    for trouble in snapshot.restored.iter().chain(&snapshot.anchor_trouble) {
        let text = paragraph("", &format!("{}.", capital(trouble)));
        let _ = write!(told, "\n{}", look.paint(Tone::Bad, text.trim_end()));
    }
    told
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn routes(snapshot: &Snapshot, look: Look) -> String {
    let mut shown = String::new();
    let mut routes = snapshot.routes.as_slice();
    while let Some(first) = routes.first() {
        let (group, rest) = routes.split_at(routes.iter().take_while(|r| r.exchange == first.exchange).count());
        if group.len() < snapshot.routes.len() {
            let gap = if shown.is_empty() { "" } else { "\n" };
            let _ = writeln!(shown, "{gap}{}", look.paint(Tone::Strong, first.exchange.as_str()));
        }
        let mut table = Table::new(["MUNICIPALITY", "STATE", "SINCE", "DEADLINE", "NEXT"]);
        for route in group {
            table.row(row(route, snapshot.restored.is_some()));
        }
        shown.push_str(&table.show(look));
        routes = rest;
    }
    shown
}

fn row(route: &RouteLine, is_restored: bool) -> [Cell; 5] {
    let name = format!("{} {}", route.municipality, route.name);
    let Some(foremost) = route.foremost() else {
        let (deadline, next) = match route.expected.filter(|_| !is_restored) {
            _ if is_restored => (String::new(), NOTHING_TAKEN.to_owned()),
            Some(expected) => (minute(expected.by), asked_for(expected)),
            None => (String::new(), NO_QUERY.1.to_owned()),
        };
        return [name.into(), NO_QUERY.0.into(), "".into(), deadline.into(), next.into()];
    };
    // What is at its end waits for nothing but the next query.
    let expected = route.expected.filter(|_| route.open.is_empty() && route.unasked.is_none() && !is_restored);
    let mut next = expected.map_or(foremost.next.clone(), asked_for);
    if foremost.overdue {
        next = format!("OVERDUE: {next}; ask the far side why not");
    }
    if let Some(trouble) = &foremost.trouble {
        let _ = write!(next, "; not yet: {trouble}");
    }
    if let Some(others) = besides(route.open.get(1..).unwrap_or_default()) {
        let _ = write!(next, "; besides, {others}");
    }
    if let Some(unasked) = route.unasked.as_ref().filter(|unasked| unasked.id != foremost.id) {
        let _ = write!(next, "; the latest query ({}) is {}, and asked nothing", short_id(unasked.id), unasked.state);
    }
    let tone = if foremost.overdue { Tone::Bad } else { Tone::Plain };
    let deadline = foremost.deadline.or(expected.map(|expected| expected.by)).map(minute).unwrap_or_default();
    [
        name.into(),
        Cell::toned(tone_of(&foremost.state), &foremost.state),
        minute(foremost.since).into(),
        Cell::toned(tone, &deadline),
        Cell::toned(tone, &next),
    ]
}

/// What the calendar waits for.
fn asked_for(expected: ExpectedQuery) -> String {
    format!("a query for payment date {} is put into the outbox", expected.payment_date)
}

/// The open stories that are not shown themselves, such as `1 waits for a person, 2 are on their way`.
fn besides(others: &[ExchangeLine]) -> Option<String> {
    let waiting = others.iter().filter(|line| line.waits_for_person).count();
    let overdue = others.iter().filter(|line| !line.waits_for_person && line.overdue).count();
    let told: Vec<String> = [
        (waiting, "waits for a person", "wait for a person"),
        (overdue, "is overdue", "are overdue"),
        (others.len() - waiting - overdue, "is on its way", "are on their way"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, more)| format!("{number} {}", if number == 1 { one } else { more }))
    .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn route_in_full(route: &RouteLine, look: Look, called: &Called) -> String {
    let mut shown = labelled("exchange", route.exchange.as_str());
    if route.foremost().is_none() {
        shown += &labelled("state", NO_QUERY.0);
        return match route.expected {
            Some(expected) => {
                shown + &labelled("next", &asked_for(expected)) + &labelled("deadline", &minute(expected.by))
            }
            None => shown + &labelled("next", NO_QUERY.1),
        };
    }
    for (i, line) in route.open.iter().enumerate() {
        if i > 0 {
            shown.push('\n');
        }
        shown.push_str(&open_in_full(line, look, called));
    }
    for (i, line) in route.ended.iter().enumerate() {
        if i == 0 && !route.open.is_empty() {
            shown.push('\n');
        }
        let asked = line.payment_date.map(|date| format!(", payment date {date}")).unwrap_or_default();
        let text =
            format!("{}  {} since {}{asked}; next: {}", short_id(line.id), line.state, minute(line.since), line.next);
        shown.push_str(&labelled("ended", &text));
    }
    shown
}

fn open_in_full(line: &ExchangeLine, look: Look, called: &Called) -> String {
    let asked = line.payment_date.map(|date| format!(", payment date {date}")).unwrap_or_default();
    let mut shown = labelled("open", &format!("{}{asked}", line.id));
    let state = labelled("state", &format!("{}, since {}", line.state, minute(line.since)));
    shown.push_str(&match tone_of(&line.state) {
        Tone::Plain => state,
        tone => state.replacen(&line.state, &look.paint(tone, &line.state), 1),
    });
    shown.push_str(&labelled("next", &line.next));
    if let Some(by) = line.deadline {
        shown.push_str(&labelled("deadline", &deadline(by, line.overdue)));
    }
    if let Some(trouble) = &line.trouble {
        shown.push_str(&labelled("not yet", trouble));
    }
    shown + &labelled("story", &called.command(&format!("explain {}", short_id(line.id))))
}

fn labelled(name: &str, text: &str) -> String {
    paragraph(&format!("{name:10}"), text)
}

/// `2026-12-01 16:15`, and whether it has passed.
pub fn deadline(by: Moment, overdue: bool) -> String {
    format!("{}{}", minute(by), if overdue { ", OVERDUE: ask the far side why it has not come" } else { "" })
}

/// The municipalities whose story says more, where it is not a decision that is wanted.
fn to_explain(routes: &[RouteLine], called: &Called) -> String {
    let is_late = |line: &ExchangeLine| line.overdue && !line.waits_for_person;
    let is_wanted = |route: &&RouteLine| route.unasked.is_some() || route.open.iter().any(is_late);
    let wanted: BTreeSet<MunicipalityCode> = routes.iter().filter(is_wanted).map(|route| route.municipality).collect();
    if wanted.is_empty() {
        return String::new();
    }
    let mut shown = "\nWhy something is overdue, or asked nothing, and what can be done about it:\n".to_owned();
    for code in wanted.iter().take(EXPLAINED_MAX) {
        let _ = writeln!(shown, "    {}", called.command(&format!("explain {code}")));
    }
    if wanted.len() > EXPLAINED_MAX {
        let _ = writeln!(shown, "    … and {} more municipalities", wanted.len() - EXPLAINED_MAX);
    }
    shown
}

fn endpoints(endpoints: &[EndpointLine], look: Look, called: &Called) -> String {
    let mut shown = String::new();
    for endpoint in endpoints {
        let listed = match endpoint.listed_at {
            Some(at) => format!("IN was last listed {}", minute(at)),
            None => "IN was not listed yet".to_owned(),
        };
        let foreign = match endpoint.foreign {
            0 => String::new(),
            files => format!("; {} there for others, left alone", count(files, "file")),
        };
        let trouble = endpoint.trouble.as_ref().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        let heading = format!("Endpoint {}: ", endpoint.name);
        let text = paragraph(&heading, &format!("{listed}{foreign}{trouble}."));
        let tone = if endpoint.trouble.is_some() { Tone::Bad } else { Tone::Plain };
        let _ = write!(shown, "\n{}\n", look.paint(tone, text.trim_end()));
        if endpoint.trouble.is_some() {
            let check = called.command("check --connect");
            let advice = "It is tried again and again, and all goes on by itself when it is mended. What is wrong there, and what \
                          to write or to ask:";
            let _ = writeln!(shown, "{}    {check}", paragraph("  ", advice));
        }
        for (name, why) in &endpoint.waiting {
            shown.push_str(&paragraph("  cannot be taken: ", &format!("{name}: {why}")));
        }
    }
    shown
}

fn left_over(snapshot: &Snapshot, look: Look) -> String {
    let mut shown = String::new();
    if !snapshot.outbox.is_empty() {
        let mut table = Table::new(["IN THE OUTBOX", "FILE", "WHY IT IS NOT TAKEN"]);
        for waiting in &snapshot.outbox {
            let place = waiting.municipality.map_or("elsewhere".to_owned(), municipality);
            table.row([place.into(), (&waiting.name).into(), (&waiting.why).into()]);
        }
        let _ = write!(shown, "\n{}", table.show(look));
    }
    if !snapshot.refused.is_empty() {
        let mut table = Table::new(["REFUSED", "EXCHANGE", "FILE, AND WHY"]);
        for refused in &snapshot.refused {
            let place = refused.municipality.parse().map_or(refused.municipality.clone(), municipality);
            let why = refused.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            table.row([place.into(), (&refused.exchange).into(), format!("{}{why}", refused.name).into()]);
        }
        let folder = format!(
            "{}/EXCHANGE/MUNICIPALITY, with the whole reason beside each. What a later query followed lies there too, and is \
             not shown.",
            snapshot.refused_folder
        );
        let _ = write!(shown, "\n{}{}", table.show(look), paragraph("They lie in ", &folder));
    }
    if !snapshot.unread.is_empty() {
        let stories = match snapshot.unread.len() {
            1 => "1 story of no municipality here is".to_owned(),
            several => format!("{several} stories of no municipality here are"),
        };
        let text = format!("{stories} not understood, and held.");
        let _ = write!(shown, "\n{}", look.paint(Tone::Bad, &paragraph("In the journal: ", &text)));
    }
    for unreadable in &snapshot.unreadable {
        let text = format!("{}: {}; what lies there waits.", unreadable.folder, unreadable.why);
        let _ = write!(shown, "\n{}", look.paint(Tone::Bad, &paragraph("Cannot be read: ", &text)));
    }
    shown
}
