# What to do with this project, one word each. `make demo` and `make test` do their own set-up.

.PHONY: demo test soak build lint setup

demo:            ## hub, daemon and two whole rounds in a temporary folder
	cargo run --release --locked --quiet -- demo

test: setup lint ## everything that is tested without systemd, Docker or a browser
	cargo test --locked

soak:            ## every fourth kilobyte of a disk that runs full; seeded runs of the simulation for a whole night
	SLUSE_DISK_SWEEP_KIB=400 cargo test --locked --test disk middle_of_a_write
	SLUSE_SEEDED_SECONDS=28800 cargo test --release --locked --test simulation seeded -- --nocapture

build:           ## the program, as it is installed: target/release/sluse
	cargo build --release --locked

lint:            ## how the code looks
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

setup:           ## what the tests need beside Rust, where it is missing
	tests/setup
