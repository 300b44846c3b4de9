# What to do with this project, one word each. `make demo` and `make test` do their own set-up.

SLUSE_SEEDED_SECONDS ?= 28800

.PHONY: demo test evidence soak build lint setup

demo:            ## hub, daemon and two whole rounds in a temporary folder
	cargo run --release --locked --quiet -- demo

test: setup lint ## everything that is tested without systemd, Docker or a browser
	tests/whole

evidence: setup  ## the same tests, and docs/evidence.md made anew from what they tried
	tests/whole docs/evidence.md

soak:            ## seeded runs of the simulation for a whole night, or for SLUSE_SEEDED_SECONDS=…
	SLUSE_SEEDED_SECONDS=$(SLUSE_SEEDED_SECONDS) cargo test --release --locked --test simulation seeded_runs -- --nocapture

build:           ## the program, as it is installed: target/release/sluse
	cargo build --release --locked

lint:            ## how the code looks
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

setup:           ## what the tests need beside Rust, where it is missing
	tests/setup
