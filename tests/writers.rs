//! Writers of every habit before the outbox: nothing is picked up early, nothing is mixed, and what is changed after its
//! claim is found out before its trigger. First as a model, the outbox's own code over a disk in memory, 100,000
//! courses; then as processes, before the daemon and a real OpenSSH server.
//!
//! `SLUSE_WRITERS=1000000 cargo test --test writers courses` plays more of them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "writers/habit.rs"]
mod habit;
#[path = "writers/process.rs"]
mod process;
mod rig;
#[path = "writers/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use habit::{Dice, HABITS, Habit, RECORD, SETTLE, Tells, UNFIT_AFTER};
use process::{PROCESSES, Process};
use rig::{Chapter, FarPlan, Ground, Row, in_each, payment_date, record, until_within};
use sluse::domain::exchange::Exchange;
use sluse::domain::identity::FileId;
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::read_query;
use sluse::durable::{Disk, read_bounded};
use sluse::outbox::claim::{Claimed, Copied, Spooled, claim, copy, what_changed};
use sluse::outbox::{Outbox, QUERY_SIZE_MAX, Ripe};
use world::World;

/// So many courses are played, unless the environment says otherwise.
const COURSES: u64 = 100_000;
const COURSES_VARIABLE: &str = "SLUSE_WRITERS";

/// A file that is not taken after so many scans is never taken.
const SCANS_MAX: u32 = 10_000;

/// The outbox is looked at so often without a notification.
const SCAN_EVERY: Duration = Duration::from_secs(30);

// ---- the model ----

/// What one taken file came to.
enum CameTo {
    /// With the bytes that went out.
    Sent(Vec<u8>),
    Held(String),
    Refused,
}

/// A course as it is played: Sluse's side of it.
struct Play<'l> {
    world: World,
    layout: &'l Layout,
    tells: Tells,
    dice: Dice,
    taken: Vec<CameTo>,
}

impl Play<'_> {
    fn municipality() -> MunicipalityCode {
        "0751".parse().unwrap()
    }

    /// Scans and takes until the writer is finished and nothing is left. False: something is never taken.
    fn play_out(&mut self) -> bool {
        let exchange = "sf2530".parse().unwrap();
        let municipalities = vec![Play::municipality()];
        let mut outbox = Outbox::new(exchange, PathBuf::from("/outbox"), municipalities, SETTLE, UNFIT_AFTER);
        for _ in 0..SCANS_MAX {
            let scan = outbox.scan(&self.world, self.layout, self.world.now());
            for ripe in &scan.ripe {
                self.take(ripe);
            }
            if self.world.next_act().is_none() && self.world.files_in(Path::new("/outbox/0751")) == 0 {
                return true;
            }
            let now = self.world.now();
            // A notification may be late, or never come.
            let lateness = [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(120), SCAN_EVERY];
            let late = lateness[self.dice.below(4) as usize];
            let hint = self.world.next_act().map_or(SCAN_EVERY, |at| at.saturating_sub(now) + late);
            let wait = scan.look_again_in.unwrap_or(SCAN_EVERY).min(SCAN_EVERY).min(hint);
            self.world.pass(wait.max(Duration::from_millis(1)));
        }
        false
    }

    fn take(&mut self, ripe: &Ripe) {
        let id = FileId::new(uuid::Uuid::from_u128(self.taken.len() as u128 + 1));
        match claim(&self.world, Path::new("/spool"), ripe, id) {
            Claimed::Done(spooled) => self.taken_in(&spooled),
            Claimed::Changed => {}
            other => panic!("nothing is in the way: {other:?}"),
        }
    }

    fn taken_in(&mut self, spooled: &Spooled) {
        let claimed_at = self.world.now();
        let to = PathBuf::from(format!("/archive/{}", spooled.id));
        self.world.pass(self.dice.up_to(Duration::from_millis(100)));
        let Copied::Whole(copied) = copy(&self.world, spooled, &to).unwrap() else { panic!("it is small") };
        let sent = read_bounded(&self.world, &to, QUERY_SIZE_MAX).unwrap();
        if read_query(self.layout, &spooled.original_name, &sent, Play::municipality()).is_err() {
            self.taken.push(CameTo::Refused);
            return;
        }
        // Up it goes, and before the trigger:
        self.world.pass(self.dice.up_to(Duration::from_secs(20)));
        let inode = self.world.stamp(&spooled.path()).unwrap().inode;
        let (original, is_written_to) = self.world.content(inode, claimed_at);
        self.taken.push(match what_changed(&self.world, &spooled.path(), &copied.original).unwrap() {
            Some(what) => CameTo::Held(what),
            None => {
                assert!(!is_written_to, "a write after the claim was not found out");
                assert!(original == sent, "the copy is not what the original holds at the trigger");
                CameTo::Sent(sent)
            }
        });
    }
}

