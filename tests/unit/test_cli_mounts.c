/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which mount is meant. */
#include "../../src/cli/mounts.h"
#include "check.h"

static const char table[] =
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	"36 22 0:30 / /srv/clips rw,nosuid,nodev,noexec shared:7 master:3 - fuse.storyclipfs /data "
	"rw\n"
	"37 22 0:31 / /mnt/other rw - fuse.sshfs host: rw\n"
	"38 22 0:32 / /mnt/my\\040videos\\011\\134x rw - fuse.storyclipfs /a\\040b rw\n"
	"39 22 0:30 /incoming /srv/ftp rw - fuse.storyclipfs /data rw\n"
	"40 36 0:33 / /srv/clips/incoming/inner rw - fuse.storyclipfs /c rw\n"
	"41 22 0:34 / /srv/clips rw - fuse.storyclipfs /data rw\n"
	"42 22 0:35 / /mnt/fuse.storyclipfs rw - tmpfs fuse.storyclipfs rw\n"
	"43 22 0:36 / /mnt/late rw fuse.storyclipfs - tmpfs x rw\n"
	"44 broken\n"
	"\n"
	"45 22 0:37 / /mnt/cut rw -";

static void test_parse(void)
{
	auto_mounts struct mounts mounts = {0};

	REQUIRE(mounts_parse(table, &mounts) == 0);
	REQUIRE(mounts.n == 3);
	CHECK_STR(mounts.paths[0], "/srv/clips");
	CHECK_STR(mounts.paths[1], "/mnt/my videos\t\\x");
	CHECK_STR(mounts.paths[2], "/srv/clips/incoming/inner");
}

static void test_escapes(void)
{
	static const struct {
		const char *written, *want;
	} rows[] = {
		{"/a\\040b", "/a b"},
		{"/a\\012b", "/a\nb"},
		{"/a\\134040b", "/a\\040b"},
		{"/a\\04", "/a\\04"},
		{"/a\\", "/a\\"},
		{"/a\\089", "/a\\089"},
		{"/a\\400", "/a\\400"},
		{"/\\303\\274", "/\xc3\xbc"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_mounts struct mounts mounts = {0};
		char line[128];

		snprintf(line, sizeof(line), "1 2 0:3 / %s rw - " MOUNTS_TYPE " r rw\n",
			 rows[i].written);
		REQUIRE(mounts_parse(line, &mounts) == 0);
		REQUIRE(mounts.n == 1);
		CHECK_STR(mounts.paths[0], rows[i].want);
	}
}

static void test_contains(void)
{
	CHECK(mounts_contains("/a/b", "/a/b"));
	CHECK(mounts_contains("/a/b", "/a/b/c"));
	CHECK(!mounts_contains("/a/b", "/a/bc"));
	CHECK(!mounts_contains("/a/b", "/a"));
	CHECK(mounts_contains("/", "/x"));
}

static void test_choose(void)
{
	char *paths[] = {(char *)"/srv/clips", (char *)"/mnt/b",
			 (char *)"/srv/clips/incoming/inner"};
	struct mounts all = {paths, 3}, one = {paths, 1}, none = {NULL, 0};
	static const struct {
		const char *places[2];
		int want;
	} rows[] = {
		{{"/home/me", "/tmp"}, -ENOTUNIQ},
		{{"/mnt/b", "/tmp"}, 1},
		{{"/tmp", "/mnt/b/incoming"}, 1},
		{{"/srv/clips/incoming", "/mnt/b"}, 0},
		{{"/srv/clips/incoming/inner/x", "/mnt/b"}, 2},
		{{"/srv/clipsy", "/mnt/bb"}, -ENOTUNIQ},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(mounts_choose(&all, rows[i].places, 2), rows[i].want);
	CHECK_INT(mounts_choose(&one, rows[0].places, 2), 0);
	CHECK_INT(mounts_choose(&one, NULL, 0), 0);
	CHECK_INT(mounts_choose(&none, rows[0].places, 2), -ENOENT);
}

static void test_given(void)
{
	char dir[] = "/tmp/storyclip-test-XXXXXX", control[64];
	char *found = NULL;
	struct error e;

	REQUIRE(mkdtemp(dir));
	CHECK_INT(mounts_find(dir, NULL, 0, &e, &found), -ENOENT);
	CHECK_CONTAINS(e.message, "no mount of storyclipfs is there");
	CHECK_CONTAINS(e.message, dir);
	CHECK_INT(mounts_find("/nowhere/at/all", NULL, 0, &e, &found), -ENOENT);
	CHECK_CONTAINS(e.message, "--mount '/nowhere/at/all'");
	snprintf(control, sizeof(control), "%s/control", dir);
	fclose(fopen(control, "w"));
	CHECK_INT(mounts_find(dir, NULL, 0, &e, &found), 0);
	CHECK_STR(found, dir);
	free(found);
	setenv("STORYCLIP_MOUNT", dir, 1);
	CHECK_INT(mounts_find(NULL, NULL, 0, &e, &found), 0);
	CHECK_STR(found, dir);
	free(found);
	/* --mount says more than the environment */
	CHECK_INT(mounts_find("/", NULL, 0, &e, &found), -ENOENT);
	unlink(control);
	CHECK_INT(mounts_find(NULL, NULL, 0, &e, &found), -ENOENT);
	CHECK_CONTAINS(e.message, "STORYCLIP_MOUNT");
	rmdir(dir);
}

int main(void)
{
	test_parse();
	test_escapes();
	test_contains();
	test_choose();
	test_given();
	return check_result();
}
