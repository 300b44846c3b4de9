//! The pages as HTML, of a house in which everything lies about that can: what is shown and in which order, in both
//! languages, and nothing that could be taken for HTML.

use std::time::Duration;

use askama::Template;

use super::glance::Glance;
use super::municipality::MunicipalityPage;
use super::story::StoryPage;
use super::view::Eye;
use super::words::{KEYS, Language};
use crate::domain::exchange::Fact;
use crate::domain::moment::Moment;
use crate::engine::snapshot::{Concern, ConcernKind, Offer, Severity, Snapshot, Story};
use crate::operator::held::Called;
use crate::operator::lookout::View;
use crate::operator::tests::{called, exchange_line, fine, held_items, restored, story, troubled};
use crate::outbox::Waiting;

fn now() -> Moment {
    "2026-12-01T05:00:00Z".parse().unwrap()
}

fn eye(language: Language, called: &Called) -> Eye<'_> {
    Eye { language, now: now(), called }
}

fn glance(language: Language, snapshot: Snapshot) -> String {
    let held = if snapshot.halts.is_empty() { Vec::new() } else { held_items() };
    let view = View { snapshot, held, took: Duration::ZERO };
    Glance::of(&eye(language, &called()), &view).render().unwrap()
}

fn told(language: Language, story: &Story) -> String {
    StoryPage::of(&eye(language, &called()), story).render().unwrap()
}

