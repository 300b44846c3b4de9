//! How long to wait: before a request is tried again, and before silence is somebody's business.

use std::time::Duration;

use super::moment::Moment;

/// The longest wait before the first repetition.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// No wait is longer: so soon after a server is healthy again, so is every route.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Backoff with full jitter: anything from nothing to the bound of this failure, so that 98 routes do not
/// come back in step. `failures` counts from 1; `random` is in [0, 1).
pub fn backoff(failures: u32, random: f64) -> Duration {
    let bound = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST_WAIT);
    bound.mul_f64(random.clamp(0.0, 1.0))
}

/// How long an exchange may wait for the other side, by the settings of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the trigger to its receipt.
    pub receipt_within: Duration,
    /// From the trigger to the reply.
    pub reply_within: Duration,
}

/// What is waited for, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    Receipt { by: Moment },
    Reply { by: Moment },
}

impl Expectation {
    pub fn by(self) -> Moment {
        match self {
            Expectation::Receipt { by } | Expectation::Reply { by } => by,
        }
    }

    pub fn is_overdue(self, now: Moment) -> bool {
        now > self.by()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_bound_and_jitter_takes_all_of_it() {
        assert_eq!(backoff(1, 0.0), Duration::ZERO);
        assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(3, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST_WAIT);
    }
}
