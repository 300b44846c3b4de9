//! The daemon and a network that fails it: connections that are cut after any number of bytes, that say nothing, lose one
//! direction, or crawl. Nothing is lost or sent twice, whoever travels by another endpoint notices nothing, and half a
//! minute after the network is whole again, so is everything.

use std::time::{Duration, Instant};

use crate::HEALED_WITHIN;
use crate::rig::{
    Chapter, Daemon, Direction, FarPlan, Ground, Pause, Proxy, Row, in_each, payment_date, record, until, until_within,
};
use sluse::domain::municipality::MunicipalityCode;

/// A proxy before the server of this side, and the daemon sent to it.
fn proxy_before(ground: &mut Ground, side: usize) -> Proxy {
    let side = &mut ground.sides[side];
    let proxy = Proxy::to(side.far.sshd.port());
    side.port = proxy.port();
    proxy
}

// ---- cut ----

/// The environment variable with the number of bytes between two cuts; without it, there are [`CUTS`] in a round.
const CUT_STEP_VARIABLE: &str = "SLUSE_CUT_STEP";
const CUTS: usize = 72;

/// The endpoints of one ground, and the rounds of each, one cut in each round: six grounds, so all at the same time.
const CODES: [&str; 4] = ["0101", "0147", "0151", "0153"];
const ROUNDS: usize = 3;

/// Who travels by an endpoint of its own, which nothing happens to.
const BESIDE: &str = "0751";

/// How many bytes a round takes, from the first of its connection to its end, in both directions.
fn bytes_of_a_round() -> u64 {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let proxy = proxy_before(&mut ground, 0);
    let _daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    proxy.passed()
}

/// Where to cut, batch by batch: each batch has its share of all parts of a round.
fn batches_of_cuts(bytes: u64) -> Vec<Vec<u64>> {
    let asked = std::env::var(CUT_STEP_VARIABLE).ok().map(|step| step.parse().expect("a number of bytes"));
    let step = asked.unwrap_or(bytes.div_ceil(CUTS as u64)).max(1);
    let cuts: Vec<u64> = (0..bytes).step_by(step as usize).collect();
    let batches = cuts.len().div_ceil(CODES.len() * ROUNDS);
    (0..batches).map(|first| cuts.iter().copied().skip(first).step_by(batches).collect()).collect()
}

/// Waits until each of these has so many exchanges, all done.
fn until_done(ground: &Ground, rounds: &[(MunicipalityCode, usize)]) {
    until_within(Duration::from_secs(120), &format!("all of {rounds:?} to be done"), || {
        let book = ground.book();
        let is_done = |(municipality, count): &(MunicipalityCode, usize)| {
            let of_it = book.all().filter(|exchange| exchange.route.municipality == *municipality);
            let states: Vec<_> = of_it.map(|exchange| exchange.state.name()).collect();
            states.len() == *count && states.iter().all(|state| *state == "done")
        };
        rounds.iter().all(is_done).then_some(())
    });
}

/// How often an endpoint was connected to.
fn connections(daemon: &Daemon, side: usize) -> usize {
    let endpoint = format!("endpoint=hub-{side}");
    daemon.log().lines().filter(|line| line.contains(" connected ") && line.contains(&endpoint)).count()
}

#[test]
fn a_connection_that_is_cut_after_any_number_of_bytes_only_delays_the_round() {
    let bytes = bytes_of_a_round();
    let batches = batches_of_cuts(bytes);
    println!("a round takes {bytes} bytes, cut at {} of them", batches.iter().map(Vec::len).sum::<usize>());
    in_each(&batches.iter().collect::<Vec<_>>(), |cuts| {
        // Given some endpoints behind proxies, and one beside them
        let mut ground = Ground::lay(&[BESIDE], FarPlan::default());
        for code in CODES {
            ground.add_side(&[code], FarPlan::default());
        }
        let proxies: Vec<Proxy> = (1..=CODES.len()).map(|side| proxy_before(&mut ground, side)).collect();
        let daemon = ground.start();
        let beside = ground.municipality();
        let (mut done, mut missed) = (vec![(beside, 0)], 0);
        done.extend(ground.sides[1..].iter().map(|side| (side.municipalities[0], 0)));

        // When each has a connection of its own for each round, which is cut
        for cuts in cuts.chunks(CODES.len()) {
            for (proxy, cut) in proxies.iter().zip(cuts) {
                proxy.hang_up();
                proxy.cut_after(*cut);
            }
            for (municipality, rounds) in done.iter_mut().take(cuts.len() + 1) {
                *rounds += 1;
                ground.ask_for(*municipality, payment_date(u32::try_from(*rounds).unwrap()));
            }
            until_done(&ground, &done);
            missed += proxies.iter().filter(|proxy| proxy.cut_is_ahead()).count();
        }

        // Then every round ends, once, and nobody beside them has noticed
        for (municipality, rounds) in &done {
            ground.assert_once(*municipality, u32::try_from(*rounds).unwrap());
        }
        assert_eq!(connections(&daemon, 0), 1, "the endpoint that nothing happened to");
        let tried = (cuts.len() - missed) as u64;
        // A round that found everything at once takes fewer bytes than the one that was measured.
        assert!(missed <= cuts.len() / 4, "{missed} of {} cuts did not come", cuts.len());
        let fault = "the connection cut after a number of bytes, all over a round";
        let row = Row { tried, ..ground.came_of(Chapter::Processes, fault) };
        assert_eq!((row.lost, row.doubled), (0, 0));
        record(&row);
    });
}