/// Where these stand in a page, one behind the other.
fn assert_order(page: &str, texts: &[&str]) {
    let places: Vec<_> = texts.iter().map(|text| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"))).collect();
    assert!(places.is_sorted(), "{texts:?} stand at {places:?}");
}

fn every_page(language: Language) -> Vec<String> {
    let restored = Snapshot { restored: Some(restored().to_string()), ..fine() };
    let lines =
        [exchange_line("done", "nothing, it is done"), exchange_line("held", "a person approves or refuses it")];
    let municipality = MunicipalityPage::of(&eye(language, &called()), "0751".parse().unwrap(), &lines);
    let late = Story { deadline: Some(now()), overdue: true, held: None, state: "submitted".into(), ..story() };
    let offered = Story { offer: Some(Offer::Withdraw), held: None, state: "accepted".into(), ..story() };
    vec![
        glance(language, fine()),
        glance(language, troubled()),
        glance(language, restored),
        told(language, &story()),
        told(language, &late),
        told(language, &offered),
        municipality.render().unwrap(),
    ]
}

#[test]
fn a_house_without_trouble_says_so_and_shows_nothing_else_first() {
    let page = glance(Language::English, fine());

    assert!(page.contains("<h1>All is as it should be.</h1>") && !page.contains("class=\"matter\""), "{page}");
    assert!(page.contains("2 municipalities:") && page.contains("IN was last listed 05:59."), "{page}");
    let danish = glance(Language::Danish, fine());
    assert!(danish.contains("<h1>Alt er, som det skal være.</h1>") && danish.contains("2 kommuner:"), "{danish}");
    assert!(danish.contains("ingen forespørgsel endnu") && danish.contains("IN blev sidst læst 05.59."), "{danish}");
}

#[test]
fn what_needs_a_person_stands_first_with_its_command_and_the_municipalities_by_their_urgency() {
    let page = glance(Language::English, troubled());

    assert_order(
        &page,
        &[
            "A disk is full or failing",
            "sluse approve 3f0f9a2e --seen 0123456789ab --reason",
            "sluse settle 77aa0c11 --sent",
            "id=\"overdue\"",
            "0730 Randers: The far side&#39;s answer was due 16:15.",
            "id=\"unasked\"",
            "The far side cannot be reached: serviceplatformen",
            "A folder cannot be read",
            // Held, then overdue, then nothing asked, then in trouble, then never begun, then done
            "m-sf2530-0751",
            "m-sf2530-0730",
            "m-sf2530-0787",
            "m-sf2530-0760",
            "m-sf2530-0350",
            "m-sf2530-0101",
            "its name does not fit the reply layout",
            "not whole yet: the end record is missing",
            "77aa0c11.notes.txt",
        ],
    );
    assert!(page.contains("2 more stories are open"), "{page}");
}

#[test]
fn what_the_engine_is_concerned_about_is_shown_instead_many_of_a_kind_as_one_and_a_decision_once() {
    let since = "2026-12-01T04:00:00Z".parse().unwrap();
    let concern = |kind, of: &str, municipality: &str, severity| Concern {
        municipality: municipality.parse().ok(),
        what: format!("what is of {of}"),
        advice: "see to it".into(),
        command: format!("explain {of}"),
        ..Concern::new(kind, of, severity, since)
    };
    let mut concerns = vec![
        Concern { story: Some(held_items()[0].id), ..concern(ConcernKind::Held, "decided", "0751", Severity::Alarm) },
        concern(ConcernKind::Stuck, "a", "0101", Severity::Warning),
        concern(ConcernKind::Disk, "disk", "", Severity::Alarm),
    ];
    let missing = ["0147", "0151", "0153", "0155"];
    concerns.extend(missing.map(|code| concern(ConcernKind::Query, code, code, Severity::Alarm)));
    let page = glance(Language::English, Snapshot { concerns, ..troubled() });

    assert_order(
        &page,
        &[
            "What is of disk.",
            "sluse approve 3f0f9a2e",
            "A step does not succeed: 0101 København",
            "A query is missing<",
        ],
    );
    assert!(page.contains("0153 Brøndby: what is of 0153.") && page.contains("sluse explain a<"), "{page}");
    assert!(!page.contains("what is of decided") && !page.contains("id=\"overdue\""), "{page}");
    assert_eq!(page.matches("A query is missing<").count(), 1, "{page}");
}

#[test]
fn a_story_shows_its_milestones_what_its_reply_changes_and_everything_that_happened() {
    let page = told(Language::English, &story());

    assert_order(
        &page,
        &["0751 Aarhus</a>: <em>held</em>", "class=\"way\"", "aria-current=\"step\"", "class=\"matter\""],
    );
    assert!(page.contains("<b>6</b> ended") && page.contains("<td>32,060.00</td><td>22,442.00</td>"), "{page}");
    let danish = told(Language::Danish, &story());
    assert!(danish.contains("<b>6</b> ophørte") && danish.contains("<td>32.060,00</td>"), "{danish}");
    assert!(danish.contains("betalingsdato <time datetime=\"2026-12-31\">31. dec. 2026</time>"), "{danish}");
    for story in [&page, &danish] {
        assert_eq!(story.matches("id=\"entry-").count(), self::story().entries.len());
    }
}

#[test]
fn what_is_to_come_has_its_deadline_and_what_has_ended_elsewhere_has_nothing_to_come() {
    let facts = story()
        .entries
        .into_iter()
        .filter(|entry| matches!(entry.fact, Some(Fact::Accepted(_) | Fact::DataUploaded | Fact::TriggerMade)));
    let submitted = Story {
        state: "submitted".into(),
        next: "the hub's receipt comes".into(),
        deadline: Some("2026-12-01T05:30:00Z".parse().unwrap()),
        held: None,
        entries: facts.collect(),
        ..story()
    };
    let page = told(Language::English, &submitted);
    assert_order(
        &page,
        &[
            "class=\"here\"",
            "name\">submitted<",
            "class=\"ahead\"",
            "name\">receipted<",
            "expected by 06:30",
            "name\">done<",
        ],
    );
    assert_eq!(page.matches("class=\"ahead\"").count(), 5, "{page}");

    let rejected = Story { state: "rejected".into(), deadline: None, ..submitted };
    let page = told(Language::English, &rejected);
    assert!(!page.contains("class=\"ahead\"") && page.contains("<em>rejected</em>"), "{page}");
}

#[test]
fn nothing_that_comes_from_elsewhere_is_taken_for_html_and_every_place_is_filled() {
    let odd = Waiting { municipality: None, name: "<script>x</script>".into(), why: "\"><img src=x>".into() };
    let mut pages = every_page(Language::English);
    pages.extend(every_page(Language::Danish));
    pages.push(glance(Language::Danish, Snapshot { outbox: vec![odd], ..fine() }));

    for page in pages {
        assert!(!page.contains("<script>x") && !page.contains("<img"), "{page}");
        let body = page.split_once("<body>").unwrap().1;
        assert!(!body.contains("{}"), "{page}");
        // Nothing that the browser is told not to run or take
        assert!(!page.contains(" style=") && !page.contains("javascript:"), "{page}");
        assert_eq!(page.matches("<h1").count(), 1, "{page}");
    }
}

#[test]
fn every_word_of_the_page_is_said_somewhere() {
    let said = [
        include_str!("templates/layout.html"),
        include_str!("templates/glance.html"),
        include_str!("templates/matter.html"),
        include_str!("templates/municipality.html"),
        include_str!("templates/parts.html"),
        include_str!("templates/plain.html"),
        include_str!("templates/story.html"),
        include_str!("attention.rs"),
        include_str!("attention/concerns.rs"),
        include_str!("glance.rs"),
        include_str!("routes.rs"),
        include_str!("story.rs"),
        include_str!("view.rs"),
        include_str!("words.rs"),
    ]
    .concat();
    let is_said = |key: &str| {
        ["w.", "words.", "words()."].iter().any(|of| {
            said.match_indices(&format!("{of}{key}")).any(|(at, found)| {
                !said[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            })
        })
    };
    let unsaid: Vec<_> = KEYS.iter().map(|(key, ..)| key).filter(|key| !is_said(key)).collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}
