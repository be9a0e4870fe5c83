/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* health as a JSON library reads it, README, and the names in by-upload/. */
#include <jansson.h>

#include "check.h"
#include "storyclip/common/macros.h"
#include "storyclip/view.h"

static const struct settings settings = {
	.upload_tmp_dir = (char *)"/srv/r/tmp/uploads",
	.process_work_dir = (char *)"/srv/r/work",
	.output_root = (char *)"/srv/\"r\"/outputs",
	.database = (char *)"/srv/r/database/storyclip.db",
};

static json_t *render(const struct server_view *server)
{
	struct buf out = BUF_EMPTY;
	json_t *json;

	view_health(server, &out);
	REQUIRE(buf_error(&out) == 0);
	CHECK_INT(out.data[out.len - 1], '\n');
	json = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	REQUIRE(json != NULL);
	buf_finish(&out);
	return json;
}

static struct server_view well(void)
{
	return (struct server_view){
		.version = "0.1.0",
		.since = 1795478462345LL,
		.libfuse = "3.14.0",
		.sandbox = "{\"level\":\"full\",\"missing\":null}",
		.settings = &settings,
		.engine = {.workers_busy = 1, .workers_of = 4, .queued = 17,
			   .watchdog_last_run = 1795478462345LL, .watchdog_stalled = 2,
			   .free_uploads = 1000, .free_work = 2000, .free_outputs = 3000},
		.uploads_open = 3,
		.passthrough_why = "not built in",
		.passthrough_opens = 5,
	};
}

static void test_well(void)
{
	struct server_view server = well();
	json_t *json = render(&server);
	const char *path = NULL;
	int busy = -1, of = -1, queue = -1, stalled = -1, open = -1;
	json_int_t free_bytes = -1, opens = -1;
	const char *why = NULL;
	int is_on = -1;

	CHECK_STR(json_string_value(json_object_get(json, "status")), "ok");
	CHECK_INT(json_array_size(json_object_get(json, "reasons")), 0);
	CHECK_STR(json_string_value(json_object_get(json, "since")), "2026-11-24T00:01:02.345Z");
	CHECK(json_is_null(json_object_get(json, "ffmpeg")));
	CHECK_STR(json_string_value(json_object_get(json_object_get(json, "sandbox"), "level")), "full");
	CHECK_INT(json_unpack(json, "{s:{s:b,s:s,s:I}}", "passthrough", "on", &is_on, "why", &why,
			      "opens", &opens), 0);
	CHECK_INT(is_on, 0);
	CHECK_STR(why, "not built in");
	CHECK_INT(opens, 5);
	CHECK_INT(json_unpack(json, "{s:{s:i,s:i},s:i,s:{s:i},s:{s:i}}", "workers", "busy", &busy,
			      "of", &of, "queue", &queue, "watchdog", "stalled", &stalled, "uploads",
			      "open", &open), 0);
	CHECK_INT(busy, 1);
	CHECK_INT(of, 4);
	CHECK_INT(queue, 17);
	CHECK_INT(stalled, 2);
	CHECK_INT(open, 3);
	CHECK_INT(json_array_size(json_object_get(json, "volumes")), 3);
	CHECK_INT(json_unpack(json_array_get(json_object_get(json, "volumes"), 2), "{s:s,s:I}", "path",
			      &path, "free", &free_bytes), 0);
	CHECK_STR(path, "/srv/\"r\"/outputs");
	CHECK_INT(free_bytes, 3000);
	json_decref(json);
}

static void test_degraded(void)
{
	struct server_view server = well();
	json_t *json, *reasons;

	snprintf(server.engine.database_error, sizeof(server.engine.database_error),
		 "disk I/O \"error\"");
	server.engine.stuck_processes = 1;
	server.engine.stuck_pid = 4711;
	server.engine.free_work = -ENOENT;
	server.engine.watchdog_last_run = 0;
	json = render(&server);
	reasons = json_object_get(json, "reasons");
	CHECK_STR(json_string_value(json_object_get(json, "status")), "degraded");
	CHECK_INT(json_array_size(reasons), 3);
	CHECK_STR(json_string_value(json_array_get(reasons, 0)), "database: disk I/O \"error\"");
	CHECK_CONTAINS(json_string_value(json_array_get(reasons, 1)), "4711");
	CHECK_CONTAINS(json_string_value(json_array_get(reasons, 2)), "/srv/r/work: No such file");
	CHECK(json_is_null(json_object_get(json_object_get(json, "watchdog"), "lastRun")));
	CHECK(json_is_null(json_object_get(json_array_get(json_object_get(json, "volumes"), 1), "free")));
	json_decref(json);
}

static void test_readme(void)
{
	struct buf out = BUF_EMPTY;
	size_t longest = 0, width = 0;

	view_readme(&out);
	REQUIRE(buf_error(&out) == 0);
	for (const char *s = out.data; *s; s++) {
		width = *s == '\n' ? 0 : width + 1;
		longest = width > longest ? width : longest;
	}
	CHECK(longest <= 100);
	CHECK_CONTAINS(out.data, "control");
	CHECK_CONTAINS(out.data, "jobs/<id>/wait");
	buf_finish(&out);
}

static void test_upload_names(void)
{
	static const struct {
		const char *id, *name;
	} rows[] = {
		{"a.mp4", "a.mp4"},
		{"dir/a b.mp4", "dir%2Fa b.mp4"},
		{"100%", "100%25"},
		{"%2F/%25", "%252F%2F%2525"},
		{"\xff\xfe", "\xff\xfe"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		char name[256];
		char *id = NULL;

		view_upload_name(rows[i].id, name);
		CHECK_STR(name, rows[i].name);
		CHECK_INT(view_upload_id_from_name(name, &id), 0);
		CHECK_STR(id, rows[i].id);
		free(id);
	}
}

static void test_long_upload_names(void)
{
	char id[400], one[256], other[256];
	char *back = NULL;

	/* 255 bytes still fit, 256 do not; the slash counts three */
	memset(id, 'x', sizeof(id));
	id[255] = '\0';
	view_upload_name(id, one);
	CHECK_STR(one, id);
	id[100] = '/';
	view_upload_name(id, one);
	CHECK(strlen(one) < 255);
	CHECK_INT(one[0], '%');
	CHECK_INT(view_upload_id_from_name(one, &back), -ENOENT);
	id[101] = 'y';
	view_upload_name(id, other);
	CHECK(strcmp(one, other) != 0);
	/* what no uploadId is written like */
	CHECK_INT(view_upload_id_from_name("100%", &back), -ENOENT);
	CHECK_INT(view_upload_id_from_name("a%41", &back), -ENOENT);
	CHECK_INT(view_upload_id_from_name("a%2f", &back), -ENOENT);
}

int main(void)
{
	test_well();
	test_degraded();
	test_readme();
	test_upload_names();
	test_long_upload_names();
	return check_result();
}
