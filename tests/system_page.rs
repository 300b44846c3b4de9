//! The status page in a real headless Chromium, before a real daemon and a real OpenSSH server: with and without scripts,
//! by keyboard, on the smallest screen, for a screen reader, in both languages; and the pictures of the manual. Run by
//! `tests/system/page.sh`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "system/browser.rs"]
mod browser;
mod rig;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use browser::{Browser, DESKTOP, PHONE, SMALLEST, Screen};
use rig::leaks::said;
use rig::{At, Daemon, FarPlan, Ground, payment_date, until};
use serde_json::Value;
use sluse::domain::municipality::MunicipalityCode;

/// WebDriver's characters for keys.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Accessibility as the web's own rules have it; its licence lies beside it.
const AXE: &str = include_str!("system/axe/axe.min.js");

/// A whole house as on some morning before a payment run, with a page before it.
struct Scene {
    ground: Ground,
    _daemon: Daemon,
    url: String,
    /// One story of each kind.
    done: String,
    held: String,
}

fn code(text: &str) -> MunicipalityCode {
    text.parse().unwrap()
}

impl Scene {
    /// `busy`: many municipalities in all kinds of states, else two at rest.
    fn set(busy: bool) -> Scene {
        let all: Vec<String> = MunicipalityCode::all().map(|municipality| municipality.code.to_string()).collect();
        let codes: Vec<&str> = if busy { all.iter().map(String::as_str).collect() } else { vec!["0751", "0147"] };
        let mut ground = Ground::lay(&codes, FarPlan { foreign: true, ..FarPlan::default() });
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        ground.add_settings(&format!("[page]\nlisten = \"{address}\"\n"));
        // So that the commands on the page are as on a server
        let mut daemon = ground.start_with(&[("SLUSE_CONFIG", ground.path("sluse.toml").display().to_string())]);
        At::served_by(&mut daemon);

        // A round for all but a few
        let asked: Vec<MunicipalityCode> = codes.iter().map(|text| code(text)).filter(|c| *c != code("0825")).collect();
        asked.iter().for_each(|code| ground.ask_for(*code, payment_date(1)));
        ground.until_state(code("0751"), 1, "done");
        asked.iter().for_each(|code| drop(ground.until_state(*code, 1, "done")));
        // One whose next reply ends everything; of a busy house also one that is rejected, and some under way
        ground.far_mut().open_hub(&["end-all"]);
        ground.ask_for(code("0147"), payment_date(2));
        let held = ground.until_state(code("0147"), 2, "held").id.to_string();
        if busy {
            ground.far_mut().open_hub(&["error-receipt"]);
            ground.ask_for(code("0461"), payment_date(2));
            ground.until_state(code("0461"), 2, "rejected");
            ground.far_mut().open_hub(&["silent"]);
            for answered in ["0101", "0167", "0253", "0330"] {
                ground.ask_for(code(answered), payment_date(2));
                ground.until_state(code(answered), 2, "receipted");
            }
            ground.far_mut().close_hub();
            for sent in ["0851", "0860"] {
                ground.ask_for(code(sent), payment_date(2));
                ground.until_state(code(sent), 2, "submitted");
            }
        } else {
            ground.far_mut().close_hub();
        }
        let done = ground.exchanges(code("0751"))[0].id.to_string();
        Scene { ground, _daemon: daemon, url: format!("http://{address}"), done, held }
    }

    fn story(&self, id: &str) -> String {
        format!("{}/exchange/{id}", self.url)
    }
}

/// What axe finds that is serious or critical, each with where.
fn found_by_axe(browser: &Browser) -> Vec<String> {
    browser.ask(&format!("{AXE};0"));
    let rules = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }";
    let found = browser.ask(&format!("axe.run(document, {rules}).then(r => JSON.stringify(r.violations))"));
    let found: Value = serde_json::from_str(found.as_str().unwrap()).unwrap();
    let passed = browser.ask(&format!("axe.run(document, {rules}).then(r => r.passes.length)"));
    assert!(passed.as_u64().unwrap() > 20, "axe has looked at little: {passed}");
    let told = |violation: &Value| {
        let nodes = violation["nodes"].as_array().unwrap().iter().map(|node| node["html"].to_string());
        format!("{} ({}): {}", violation["id"], violation["impact"], nodes.collect::<Vec<_>>().join(" "))
    };
    let is_grave = |violation: &&Value| ["serious", "critical"].iter().any(|grave| violation["impact"] == *grave);
    let all = found.as_array().unwrap();
    all.iter().filter(|violation| !is_grave(violation)).for_each(|minor| eprintln!("axe, minor: {}", told(minor)));
    all.iter().filter(is_grave).map(told).collect()
}