/// What the courses of one habit came to.
#[derive(Default)]
struct Tally {
    tried: u64,
    sent: u64,
    held: BTreeMap<String, u64>,
    refused: u64,
    lost: u64,
    doubled: u64,
    /// Sent as it stood in a rest that the rules take for the end.
    as_it_stood: u64,
    persons: u64,
}

impl Tally {
    fn play(&mut self, habit: Habit, tells: Tells, layout: &Layout, seed: u64) {
        let mut dice = Dice(seed);
        let course = habit.course(&mut dice, tells);
        let world = World::new(course.acts.iter().cloned(), dice.up_to(Duration::from_millis(30)));
        let mut play = Play { world, layout, tells, dice, taken: Vec::new() };
        let ends = play.play_out();

        self.tried += 1;
        self.lost += u64::from(!ends);
        assert!(ends, "seed {seed}: something is never taken");
        let mut sent: Vec<&Vec<u8>> = Vec::new();
        let mut is_held = false;
        for came_to in &play.taken {
            match came_to {
                CameTo::Sent(bytes) => {
                    let is_meant = course.meant.contains(bytes);
                    assert!(is_meant || !course.is_protected(play.tells), "seed {seed}: sent what nobody meant");
                    self.as_it_stood += u64::from(!is_meant);
                    self.sent += 1;
                    self.doubled += u64::from(sent.contains(&bytes));
                    sent.push(bytes);
                }
                CameTo::Held(what) => {
                    is_held = true;
                    let words: String = what.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect();
                    *self.held.entry(squeezed(&words)).or_default() += 1;
                }
                CameTo::Refused => self.refused += 1,
            }
        }
        self.persons += u64::from(is_held);
    }

    fn outcome(&self) -> String {
        let mut told = vec![format!("{} sent as meant", self.sent - self.as_it_stood)];
        if self.as_it_stood > 0 {
            told.push(format!("{} sent as they stood in a rest that the rules take for the end", self.as_it_stood));
        }
        told.extend(self.held.iter().map(|(what, number)| format!("{number} held: {what}")));
        if self.refused > 0 {
            told.push(format!("{} refused", self.refused));
        }
        told.join(", ")
    }
}

/// `NNN` is `N`.
fn squeezed(words: &str) -> String {
    let mut squeezed = String::new();
    for c in words.chars().filter(|c| *c != '\n') {
        if c != 'N' || !squeezed.ends_with('N') {
            squeezed.push(c);
        }
    }
    squeezed
}

