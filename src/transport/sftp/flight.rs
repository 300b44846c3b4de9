//! How many bytes of READs and WRITEs may be unanswered in a session, whichever channels they travel on. Deadlines run from
//! queueing, so more than the line carries would be timed out by its own queue: it begins with what a slow line
//! carries in time, grows while full and answered fast, and falls back when answers are slow. Start with [`Flight::room`].

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that may always be unanswered: a line of 70 kB/s carries them within the default deadline of a request.
const LEAST: usize = 4 << 20;
/// Bytes that are never exceeded: enough for 500 MB/s at 30 ms. What has arrived and waits for its turn lies in memory.
const MOST: usize = 16 << 20;
/// What is answered this fast, with at least half of the budget ahead of it, came over a line that carries twice as
/// much in four times the time, far within any deadline.
const FAST: Duration = Duration::from_secs(1);
/// What takes this long is near enough to a deadline to ask for less.
const SLOW: Duration = Duration::from_secs(5);
/// Bytes of one READ or WRITE on a line not yet known to be fast, where many copies take turns. Every server takes them.
const SMALL_CHUNK: u32 = 32 * 1024;

/// The bytes in flight of one session.
#[derive(Debug)]
pub(super) struct Flight {
    /// One for each byte that may still be asked for.
    free: Semaphore,
    budget: Mutex<Budget>,
}

/// Room for one request, until its answer has been used.
#[derive(Debug)]
pub(super) struct Room<'a> {
    permit: SemaphorePermit<'a>,
    /// Bytes in flight as it was taken, its own among them.
    in_flight: usize,
    taken: Instant,
}

impl Room<'_> {
    /// Gives back what is more than so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let too_much = self.permit.num_permits().saturating_sub(bytes);
        drop(self.permit.split(too_much));
        self.taken = Instant::now();
    }
}

impl Flight {
    pub(super) fn new() -> Self {
        Self { free: Semaphore::new(LEAST), budget: Mutex::new(Budget::new()) }
    }

    /// Waits for room for so many bytes, in the order of asking. None: the session has ended.
    pub(super) async fn room(&self, bytes: u32) -> Option<Room<'_>> {
        let permit = self.free.acquire_many(bytes).await.ok()?;
        let in_flight = self.bytes_max().saturating_sub(self.free.available_permits());
        Some(Room { permit, in_flight, taken: Instant::now() })
    }

    /// Takes up that the request was answered just now.
    pub(super) fn answered(&self, room: &Room<'_>) {
        let Ok(mut budget) = self.budget.lock() else { return };
        let before = budget.bytes;
        budget.answered(room.permit.num_permits(), room.in_flight, room.taken.elapsed());
        if budget.bytes > before {
            self.free.add_permits(budget.bytes - before);
        } else if budget.bytes < before {
            // What is in flight cannot be taken back; what is still free can.
            let forgotten = self.free.forget_permits(before - budget.bytes);
            budget.bytes = before - forgotten;
        }
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.budget.lock().map_or(LEAST, |budget| budget.bytes)
    }

    /// Bytes to put into one request to a server that takes `server_max`: many of them cost less, few take turns better.
    pub(super) fn chunk(&self, server_max: u32) -> u32 {
        if self.bytes_max() > LEAST { server_max } else { server_max.min(SMALL_CHUNK) }
    }
}

/// The number, and what changes it. It reads no clock.
#[derive(Clone, Copy, Debug)]
struct Budget {
    bytes: usize,
}

impl Budget {
    fn new() -> Self {
        Self { bytes: LEAST }
    }

    /// A request of so many bytes was answered, with so many in flight as it was sent, after so long.
    fn answered(&mut self, bytes: usize, in_flight: usize, took: Duration) {
        if took < FAST && in_flight * 2 >= self.bytes {
            // By what has just been carried: up to twice as much with every round trip.
            self.bytes = (self.bytes + bytes).min(MOST);
        } else if took > SLOW {
            self.bytes = (self.bytes / 2).max(LEAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of the budget on a line of so many bytes a second with this round trip, if it is always full.
    fn on_a_line_of(mut budget: Budget, bytes_per_second: usize, round_trip: Duration) -> Budget {
        for _ in 0..10_000 {
            let queue = Duration::from_secs_f64(budget.bytes as f64 / bytes_per_second as f64);
            budget.answered(SMALL_CHUNK as usize, budget.bytes, round_trip + queue);
        }
        budget
    }

    #[test]
    fn a_fast_line_is_filled_and_a_slow_one_never_asked_for_more_than_it_carries_in_time() {
        let (near, far) = (Duration::from_millis(1), Duration::from_millis(100));
        assert_eq!(on_a_line_of(Budget::new(), 100 << 20, near).bytes, MOST);
        assert_eq!(on_a_line_of(Budget::new(), 100 << 20, far).bytes, MOST);
        for slow in [70_000, 1 << 20, 3 << 20] {
            let budget = on_a_line_of(Budget::new(), slow, near);
            assert_eq!(budget.bytes, LEAST, "{slow} bytes a second");
        }
    }

    #[test]
    fn a_line_that_becomes_slow_is_asked_for_less() {
        let full = Budget { bytes: MOST };

        assert_eq!(on_a_line_of(full, 70_000, Duration::ZERO).bytes, LEAST);
    }

    #[test]
    fn small_files_that_never_fill_the_line_prove_nothing_about_it() {
        let mut budget = Budget::new();
        for _ in 0..10_000 {
            budget.answered(4096, 64 * 4096, Duration::from_millis(1));
        }

        assert_eq!(budget.bytes, LEAST);
    }

    #[tokio::test]
    async fn room_is_never_more_than_the_budget_and_given_back_with_it() {
        let flight = Flight::new();
        let mut taken = Vec::new();
        while flight.free.available_permits() > 0 {
            taken.push(flight.room(SMALL_CHUNK).await.unwrap());
        }
        assert_eq!(taken.len() * SMALL_CHUNK as usize, LEAST);

        for room in &taken {
            flight.answered(room);
        }
        let grown = flight.bytes_max();
        assert!(grown > LEAST && grown <= MOST, "{grown}");
        taken.clear();
        assert_eq!(flight.free.available_permits(), grown);

        let mut room = flight.room(SMALL_CHUNK).await.unwrap();
        room.shrink_to(100);
        assert_eq!(flight.free.available_permits(), grown - 100);
    }
}
