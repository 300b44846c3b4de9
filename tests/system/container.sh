#!/bin/sh
# The test ground in a real Docker engine: brought up, three rounds, the daemon killed on the way, taken away.
set -eu
cd "$(dirname "$0")/../.."
tests/system/need dockerd docker.io docker-compose docker-compose debootstrap debootstrap

engine=""
end() {
    [ -z "$engine" ] || { kill "$engine" && wait "$engine" || true; }
}
trap end EXIT
if ! docker info >/dev/null 2>&1; then
    mkdir -p target/system
    dockerd --data-root "$PWD/target/system/docker" >target/system/dockerd.log 2>&1 &
    engine=$!
    limit=$(($(date +%s) + 30))
    until docker info >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $limit ] || { tail -n 20 target/system/dockerd.log; exit 1; }
        sleep 0.3
    done
fi
if ! docker image inspect debian:bookworm-slim >/dev/null 2>&1 && ! timeout 60 docker pull -q debian:bookworm-slim; then
    echo "-- no registry can be reached, so the base image is made of Debian's packages"
    docker import "$(tests/system/base plain)" debian:bookworm-slim
fi

trap 'container/down || true; end' EXIT
container/up
echo "-- two rounds of one municipality, one of another"
container/round
container/round
container/round 0101
echo "-- the daemon is killed while an exchange is under way"
container/compose exec -T sluse sluse query 0751 --payment-date "$(date -d '+9 months' +%F)"
container/compose kill sluse
container/compose up -d
limit=$(($(date +%s) + 90))
until [ "$(container/compose exec -T sluse sluse explain 0751 --all --json | grep -c '"state": "done"')" = 3 ]; do
    [ "$(date +%s)" -lt $limit ] || { container/compose logs --tail=40; exit 1; }
    sleep 0.3
done
echo "-- each query was counted once"
container/compose exec -T mailroom sluse hub --root /srv/hub --count | tee target/system/counted
awk 'NR > 1 && / 20[0-9][0-9]-/ { n += 1; if ($(NF - 1) != 1) exit 1 } END { if (n != 4) exit 1 }' target/system/counted ||
    { echo "FALSE: four queries, each counted once" >&2; exit 1; }
