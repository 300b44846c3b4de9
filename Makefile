# What to do with this project, one word each. `make demo` and `make test` do their own set-up.

SLUSE_SEEDED_SECONDS ?= 28800

.PHONY: demo ground test system evidence bench soak fuzz build deb lint setup

demo:            ## hub, daemon and two whole rounds in a temporary folder
	cargo run --release --locked --quiet -- demo

ground:          ## a whole local test ground in containers: OpenSSH, mailroom, Sluse; then container/round, container/down
	container/up

test: setup lint ## everything that is tested without systemd, Docker or a browser
	tests/whole

system:          ## as root: what needs a booted systemd, Docker, a browser and other tools; installs what is missing
	tests/system/run

evidence: setup  ## the same tests, and docs/evidence.md made anew from what they tried
	tests/whole docs/evidence.md

bench:           ## side by side with lftp, rclone, sftp and sqlite3: docs/benchmarks.md made anew; installs what is missing
	benches/setup
	benches/run

soak:            ## for a whole night: kills, cuts at every byte, disks that run full, a flood, a million writers, the simulation
	SLUSE_KILLS=5000 cargo test --locked --test endurance kills -- --nocapture
	SLUSE_CUT_STEP=1 cargo test --locked --test endurance cut -- --nocapture
	SLUSE_FLOOD=100000 cargo test --release --locked --test flood -- --nocapture
	SLUSE_WRITERS=1000000 cargo test --release --locked --test writers courses -- --nocapture
	SLUSE_DISK_SWEEP_KIB=400 cargo test --locked --test disk middle_of_a_write
	SLUSE_SEEDED_SECONDS=$(SLUSE_SEEDED_SECONDS) cargo test --release --locked --test simulation seeded_runs -- --nocapture

fuzz:            ## a million inputs made by coverage for everything that reads; installs cargo-fuzz where it is missing
	fuzz/run

build:           ## the program, as it is installed: target/release/sluse
	cargo build --release --locked

deb:             ## the Debian package: target/debian/sluse_VERSION_amd64.deb; installs cargo-deb where it is missing
	debian/build

lint:            ## how the code looks
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

setup:           ## what the tests need beside Rust, where it is missing
	tests/setup
