/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libav behind four locks: it reads a descriptor that somebody else has opened, recognises true
 * containers only, knows no protocol, and its io_open always denies. Each of these alone has been
 * got around (a playlist in video clothes was copied into an output); together they hold.
 *
 * Entered by the media thread; only av_log_line() by libav's decoder threads as well.
 */
#include "av.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libavutil/avstring.h>
#include <libavutil/avutil.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>

#include "mp4/mend.h"
#include "storyclip/common/file.h"

#define AV_IO_BUFFER 65536

/* Of PTS and DTS in streams of MPEG (ISO/IEC 13818-1, 2.4.3.7). */
#define MPEG_CLOCK_BITS 33

/* True containers and elementary streams. Never a format that names other files (hls, dash, concat,
 * imf, image2, webm_dash_manifest, sdp …) or that makes its own data (lavfi, tty). */
#define AV_CONTAINERS                                                                              \
	"mov,matroska,mpegts,mpeg,avi,flv,asf,mxf,ogg,wav,w64,mp3,aac,flac,ac3,eac3,dts,aiff,caf,"  \
	"amr,mpegvideo,m4v,h264,hevc,av1,obu,ivf,dv,rm,nut,gxf,wtv,mpc,mpc8,ape,wv,tta,"  \
	"tak,yuv4mpegpipe"

/* Messages: a burst, then so many a second. What is left out is counted and told. */
#define AV_LOG_BURST 40
#define AV_LOG_PER_SECOND 1
#define AV_LOG_LINE 480
#define AV_LOG_HELD 16

/* libav's log callback is one per process, so this is one of the few globals ("the log sink"). */
static struct {
	pthread_mutex_t mutex;
	const struct media_listener *listener; /* called only by `thread`, without the mutex held */
	pthread_t thread;
	unsigned int n_inputs; /* open ones; the last to close takes the listener away */
	char part[AV_LOG_LINE];  /* a line whose newline has not come yet */
	int print_prefix;        /* libav's own state between the parts of a line */
	char held[AV_LOG_HELD][AV_LOG_LINE]; /* lines of other threads, for the next call by `thread` */
	size_t n_held;
	double tokens;
	double filled_at;
	unsigned long left_out;
	unsigned long n_complaints; /* of demuxers, ever: errors behind which they went on */
} av_log_sink = {.mutex = PTHREAD_MUTEX_INITIALIZER, .print_prefix = 1};

static double monotonic_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A token bucket; a damaged file can make a message per packet. */
static bool av_log_may_pass_locked(void)
{
	double now = monotonic_seconds();

	av_log_sink.tokens += (now - av_log_sink.filled_at) * AV_LOG_PER_SECOND;
	if (av_log_sink.tokens > AV_LOG_BURST)
		av_log_sink.tokens = AV_LOG_BURST;
	av_log_sink.filled_at = now;
	if (av_log_sink.tokens < 1 || av_log_sink.n_held == AV_LOG_HELD) {
		av_log_sink.left_out++;
		return false;
	}
	av_log_sink.tokens -= 1;
	return true;
}

/* Hand the held lines to the listener; the mutex is not held meanwhile. Only by the thread. */
static void av_log_hand_over(bool is_last)
{
	char lines[AV_LOG_HELD][AV_LOG_LINE];
	const struct media_listener *listener;
	unsigned long left_out = 0;
	size_t n;

	pthread_mutex_lock(&av_log_sink.mutex);
	listener = av_log_sink.listener;
	n = av_log_sink.n_held;
	memcpy(lines, av_log_sink.held, n * sizeof(lines[0]));
	av_log_sink.n_held = 0;
	if (n || is_last) {
		left_out = av_log_sink.left_out;
		av_log_sink.left_out = 0;
	}
	pthread_mutex_unlock(&av_log_sink.mutex);
	if (!listener || !listener->log)
		return;
	if (left_out) { /* before these lines, or at the end */
		char line[64];

		snprintf(line, sizeof(line), "libav: %lu messages left out", left_out);
		listener->log(listener->context, line);
	}
	for (size_t i = 0; i < n; i++)
		listener->log(listener->context, lines[i]);
}

/* libav begins its lines with "[h264 @ 0x619000008c80] "; the address says nothing to a reader. */
static void drop_address(char *line)
{
	char *at = strstr(line, " @ 0x"), *end = at ? strchr(at, ']') : NULL;

	if (end && line[0] == '[')
		memmove(at, end, strlen(end) + 1);
}

static void av_log_hold_locked(char *line)
{
	drop_address(line);
	if (av_log_may_pass_locked())
		snprintf(av_log_sink.held[av_log_sink.n_held++], AV_LOG_LINE, "libav: %.*s",
			 AV_LOG_LINE - 8, line);
}

