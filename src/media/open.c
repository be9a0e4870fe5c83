/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A source is recognised by its first bytes and indexed: MP4 and QuickTime by our own reader,
 * everything else, and MP4 that our reader does not do, by libavformat.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/text_track.h"
#include "library/library.h"
#include "mp4/entry.h"
#include "mp4/reader.h"
#include "plan.h"
#include "source.h"
#include "storyclip/common/file.h"
#include "storyclip/common/hook.h"

#define HEAD_BYTES 512

static const struct media_listener deaf_listener;

static const struct {
	size_t at;
	const char *bytes;
	size_t len;
	const char *what;
} impostors[] = {
#define MAGIC(at, bytes, what)                     \
	{                                          \
		at, bytes, sizeof(bytes) - 1, what \
	}
	MAGIC(0, "%PDF-", "a PDF document"),
	MAGIC(0, "\xff\xd8\xff", "a JPEG picture"),
	MAGIC(0, "\x89PNG\r\n", "a PNG picture"),
	MAGIC(0, "GIF8", "a GIF picture"),
	MAGIC(8, "WEBP", "a WebP picture"),
	MAGIC(4, "ftypheic", "a HEIC picture"),
	MAGIC(4, "ftypheix", "a HEIC picture"),
	MAGIC(4, "ftypmif1", "a HEIF picture"),
	MAGIC(4, "ftypavif", "an AVIF picture"),
	MAGIC(0, "BM", "a BMP picture"),
	MAGIC(0, "II*\0", "a TIFF picture"),
	MAGIC(0, "MM\0*", "a TIFF picture"),
	MAGIC(0, "PK\x03\x04", "a ZIP archive or an office document"),
	MAGIC(0, "\x1f\x8b", "a gzip archive"),
	MAGIC(0, "BZh", "a bzip2 archive"),
	MAGIC(0,
	      "\xfd"
	      "7zXZ\0",
	      "an xz archive"),
	MAGIC(0, "7z\xbc\xaf\x27\x1c", "a 7z archive"),
	MAGIC(0, "Rar!", "a RAR archive"),
	MAGIC(257, "ustar", "a tar archive"),
	MAGIC(0,
	      "\x7f"
	      "ELF",
	      "a program"),
	MAGIC(0, "#EXTM3U", "a playlist, which only names other files"),
	MAGIC(0, "ffconcat", "a list of files, which only names others"),
	MAGIC(0, "<?xml", "an XML text"),
	MAGIC(0, "<MPD", "a playlist, which only names other files"),
	MAGIC(0, "<!DOCTYPE", "a web page"),
	MAGIC(0, "<html", "a web page"),
#undef MAGIC
};

/* Text: no control characters but those that text has. */
static bool is_text(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!head[i] || (head[i] < ' ' && !strchr("\t\n\r\f\x1b", head[i])))
			return false;
	return len > 0;
}

/* What a file that is no video looks like, or NULL. A tag of ID3 before sound is not text, nor are bare
 * pictures behind a line that says so. */
static const char *looks_like(const uint8_t *head, size_t len)
{
	static const char bare[] = "YUV4MPEG2 ";

	if (len >= sizeof(bare) - 1 && !memcmp(head, bare, sizeof(bare) - 1))
		return NULL;
	for (size_t i = 0; i < SC_ARRAY_SIZE(impostors); i++)
		if (impostors[i].at + impostors[i].len <= len &&
		    !memcmp(head + impostors[i].at, impostors[i].bytes, impostors[i].len))
			return impostors[i].what;
	return is_text(head, len) ? "a text" : NULL;
}

static int open_packets(struct media_source *source, bool is_length_checked, struct error *e)
{
	const struct media_library *library;
	int r = media_library_get(e, &library);

	if (r < 0)
		return r;
	return library->index_from_packets(source->fd, is_length_checked, source->listener, e,
					   &source->index);
}

/* Nothing is shown faster or slower than it was made. */
static void note_speed(const struct media_source *source, const struct mp4_file *file)
{
	bool any = false;

	for (size_t i = 0; i < file->n_tracks; i++)
		for (size_t k = 0; k < file->tracks[i].n_edits; k++)
			any |= file->tracks[i].edits[k].media_time >= 0 &&
			       !file->tracks[i].edits[k].is_normal_speed;
	if (!any)
		return;
	listener_warning(source->listener, "the upload's edit list wants another speed than the "
					   "normal one, which nothing is encoded at");
	for (size_t i = 0; i < source->index->n_tracks; i++) {
		struct index_track *t = &source->index->tracks[i];

		t->is_copyable = t->is_copyable && !t->is_video;
		if (t->is_video)
			t->obstacle = "played at another speed by its edit list";
	}
}

