//! What persons decide: a query is withdrawn only while the hub cannot have it, what came to nothing is sent again as a new
//! exchange, and every decision is refused when what it was made on has moved on. With a daemon and without one.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::process::{Command, Output};

use rig::evidence::{Row, record};
use rig::{Asked, Chapter, Daemon, FarPlan, Ground, Pause, in_each, payment_date, sorted_names, until};
use sluse::domain::exchange::fact::Decision;
use sluse::domain::exchange::{Exchange, Fact};
use sluse::domain::identity::FileId;
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::{Ask, Verdict};
use sluse::engine::point::KILL_VARIABLE;
use sluse::engine::retry::{CameTo, Filter, RetryAsk, RetryLine, Selection};
use sluse::engine::snapshot::{HeldItem, Offer, Story};

const WHY: &str = "agreed by telephone";

/// Calls the program as a person does.
fn sluse(ground: &Ground, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
    command.arg("--config").arg(ground.path("sluse.toml")).args(arguments).env_remove("SLUSE_LOG");
    command.output().expect("the program was built with this test")
}

/// What a person is told, and the exit status.
fn said(output: &Output) -> (String, i32) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

fn ask_to(id: FileId, verdict: Verdict) -> Request {
    Request::Decide(Ask { id: id.to_string(), verdict, reason: WHY.into(), seen: None })
}

fn retry(which: Selection) -> Request {
    Request::Retry(RetryAsk { which, reason: Some(WHY.into()), seen: None })
}

fn named(exchange: &Exchange) -> Selection {
    Selection::Named(vec![exchange.id.to_string()])
}

/// The lines of a retry.
fn lines(answer: Answer) -> Vec<RetryLine> {
    match answer {
        Answer::Retried { lines } => lines,
        answer => panic!("{answer:?}"),
    }
}

/// The one line of a retry that was refused: why.
fn why_not(answer: Answer) -> String {
    match &lines(answer)[..] {
        [RetryLine { came_to: CameTo::Refused { why }, .. }] => why.clone(),
        lines => panic!("{lines:?}"),
    }
}

/// The one line of a retry that was taken: the new exchange.
fn by(answer: Answer) -> FileId {
    match &lines(answer)[..] {
        [RetryLine { came_to: CameTo::Retried { by, .. }, .. }] => *by,
        lines => panic!("{lines:?}"),
    }
}

fn refused(answer: Answer) -> String {
    match answer {
        Answer::Refused { why } => why,
        answer => panic!("it was taken: {answer:?}"),
    }
}

fn story(ground: &Ground, id: FileId) -> Story {
    match ground.ask(&Request::Explain { what: id.to_string() }) {
        Answer::Explained { mut stories, .. } => stories.remove(0),
        answer => panic!("{answer:?}"),
    }
}

/// A decision that was not taken, in Sluse's words, the ids left out so that rows of the same are the same.
fn record_refusal(ground: &Ground, tried: &str, why: &str) {
    let ids = ground.book().all().map(|exchange| exchange.id.to_string()).collect::<Vec<_>>();
    let outcome = ids.iter().fold(why.to_owned(), |why, id| why.replace(id, "ID"));
    record(&Row { outcome, ..ground.came_of(Chapter::Decisions, tried) });
}

/// A ground whose first daemon was killed at this point of the first round.
fn killed_at(point: &str, plan: FarPlan) -> Ground {
    let ground = Ground::lay(&["0751"], plan);
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, point.to_owned())]);
    ground.ask_for(ground.municipality(), payment_date(1));
    daemon.wait_for_kill();
    ground
}

/// A ground with one query that the hub rejected, by a hub that takes the next one.
fn rejected() -> (Ground, Daemon, Exchange) {
    let mut ground = Ground::lay(&["0751"], FarPlan { faults: vec!["error-receipt"], ..FarPlan::default() });
    let daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    let exchange = ground.until_state(ground.municipality(), 1, "rejected");
    ground.far_mut().open_hub(&[]);
    (ground, daemon, exchange)
}

