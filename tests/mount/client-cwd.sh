#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 300
# incoming/ as the working directory of an editor, of git, of SQLite and of ffmpeg.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need vim.tiny git sqlite3 ffmpeg
sc_mount
# shellcheck source=tests/lib/native.sh
. "$SC_TESTS/lib/native.sh"
src=$(media tiny.mp4)
export src HOME=$SC_TEST GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000'

native_same vim 'printf "one\ntwo\n" >f; chmod 640 f
	vim.tiny -u NONE -es -c "set backup" -c "%s/two/three/" -c wq f; vim.tiny -u NONE -es -c "set nobackup writebackup" -c "1d" -c wq f
	vim.tiny -u NONE -es -c "set backupcopy=yes" -c "normal Onew" -c wq f; vim.tiny -u NONE -es -c "normal Ohello" -c wq g; cat f g'
# what lies in .git besides (index, times) is not the same twice even natively
native_same git 'git init -q -b main .; git config user.email a@example.org; git config user.name a
	echo one >a; mkdir d; echo two >d/b; cp "$src" v.mp4; git add -A; git commit -qm first; echo more >>a
	git commit -qam second; git mv d/b d/c; git commit -qm third; git checkout -q -b other HEAD~1; git merge -q main
	git gc -q; git fsck --strict; git status --short; git log --format="%H %s"; git stash list; git clone -q . "$PWD/../git-clone" 2>&1
	cat ../git-clone/a; rm -rf ../git-clone .git'
native_same sqlite 'printf "PRAGMA journal_mode=DELETE; CREATE TABLE t(a); INSERT INTO t SELECT value FROM json_each(%s);
	BEGIN; DELETE FROM t; ROLLBACK; SELECT SUM(a) FROM t; PRAGMA integrity_check;" "\"[1,2,3]\"" | tr "\"" "\047" | sqlite3 x.db
	sqlite3 x.db "BEGIN; UPDATE t SET a=a*2; COMMIT; VACUUM; SELECT SUM(a) FROM t;"
	for i in 1 2 3 4; do for j in 1 2 3 4 5; do sqlite3 -cmd ".timeout 30000" x.db "UPDATE t SET a=a+1"; done & done; wait
	sqlite3 x.db "SELECT SUM(a) FROM t"; rm x.db'
# WAL needs shared memory: a file that was just made and is mapped by its maker
wal=$(cd "$in" && sqlite3 wal.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(7); SELECT a FROM t;' 2>&1) || true
case $wal in
wal*7) echo "WAL works here" ;;
*) # without FUSE_CAP_DIRECT_IO_ALLOW_MMAP: README says so
	eq "$(cd "$in" && python3 -c '
import mmap, os
fd = os.open("mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
try:
    mmap.mmap(fd, 4096)
    print("mapped")
except OSError as e:
    print(e.strerror)')" "No such device" "mmap(MAP_SHARED) of a file just made (SQLite said: $wal)"
	(cd "$in" && sqlite3 wal.db 'PRAGMA journal_mode=DELETE; CREATE TABLE IF NOT EXISTS u(a); INSERT INTO u VALUES(8)' >/dev/null)
	;;
esac
rm -f "$in"/wal.db* "$in/mapped"
native_same ffmpeg 'ffmpeg -nostdin -v error -i "$src" -c copy -bitexact plain.mp4
	ffmpeg -nostdin -v error -i "$src" -c copy -bitexact -movflags +faststart faststart.mp4
	ffmpeg -nostdin -v error -i "$src" -c copy -bitexact -f matroska m.mkv; ffmpeg -nostdin -v error -i faststart.mp4 -f null -'
cuts ffmpeg/plain ffmpeg/faststart ffmpeg/m.mkv
registry_whole
sc_umount
