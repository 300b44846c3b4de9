//! What is true and what follows from it. No I/O, no clock, no async, no randomness: time, names and
//! random numbers are arguments, so that everything here can be tried with a table.

pub mod agreement;
pub mod amount;
pub mod calendar;
pub mod change;
pub mod envelope;
pub mod exchange;
pub mod identity;
pub mod layout;
pub mod moment;
pub mod municipality;
pub mod patience;
pub mod person;
pub mod query;
pub mod reply;
pub mod retention;
