#!/bin/sh
# A new user on a fresh machine, by docs/install.md alone, in under five minutes: tests/system/machine/fresh in a booted Debian 12.
set -eu
cd "$(dirname "$0")/../.."
debian/build
exec tests/system/machine/boot fresh "$(ls -t target/debian/sluse_*_amd64.deb | head -n 1)"