/// That nothing of the first query is left there and its file lies in refused/; and that it does not count, so that the
/// next one for its payment date goes its way.
fn assert_withdrawn(ground: &Ground) {
    let municipality = ground.municipality();
    let withdrawn = &ground.exchanges(municipality)[0];
    assert!(withdrawn.state.name() == "withdrawn" && withdrawn.state.is_final(), "{:?}", withdrawn.state);
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    assert_eq!(ground.far().count(municipality, payment_date(1)), 0);
    assert_eq!(sorted_names(&ground.path("state/spool")), Vec::<String>::new());
    let folder = ground.path(&format!("state/refused/sf2530-0/{municipality}"));
    let names = sorted_names(&folder);
    let reason = names.iter().find(|name| name.ends_with(".why.txt")).unwrap();
    let reason = fs::read_to_string(folder.join(reason)).unwrap();
    assert!(names.len() == 2 && reason.contains("withdrawn by uid") && reason.contains(WHY), "{names:?}: {reason}");

    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "done");
    ground.assert_once(municipality, 1);
}

/// The decisions in a municipality's journal.
fn decisions(ground: &Ground) -> Vec<Decision> {
    let decision = |fact: Fact| match fact {
        Fact::Withdrawn { decision } | Fact::Retried { decision, .. } | Fact::Declined { decision } => Some(decision),
        Fact::Approved { decision, .. } | Fact::Settled { decision, .. } => Some(decision),
        _ => None,
    };
    ground.facts(ground.municipality()).into_iter().filter_map(decision).collect()
}

/// That one person decided, and the journal says who.
fn assert_decided_once(ground: &Ground) {
    let who = format!("uid {}", rustix::process::getuid().as_raw());
    assert_eq!(decisions(ground), [Decision { who, reason: WHY.into() }]);
}

// ---- withdraw ----

#[test]
fn a_query_that_is_withdrawn_before_its_triggers_intent_leaves_nothing_in_out_and_does_not_count() {
    in_each(&["accepted", "data_uploaded", "trigger_staged"], |point| {
        // Given a daemon that ended there, and a person who decides without one
        let ground = killed_at(point, FarPlan::default());
        let id = ground.exchanges(ground.municipality())[0].id.to_string();
        let (told, status) = said(&sluse(&ground, &["withdraw", &id, "--reason", WHY]));
        assert!(status == 0 && told.contains("is now withdrawn") && told.contains("when the daemon runs"), "{told}");

        let _daemon = ground.start();
        until("the end", || ground.exchanges(ground.municipality())[0].state.is_final().then_some(()));
        record(&ground.came_of(Chapter::Decisions, "withdrawn while no daemon ran, before the trigger's intent"));

        assert_withdrawn(&ground);
        assert_decided_once(&ground);
    });
}

#[test]
fn a_query_whose_first_attempt_was_proven_not_made_is_withdrawn_and_not_taken_for_submitted() {
    // Given an attempt that came to nothing, and a second staging, which clears the first one's part away
    let ground = killed_at("trigger_intended", FarPlan::default());
    let municipality = ground.municipality();
    let mut second = ground.start_with(&[(KILL_VARIABLE, "trigger_staged".to_owned())]);
    second.wait_for_kill();
    assert_eq!(ground.count_of(municipality, "trigger_not_made"), 1);

    // When it is withdrawn
    let id = ground.exchanges(municipality)[0].id.to_string();
    let (told, status) = said(&sluse(&ground, &["withdraw", &id, "--reason", WHY]));
    assert_eq!(status, 0, "{told}");
    let _daemon = ground.start();
    until("the end", || ground.exchanges(municipality)[0].state.is_final().then_some(()));

    record(&ground.came_of(Chapter::Decisions, "withdrawn after a doubt that was settled as not made"));
    assert_withdrawn(&ground);
}

