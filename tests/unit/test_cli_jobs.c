/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the mount's texts tell: statuses, lists, replies, health. */
#include "../../src/cli/control.h"
#include "../../src/cli/health.h"
#include "../../src/cli/jobs.h"
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char done[] =
	"{\"id\":\"job_1_a\",\"status\":\"done\",\"progress\":100,\"message\":\"Job completed - "
	"100%\","
	"\"uploadId\":\"v.mp4\",\"attempt\":1,\"createdAt\":\"2026-11-24T00:01:02.345Z\","
	"\"startedAt\":\"2026-11-24T00:01:03.000Z\",\"finishedAt\":\"2026-11-24T00:01:04.000Z\","
	"\"processingMs\":412,\"totalClips\":2,\"clipsReady\":2,\"result\":{\"artifacts\":["
	"{\"filename\":\"clip_001.mp4\"},{\"filename\":\"clip_002.mp4\",\"deleted\":true},"
	"{\"filename\":\"../../etc/passwd\"},{\"filename\":\"clip_003.m4a\"},{}]},"
	"\"warnings\":[\"w\"],\"error\":null}\n";

static void test_status(void)
{
	auto_status struct job_status s = {0};
	char clips[JOB_CLIPS_SIZE];

	REQUIRE(job_status_parse(done, &s) == 0);
	CHECK_STR(s.id, "job_1_a");
	CHECK_INT(s.state, JOB_DONE);
	CHECK_INT(s.progress, 100);
	CHECK_STR(s.upload_id, "v.mp4");
	CHECK_STR(s.error_code, "");
	CHECK_INT(s.created_ms, 1795478462345);
	CHECK_INT(s.finished_ms, 1795478464000);
	CHECK_INT(s.processing_ms, 412);
	CHECK_INT(s.n_warnings, 1);
	job_format_clips(&s, clips);
	CHECK_STR(clips, "2");
}

static void test_status_early_and_failed(void)
{
	auto_status struct job_status queued = {0}, failed = {0};
	char clips[JOB_CLIPS_SIZE];

	REQUIRE(job_status_parse("{\"id\":\"x\",\"status\":\"queued\",\"progress\":0,"
				 "\"totalClips\":null,\"startedAt\":null,\"processingMs\":null,"
				 "\"result\":null,\"error\":null}",
				 &queued) == 0);
	CHECK_INT(queued.total_clips, -1);
	CHECK_INT(queued.started_ms, 0);
	CHECK_INT(queued.processing_ms, -1);
	CHECK_STR(queued.upload_id, "");
	job_format_clips(&queued, clips);
	CHECK_STR(clips, "-");
	REQUIRE(job_status_parse("{\"id\":\"x\",\"status\":\"failed\",\"totalClips\":9,"
				 "\"clipsReady\":3,\"error\":{\"code\":\"STALLED\",\"message\":"
				 "\"Stalled at 95%\"}}",
				 &failed) == 0);
	CHECK_STR(failed.error_code, "STALLED");
	CHECK_STR(failed.error_message, "Stalled at 95%");
	job_format_clips(&failed, clips);
	CHECK_STR(clips, "3/9");
}

static void test_no_status(void)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"42\n",
		"{\"id\":\"x\"}",
		"{\"status\":\"done\"}",
		"{\"id\":\"../x\",\"status\":\"done\"}",
		"{\"id\":\"x\",\"status\":\"lost\"}",
		"{\"id\":1,\"status\":\"done\"}",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct job_status s = {.progress = 7};

		CHECK_INT(job_status_parse(wrong[i], &s), -EBADMSG);
		CHECK_INT(s.progress, 7);
	}
}

static void test_clip_names(void)
{
	struct clip_names clips = {0};

	REQUIRE(clip_names_parse(done, &clips) == 0);
	REQUIRE(clips.n == 2); /* neither the deleted one nor the way out */
	CHECK_STR(clips.names[0], "clip_001.mp4");
	CHECK_STR(clips.names[1], "clip_003.m4a");
	free(clips.names);
	REQUIRE(clip_names_parse("{\"result\":null}", &clips) == 0);
	CHECK_INT(clips.n, 0);
	free(clips.names);
}

