//! Inputs made by coverage for [`bodies::xml`].
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    bodies::xml(input);
});
