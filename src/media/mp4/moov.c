/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the bytes of a moov to tracks. Tables are only located here; expand.c makes samples of them.
 * Everything in it is taken for hostile: a box never reaches beyond its parent, a table never
 * beyond its box.
 */
#include "reader.h"

#include "bytes.h"

struct span {
	const uint8_t *data;
	size_t len;
};

struct parser {
	struct mp4_file *file;
	struct mp4_track *track; /* the one being read */
	int32_t matrix[9];       /* of mvhd; all 0: none was read */
	struct error *e;
};

struct box_rule {
	uint32_t type;
	int (*parse)(struct parser *p, struct span box);
};

/**
 * Take the next box off *rest. The last one may be cut short by its parent; that is a broken file.
 * @return 1, 0 at the end, -EBADMSG
 */
static int span_next_box(struct span *rest, uint32_t *ret_type, struct span *ret)
{
	uint64_t size;
	size_t header = 8;

	if (rest->len < 8)
		return 0; /* QuickTime ends lists with four zero bytes */
	size = get_be32(rest->data);
	*ret_type = get_be32(rest->data + 4);
	if (size == 1) {
		if (rest->len < 16)
			return -EBADMSG;
		size = get_be64(rest->data + 8);
		header = 16;
	} else if (size == 0) {
		size = rest->len;
	}
	if (size < header || size > rest->len)
		return -EBADMSG;
	*ret = (struct span){rest->data + header, (size_t)size - header};
	rest->data += size;
	rest->len -= (size_t)size;
	return 1;
}

static int parse_boxes(struct parser *p, struct span box, const struct box_rule *rules, size_t n)
{
	struct span child;
	uint32_t type;
	int r;

	while ((r = span_next_box(&box, &type, &child)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (rules[i].type != type)
				continue;
			r = rules[i].parse(p, child);
			if (r < 0)
				return r;
			break;
		}
	}
	return r;
}

/* A full box's version, and what follows version and flags. */
static int full_box(struct span *box, size_t min_len, unsigned int *ret_version,
		    uint32_t *ret_flags)
{
	if (box->len < 4 || box->len - 4 < min_len)
		return -EBADMSG;
	*ret_version = box->data[0];
	*ret_flags = get_be32(box->data) & 0xffffff;
	box->data += 4;
	box->len -= 4;
	return 0;
}

/* Locate a counted table; entries that are claimed but not there are not counted. */
static int parse_table(struct span box, size_t entry_bytes, struct mp4_table *ret)
{
	unsigned int version;
	uint32_t flags, n;
	int r = full_box(&box, 4, &version, &flags);

	if (r < 0)
		return r;
	n = get_be32(box.data);
	if (n > (box.len - 4) / entry_bytes)
		n = (uint32_t)((box.len - 4) / entry_bytes);
	*ret = (struct mp4_table){box.data + 4, n};
	return 0;
}

static int parse_stts(struct parser *p, struct span box)
{
	return parse_table(box, 8, &p->track->stts);
}

static int parse_ctts(struct parser *p, struct span box)
{
	return parse_table(box, 8, &p->track->ctts);
}

static int parse_stss(struct parser *p, struct span box)
{
	p->track->has_sync_table = true;
	return parse_table(box, 4, &p->track->stss);
}

static int parse_stsc(struct parser *p, struct span box)
{
	return parse_table(box, 12, &p->track->stsc);
}

static int parse_stco(struct parser *p, struct span box)
{
	p->track->has_large_offsets = false;
	return parse_table(box, 4, &p->track->offsets);
}

static int parse_co64(struct parser *p, struct span box)
{
	p->track->has_large_offsets = true;
	return parse_table(box, 8, &p->track->offsets);
}

static int parse_stsz(struct parser *p, struct span box)
{
	struct mp4_track *t = p->track;
	unsigned int version;
	uint32_t flags;
	int r = full_box(&box, 8, &version, &flags);

	if (r < 0)
		return r;
	t->uniform_size = get_be32(box.data);
	t->n_samples = get_be32(box.data + 4);
	t->size_bits = 32;
	if (t->uniform_size)
		return 0;
	if (t->n_samples > (box.len - 8) / 4)
		t->n_samples = (uint32_t)((box.len - 8) / 4);
	t->sizes = (struct mp4_table){box.data + 8, t->n_samples};
	return 0;
}