static void test_reply(void)
{
	auto_reply struct reply yes = {0}, no = {0};
	struct reply none;

	REQUIRE(reply_parse("{\"success\":true,\"jobId\":\"job_1\",\"status\":\"queued\","
			    "\"message\":\"Story processing started\"}\n",
			    &yes) == 0);
	CHECK(yes.is_success);
	CHECK_STR(yes.id, "job_1");
	CHECK_STR(yes.status, "queued");
	REQUIRE(reply_parse("{\"success\":false,\"error\":\"gone\",\"code\":\"UPLOAD_NOT_FOUND\"}",
			    &no) == 0);
	CHECK(!no.is_success);
	CHECK_STR(no.id, "");
	CHECK_STR(no.code, "UPLOAD_NOT_FOUND");
	CHECK_STR(no.error, "gone");
	CHECK_INT(reply_parse("", &none), -EBADMSG);
	CHECK_INT(reply_parse("{\"success\":1}", &none), -EBADMSG);
	CHECK_INT(reply_parse("null", &none), -EBADMSG);
}

static void test_health(void)
{
	auto_health struct health h = {0};
	auto_buf struct buf out = BUF_EMPTY;
	struct health none;

	REQUIRE(health_parse("{\"status\":\"degraded\",\"reasons\":[\"a\",\"b\\u001b\"],"
			     "\"workers\":{\"busy\":1,\"of\":2},\"queue\":3,"
			     "\"volumes\":[{\"free\":5368709120},{\"free\":1048576}]}",
			     &h) == 0);
	health_add(&out, &h);
	CHECK_STR(out.data, "degraded (a; b?), workers 1 of 2 busy, 3 queued, 1.0M free");
	CHECK_INT(health_parse("[]", &none), -EBADMSG);
	health_finish(&h);
	buf_reset(&out);
	REQUIRE(health_parse("{}", &h) == 0);
	health_add(&out, &h);
	CHECK_STR(out.data, "?");
}

static void put_status(int dir_fd, const char *id, const char *state, const char *created,
		       int progress)
{
	char path[128], text[512];
	int fd, n;

	snprintf(path, sizeof(path), "jobs/%s", id);
	REQUIRE(mkdirat(dir_fd, path, 0755) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "jobs/%s/status", id);
	n = snprintf(text, sizeof(text),
		     "{\"id\":\"%s\",\"status\":\"%s\",\"progress\":%d,\"createdAt\":\"%s\","
		     "\"finishedAt\":\"%s\"}\n",
		     id, state, progress, created, created);
	fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	REQUIRE(fd >= 0 && write(fd, text, (size_t)n) == n && close(fd) == 0);
}

static void check_order(const struct job_list *list,
			int (*compare)(const struct job_status *a, const struct job_status *b),
			const char *want)
{
	auto_free const struct job_status **sorted = job_list_sorted(list, compare);
	char got[128] = "";

	REQUIRE(sorted);
	for (size_t i = 0; i < list->n; i++)
		strncat(strcat(got, sorted[i]->id), " ", 2);
	CHECK_STR(got, want);
}

static void test_list(void)
{
	char dir[] = "/tmp/storyclip-test-XXXXXX", command[64];
	auto_job_list struct job_list list = {0};
	int fd;

	REQUIRE(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	REQUIRE(fd >= 0 && mkdirat(fd, "jobs", 0755) == 0);
	put_status(fd, "a", "done", "2026-11-24T00:00:01.000Z", 100);
	put_status(fd, "b", "running", "2026-11-24T00:00:02.000Z", 40);
	put_status(fd, "c", "queued", "2026-11-24T00:00:03.000Z", 0);
	put_status(fd, "d", "failed", "2026-11-24T00:00:04.000Z", 50);
	put_status(fd, "e", "queued", "2026-11-24T00:00:00.000Z", 0);
	REQUIRE(mkdirat(fd, "jobs/empty", 0755) == 0); /* no status to read: no row */
	REQUIRE(job_list_refresh(&list, fd) == 0);
	CHECK_INT(list.n, 5);
	check_order(&list, job_compare_newest, "d c b a e ");
	check_order(&list, job_compare_active, "b e c d a ");
	/* what has changed is read again, what went is gone, what stays is kept */
	put_status(fd, "b", "done", "2026-11-24T00:00:05.000Z", 100);
	REQUIRE(unlinkat(fd, "jobs/d/status", 0) == 0);
	REQUIRE(job_list_refresh(&list, fd) == 0);
	check_order(&list, job_compare_newest, "b c a e ");
	REQUIRE(job_list_refresh(&list, fd) == 0);
	check_order(&list, job_compare_active, "e c b a ");
	CHECK_INT(list.rows[0].status.progress, 100);
	close(fd);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK_INT(system(command), 0);
}

int main(void)
{
	test_status();
	test_status_early_and_failed();
	test_no_status();
	test_clip_names();
	test_reply();
	test_health();
	test_list();
	return check_result();
}
