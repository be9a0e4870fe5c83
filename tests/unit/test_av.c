/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The border to libav: what is not recognised, what it may not reach, and how loud it may be. */
#include "../../src/media/av.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libavutil/log.h>

#include "check.h"
#include "storyclip/common/file.h"

struct heard {
	pthread_t thread;
	unsigned int n_lines;
	unsigned int n_foreign; /* on another thread than it must be */
	uint64_t work;
	char last[512];
};

static void on_log(void *context, const char *line)
{
	struct heard *heard = context;

	heard->n_lines++;
	heard->n_foreign += !pthread_equal(heard->thread, pthread_self());
	snprintf(heard->last, sizeof(heard->last), "%s", line);
}

static void on_worked(void *context, uint64_t units)
{
	((struct heard *)context)->work += units;
}

static struct media_listener listen_to(struct heard *heard)
{
	*heard = (struct heard){.thread = pthread_self()};
	return (struct media_listener){.context = heard, .worked = on_worked, .log = on_log};
}

static int file_of(const char *data, size_t len)
{
	int fd = memfd_create("upload", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && file_write_all(fd, data, len) == 0);
	return fd;
}

#define BYTES(s) (s), sizeof(s) - 1

static void test_refused(void)
{
	static const struct {
		const char *data;
		size_t len;
		enum sc_code code;
		const char *says;
	} rows[] = {
		{BYTES(""), SC_UPLOAD_INCOMPLETE, "empty"},
		/* FFmpeg 5.1 knows a playlist by its text, 7.1 only when its name says so too */
		{BYTES("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n"
		       "#EXT-X-ENDLIST\n"),
		 SC_INVALID_MEDIA, ""},
		{BYTES("ffconcat version 1.0\nfile /etc/passwd\n"), SC_INVALID_MEDIA, "concat"},
		{BYTES("just some text that is not a video at all\n"), SC_INVALID_MEDIA, ""},
		{BYTES("\0\0\0\x14" "ftypisom\0\0\2\0mp41\0\0\0\x10mdat12345678"),
		 SC_UPLOAD_INCOMPLETE, "moov"},
		{BYTES("\0\0\0\x14" "ftypisom\0\0\2\0mp41\0\0\1\0moov12345678"),
		 SC_UPLOAD_INCOMPLETE, "moov"},
		{BYTES("\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska\x42\x87\x81\1\x42\x85\x81\1"),
		 SC_UPLOAD_INCOMPLETE, "matroska"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_fd int fd = file_of(rows[i].data, rows[i].len);
		struct av_input *input = NULL;
		struct media_listener listener;
		struct heard heard;
		struct error e = {0};

		listener = listen_to(&heard);
		CHECK(av_input_open(fd, &listener, &e, &input) < 0);
		CHECK_STR(sc_code_name(e.code), sc_code_name(rows[i].code));
		CHECK_CONTAINS(e.message, rows[i].says);
		CHECK(input == NULL);
	}
}

/* A tenth of a second of silence: a container that libav knows from a few bytes. */
static int file_of_wav(void)
{
	static const char header[44] = "RIFF\x64\x06\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e"
				       "\0\0\2\0\x10\0data\x40\x06\0";
	char data[sizeof(header) + 1600] = {0};

	memcpy(data, header, sizeof(header));
	return file_of(data, sizeof(data));
}

static void test_opened(void)
{
	auto_fd int fd = file_of_wav();
	struct av_input *input = NULL;
	AVIOContext *other = NULL;
	struct media_listener listener;
	struct heard heard;
	struct error e = {0};

	listener = listen_to(&heard);
	REQUIRE(lseek(fd, 7, SEEK_SET) == 7);
	REQUIRE(av_input_open(fd, &listener, &e, &input) == 0);
	CHECK_INT(input->format->nb_streams, 1);
	CHECK_INT(lseek(fd, 0, SEEK_CUR), 7); /* the descriptor's own place is left alone */
	CHECK_INT(heard.work, 1644);
	CHECK_INT(avio_size(input->io), 1644);
	/* What a demuxer would do that follows a name in the file. */
	CHECK_INT(input->format->io_open(input->format, &other, "/etc/passwd", AVIO_FLAG_READ, NULL),
		  AVERROR(EACCES));
	CHECK(other == NULL);
	CHECK_CONTAINS(heard.last, "refused to open '/etc/passwd'");
	av_input_close(input);
}

static void test_unreadable(void)
{
	auto_fd int fd = -1, wav_fd = file_of_wav();
	struct av_input *input = NULL;
	struct error e = {0};
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", wav_fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_INT(av_input_open(fd, NULL, &e, &input), -EBADF);
	CHECK_STR(sc_code_name(e.code), "IO_ERROR");
	CHECK_CONTAINS(e.message, "reading the upload");
}

static void *log_much(void *unused)
{
	for (int i = 0; i < 50; i++)
		av_log(NULL, AV_LOG_ERROR, "from a decoder's thread %d\n", i);
	return NULL;
}

static void test_messages(void)
{
	auto_fd int fd = file_of_wav();
	struct av_input *first = NULL, *second = NULL;
	struct media_listener listener;
	struct heard heard;
	struct error e = {0};
	unsigned int n_before;
	pthread_t thread;

	listener = listen_to(&heard);
	REQUIRE(av_input_open(fd, &listener, &e, &first) == 0);
	REQUIRE(av_input_open(fd, &listener, &e, &second) == 0);
	av_log(NULL, AV_LOG_INFO, "not worth a line\n");
	CHECK_INT(heard.n_lines, 0);
	av_log(NULL, AV_LOG_ERROR, "one line in ");
	CHECK_INT(heard.n_lines, 0);
	av_log(NULL, AV_LOG_ERROR, "two\tparts\n");
	CHECK_INT(heard.n_lines, 1);
	CHECK_STR(heard.last, "libav: one line in two parts");

	/* Lines of other threads wait for ours, and there is room for few. */
	REQUIRE(pthread_create(&thread, NULL, log_much, NULL) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	CHECK_INT(heard.n_lines, 1);
	av_input_close(second);
	CHECK(heard.n_lines > 1 && heard.n_lines < 20);
	CHECK_INT(heard.n_foreign, 0);

	/* The other input still has its listener. */
	n_before = heard.n_lines;
	for (int i = 0; i < 10000; i++)
		av_log(NULL, AV_LOG_ERROR, "a message of a damaged packet\n");
	CHECK(heard.n_lines > n_before);
	CHECK(heard.n_lines < 60);
	av_input_close(first);
	CHECK_CONTAINS(heard.last, "messages left out");
	n_before = heard.n_lines;
	av_log(NULL, AV_LOG_ERROR, "nobody listens any more\n");
	CHECK_INT(heard.n_lines, n_before);
}

int main(void)
{
	test_refused();
	test_opened();
	test_unreadable();
	test_messages(); /* last: it uses up what may be said at once */
	return check_result();
}