#[test]
fn a_held_query_is_withdrawn_as_it_is_refused() {
    let (ground, _daemon) = with_a_second_query();
    let municipality = ground.municipality();
    let held = ground.held_one();

    assert_eq!(ground.decide(&held, Verdict::Withdraw), "withdrawn");

    record(&ground.came_of(Chapter::Decisions, "a held query withdrawn"));
    ground.assert_once(municipality, 1);
    assert_decided_once(&ground);
}

/// A daemon whose first query has just come to this point; its next step is at work and waits for a server that stands
/// still, until it is thawed.
fn at_work_behind(point: &'static str) -> (Ground, Daemon) {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let pause = Pause::at(&ground.path(""), point);
    let daemon = ground.start_with(&pause.environment());
    ground.ask_for(ground.municipality(), payment_date(1));
    let held = pause.hold();
    ground.far().sshd.freeze();
    held.let_go();
    (ground, daemon)
}

/// Waits until so many decisions wait for what is at work.
fn until_waiting(daemon: &Daemon, number: usize) {
    let waiting = || daemon.log().matches("a decision waits for what is at work").count();
    until("the decision to wait", || (waiting() == number).then_some(()));
}

#[test]
fn a_withdrawal_while_a_step_is_at_work_waits_for_it_and_is_refused_if_the_trigger_was_intended_meanwhile() {
    let cases = [("accepted", "the upload"), ("trigger_intended", "the trigger")];
    in_each(&cases, |(point, step)| {
        let (ground, daemon) = at_work_behind(point);
        let municipality = ground.municipality();

        // When a person withdraws it just then
        let asked = ground.hand_in(&ask_to(ground.exchanges(municipality)[0].id, Verdict::Withdraw));
        until_waiting(&daemon, 1);
        ground.far().sshd.thaw();
        let answer = asked.answer();

        // Then it is withdrawn, or goes on as if nobody had asked
        let tried = format!("withdrawn while {step} was at work");
        if point != "trigger_intended" {
            assert!(matches!(&answer, Answer::Decided { state, .. } if state == "withdrawn"), "{answer:?}");
            record(&ground.came_of(Chapter::Decisions, &tried));
            assert_withdrawn(&ground);
            assert_decided_once(&ground);
        } else {
            let why = refused(answer);
            assert!(why.contains("cannot be called back") && why.contains("sluse refuse"), "{why}");
            ground.until_state(municipality, 1, "done");
            record_refusal(&ground, &tried, &why);
            ground.assert_once(municipality, 1);
            assert_eq!(decisions(&ground), []);
        }
    });
}

#[test]
fn of_two_persons_who_decide_at_once_only_the_first_is_told_that_it_was_taken() {
    let (ground, daemon) = at_work_behind("accepted");

    // Both come while the upload is at work, so both have to wait for it
    let request = ask_to(ground.exchanges(ground.municipality())[0].id, Verdict::Withdraw);
    let both = [ground.hand_in(&request), ground.hand_in(&request)];
    until_waiting(&daemon, 2);
    ground.far().sshd.thaw();
    let answers = both.map(Asked::answer);

    let taken = answers.iter().filter(|answer| matches!(answer, Answer::Decided { .. })).count();
    assert_eq!(taken, 1, "{answers:?}");
    let ([Answer::Refused { why }, _] | [_, Answer::Refused { why }]) = &answers else { panic!("{answers:?}") };
    record_refusal(&ground, "two persons withdraw at once, the second of them", why);
    assert_withdrawn(&ground);
    assert_decided_once(&ground);
}

