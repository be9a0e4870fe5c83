/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the writer writes the reader reads: samples, edit lists, large files; and the payload. */
#include "../../src/media/mp4/writer.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "../../src/media/mp4/reader.h"
#include "check.h"
#include "storyclip/common/file.h"

static const uint8_t video_stsd[] = {0,   0,   0, 1, 0, 0, 0, 16, 'a', 'v',
				     'c', '1', 0, 0, 0, 0, 0, 0,  0,   1};
static const uint8_t sound_stsd[] = {0,   0,   0, 1, 0, 0, 0, 16, 'm', 'p',
				     '4', 'a', 0, 0, 0, 0, 0, 0,  0,   1};

struct memory {
	const char *data;
	size_t len;
	int64_t size_bytes; /* with the payload that is not there */
};

static ssize_t read_memory(void *context, void *data, size_t len, int64_t offset)
{
	const struct memory *m = context;

	if (offset >= (int64_t)m->len)
		return 0;
	if (len > m->len - (size_t)offset)
		len = m->len - (size_t)offset;
	memcpy(data, m->data + offset, len);
	return (ssize_t)len;
}

/* Frames in decode order I P B B P B B …, as an encoder gives them. */
static void fill_video(struct mp4_out_sample *samples, size_t n, int64_t offset, uint32_t size,
		       int64_t step)
{
	static const int shown_at[] = {3, 1, 2};

	for (size_t i = 0; i < n; i++) {
		size_t place = i ? (i - 1) / 3 * 3 + (size_t)shown_at[(i - 1) % 3] : 0;

		samples[i] = (struct mp4_out_sample){
			.dts = 1000 + 3000 * (int64_t)i,
			.pts = 1000 + 3000 * (int64_t)(place + 1),
			.offset = offset + step * (int64_t)i,
			.size = size + (uint32_t)i,
			.is_sync = i % 12 == 0,
		};
	}
}

static void fill_sound(struct mp4_out_sample *samples, size_t n, int64_t offset, int64_t step)
{
	for (size_t i = 0; i < n; i++)
		samples[i] = (struct mp4_out_sample){.dts = 1024 * (int64_t)i - 1024,
						     .pts = 1024 * (int64_t)i - 1024,
						     .offset = offset + step * (int64_t)i,
						     .size = 100,
						     .is_sync = true};
}

static void check_samples(const struct mp4_file *file, const struct mp4_movie *movie, size_t number,
			  int64_t payload_pos)
{
	const struct mp4_out_track *meant = &movie->tracks[number];
	const struct mp4_track *track = &file->tracks[number];
	auto_free struct mp4_sample *samples = NULL;
	size_t n = 0, different = 0;
	int64_t shift;

	REQUIRE(mp4_track_expand(track, 100000, &samples, &n) == 0);
	REQUIRE(n == meant->n_samples);
	shift = samples[0].pts - meant->samples[0].pts;
	for (size_t i = 0; i < n; i++) {
		int64_t place = payload_pos, end = i + 1 < n
							   ? samples[i + 1].dts
							   : meant->end_dts - meant->samples[0].dts;

		for (size_t k = 0; k < movie->n_ranges; k++) {
			const struct mp4_range *r = &movie->ranges[k];

			if (meant->samples[i].offset >= r->offset &&
			    meant->samples[i].offset < r->offset + r->length)
				place += meant->samples[i].offset - r->offset;
			else if (meant->samples[i].offset >= r->offset + r->length)
				place += r->length;
		}
		different += samples[i].dts != meant->samples[i].dts - meant->samples[0].dts ||
			     samples[i].pts != meant->samples[i].pts + shift ||
			     samples[i].pts < samples[i].dts ||
			     samples[i].size != meant->samples[i].size ||
			     samples[i].is_sync != meant->samples[i].is_sync ||
			     samples[i].offset != place || samples[i].description != 1 ||
			     samples[i].dts + samples[i].duration != end;
	}
	CHECK_INT(different, 0);
	/* The edit list begins with the first shown sample. */
	REQUIRE(track->n_edits == (meant->delay ? 2 : 1));
	if (meant->delay) {
		CHECK_INT(track->edits[0].media_time, -1);
		CHECK_INT(track->edits[0].duration, meant->delay);
	}
	CHECK_INT(track->edits[track->n_edits - 1].media_time, meant->shown_start + shift);
	CHECK(track->edits[track->n_edits - 1].is_normal_speed);
}

/* Build, read again, compare all. @return the header's bytes, to be finished by the caller */
static struct buf check_movie(const struct mp4_movie *movie)
{
	struct buf out = BUF_EMPTY;
	struct mp4_header header = {0};
	auto_of(mp4_file) struct mp4_file *file = NULL;
	struct error e = {0};
	struct memory memory;
	struct mp4_input input = {.read = read_memory, .context = &memory};
	int64_t payload = 0;

