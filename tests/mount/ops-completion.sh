#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The bash completions, loaded and asked as readline does.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

mkdir "$SC_TEST/bin" "$SC_TEST/files" "$SC_TEST/files/folder"
touch "$SC_TEST/files/settings.conf"
for p in storyclipfs storyclip; do
	found=$(find "$SC_BUILD/src" "$SC_BIN" -name "$p" -type f -perm -u+x | head -n 1)
	[[ -n $found ]] || fail "$p was not built"
	ln -s "$found" "$SC_TEST/bin/$p"
	bash -n "${SC_TESTS%/*}/contrib/completions/$p"
done
PATH=$SC_TEST/bin:$PATH

# The words that are offered for a line, sorted, with blanks between.
offered() { # WORD… (the last one is being typed)
	(
		cd "$SC_TEST/files"
		set +eu
		trap - ERR
		# shellcheck disable=SC1090
		. "${SC_TESTS%/*}/contrib/completions/$1"
		# shellcheck disable=SC2317 # called by what is loaded; only readline's own call has options
		compopt() { :; }
		# readline takes words apart at the break characters; '=' is one
		COMP_WORDS=()
		local w rest
		for w; do
			rest=$w
			while [[ $rest == *=* && $w != --* ]]; do
				[[ -z ${rest%%=*} ]] || COMP_WORDS+=("${rest%%=*}")
				COMP_WORDS+=('=')
				rest=${rest#*=}
			done
			[[ -z $rest && $w == *= ]] || COMP_WORDS+=("$rest")
		done
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		COMP_LINE="$*"
		COMP_POINT=${#COMP_LINE}
		"_$1" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf '%s\n' "${COMPREPLY[@]}" | sort | xargs
	)
}

eq "$(offered storyclipfs --)" "--check --help --repair --version"
eq "$(offered storyclipfs -)" "--check --help --repair --version -V -c -d -f -h -o"
eq "$(offered storyclipfs f)" folder "ROOT"
eq "$(offered storyclipfs -c s)" settings.conf
eq "$(offered storyclipfs -o work)" workers=
eq "$(offered storyclipfs -o workers=3,max_at)" "3,max_attempts="
eq "$(offered storyclipfs -o config=set)" settings.conf
eq "$(offered storyclipfs -o nofail,output_root=f)" folder
# every setting of --help is offered
settings=$(storyclipfs --help | sed -nE 's/^ +-o ([a-z_]+)=.*/\1=/p' | sort | xargs)
[[ -n $settings ]] || fail "--help lists no settings"
eq "$(offered storyclipfs -o '' | tr ' ' '\n' | grep '=' | grep -v '^config=' | sort | xargs)" "$settings"

eq "$(offered storyclip '')" "$(storyclip --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort | xargs)"
contains " $(offered storyclip '') " " cut "
eq "$(offered storyclip ca)" cancel
eq "$(offered storyclip cut --ev)" --every
eq "$(offered storyclip cut s)" settings.conf
eq "$(offered storyclip cut --mode k)" keyframe
eq "$(offered storyclip ls --state c)" cancelled
eq "$(offered storyclip cut --out f)" folder

sc_mount
upload tiny.mp4
sc_done "$(sc_submit '{"uploadId":"tiny.mp4","jobId":"first-one"}')"
eq "$(offered storyclip wait --mount "$MNT" fir)" first-one
eq "$(STORYCLIP_MOUNT=$MNT offered storyclip rm fir)" first-one
sc_umount
