/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live job in memory: legal moves, what reports do to it, what of that is shown, the table. */
#include "../../src/engine/job.h"

#include "check.h"

static struct job *make(const char *id, dev_t dev, ino_t ino)
{
	struct job_snapshot shown = {.state = JOB_RUNNING, .attempt = 1, .progress = 10, .version = 1,
				     .source_dev = dev, .source_ino = ino};
	struct job *job;

	snprintf(shown.id, sizeof(shown.id), "%s", id);
	snprintf(shown.message, sizeof(shown.message), "%s", JOB_MESSAGE_PREPARED);
	job = job_create(&shown);
	REQUIRE(job);
	return job;
}

static void test_moves(void)
{
	static const char want[JOB_STATE_COUNT][JOB_STATE_COUNT + 1] = {
		/* to: queued running done failed cancelled */
		[JOB_QUEUED] = "01011",
		[JOB_RUNNING] = "10111",
		[JOB_DONE] = "00000",
		[JOB_FAILED] = "00000",
		[JOB_CANCELLED] = "00000",
	};

	for (unsigned int from = 0; from < JOB_STATE_COUNT; from++)
		for (unsigned int to = 0; to < JOB_STATE_COUNT; to++)
			CHECK_INT(job_may_move((enum job_state)from, (enum job_state)to),
				  want[from][to] == '1');
}

static int report(struct job *job, enum report_kind kind, int progress, uint64_t work,
		  const char *message, int64_t now)
{
	struct report r = {.kind = kind, .progress = progress, .work = work, .total_clips = 3};

	snprintf(r.message, sizeof(r.message), "%s", message);
	return job_note_report(job, &r, 94, now);
}

static void test_progress(void)
{
	struct job *job = make("p", 1, 1);

	job_begin_attempt(job, 100);
	CHECK_INT(report(job, REPORT_PHASE, 30, 0, "a", 110), 0);
	CHECK_INT(job->worked_at_ms, 110);
	CHECK_INT(report(job, REPORT_PHASE, 30, 0, "a", 120), 0); /* a heartbeat is no work */
	CHECK_INT(job->worked_at_ms, 110);
	CHECK_INT(report(job, REPORT_PROGRESS, 40, 5, "", 130), 0);
	CHECK_INT(job->worked_at_ms, 130);
	CHECK_INT(report(job, REPORT_PROGRESS, 50, 5, "b", 140), 0); /* the same work: no work */
	CHECK_INT(job->worked_at_ms, 130);
	CHECK_INT(report(job, REPORT_PROGRESS, 20, 6, "", 150), 0);
	CHECK_INT(job->worked_at_ms, 150);
	CHECK_INT(job->progress, 50); /* never down */
	CHECK_INT(report(job, REPORT_PROGRESS, 100, 7, "", 160), 0);
	CHECK_INT(job->progress, 94); /* 95 is not a worker's to say */
	CHECK_INT(report(job, REPORT_PLAN, 0, 0, "", 170), 0);
	CHECK_INT(report(job, REPORT_PLAN, 0, 0, "", 180), 0);
	CHECK_INT(job->worked_at_ms, 170);
	CHECK_INT(report(job, REPORT_LOG, 0, 0, "x", 190), 0);
	CHECK_INT(report(job, REPORT_WARNING, 0, 0, "w \"1\"", 190), 0);
	CHECK_INT(report(job, REPORT_WARNING, 0, 0, "w2", 190), 0);
	CHECK_INT(job->worked_at_ms, 170);
	CHECK_STR(job->warnings, "[\"w \\\"1\\\"\",\"w2\"]");

	CHECK_INT(job_show(job, 9, 1000), JOB_CHANGED_TEXT);
	CHECK_INT(job->shown.version, 9);
	CHECK_INT(job->shown.progress, 94);
	CHECK_INT(job->shown.total_clips, 3);
	CHECK_INT(job->shown.updated_at, 1000);
	CHECK_STR(job->shown.message, "b");
	CHECK_INT(job_show(job, 10, 2000), 0); /* nothing new: no version */
	CHECK_INT(job->shown.version, 9);
	job_begin_child(job, 200); /* the next child counts anew */
	CHECK_INT(report(job, REPORT_PROGRESS, -1, 1, "", 210), 0);
	CHECK_INT(job->worked_at_ms, 210);
	job_unref(job);
}