#[test]
fn everything_is_there_without_scripts_and_in_both_languages() {
    let scene = Scene::set(false);
    for (languages, well, held, next) in [
        ("en-GB,en", "One matter needs a person.", "held", "a person approves or refuses the reply"),
        ("da-DK,da", "En sag kræver et menneske.", "holdt tilbage", "et menneske godkender eller afviser svaret"),
    ] {
        let browser = Browser::start(languages);
        browser.let_scripts_run(false);

        browser.go(&scene.url);
        assert_eq!(browser.texts("h1"), [well]);
        assert_eq!(browser.texts(".glance tbody tr").len(), 2);
        let first = browser.texts(".glance tbody tr:first-child td");
        assert!(first[0].contains(held) && first[2].contains(next), "the most urgent is first: {first:?}");
        assert!(browser.texts(".matter code").iter().any(|command| command.contains(" approve ")));
        assert_eq!(browser.texts(".command button"), Vec::<String>::new());

        browser.go(&scene.story(&scene.done));
        assert_eq!(browser.texts(".way li").len(), 8);
        assert!(browser.texts(".entries li").len() >= 10);
        browser.go(&format!("{}/nowhere", scene.url));
        assert_eq!(browser.texts("h1").len(), 1);
    }
    // And a language is chosen by a link, and kept
    let browser = Browser::start("en");
    browser.go(&scene.url);
    browser.ask("document.querySelector('.language').click()");
    until("the page in Danish", || (browser.ask("document.documentElement.lang") == "da").then_some(()));
    browser.go(&scene.story(&scene.held));
    assert_eq!(browser.ask("document.documentElement.lang"), "da");
    assert_eq!(browser.ask("document.querySelectorAll('main [lang=en]').length"), 0, "all of it is Danish");
}

#[test]
fn a_change_appears_without_a_reload_and_what_has_the_focus_keeps_it() {
    let mut scene = Scene::set(false);
    let browser = Browser::start("en");
    browser.go(&scene.url);
    browser.ask("window.isTheSamePage = true");
    let state = "document.getElementById('m-sf2530-0-0751').closest('tr').querySelector('.word').textContent";
    assert_eq!(browser.ask(state), "done");
    browser.ask("document.getElementById('m-sf2530-0-0751').focus()");

    // When a query is taken, then it is seen; when its reply has come, that is seen too
    scene.ground.ask_for(code("0751"), payment_date(2));
    until("the submitted query on the page", || (browser.ask(state) == "submitted").then_some(()));
    scene.ground.far_mut().open_hub(&[]);
    until("the end of the round on the page", || (browser.ask(state) == "done").then_some(()));
    assert_eq!(browser.ask("window.isTheSamePage"), true);
    assert_eq!(browser.ask("document.activeElement.id"), "m-sf2530-0-0751");

    // And when it was decided, the matter goes, and who listens is told
    let item = scene.ground.held_one();
    assert!(browser.ask("document.querySelectorAll('.command button').length").as_u64() >= Some(2));
    scene.ground.decide(&item, sluse::engine::decide::Verdict::Approve);
    until("the decision on the page", || {
        (browser.ask("document.getElementById('announce').textContent") == "All is as it should be.").then_some(())
    });
    assert_eq!(browser.ask("document.getElementById('needs').hidden"), true);
    // And when nobody answers any more, that is said
    drop(scene._daemon);
    until("the loss on the page", || (browser.ask("document.getElementById('lost').hidden") == false).then_some(()));
    assert_eq!(browser.ask("window.isTheSamePage"), true);
}

