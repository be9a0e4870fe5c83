#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon while jobs wait in the queue.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
hook_set cut-clip once-wait
crash_submit first
hook_wait_reached cut-clip
crash_submit victim
crash_submit behind
sc_kill9
crash_victim_was queued
crash_recover first victim behind
