//! Named points at which a test ends the process as `kill -9` would, or holds it still while it does something to
//! the world around. In a release build they are nothing.

/// The environment variable that names the point at which the process ends.
#[cfg(debug_assertions)]
pub const KILL_VARIABLE: &str = "SLUSE_KILL_AT";

/// The environment variable that names the point at which the process waits.
#[cfg(debug_assertions)]
pub const PAUSE_VARIABLE: &str = "SLUSE_PAUSE_AT";

/// The environment variable with the named pipe that it waits on: until its writer has come and gone. Without the
/// pipe nothing is waited for.
#[cfg(debug_assertions)]
pub const PAUSE_PIPE_VARIABLE: &str = "SLUSE_PAUSE_PIPE";

/// The points of a whole round, in the order in which an exchange passes them: most come in pairs, when something
/// is done and when its fact is on disk.
pub const POINTS: [&str; 21] = [
    "claimed",
    "accepted",
    "data_written",
    "data_uploaded",
    "trigger_written",
    "trigger_staged",
    "trigger_intended",
    "trigger_requested",
    "trigger_made",
    "receipt_read",
    "reply_archived",
    "reply_fetched",
    "applied",
    "hand_over_written",
    "hand_over_staged",
    "hand_over_intended",
    "changes_renamed",
    "reply_renamed",
    "handed_over",
    "far_side_cleared",
    "tidied",
];

/// The points that only an exchange in doubt passes.
pub const POINTS_IN_DOUBT: [&str; 1] = ["doubt_settled"];

/// The points that only a retry passes: its copy is there, and no fact names it yet.
pub const POINTS_OF_RETRY: [&str; 1] = ["retry_copied"];

/// The points that only retention passes.
pub const POINTS_OF_RETENTION: [&str; 4] = ["retention_begun", "checkpointed", "file_unlinked", "files_unlinked"];

/// Ends the process here, without a word and without cleaning up, or waits here, if the environment says so.
#[cfg(debug_assertions)]
pub fn reached(point: &str) {
    let lists = [&POINTS[..], &POINTS_IN_DOUBT, &POINTS_OF_RETRY, &POINTS_OF_RETENTION];
    let is_known = lists.iter().any(|points| points.contains(&point));
    debug_assert!(is_known, "{point} is not in the list");
    let is_named = |variable| std::env::var_os(variable).is_some_and(|wanted| wanted == point);
    if is_named(KILL_VARIABLE) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal is on its way; nothing more is done until it comes.
        loop {
            std::thread::park();
        }
    }
    if is_named(PAUSE_VARIABLE)
        && let Some(pipe) = std::env::var_os(PAUSE_PIPE_VARIABLE)
    {
        // Opening waits for the writer, reading for its end; a pipe that is gone has been waited on before.
        let _ = std::fs::read(pipe);
    }
}

#[cfg(not(debug_assertions))]
pub fn reached(_point: &str) {}