/**
 * Sample tables that do not tell all still tell whether the bytes are there; the duration in the
 * header is that of a presentation edited in parts, or of nothing.
 */
static int open_edited_mp4(struct media_source *source, const struct mp4_file *file,
			   const struct mp4_input *input, struct error *e)
{
	auto_of(media_index) struct media_index *unused = NULL;
	struct error found = {0};
	int r = index_from_mp4(file, input, &deaf_listener, &found, &unused);

	if (r < 0 && found.code == SC_UPLOAD_INCOMPLETE)
		return error_set_errno(e, r, found.code, "%s", found.message);
	r = open_packets(source, false, e);
	if (r == 0)
		note_speed(source, file);
	return r;
}

/* Fragments that are declared and not there; libavformat does not read all that declares them. */
static int check_fragments(const struct media_source *source, int64_t declared_us, struct error *e)
{
	int64_t bound = declared_us / 100 > 1000000 ? declared_us / 100 : 1000000,
		end = index_texts_end(source->index);

	for (size_t i = 0; i < source->index->n_tracks; i++) {
		const struct index_track *t = &source->index->tracks[i];
		int64_t us = index_ticks_to_us(t->shown_end, t->timescale);

		end = us > end ? us : end;
	}
	if (declared_us - end <= bound)
		return 0;
	return error_set(e, SC_UPLOAD_INCOMPLETE,
			 "the upload ends early: it declares fragments of %.3f s and holds %.3f s",
			 (double)declared_us / 1e6, (double)end / 1e6);
}

/* Samples that must be taken apart, or sound of several parts that must be encoded: libav's part. */
static bool needs_packets(const struct media_index *index)
{
	const struct index_track *video = index_video(index);

	if (video && video->obstacle && !strcmp(video->obstacle, OBSTACLE_PACKED))
		return true;
	for (size_t i = 0; i < index->n_tracks; i++)
		if (!index->tracks[i].is_copyable && index_has_parts(index))
			return true;
	return false;
}

/* libavformat does not read what people call a track; its streams are in the order of the tracks. */
static int take_name(const struct mp4_file *file, unsigned int number, char **ret)
{
	if (*ret || number >= file->n_tracks || !file->tracks[number].name)
		return 0;
	*ret = strdup(file->tracks[number].name);
	return *ret ? 0 : -ENOMEM;
}

static int take_names(struct media_index *index, const struct mp4_file *file, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < index->n_tracks && r == 0; i++)
		r = take_name(file, index->tracks[i].number, &index->tracks[i].name);
	for (size_t i = 0; i < index->n_texts && r == 0; i++)
		r = take_name(file, index->texts[i].number, &index->texts[i].name);
	return r < 0 ? error_from_errno(e, r, "reading the upload's index") : 0;
}

/* PIFF and other protected streaming is fragmented, and libavformat does not say what it is. */
static int refuse_encrypted(const struct mp4_file *file, struct error *e)
{
	for (size_t i = 0; i < file->n_tracks; i++) {
		struct entry_info info;

		entry_read_info(&file->tracks[i], &info);
		if (info.is_encrypted)
			return error_set(e, SC_INVALID_MEDIA, "the upload is encrypted (%s)",
					 info.codec);
	}
	return 0;
}

static int open_mp4(struct media_source *source, struct error *e)
{
	auto_of(mp4_file) struct mp4_file *file = NULL;
	struct mp4_input input = mp4_input_from_fd(&source->fd, source->size_bytes);
	int r = mp4_file_read(&input, e, &file);
	bool is_edited;

	if (r < 0)
		return r;
	if (index_mp4_is_simple(file)) {
		r = index_from_mp4(file, &input, source->listener, e, &source->index);
		if (r < 0 || !needs_packets(source->index))
			return r;
		is_edited = index_has_parts(source->index);
		index_free(take_ptr(source->index));
		r = open_packets(source, !is_edited, e);
	} else if (file->is_fragmented || file->is_compressed) {
		r = refuse_encrypted(file, e);
		if (r == 0)
			r = open_packets(source, true, e);
		if (r == 0)
			r = check_fragments(source, mp4_declared_us(&input, file), e);
	} else {
		r = open_edited_mp4(source, file, &input, e);
	}
	return r < 0 ? r : take_names(source->index, file, e);
}

