#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# --check names every disagreement between database and directories, also beside a mount that is at
# work; --repair mends what loses no byte, and never touches what is not known.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

check() { # EXIT-CODE; what it says is in $said
	local code=0
	said=$("$programs/storyclipfs" --check "$ROOT" 2>&1) || code=$?
	eq "$code" "$1" "exit code of --check ($said)"
}
repair() { # EXIT-CODE
	local code=0
	said=$("$programs/storyclipfs" --repair "$ROOT" 2>&1) || code=$?
	eq "$code" "$1" "exit code of --repair ($said)"
}
tree() {
	(cd "$ROOT" && find . -printf '%p %i %s %m %T@\n' | sort)
}
submit() { # ID
	sc_submit "{\"uploadId\":\"short\",\"clipDuration\":2,\"jobId\":\"$1\"}" >/dev/null
}

# ---- nothing there; usage
code=0
"$SC_BIN/storyclipfs" --check "$SC_TEST/none" 2>"$LOG/err" || code=$?
eq "$code" 1 "a ROOT without database"
code=0
"$SC_BIN/storyclipfs" --check "$ROOT" "$MNT" 2>"$LOG/err" || code=$?
eq "$code" 2 "two places"

# ---- beside a mount at work
sc_use hooked
sc_mount workers=1
upload short.mp4
for id in whole gone one longer extra; do
	submit "$id"
	sc_done "$id"
done
sc_wait_for '[[ $(sql "SELECT state FROM uploads WHERE path='\''short.mp4'\''") == complete ]]'
check 0
contains "$said" "5 jobs"
contains "$said" "agree"
hook_set cut-clip once-wait
submit running
submit queued
hook_wait_reached cut-clip
check 0
repair 1
contains "$said" "$daemon_pid" "who has ROOT"
hook_go cut-clip
sc_done running
sc_done queued
# while jobs come and go
for i in 1 2 3 4 5 6; do submit "busy$i"; done
check 0
for i in 1 2 3 4 5 6; do sc_done "busy$i"; done
check 0

# ---- each disagreement, by name, while mounted and not
hook_set worker-probed once-wait
submit cut-off
submit no-hold
hook_wait_reached worker-probed
sc_kill9
check 0 # what the end has cut off is taken up by the next mount: both know it
rm -r "$ROOT/outputs/gone"
rm "$ROOT/outputs/one/clip_001.mp4"
echo more >>"$ROOT/outputs/longer/clip_001.mp4"
echo mine >"$ROOT/outputs/extra/notes.txt"
mkdir "$ROOT/outputs/cut-off" "$ROOT/outputs/foreign" "$ROOT/work/foreign" "$ROOT/work/whole.1"
echo mine | tee "$ROOT/outputs/foreign/a" "$ROOT/work/foreign/a" "$ROOT/outputs/cut-off/a" >/dev/null
hold=$ROOT/tmp/uploads/.storyclip-hold
rm "$hold/no-hold"
ln "$ROOT/tmp/uploads/short.mp4" "$hold/whole"
echo "the last name" >"$hold/lost-job"
echo new >"$ROOT/tmp/uploads/behind.mp4"
sql "INSERT INTO uploads VALUES ('gone.mp4','gone',3,0,4,'complete',1000)"
before=$(tree)
check 3
eq "$(tree)" "$before" "ROOT after --check"
for part in "job gone is done, but outputs/gone with its" "outputs/one/clip_001.mp4 is missing" \
	"outputs/longer/clip_001.mp4 has" "outputs/extra/notes.txt is no clip" \
	"outputs/cut-off lies there, but job cut-off is running" "work/whole.1 is left" \
	"job no-hold (queued) does not hold its upload 'short.mp4'" "held for job whole, which is done" \
	"held for job lost-job, which the database does not know" "'behind.mp4' has no row" \
	"upload 'gone.mp4' has a row, but no file" "note: outputs/foreign" "note: work/foreign" \
	": 11 disagreements"; do
	contains "$said" "$part" "what --check says"
done
lacks "$said" "job running" "what --check says"

# ---- repair
uploads_before=$(cd "$ROOT/tmp/uploads" && sha256sum -- *.mp4)
repair 3
eq "$(cd "$ROOT/tmp/uploads" && sha256sum -- *.mp4)" "$uploads_before" "the uploads"
for part in "mended: job gone" "mended: job one" "mended: job no-hold" "mended: the bytes of an upload are held for job whole" \
	"mended: upload 'gone.mp4'" "incoming/recovered-lost-job" "left: outputs/longer/clip_001.mp4"; do
	contains "$said" "$part" "what --repair says"
done
eq "$(cat "$ROOT/tmp/uploads/recovered-lost-job")" "the last name"
eq "$(cat "$ROOT/outputs/foreign/a" "$ROOT/work/foreign/a" "$ROOT/outputs/cut-off/a" | xargs)" "mine mine mine"
exists "$ROOT/work/whole.1"

# ---- the mount afterwards
sc_mount workers=1
for id in no-hold whole one; do sc_done "$id"; done
sc_failed cut-off IO_ERROR
eq "$(cat "$ROOT/outputs/cut-off/a")" mine "a directory that nobody published"
sc_failed gone IO_ERROR
eq "$(status_of one '[.result.artifacts[]|.deleted==true]|@json')" "$(status_of one '[.result.artifacts[]|.id=="clip_001"]|@json')"
eq "$(status_of one '.outputs|length+1')" "$(status_of one '.result.artifacts|length')"
echo retry >"$MNT/jobs/gone/control"
sc_done gone
rm -r "$MNT/jobs/longer" "$MNT/jobs/extra" "$ROOT/outputs/cut-off"
sc_wait_for '[[ -z $(find "$ROOT/outputs" -name ".*removed") ]]'
sc_wait_for '[[ $(sql "SELECT COUNT(*) FROM uploads") == 3 ]]'
check 0
contains "$said" "note: outputs/foreign"
sc_umount
check 0
