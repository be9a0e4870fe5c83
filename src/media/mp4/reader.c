/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a file to its moov; moov.c makes tracks of that. What a header claims is held against what
 * the file has. */
#include "reader.h"

#include <stdio.h>

#include "bytes.h"
#include "storyclip/common/file.h"

#define TOP_LEVEL_BOXES_MAX 100000

static ssize_t read_fd(void *context, void *data, size_t len, int64_t offset)
{
	return file_pread_full(*(const int *)context, data, len, offset);
}

struct mp4_input mp4_input_from_fd(const int *fd_storage, int64_t size_bytes)
{
	return (struct mp4_input){.read = read_fd,
				  .context = (void *)(uintptr_t)fd_storage,
				  .size_bytes = size_bytes};
}

static int read_moov(const struct mp4_input *in, int64_t at, int64_t size, struct error *e,
		     struct mp4_file *file)
{
	ssize_t n;

	if (size > MP4_MAX_MOOV_BYTES)
		return error_set(e, SC_LIMIT_EXCEEDED,
				 "the upload's index is %lld bytes long, over the limit of %d",
				 (long long)size, MP4_MAX_MOOV_BYTES);
	file->moov = malloc((size_t)size + 1);
	if (!file->moov)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	n = in->read(in->context, file->moov, (size_t)size, at);
	if (n < 0)
		return error_from_errno(e, (int)n, "reading the upload's index");
	if (n < size)
		return error_set(e, SC_UPLOAD_INCOMPLETE,
				 "the upload ends within its index (moov)");
	file->moov_len = (size_t)size;
	file->moov_offset = at;
	return 0;
}

/* Walk the top level to the index; what else lies there is stepped over. */
static int find_moov(const struct mp4_input *in, struct error *e, struct mp4_file *file)
{
	int64_t at = 0;

	for (int n = 0; n < TOP_LEVEL_BOXES_MAX && in->size_bytes - at >= 8; n++) {
		uint8_t head[16] = {0};
		ssize_t got = in->read(in->context, head, sizeof(head), at);
		uint64_t size = get_be32(head);
		uint32_t type = get_be32(head + 4);
		int header = 8;

		if (got < 0)
			return error_from_errno(e, (int)got, "reading the upload");
		if (size == 1) {
			size = get_be64(head + 8);
			header = 16;
		} else if (size == 0) {
			size = (uint64_t)(in->size_bytes - at);
		}
		if (size < (uint64_t)header)
			break;
		if (type == FOURCC('m', 'o', 'o', 'v')) {
			if (size > (uint64_t)(in->size_bytes - at))
				return error_set(e, SC_UPLOAD_INCOMPLETE,
						 "the upload ends within its index (moov)");
			return read_moov(in, at + header, (int64_t)size - header, e, file);
		}
		if (type == FOURCC('f', 't', 'y', 'p'))
			file->brand = get_be32(head + 8);
		if (type == FOURCC('m', 'o', 'o', 'f'))
			file->is_fragmented = true;
		if (size > (uint64_t)(in->size_bytes - at))
			break;
		at += (int64_t)size;
	}
	return error_set(
		e, SC_UPLOAD_INCOMPLETE,
		"the upload has no index (moov): it was cut off, or its recording was never "
		"ended");
}

int mp4_file_read(const struct mp4_input *input, struct error *e, struct mp4_file **ret)
{
	auto_of(mp4_file) struct mp4_file *file = calloc(1, sizeof(*file));
	struct error inner = {0};
	int r;

	if (!file)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	file->tracks = calloc(MP4_MAX_TRACKS, sizeof(*file->tracks));
	if (!file->tracks)
		return error_from_errno(e, -ENOMEM, "reading the upload's index");
	if (input->size_bytes <= 0)
		return error_set(e, SC_UPLOAD_INCOMPLETE, "the upload is empty");
	r = find_moov(input, e, file);
	if (r < 0)
		return r;
	r = mp4_moov_parse(file, &inner);
	if (r < 0 && inner.err)
		return error_set_errno(e, r, inner.code, "%s", inner.message);
	if (r == -ENOMEM)
		return error_from_errno(e, r, "reading the upload's index");
	if (r < 0)
		return error_set(e, SC_INVALID_MEDIA, "the upload's index (moov) is damaged");
	*ret = take_ptr(file);
	return 0;
}

void mp4_file_free(struct mp4_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->n_tracks; i++) {
		free(file->tracks[i].handler_name);
		free(file->tracks[i].name);
		free(file->tracks[i].edits);
	}
	free(file->tracks);
	free(file->moov);
	free(file);
}

bool mp4_is_likely(const uint8_t *head, size_t len)
{
	static const char types[][5] = {"ftyp", "moov", "mdat", "moof", "styp",
					"free", "skip", "wide", "pnot", "uuid"};

	if (len < 8)
		return false;
	for (size_t i = 0; i < SC_ARRAY_SIZE(types); i++)
		if (!memcmp(head + 4, types[i], 4))
			return true;
	return false;
}