static int parse_stz2(struct parser *p, struct span box)
{
	struct mp4_track *t = p->track;
	unsigned int version;
	uint32_t flags;
	uint64_t there;
	int r = full_box(&box, 8, &version, &flags);

	if (r < 0)
		return r;
	t->uniform_size = 0;
	t->size_bits = box.data[3];
	t->n_samples = get_be32(box.data + 4);
	if (t->size_bits != 4 && t->size_bits != 8 && t->size_bits != 16)
		return -EBADMSG;
	there = (uint64_t)(box.len - 8) * 8 / t->size_bits;
	if (t->n_samples > there)
		t->n_samples = (uint32_t)there;
	t->sizes = (struct mp4_table){box.data + 8, t->n_samples};
	return 0;
}

static int parse_stsd(struct parser *p, struct span box)
{
	struct mp4_track *t = p->track;
	unsigned int version;
	uint32_t flags, size;
	int r = full_box(&box, 4, &version, &flags);

	if (r < 0)
		return r;
	t->n_entries = get_be32(box.data);
	box.data += 4;
	box.len -= 4;
	if (!t->n_entries || box.len < 8)
		return 0;
	size = get_be32(box.data);
	if (size < 16 || size > box.len)
		return -EBADMSG;
	t->entry = box.data;
	t->entry_len = size;
	t->codec = get_be32(box.data + 4);
	return 0;
}

static int parse_sgpd(struct parser *p, struct span box)
{
	if (box.len >= 8 && get_be32(box.data + 4) == FOURCC('r', 'o', 'l', 'l'))
		p->track->has_roll = true;
	return 0;
}

static int parse_stbl(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {
		{FOURCC('s', 't', 's', 'd'), parse_stsd}, {FOURCC('s', 't', 't', 's'), parse_stts},
		{FOURCC('c', 't', 't', 's'), parse_ctts}, {FOURCC('s', 't', 's', 's'), parse_stss},
		{FOURCC('s', 't', 's', 'c'), parse_stsc}, {FOURCC('s', 't', 's', 'z'), parse_stsz},
		{FOURCC('s', 't', 'z', '2'), parse_stz2}, {FOURCC('s', 't', 'c', 'o'), parse_stco},
		{FOURCC('c', 'o', '6', '4'), parse_co64}, {FOURCC('s', 'g', 'p', 'd'), parse_sgpd},
	};

	return parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));
}

/* The first reference counts: tracks that use several are not copied anyway (n_entries). */
static int parse_dref(struct parser *p, struct span box)
{
	unsigned int version;
	uint32_t flags, type;
	struct span entry;
	int r = full_box(&box, 4, &version, &flags);

	if (r < 0)
		return r;
	box.data += 4;
	box.len -= 4;
	r = span_next_box(&box, &type, &entry);
	if (r <= 0)
		return r;
	if (full_box(&entry, 0, &version, &flags) == 0)
		p->track->is_external = !(flags & 1);
	return 0;
}

static int parse_dinf(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {{FOURCC('d', 'r', 'e', 'f'), parse_dref}};

	return parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));
}

static int parse_minf(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {
		{FOURCC('d', 'i', 'n', 'f'), parse_dinf},
		{FOURCC('s', 't', 'b', 'l'), parse_stbl},
	};

	return parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));
}

/* ISO packs three letters; QuickTime has numbers of its own below 0x400. */
static void decode_language(unsigned int code, char out[4])
{
	static const char macintosh[][4] = {
		"eng", "fra", "deu", "ita", "nld", "swe", "spa", "dan", "por", "nor", "heb", "jpn",
		"ara", "fin", "ell", "isl", "mlt", "tur", "hrv", "zho", "urd", "hin", "tha", "kor",
	};

	out[0] = '\0';
	if (code < SC_ARRAY_SIZE(macintosh)) {
		memcpy(out, macintosh[code], 4);
		return;
	}
	if (code < 0x400 || code == 0x7fff)
		return;
	for (int i = 0; i < 3; i++)
		out[i] = (char)(0x60 + (code >> (10 - 5 * i) & 31));
	out[3] = '\0';
	for (int i = 0; i < 3; i++)
		if (out[i] < 'a' || out[i] > 'z')
			out[0] = '\0';
}