static int clip(struct job *job, unsigned int number)
{
	struct report r = {.kind = REPORT_CLIP};
	int err;

	r.artifact.number = number;
	r.artifact.dropped = strdup("[]");
	err = job_note_report(job, &r, 94, 1);
	report_finish(&r);
	return err;
}

static void test_clips(void)
{
	struct job *job = make("c", 1, 1);

	for (unsigned int i = 20; i >= 1; i--)
		CHECK_INT(clip(job, i), 0);
	CHECK_INT(clip(job, 7), -EINVAL); /* twice */
	CHECK_INT(job->n_clips, 20);
	for (unsigned int i = 0; i < 20; i++)
		CHECK_INT(job->clips[i].number, i + 1);
	CHECK_INT(job_show(job, 2, 1), JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS);
	CHECK_INT(job->shown.clips_ready, 20);
	job_forget_clips(job);
	CHECK_INT(job_show(job, 3, 1), JOB_CHANGED_TEXT | JOB_CHANGED_CLIPS);
	CHECK_INT(job->shown.clips_ready, 0);
	job_unref(job);
}

/* While a transition is being committed nothing that is shown changes; nothing is lost either. */
static void test_moving(void)
{
	struct job *job = make("m", 1, 1);

	job->is_moving = true;
	CHECK_INT(report(job, REPORT_PROGRESS, 40, 1, "x", 1), 0);
	CHECK_INT(job_show(job, 5, 1), 0);
	CHECK_INT(job->shown.progress, 10);
	CHECK_INT(job->shown.version, 1);
	job->is_moving = false;
	CHECK_INT(job_show(job, 6, 1), JOB_CHANGED_TEXT);
	CHECK_INT(job->shown.progress, 40);
	job->shown.updated_at = 500;
	CHECK_INT(job_wall_ms(job, 400), 500); /* the clock was set back */
	CHECK_INT(job_wall_ms(job, 600), 600);
	job_unref(job);
}

static void test_table(void)
{
	struct job_table *table = calloc(1, sizeof(*table));
	struct job *jobs[300], *found = NULL;
	char id[16];
	size_t n = 0;

	for (unsigned int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "job%u", i);
		jobs[i] = make(id, 1, i % 10);
		CHECK_INT(job_table_add(table, jobs[i]), 0);
	}
	CHECK_INT(job_table_add(table, jobs[7]), -EEXIST);
	CHECK_INT(table->n, 300);
	CHECK(job_table_find(table, "job123") == jobs[123]);
	CHECK(!job_table_find(table, "job300"));
	while ((found = job_table_of_source(table, found, 1, 4)))
		n++;
	CHECK_INT(n, 30);
	CHECK(!job_table_of_source(table, NULL, 2, 4));
	for (unsigned int i = 0; i < 300; i += 2)
		job_table_remove(table, jobs[i]);
	job_table_remove(table, jobs[0]); /* not in: well */
	CHECK_INT(table->n, 150);
	CHECK(!job_table_find(table, "job122"));
	CHECK(table->first == jobs[1] && table->last == jobs[299]);
	n = 0;
	for (struct job *job = table->first; job; job = job->next)
		n++;
	CHECK_INT(n, 150);
	for (unsigned int i = 1; i < 300; i += 2)
		job_table_remove(table, jobs[i]);
	for (unsigned int i = 0; i < 300; i++) {
		CHECK_INT(jobs[i]->refs, 1);
		job_unref(jobs[i]);
	}
	free(table);
}

int main(void)
{
	test_moves();
	test_progress();
	test_clips();
	test_moving();
	test_table();
	return check_result();
}
