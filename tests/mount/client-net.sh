#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# timeout: 300
# scp, sftp, rsync over ssh, curl's PUT through nginx and wget fill incoming/ over a loopback network.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root # sshd wants to
need unshare ssh scp sftp ssh-keygen curl wget rsync
sshd=/usr/sbin/sshd
[[ -x $sshd ]] || skip "needs sshd"
[[ -x /usr/sbin/nginx ]] || skip "needs nginx"
sc_mount
# shellcheck source=tests/lib/native.sh
. "$SC_TESTS/lib/native.sh"
src=$SC_TEST/v.mp4
cp "$(media tiny.mp4)" "$src" && chmod 640 "$src" && touch -d '2003-04-05 06:07:08 UTC' "$src"

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- ssh, with keys and a configuration of its own
dir=$SC_TEST/ssh
mkdir -m 700 "$dir"
ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
cp "$dir/user.pub" "$dir/authorized" && chmod 600 "$dir/authorized"
port=$(free_port)
cat >"$dir/config" <<END
ListenAddress 127.0.0.1:$port
HostKey $dir/host
PidFile $dir/pid
AuthorizedKeysFile $dir/authorized
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
END
# sshd wants a folder in /run, which here is there for it alone.
# shellcheck disable=SC2016 # for the inner shell
unshare --mount --propagation private bash -c 'mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 /run/sshd &&
	exec "$1" -f "$2/config" -E "$LOG/sshd"' - "$sshd" "$dir"
sc_wait_for '[[ -s $dir/pid ]]'
options=(-F none -i "$dir/user" -o "StrictHostKeyChecking=no" -o "UserKnownHostsFile=$dir/known" -o BatchMode=yes -q)
export src port
ssh_words="${options[*]@Q}"
export ssh_words
native_same scp 'scp '"$ssh_words"' -P $port "$src" "127.0.0.1:$PWD/new.mp4"; scp '"$ssh_words"' -p -P $port "$src" "127.0.0.1:$PWD/p.mp4"
	scp '"$ssh_words"' -O -P $port "$src" "127.0.0.1:$PWD/old-protocol.mp4"; scp '"$ssh_words"' -O -p -r -P $port "$src" "127.0.0.1:$PWD/old-p.mp4"'
native_same sftp 'printf "put %s a.mp4\nput -p %s p.mp4\nmkdir d\nrename a.mp4 d/b.mp4\nchmod 600 d/b.mp4\nln p.mp4 linked.mp4\nput %s gone\nrm gone\n" "$src" "$src" "$src" |
	sed "s#^\(mkdir\|chmod 600\|rm\) #&$PWD/#; s#^\(rename\|ln\) \(.*\) \(.*\)#\1 $PWD/\2 $PWD/\3#; s#^\(put.*\) \([^ ]*\)\$#\1 $PWD/\2#" | sftp '"$ssh_words"' -P $port -b - 127.0.0.1 >/dev/null
	printf "reput %s %s/part.mp4\n" "$src" "$PWD" >batch; head -c 100000 "$src" >part.mp4; sftp '"$ssh_words"' -P $port -b batch 127.0.0.1 >/dev/null; rm batch'
native_same rsync-ssh 'rsync -a -e "ssh '"${ssh_words//\'/}"' -p $port" "$src" "127.0.0.1:$PWD/r.mp4"
	rsync -a --partial --delay-updates -e "ssh '"${ssh_words//\'/}"' -p $port" "$src" "127.0.0.1:$PWD/delayed.mp4"'
kill "$(cat "$dir/pid")"
cuts scp/new scp/old-protocol sftp/d/b.mp4 sftp/part rsync-ssh/r

# ---- PUT through nginx's dav module, which writes a temporary file of ten digits and renames it
port=$(free_port)
mkdir "$native/dav" "$in/dav"
id www-data >/dev/null 2>&1 && chown www-data "$native/dav" "$in/dav"
mkdir "$SC_TEST/nginx"
cat >"$SC_TEST/nginx.conf" <<END
pid $SC_TEST/nginx/pid;
error_log $LOG/nginx.error;
$([[ -d /usr/lib/nginx/modules ]] && find /etc/nginx/modules-enabled -name '*http-dav*' -exec cat {} + 2>/dev/null)
$(id www-data >/dev/null 2>&1 && echo 'user www-data;')
events {}
http {
	access_log off;
	client_body_temp_path $SC_TEST/nginx/body;
	client_max_body_size 0;
	server {
		listen 127.0.0.1:$port;
		location /native/ { alias $native/dav/; dav_methods PUT DELETE MKCOL MOVE COPY; create_full_put_path on; dav_access user:rw group:r all:r; }
		location /incoming/ { alias $in/dav/; dav_methods PUT DELETE MKCOL MOVE COPY; create_full_put_path on; dav_access user:rw group:r all:r; client_body_temp_path $in/dav; }
	}
}
END
chmod 755 "$SC_TEST/nginx"
nginx -q -c "$SC_TEST/nginx.conf" -g 'daemon on;' 2>"$LOG/nginx.start" || skip "nginx without its dav module: $(head -n 1 "$LOG/nginx.start")"
for where in native incoming; do
	curl -sf -T "$src" "http://127.0.0.1:$port/$where/put.mp4"
	curl -sf -T "$src" "http://127.0.0.1:$port/$where/made/for/it.mp4"
	curl -sf -X MOVE -H "Destination: http://127.0.0.1:$port/$where/moved.mp4" "http://127.0.0.1:$port/$where/put.mp4"
	curl -sf -X COPY -H "Destination: http://127.0.0.1:$port/$where/copied.mp4" "http://127.0.0.1:$port/$where/moved.mp4"
	curl -sf -T - "http://127.0.0.1:$port/$where/chunked.mp4" <"$src"
	curl -sf -T "$src" "http://127.0.0.1:$port/$where/moved.mp4"
	eq "$(curl -sf "http://127.0.0.1:$port/$where/moved.mp4" | sha256sum)" "$(sha256sum <"$src")" "what is served again"
done
eq "$(native_listing "$in/dav")" "$(native_listing "$native/dav")" "what nginx left"
export port
native_same wget 'wget -q -O new.mp4 "http://127.0.0.1:$port/native/moved.mp4"; wget -q "http://127.0.0.1:$port/native/moved.mp4"
	head -c 50000 moved.mp4 >copied.mp4; wget -q -c "http://127.0.0.1:$port/native/copied.mp4"; curl -sfo c.mp4 "http://127.0.0.1:$port/native/moved.mp4"
	curl -sf -C - -o c.mp4 "http://127.0.0.1:$port/native/moved.mp4"; curl -sfR -O "http://127.0.0.1:$port/native/chunked.mp4"'
kill "$(cat "$SC_TEST/nginx/pid")"
cuts dav/moved dav/chunked wget/new wget/copied
registry_whole
sc_umount