static int parse_mdhd(struct parser *p, struct span box)
{
	unsigned int version;
	uint32_t flags;
	size_t at;
	int r = full_box(&box, 20, &version, &flags);

	if (r < 0)
		return r;
	at = version == 1 ? 16 : 8;
	if (box.len < at + (version == 1 ? 14 : 10))
		return -EBADMSG;
	p->track->timescale = get_be32(box.data + at);
	decode_language(get_be16(box.data + at + (version == 1 ? 12 : 8)), p->track->language);
	return 0;
}

static int parse_hdlr(struct parser *p, struct span box)
{
	unsigned int version;
	uint32_t flags;
	const char *name;
	size_t len;
	int r = full_box(&box, 8, &version, &flags);

	if (r < 0)
		return r;
	p->track->handler = get_be32(box.data + 4);
	if (box.len <= 20 || p->track->handler_name)
		return 0;
	name = (const char *)box.data + 20;
	len = box.len - 20;
	if (box.data[20] == len - 1) { /* QuickTime: length byte first, no end */
		name++;
		len--;
	}
	len = strnlen(name, len);
	if (!len || len > 255)
		return 0;
	p->track->handler_name = strndup(name, len);
	return p->track->handler_name ? 0 : -ENOMEM;
}

static int parse_mdia(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {
		{FOURCC('m', 'd', 'h', 'd'), parse_mdhd},
		{FOURCC('h', 'd', 'l', 'r'), parse_hdlr},
		{FOURCC('m', 'i', 'n', 'f'), parse_minf},
	};

	return parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));
}

static int parse_elst(struct parser *p, struct span box)
{
	struct mp4_track *t = p->track;
	unsigned int version;
	uint32_t flags, n;
	size_t bytes;
	int r = full_box(&box, 4, &version, &flags);

	if (r < 0)
		return r;
	n = get_be32(box.data);
	bytes = version == 1 ? 20 : 12;
	box.data += 4;
	box.len -= 4;
	if (n > box.len / bytes)
		n = (uint32_t)(box.len / bytes);
	if (n > MP4_MAX_EDITS)
		return error_set(p->e, SC_LIMIT_EXCEEDED, "an edit list has %u entries, over %d", n,
				 MP4_MAX_EDITS);
	if (!n || t->edits)
		return 0;
	t->edits = calloc(n, sizeof(*t->edits));
	if (!t->edits)
		return -ENOMEM;
	for (; t->n_edits < n; t->n_edits++, box.data += bytes) {
		struct mp4_edit *edit = &t->edits[t->n_edits];

		edit->duration = version == 1 ? get_be64(box.data) : get_be32(box.data);
		edit->duration_at = box.data + (version == 1 ? 4 : 0);
		edit->media_time = version == 1 ? (int64_t)get_be64(box.data + 8)
						: (int32_t)get_be32(box.data + 4);
		edit->is_normal_speed = get_be32(box.data + bytes - 4) == 0x10000;
	}
	return 0;
}

static int parse_edts(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {{FOURCC('e', 'l', 's', 't'), parse_elst}};

	return parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));
}

static int parse_tkhd(struct parser *p, struct span box)
{
	struct mp4_track *t = p->track;
	unsigned int version;
	size_t at;
	int r = full_box(&box, 80, &version, &t->flags);

	if (r < 0)
		return r;
	at = version == 1 ? 16 : 8;
	if (box.len < at + (version == 1 ? 76 : 72))
		return -EBADMSG;
	t->id = get_be32(box.data + at);
	at += version == 1 ? 16 : 12; /* number, reserved, duration */
	t->alternate_group = get_be16(box.data + at + 10);
	for (int i = 0; i < 9; i++)
		t->matrix[i] = (int32_t)get_be32(box.data + at + 16 + 4 * (size_t)i);
	t->width = get_be32(box.data + at + 52);
	t->height = get_be32(box.data + at + 56);
	return 0;
}

static int parse_name(struct parser *p, struct span box)
{
	size_t len = strnlen((const char *)box.data, box.len);

	if (!len || len > 255 || p->track->name)
		return 0;
	p->track->name = strndup((const char *)box.data, len);
	return p->track->name ? 0 : -ENOMEM;
}

