//! Waiting for a state, with a limit: no test sleeps for a result.

use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; a test that needs it has failed.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until there is something to see, and returns it; panics with `what` after 30 s.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(LIMIT, what, look)
}

/// The same with a limit of its own, for what takes long by its nature.
pub fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// The same for a look that must be awaited, in a runtime that has other things to do meanwhile.
pub async fn until_async<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < LIMIT, "waited {LIMIT:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Lets a moment pass, and nothing else: for faults that are to come at a random one. Not for waiting for a result.
pub fn let_pass(moment: Duration) {
    std::thread::sleep(moment);
}
