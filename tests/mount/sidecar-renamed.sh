#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A file that becomes a request while it is open: its bytes may go by kernel passthrough, as it was opened under
# another name, and are seen all the same.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need python3
sc_mount
in=$MNT/incoming
upload short.mp4 a.mp4
upload short.mp4 b.mp4

# the last writer's close carries it out, as it is then
exec 5>"$in/a.upload"
printf '{"clipDuration":2,' >&5
mv "$in/a.upload" "$in/a.mp4.process"
printf '"jobId":"a"}\n' >&5
exec 5>&-
sc_wait_for '[[ -e $MNT/jobs/a ]]'
sc_done a
eq "$(jq -r .clipDuration "$MNT/jobs/a/request")" 2

# who opens it by that name while it is still open by the other hears of it from his own close
exec 5>"$in/b.upload"
mv "$in/b.upload" "$in/b.mp4.process"
write() { # TEXT: through a descriptor of the request's name
	python3 - "$in/b.mp4.process" "$1" <<-'END'
		import errno, os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
		os.write(fd, sys.argv[2].encode())
		try:
		    os.close(fd)
		    print("fine")
		except OSError as e:
		    print(errno.errorcode[e.errno])
	END
}
eq "$(write '{"clipDuration":"x"}')" EINVAL "closing a bad request"
sc_wait_for '[[ $(jq -r .code "$in/b.mp4.process.error") == INVALID_REQUEST ]]'
eq "$(write '{"clipDuration":3,"jobId":"b"}')" fine "closing a good one"
exec 5>&-
sc_wait_for '[[ -e $MNT/jobs/b ]]'
sc_done b
eq "$(jq -r .clipDuration "$MNT/jobs/b/request")" 3
missing "$in/b.mp4.process.error"
sc_umount