	REQUIRE(mp4_build_header(movie, &out, &header) == 0);
	CHECK_INT(header.payload_pos, out.len);
	CHECK_INT(header.payload_pos % MP4_BLOCK, 0);
	for (size_t i = 0; i < movie->n_ranges; i++)
		payload += movie->ranges[i].length;
	CHECK_INT(header.file_bytes, header.payload_pos + payload);
	CHECK(mp4_is_likely((const uint8_t *)out.data, out.len));
	memory = (struct memory){out.data, out.len, header.file_bytes};
	input.size_bytes = header.file_bytes;
	if (mp4_file_read(&input, &e, &file) < 0)
		fprintf(stderr, "%s\n", e.message);
	REQUIRE(file);
	REQUIRE(file->n_tracks == movie->n_tracks);
	CHECK_INT(file->timescale, movie->timescale);
	CHECK(!file->is_fragmented);
	for (size_t i = 0; i < movie->n_tracks; i++) {
		const struct mp4_track *t = &file->tracks[i];
		const struct mp4_out_track *meant = &movie->tracks[i];

		CHECK_INT(t->timescale, meant->timescale);
		CHECK_STR(t->language, meant->language[0] ? meant->language : "und");
		CHECK_INT(t->alternate_group, meant->alternate_group);
		CHECK_INT(t->width, meant->width);
		CHECK_INT(t->n_entries, 1);
		CHECK_INT(t->has_roll, meant->preroll > 0);
		CHECK(!t->is_external);
		check_samples(file, movie, i, header.payload_pos);
	}
	return out;
}

static void test_plain(void)
{
	struct mp4_out_sample video[100], sound[150];
	const struct mp4_range range = {8192, 4000000};
	struct mp4_out_track tracks[2] = {
		{.is_video = true,
		 .timescale = 90000,
		 .stsd = video_stsd,
		 .stsd_len = sizeof(video_stsd),
		 .samples = video,
		 .n_samples = 100,
		 .end_dts = 1000 + 3000 * 100,
		 .shown_start = 1000 + 3000 * 4,
		 .shown_end = 1000 + 3000 * 95,
		 .matrix = {0, 0x10000, 0, -0x10000, 0, 0, 1080 << 16, 0, 0x40000000},
		 .width = 1920 << 16,
		 .height = 1080 << 16,
		 .language = "jpn",
		 .handler_name = "Picture"},
		{.timescale = 48000,
		 .stsd = sound_stsd,
		 .stsd_len = sizeof(sound_stsd),
		 .samples = sound,
		 .n_samples = 150,
		 .end_dts = 1024 * 149,
		 .shown_start = 77,
		 .shown_end = 100000,
		 .preroll = 1,
		 .alternate_group = 1,
		 .delay = 500},
	};
	struct mp4_movie movie = {.timescale = 90000,
				  .creation_time = 3000000000u,
				  .tracks = tracks,
				  .n_tracks = 2,
				  .ranges = &range,
				  .n_ranges = 1};
	struct buf out;

	fill_video(video, 100, 10000, 1000, 30000);
	fill_sound(sound, 150, 12000, 20000);
	out = check_movie(&movie);
	CHECK(memmem(out.data, out.len, "stco", 4) && !memmem(out.data, out.len, "co64", 4));
	CHECK(memmem(out.data, out.len, "Picture", 8));
	buf_finish(&out);

	/* Samples that follow each other are one chunk. */
	fill_video(video, 100, 10000, 1000, 0);
	for (size_t i = 1; i < 100; i++)
		video[i].offset = video[i - 1].offset + video[i - 1].size;
	movie.n_tracks = 1;
	out = check_movie(&movie);
	CHECK(out.len == MP4_BLOCK);
	buf_finish(&out);

	/* pts before dts, as QuickTime writes them: moved, and the edit list with them. */
	fill_video(video, 100, 10000, 1000, 30000);
	for (size_t i = 0; i < 100; i++)
		video[i].pts -= 7000;
	tracks[0].shown_start -= 7000;
	tracks[0].shown_end -= 7000;
	out = check_movie(&movie);
	buf_finish(&out);
}

/* Two far ranges, places over 4 GiB, an mdat over 4 GiB, durations over 32 bits. */
static void test_large(void)
{
	struct mp4_out_sample video[100];
	const struct mp4_range ranges[] = {{4096, 3ll << 30}, {5ll << 30, 3ll << 30}};
	struct mp4_out_track track = {.is_video = true,
				      .timescale = 90000,
				      .stsd = video_stsd,
				      .stsd_len = sizeof(video_stsd),
				      .samples = video,
				      .n_samples = 100,
				      .end_dts = 2000000000,
				      .shown_start = 1000 + 3000,
				      .shown_end = 1900000000,
				      .delay = 5000000000};
	struct mp4_movie movie = {.timescale = 90000,
				  .tracks = &track,
				  .n_tracks = 1,
				  .ranges = ranges,
				  .n_ranges = 2};
	struct buf out;

	fill_video(video, 100, 4096, 1000, 32 << 20);
	for (size_t i = 95; i < 100; i++)
		video[i].offset = (8ll << 30) - 20000 + 2000 * (int64_t)(i - 95);
	out = check_movie(&movie);
	CHECK(memmem(out.data, out.len, "co64", 4) && !memmem(out.data, out.len, "stco", 4));
	buf_finish(&out);
}

