#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The kernel keeps what it knows of incoming/, and is told of what is changed in the directory behind.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need python3 strace
sc_mount
in=$MNT/incoming
back=$ROOT/tmp/uploads

same() { # NAME…: attributes by name are those behind
	local name
	for name; do
		[[ $(stat -c '%i %s %y %z %a %u' "$in/$name" 2>&1) == "$(stat -c '%i %s %y %z %a %u' "$back/$name")" ]] || return 1
	done
}

mkdir -p "$in/dir/deep"
echo one >"$in/dir/a"
echo two >"$in/dir/b"
echo deep >"$in/dir/deep/c"
known() { # everything is looked at, so the kernel may keep it
	ls -lR "$in" >/dev/null
	cat "$in"/dir/* >/dev/null 2>&1 || true
}

# written in place, longer and as long as before; attributes; times
known
echo longer than before >"$back/dir/a"
sc_wait_for 'same dir/a'
eq "$(cat "$in/dir/a")" "longer than before"
known
printf 'LONGER THAN BEFORE\n' >"$back/dir/a"
sc_wait_for '[[ $(cat "$in/dir/a") == "LONGER THAN BEFORE" ]]'
known
chmod 600 "$back/dir/a" && chmod 700 "$back/dir/deep" && touch -d 2001-02-03 "$back/dir/b"
sc_wait_for 'same dir/a dir/b dir/deep'
# restored behind, as large and as old as before
touch -d 2001-02-03 "$back/dir/a"
known
printf 'Longer than before\n' >"$back/dir/a" && touch -d 2001-02-03 "$back/dir/a"
sc_wait_for '[[ $(cat "$in/dir/a") == "Longer than before" ]]'
# growing while it is open behind
exec 4>>"$back/dir/b"
for i in 1 2 3; do
	known
	echo "$i" >&4
	sc_wait_for 'same dir/b'
done
exec 4>&-

# replaced, removed, moved, exchanged, made; files and directories
known
echo new >"$back/dir/.new" && mv "$back/dir/.new" "$back/dir/a"
sc_wait_for '[[ $(cat "$in/dir/a") == new ]]'
same dir/a
known
rm "$back/dir/a"
sc_wait_for '[[ ! -e $in/dir/a ]]'
known
mv "$back/dir/b" "$back/b"
sc_wait_for '[[ ! -e $in/dir/b && -e $in/b ]]'
known
mv "$back/dir/deep" "$back/deeper"
sc_wait_for '[[ ! -e $in/dir/deep && $(cat "$in/deeper/c") == deep ]]'
echo on >>"$back/deeper/c" # and is heard of there
sc_wait_for 'same deeper deeper/c dir'
known
mkdir "$back/.other" && echo other >"$back/.other/c" && mv "$back/deeper" "$back/.gone" && mv "$back/.other" "$back/deeper"
sc_wait_for '[[ $(cat "$in/deeper/c") == other ]]'
known
ln "$back/deeper/c" "$back/link"
sc_wait_for '[[ $(stat -c %h "$in/link") == 2 && $(stat -c %i "$in/link") == $(stat -c %i "$in/deeper/c") ]]'
known
rm "$back/deeper/c"
sc_wait_for '[[ ! -e $in/deeper/c && $(stat -c %h "$in/link") == 1 ]]'
rm -rf "${back:?}/deeper" "$back/.gone"
sc_wait_for '[[ ! -e $in/deeper ]]'

# a working directory that is renamed behind is no lost one
mkdir "$in/cwd"
(
	cd "$in/cwd"
	known
	touch "$back/cwd/x"
	mv "$back/cwd" "$back/moved"
	sc_wait_for '[[ -e $in/moved/x ]]'
	: >y
	exists "$back/moved/y"
)

# many at once, by two at a time, with the mount looking: in the end both sides are the same
python3 - "$in" "$back" <<'PY'
import os, random, sys, threading
mount, back = sys.argv[1:]
os.mkdir(os.path.join(back, "busy"))
def churn(top, seed):
    r = random.Random(seed)
    for i in range(700):
        a, b = (os.path.join(top, "busy", "f%d" % r.randrange(12)) for _ in range(2))
        try:
            what = r.randrange(5)
            if what == 0:
                with open(a, "w") as f:
                    f.write("x" * r.randrange(100))
            elif what == 1:
                os.rename(a, b)
            elif what == 2:
                os.unlink(a)
            elif what == 3:
                os.chmod(a, r.choice((0o600, 0o644)))
            else:
                os.stat(a)
        except FileNotFoundError:
            pass
threads = [threading.Thread(target=churn, args=(top, seed)) for seed, top in enumerate((mount, back, mount))]
for t in threads:
    t.start()
for t in threads:
    t.join()
PY
listing_of() {
	(cd "$1/busy" && for f in f{0..11}; do stat -c '%n %i %s %a %y' "$f" 2>/dev/null || echo "no $f"; done)
}
sc_wait_for '[[ $(listing_of "$in") == "$(listing_of "$back")" ]]'

# renamed through the mount while nothing was heard for a while, then moved on behind
python3 - "$in/busy" "$back/busy" <<'PY'
import os, sys, time
mount, back = sys.argv[1:]
for i in range(25):
    first, then, gone = ("%s%d" % (name, i) for name in ("first", "then", "gone"))
    open(os.path.join(mount, first), "w").close()
    time.sleep(0.22)  # so that the rename is looked at while it is made
    os.rename(os.path.join(mount, first), os.path.join(mount, then))
    os.stat(os.path.join(mount, then))
    time.sleep(0.02)
    os.rename(os.path.join(back, then), os.path.join(back, gone))
    end = time.monotonic() + 20
    while os.path.exists(os.path.join(mount, then)):
        if time.monotonic() > end:
            sys.exit("%s is still there" % then)
        time.sleep(0.005)
PY

# and what does not change is not asked for again: 1,000 times stat, by name and of a whole path
echo still >"$in/busy/still"
stat "$in/busy/still" >/dev/null
strace -f -c -o "$LOG/strace" -e trace=writev,write,splice,newfstatat -p "$daemon_pid" 2>"$LOG/strace.err" &
tracer=$!
sc_wait_for 'grep -q attached "$LOG/strace.err"'
python3 -c 'import os, sys
for i in range(1000): os.stat(sys.argv[1])' "$in/busy/still"
kill -INT $tracer
wait $tracer || true
calls=$(awk '$NF == "total" { print $4 }' "$LOG/strace")
le "${calls:-0}" 200 "calls of the daemon while 1,000 times the same file was asked for"
sc_umount
