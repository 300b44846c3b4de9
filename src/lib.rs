//! Sluse carries municipal queries for withholding agreements out to Udbetaling Danmark and brings the replies home.

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