#[test]
fn a_query_that_the_hub_may_have_is_not_withdrawn_and_the_person_is_told_what_to_do_instead() {
    let cases = [("silent", "receipted", "sluse refuse"), ("error-receipt", "rejected", "come to nothing")];
    in_each(&cases, |(fault, state, advice)| {
        let ground = Ground::lay(&["0751"], FarPlan { faults: vec![fault], ..FarPlan::default() });
        let municipality = ground.municipality();
        let _daemon = ground.start();
        ground.ask_for(municipality, payment_date(1));
        let exchange = ground.until_state(municipality, 1, state);

        let why = refused(ground.ask(&ask_to(exchange.id, Verdict::Withdraw)));

        assert!(why.contains(state) && why.contains(advice), "{why}");
        record_refusal(&ground, &format!("withdraw what is {state}"), &why);
        assert_eq!(decisions(&ground), []);
    });
}

// ---- when what was seen has moved on ----

/// One round done, and a second query for its payment date, held.
fn with_a_second_query() -> (Ground, Daemon) {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "held");
    (ground, daemon)
}

#[test]
fn a_decision_on_a_query_that_was_decided_meanwhile_is_refused_with_its_mark_and_without() {
    let cases = [
        (Verdict::Refuse, Verdict::Approve),
        (Verdict::Refuse, Verdict::Withdraw),
        (Verdict::Withdraw, Verdict::Approve),
        (Verdict::Withdraw, Verdict::Refuse),
        (Verdict::Approve, Verdict::Refuse),
        (Verdict::Approve, Verdict::Withdraw),
    ];
    in_each(&cases, |(first, second)| {
        let (ground, _daemon) = with_a_second_query();
        let held = ground.held_one();
        ground.decide(&held, first);

        assert_moved_on(&ground, &held, first, second);
        if (first, second) != (Verdict::Approve, Verdict::Refuse) {
            // (Approved, it waits for a reply, and that wait may be given up.)
            let why = refused(ground.ask(&ask_to(held.id, second)));
            record_refusal(&ground, &format!("{} without a mark, after {}", word(second), word(first)), &why);
        }
        assert_decided_once(&ground);
    });
}

#[test]
fn a_decision_on_a_reply_that_was_decided_meanwhile_is_refused_and_its_query_is_never_withdrawn() {
    in_each(&[(Verdict::Refuse, Verdict::Approve), (Verdict::Approve, Verdict::Refuse)], |(first, second)| {
        let mut ground = Ground::lay(&["0751"], FarPlan::default());
        let municipality = ground.municipality();
        let _daemon = ground.start();
        ground.ask_for(municipality, payment_date(1));
        ground.until_state(municipality, 1, "done");
        ground.far_mut().open_hub(&["end-all"]);
        ground.ask_for(municipality, payment_date(2));
        ground.until_state(municipality, 2, "held");
        let held = ground.held_one();
        let why = refused(ground.try_to_decide(&held, Verdict::Withdraw));
        assert!(why.contains("its reply is here"), "{why}");
        record_refusal(&ground, "withdraw a query whose reply is held", &why);

        ground.decide(&held, first);

        let why = moved_on(&ground, &held, second);
        assert_decided_once(&ground);
        // Approved, the register is not as UDK's book, which knows nothing of the fault that a person let pass.
        if first == Verdict::Refuse {
            record_refusal(&ground, "approve a reply with the mark, after refuse", &why);
        }
    });
}

/// What the person types.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Refuse => "refuse",
        Verdict::SettleSent => "settle --sent",
        Verdict::SettleNotSent => "settle --not-sent",
        Verdict::Withdraw => "withdraw",
    }
}

/// What the second of two persons is told who have seen the same: that it has moved on.
fn moved_on(ground: &Ground, held: &HeldItem, second: Verdict) -> String {
    let why = refused(ground.try_to_decide(held, second));
    assert!(why.contains("has moved on since you looked"), "{why}");
    why
}

fn assert_moved_on(ground: &Ground, held: &HeldItem, first: Verdict, second: Verdict) {
    let why = moved_on(ground, held, second);
    record_refusal(ground, &format!("{} with the mark, after {}", word(second), word(first)), &why);
}

