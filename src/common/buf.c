/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The growing byte buffer. Entered by any thread, one at a time per buffer. */
#include "storyclip/common/buf.h"

#include <stdio.h>
#include <string.h>

static bool buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (b->is_failed)
		return false;
	if (__builtin_add_overflow(b->len, more, &need) || __builtin_add_overflow(need, 1, &need)) {
		b->is_failed = true;
		return false;
	}
	if (need <= b->cap)
		return true;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->is_failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_finish(struct buf *b)
{
	free(b->data);
	*b = BUF_EMPTY;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->is_failed = false;
	if (b->data)
		b->data[0] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0) {
		b->is_failed = true;
		return;
	}
	if (!buf_reserve(b, (size_t)n))
		return;
	va_start(args, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
	va_end(args);
	b->len += (size_t)n;
}

void buf_drop_front(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
	char *data;

	if (!buf_reserve(b, 0)) {
		buf_finish(b);
		return NULL;
	}
	b->data[b->len] = '\0';
	data = take_ptr(b->data);
	if (ret_len)
		*ret_len = b->len;
	*b = BUF_EMPTY;
	return data;
}

int buf_error(const struct buf *b)
{
	return b->is_failed ? -ENOMEM : 0;
}
