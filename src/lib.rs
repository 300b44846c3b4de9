//! Sluse carries each municipality's query out to Udbetaling Danmark, brings the reply home, and keeps the register
//! of withholding agreements true. **Nothing is lost, nothing is sent twice, and one command says where every
//! file is, why, and what happens next.**
//!
//! # The idea
//!
//! Facts go into a journal; state is what the facts add up to; duties follow from the state; carrying out a duty
//! yields the next fact. The first and the last step touch the world, the two in the middle cannot. Nothing is
//! done *because* an event arrived: an event only makes the loop look again. So recovery is the ordinary start.
//!
//! # The map, in the order in which a file travels
//!
//! | room | what it holds |
//! |---|---|
//! | [`config`] | settings as validated values, all mistakes at once, with their place |
//! | [`domain`] | what is true and what follows: no I/O, no clock, no async, no randomness |
//! | [`durable`] | write, sync, rename, sync the folder: the one place for everyone |
//! | [`outbox`] | watch, scan, settle, claim |
//! | [`transport`] | the far side as a few verbs, and what may be concluded from a failure; SFTP |
//! | [`store`] | the truth on disk: journal and register in one database |
//! | [`pipeline`] | a fetched reply to a committed change |
//! | [`engine`] | the only place where things happen: the loop, carrying out, commands' requests |
//! | [`operator`] | what a person sees and says: commands, the daemon as a process, the status page, metrics |
//! | [`hub`] | the other side, for demo and tests |
//! | [`demo`] | hub and daemon and whole rounds in one folder |
//!
//! `tests/tidy.rs` keeps who may use whom.
//!
//! # Invariants
//!
//! 1. Nothing reaches the far side that is not in the journal first, as accepted or intended.
//! 2. A duty can be started twice without harm, with two exceptions, making the trigger visible and handing a reply
//!    over; those record their intent first, and after an intent without an outcome the duty is to settle the
//!    doubt, never to repeat (`engine::carry_out::doubt`).
//! 3. One writer owns the business state; others get snapshots. No lock guards it, none is held across an await.
//! 4. Notifications are hints: the daemon is correct, only slower, if the watcher never fires.
//! 5. A library error from SFTP is classified once, at the call, into what may be concluded.
//! 6. A listing is compared with the journal, never with a timestamp. Where there is none to be had, the expected
//!    files are asked for by name.
//! 7. Everything has an end: channels are bounded, reads limited, every remote request has a deadline, every retry
//!    a point where a person is named.
//! 8. A route is an exchange and a municipality. One route's trouble is not another's; one endpoint's frozen
//!    server is not another endpoint's.
//! 9. "Seen" is never recorded before "done".
//! 10. No personal data outside payload files and register.
//! 11. An impossible or unknown fact found in recovery holds that exchange; the others go on.
//! 12. A store behind its own anchor was put back from a backup: it sends nothing until `recover` has looked
//!     (`engine::anchor`, `engine::restored`).
//! 13. Retention first journals a checkpoint; what a duplicate is known by stays, and an erased file leaves its size and a
//!     keyed hash (`engine::retention`, `store::removal`).

pub mod config;
pub mod demo;
pub mod domain;
pub mod durable;
pub mod engine;
pub mod hub;
pub mod operator;
pub mod outbox;
pub mod pipeline;
pub mod store;
pub mod transport;
