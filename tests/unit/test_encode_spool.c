/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoded packets on their way into a clip: start codes become lengths, nothing is left over. */
#include "../../src/media/encode/encode_spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../src/media/index/annexb.h"
#include "check.h"
#include "storyclip/common/file.h"

struct world {
	char dir[64];
	int dir_fd;
	struct spool spool;
};

static void world_make(struct world *w)
{
	strcpy(w->dir, "sc-spool-XXXXXX");
	REQUIRE(mkdtemp(w->dir));
	w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(w->dir_fd >= 0);
	REQUIRE(spool_open(&w->spool, w->dir_fd) == 0);
}

static void world_remove(struct world *w)
{
	spool_close(&w->spool);
	close(w->dir_fd);
	CHECK_INT(rmdir(w->dir), 0); /* fails unless it is empty */
}

static void check_bytes(const struct spool *spool, int64_t offset, const char *want, size_t len)
{
	char got[64] = {0};

	REQUIRE(len <= sizeof(got));
	CHECK_INT(file_pread_full(spool->fd, got, len, offset), len);
	CHECK(!memcmp(got, want, len));
}

#define BYTES(s) (s), sizeof(s) - 1

static void test_h264(void)
{
	static const struct {
		const char *in;
		size_t in_len;
		const char *want;
		size_t want_len;
	} rows[] = {
		{BYTES("\0\0\1\x65" "abc"), BYTES("\0\0\0\4\x65" "abc")},
		{BYTES("\0\0\0\1\x65" "abc"), BYTES("\0\0\0\4\x65" "abc")},
		{BYTES("\0\0\0\1\x06x\0\0\0\1\x65" "ab\0\0\1\x65y"),
		 BYTES("\0\0\0\2\x06x\0\0\0\3\x65" "ab\0\0\0\2\x65y")},
		{BYTES("\0\0\1\x65" "a\0\0\3\1"), BYTES("\0\0\0\6\x65" "a\0\0\3\1")},
		{BYTES("\0\0\1\x65" "a\0\0\0\0"), BYTES("\0\0\0\2\x65" "a")},
		{BYTES("\0\0\1\x65"), BYTES("\0\0\0\1\x65")},
	};
	struct spool_track track = {0};
	struct world w;

	world_make(&w);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		AVPacket *packet = av_packet_alloc();
		int64_t offset = w.spool.size;

		REQUIRE(packet && av_new_packet(packet, (int)rows[i].in_len) == 0);
		memcpy(packet->data, rows[i].in, rows[i].in_len);
		packet->pts = 100 + (int64_t)i;
		packet->dts = (int64_t)i;
		packet->flags = i ? 0 : AV_PKT_FLAG_KEY;
		CHECK_INT(spool_track_add_h264(&track, &w.spool, packet), 0);
		REQUIRE(track.n_samples == i + 1);
		CHECK_INT(track.samples[i].offset, offset);
		CHECK_INT(track.samples[i].size, rows[i].want_len);
		CHECK_INT(track.samples[i].pts, packet->pts);
		CHECK_INT(track.samples[i].dts, packet->dts);
		CHECK_INT(track.samples[i].is_sync, i == 0);
		check_bytes(&w.spool, offset, rows[i].want, rows[i].want_len);
		av_packet_free(&packet);
	}
	CHECK_INT(spool_reset(&w.spool), 0);
	CHECK_INT(w.spool.size, 0);
	CHECK_INT(lseek(w.spool.fd, 0, SEEK_END), 0);
	spool_track_finish(&track);
	world_remove(&w);
}

static void test_not_h264(void)
{
	static const char *const rows[] = {"", "abc", "\1\1\1\1\1"};
	struct spool_track track = {0};
	struct world w;

	world_make(&w);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		AVPacket *packet = av_packet_alloc();

		REQUIRE(packet && av_new_packet(packet, (int)strlen(rows[i])) == 0);
		memcpy(packet->data, rows[i], strlen(rows[i]));
		CHECK_INT(spool_track_add_h264(&track, &w.spool, packet), -EBADMSG);
		CHECK_INT(track.n_samples, 0);
		av_packet_free(&packet);
	}
	spool_track_finish(&track);
	world_remove(&w);
}

static void test_avcc(void)
{
	static const char high[] = "\0\0\0\1\x67\x64\0\x1f" "\xacps\0\0\0\1\x68pps\0\0\1\x06sei";
	static const char want[] = "\1\x64\0\x1f\xff\xe1\0\7\x67\x64\0\x1f" "\xacps\1\0\4\x68pps"
				   "\xfd\xf8\xf8\0";
	static const char baseline[] = "\0\0\1\x67\x42\xc0\x0d" "s\0\0\1\x68p";
	static const char no_pps[] = "\0\0\1\x67\x42\xc0\x0d" "s";
	auto_buf struct buf out = BUF_EMPTY;

	CHECK_INT(annexb_build_avcc((const uint8_t *)high, sizeof(high) - 1, &out), 0);
	REQUIRE(out.len == sizeof(want) - 1);
	CHECK(!memcmp(out.data, want, out.len));
	buf_reset(&out);
	CHECK_INT(annexb_build_avcc((const uint8_t *)baseline, sizeof(baseline) - 1, &out), 0);
	CHECK_INT(out.len, 6 + 2 + 5 + 1 + 2 + 2); /* nothing of chroma and depth behind it */
	CHECK_INT(annexb_build_avcc((const uint8_t *)no_pps, sizeof(no_pps) - 1, &out), -EBADMSG);
	CHECK_INT(annexb_build_avcc(NULL, 0, &out), -EBADMSG);
}

int main(void)
{
	test_h264();
	test_not_h264();
	test_avcc();
	return check_result();
}
