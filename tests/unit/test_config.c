/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command line, file of settings, and the table: who wins, what is refused and in which words. */
#include "../../src/daemon/config.h"
#include "../../src/daemon/env_file.h"
#include "../../src/daemon/places.h"
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storyclip/common/file.h"

static char top[] = "/tmp/test_config.XXXXXX";

/* ---- the command line ---- */

static const struct {
	const char *args[8];
	const char *says; /* NULL: accepted */
} usages[] = {
	{{"R", "M"}, NULL},
	{{"-f", "R", "M"}, NULL},
	{{"R", "M", "-o", "workers=1"}, NULL},
	{{"-o", "a", "R", "-d", "M"}, NULL},
	{{"--", "R", "M"}, NULL},
	{{"--help"}, NULL},
	{{"--version"}, NULL},
	{{NULL}, "ROOT is missing"},
	{{"R"}, "MOUNTPOINT is missing"},
	{{"R", "M", "more"}, "'more'"},
	{{"", "M"}, "ROOT is empty"},
	{{"R", ""}, "MOUNTPOINT is empty"},
	{{"-x", "R", "M"}, "-x"},
	{{"--nope", "R", "M"}, "--nope"},
	{{"R", "M", "-o"}, "-o"},
	{{"--check", "R"}, NULL},
	{{"--repair", "R", "-o", "x"}, NULL},
	{{"--check"}, "ROOT is missing; give ROOT"},
	{{"--repair", "R", "M"}, "'M'"},
	{{"--check", ""}, "ROOT is empty"},
};

static int parse(const char *const *args, struct error *e, struct command_line *line)
{
	char *argv[16] = {(char *)(uintptr_t) "storyclipfs"};
	int argc = 1;

	for (; *args; args++)
		argv[argc++] = (char *)(uintptr_t)*args;
	optind = 0; /* GNU: begin anew */
	return command_line_parse(argc, argv, e, line);
}

static void check_usages(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(usages); i++) {
		auto_command_line struct command_line line = {0};
		struct error e = {0};
		int r = parse(usages[i].args, &e, &line);

		CHECK_INT(r, usages[i].says ? -EINVAL : 0);
		if (usages[i].says)
			CHECK_CONTAINS(e.message, usages[i].says);
	}
}

static void check_options(void)
{
	const char *const args[] = {"R", "M", "-o", "a,b=1,c=x\\,y,,d=", "-o", "e=1=2", NULL};
	static const struct {
		const char *name, *value;
	} want[] = {{"a", NULL}, {"b", "1"}, {"c", "x,y"}, {"d", ""}, {"e", "1=2"}};
	auto_command_line struct command_line line = {0};
	struct error e = {0};

	REQUIRE(parse(args, &e, &line) == 0);
	CHECK_INT(line.n_options, SC_ARRAY_SIZE(want));
	for (size_t i = 0; i < line.n_options && i < SC_ARRAY_SIZE(want); i++) {
		CHECK_STR(line.options[i].name, want[i].name);
		if (want[i].value)
			CHECK_STR(line.options[i].value, want[i].value);
		else
			CHECK(!line.options[i].value);
	}
}

/* ---- the file ---- */

