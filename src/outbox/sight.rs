//! What is remembered of a file between two scans, and whether it is time to claim it. Decides only.

use std::time::Duration;

use crate::durable::Stamp;

/// File systems' clocks tick, every hundredth of a second at the coarsest: what is written in one tick with a look shows
/// neither in the size nor in the time. So a file is looked at only when it has been still for some ticks; what is
/// written to it then does show.
pub const STILL_BEFORE_LOOK: Duration = Duration::from_millis(50);

/// A file that changes is not looked at again for so long: a small one has three records.
const PAUSE_AFTER_LOOK: Duration = Duration::from_millis(200);

/// And for so much longer by its size. Reading and parsing a mebibyte takes some milliseconds.
const PAUSE_PER_MIB: Duration = Duration::from_millis(100);

/// A file that the disk did not show is looked at again after so long.
const LOOK_AT_UNREAD_AGAIN_IN: Duration = Duration::from_secs(2);

/// Whether the file system's own clock says that a file has been still for long enough to be looked at: a name came or
/// went so much later, as the file's own did when it was renamed in. What is written to it from now on shows.
pub fn is_known_still(stamp: &Stamp, folder_changed_micros: i64) -> bool {
    let still_micros = folder_changed_micros.saturating_sub(stamp.modified_micros);
    u128::try_from(still_micros).is_ok_and(|micros| micros >= STILL_BEFORE_LOOK.as_micros())
}

/// How whole a file is by its own layout.
pub enum Wholeness {
    /// It changed just now, or so soon after the last look that it was not read again, or others came first.
    NotLooked,
    Whole,
    /// Why not.
    NotWhole(String),
    /// The disk did not show it, and why; the next look tries again.
    Unread(String),
    CannotTell,
}

/// One file as it was seen, unchanged since `still_since`.
pub struct Sight {
    stamp: Stamp,
    still_since: Duration,
    wholeness: Wholeness,
    /// A change before this is not looked at yet.
    next_look: Duration,
}

pub enum Ready {
    Now,
    /// Not before this long from now, unless it changes.
    In(Duration),
}

impl Sight {
    /// The file as it is now; its content is looked at only if it changed and is still since then (`is_still`: that is
    /// known already), and one that keeps changing only now and then.
    pub fn of(
        former: Option<Sight>,
        stamp: Stamp,
        is_still: bool,
        now: Duration,
        look: impl FnOnce() -> Wholeness,
    ) -> Sight {
        let first_look = if is_still { now } else { now + STILL_BEFORE_LOOK };
        let (still_since, next_look) = match former {
            Some(former) if former.stamp == stamp => match former.wholeness {
                Wholeness::NotLooked | Wholeness::Unread(_) if former.next_look <= now => {
                    (former.still_since, former.next_look)
                }
                Wholeness::NotLooked
                | Wholeness::Unread(_)
                | Wholeness::Whole
                | Wholeness::NotWhole(_)
                | Wholeness::CannotTell => {
                    return former;
                }
            },
            Some(former) => (now, former.next_look.max(first_look)),
            None => (now, first_look),
        };
        match next_look <= now {
            true => Sight { stamp, still_since, wholeness: look(), next_look: now + pause_after(stamp.size) },
            false => Sight { stamp, still_since, wholeness: Wholeness::NotLooked, next_look },
        }
    }

    /// Whole by its own layout: now. Where the layout cannot tell: still for `settle`. Not whole: it is claimed
    /// all the same after `unfit_after`, to be refused with a sentence, so that nothing waits in silence.
    pub fn is_ready(&self, now: Duration, settle: Duration, unfit_after: Duration) -> Ready {
        let still_for = now.saturating_sub(self.still_since);
        let needed = match self.wholeness {
            Wholeness::NotLooked => return Ready::In(self.next_look.saturating_sub(now)),
            Wholeness::Whole => return Ready::Now,
            Wholeness::CannotTell => settle,
            Wholeness::NotWhole(_) | Wholeness::Unread(_) => unfit_after,
        };
        match needed.saturating_sub(still_for) {
            Duration::ZERO => Ready::Now,
            left if matches!(self.wholeness, Wholeness::Unread(_)) => Ready::In(left.min(LOOK_AT_UNREAD_AGAIN_IN)),
            left => Ready::In(left),
        }
    }

    /// Why it is not taken yet.
    pub fn why(&self) -> String {
        match &self.wholeness {
            Wholeness::NotLooked => "settling, not looked at yet".to_owned(),
            Wholeness::Whole => "whole".to_owned(),
            Wholeness::CannotTell => "settling".to_owned(),
            Wholeness::NotWhole(finding) => format!("settling, not whole yet: {finding}"),
            Wholeness::Unread(why) => why.clone(),
        }
    }
}

