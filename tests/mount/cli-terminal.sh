#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# storyclip on a terminal: bars, colours, Ctrl-C, top. In a real one, played by script(1).
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need script
storyclip=$SC_BIN/storyclip
export STORYCLIP_MOUNT=$MNT TERM=xterm
unset NO_COLOR
sc_use hooked
sc_mount workers=1
upload tiny.mp4
escape=$'\033'

# Begin it on a terminal of 24 x 100 whose keys are what is written to descriptor 7 and whose screen
# goes to $LOG/screen.
begin() { # ARGUMENTS…
	local keys=$SC_TEST/keys
	rm -f "$keys" "$LOG/screen"
	mkfifo "$keys"
	# A shell's background jobs ignore Ctrl-C, and so would what they start.
	env --default-signal=INT script -qefc "stty rows 24 cols 100; exec $storyclip $*" "$LOG/screen" <"$keys" >/dev/null 2>&1 &
	terminal=$!
	exec 7>"$keys"
}
end() { # EXIT-CODE
	local code=0
	wait "$terminal" || code=$?
	exec 7>&-
	[[ $code == "$1" ]] || fail "exit code $code, not $1: $(cat -v "$LOG/screen")"
}
seen() { # TEXT
	sc_wait_for "grep -qaF -- $(printf %q "$1") '$LOG/screen'"
}

# ---- bars of two jobs, redrawn; then a line for each
hook_set cut-clip once-wait
begin cut "$MNT/incoming/tiny.mp4" "$(media short.mp4)" --every 1 --wait
hook_wait_reached cut-clip
seen "Exporting clips..."
seen "Queued"
seen "tiny.mp4  ["
hook_go cut-clip
end 0
seen "done  2 clips  tiny.mp4"
seen "done  10 clips  short.mp4"
contains "$(cat -v "$LOG/screen")" '^[[2A^M^[[J' "two lines taken back"
# the last thing on the screen is a line, not a bar (script adds two of its own)
matches "$(tail -n 3 "$LOG/screen" | head -1)" "job_[^ ]*  done  10 clips  short.mp4"

# ---- Ctrl-C: the job goes on
hook_set cut-clip once-wait
begin cut "$MNT/incoming/tiny.mp4" --every 1 --wait
hook_wait_reached cut-clip
seen "Exporting clips..."
printf '\003' >&7
end 130
seen "the jobs go on; to stop them: storyclip cancel job_"
id=$("$storyclip" ls --state running | awk 'NR==2 {print $1}')
hook_go cut-clip
sc_done "$id"

# ---- names with escapes do not reach the terminal
cp "$MNT/incoming/tiny.mp4" "$MNT/incoming/"$'\033[2Jx\n.mp4'
begin cut "$MNT/incoming/"'*x*' --every 1 --wait
end 0
lacks "$(cat -v "$LOG/screen")" '^[[2J'
seen "done  2 clips  ?[2Jx?.mp4"

# ---- top: the whole screen until q, the terminal as it was afterwards
begin top
seen "storyclip "
seen "PROGRESS"
seen "${escape}[32mdone"
printf q >&7
end 0
screen=$(cat -v "$LOG/screen")
contains "$screen" '^[[?1049h'
contains "$screen" '^[[?25h^[[?1049l'
export NO_COLOR=1
begin top
seen "PROGRESS"
printf '\003' >&7
end 0
lacks "$(cat -v "$LOG/screen")" '[32m' "with NO_COLOR"
unset NO_COLOR

# ---- the mount goes while it is watched
begin top
seen "PROGRESS"
sc_umount
end 3
contains "$(cat -v "$LOG/screen")" "$MNT: the mount went away"
