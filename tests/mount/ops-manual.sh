#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# storyclipfs(1) and storyclip(1) say what the programs do: the settings of --help, the fields of a
# request, the codes and errnos of the one table, commands, options and exit codes, each in both
# directions; and mandoc has nothing to complain of.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need mandoc
top=${SC_TESTS%/*}
page=$top/contrib/man/storyclipfs.1
client=$top/contrib/man/storyclip.1

same() { # WHAT OF-THE-MANUAL OF-THE-CODE: two lists, a word a line
	local only
	[[ -n $2 && -n $3 ]] || fail "$1: one of the lists is empty"
	only=$(comm -23 <(sort -u <<<"$2") <(sort -u <<<"$3") | xargs)
	eq "$only" "" "$1: in the manual alone"
	only=$(comm -13 <(sort -u <<<"$2") <(sort -u <<<"$3") | xargs)
	eq "$only" "" "$1: missing in the manual"
}

section() { # NAME [PAGE]: its source
	awk -v name=".Sh $1" '$0 == name {on = 1; next} /^\.Sh / {on = 0} on' "${2:-$page}"
}

# ---- how it is written (what is not installed here, or not indexed, is no fault of the page)
for p in "$page" "$client"; do
	complaints=$(mandoc -Tlint -Wstyle "$p" 2>&1 |
		grep -v 'referenced manual not found\|outdated mandoc.db' || true)
	eq "$complaints" "" "mandoc -Tlint"
done
for section in NAME SYNOPSIS DESCRIPTION SETTINGS 'EXIT STATUS' SIGNALS EXAMPLES CAVEATS; do
	[[ -n $(section "$section") ]] || fail "there is no section $section"
done

# ---- settings: option and environment name, as pairs
"$SC_BIN/storyclipfs" --help >"$LOG/help"
same settings \
	"$(section SETTINGS | sed -n 's/^\.It Cm \([a-z_]*\)=\{0,1\} .*Pq Ev \([A-Z_]*\).*/\1 \2/p')" \
	"$(sed -nE 's/^ +-o ([a-z_]+)\[?=[^ ]+ +([A-Z_]+)$/\1 \2/p' "$LOG/help")"
# Defaults and ranges, as --help and the table have them.
item() { # OPTION: what the manual says of it, in one line
	section SETTINGS | awk -v name="$1=" '/^\.It Cm / {on = index($3, name) == 1} on' | xargs -d '\n'
}
while read -r option value; do
	contains "$(item "$option")" "$value" "the manual's default of $option"
done < <(awk '/^ +-o / {sub(/=.*/, "", $2); name = $2; next}
	name && match($0, /\([0-9]+\)$/) {print name, "Default: " substr($0, RSTART + 1, RLENGTH - 2) "."} {name = ""}' "$LOG/help")
while read -r option value; do
	contains "$(item "$option")" "$value" "the manual's range of $option"
done < <(tr -s '\n\t' '  ' <"$top/src/daemon/config.c" |
	grep -oE '\{"[a-z_]+", "[A-Z_]+", KIND_(COUNT|SECONDS)[^}]*"[0-9.]+ to [0-9]+' |
	sed -E 's/^\{"([a-z_]+)".*"([0-9.]+ to [0-9]+)$/\1 \2/')

# ---- a request's fields
same fields \
	"$(section 'STARTING A JOB' | sed -n 's/^\.It Cm \([A-Za-z0-9]*\)$/\1/p')" \
	"$(sed -n '/^static const struct field fields\[\]/,/^};/s/^\t{"\([A-Za-z0-9]*\)".*/\1/p' "$top/src/intake/request_fields.c")"

# ---- codes: those of the table that anything in the program gives
rows=$(sed -nE 's/^\t\[(SC_[A-Z_]+)\] = \{"([A-Z_]+)", ([A-Z0]+), (true|false)\},$/\1 \2 \3 \4/p' "$top/src/model/error.c")
[[ $(wc -l <<<"$rows") -gt 20 ]] || fail "the table of codes was not understood"
in_use=
while read -r symbol name err transient; do
	[[ $symbol != SC_OK ]] || continue
	if grep -rqw --include='*.c' "$symbol" "$top/src" --exclude-dir=model ||
		[[ $symbol == SC_OUT_OF_MEMORY || $symbol == SC_IO_ERROR || $symbol == SC_NO_SPACE ]]; then
		in_use+="$name $err $transient"$'\n'
	fi
done <<<"$rows"
refusals=$(section 'REFUSALS AND FAILURES' | sed -nE 's/^\.It Er (E[A-Z0-9]+) Ta Er ([A-Z_]+) Ta .*/\2 \1/p')
failures=$(section 'REFUSALS AND FAILURES' | sed -nE '/ Ta Er /d; s/^\.It Er ([A-Z_]+)( No \*)? Ta .*/\1\2/p')
same codes \
	"$(printf '%s\n%s\n' "$refusals" "$failures" | awk '{print $1}')" \
	"$(awk 'NF {print $1}' <<<"$in_use")"
while read -r name err; do
	eq "$err" "$(awk -v n="$name" '$1 == n {print $2}' <<<"$in_use")" "errno of $name in the manual"
done <<<"$refusals"
# The starred ones are the transient ones.
same "codes that are tried again" \
	"$(sed -n 's/ No \*$//p' <<<"$failures")" \
	"$(awk '$3 == "true" {print $1}' <<<"$in_use")"

# ---- the client
"$SC_BIN/storyclip" --help >"$LOG/client-help"
same commands \
	"$(section DESCRIPTION "$client" | sed -nE 's/^\.It Cm ([a-z]+).*/\1/p')" \
	"$(sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p' "$LOG/client-help")"
same options \
	"$(section DESCRIPTION "$client" | sed -nE 's/^\.It Fl (h , )?-([a-z]+).*/\2/p')" \
	"$(sed -nE '/^Options:/,/^$/s/^  --([a-z]+) .*/\1/p' "$LOG/client-help")"
same "exit codes" \
	"$(section 'EXIT STATUS' "$client" | sed -nE 's/^\.It ([0-9]+)$/\1/p')" \
	"$(sed -nE '/^Exit codes/,$s/^  ([0-9]+) .*/\1/p' "$LOG/client-help")"

# ---- the tree: what a mount has is named, what is named is there
sc_mount
top_names=$(cd "$MNT" && printf '%s\n' *)
upload tiny.mp4
id=$(sc_submit '{"uploadId":"tiny.mp4"}')
sc_done "$id"
job_names=$(cd "$MNT/jobs/$id" && printf '%s\n' *)
tree=$(section 'THE TREE' | sed -nE 's/^\.It Pa //p')
same "names at the root" \
	"$(sed -E 's,[ /].*,,' <<<"$tree")" "$top_names"
same "names of a job" \
	"$(sed -nE 's,^jobs/ Ns Ar id Ns Pa /([a-z]+)/?$,\1,p' <<<"$tree")" "$job_names"
sc_umount