SC_PRINTF(3, 0)
static void av_log_line(void *avcl, int level, const char *fmt, va_list args)
{
	bool is_mine;
	size_t len;

	if (level > AV_LOG_WARNING)
		return;
	pthread_mutex_lock(&av_log_sink.mutex);
	if (level <= AV_LOG_ERROR && avcl && *(const AVClass *const *)avcl == avformat_get_class())
		av_log_sink.n_complaints++;
	len = strlen(av_log_sink.part);
	av_log_format_line2(avcl, level, fmt, args, av_log_sink.part + len,
			    (int)(sizeof(av_log_sink.part) - len), &av_log_sink.print_prefix);
	len = strlen(av_log_sink.part);
	if (len && (av_log_sink.part[len - 1] == '\n' || len == sizeof(av_log_sink.part) - 1)) {
		for (char *p = av_log_sink.part; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = ' ';
		while (len && av_log_sink.part[len - 1] == ' ')
			av_log_sink.part[--len] = '\0';
		if (len && av_log_sink.listener)
			av_log_hold_locked(av_log_sink.part);
		av_log_sink.part[0] = '\0';
	}
	is_mine = av_log_sink.listener && pthread_equal(av_log_sink.thread, pthread_self());
	pthread_mutex_unlock(&av_log_sink.mutex);
	if (is_mine)
		av_log_hand_over(false);
}

unsigned long av_log_complaints(void)
{
	unsigned long n;

	pthread_mutex_lock(&av_log_sink.mutex);
	n = av_log_sink.n_complaints;
	pthread_mutex_unlock(&av_log_sink.mutex);
	return n;
}

/* From now on libav's messages go to this listener, on this thread. The bucket stays as full as it
 * is: a source that is opened again and again gets no more lines for it. */
static void av_log_begin(const struct media_listener *listener)
{
	pthread_mutex_lock(&av_log_sink.mutex);
	av_log_sink.listener = listener;
	av_log_sink.thread = pthread_self();
	av_log_sink.n_inputs++;
	pthread_mutex_unlock(&av_log_sink.mutex);
	av_log_set_callback(av_log_line);
}

static void av_log_end(void)
{
	bool is_last;

	pthread_mutex_lock(&av_log_sink.mutex);
	is_last = --av_log_sink.n_inputs == 0;
	pthread_mutex_unlock(&av_log_sink.mutex);
	av_log_hand_over(is_last);
	if (!is_last)
		return;
	pthread_mutex_lock(&av_log_sink.mutex);
	av_log_sink.listener = NULL;
	av_log_sink.part[0] = '\0';
	av_log_sink.print_prefix = 1;
	pthread_mutex_unlock(&av_log_sink.mutex);
}

static int input_read(void *opaque, uint8_t *data, int len)
{
	struct av_input *in = opaque;
	ssize_t n;

	if (in->read_error)
		return AVERROR(-in->read_error);
	n = file_pread_full(in->fd, data, (size_t)len, in->offset);
	if (n < 0) {
		in->read_error = (int)n;
		return AVERROR(-(int)n);
	}
	if (n == 0)
		return AVERROR_EOF;
	if (in->mend)
		mp4_mend_apply(in->mend, data, (size_t)n, in->offset);
	in->offset += n;
	if (in->listener && in->listener->worked)
		in->listener->worked(in->listener->context, (uint64_t)n);
	return (int)n;
}

static int64_t input_seek(void *opaque, int64_t offset, int whence)
{
	struct av_input *in = opaque;
	int64_t base = 0, target;

	switch (whence & ~AVSEEK_FORCE) {
	case AVSEEK_SIZE:
		return in->size;
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = in->offset;
		break;
	case SEEK_END:
		base = in->size;
		break;
	default:
		return AVERROR(EINVAL);
	}
	if (__builtin_add_overflow(base, offset, &target) || target < 0)
		return AVERROR(EINVAL);
	if (target > in->size) { /* by this code demuxers know that trying again is of no use */
		in->n_outside++;
		return AVERROR_EOF;
	}
	in->offset = target;
	return target;
}

static int input_deny_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
			   AVDictionary **options)
{
	av_log(format, AV_LOG_WARNING, "refused to open '%s'\n", url);
	return AVERROR(EACCES);
}

/* Demuxers that skip over errors would go on for ever with a disk that no longer reads. */
static int input_is_interrupted(void *opaque)
{
	const struct av_input *in = opaque;

	return in->read_error != 0;
}

