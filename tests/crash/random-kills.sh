#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 36000
# kill -9 of the daemon at random moments of a busy mount, again and again on one ROOT: what was
# acknowledged is there, every job ends, nothing is left over. Each round has a seed of its own:
#     SC_SEED=7 SC_KILLS=500 SC_FROM=1 tests/lib/run-one tests/crash/random-kills.sh
# SC_FROM=N goes on where a run was broken off; SC_KILLS=1 SC_FROM=N does round N alone again. A kill
# counts as one with work at risk when a job had not ended or an upload was open at that moment.
# SC_KILL_SECONDS stops early, between two rounds.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

seed=${SC_SEED:-1} kills=${SC_KILLS:-4} from=${SC_FROM:-1} seconds=${SC_KILL_SECONDS:-0}
started=$(now_ms)
short=$(media short.mp4)
short_sum=$(sha256sum <"$short")
options=workers=2
mkdir "$SC_TEST/told" # a file for each job whose request was answered by a success
at_risk=0 rounds=0 submitted=0

# Who works while the daemon is killed: each ends by itself when the mount is dead.
clients() { # ROUND
	local i
	for ((i = 0; i < 6; i++)); do
		(
			exec 2>/dev/null
			id=r$1-$i
			cp "$short" "$MNT/incoming/$id.mp4" || exit 0
			[[ $((i % 2)) == 0 ]] || mv "$MNT/incoming/$id.mp4" "$MNT/incoming/$id-moved.mp4" || exit 0
			file=$id.mp4
			[[ $((i % 2)) == 0 ]] || file=$id-moved.mp4
			echo "{\"uploadId\":\"$file\",\"clipDuration\":2,\"jobId\":\"$id\"}" >"$MNT/control" || exit 0
			: >"$SC_TEST/told/$id"
			[[ $i == 4 ]] && echo cancel >"$MNT/jobs/$id/control"
			if [[ $i == 5 ]]; then
				cat "$MNT/jobs/$id/wait" >/dev/null && rmdir "$MNT/jobs/$id" && rm "$SC_TEST/told/$id"
				# Whether the row went before the answer came, nobody can say.
				: >"$SC_TEST/told/$id.removed"
			fi
		) &
	done
}

check_round() { # ROUND
	local lost
	find "$SC_TEST/told" -name 'r*' ! -name '*.removed' -printf '%f\n' | sort >"$SC_TEST/told.ids"
	find "$SC_TEST/told" -name 'r*.removed' -printf '%f\n' | sed 's/\.removed$//' | sort >"$SC_TEST/removed.ids"
	sql 'SELECT job_id FROM jobs' | sort >"$SC_TEST/known.ids"
	lost=$(comm -23 "$SC_TEST/told.ids" "$SC_TEST/removed.ids" | comm -23 - "$SC_TEST/known.ids")
	eq "$lost" "" "round $1 of seed $seed: jobs that were accepted and are lost"
	# Every job ends, each as it may.
	sc_wait_for '[[ $(sql "SELECT COUNT(*) FROM jobs WHERE status IN ('\''queued'\'','\''running'\'')") == 0 ]]' 60
	eq "$(sql "SELECT job_id||' '||status||' '||error_msg FROM jobs WHERE status='failed' AND error_code NOT IN ('UPLOAD_INCOMPLETE','UPLOAD_CHANGED')")" \
		"" "round $1 of seed $seed: jobs that failed"
	eq "$(sql 'SELECT COUNT(*) FROM jobs WHERE failures > 0 AND status='\''done'\''')" 0 "the daemon's end is nobody's failure"
	# An upload that is called complete has all its bytes: those of the last rounds here, all at the end.
	check_uploads "AND CAST(substr(path, 2) AS INTEGER) > $1 - 3" "round $1"
}

check_uploads() { # WHICH WHEN
	local file
	while read -r file; do
		eq "$(sha256sum <"$ROOT/tmp/uploads/$file")" "$short_sum" "$2 of seed $seed: upload $file"
	done < <(sql "SELECT path FROM uploads WHERE state='complete' AND path LIKE 'r%' $1")
}

for ((round = from; round < from + kills; round++)); do
	RANDOM=$((seed * 1000 + round))
	wait_ms=$((RANDOM % 900 + 20))
	echo "round $round of seed $seed: kill -9 after $wait_ms ms"
	sc_mount "$options"
	# What the kill before has left.
	((round == from)) || check_round "$((round - 1))"
	clients "$round"
	sleep "$((wait_ms / 1000)).$(printf %03d $((wait_ms % 1000)))" # the moment is the point, not a hope
	live=$(sql "SELECT COUNT(*) FROM jobs WHERE status IN ('queued','running')")
	busy=$(sql "SELECT COUNT(*) FROM uploads WHERE state='open'")
	sc_kill9
	wait
	rounds=$((rounds + 1))
	((live + busy == 0)) || at_risk=$((at_risk + 1))
	submitted=$(find "$SC_TEST/told" -type f ! -name '*.removed' | wc -l)
	if ((seconds && $(now_ms) - started > seconds * 1000)); then
		break
	fi
done
sc_mount "$options"
check_round "$((from + rounds - 1))"
sc_wait_for '[[ $(sql "SELECT COUNT(*) FROM uploads WHERE state='\''open'\''") == 0 ]]'
check_uploads "" "the end"
# One source and one request: the clips of all jobs are the same bytes, so that of some must be decoded.
for n in 001 002 003 004 005; do
	eq "$(find "$ROOT/outputs" -name "clip_$n.mp4" -exec sha256sum {} + | cut -d' ' -f1 | sort -u | wc -l)" 1 "different clips $n"
done
done_jobs=$(sql "SELECT COUNT(*) FROM jobs WHERE status='done'")
for id in $(sql "SELECT job_id FROM jobs WHERE status='done' ORDER BY cookie DESC LIMIT -1 OFFSET 8"); do
	rmdir "$MNT/jobs/$id"
done
check_invariants
sc_umount
"$SC_BIN/storyclipfs" --check "$ROOT" >"$LOG/check" || fail "$(<"$LOG/check")"
echo "$rounds kills from round $from of seed $seed: $at_risk with work at risk, $submitted jobs accepted, $done_jobs done; 0 lost, 0 stuck, 0 left over"
((at_risk > 0)) || fail "nothing was at risk"
