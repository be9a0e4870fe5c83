/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one name that the module shows. */
#include "../av.h"
#include "../cut/copy_clips.h"
#include "../cut/cut.h"
#include "../prove/prove.h"
#include "../recode/recode.h"
#include "../sha256.h"
#include "library.h"

const struct media_library MEDIA_LIBRARY_TABLE = {
	.version = SC_VERSION,
	.size = sizeof(struct media_library),
	.index_from_packets = index_from_packets,
	.copy_clips_by_packets = copy_clips_by_packets,
	.recoder_open = recoder_open,
	.recoder_add = recoder_add,
	.recoder_close = recoder_close,
	.prove_cuts = prove_cuts,
	.cut = {[CUT_ENCODE] = cut_encode_clips},
	.sha256 = sha256_of_file,
	.ffmpeg_version = av_version_info,
};
