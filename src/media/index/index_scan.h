/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reading all packets once leaves for the tracks of an index, and the steps that make them.
 * Private to src/media. One thread.
 */
#pragma once

#include "../mp4/field.h"
#include "packets.h"
#include "text_track.h"

/** A sample that is earlier than any before it can be: perhaps the clock begins again there. */
struct scan_return {
	size_t sample;
	int64_t pos;
	bool is_far;       /* by so much that it cannot be a clock that trembles */
	unsigned int seam; /* of a picture's: which of packet_scan.seams */
};

struct scan_track {
	struct index_sample *samples; /* owned; pts in the stream's own ticks */
	size_t n, cap;
	bool has_dts;    /* every packet so far had one */
	uint32_t set_ids; /* as index_track.set_ids */
	bool lacks_pts;  /* some packet had none: the order of showing is not known */
	bool has_hidden; /* packets that an edit list hides */
	int64_t hidden_min, hidden_max, shown_min, shown_max; /* pts of both kinds */
	int64_t last_ticks;    /* duration of the packet with the largest pts; 0 unknown */
	struct field_form form; /* of H.264 */
	enum field open_field;  /* the last packet began a frame */
	bool has_fields;        /* as index_track.has_fields */
	bool is_jumping;       /* its clock goes back */
	bool is_clocked;       /* its decode times are the container's, not libavformat's guesses */
	int64_t max_dts;       /* so far */
	struct scan_return returns[INDEX_MAX_JOINS];
	size_t n_returns; /* more than INDEX_MAX_JOINS: the later ones are not kept */
	struct index_join joins[INDEX_MAX_JOINS]; /* those of returns that are true ones */
	size_t n_joins;
	int64_t timed_pts, timed_dts; /* of the last packet with a time of its own (or the first) … */
	bool is_timed;     /* a packet had one */
	size_t n_untimed;  /* … and how many without have come since */
	bool is_behind_damage; /* libavformat has skipped something since the last packet */
	struct packet_order *order; /* owned; NULL: the container tells it */
	int64_t step;               /* of packets without any time; > 0 */
	int64_t skipped, padded; /* samples of sound that its coder has put before and behind it */
	int64_t duration;        /* of the last packet so far; 0 unknown */
	uint8_t head[16];        /* of the first packet */
	size_t head_len;         /* that packet's whole size */
};

struct packet_scan {
	struct packet_reader *reader; /* all four borrowed */
	const struct media_listener *listener;
	struct error *e;
	struct media_index *index;
	struct scan_track tracks[INDEX_MAX_TRACKS];
	struct text_track texts[INDEX_MAX_TEXTS]; /* owned; of the reader's */
	/* Samples of each track that have been read before the picture's returns. */
	size_t seams[INDEX_MAX_JOINS][INDEX_MAX_TRACKS];
	bool is_edited; /* an MP4 presented in several parts: they may lie anywhere */
	size_t n_samples;
	int64_t bytes;
};

/**
 * Read all packets: fills tracks, and by the reader's callback texts.
 * Codes: those of packet_reader_next(), LIMIT_EXCEEDED, OUT_OF_MEMORY
 */
int packet_scan_read(struct packet_scan *scan);
/** Times of sound to the sample: in rate's ticks, without the trembling of a coarse clock. */
void index_complete_sound(const AVStream *st, const struct scan_track *from, struct index_track *t);
/** Codec, names, stsd; whether MP4 can hold it (is_copyable, obstacle). @return 0, -ENOMEM */
int index_describe(const AVStream *st, const struct scan_track *from, struct index_track *t);
