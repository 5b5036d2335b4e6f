#!/bin/sh
# Makes the journals beside it from two real moves in the lab. Run it from the checkout's root:
#
#   cargo xtask setup && cargo build
#   LANDFALL_TOOLS=$PWD/.tools LANDFALL_BIN=$PWD/target/debug/landfall \
#       sh crates/report/tests/data/make.sh
#
# access.jsonl: SQL access, people at the gates, an attempt that was aborted, a smoke test that
# failed. metric.jsonl: no access, so the metric alone proves the sync, after a reboot.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
chmod 0755 "$work"
landfall=${LANDFALL_BIN:?the binary}
server=
load=

over() {
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    "$landfall" lab down --dir "$LANDFALL_LAB" >/dev/null 2>&1 || true
}
trap 'over; rm -rf "$work"' EXIT

# One value of the JSON on stdin.
of() {
    python3 -c "import json, sys; print(json.load(sys.stdin)$1)"
}

# A lab, a server, a gateway and a load; the spec's text goes to $work/NAME.toml.
begin() {
    name=$1; shift
    export LANDFALL_LAB="$work/lab-$name" LANDFALL_STATE="$work/state-$name"
    unset LANDFALL_SERVER
    "$landfall" lab up "$@" >/dev/null
    eval "$("$landfall" lab env)"
    "$landfall" serve --json --listen 127.0.0.1:0 --xds-listen 127.0.0.1:0 \
        >"$work/serve-$name" 2>"$work/log-$name" &
    server=$!
    until [ -s "$work/serve-$name" ]; do kill -0 "$server"; done
    LANDFALL_SERVER=$(of '["url"]' <"$work/serve-$name")
    xds=$(of '["xds"]' <"$work/serve-$name")
    export LANDFALL_SERVER
    "$landfall" lab status --json >"$work/status-$name"
    source='["lab"]["source"]'
    at=$(of "$source[\"host\"]" <"$work/status-$name"):$(of "$source[\"port\"]" <"$work/status-$name")
    "$landfall" route add shop "$at" >/dev/null
    gateway=$("$landfall" lab gateway start --xds "$xds" | grep -o '[0-9.]*:[0-9]*' | head -1)
    "$landfall" lab load "$gateway" --rate 20 --for 5m --ledger "$work/ledger-$name" >/dev/null 2>&1 &
    load=$!
}

# Follows to where a person is needed; the exit code says why, and any of those is fine.
run() {
    "$landfall" run "$1" >/dev/null || [ $? -ne 1 ]
}

# The journal, an entry a line.
keep() {
    "$landfall" history shop --json | python3 -c '
import json, sys
for entry in json.load(sys.stdin)["entries"]:
    print(json.dumps(entry, separators=(",", ":"), ensure_ascii=False))
' >"$here/$1.jsonl"
    over
    server= load=
}

begin access --backup-retention 0
export LANDFALL_BY='Åsa "the DBA" <asa@example.org>'
"$landfall" lab spec >"$work/shop.toml"
sed -i 's/^sql = .*/sql = ["select count(*) from orders", "select ready from cutover_switch"]/' \
    "$work/shop.toml"
run "$work/shop.toml"
"$landfall" abort shop --why 'the wrong evening: <b>quarter end</b> & payroll' >/dev/null
run "$work/shop.toml" # to the end of the undo
run "$work/shop.toml" # and a new attempt
"$landfall" approve shop approve_backups --note 'retention of 1 day agreed with "storage"' >/dev/null
run "$work/shop.toml"
"$landfall" lab sql 'create table cutover_switch as select true as ready' >/dev/null
"$landfall" lab sql 'grant select on cutover_switch to shop_admin' >/dev/null
"$landfall" resume shop >/dev/null
run "$work/shop.toml"
LANDFALL_BY=björn "$landfall" approve shop approve_cutover --note 'change 4711,
second line of the note' >/dev/null
run "$work/shop.toml"
"$landfall" retire shop --yes --note 'figures looked at' >/dev/null
run "$work/shop.toml"
keep access

begin metric --archive-timeout 1
export LANDFALL_BY=stage
"$landfall" lab spec --no-access --gates open >"$work/shop.toml"
run "$work/shop.toml"
keep metric