static void check_env_file(void)
{
	static const struct {
		const char *text, *value; /* of A; NULL: not there */
		const char *says;         /* not NULL: refused */
	} rows[] = {
		{"A=1", "1"},
		{"A=1\n", "1"},
		{" A=1 \r\n", "1"},
		{"# x\n;A=2\n\nA=1\n", "1"},
		{"A=\n", ""},
		{"A= b  c \n", "b  c"},
		{"A=\" b \"\n", " b "},
		{"A='x\"y'\n", "x\"y"},
		{"A=\"x\\\"y\"\nB=2", "x\"y"},
		{"A=a\\\nb\n", "ab"},
		{"A=a'b'\"c\"\n", "abc"},
		{"A=1\nA=2\n", "2"},
		{"B=1\n", NULL},
		{"A=x=y\n", "x=y"},
		{"A=x # y\n", "x # y"},
		{"A=\"1\n2\"\n", "1\n2"},
		{"A='1\n", NULL, "line 1: a quote"},
		{"hello\n", NULL, "'hello'"},
		{"A=1\n\n=x\n", NULL, "line 3"},
		{"A=\"1\n2\"\n!\n", NULL, "line 3"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_env_file struct env_file file = {0};
		struct error e = {0};
		int r = env_file_parse("conf", rows[i].text, &e, &file);

		CHECK_INT(r, rows[i].says ? -EINVAL : 0);
		if (rows[i].says) {
			CHECK_CONTAINS(e.message, rows[i].says);
			CHECK_CONTAINS(e.message, "conf");
		} else if (rows[i].value) {
			CHECK_STR(env_file_get(&file, "A"), rows[i].value);
		} else {
			CHECK(!env_file_get(&file, "A"));
		}
	}
}

/* ---- the settings ---- */

/* Load with one -o text and what is in the environment now. */
static int load(const char *options, struct error *e, struct settings *ret, bool *is_usage)
{
	auto_command_line struct command_line line = {0};
	struct fs_mount_options mount = {0};
	auto_free char *root = NULL, *mountpoint = NULL;

	REQUIRE(asprintf(&root, "%s/root", top) > 0 && asprintf(&mountpoint, "%s/mnt", top) > 0);
	const char *const args[] = {root, mountpoint, options ? "-o" : NULL, options, NULL};

	REQUIRE(parse(args, e, &line) == 0);
	return settings_load(&line, e, ret, &mount, is_usage);
}

static void check_defaults(void)
{
	auto_settings struct settings s = {0};
	struct error e = {0};
	char want[256];
	bool is_usage;

	CHECK_INT(load(NULL, &e, &s, &is_usage), 0);
	snprintf(want, sizeof(want), "%s/root/tmp/uploads", top);
	CHECK_STR(s.upload_tmp_dir, want);
	snprintf(want, sizeof(want), "%s/root/work", top);
	CHECK_STR(s.process_work_dir, want);
	snprintf(want, sizeof(want), "%s/root/outputs", top);
	CHECK_STR(s.output_root, want);
	snprintf(want, sizeof(want), "%s/root/database/storyclip.db", top);
	CHECK_STR(s.database, want);
	CHECK_STR(s.cdn_base, "");
	CHECK(!s.log_file);
	CHECK_INT(s.workers, sysconf(_SC_NPROCESSORS_ONLN));
	CHECK_INT(s.stall_timeout_ms, 300000);
	CHECK_INT(s.watchdog_interval_ms, 60000);
	CHECK_INT(s.max_attempts, 2);
	CHECK_INT(s.upload_wait_ms, 300000);
	CHECK_INT(s.max_queue, 10000);
	CHECK_INT(s.xattr, SWITCH_AUTO);
	CHECK_INT(s.strict, SWITCH_AUTO);
}

static const struct {
	const char *option, *env, *conf;
	unsigned int workers;
} precedence[] = {
	{"workers=1", "2", "STORYCLIP_WORKERS=3\n", 1},
	{NULL, "2", "STORYCLIP_WORKERS=3\n", 2},
	{NULL, NULL, "STORYCLIP_WORKERS=3\n", 3},
	{NULL, "", "STORYCLIP_WORKERS=3\n", 3},
	{"workers=1,workers=4", NULL, "", 4},
	{NULL, NULL, "STORYCLIP_WORKERS=\nSTORYCLIP_MOUNT=/x\n", 0},
};

static void check_precedence(void)
{
	char path[256], options[512];

	snprintf(path, sizeof(path), "%s/conf", top);
	for (size_t i = 0; i < SC_ARRAY_SIZE(precedence); i++) {
		auto_settings struct settings s = {0};
		unsigned int want = precedence[i].workers;
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		struct error e = {0};
		bool is_usage;

		REQUIRE(fd >= 0 &&
			file_write_all(fd, precedence[i].conf, strlen(precedence[i].conf)) == 0);
		close(fd);
		if (precedence[i].env)
			setenv("STORYCLIP_WORKERS", precedence[i].env, 1);
		snprintf(options, sizeof(options), "config=%s%s%s", path,
			 precedence[i].option ? "," : "",
			 precedence[i].option ? precedence[i].option : "");
		CHECK_INT(load(options, &e, &s, &is_usage), 0);
		CHECK_INT(s.workers, want ? want : sysconf(_SC_NPROCESSORS_ONLN));
		unsetenv("STORYCLIP_WORKERS");
	}
}

static const struct {
	const char *options, *says, *also;
	bool is_usage;
} refusals[] = {
	{"workers=0", "workers=0 (mount option)", "1 to"},
	{"workers=", "workers= ", "whole number"},
	{"workers=-1", "workers=-1", "whole number"},
	{"workers=2x", "workers=2x", "whole number"},
	{"workers=99999999999999999999", "workers=999", "whole number"},
	{"workers", "workers needs a value", "workers=", true},
	{"stall_timeout=-1", "stall_timeout=-1", "seconds"},
	{"stall_timeout=x", "stall_timeout=x", "seconds"},
	{"stall_timeout=0", "stall_timeout=0", "0.1"},
	{"stall_timeout=1.2.3", "1.2.3", "seconds"},
	{"stall_timeout=.", "stall_timeout=.", "seconds"},
	{"watchdog_interval=1e3", "1e3", "seconds"},
	{"stall_timeout=99999999999999999999", "stall_timeout=9", "seconds"},
	{"max_attempts=101", "max_attempts=101", "1 to 100"},
	{"max_queue=0", "max_queue=0", "1 to"},
	{"max_upload_size=0", "max_upload_size=0", "at least 1"},
	{"max_upload_size=5%", "max_upload_size=5%", "number of bytes"},
	{"max_upload_size=-1", "max_upload_size=-1", "number of bytes"},
	{"max_upload_size=1MB", "max_upload_size=1MB", "number of bytes"},
	{"max_upload_size=9999999T", "max_upload_size=9999999T", "out of range"},
	{"max_jobs_per_uid=0", "max_jobs_per_uid=0", "1 to"},
	{"min_free=5M%", "min_free=5M%", "a part as 5%"},
	{"min_free=100%", "min_free=100%", "0% to 99%"},
	{"xattr=yes", "xattr=yes", "on or off"},
	{"xattr=", "xattr= ", "on or off"},
	{"strict=yes", "strict=yes", "on or off"},
	{"output_root=", "output_root=", "empty"},
	{"output_root=/dev/null/x", "output_root=/dev/null/x", ""},
	{"cdn_base=a b", "cdn_base=a b", "one word"},
	{"output_owner=x", "output_owner=x", "USER:GROUP"},
	{"output_owner=:x", "output_owner=:x", "USER:GROUP"},
	{"config=/nonexistent/conf", "/nonexistent/conf", "No such file"},
	{"colour=red", "colour=red", "not known", true},
	{"noatimes", "noatimes", "not known", true},
	{"nofail,workerz=1", "workerz=1", "not known", true},
};

static void check_refusals(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(refusals); i++) {
		auto_settings struct settings s = {0};
		struct error e = {0};
		bool is_usage = false;

		CHECK(load(refusals[i].options, &e, &s, &is_usage) < 0);
		CHECK_CONTAINS(e.message, refusals[i].says);
		CHECK_CONTAINS(e.message, refusals[i].also);
		CHECK(!strchr(e.message, '\n'));
		CHECK_INT(is_usage, refusals[i].is_usage);
	}
}

