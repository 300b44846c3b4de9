//! How fast a copy must go at least: each request has its deadline, but a server that gives one byte for each could
//! keep a copy alive for weeks. Decides from times and numbers that it is told; reads no clock. Start with [`Pace`].

use std::time::Duration;

use super::wire::OPEN_MAX;

/// Bytes per second. Far below any link on which the requests of a copy meet their own deadlines (70 kB/s), also where
/// as many copies as there may be share it.
const LEAST: u64 = 512;
/// Waiting that an average is taken over. 60 s: a server that stops for a moment is not a slow one, and most files
/// are there before anyone asks.
const WINDOW: Duration = Duration::from_secs(60);

/// The least that is asked of one copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) bytes_per_second: u64,
    /// How much waiting for the server an average is taken over; the first one is all a small file needs.
    pub(super) window: Duration,
}

impl Pace {
    /// Where a single request may take this long.
    pub(super) fn with_requests_of(deadline: Duration) -> Self {
        Self { bytes_per_second: LEAST, window: WINDOW.max(deadline) }
    }

    /// What so much waiting must bring, at so many times the pace. Bytes.
    fn due(self, waited: Duration, times: u64) -> u128 {
        waited.as_millis() * u128::from(self.bytes_per_second) * u128::from(times) / 1000
    }
}

/// One copy, measured stretch by stretch. Only the time in which it waits for the server counts: a slow source or
/// sink of our own is not the server's fault.
#[derive(Debug)]
pub(super) struct Stretch {
    pace: Pace,
    waited: Duration,
    brought: u64,
    session_before: u64,
}

impl Stretch {
    /// `session_moved`: bytes that all copies of the session have moved so far.
    pub(super) fn begin(pace: Pace, session_moved: u64) -> Self {
        Self { pace, waited: Duration::ZERO, brought: 0, session_before: session_moved }
    }

    /// Takes up an answer: how long it was waited for, what it brought, and what the whole session has moved.
    ///
    /// Errors: the copy is too slow, and the session as a whole does not excuse it. A copy waits its turn among up to
    /// [`OPEN_MAX`] others; it is excused while the session moves what would be enough for all of them. What excuses
    /// is real content of other files, so it comes to an end.
    pub(super) fn add(&mut self, waited: Duration, bytes: u64, session_moved: u64) -> Result<(), String> {
        self.waited += waited;
        self.brought += bytes;
        if self.waited < self.pace.window {
            return Ok(());
        }
        let together = session_moved.saturating_sub(self.session_before);
        let is_slow = u128::from(self.brought) < self.pace.due(self.waited, 1);
        let is_excused = u128::from(together) >= self.pace.due(self.waited, OPEN_MAX as u64);
        if is_slow && !is_excused {
            let (brought, waited, least) = (self.brought, self.waited, self.pace.bytes_per_second);
            return Err(format!("the copy moved {brought} bytes in {waited:.0?}, expected {least} bytes a second"));
        }
        *self = Self::begin(self.pace, session_moved);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Duration = Duration::from_secs(60);
    const CHUNK: u64 = 32 * 1024;

    fn alone() -> Stretch {
        Stretch::begin(Pace::with_requests_of(REQUEST), 0)
    }

    /// How long a link of 70 kB/s, the slowest that the deadlines are made for, takes for a chunk.
    fn chunk_time() -> Duration {
        Duration::from_secs(CHUNK) / 70_000
    }

    #[test]
    fn one_byte_an_answer_is_too_slow_after_one_window() {
        let mut copy = alone();
        let round_trip = Duration::from_millis(10);

        let ended = (1..100_000u64).find(|moved| copy.add(round_trip, 1, *moved).is_err());

        assert_eq!(ended, Some(6000));
    }

    #[test]
    fn a_slow_link_that_as_many_copies_share_as_may_be_slows_none_of_them_too_much() {
        // They take turns by the chunk, or one goes far ahead while the others wait for theirs.
        let all_others = u32::try_from(OPEN_MAX).unwrap() - 1;
        for chunks_in_turn in [1, 2, 64] {
            let (mut copy, mut session_moved) = (alone(), 0);
            for _ in 0..100 {
                let others = all_others * chunks_in_turn;
                session_moved += u64::from(others) * CHUNK;
                for turn in 0..chunks_in_turn {
                    session_moved += CHUNK;
                    let waited = chunk_time() * if turn == 0 { others + 1 } else { 1 };
                    copy.add(waited, CHUNK, session_moved).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_copy_that_stands_still_while_others_trickle_is_not_excused() {
        let mut copy = alone();

        let ended = (1..1000).find(|second| copy.add(Duration::from_secs(1), 1, second * 2 * LEAST).is_err());

        assert_eq!(ended, Some(60));
    }

    #[test]
    fn a_small_file_has_as_long_as_a_request_and_an_average_is_not_carried_over() {
        let mut patient = Stretch::begin(Pace::with_requests_of(5 * REQUEST), 0);
        assert_eq!(patient.add(4 * REQUEST, 10, 10), Ok(()));

        let mut copy = alone();
        assert_eq!(copy.add(REQUEST, 1 << 30, 1 << 30), Ok(()));
        assert!(copy.add(REQUEST, 1, (1 << 30) + 1).is_err(), "one good minute excuses no bad one");
    }

    #[test]
    fn what_does_not_wait_for_the_server_is_never_too_slow() {
        let mut copy = alone();

        assert!((0..100_000).all(|moved| copy.add(Duration::ZERO, 1, moved).is_ok()));
    }
}
