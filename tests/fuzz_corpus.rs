//! The fuzzing corpus, replayed: every input that ever reached something new, or broke something, through the same
//! functions that `make fuzz` gives its own inputs to. [`bodies`] says what must hold.
#![allow(clippy::panic, clippy::unwrap_used, reason = "an input that breaks an invariant is to fail the test")]

#[path = "../fuzz/bodies.rs"]
mod bodies;
#[path = "rig/evidence.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod evidence;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use evidence::{Chapter, Row, record};

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn no_input_of_the_corpus_breaks_what_must_hold() {
    for (name, target) in bodies::TARGETS {
        let (mut read, mut refused) = (0, 0);
        for path in inputs(name) {
            let input = fs::read(&path).unwrap();
            match catch_unwind(|| target(&input)) {
                Ok(true) => read += 1,
                Ok(false) => refused += 1,
                Err(_) => panic!("{}", path.display()),
            }
        }

        // Both sides are in it, or it would show nothing
        assert!(read > 0 && refused > 0, "{name}: {read} read, {refused} refused");
        let outcome = "read or refused as it should be, nothing broken";
        let fault = format!("{name}: inputs of the corpus");
        record(&Row { tried: read + refused, ..Row::once(Chapter::Fuzzing, fault, outcome) });
    }
}