#[test]
fn decisions_are_taken_while_no_daemon_runs_and_the_second_of_two_persons_is_refused() {
    let cases = [
        (Verdict::Approve, Verdict::Refuse, "done"),
        (Verdict::Refuse, Verdict::Approve, "refused"),
        (Verdict::Withdraw, Verdict::Approve, "withdrawn"),
        (Verdict::SettleNotSent, Verdict::SettleSent, "refused"),
    ];
    in_each(&cases, |(first, second, end)| {
        let is_settled = first == Verdict::SettleNotSent;
        let (ground, mut daemon) = if is_settled { in_doubt() } else { with_a_second_query() };
        let held = ground.held_one();
        daemon.terminate();

        let decide = |verdict: Verdict| {
            let id = held.id.to_string();
            let options = [id.as_str(), "--seen", &held.seen, "--reason", WHY];
            said(&sluse(&ground, &[word(verdict).split(' ').collect::<Vec<_>>(), options.to_vec()].concat()))
        };
        let (told, status) = decide(first);
        assert!(status == 0 && told.contains("when the daemon runs again"), "{told}");
        let (told, status) = decide(second);
        assert!(status == 1 && told.contains("has moved on since you looked"), "{told}");

        let _daemon = ground.start();
        ground.until_state(ground.municipality(), if is_settled { 1 } else { 2 }, end);
        assert_decided_once(&ground);
        let tried = format!("{} while no daemon ran, then {}", word(first), word(second));
        record(&ground.came_of(Chapter::Decisions, &tried));
    });
}

/// A trigger that may yet be written.
fn in_doubt() -> (Ground, Daemon) {
    let plan = rig::Plan { refused_requests: vec!["posix-rename"], ..rig::Plan::default() };
    let ground = killed_at("trigger_intended", FarPlan { sshd: plan, ..FarPlan::default() });
    let daemon = ground.start();
    ground.until_state(ground.municipality(), 1, "in doubt");
    (ground, daemon)
}

#[test]
fn a_doubt_is_settled_once() {
    in_each(&[Verdict::SettleSent, Verdict::SettleNotSent], |first| {
        let (ground, _daemon) = in_doubt();
        let held = ground.held_one();
        let why = refused(ground.try_to_decide(&held, Verdict::Withdraw));
        assert!(why.contains("--not-sent"), "{why}");
        record_refusal(&ground, "withdraw what is in doubt", &why);

        // When one person settles it, and then another the other way
        ground.decide(&held, first);
        let second = if first == Verdict::SettleSent { Verdict::SettleNotSent } else { Verdict::SettleSent };

        assert_moved_on(&ground, &held, first, second);
        let unmarked = refused(ground.ask(&ask_to(held.id, second)));
        assert!(unmarked.contains("it does not wait for a person"), "{unmarked}");
        assert_decided_once(&ground);
    });
}

// ---- retry ----

#[test]
fn what_the_hub_rejected_is_sent_again_as_a_new_exchange_that_names_the_old_one_and_is_named_by_it() {
    let (ground, _daemon, old) = rejected();
    let municipality = ground.municipality();
    let Some(Offer::Retry { seen }) = story(&ground, old.id).offer else { panic!("explain offers no retry") };

    // When two persons who have seen the same decide
    let ask = RetryAsk { which: named(&old), reason: Some(WHY.into()), seen: Some(seen) };
    let both = [ground.hand_in(&Request::Retry(ask.clone())), ground.hand_in(&Request::Retry(ask))];
    let answers: Vec<_> = both.into_iter().flat_map(|asked| lines(asked.answer())).map(|line| line.came_to).collect();

    // Then it is sent again once, and both stories say so
    let taken: Vec<_> = answers.iter().filter(|came_to| matches!(came_to, CameTo::Retried { .. })).collect();
    let [CameTo::Retried { by, .. }] = taken[..] else { panic!("{answers:?}") };
    let why = answers.iter().find_map(|came_to| match came_to {
        CameTo::Refused { why } => Some(why),
        _ => None,
    });
    assert!(why.unwrap().contains(&format!("sent again already, as exchange {by}")), "{why:?}");
    let new = ground.until_state(municipality, 2, "done");
    assert_eq!((new.id, new.query().unwrap().retry_of), (*by, Some(old.id)));
    assert_eq!(ground.book().get(old.id).unwrap().retried_by, [new.id]);
    assert_ne!(new.query().unwrap().remote_name, old.query().unwrap().remote_name);
    assert_eq!(new.query().unwrap().hash, old.query().unwrap().hash);
    for (id, other) in [(old.id, new.id), (new.id, old.id)] {
        let (told, _) = said(&sluse(&ground, &["explain", &id.to_string()]));
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&other.to_string()) && told.contains("sent again"), "{told}");
    }
    assert_decided_once(&ground);
    record(&ground.came_of(Chapter::Decisions, "what the hub rejected retried by two persons at once"));
    record_refusal(&ground, "retry, the second of two persons", why.unwrap());
    ground.assert_once(municipality, 1);
}

