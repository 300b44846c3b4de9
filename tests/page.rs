//! The status page, the metrics and the health of a real daemon, asked as browsers and programs ask, and as those do who
//! mean no good: who may look, what is shown, that nobody is named, that nobody who is slow holds anybody up.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::time::{Duration, Instant};

use rig::{At, Chapter, FarPlan, Ground, payment_date, record, until};

const TOKEN: &str = "a-token-of-a-test-0123456789";

/// A ground whose daemon serves its page at these places.
fn ground(municipalities: &[&str], plan: FarPlan, page: &str) -> Ground {
    let mut ground = Ground::lay(municipalities, plan);
    ground.add_settings(&format!("[page]\n{page}\n"));
    ground
}

/// The value of a sample, by its name and labels as they are written.
fn sample(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn a_round_is_seen_from_its_query_to_its_end_on_the_page_and_in_the_metrics() {
    let ground = ground(&["0751", "0101"], FarPlan::default(), "listen = \"unix:{run}/page.sock\"");
    let mut daemon = ground.start();
    let at = At::served_by(&mut daemon);
    let municipality = ground.municipality();
    until("the daemon to be ready", || (at.ask("/readyz", &[]).status == 200).then_some(()));
    assert_eq!(at.ask("/healthz", &[]).body, "the engine answers\n");

    // Before: nothing has happened
    let page = at.page("/");
    assert!(page.contains("All is as it should be.") && page.contains("no query yet"), "{page}");

    // When a whole round has been
    ground.ask_for(municipality, payment_date(1));
    let exchange = ground.until_state(municipality, 1, "done");

    // Then the glance, the story, the municipality and the metrics tell it
    let page = until("the round on the page", || Some(at.page("/")).filter(|page| page.contains(">done<")));
    assert!(page.contains(&format!("href=\"/exchange/{}\"", exchange.id)), "{page}");
    assert!(page.contains("2 municipalities:") && page.contains("Aarhus"), "{page}");
    let story = at.page(&format!("/exchange/{}", exchange.id));
    for milestone in ["accepted", "uploaded", "submitted", "receipted", "replied", "applied", "handed over", "done"] {
        assert!(story.contains(&format!("<span class=\"name\">{milestone}</span>")), "{milestone}: {story}");
    }
    assert!(story.contains("<b>25</b> new") && story.contains("Nothing of this exchange is left"), "{story}");
    assert!(at.page("/municipality/0751").contains(&exchange.id.to_string()));
    assert!(at.page("/municipality/0101").contains("No query of this municipality was taken yet"));

    let metrics = until("the round in the metrics", || {
        Some(at.page("/metrics")).filter(|text| text.contains("sluse_exchanges_ended_total{outcome=\"done\"} 1\n"))
    });
    let of = "{exchange=\"sf2530-0\",municipality=\"0751\"}";
    let state = "sluse_municipality_state{exchange=\"sf2530-0\",municipality=\"0751\",state=\"done\"}";
    for (name, value) in [
        (state, 1.0),
        (&format!("sluse_municipality_open_exchanges{of}"), 0.0),
        ("sluse_engine_answers", 1.0),
        ("sluse_endpoint_connected{endpoint=\"hub-0\"}", 1.0),
        ("sluse_standstill_seconds", 0.0),
        ("sluse_facts_total{fact=\"accepted\"}", 1.0),
        ("sluse_facts_total{fact=\"applied\"}", 1.0),
    ] {
        assert_eq!(sample(&metrics, name), Some(value), "{name}: {metrics}");
    }
    assert!(sample(&metrics, "sluse_journal_head_seq").unwrap() >= 10.0, "{metrics}");
    assert!(sample(&metrics, "process_resident_memory_bytes").unwrap() > 1e6, "{metrics}");
    // And an onlooker has left nothing behind when the daemon ends
    daemon.terminate();
    assert!(!ground.path("run/page.sock").exists());
}

#[test]
fn what_waits_for_a_person_is_shown_with_the_command_that_decides_it_in_both_languages() {
    let mut ground = ground(&["0147"], FarPlan::default(), "listen = \"127.0.0.1:0\"");
    let mut daemon = ground.start();
    let at = At::served_by(&mut daemon);
    let municipality = ground.municipality();
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    ground.far_mut().open_hub(&["end-all"]);
    ground.ask_for(municipality, payment_date(2));
    ground.until_state(municipality, 2, "held");
    let item = ground.held_one();

    let page = until("the held reply on the page", || Some(at.page("/")).filter(|page| page.contains(&item.seen)));
    let config = ground.path("sluse.toml");
    let command = |verb: &str| {
        let id = &item.id.to_string()[..8];
        format!("sluse --config {} {verb} {id} --seen {} --reason", config.display(), item.seen)
    };
    assert!(page.contains("One matter needs a person.") && page.contains("The reply ends all"), "{page}");
    assert!(page.contains(&command("approve")) && page.contains(&command("refuse")), "{page}");
    let danish = at.ask(&format!("/exchange/{}", item.id), &["Accept-Language: da-DK"]).body;
    assert!(danish.contains("<html lang=\"da\">") && danish.contains("Svaret afslutter alle 25 aftaler"), "{danish}");
    assert!(danish.contains(&command("approve")) && danish.contains("<b>25</b> ophørte"), "{danish}");
    assert!(!danish.contains("<span lang=\"en\">"), "nothing of it is left in English: {danish}");
    let metrics = at.page("/metrics");
    let waits = "sluse_municipality_waiting_for_person{exchange=\"sf2530-0\",municipality=\"0147\"}";
    assert_eq!(sample(&metrics, waits), Some(1.0), "{metrics}");

    // And what was decided is seen without being asked for again by its tag
    let tag = at.ask("/", &[]).header("ETag").unwrap().to_owned();
    let again = at.ask("/", &[&format!("If-None-Match: {tag}")]);
    assert!(again.status == 304 || again.header("ETag") != Some(&tag), "{}", again.status);
    ground.decide(&item, sluse::engine::decide::Verdict::Approve);
    until("the page to have changed", || {
        let answer = at.ask("/", &[&format!("If-None-Match: {tag}")]);
        (answer.status == 200 && answer.body.contains("All is as it should be.")).then_some(())
    });
}

#[test]
fn only_who_knows_the_token_looks_and_the_token_stays_out_of_addresses() {
    let ground = ground(&["0751"], FarPlan::default(), "listen = \"127.0.0.1:0\"\ntoken = \"{run}/token\"");
    let token = ground.path("run/token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut daemon = ground.start();
    let at = At::served_by(&mut daemon);

    for path in ["/", "/metrics", "/readyz", "/municipality/0751", "/nowhere", "/?token=guessed"] {
        let refused = at.ask(path, &["Authorization: Bearer guessed"]);
        assert_eq!(refused.status, 401, "{path}");
        assert!(!refused.body.contains("Aarhus"), "{path}: {}", refused.body);
    }
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(at.ask("/metrics", &[&bearer]).status, 200);
    // Whether it lives is asked by what has no token
    assert_eq!(at.ask("/healthz", &[]).status, 200);

    // A person gives it once, and has a cookie for it that is no token
    let given = at.ask(&format!("/municipality/0751?token={TOKEN}"), &[]);
    assert_eq!((given.status, given.header("Location")), (303, Some("/municipality/0751")));
    let cookie = given.header("Set-Cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=") && !cookie.contains(TOKEN), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(at.ask("/municipality/0751", &[&cookie]).status, 200);
    assert_eq!(at.ask(&format!("/?token={TOKEN}"), &[&cookie]).status, 303);
    assert!(!daemon.log().contains(TOKEN));
}

#[test]
fn a_foreign_site_can_neither_ask_nor_frame_nor_script_the_page_and_nobody_can_change_anything() {
    let ground = ground(&["0751"], FarPlan::default(), "listen = \"127.0.0.1:0\"");
    let mut daemon = ground.start();
    let at = At::served_by(&mut daemon);

    for host in ["Host: evil.example", "Host: 192.0.2.7:80", "Host:"] {
        let answer = at.ask_by("GET", "/", &[host]);
        assert_eq!(answer.status, 421, "{host}");
    }
    let host = format!("Host: {}", at.host());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(at.ask_by(method, "/", &[&host, "Content-Length: 0"]).status, 405, "{method}");
    }
    for path in ["/", "/nowhere", "/exchange/nobody", "/municipality/9999", "/metrics", "/healthz", "/page.css"] {
        let answer = at.ask(path, &[]);
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{path}");
    }
    let page = at.page("/");
    assert!(!page.contains("<script>") && !page.contains(" style=") && !page.contains(" onclick="), "{page}");
    assert_eq!(at.ask("/exchange/3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6", &[]).status, 404);

    // A choice of language is kept in a cookie, and leads nowhere else
    let chosen = at.ask("/?lang=da", &[]);
    assert_eq!((chosen.status, chosen.header("Location")), (303, Some("/")));
    assert!(chosen.header("Set-Cookie").unwrap().starts_with("sluse_lang=da;"));
    for path in ["//evil.example/?lang=da", "/\\evil.example?lang=da"] {
        let location = at.ask(path, &[]).header("Location").map(str::to_owned);
        assert!(location.is_none_or(|location| location == "/"), "{path}");
    }
}

#[test]
fn slow_callers_and_too_many_hold_up_neither_the_page_for_long_nor_the_daemon_at_all() {
    let ground = ground(&["0751"], FarPlan::default(), "listen = \"127.0.0.1:0\"");
    let mut daemon = ground.start();
    let at = At::served_by(&mut daemon);
    let municipality = ground.municipality();

    // Given more callers than are served at once, who say one byte and then a byte a moment, or ask and do not read
    let began = Instant::now();
    let mut slow: Vec<_> = (0..sluse::operator::page::door::CALLERS_MAX + 16).map(|_| at.connect()).collect();
    slow.iter_mut().for_each(|wire| wire.write_all(b"G").unwrap());

    // When a round is asked for meanwhile, then it goes its way
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    // And the page is served again when they have had their time, though they never said what they want
    assert!(at.page("/").contains("Aarhus"));
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    for mut wire in slow {
        let mut rest = Vec::new();
        let ended = wire.read_to_end(&mut rest);
        assert!(ended.is_err() || !rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }

    // And what is too long is not read to its end
    let long = format!("X: {}", "x".repeat(64 << 10));
    let mut wire = at.connect();
    // The daemon may have closed it before all of it was said
    let _ = write!(wire, "GET / HTTP/1.1\r\nHost: localhost\r\n{long}\r\n\r\n");
    let mut answer = Vec::new();
    let _ = wire.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(at.ask("/healthz", &[]).status, 200);
    record(&ground.came_of(Chapter::Processes, "more slow callers of the status page than it serves at once"));
}

#[test]
fn a_page_that_cannot_be_served_stops_nothing_and_is_served_when_it_can_be() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ground = ground(&["0751"], FarPlan::default(), &format!("listen = \"{address}\""));
    let mut daemon = ground.start();

    daemon.until_said("no status page, tried again and again");
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    drop(taken);
    let at = At::served_by(&mut daemon);

    assert!(at.page("/").contains("Aarhus"));
}
