#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# size and sha256 of a request: what the upload must be, else its job fails and the upload stays.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
upload tiny.mp4
file=$MNT/incoming/tiny.mp4
size=$(stat -c %s "$file")
sum=$(sha256sum "$file" | cut -d' ' -f1)
remember_uploads

ask() { # FIELDS: prints the id
	sc_submit "{\"uploadId\":\"tiny\",$1}"
}
sc_done "$(ask "\"size\":$size")"
sc_done "$(ask "\"sha256\":\"$sum\"")"
sc_done "$(ask "\"sha256\":\"${sum^^}\",\"size\":$size")"

id=$(ask "\"size\":$((size + 1))")
sc_failed "$id" UPLOAD_MISMATCH
contains "$(status_of "$id" .message)" "$size bytes"
contains "$(status_of "$id" .message)" "$((size + 1))"
eq "$(status_of "$id" .attempt)" 1 "attempts: it is not tried again"
wrong=${sum:1}${sum:0:1}
id=$(ask "\"size\":$size,\"sha256\":\"$wrong\"")
sc_failed "$id" UPLOAD_MISMATCH
contains "$(status_of "$id" .message)" "$sum" "message"
contains "$(status_of "$id" .message)" "$wrong" "message"
eq "$(jq -r .sha256 "$MNT/jobs/$id/request")" "$wrong"

for bad in '"sha256":"abc"' "\"sha256\":\"${sum}0\"" "\"sha256\":\"g${sum:1}\"" '"size":0' '"size":-1' '"size":"1"'; do
	sc_refused EINVAL INVALID_REQUEST "{\"uploadId\":\"tiny\",$bad}" >/dev/null
done
check_invariants
sc_umount