static void check_environment_is_named(void)
{
	auto_settings struct settings s = {0};
	struct error e = {0};
	bool is_usage;

	setenv("STORYCLIP_MAX_QUEUE", "many", 1);
	CHECK_INT(load(NULL, &e, &s, &is_usage), -EINVAL);
	CHECK_CONTAINS(e.message, "STORYCLIP_MAX_QUEUE=many (environment)");
	unsetenv("STORYCLIP_MAX_QUEUE");
}

static void check_accepted(void)
{
	auto_settings struct settings s = {0};
	struct error e = {0};
	bool is_usage;

	CHECK_INT(
		load("nofail,_netdev,noauto,auto,user,users,rw,defaults,x-systemd.automount,x-a=1,"
		     "nosuid,nodev,noexec,suid,dev,exec,allow_other,default_permissions,"
		     "stall_timeout=1.5,watchdog_interval=.25,upload_wait=0,cdn_base=https://"
		     "c.example/a,strict,noatime,relatime,sync,noatime,comment=x y,max_upload_size=3G,"
		     "max_jobs_per_uid=7,min_free=4K,"
		     "output_root=/tmp/../tmp//out/./puts//",
		     &e, &s, &is_usage),
		0);
	CHECK_STR(e.message, "");
	CHECK_INT(s.stall_timeout_ms, 1500);
	CHECK_INT(s.watchdog_interval_ms, 250);
	CHECK_INT(s.upload_wait_ms, 0);
	CHECK_INT(s.max_upload_size, INT64_C(3) << 30);
	CHECK_INT(s.max_jobs_per_uid, 7);
	CHECK_INT(s.min_free.bytes, 4096);
	CHECK_INT(s.strict, SWITCH_ON);
	CHECK_STR(s.cdn_base, "https://c.example/a");
	CHECK_STR(s.output_root, "/tmp/out/puts");
}

