/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a source holds, sample by sample, whichever reader found it: sample tables of an MP4 (the
 * samples' bytes are then known by their place in the file) or one scan through libavformat.
 *
 * All times are on the presented timeline: edit lists are already applied, 0 is where a player
 * starts. Private to src/media. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storyclip/common/buf.h"
#include "storyclip/error.h"
#include "storyclip/media.h"

/* More than a day of picture and sound; the index then takes 400 MB. */
#define INDEX_MAX_SAMPLES 10000000
#define INDEX_MAX_TRACKS  64
#define INDEX_MAX_TEXTS   16

/* So many samples are decoded, rather than to begin where it is not sure that one can. */
#define INDEX_CLEAN_SAMPLES 600
/* Else so many keyframes further back: what is not there for the first is for the later ones. */
#define INDEX_UNSURE_BACK 3

/* Why a copyable codec is not copyable: frames of MPEG-4 packed two into one sample. */
#define OBSTACLE_PACKED "with two frames packed into one"

struct index_sample {
	int64_t dts;
	int64_t pts;
	int64_t offset; /* in the file; with is_packets: position among all kept packets' bytes */
	uint32_t size;
	bool is_sync : 1; /* single bits: there are millions */
	bool is_hidden : 1;  /* an edit list keeps it from being presented, whatever its pts */
	bool is_recovery : 1; /* a recovery point: the coder says that decoding can begin here */
	bool is_gradual : 1; /* such a one, but right only after some frames */
	bool is_idr : 1;     /* nothing behind it refers to anything before it */
	bool is_second : 1;  /* a field (mp4/field.h): its frame is shown with the sample before */
	bool is_damaged : 1; /* seen so far, without decoding (damage.h) */
};

/** From a place in the file on a stream's clock has begun again: see index_join.h. */
struct index_join {
	int64_t pos;      /* of the first packet behind it, as libavformat says */
	int64_t shift_us; /* its packets are shown so much later than they say */
};
#define INDEX_MAX_JOINS 64

struct index_track {
	bool is_video;        /* else sound */
	bool is_copyable;     /* MP4 can hold it: stsd and samples are there */
	bool is_derived;  /* pts come from the order of the frames: the container has none */
	bool is_unpacked; /* its frames were packed two into one: the packets are not the file's own */
	bool has_fields;  /* some frames are two samples */
	bool has_cra; /* of HEVC: behind other pictures than its own such a keyframe is not decoded anew */
	bool has_open_groups; /* pictures decoded after some keyframe are shown before it */
	unsigned int preroll; /* sound: packets to decode before one is right */
	const char *obstacle; /* why a copyable codec is not copyable here; static, may be NULL */
	uint32_t set_ids; /* H.264: ids of parameter sets that stand before keyframes, as bits */
	unsigned int nal_length_bytes; /* of H.264 and HEVC, before each unit; else 0 */
	char codec[24];      /* "h264", "aac", "hevc" … as libavcodec names them, or the fourcc */
	unsigned int number; /* in the file: MP4's track or libavformat's stream index, from 0 */
	uint32_t timescale;
	struct index_sample *samples; /* owned; decode order; may be empty when not copyable */
	size_t n_samples;
	uint32_t *sync; /* owned; places in samples of those that decoding can begin at, rising */
	size_t n_sync;
	int64_t *shown; /* owned; picture only: pts of the presented samples, rising */
	size_t n_shown;
	int64_t max_lag;     /* no sample's pts lies further before its dts; >= 0 */
	int64_t max_lead;    /* nor further behind it; >= 0 */
	int64_t shown_start; /* the first presented pts (sound: to the sample) */
	int64_t shown_end;   /* end of presentation: the largest pts plus its duration */
	int64_t end_dts;     /* dts of the last sample plus its duration */
	int64_t snapped;     /* so much earlier libavformat shows all: it moves the first frame of an
			      * edit that begins between two frames to the edit's start; of a part,
			      * where libavformat shall know of no edits: any number */
	/* Of an edit list that presents several parts (index_parts.h), in the order of showing; else
	 * none. samples are then those of all parts, one part behind the other, each with what it
	 * hides: only sync and shown rise. A part owns its sync and shown alone. */
	struct index_track *parts;
	size_t n_parts;
	struct index_join joins[INDEX_MAX_JOINS]; /* pos rising; samples have it in their times */
	size_t n_joins;
	int64_t first_us; /* with joins: the first packet's time on its stream's clock */
	bool is_part;
	int64_t hidden_from; /* of a part: no sample is presented from here on */
	uint8_t *stsd;       /* owned; as mp4_out_track.stsd */
	size_t stsd_len;
	uint32_t frame_ticks; /* usual duration of a sample, > 0 */
	bool is_disabled; /* a player begins with another track of its kind */
	uint16_t alternate_group;
	int32_t matrix[9];
	uint32_t width, height; /* 16.16, presented size before rotation */
	char language[4];
	char *handler_name; /* owned; may be NULL */
	char *name;         /* owned; may be NULL: what people call it */
};

struct text_track;

/** How a stream's packets come into MP4's form. */
enum packet_form {
	PACKET_AS_IS,
	PACKET_ANNEXB, /* lengths for start codes */
	PACKET_ADTS,   /* without the header in each packet */
};

/** The streams whose packets a scan has counted: all of them, not only those that became tracks. */
struct packet_layout {
	size_t n_streams; /* 0: the next scan finds out by itself */
	struct {
		unsigned int number; /* libavformat's */
		int codec_id;        /* libavcodec's */
		enum packet_form form;
	} streams[INDEX_MAX_TRACKS];
};

struct media_index {
	struct index_track *tracks; /* owned; the kept ones: at most one video, it comes first */
	size_t n_tracks;
	struct text_track *texts; /* owned; subtitles that are text, beside a picture */
	size_t n_texts;           /* with n_tracks at most INDEX_MAX_TRACKS */
	bool has_edited_texts; /* an edit list shows subtitles in several parts: not among texts */
	bool is_packets; /* found by libavformat: bytes are fetched as packets, not by place */
	struct packet_layout layout; /* with is_packets */
	uint32_t creation_time; /* seconds since 1904, 0 unknown */
	char *dropped;          /* owned; JSON array of strings: streams that are left out */
	/* libavformat's time minus this (zero / zero_timescale seconds) is the presented time. */
	int64_t zero;
	uint32_t zero_timescale;
	int64_t clock_begin; /* as av_input's, with is_packets: all who read it count alike */
};

/** The picture's track, or NULL. */
const struct index_track *index_video(const struct media_index *index);
/** The track that ranges are measured by: the picture, else the first sound. Never NULL. */
const struct index_track *index_main(const struct media_index *index);
/** The last keyframe shown at or before a time, an index into sync; the first one when there is none.
 *  @param pts  in the track's ticks; the track has a keyframe */
size_t index_sync_at_or_before(const struct index_track *t, int64_t pts);
/**
 * Whether a decoder that begins at this sample of the picture shows what one shows that has come
 * from the source's beginning, for certain: nothing behind it refers to anything before it. What
 * other codecs call a keyframe is that (but for leading pictures, which are left out); H.264 has
 * pictures that only look like it.
 */
bool index_is_clean(const struct index_track *t, size_t sample);
/**
 * Whether it is no more than an I picture of H.264: its coder does not say that decoding can begin
 * there, and libavformat does not take it for a keyframe, whatever the container says.
 */
bool index_is_bare(const struct index_track *t, size_t sample);
/**
 * From a keyframe back to the one from which on nothing is left out that is shown from pts on: where
 * two recordings were joined so that their times overlap, and in other odd streams, frames lie before
 * a keyframe and are shown behind it. @param sync  as the result, a place in sync
 */
size_t index_sync_before_all(const struct index_track *t, size_t sync, int64_t pts);
/**
 * Where decoding begins so that the frames from pts on are right, as a place in sync: where that is
 * sure, if it is not far; else, as keyframes that are none for certain may do no harm, some back. Never
 * behind a frame that is shown from pts on, as there may be where two recordings overlap.
 */
size_t index_decoding_from(const struct index_track *t, int64_t pts);
/** The first frame presented at or behind pts, ticks of the track, as a place in shown[]; n_shown: none. */
size_t index_shown_at(const struct index_track *track, int64_t pts);
/** The first frame presented at or after time_us, as a place in shown[]; n_shown: none. */
size_t index_shown_from(const struct index_track *track, int64_t time_us);
/**
 * Ticks to microseconds, rounded to the nearest, halves up. This is a frame's time wherever one is
 * compared with a range: a time that was printed in microseconds and comes back names its frame.
 */
int64_t index_ticks_to_us(int64_t ticks, uint32_t timescale);

/** The first tick whose time is us or later: what belongs to a range from us on begins there. */
int64_t index_us_to_ticks_up(int64_t us, uint32_t timescale);
/** ticks of one timescale in another, rounded to the nearest. */
int64_t index_rescale(int64_t ticks, uint32_t to, uint32_t from);

/**
 * Second half of making a track, for both readers: its samples are there, with the part of them
 * that an edit list presents. Puts dts in order, leaves out what no decoder can begin with, fills
 * sync, shown, shown_start, shown_end, max_lag and frame_ticks.
 *
 * @param last_ticks  duration of the sample that is presented last
 * @param edit_end    INT64_MAX: to the end
 * @return 0, -ENOMEM, -ENODATA (nothing is presented)
 */
int index_track_complete(struct index_track *track, int64_t last_ticks, int64_t edit_start,
			 int64_t edit_end, const struct media_listener *listener);
/** Add a track's name to the JSON array that is being made: `"stream 2: subtitle (tx3g)"`. */
void index_add_dropped(struct buf *json, unsigned int number, const char *kind, const char *codec);

/** Where several sounds are there, some one is played: the first, if the source says of none. */
void index_enable_sound(struct media_index *index);
/** When the last subtitle ends, in microseconds; 0 without any. */
int64_t index_texts_end(const struct media_index *index);
/** The flags of tkhd for a track. */
uint32_t index_track_flags(const struct index_track *track);

void index_track_finish(struct index_track *track);
void index_free(struct media_index *index);
SC_DEFINE_AUTO(media_index, index_free)

struct nal_picture;
/** Set is_sync and is_gradual of a sample that its container calls a keyframe. */
void index_note_picture(struct index_sample *s, const struct nal_picture *picture);

struct mp4_file;
struct mp4_input;
struct mp4_track;
/**
 * The subtitles of a track, if it is such: read, completed and added to the index.
 * @param delay_us    presented time of media_time, which is in the track's ticks
 * @return 1 added, 0 not of this kind, too large or damaged, or a negative errno
 */
int index_add_mp4_text(struct media_index *index, const struct mp4_track *t, unsigned int number,
		       const struct mp4_input *input, int64_t delay_us, int64_t media_time,
		       struct error *e);
/** Whether sample tables tell all: not fragmented, nothing played at another speed. */
bool index_mp4_is_simple(const struct mp4_file *file);
/** Whether an edit list presents several parts of a track. */
bool index_has_parts(const struct media_index *index);
/** From sample tables. Samples whose bytes lie outside the file are left out, with a warning;
 *  the keyframes' first bytes are looked at.
 *  Codes: UPLOAD_INCOMPLETE, INVALID_MEDIA, LIMIT_EXCEEDED, IO_ERROR, OUT_OF_MEMORY */
int index_from_mp4(const struct mp4_file *file, const struct mp4_input *input,
		   const struct media_listener *listener, struct error *e,
		   struct media_index **ret);
/**
 * From one linear scan of packets. The same codes.
 * @param is_length_checked  an end long before the one that the header claims is an upload cut
 * short
 */
int index_from_packets(int fd, bool is_length_checked, const struct media_listener *listener,
		       struct error *e, struct media_index **ret);
