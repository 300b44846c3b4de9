//! The daemon and a world that fails it for a while: networks, servers, and its own sudden death under load. One binary,
//! because nearly all of its tests wait for somebody else, and wait together. `make soak` does more of the same.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "endurance/kills.rs"]
mod kills;
#[path = "endurance/network.rs"]
mod network;
mod rig;
#[path = "endurance/servers.rs"]
mod servers;

use std::time::Duration;

/// From the moment at which a server and the way to it are as they should be, to the end of what they held up.
const HEALED_WITHIN: Duration = Duration::from_secs(30);
