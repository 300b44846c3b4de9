# What to do with this project, one word each. `make demo` and `make test` do their own set-up.

.PHONY: demo test soak build lint setup

demo:            ## hub, daemon and two whole rounds in a temporary folder
	cargo run --release --locked --quiet -- demo

# Most tests wait for somebody else, a server or the daemon: more of them at once than there are cores.
test: setup lint ## everything that is tested without systemd, Docker or a browser
	RUST_TEST_THREADS=4 cargo test --locked

soak:            ## for a whole night: kills, connections cut at every byte, seeded runs of the simulation
	SLUSE_KILLS=5000 cargo test --locked --test endurance kills -- --nocapture
	SLUSE_CUT_STEP=1 cargo test --locked --test endurance cut -- --nocapture
	SLUSE_SEEDED_SECONDS=28800 cargo test --release --locked --test simulation seeded -- --nocapture

build:           ## the program, as it is installed: target/release/sluse
	cargo build --release --locked

lint:            ## how the code looks
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

setup:           ## what the tests need beside Rust, where it is missing
	tests/setup