// ---- out of order for a while ----

/// What is done to the way to a server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// It accepts connections and says nothing.
    Silent,
    /// What is sent to it, or comes from it, disappears.
    Lost(Direction),
    /// One byte a second.
    Crawl,
    /// `kill -STOP`, of all its processes.
    Frozen,
    /// `kill -STOP` until the daemon has given its session up and made a new connection.
    FrozenForLong,
    /// It hangs up on everyone.
    Down,
}

impl Trouble {
    const ALL: [Trouble; 7] = [
        Trouble::Silent,
        Trouble::Lost(Direction::There),
        Trouble::Lost(Direction::Back),
        Trouble::Crawl,
        Trouble::Frozen,
        Trouble::FrozenForLong,
        Trouble::Down,
    ];

    fn in_words(self) -> &'static str {
        match self {
            Trouble::Silent => "a server that accepts connections and says nothing",
            Trouble::Lost(Direction::There) => "a half-open connection: what is sent is lost",
            Trouble::Lost(Direction::Back) => "a half-open connection: what is answered is lost",
            Trouble::Crawl => "a connection of one byte a second",
            Trouble::Frozen => "a server that is frozen (`kill -STOP`) for a moment",
            Trouble::FrozenForLong => "a server that is frozen (`kill -STOP`) until its session is given up",
            Trouble::Down => "a server that hangs up on everyone",
        }
    }

    fn begin(self, ground: &Ground, proxy: &Proxy) {
        match self {
            Trouble::Silent => proxy.fall_silent(),
            Trouble::Lost(direction) => proxy.swallow(direction),
            Trouble::Crawl => proxy.crawl(),
            Trouble::Frozen | Trouble::FrozenForLong => ground.far().sshd.freeze(),
            Trouble::Down => proxy.refuse(),
        }
    }

    /// Waits until the daemon cannot but have noticed.
    fn until_noticed(self, ground: &Ground, daemon: &mut Daemon, proxy: &Proxy) {
        match self {
            Trouble::Silent | Trouble::Lost(_) | Trouble::Crawl => {
                until("the daemon in trouble", || proxy.was_run_into().then_some(()));
            }
            Trouble::Frozen => {
                until("a request that nobody reads", || (ground.far().sshd.bytes_unread() > 0).then_some(()));
            }
            Trouble::FrozenForLong => {
                daemon.until_said("connection given up");
                until("a new connection", || (proxy.connections() > 1).then_some(()));
            }
            Trouble::Down => daemon.until_said("far side not reachable"),
        }
    }

    fn end(self, ground: &Ground, proxy: &Proxy) {
        match self {
            Trouble::Frozen | Trouble::FrozenForLong => ground.far().sshd.thaw(),
            Trouble::Silent | Trouble::Lost(_) | Trouble::Crawl | Trouble::Down => proxy.heal(),
        }
    }
}

#[test]
fn half_a_minute_after_the_network_is_whole_so_is_the_round_and_nobody_else_has_noticed() {
    in_each(&Trouble::ALL, |trouble| {
        // Given a round that is on its way out when its server is no longer to be reached
        let mut ground = Ground::lay(&CODES[..1], FarPlan::default());
        ground.add_side(&[BESIDE], FarPlan::default());
        let proxy = proxy_before(&mut ground, 0);
        let (held_up, beside) = (ground.municipality(), ground.sides[1].municipalities[0]);
        let pause = Pause::at(&ground.path(""), "data_uploaded");
        let mut daemon = ground.start_with(&pause.environment());
        ground.ask_for(held_up, payment_date(1));
        let held = pause.hold();
        trouble.begin(&ground, &proxy);
        held.let_go();
        trouble.until_noticed(&ground, &mut daemon, &proxy);

        // When another endpoint's round comes to its end meanwhile
        ground.ask_for(beside, payment_date(1));
        ground.until_state(beside, 1, "done");
        assert_ne!(ground.exchanges(held_up)[0].state.name(), "done");
        trouble.end(&ground, &proxy);
        let healed = Instant::now();

        // Then the first does within half a minute
        until_within(HEALED_WITHIN, &format!("the end of {trouble:?}"), || {
            (ground.exchanges(held_up)[0].state.name() == "done").then_some(())
        });
        println!("{trouble:?}: whole again after {:.1?}", healed.elapsed());
        ground.assert_once(held_up, 1);
        ground.assert_once(beside, 1);
        assert_eq!(connections(&daemon, 1), 1, "the endpoint that nothing happened to");
        let row = ground.came_of(Chapter::Processes, trouble.in_words());
        assert_eq!((row.lost, row.doubled), (0, 0));
        record(&row);
    });
}

#[test]
fn a_server_that_is_back_is_looked_into_within_half_a_minute_however_seldom_that_is_done() {
    // Given a daemon that has nothing to do, looks into IN once an hour, and could not
    let mut ground = Ground::lay(&[BESIDE], FarPlan::default());
    ground.sides[0].poll = "1h";
    let proxy = proxy_before(&mut ground, 0);
    proxy.refuse();
    let mut daemon = ground.start();
    daemon.until_said("far side not reachable");

    proxy.heal();

    until_within(HEALED_WITHIN, "IN to be looked into", || ground.endpoint_line(0).listed_at);
    assert_eq!(ground.endpoint_line(0).trouble, None);
}