#[test]
fn a_hundred_thousand_courses_of_writers_send_nothing_early_and_nothing_mixed() {
    let courses = std::env::var(COURSES_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(COURSES);
    let cases: Vec<_> =
        HABITS.into_iter().flat_map(|habit| [(habit, Tells::Wholeness), (habit, Tells::Nothing)]).collect();
    let of_each = courses.div_ceil(cases.len() as u64);
    in_each(&cases, |(habit, tells)| {
        let (layout, mut tally) = (tells.layout(), Tally::default());
        (0..of_each).for_each(|seed| tally.play(habit, tells, &layout, seed));

        let by = tells.words();
        println!("{}, {by}: {} courses, {}", habit.words(), tally.tried, tally.outcome());
        assert!(tally.sent > 0, "nothing of it is ever sent");
        assert_eq!((tally.lost, tally.doubled), (0, 0));
        record(&Row {
            tried: tally.tried,
            lost: tally.lost,
            doubled: tally.doubled,
            persons: tally.persons,
            ..Row::once(Chapter::Outbox, format!("{}, by {by}", habit.words()), tally.outcome())
        });
    });
}

// ---- the processes ----

/// Each writes three times, with another rest: before a file can be taken, about then, and after.
const RESTS: [&str; 3] = ["0.02", "0.4", "1.5"];

/// One writer at work.
struct Writer {
    process: Process,
    tells: Tells,
    municipality: MunicipalityCode,
    /// What it means as whole.
    meant: Vec<Vec<u8>>,
}

impl Writer {
    /// The bytes of a query, with three records in its middle where no end record counts them.
    fn query(ground: &Ground, municipality: MunicipalityCode, tells: Tells, round: u32) -> Vec<u8> {
        let (_, bytes) = ground.compose(municipality, payment_date(round));
        match tells {
            Tells::Wholeness => bytes,
            Tells::Nothing => [&bytes[..RECORD], &bytes[RECORD..2 * RECORD].repeat(3)].concat(),
        }
    }

    /// What was sent of its exchanges; None: not all of them have come to where they wait for others.
    fn sent(&self, ground: &Ground, exchanges: &[Exchange]) -> Option<Vec<Vec<u8>>> {
        let is_at_rest =
            |exchange: &Exchange| exchange.state.is_final() || ["submitted", "held"].contains(&exchange.state.name());
        let is_empty = fs::read_dir(ground.outbox(self.municipality)).unwrap().next().is_none();
        if exchanges.is_empty() || !exchanges.iter().all(is_at_rest) || !is_empty {
            return None;
        }
        let side = ground.sides.iter().find(|side| side.municipalities.contains(&self.municipality))?;
        let submitted = exchanges.iter().filter(|exchange| exchange.state.name() == "submitted");
        let names = submitted.filter_map(|exchange| Some(exchange.query()?.remote_name.to_string()));
        Some(names.map(|name| fs::read(side.far.sshd.out().join(name)).unwrap()).collect())
    }

    fn assert_came_through(&self, exchanges: &[Exchange], sent: &[Vec<u8>]) {
        let words = self.process.habit.words();
        for bytes in sent {
            assert!(self.meant.contains(bytes), "{words}: sent what it never meant");
        }
        let held: Vec<_> = exchanges.iter().filter_map(|exchange| exchange.held()).flatten().collect();
        assert!(held.is_empty() || self.process.goes_on, "{words}: {held:?}");
        for reason in &held {
            assert!(reason.to_string().contains("changed after it was claimed"), "{words}: {reason}");
        }
        let refused = exchanges.iter().filter(|exchange| exchange.state.name() == "refused").count();
        assert!(refused == 0 || self.process.leaves_a_rest, "{words}: {refused} refused");
        assert!(!sent.is_empty() || !held.is_empty() || refused > 0, "{words}: nothing came of it");
        if self.process.ends_with_second {
            assert!(sent.contains(&self.meant[1]), "{words}: the last thing that it meant was not sent");
        }
    }
}

#[test]
fn what_processes_of_every_habit_write_arrives_as_they_meant_it() {
    // Given two exchanges, one by a layout that tells and one by a layout that cannot, and a folder for each writer
    let each = PROCESSES.len() * RESTS.len();
    let codes: Vec<String> = MunicipalityCode::all().take(2 * each).map(|row| row.code.to_string()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut ground = Ground::lay(&codes[..each], FarPlan { hub: false, ..FarPlan::default() });
    ground.add_side(&codes[each..], FarPlan { hub: false, ..FarPlan::default() });
    let layouts = ground.path("layouts");
    fs::create_dir(&layouts).unwrap();
    fs::write(layouts.join("query.toml"), Tells::Nothing.toml()).unwrap();
    fs::write(layouts.join("reply.toml"), include_str!("../layouts/sf2530/reply.toml")).unwrap();
    for side in &mut ground.sides {
        side.exchange_lines = vec!["settle = \"3s\"".into(), "unfit_after = \"4s\"".into()];
    }
    ground.sides[1].exchange_lines.push(format!("layouts = {:?}", layouts.display().to_string()));
    let mut daemon = ground.start();
    daemon.until_said("running");

    // When all of them write at once
    let mut writers = Vec::new();
    let mut children = Vec::new();
    for (number, code) in codes.iter().enumerate() {
        let tells = if number < each { Tells::Wholeness } else { Tells::Nothing };
        let (process, rest) = (PROCESSES[number % PROCESSES.len()], RESTS[number / PROCESSES.len() % RESTS.len()]);
        let municipality: MunicipalityCode = code.parse().unwrap();
        let [first, second] = [1, 2].map(|round| Writer::query(&ground, municipality, tells, round));
        let more = first[RECORD..2 * RECORD].to_vec();
        let own = ground.path(&format!("writer-{code}"));
        fs::create_dir(&own).unwrap();
        for (name, bytes) in [("first", &first), ("second", &second), ("more", &more)] {
            fs::write(own.join(name), bytes).unwrap();
        }
        children.push(process.start(&ground.outbox(municipality), &own, rest));
        let longer = [first.clone(), more].concat();
        writers.push(Writer { process, tells, municipality, meant: vec![first, second, longer] });
    }
    for mut child in children {
        assert!(child.wait().unwrap().success(), "a writer could not write");
    }

    // Then what lies in OUT is what each has meant
    let mut rows = BTreeMap::<String, BTreeMap<&str, u64>>::new();
    for writer in &writers {
        let what = format!("the end of {} in {}", writer.process.habit.words(), writer.municipality);
        let (exchanges, sent) = until_within(Duration::from_secs(60), &what, || {
            let exchanges = ground.exchanges(writer.municipality);
            let sent = writer.sent(&ground, &exchanges)?;
            Some((exchanges, sent))
        });
        writer.assert_came_through(&exchanges, &sent);
        let row = rows.entry(format!("{}, as a process, by {}", writer.process.habit.words(), writer.tells.words()));
        let states = row.or_default();
        exchanges.iter().for_each(|exchange| *states.entry(exchange.state.name()).or_default() += 1);
    }
    for side in &ground.sides {
        side.far.assert_each_trigger_once();
    }
    for (fault, states) in rows {
        let outcome: Vec<String> = states.iter().map(|(state, number)| format!("{number} {state}")).collect();
        println!("{fault}: {}", outcome.join(", "));
        let (tried, persons) = (RESTS.len() as u64, states.get("held").copied().unwrap_or(0));
        record(&Row { tried, persons, ..Row::once(Chapter::Outbox, fault, outcome.join(", ")) });
    }
}
