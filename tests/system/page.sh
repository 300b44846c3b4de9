#!/bin/sh
# The status page in a real Chromium, and the shipped rules and the real metrics before promtool. Installs what is missing.
set -eu
cd "$(dirname "$0")/../.."

needed=""
for pair in chromium:chromium chromedriver:chromium-driver promtool:prometheus; do
    command -v "${pair%%:*}" >/dev/null || needed="$needed ${pair#*:}"
done
# Typefaces that the page asks for, so that the pictures are as on a desk.
[ -d /usr/share/fonts/opentype/inter ] || needed="$needed fonts-inter"
[ -d /usr/share/texmf/fonts/opentype/public/tex-gyre ] || needed="$needed fonts-texgyre"
if [ -n "$needed" ]; then
    apt-get update -q
    # Only promtool is wanted of the package; its service is not to be started.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $needed
fi
tests/setup

promtool check rules config/prometheus/sluse.rules.yml
promtool test rules config/prometheus/sluse.rules.test.yml

# One browser after the other: each of them is many processes.
cargo test --locked --features system --test system_page -- --test-threads=1
