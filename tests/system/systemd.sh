#!/bin/sh
# The package in a booted systemd, as on a municipal server: tests/system/in-machine is run as root in a fresh Debian 12 with no
# network but its own, by a manual whose blocks are taken out of docs/install.md as they stand.
set -eu
cd "$(dirname "$0")/../.."
tests/system/need systemd-nspawn systemd-container debootstrap debootstrap lintian lintian jq jq

debian/build
deb=$(ls -t target/debian/sluse_*_amd64.deb | head -n 1)
echo "-- lintian has no errors to tell of $deb"
lintian --fail-on error --tag-display-limit 0 "$deb"
echo "-- the exposure, by the unit alone"
systemd-analyze security --offline=true --threshold=12 systemd/sluse.service | tail -n 1

base=$(tests/system/base booted systemd,systemd-sysv,dbus,openssh-server,openssh-client,procps,jq)
work=$(mktemp -d "$PWD/target/system/machine.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root io=$work/io
mkdir -p "$root" "$io/manual" "$io/debs"
tar -C "$root" -xf "$base"

cp "$deb" "$io/debs/"
# The former version: the same program as a package of a lower number.
cargo deb --quiet --no-build --deb-version 0.0.9-1 --output "$io/former.deb"
cp tests/system/in-machine "$io/"
awk -v to="$io/manual/" '/^```sh /{ file = to $2 ".sh"; next } /^```/{ file = "" } file { print > file }' docs/install.md

cat >"$root/etc/systemd/system/trial.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/mnt/in-machine
ExecStopPost=/bin/systemctl poweroff
StandardOutput=file:/mnt/said
StandardError=inherit
[Install]
WantedBy=default.target
END
ln -s ../trial.service "$root/etc/systemd/system/multi-user.target.wants/trial.service"

timeout 900 systemd-nspawn -q -b -D "$root" --machine="sluse-trial-$$" --register=no --keep-unit --private-network \
    --bind="$io:/mnt" </dev/null >"$work/console" 2>&1 || true
cat "$io/said"
if [ ! -e "$io/passed" ]; then
    echo "-- the end of the journal" && tail -n 60 "$io/journal" 2>/dev/null || tail -n 40 "$work/console"
    exit 1
fi
