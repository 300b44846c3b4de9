//! A listing that is as good as a new one while the folder's own time says that no name came or went: of 98 folders one
//! has changed. Decides only. Start with [`Lasting::still`].

use std::time::Duration;

use super::sight::STILL_BEFORE_LOOK;

/// A listing is made anew after so long, whatever the folder's time says: not every file system is honest about it. Less
/// than from one periodic look to the next.
const LASTS: Duration = Duration::from_secs(20);

/// So coarse are the times of file systems that keep whole seconds, or every other one.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// The last listing of a folder.
pub struct Lasting<T> {
    /// The folder's time as it was last seen, and since when it is the same by the caller's clock.
    seen: Option<(i64, Duration)>,
    /// What a listing at this time came to.
    listing: Option<(T, Duration)>,
}

impl<T> Default for Lasting<T> {
    fn default() -> Self {
        Self { seen: None, listing: None }
    }
}

impl<T> Lasting<T> {
    /// The former listing, if one made now could not come to anything else. `changed_micros`: when a name in the folder
    /// last came or went, by the file system's own clock, if it tells.
    pub fn still(&mut self, changed_micros: Option<i64>, now: Duration) -> Option<&T> {
        let since = self.seen.filter(|(before, _)| Some(*before) == changed_micros).map(|(_, since)| since);
        if since.is_none() {
            self.listing = None;
        }
        self.seen = changed_micros.map(|changed| (changed, since.unwrap_or(now)));
        self.listing.as_ref().filter(|(_, listed)| now.saturating_sub(*listed) < LASTS).map(|(listing, _)| listing)
    }

    /// Keeps what a listing came to that was made after [`Lasting::still`] was asked, at the same `now`. What comes within
    /// one tick of the file system's clock with the last change would not show, so only when that is some ticks ago.
    pub fn keep(&mut self, listing: T, now: Duration) {
        let is_known_still = self.seen.is_some_and(|(changed_micros, since)| {
            let is_coarse = changed_micros % 1_000_000 == 0;
            now.saturating_sub(since) >= if is_coarse { COARSE_TICK } else { STILL_BEFORE_LOOK }
        });
        self.listing = is_known_still.then_some((listing, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn a_listing_lasts_only_when_the_change_before_it_is_some_ticks_ago() {
        let mut lasting = Lasting::default();
        assert_eq!(lasting.still(Some(1), TICK), None);
        lasting.keep("in the same tick", TICK);
        assert_eq!(lasting.still(Some(1), 2 * TICK), None);

        let later = TICK + STILL_BEFORE_LOOK;
        assert_eq!(lasting.still(Some(1), later), None);
        lasting.keep("a while after", later);
        assert_eq!(lasting.still(Some(1), later + TICK), Some(&"a while after"));
    }

    #[test]
    fn where_times_are_in_whole_seconds_the_change_before_it_is_longer_ago() {
        let lasts = |changed_micros, after| {
            let mut lasting = Lasting::default();
            lasting.still(Some(changed_micros), TICK);
            lasting.still(Some(changed_micros), TICK + after);
            lasting.keep((), TICK + after);
            lasting.still(Some(changed_micros), TICK + after).is_some()
        };

        assert!(lasts(5_000_001, STILL_BEFORE_LOOK) && !lasts(5_000_000, STILL_BEFORE_LOOK));
        assert!(lasts(5_000_000, COARSE_TICK));
    }

    #[test]
    fn a_change_an_unknown_time_and_age_each_end_it() {
        let mut lasting = Lasting::default();
        let mut listed = |from: Duration| {
            lasting.still(Some(1), from);
            lasting.still(Some(1), from + STILL_BEFORE_LOOK);
            lasting.keep((), from + STILL_BEFORE_LOOK);
            assert!(lasting.still(Some(1), from + STILL_BEFORE_LOOK).is_some());
            std::mem::take(&mut lasting)
        };

        assert!(listed(TICK).still(Some(2), 20 * TICK).is_none());
        assert!(listed(TICK).still(None, 20 * TICK).is_none());
        assert!(listed(TICK).still(Some(1), LASTS).is_some());
        assert!(listed(TICK).still(Some(1), TICK + STILL_BEFORE_LOOK + LASTS).is_none());
        let mut back = listed(TICK);
        back.still(Some(2), 20 * TICK);
        assert!(back.still(Some(1), 21 * TICK).is_none(), "what was between is not known");
    }
}