static enum sc_code code_of(int averror)
{
	switch (averror) {
	case AVERROR_INVALIDDATA:
	case AVERROR_STREAM_NOT_FOUND:
	case AVERROR_DEMUXER_NOT_FOUND:
		return SC_INVALID_MEDIA;
	case AVERROR_EOF:
	case AVERROR(EIO): /* demuxers' word for an end within a header; true ones are in read_error */
		return SC_UPLOAD_INCOMPLETE;
	case AVERROR_DECODER_NOT_FOUND:
	case AVERROR_ENCODER_NOT_FOUND:
	case AVERROR_PATCHWELCOME:
	case AVERROR(ENOSYS):
		return SC_UNSUPPORTED_CODEC;
	default:
		return SC_INTERNAL;
	}
}

int av_input_error(const struct av_input *input, int averror, struct error *e, const char *fmt, ...)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "", what[ERROR_MESSAGE_SIZE - AV_ERROR_MAX_STRING_SIZE];
	enum sc_code code = code_of(averror);
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (input && input->read_error)
		return error_from_errno(e, input->read_error, "%s: reading the upload", what);
	/* AVERROR(errno) is the negated errno here; libav's own codes are four letters, far below. */
	if (code == SC_INTERNAL && averror < 0 && averror > -4096)
		return error_from_errno(e, averror, "%s", what);
	av_strerror(averror, text, sizeof(text));
	return error_set(e, code, "%s: %s", what, text);
}

/* Whether a QuickTime/MP4 file has an index that lies within it. Only asked when libav has found
 * nothing. */
static bool mov_has_index(const struct av_input *in)
{
	uint8_t box[16];
	int64_t at = 0;

	for (int n = 0; n < 4096 && at <= in->size - 8; n++) {
		uint64_t size;

		if (file_pread_full(in->fd, box, sizeof(box), at) < 8)
			return false;
		size = (uint64_t)box[0] << 24 | (uint64_t)box[1] << 16 | (uint64_t)box[2] << 8 | box[3];
		if (size == 1 && at <= in->size - 16) {
			size = 0;
			for (int i = 8; i < 16; i++)
				size = size << 8 | box[i];
		} else if (size == 0) {
			size = (uint64_t)(in->size - at);
		}
		if (size < 8 || size > (uint64_t)(in->size - at))
			return false;
		if (!memcmp(box + 4, "moov", 4))
			return true;
		at += (int64_t)size;
	}
	return false;
}

/* Before the first byte is read: probing keeps what it has seen. */
static int input_find_mend(struct av_input *in)
{
	struct mp4_input input = mp4_input_from_fd(&in->fd, in->size);
	uint8_t head[16];
	ssize_t n = file_pread_full(in->fd, head, sizeof(head), 0);

	if (n <= 0 || !mp4_is_likely(head, (size_t)n))
		return 0;
	in->mend = calloc(1, sizeof(*in->mend));
	if (!in->mend)
		return -ENOMEM;
	mp4_mend_find(&input, in->mend);
	return 0;
}

static int input_open_format(struct av_input *in, bool is_edited, struct error *e)
{
	const AVInputFormat *kind = NULL;
	AVDictionary *settings = NULL;
	int r;

	r = av_probe_input_buffer2(in->io, &kind, "", NULL, 0, 0);
	if (r < 0 && (in->read_error || r == AVERROR(ENOMEM)))
		return av_input_error(in, r, e, "recognising the upload");
	if (r < 0 || !kind)
		return error_set(e, SC_INVALID_MEDIA, "the upload is not recognised as a video");
	if (av_match_list(kind->name, AV_CONTAINERS, ',') <= 0)
		return error_set(e, SC_INVALID_MEDIA, "the upload is no video but '%s' (%s)", kind->name,
				 kind->long_name ? kind->long_name : "no description");

	in->format = avformat_alloc_context();
	if (!in->format)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	in->format->pb = in->io;
	in->format->flags |= AVFMT_FLAG_CUSTOM_IO;
	in->format->io_open = input_deny_open;
	in->format->interrupt_callback.callback = input_is_interrupted;
	in->format->interrupt_callback.opaque = in;
	in->format->format_whitelist = av_strdup(AV_CONTAINERS);
	in->format->protocol_whitelist = av_strdup("none");
	if (!in->format->format_whitelist || !in->format->protocol_whitelist)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	if (!is_edited && av_dict_set(&settings, "ignore_editlist", "1", 0) < 0)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	r = avformat_open_input(&in->format, "", kind, &settings); /* frees the context when it fails */
	av_dict_free(&settings);
	if ((r < 0 ? r != AVERROR(ENOMEM) : in->format->nb_streams == 0) && !in->read_error &&
	    av_match_name("mov", kind->name) && !mov_has_index(in))
		return error_set(e, SC_UPLOAD_INCOMPLETE,
				 "the upload ends before its index: 'moov' is missing or cut off");
	if (r == AVERROR_INVALIDDATA && in->offset >= in->size && !in->read_error)
		return error_set(e, SC_UPLOAD_INCOMPLETE,
				 "the upload ends within its header (%s)", kind->name);
	if (r < 0)
		return av_input_error(in, r, e, "opening the upload as '%s'", kind->name);
	return 0;
}