#[test]
fn what_a_person_refused_or_withdrew_is_sent_again_where_it_is_named_and_only_then() {
    in_each(&[Verdict::Refuse, Verdict::Withdraw], |verdict| {
        let (ground, _daemon) = with_a_second_query();
        let municipality = ground.municipality();
        ground.decide(&ground.held_one(), verdict);
        let old = ground.until_state(municipality, 2, if verdict == Verdict::Refuse { "refused" } else { "withdrawn" });

        let all = ground.ask(&retry(Selection::Rejected(Filter::default())));
        assert!(matches!(&all, Answer::Retried { lines } if lines.is_empty()), "{all:?}");
        let by = by(ground.ask(&retry(named(&old))));

        // The first query still counts, so this one is held as its forerunner was
        assert_eq!(ground.until_state(municipality, 3, "held").id, by);
        assert!(ground.held_one().reasons[0].contains("already under way or done"));
        record(&ground.came_of(Chapter::Decisions, &format!("retry after {}", word(verdict))));
        ground.assert_once(municipality, 1);
    });
}

#[test]
fn what_counts_is_never_sent_again_and_a_retry_that_came_to_nothing_may_be_followed_by_another() {
    let (mut ground, _daemon, old) = rejected();
    let municipality = ground.municipality();

    // When the first retry is rejected too
    ground.far_mut().open_hub(&["error-receipt"]);
    let first = by(ground.ask(&retry(named(&old))));
    ground.until_state(municipality, 2, "rejected");
    ground.far_mut().open_hub(&[]);

    // Then the old one may be retried once more, and then neither of the two
    by(ground.ask(&retry(named(&old))));
    let third = ground.until_state(municipality, 3, "done");
    let why = why_not(ground.ask(&retry(named(&old))));
    assert!(why.contains("already") && why.contains(&third.id.to_string()), "{why}");
    record_refusal(&ground, "retry what was retried already", &why);
    let why = why_not(ground.ask(&retry(named(&third))));
    assert!(why.contains("its query counts"), "{why}");
    record_refusal(&ground, "retry what is done", &why);
    // The one between came to nothing and was not retried itself: sent again, it is a second query
    by(ground.ask(&retry(Selection::Named(vec![first.to_string()]))));
    ground.until_state(municipality, 4, "held");
    ground.assert_once(municipality, 1);
}

#[test]
fn an_unfit_file_is_corrected_and_not_sent_again() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
    let (name, _) = ground.compose(municipality, payment_date(1));
    let _daemon = ground.start();
    ground.deliver(municipality, &name, b"no record\r\n");
    let unfit = ground.until_state(municipality, 1, "refused");

    let why = why_not(ground.ask(&retry(named(&unfit))));

    assert!(why.contains("unfit") && why.contains("corrected query"), "{why}");
    record_refusal(&ground, "retry an unfit file", &why);
}