static void test_refusals(void)
{
	struct mp4_out_sample samples[2] = {
		{.dts = 0, .pts = 0, .offset = 0, .size = 10, .is_sync = true},
		{.dts = 10, .pts = 10, .offset = 10, .size = 10}};
	struct mp4_range ranges[2] = {{0, 20}, {10, 20}};
	struct mp4_out_track track = {.is_video = true,
				      .timescale = 10,
				      .stsd = video_stsd,
				      .stsd_len = sizeof(video_stsd),
				      .samples = samples,
				      .n_samples = 2,
				      .end_dts = 20,
				      .shown_end = 20};
	struct mp4_movie movie = {
		.timescale = 10, .tracks = &track, .n_tracks = 1, .ranges = ranges, .n_ranges = 1};
	struct buf out = BUF_EMPTY;
	struct mp4_header header;

	CHECK_INT(mp4_build_header(&movie, &out, &header), 0);
	movie.n_ranges = 2;
	CHECK_INT(mp4_build_header(&movie, &out, &header), -EINVAL); /* ranges overlap */
	movie.n_ranges = 1;
	ranges[0].length = 19;
	CHECK_INT(mp4_build_header(&movie, &out, &header), -EINVAL); /* sample half outside */
	ranges[0].length = 20;
	samples[1].dts = -1;
	CHECK_INT(mp4_build_header(&movie, &out, &header), -EINVAL); /* times that fall */
	samples[1].dts = 10;
	track.shown_end = -1;
	CHECK_INT(mp4_build_header(&movie, &out, &header), -EINVAL); /* nothing shown */
	track.shown_end = 20;
	track.n_samples = 0;
	CHECK_INT(mp4_build_header(&movie, &out, &header), -EINVAL);
	buf_finish(&out);
}

static uint64_t worked_bytes;

static void count_bytes(void *context, uint64_t bytes)
{
	worked_bytes += bytes;
}

/* Ranges arrive behind the header, byte for byte; from a pipe-like source too short: ENODATA. */
static void test_payload(int (*open_source)(void), int (*open_clip)(void))
{
	static uint8_t data[300000], got[300000];
	struct mp4_out_sample sample = {
		.dts = 0, .pts = 0, .offset = 5000, .size = 10, .is_sync = true};
	struct mp4_range ranges[] = {{4096, 8192}, {100000, 123456}};
	struct mp4_out_track track = {.is_video = true,
				      .timescale = 10,
				      .stsd = video_stsd,
				      .stsd_len = sizeof(video_stsd),
				      .samples = &sample,
				      .n_samples = 1,
				      .end_dts = 20,
				      .shown_end = 20};
	struct mp4_movie movie = {
		.timescale = 10, .tracks = &track, .n_tracks = 1, .ranges = ranges, .n_ranges = 2};
	struct mp4_header header;
	int64_t shared = -1;
	auto_fd int source = open_source(), fd = open_clip();

	REQUIRE(source >= 0 && fd >= 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	REQUIRE(file_pwrite_all(source, data, sizeof(data), 0) == 0);
	REQUIRE(mp4_write_header(&movie, fd, &header) == 0);
	worked_bytes = 0;
	CHECK_INT(mp4_write_payload(&movie, &header, source, fd, count_bytes, NULL, &shared), 0);
	CHECK(shared >= 0 && shared <= 8192 + 123456 && shared % MP4_BLOCK == 0);
	CHECK_INT(worked_bytes, 8192 + 123456);
	CHECK_INT(lseek(fd, 0, SEEK_END), header.file_bytes);
	CHECK_INT(file_pread_full(fd, got, sizeof(got), header.payload_pos), 8192 + 123456);
	CHECK(!memcmp(got, data + 4096, 8192));
	CHECK(!memcmp(got + 8192, data + 100000, 123456));
	REQUIRE(ftruncate(source, 150000) == 0);
	CHECK_INT(mp4_write_payload(&movie, &header, source, fd, NULL, NULL, &shared), -ENODATA);
}

static int open_memory(void)
{
	return memfd_create("clip", MFD_CLOEXEC);
}

static int open_here(void)
{
	return open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

int main(void)
{
	test_plain();
	test_large();
	test_refusals();
	test_payload(open_memory, open_memory);
	test_payload(open_here, open_here);
	/* Two file systems: the kernel may refuse to copy between them. */
	test_payload(open_memory, open_here);
	test_payload(open_here, open_memory);
	return check_result();
}