/* Nothing here is needed: what cannot be read is not there. */
/* What a track is for, in words of MPEG-DASH (ISO/IEC 14496-12, 8.10.4): an address, then the word. */
static int parse_kind(struct parser *p, struct span box)
{
	static const char forced[][sizeof(MP4_KIND_FORCED)] = {MP4_KIND_FORCED,
							       MP4_KIND_SCHEME "\0forced_subtitle"};
	unsigned int version;
	uint32_t flags;

	if (full_box(&box, sizeof(MP4_KIND_FORCED), &version, &flags) < 0)
		return 0;
	for (size_t i = 0; i < SC_ARRAY_SIZE(forced); i++)
		p->track->is_forced |= !memcmp(box.data, forced[i], sizeof(forced[i]));
	return 0;
}

static int parse_udta(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {{FOURCC('n', 'a', 'm', 'e'), parse_name},
						{FOURCC('k', 'i', 'n', 'd'), parse_kind}};
	int r = parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));

	return r == -EBADMSG ? 0 : r;
}

static int parse_trak(struct parser *p, struct span box)
{
	static const struct box_rule rules[] = {
		{FOURCC('t', 'k', 'h', 'd'), parse_tkhd},
		{FOURCC('e', 'd', 't', 's'), parse_edts},
		{FOURCC('m', 'd', 'i', 'a'), parse_mdia},
		{FOURCC('u', 'd', 't', 'a'), parse_udta},
	};
	struct mp4_file *file = p->file;

	if (file->n_tracks >= MP4_MAX_TRACKS)
		return error_set(p->e, SC_LIMIT_EXCEEDED, "the upload has more than %d tracks",
				 MP4_MAX_TRACKS);
	p->track = &file->tracks[file->n_tracks++];
	return parse_boxes(p, box, rules, SC_ARRAY_SIZE(rules));
}

static int parse_mvhd(struct parser *p, struct span box)
{
	unsigned int version;
	uint32_t flags;
	size_t at;
	int r = full_box(&box, 28, &version, &flags);

	if (r < 0)
		return r;
	p->file->creation_time = version == 1 ? (uint32_t)get_be64(box.data) : get_be32(box.data);
	p->file->timescale = get_be32(box.data + (version == 1 ? 16 : 8));
	at = version == 1 ? 44 : 32;
	for (size_t i = 0; i < 9 && box.len >= at + 36; i++)
		p->matrix[i] = (int32_t)get_be32(box.data + at + 4 * i);
	return 0;
}

/* A track is turned by its own matrix, then by the movie's (ISO/IEC 14496-12, 8.2.2 and 8.3.2). The
 * third column of each is 2.30, the others 16.16. */
static void turn_track(struct mp4_track *t, const int32_t movie[9])
{
	int32_t own[9];

	memcpy(own, t->matrix, sizeof(own));
	for (int row = 0; row < 3; row++) {
		for (int column = 0; column < 3; column++) {
			int64_t sum = 0;

			for (int i = 0; i < 3; i++)
				sum += ((int64_t)own[3 * row + i] * movie[3 * i + column]) >>
				       (i == 2 ? 30 : 16);
			t->matrix[3 * row + column] = (int32_t)sum;
		}
	}
}

static int parse_mvex(struct parser *p, struct span box)
{
	p->file->is_fragmented = true;
	return 0;
}

static int parse_cmov(struct parser *p, struct span box)
{
	p->file->is_compressed = true;
	return 0;
}

static int parse_rmra(struct parser *p, struct span box)
{
	p->file->is_reference = true;
	return 0;
}

int mp4_moov_parse(struct mp4_file *file, struct error *e)
{
	static const struct box_rule rules[] = {
		{FOURCC('m', 'v', 'h', 'd'), parse_mvhd},
		{FOURCC('t', 'r', 'a', 'k'), parse_trak},
		{FOURCC('m', 'v', 'e', 'x'), parse_mvex},
		{FOURCC('c', 'm', 'o', 'v'), parse_cmov},
		{FOURCC('r', 'm', 'r', 'a'), parse_rmra},
	};
	struct parser p = {.file = file, .e = e};
	struct span box = {file->moov, file->moov_len};
	static const int32_t none[9] = {0};
	int r = parse_boxes(&p, box, rules, SC_ARRAY_SIZE(rules));

	if (!memcmp(p.matrix, none, sizeof(none)))
		return r;
	for (size_t i = 0; i < file->n_tracks; i++)
		turn_track(&file->tracks[i], p.matrix);
	return r;
}