#[test]
fn a_selection_is_tried_one_by_one_and_a_copy_that_is_missing_or_changed_stops_no_other() {
    // Given four rejected queries; of one the archived copy is gone, of one it was written to
    let codes = ["0751", "0101", "0851", "0461"];
    let mut ground = Ground::lay(&codes, FarPlan { faults: vec!["error-receipt"], ..FarPlan::default() });
    let mut daemon = ground.start();
    let municipalities = ground.sides[0].municipalities.clone();
    for municipality in &municipalities {
        ground.ask_for(*municipality, payment_date(1));
    }
    let old: Vec<_> = municipalities.iter().map(|code| ground.until_state(*code, 1, "rejected")).collect();
    ground.far_mut().open_hub(&[]);
    let archived = |exchange: &Exchange| {
        let route = &exchange.route;
        ground.path(&format!("state/archive/{}/{}/{}/query", route.exchange, route.municipality, exchange.id))
    };
    fs::remove_file(archived(&old[2])).unwrap();
    let mut changed = fs::read(archived(&old[3])).unwrap();
    changed[40] ^= 1;
    fs::write(archived(&old[3]), changed).unwrap();
    let facts = || municipalities.iter().map(|code| ground.facts(*code).len()).sum::<usize>();
    let before = facts();

    // When it is only looked at, with a daemon and without
    let looked = said(&sluse(&ground, &["retry", "--all-rejected", "--dry-run"]));
    daemon.terminate();
    let alone = said(&sluse(&ground, &["retry", "--all-rejected", "--dry-run"]));

    // Then it is told what would happen and nothing does
    assert_eq!(looked, alone);
    let (told, status) = looked;
    assert!(status == 1 && told.contains("2 would be sent again, 2 would not. Nothing was changed."), "{told}");
    assert_eq!(facts(), before);

    // When it is done without a daemon
    let (told, status) = said(&sluse(&ground, &["retry", "--payment-date", "2031-01-27", "--reason", WHY]));
    assert!(status == 1 && told.contains("2 sent again, 2 not.") && told.contains("when the daemon runs"), "{told}");
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("copy in the archive cannot be read"), "{told}");
    assert!(words.contains("no longer what was taken from the outbox"), "{told}");
    assert_eq!(said(&sluse(&ground, &["retry", "--payment-date", "2031-02-27", "--reason", WHY])).1, 0);
    assert_eq!(said(&sluse(&ground, &["retry", "--reason", WHY])).1, 2);

    // Then the next daemon sends both, once
    let _daemon = ground.start();
    for municipality in &municipalities[..2] {
        ground.until_state(*municipality, 2, "done");
        ground.assert_once(*municipality, 1);
    }
    assert!(municipalities[2..].iter().all(|code| ground.exchanges(*code).len() == 1));
    record(&ground.came_of(Chapter::Decisions, "four rejected retried together, two of them without a good copy"));
}

#[test]
fn a_daemon_that_is_killed_between_the_copy_and_the_fact_of_a_retry_has_retried_nothing() {
    // Given a daemon that ends when the copy is there and no fact names it
    let (ground, mut daemon, old) = rejected();
    let municipality = ground.municipality();
    daemon.terminate();
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, "retry_copied".to_owned())]);
    daemon.until_said("running");
    let asked = ground.hand_in(&retry(named(&old)));
    daemon.wait_for_kill();
    drop(asked);

    // When it is asked of the next one
    let _daemon = ground.start();
    until("the daemon", || ground.path("run/control.sock").exists().then_some(()));
    assert_eq!(ground.exchanges(municipality).len(), 1);
    until("an answer", || {
        let (told, status) = said(&sluse(&ground, &["retry", &old.id.to_string(), "--reason", WHY]));
        (status == 0 && told.contains("→")).then_some(())
    });

    ground.until_state(municipality, 2, "done");
    record(&ground.came_of(Chapter::Decisions, "`kill -9` between a retry's copy and its fact, then retried again"));
    ground.assert_once(municipality, 1);
    assert_decided_once(&ground);
}
