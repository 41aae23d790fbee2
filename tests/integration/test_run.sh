#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `make run` leaves nothing behind, however it ends: by Ctrl-C, by a signal to make, or by its
# terminal's end; and where a daemon listens already it says so and starts none.

set -u
cd "$(dirname "$0")/../.." || exit 1
folder=$(mktemp -d "${TMPDIR:-/tmp}/pagepool-run.XXXXXX")
trap 'rm -rf "$folder"' EXIT
status=0

if [[ $(id -u) -eq 0 ]]; then
	socket=/run/pagepool/pagepool.sock
	if [[ -e ${socket%/*} ]]; then
		printf '%s is in use on this machine\n' "${socket%/*}"
		exit 77
	fi
else
	export XDG_RUNTIME_DIR=$folder
	socket=$XDG_RUNTIME_DIR/pagepool/pagepool.sock
fi

fail() {
	printf '%s\n' "$*"
	cat "$folder/log"
	status=1
}

# Starts it and waits until it serves.
start() {
	: >"$folder/log"
	setsid examples/run "$B" >>"$folder/log" 2>&1 &
	run=$!
	until grep -q '^Serving until Ctrl-C' "$folder/log" || ! kill -0 $run 2>/dev/null; do
		sleep 0.05
	done
	daemon=$(PAGEPOOL_SOCKET=$socket "$B/pagepoolctl" --json status |
		sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
	[[ -n $daemon ]] && return
	fail 'it does not serve'
	exit 1
}

# What the end of it must leave behind: nothing.
gone() {
	timeout 20 tail --pid="$daemon" --follow /dev/null || fail "$1: the daemon still runs"
	[[ ! -e $socket ]] || fail "$1: the socket is still there"
}

# Ctrl-C reaches the whole group; a signal to make reaches the script alone.
start
grep -q ' frames/s' "$folder/log" || fail 'the demo was not run'
grep -q '^no row is left' "$folder/log" || fail 'no table of objects was shared'
grep -q '^default' "$folder/log" || fail 'no status was shown'
examples/run "$B" >"$folder/second" 2>&1 && fail 'a second one started'
grep -q 'already listens' "$folder/second" || fail "the second one says: $(cat "$folder/second")"
kill -INT -- -$run
wait $run || fail "after Ctrl-C its exit status is $?"
gone 'Ctrl-C'

for signal in TERM HUP; do
	start
	kill -$signal $run
	wait $run
	gone $signal
done

start
kill -KILL $run
{ wait $run; } 2>/dev/null
gone KILL
exit $status
