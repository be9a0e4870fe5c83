/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes behind an MP4's header, moved without passing through this program where the kernel
 * can: blocks are shared on file systems that share, copied in the page cache on the others.
 * copy_file_range(2) would share as well, but does not say whether it has: so sharing is asked for
 * by itself, and counted.
 */
#include "writer.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "storyclip/common/clock.h"
#include "storyclip/common/file.h"

/* One call of the kernel. Small enough that work is seen to be done several times a second, also on
 * a slow disk; large enough not to matter. */
#define PAYLOAD_STEP_BYTES   (16 << 20)
#define PAYLOAD_STEP_MIN     (1 << 20)
#define PAYLOAD_ALIGN        (64 << 10)
#define PAYLOAD_SLOW_MS      200
#define PAYLOAD_BUFFER_BYTES (256 << 10)

struct payload_copy {
	int source_fd;
	int fd;
	bool is_apart;   /* these two share no blocks: do not ask again */
	bool is_plain;   /* the kernel has refused to copy between these two, or is slower: read and write */
	uint8_t *buffer; /* of plain copying */
	int64_t step;    /* bytes of the next call of the kernel */
	int64_t shared_bytes; /* of what was handled */
	void (*worked)(void *context, uint64_t bytes);
	void *context;
};

static bool is_refusal(int err)
{
	return err == EXDEV || err == EINVAL || err == ENOSYS || err == EOPNOTSUPP || err == EPERM;
}

/* Whole blocks, or the last of the source. @return bytes shared, 0: they have to be copied */
static int64_t share_some(struct payload_copy *copy, int64_t from, int64_t to, int64_t length)
{
	int64_t n = length < copy->step ? length : copy->step;
	struct file_clone_range range = {.src_fd = copy->source_fd};

	if (copy->is_apart || from % MP4_BLOCK || to % MP4_BLOCK)
		return 0;
	n = n > MP4_BLOCK ? n - n % MP4_BLOCK : n;
	range.src_offset = (uint64_t)from;
	range.src_length = (uint64_t)n;
	range.dest_offset = (uint64_t)to;
	if (ioctl(copy->fd, FICLONERANGE, &range) == 0) {
		copy->shared_bytes += n;
		return n;
	}
	/* A part of a block is refused in any case, but where the source ends with it. */
	copy->is_apart = n % MP4_BLOCK == 0;
	return 0;
}

/* By the kernel, as much as it likes of a step. @return as copy_file_range(2), or a negative errno
 */
static int64_t copy_by_kernel(struct payload_copy *copy, int64_t from, int64_t to, int64_t length)
{
	int64_t began_ms = clock_monotonic_ms(&clock_system);
	/* The first step ends where the page cache can go on in large pieces. */
	int64_t step = to % PAYLOAD_ALIGN ? PAYLOAD_ALIGN - to % PAYLOAD_ALIGN : copy->step;
	loff_t in = from, out = to;
	ssize_t n;

	do
		n = copy_file_range(copy->source_fd, &in, copy->fd, &out,
				    (size_t)(length < step ? length : step), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (clock_monotonic_ms(&clock_system) - began_ms > PAYLOAD_SLOW_MS &&
	    copy->step > PAYLOAD_STEP_MIN)
		copy->step /= 2;
	return n;
}

/** Copy some of it. @return bytes handled, > 0, or a negative errno */
static int64_t copy_some(struct payload_copy *copy, int64_t from, int64_t to, int64_t length)
{
	/* Up to a place where the page cache can go on in large pieces. */
	size_t want = PAYLOAD_BUFFER_BYTES - (size_t)(to % PAYLOAD_BUFFER_BYTES);
	int64_t n;
	int r;

	n = share_some(copy, from, to, length);
	if (n > 0)
		return n;
	if (!copy->is_plain) {
		n = copy_by_kernel(copy, from, to, length);
		if (n > 0 || (n < 0 && !is_refusal((int)-n)))
			return n;
		/* 0 is the end of the file, or a file system whose files have no size: reading
		 * tells. */
		copy->is_plain = true;
	}
	if (!copy->buffer)
		copy->buffer = malloc(PAYLOAD_BUFFER_BYTES);
	if (!copy->buffer)
		return -ENOMEM;
	want = length < (int64_t)want ? (size_t)length : want;
	n = file_pread_full(copy->source_fd, copy->buffer, want, from);
	if (n <= 0)
		return n < 0 ? n : -ENODATA;
	r = file_pwrite_all(copy->fd, copy->buffer, (size_t)n, to);
	return r < 0 ? r : n;
}

static int copy_range(struct payload_copy *copy, int64_t from, int64_t to, int64_t length)
{
	while (length > 0) {
		int64_t n = copy_some(copy, from, to, length);

		if (n < 0)
			return (int)n;
		if (copy->worked)
			copy->worked(copy->context, (uint64_t)n);
		from += n;
		to += n;
		length -= n;
	}
	return 0;
}

int64_t mp4_payload_place(const struct mp4_movie *movie, const struct mp4_header *header,
			  bool of_spool)
{
	int64_t place = header->payload_pos;

	if (movie->is_spool_first == of_spool)
		return place;
	for (size_t i = 0; i < movie->n_ranges; i++)
		if (mp4_range_is_spooled(movie, &movie->ranges[i]) != of_spool)
			place += movie->ranges[i].length;
	return place;
}

/* The ranges of one of the two files. */
static int copy_ranges(const struct mp4_movie *movie, const struct mp4_header *header,
		       struct payload_copy *copy, bool of_spool)
{
	int64_t to = mp4_payload_place(movie, header, of_spool);
	int r = 0;

	for (size_t i = 0; i < movie->n_ranges && r == 0; i++) {
		const struct mp4_range *range = &movie->ranges[i];

		if (mp4_range_is_spooled(movie, range) != of_spool)
			continue;
		r = copy_range(copy, range->offset - (of_spool ? movie->spool_base : 0), to,
			       range->length);
		to += range->length;
	}
	free(copy->buffer);
	return r;
}

int mp4_write_spooled(const struct mp4_movie *movie, const struct mp4_header *header, int fd,
		      void (*worked)(void *context, uint64_t bytes), void *context)
{
	struct payload_copy copy = {.source_fd = movie->spool_fd,
				    .fd = fd,
				    .is_apart = true, /* the spool goes: nothing stays shared */
				    .is_plain = file_is_on_ext4(fd),
				    .step = PAYLOAD_STEP_BYTES,
				    .worked = worked,
				    .context = context};

	return movie->spool_base ? copy_ranges(movie, header, &copy, true) : 0;
}

int mp4_write_payload(const struct mp4_movie *movie, const struct mp4_header *header, int source_fd,
		      int fd, void (*worked)(void *context, uint64_t bytes), void *context,
		      int64_t *ret_shared)
{
	struct payload_copy copy = {.source_fd = source_fd,
				    .fd = fd,
				    .is_plain = file_is_on_ext4(fd),
				    .step = PAYLOAD_STEP_BYTES,
				    .worked = worked,
				    .context = context};
	int r = copy_ranges(movie, header, &copy, false);

	*ret_shared = copy.shared_bytes;
	return r < 0 ? r : mp4_write_spooled(movie, header, fd, worked, context);
}