/* ---- places ---- */

static void check_places(void)
{
	static const struct {
		const char *options; /* with paths below top */
		const char *says;    /* NULL: well */
	} rows[] = {
		{"output_root=%s/out", NULL},
		{"output_root=%s/mnt/out", "inside MOUNTPOINT"},
		{"upload_tmp_dir=%s", "MOUNTPOINT"},
		{"database=%s/mnt/x.db", "inside MOUNTPOINT"},
		{"upload_tmp_dir=%s/root", "inside upload_tmp_dir"},
		{"output_root=%s/root/work", "must be apart"},
		{"process_work_dir=%s/mntx", NULL},
		{"database=%s/root/outputs/x.db", "must be apart"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		auto_settings struct settings s = {0};
		auto_free char *options = NULL;
		const char *place = strchr(rows[i].options, '%');
		struct error e = {0};
		bool is_usage;

		REQUIRE(asprintf(&options, "%.*s%s%s", (int)(place - rows[i].options),
				 rows[i].options, top, place + 2) > 0);
		REQUIRE(load(options, &e, &s, &is_usage) == 0);
		CHECK_INT(places_check(&s, &e), rows[i].says ? -EINVAL : 0);
		if (rows[i].says)
			CHECK_CONTAINS(e.message, rows[i].says);
	}
	CHECK(place_is_within("/a/b", "/a"));
	CHECK(place_is_within("/a", "/a"));
	CHECK(place_is_within("/a", "/"));
	CHECK(!place_is_within("/ab", "/a"));
	CHECK(!place_is_within("/a", "/a/b"));
}

static void check_modes(void)
{
	static const struct {
		const char *path;
		mode_t mode, mode_of_user;
	} rows[] = {
		{"root", 0755, 0755},
		{"root/tmp", 0755, 0755},
		{"root/tmp/uploads", 01777, 0700},
		{"root/work", 0700, 0700},
		{"root/outputs", 0755, 0755},
		{"root/database", 0700, 0700},
	};
	auto_settings struct settings s = {0};
	struct error e = {0};
	char path[256];
	struct stat st;
	bool is_usage;

	umask(0);
	REQUIRE(load(NULL, &e, &s, &is_usage) == 0);
	for (int again = 0; again < 2; again++) {
		CHECK_INT(places_create(&s, &e), 0);
		for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
			mode_t want = geteuid() ? rows[i].mode_of_user : rows[i].mode;

			snprintf(path, sizeof(path), "%s/%s", top, rows[i].path);
			REQUIRE(stat(path, &st) == 0);
			/* the second time: what exists keeps its mode */
			CHECK_INT(st.st_mode & 07777, again ? 0711 : want);
			REQUIRE(chmod(path, 0711) == 0);
		}
	}
}

/* --help is made of the table: every setting stands in it with both names. */
static void check_help(void)
{
	static const char *const wanted[] = {
		"storyclipfs ROOT MOUNTPOINT",
		"upload_tmp_dir=PATH",
		"UPLOAD_TMP_DIR",
		"STORYCLIP_WORKERS",
		"stall_timeout=SECONDS",
		"STORYCLIP_LOG",
		"output_owner=USER:GROUP",
		"CDN_BASE",
	};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	REQUIRE(out);
	settings_help(out);
	fclose(out);
	for (size_t i = 0; i < SC_ARRAY_SIZE(wanted); i++)
		CHECK_CONTAINS(text, wanted[i]);
	free(text);
}

int main(void)
{
	char path[256];
	int tmp_fd;

	REQUIRE(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/mnt", top);
	REQUIRE(mkdir(path, 0755) == 0);
	check_usages();
	check_options();
	check_env_file();
	check_defaults();
	check_precedence();
	check_refusals();
	check_environment_is_named();
	check_accepted();
	check_places();
	check_modes();
	check_help();
	tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(tmp_fd >= 0 && file_remove_tree(tmp_fd, top + strlen("/tmp/")) == 0);
	close(tmp_fd);
	return check_result();
}