static int open_index(struct media_source *source, struct error *e)
{
	uint8_t head[HEAD_BYTES];
	ssize_t len = file_pread_full(source->fd, head, sizeof(head), 0);
	const char *what;

	if (len < 0)
		return error_from_errno(e, (int)len, "reading the upload");
	if (len == 0)
		return error_set(e, SC_UPLOAD_INCOMPLETE, "the upload is empty");
	what = looks_like(head, (size_t)len);
	if (what)
		return error_set(e, SC_INVALID_MEDIA, "the upload is no video: it looks like %s",
				 what);
	if (mp4_is_likely(head, (size_t)len))
		return open_mp4(source, e);
	return open_packets(source, true, e);
}

int64_t media_pixels(const struct media_source *source)
{
	const struct index_track *video = index_video(source->index);

	return video ? (int64_t)(video->width >> 16) * (video->height >> 16) : 0;
}

static int check_pixels(const struct media_source *source, struct error *e)
{
	const struct index_track *video = index_video(source->index);

	if (media_pixels(source) <= MEDIA_MAX_PIXELS)
		return 0;
	return error_set(e, SC_LIMIT_EXCEEDED, "the picture has %u x %u pixels, over %" PRId64,
			 video->width >> 16, video->height >> 16, MEDIA_MAX_PIXELS);
}

static int check_duration(const struct media_source *source, struct error *e)
{
	int64_t us = media_duration_us(source);

	if (us <= MEDIA_MAX_DURATION_US)
		return 0;
	return error_set(e, SC_LIMIT_EXCEEDED, "the video lasts %" PRId64 " s, over the limit of %" PRId64,
			 us / 1000000, MEDIA_MAX_DURATION_US / 1000000);
}

int media_open(int fd, const struct media_listener *listener, struct error *e,
	       struct media_source **ret)
{
	auto_of(media_source) struct media_source *source = calloc(1, sizeof(*source));
	struct stat st;
	int r;

	if (!source)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	hook_reach("probe");
	source->fd = fd;
	source->listener = listener ? listener : &deaf_listener;
	if (fstat(fd, &st) < 0)
		return error_from_errno(e, -errno, "opening the upload");
	if (!S_ISREG(st.st_mode))
		return error_set(e, SC_INVALID_MEDIA, "the upload is no regular file");
	source->size_bytes = st.st_size;
	r = open_index(source, e);
	if (r == 0)
		r = check_pixels(source, e);
	if (r == 0)
		r = check_duration(source, e);
	if (r < 0)
		return r;
	index_enable_sound(source->index);
	*ret = take_ptr(source);
	return 0;
}

void media_close(struct media_source *source)
{
	if (!source)
		return;
	index_free(source->index);
	free(source);
}

int64_t media_duration_us(const struct media_source *source)
{
	const struct index_track *t = index_main(source->index);

	return index_ticks_to_us(t->shown_end, t->timescale);
}

bool media_has_video(const struct media_source *source)
{
	return index_video(source->index) != NULL;
}

/* Whether all parts can be decoded one by one: libavformat moves what an old kind of index shows before it
 * decodes it, and does not say so. */
static bool can_decode_parts(const struct media_index *index)
{
	for (size_t i = 0; i < index->n_tracks; i++)
		if (index->tracks[i].n_parts && index->tracks[i].max_lag > 0)
			return false;
	return !index->has_edited_texts;
}

/* What is decoded then comes as libavformat puts several parts together, so the plan is made by that. */
static int reopen_edited(struct media_source *source, struct error *e)
{
	auto_of(media_index) struct media_index *parts = take_ptr(source->index);
	int r = open_packets(source, false, e);

	if (r < 0) {
		source->index = take_ptr(parts);
		return r;
	}
	index_enable_sound(source->index);
	for (size_t i = 0; i < source->index->n_tracks; i++)
		for (size_t k = 0; k < parts->n_tracks; k++)
			if (parts->tracks[k].number == source->index->tracks[i].number &&
			    !source->index->tracks[i].name)
				source->index->tracks[i].name = take_ptr(parts->tracks[k].name);
	return 0;
}

int media_plan(struct media_source *source, enum cut_mode mode, const struct media_split *split,
	       struct error *e, struct media_plan *ret)
{
	if (mode == CUT_ENCODE && index_has_parts(source->index) && !can_decode_parts(source->index)) {
		int r = reopen_edited(source, e);

		if (r < 0)
			return r;
	}
	return plan_ranges(source->index, source->listener, mode, split, e, ret);
}