#[test]
fn everything_is_reached_by_keyboard_read_by_a_screen_reader_and_fits_on_the_smallest_screen() {
    let scene = Scene::set(false);
    let browser = Browser::start("en");
    let pages = [scene.url.clone(), scene.story(&scene.held), scene.story(&scene.done)];
    let more = [format!("{}/municipality/0751", scene.url), format!("{}/nowhere", scene.url)];

    for page in pages.iter().chain(&more) {
        for screen in [DESKTOP, Screen { is_dark: true, ..DESKTOP }, SMALLEST] {
            browser.look_through(screen);
            browser.go(page);
            assert_eq!(found_by_axe(&browser), Vec::<String>::new(), "{page}");
            let wide = browser.ask("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(screen.width), "{page}: {wide} on {}", screen.width);
        }
        said("page", browser.ask("document.body.innerText").as_str().unwrap().as_bytes());
    }

    // Given the glance, when a person walks by keyboard alone
    browser.look_through(DESKTOP);
    browser.go(&scene.url);
    let focused =
        "document.activeElement.id || document.activeElement.className || document.activeElement.textContent.trim()";
    let mut walked = Vec::new();
    for _ in 0..40 {
        browser.press(TAB);
        let is_seen = "getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement === document.body";
        assert_eq!(browser.ask(is_seen), true, "the focus is seen on {}", browser.ask(focused));
        let now = browser.ask(focused).as_str().unwrap().to_owned();
        if walked.first() == Some(&now) {
            break;
        }
        walked.push(now);
    }
    assert_eq!(walked[0], "skip", "{walked:?}");
    for place in ["m-sf2530-0-0751", "m-sf2530-0-0147", "language", "Copy"] {
        assert!(walked.iter().any(|walked| walked == place), "{place}: {walked:?}");
    }
    // Then the first key leads past the frame, and a link to the story
    browser.go(&scene.url);
    browser.press(TAB);
    browser.press(ENTER);
    until("the content to have the focus", || (browser.ask("document.activeElement.id") == "content").then_some(()));
    browser.ask("document.getElementById('m-sf2530-0-0751').focus()");
    browser.press(ENTER);
    until("the story", || browser.ask("location.pathname").as_str()?.contains(&scene.done).then_some(()));

    // And a screen reader has the table as one, on the smallest screen too
    browser.look_through(SMALLEST);
    browser.go(&scene.url);
    let tree = browser.accessibility_tree();
    let has = |role: &str, name: &str| tree.iter().any(|(r, n)| r == role && n.contains(name));
    for (role, name) in [
        ("heading", "One matter needs a person."),
        ("table", "Municipalities"),
        ("columnheader", "State"),
        ("rowheader", "0751 Aarhus"),
        ("cell", "done"),
        ("link", "0147 Frederiksberg"),
        ("main", ""),
        ("banner", ""),
        ("contentinfo", ""),
    ] {
        assert!(has(role, name), "{role} {name:?} is not in {tree:?}");
    }
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics_of_a_real_house() {
    let scene = Scene::set(false);
    let metrics = At::Tcp(scene.url.trim_start_matches("http://").to_owned()).page("/metrics");
    assert!(metrics.contains("sluse_exchanges_ended_total{outcome=\"done\"}"), "{metrics}");

    let mut promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();

    assert!(promtool.wait().unwrap().success(), "{metrics}");
}

#[test]
fn ninety_eight_municipalities_are_readable_and_the_manual_has_pictures_of_it() {
    let scene = Scene::set(true);
    let browser = Browser::start("en");
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    let dark = |screen| Screen { is_dark: true, ..screen };

    for (name, url, screen) in [
        ("glance", scene.url.clone(), Screen { height: 1500, ..DESKTOP }),
        ("glance-dark", scene.url.clone(), dark(DESKTOP)),
        ("glance-phone", scene.url.clone(), PHONE),
        ("story", scene.story(&scene.done), DESKTOP),
        ("story-held", scene.story(&scene.held), DESKTOP),
        ("story-held-phone-dark", scene.story(&scene.held), dark(PHONE)),
    ] {
        browser.look_through(screen);
        browser.go(&url);
        browser.picture(&pictures.join(format!("{name}.png")), false);
        if std::env::var_os("SLUSE_WHOLE_PICTURES").is_some() {
            browser.picture(&pictures.join(format!("{name}-whole.png")), true);
        }
    }
    browser.look_through(SMALLEST);
    browser.go(&scene.url);
    assert_eq!(browser.texts(".glance tbody tr").len(), 98);
    assert_eq!(found_by_axe(&browser), Vec::<String>::new());
    let order = browser.texts(".glance tbody tr .word");
    assert_eq!(order[0], "held", "{order:?}");
    let done = order.iter().position(|state| state == "done").unwrap();
    assert!(order[done..].iter().all(|state| state == "done"), "what is done comes last: {order:?}");
    // A Danish one
    let browser = Browser::start("da");
    browser.look_through(DESKTOP);
    browser.go(&scene.story(&scene.held));
    browser.picture(&pictures.join("story-held-danish.png"), false);
}
