//! What integration tests stand on, as ordinary processes in a temporary directory. Used as `mod rig;`. Start with
//! [`Sshd::start`] for a real OpenSSH server alone, with [`Ground::lay`] for a hub behind it and the daemon before it.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of the rig")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a rig that cannot stand up fails the test that needs it")]

mod cases;
mod daemon;
pub mod evidence;
mod far;
mod house;
mod keys;
pub mod leaks;
mod onlooker;
// A release build has no points to pause at.
#[cfg(debug_assertions)]
mod pause;
mod proxy;
mod receiver;
mod remains;
mod small_disk;
mod sshd;
mod users;
mod wait;

pub use cases::in_each;
pub use daemon::Daemon;
pub use evidence::{Chapter, Row, record};
pub use far::{DEBITOR, EndlessServer, Far, FarPlan};
pub use house::{Asked, Ground, payment_date, sorted_names};
pub use keys::{KeyFile, KeyFormat, KeyType};
pub use onlooker::At;
#[cfg(debug_assertions)]
pub use pause::{Held, Pause};
pub use proxy::{Direction, Proxy};
pub use receiver::{Reaction, Receiver, of_kind};
pub use remains::{Remains, files_below};
pub use small_disk::SmallDisk;
pub use sshd::{Plan, Sshd};
pub use users::User;
pub use wait::{let_pass, until, until_async, until_within};
