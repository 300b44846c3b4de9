#!/bin/sh
# The package: lintian, the unit's exposure, and a service's whole life in a booted Debian 12 (tests/system/machine/service).
set -eu
cd "$(dirname "$0")/../.."
tests/system/need lintian lintian jq jq

# The former version: the same program as a package of a lower number. First, because each package takes the other's place.
debian/build --deb-version 0.0.9-1
former=target/system/former.deb
mkdir -p target/system
mv target/debian/sluse_0.0.9-1_amd64.deb $former
debian/build
deb=$(ls -t target/debian/sluse_*_amd64.deb | head -n 1)
echo "-- lintian has no errors to tell of $deb"
lintian --allow-root --fail-on error --tag-display-limit 0 "$deb"
echo "-- the exposure, by the unit alone"
systemd-analyze security --offline=true --threshold=12 systemd/sluse.service | tail -n 1

exec tests/system/machine/boot service "$deb" $former
