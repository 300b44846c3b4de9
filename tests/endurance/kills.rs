//! `kill -9` at random moments, again and again, while many municipalities' rounds are under way and the hub works: in
//! the end UDK has counted every query once, and every reply stands once in register and inbox.

use std::time::Duration;

use crate::rig::{Chapter, FarPlan, Ground, Row, in_each, let_pass, payment_date, record, until_within};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sluse::domain::municipality::MunicipalityCode;

/// The environment variable with the number of kills, for more than [`KILLS`]; rounded up to whole grounds.
const KILLS_VARIABLE: &str = "SLUSE_KILLS";
const KILLS: usize = 200;

/// The environment variable with the seed of the random moments, to see a failure again.
const SEED_VARIABLE: &str = "SLUSE_KILL_SEED";

/// Daemons of one ground that are killed, one after the other; then there is a new ground.
const KILLS_OF_A_GROUND: usize = 40;
const CODES: [&str; 8] = ["0101", "0147", "0151", "0153", "0155", "0157", "0159", "0161"];

/// Each municipality asks so often at least; more where the kills are not done by then, up to a year.
const ROUNDS: u32 = 2;
const ROUNDS_MAX: u32 = 12;

/// A daemon lives so long, in milliseconds.
const LIFE: std::ops::RangeInclusive<u64> = 5..=400;

/// What is left when nobody kills any more has this long to come to its end.
const REST_WITHIN: Duration = Duration::from_secs(120);

fn asked_for<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// How many rounds each municipality has asked for, and which of them have come to their end.
struct Asked<'g> {
    ground: &'g Ground,
    rounds: Vec<(MunicipalityCode, u32)>,
}

impl Asked<'_> {
    fn all_done(&self) -> bool {
        let book = self.ground.book();
        self.rounds.iter().all(|(municipality, rounds)| {
            let of_it = book.all().filter(|exchange| exchange.route.municipality == *municipality);
            let states: Vec<_> = of_it.map(|exchange| exchange.state.name()).collect();
            states.len() == *rounds as usize && states.iter().all(|state| *state == "done")
        })
    }

    /// Each whose last round is done asks for its next one, up to so many.
    fn ask_on(&mut self, up_to: u32) {
        let book = self.ground.book();
        for (municipality, rounds) in &mut self.rounds {
            let of_it = book.all().filter(|exchange| exchange.route.municipality == *municipality);
            let done = of_it.filter(|exchange| exchange.state.name() == "done").count();
            if done == *rounds as usize && *rounds < up_to {
                *rounds += 1;
                self.ground.ask_for(*municipality, payment_date(*rounds));
            }
        }
    }
}

#[test]
fn daemons_that_are_killed_at_random_moments_under_load_lose_nothing_and_send_nothing_twice() {
    let kills = asked_for(KILLS_VARIABLE).unwrap_or(KILLS);
    let seed: u64 = asked_for(SEED_VARIABLE).unwrap_or_else(rand::random);
    println!("{kills} kills, {SEED_VARIABLE}={seed}");
    let grounds: Vec<u64> = (0..kills.div_ceil(KILLS_OF_A_GROUND) as u64).collect();
    in_each(&grounds, |number| {
        let mut dice = StdRng::seed_from_u64(seed ^ number);
        // Given many rounds under way
        let ground = Ground::lay(&CODES, FarPlan::default());
        let rounds = ground.sides[0].municipalities.iter().map(|municipality| (*municipality, 0)).collect();
        let mut asked = Asked { ground: &ground, rounds };

        // When one daemon after the other is killed
        for _ in 0..KILLS_OF_A_GROUND {
            let mut daemon = ground.start();
            let life = Duration::from_millis(dice.random_range(LIFE));
            asked.ask_on(ROUNDS_MAX);
            let_pass(life);
            assert!(!daemon.has_ended(), "the daemon ended by itself");
            daemon.kill_9();
        }
        let under_way = ground.book().open().count();

        // Then the last one ends what is left, and everything happened once
        let _daemon = ground.start();
        until_within(REST_WITHIN, "all rounds to be done", || {
            asked.ask_on(ROUNDS);
            asked.all_done().then_some(())
        });
        println!("ground {number}: {under_way} rounds under way when the last was killed");
        for (municipality, rounds) in &asked.rounds {
            ground.assert_once(*municipality, *rounds);
        }
        let fault = "`kill -9` at a random moment, eight municipalities under way";
        let row = ground.came_of(Chapter::Processes, fault);
        assert_eq!((row.lost, row.doubled), (0, 0));
        // How many rounds there were is chance.
        let outcome = row.outcome.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
        record(&Row { tried: KILLS_OF_A_GROUND as u64, outcome, ..row });
    });
}