/// How long a look is not repeated: a tenth of the time at most is spent on a file that grows without end.
fn pause_after(size: u64) -> Duration {
    PAUSE_AFTER_LOOK.saturating_add(PAUSE_PER_MIB.saturating_mul(u32::try_from(size >> 20).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(10);
    const UNFIT: Duration = Duration::from_secs(600);

    fn stamp(size: u64) -> Stamp {
        Stamp { device: 1, inode: 1, size, modified_micros: 0 }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A file that was seen like this a while ago, and is looked at now.
    fn still(former: Option<Sight>, stamp: Stamp, now: Duration, look: impl Fn() -> Wholeness) -> Sight {
        let seen = Sight::of(former, stamp, false, now - STILL_BEFORE_LOOK, || panic!("it was written to just now"));
        Sight::of(Some(seen), stamp, false, now, look)
    }

    fn is_ready(sight: &Sight, now: Duration) -> bool {
        matches!(sight.is_ready(now, SETTLE, UNFIT), Ready::Now)
    }

    #[test]
    fn a_whole_file_is_taken_at_once_and_others_when_their_time_is_up() {
        let looks: [(fn() -> Wholeness, _); 3] = [
            (|| Wholeness::Whole, 0),
            (|| Wholeness::CannotTell, 10),
            (|| Wholeness::NotWhole("no end record".into()), 600),
        ];
        for (look, seconds) in looks {
            let sight = still(None, stamp(1), at(100), look);

            assert!(is_ready(&sight, at(100 + seconds)));
            assert!(seconds == 0 || !is_ready(&sight, at(100 + seconds - 1)));
        }
    }

    #[test]
    fn what_is_written_in_one_tick_with_the_first_sight_is_not_taken_for_what_was_looked_at() {
        let first = Sight::of(None, stamp(1), false, at(0), || panic!("looked at in the tick of its writing"));
        let Ready::In(wait) = first.is_ready(at(0), SETTLE, UNFIT) else { panic!("taken unseen") };

        assert!(is_ready(&Sight::of(Some(first), stamp(1), false, wait, || Wholeness::Whole), wait));
    }

    #[test]
    fn a_file_that_was_still_before_it_came_is_looked_at_when_it_is_first_seen_and_no_other() {
        let written = stamp(1);
        let tick = i64::try_from(STILL_BEFORE_LOOK.as_micros()).unwrap();
        for (came_at, is_known) in [(tick, true), (10 * tick, true), (tick - 1, false), (0, false), (-tick, false)] {
            assert_eq!(is_known_still(&written, came_at), is_known, "{came_at}");
        }

        let seen = Sight::of(None, written, true, at(0), || Wholeness::Whole);
        assert!(is_ready(&seen, at(0)));
    }

    #[test]
    fn a_file_that_grows_begins_to_settle_anew_and_one_that_is_still_is_not_read_again() {
        let first = still(None, stamp(1), at(1), || Wholeness::CannotTell);
        let grown = still(Some(first), stamp(2), at(9), || Wholeness::CannotTell);
        assert!(!is_ready(&grown, at(18)));

        let same = Sight::of(Some(grown), stamp(2), false, at(18), || panic!("read again"));
        assert!(is_ready(&same, at(19)));
    }

    #[test]
    fn a_large_file_that_grows_without_end_is_read_now_and_then() {
        let (mut looks, mut sight) = (0, None);
        // Fifty mebibytes, and a byte more every tenth of a second for a minute
        for step in 0..1_200_u64 {
            let now = Duration::from_millis(step * 50);
            sight = Some(Sight::of(sight.take(), stamp((50 << 20) + step / 2), false, now, || {
                looks += 1;
                Wholeness::CannotTell
            }));
        }
        assert!((2..=12).contains(&looks), "{looks} looks");

        // And at its end it is looked at once more, though it does not change again.
        let last = stamp((50 << 20) + 600);
        let sight = Sight::of(sight, last, false, at(60), || Wholeness::Whole);
        let Ready::In(wait) = sight.is_ready(at(60), SETTLE, UNFIT) else { return };
        let sight = Sight::of(Some(sight), last, false, at(60) + wait, || Wholeness::Whole);
        assert!(is_ready(&sight, at(60) + wait));
    }

    #[test]
    fn a_small_file_is_looked_at_again_as_soon_as_nobody_could_notice() {
        let after = |millis| at(1) + Duration::from_millis(millis);
        let half = still(None, stamp(1), at(1), || Wholeness::NotWhole("no end record".into()));
        let whole = Sight::of(Some(half), stamp(2), false, after(20), || Wholeness::Whole);
        assert!(!is_ready(&whole, after(20)));

        assert!(is_ready(&Sight::of(Some(whole), stamp(2), false, after(200), || Wholeness::Whole), after(200)));
    }
}