static int input_open(int fd, bool is_edited, const struct media_listener *listener, struct error *e,
		      struct av_input **ret)
{
	auto_of(av_input) struct av_input *in = calloc(1, sizeof(*in));
	uint8_t *buffer;
	struct stat st;
	int r;

	if (!in)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	in->fd = fd;
	in->clock_begin = AV_NOPTS_VALUE;
	in->listener = listener;
	av_log_begin(listener); /* ended by av_input_close() */
	if (fstat(fd, &st) < 0)
		return error_from_errno(e, -errno, "opening the upload");
	in->size = st.st_size;
	if (in->size == 0)
		return error_set(e, SC_UPLOAD_INCOMPLETE, "the upload is empty");

	buffer = av_malloc(AV_IO_BUFFER);
	if (!buffer)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	in->io = avio_alloc_context(buffer, AV_IO_BUFFER, 0, in, input_read, NULL, input_seek);
	if (!in->io) {
		av_free(buffer);
		return error_from_errno(e, -ENOMEM, "opening the upload");
	}
	if (input_find_mend(in) < 0)
		return error_from_errno(e, -ENOMEM, "opening the upload");
	r = input_open_format(in, is_edited, e);
	if (r < 0)
		return r;
	*ret = take_ptr(in);
	return 0;
}

int av_input_open(int fd, const struct media_listener *listener, struct error *e,
		  struct av_input **ret)
{
	return input_open(fd, true, listener, e, ret);
}

int av_input_open_unedited(int fd, const struct media_listener *listener, struct error *e,
			   struct av_input **ret)
{
	return input_open(fd, false, listener, e, ret);
}

bool av_input_has_mpeg_clock(const struct av_input *input)
{
	return av_match_list(input->format->iformat->name, "mpegts,mpeg", ',') > 0;
}

/* What a clock of so many bits says, as near to another time as it can be. */
static int64_t nearest_time(int64_t time, int64_t near)
{
	const int64_t all = INT64_C(1) << MPEG_CLOCK_BITS;
	int64_t behind = (time - near) % all;

	if (behind >= all / 2)
		behind -= all;
	if (behind < -all / 2)
		behind += all;
	return near + behind;
}

/*
 * libavformat does this by the first packet of a program alone: a stream that begins before it and
 * before the clock's 0 is a day late then, and so is what comes behind a clock set back by more than
 * a minute.
 */
static int straighten_clock(struct av_input *in, AVPacket *packet)
{
	unsigned int number = (unsigned int)packet->stream_index;
	int64_t time = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;

	if (time == AV_NOPTS_VALUE || !av_input_has_mpeg_clock(in) ||
	    in->format->streams[number]->pts_wrap_bits != MPEG_CLOCK_BITS)
		return 0;
	if (number >= in->n_clocks) {
		int64_t *more = reallocarray(in->clocks, number + 1, sizeof(*more));

		if (!more)
			return AVERROR(ENOMEM);
		in->clocks = more;
		while (in->n_clocks <= number)
			in->clocks[in->n_clocks++] = AV_NOPTS_VALUE;
	}
	if (in->clock_begin == AV_NOPTS_VALUE)
		in->clock_begin = time;
	time = nearest_time(time, in->clocks[number] != AV_NOPTS_VALUE ? in->clocks[number]
								       : in->clock_begin);
	in->clocks[number] = time;
	if (packet->pts != AV_NOPTS_VALUE)
		packet->pts = nearest_time(packet->pts, time);
	if (packet->dts != AV_NOPTS_VALUE)
		packet->dts = time;
	return 0;
}

int av_input_next(struct av_input *input, AVPacket *packet)
{
	uint64_t n_outside;
	int r;

	for (int i = 0; i < AV_DAMAGE_MAX; i++) {
		n_outside = input->n_outside;
		av_packet_unref(packet);
		r = av_read_frame(input->format, packet);
		if (input->read_error ||
		    (r != AVERROR_INVALIDDATA && (r != AVERROR_EOF || n_outside == input->n_outside)))
			break;
	}
	return r < 0 ? r : straighten_clock(input, packet);
}

void av_input_close(struct av_input *input)
{
	if (!input)
		return;
	avformat_close_input(&input->format);
	if (input->io) {
		av_freep(&input->io->buffer); /* libav may have put another buffer there */
		avio_context_free(&input->io);
	}
	av_log_end();
	free(input->clocks);
	free(input->mend);
	free(input);
}
