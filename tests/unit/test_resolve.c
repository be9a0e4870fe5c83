/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uploadId → one file in a real directory, or the right refusal. */
#include "../../src/intake/names.h"
#include "../../src/intake/resolve.h"
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storyclip/common/file.h"
#include "storyclip/intake.h"

static const char *const files[] = {
	"one.mp4",
	"two.mp4",
	"two.mov",
	"noext",
	"dot.v1.mp4",
	"exact",
	"exact.mp4",
	"side.mp4",
	"side.mp4.process",
	"side.mp4.process.error",
	"gone.mp4.process",
	"part.mp4.part",
	"part.mp4.0000000002",
	"part.mp4~",
	".part.mp4.Ab3dEf",
	"Thumbs.db",
	".DS_Store",
	"done.mp4",
	"done.mp4.tmp",
	"done.crdownload",
	"done.filepart",
	"done.partial",
	"rec.1760693132.mp4",
	"dir/deep.mp4",
	"dir/two.mp4",
	"dir.d/in.mp4",
	"album.mp4",
	"caf\xe9.mp4",
	"caf%E9x.mp4",
	"my video.mp4",
	INTAKE_HOLD_DIR "/job_1",
};
static const char *const dirs[] = {"dir", "dir.d", "album", "folder.mp4", INTAKE_HOLD_DIR};

static const struct {
	const char *id;
	const char *path; /* what it means; NULL: refused … */
	const char *code; /* … with this … */
	const char *says; /* … and these words */
} rows[] = {
	{"one.mp4", "one.mp4"},
	{"one", "one.mp4"},
	{"noext", "noext"},
	{"dot.v1", "dot.v1.mp4"},
	{"exact", "exact"},
	{"exact.mp4", "exact.mp4"},
	{"side", "side.mp4"},
	{"two.mov", "two.mov"},
	{"done", "done.mp4"},
	{"rec.1760693132", "rec.1760693132.mp4"},
	{"my video", "my video.mp4"},
	{"dir/deep", "dir/deep.mp4"},
	{"dir/deep.mp4", "dir/deep.mp4"},
	{"dir/two", "dir/two.mp4"},
	{"dir.d/in", "dir.d/in.mp4"},
	{"album", "album.mp4"}, /* a directory of that name is no upload */
	{"caf\xe9", "caf\xe9.mp4"},
	{"caf%E9", "caf\xe9.mp4"},
	{"caf%E9.mp4", "caf\xe9.mp4"},
	{"caf%E9x", "caf%E9x.mp4"}, /* what is there literally comes first */

	{"two", NULL, "UPLOAD_AMBIGUOUS", "two.mov"},
	{"two", NULL, "UPLOAD_AMBIGUOUS", "two.mp4"},
	{"nope", NULL, "UPLOAD_NOT_FOUND", "nope"},
	{"dir/nope", NULL, "UPLOAD_NOT_FOUND", "nope"},
	{"nodir/x", NULL, "UPLOAD_NOT_FOUND", "nodir/x"},
	{"one.mp4/x", NULL, "UPLOAD_NOT_FOUND", ""},
	{"dot", NULL, "UPLOAD_NOT_FOUND", ""},
	{"dir", NULL, "UPLOAD_NOT_FOUND", "directory"},
	{"folder", NULL, "UPLOAD_NOT_FOUND", ""},
	{"folder.mp4", NULL, "UPLOAD_NOT_FOUND", "directory"},
	{"gone", NULL, "UPLOAD_NOT_FOUND", ""},
	{"gone.mp4", NULL, "UPLOAD_NOT_FOUND", ""},
	{"gone.mp4.process", NULL, "UPLOAD_NOT_FOUND", "request"},
	{"side.mp4.process", NULL, "UPLOAD_NOT_FOUND", "request"},
	{"part", NULL, "UPLOAD_NOT_FOUND", ""},
	{"part.mp4", NULL, "UPLOAD_NOT_FOUND", ""},
	{"part.mp4.part", NULL, "UPLOAD_NOT_FOUND", "unfinished"},
	{"part.mp4.0000000002", NULL, "UPLOAD_NOT_FOUND", "unfinished"},
	{"part.mp4~", NULL, "UPLOAD_NOT_FOUND", "unfinished"},
	{".part.mp4.Ab3dEf", NULL, "UPLOAD_NOT_FOUND", "unfinished"},
	{"absent.part", NULL, "UPLOAD_NOT_FOUND", "unfinished"},
	{"Thumbs.db", NULL, "UPLOAD_NOT_FOUND", ""},
	{"Thumbs", NULL, "UPLOAD_NOT_FOUND", ""},
	{".DS_Store", NULL, "UPLOAD_NOT_FOUND", ""},
	{"link.mp4", NULL, "UPLOAD_NOT_FOUND", ""},
	{"link", NULL, "UPLOAD_NOT_FOUND", ""},
	{"linked/in.mp4", NULL, "UPLOAD_NOT_FOUND", ""},
	{"fifo.mp4", NULL, "UPLOAD_NOT_FOUND", "ordinary"},
	{INTAKE_HOLD_DIR "/job_1", NULL, "UPLOAD_NOT_FOUND", ""},
	{INTAKE_HOLD_DIR, NULL, "UPLOAD_NOT_FOUND", ""},

	{"", NULL, "INVALID_REQUEST", "empty"},
	{"/one.mp4", NULL, "INVALID_REQUEST", "/one.mp4"},
	{"../one.mp4", NULL, "INVALID_REQUEST", ".."},
	{"dir/../one.mp4", NULL, "INVALID_REQUEST", ".."},
	{"./one.mp4", NULL, "INVALID_REQUEST", "'.'"},
	{"dir//deep.mp4", NULL, "INVALID_REQUEST", "empty"},
	{"dir/", NULL, "INVALID_REQUEST", "empty"},
	{"..", NULL, "INVALID_REQUEST", ".."},
};

static const struct {
	const char *name;
	bool is_unfinished, is_sidecar;
} names[] = {
	{"a.mp4", false, false},
	{".a", true, false},
	{"a~", true, false},
	{"~", false, false},
	{"a.part", true, false},
	{"apart", false, false},
	{"a.partial", true, false},
	{"a.crdownload", true, false},
	{"a.tmp", true, false},
	{"a.filepart", true, false},
	{"a.0123456789", true, false},
	{"a.012345678", false, false},
	{"a.01234567890", false, false},
	{"a.012345678x", false, false},
	{"a0123456789", false, false},
	{".0123456789", true, false},
	{"a.mp4.process", false, true},
	{"a.mp4.process.error", false, true},
	{"process", false, false},
	{"Thumbs.db", true, false},
	{"a.PART", false, false},
};

static const struct {
	const char *path;
	bool is_request;
	unsigned int upload_len;
} requests[] = {
	{"v.mp4.process", true, 5},  {"d/v.mp4.process", true, 7}, {"v.process", true, 1},
	{"v.mp4.part.process", true, 10}, /* refused, and told so */
	{".process", false, 0},      {"d/.process", false, 0},     {".v.mp4.process", false, 0},
	{"v.mp4.process.error", false, 0}, {"v.mp4.process.tmp", false, 0},
	{".~tmp~/v.mp4.process", false, 0}, {"a/.b/v.mp4.process", false, 0}, {"process", false, 0},
};

static void check_requests(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(requests); i++) {
		CHECK_INT(path_is_request(requests[i].path), requests[i].is_request);
		if (requests[i].is_request)
			CHECK_INT(request_upload_length(requests[i].path), requests[i].upload_len);
	}
	CHECK(name_is_answer("v.mp4.process.error"));
	CHECK(!name_is_answer("v.mp4.error") && !name_is_answer(".process.error.x"));
}

/* Of a sidecar's upload the exact name is meant; what is not there yet is no error. */
static void check_exact(int root_fd, const struct caller *caller)
{
	static const struct {
		const char *path;
		int r;
		enum sc_code code;
	} exact[] = {
		{"one.mp4", 0, SC_OK},		      {"one", -ENOENT, SC_OK},
		{"caf\xe9.mp4", 0, SC_OK},	      {"caf%E9.mp4", -ENOENT, SC_OK},
		{"dir/nope.mp4", -ENOENT, SC_OK},      {"folder.mp4", -ENOENT, SC_UPLOAD_NOT_FOUND},
		{"part.mp4.part", -ENOENT, SC_UPLOAD_NOT_FOUND},
		{"link.mp4", -ENOENT, SC_OK}, {"../x", -EINVAL, SC_INVALID_REQUEST},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(exact); i++) {
		auto_resolved struct resolved found = RESOLVED_NONE;
		struct error e = {0};

		CHECK_INT(resolve_exact(root_fd, exact[i].path, caller, &e, &found), exact[i].r);
		CHECK_STR(sc_code_name(e.code), sc_code_name(exact[i].code));
	}
}

static void make_tree(int root_fd)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(dirs); i++)
		REQUIRE(mkdirat(root_fd, dirs[i], 0755) == 0);
	for (size_t i = 0; i < SC_ARRAY_SIZE(files); i++) {
		int fd = openat(root_fd, files[i], O_WRONLY | O_CREAT | O_EXCL, 0644);

		REQUIRE(fd >= 0);
		REQUIRE(file_write_all(fd, files[i], strlen(files[i])) == 0);
		close(fd);
	}
	REQUIRE(symlinkat("one.mp4", root_fd, "link.mp4") == 0);
	REQUIRE(symlinkat("dir.d", root_fd, "linked") == 0);
	REQUIRE(mkfifoat(root_fd, "fifo.mp4", 0644) == 0);
}

static void check_found(int root_fd, const char *id, const char *path, const struct caller *caller)
{
	auto_resolved struct resolved found = RESOLVED_NONE;
	struct error e = {0};
	char content[256] = "";
	int r = resolve_upload(root_fd, id, caller, &e, &found);

	if (r < 0)
		fprintf(stderr, "'%s': %s\n", id, e.message);
	CHECK_INT(r, 0);
	if (r < 0)
		return;
	CHECK_STR(found.path, path);
	/* The descriptor is that file's. */
	CHECK_INT(file_read_full(found.fd, content, sizeof(content) - 1), strlen(path));
	CHECK_STR(content, path);
	CHECK_INT(found.st.st_size, strlen(path));
}

static void check_refused(int root_fd, const char *id, const char *code, const char *says,
			  const struct caller *caller)
{
	auto_resolved struct resolved found = RESOLVED_NONE;
	struct error e = {0};
	int r = resolve_upload(root_fd, id, caller, &e, &found);

	CHECK_INT(r, -sc_code_errno(sc_code_from_name(code)));
	CHECK_STR(sc_code_name(e.code), code);
	CHECK_CONTAINS(e.message, says);
	CHECK_INT(found.fd, -1);
	CHECK(!found.path);
}

/* Only root can act as others. */
static void check_permission(int root_fd)
{
	const struct caller nobody = {.uid = 65534, .gid = 65534};
	const struct caller member = {.uid = 65534, .gid = 65534, .n_groups = 1, .groups = {4711}};

	if (geteuid() != 0)
		return;
	REQUIRE(fchownat(root_fd, "one.mp4", 0, 4711, 0) == 0);
	REQUIRE(fchmodat(root_fd, "one.mp4", 0640, 0) == 0);
	check_refused(root_fd, "one.mp4", "UPLOAD_FORBIDDEN", "65534", &nobody);
	check_refused(root_fd, "one", "UPLOAD_FORBIDDEN", "one", &nobody);
	check_found(root_fd, "one", "one.mp4", &member);
	/* and is itself again afterwards */
	check_found(root_fd, "one", "one.mp4", &(struct caller){0});
	REQUIRE(fchmodat(root_fd, "dir", 0700, 0) == 0);
	check_refused(root_fd, "dir/deep.mp4", "UPLOAD_FORBIDDEN", "deep", &nobody);
}

int main(void)
{
	const struct caller caller = {.uid = geteuid(), .gid = getegid()};
	char root[] = "/tmp/test_resolve.XXXXXX";
	int root_fd, tmp_fd;

	REQUIRE(mkdtemp(root));
	REQUIRE(chmod(root, 0755) == 0);
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(root_fd >= 0);
	make_tree(root_fd);
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		if (rows[i].path)
			check_found(root_fd, rows[i].id, rows[i].path, &caller);
		else
			check_refused(root_fd, rows[i].id, rows[i].code, rows[i].says, &caller);
	}
	for (size_t i = 0; i < SC_ARRAY_SIZE(names); i++) {
		if (name_is_unfinished(names[i].name) != names[i].is_unfinished ||
		    name_is_sidecar(names[i].name) != names[i].is_sidecar)
			fprintf(stderr, "name '%s':\n", names[i].name);
		CHECK_INT(name_is_unfinished(names[i].name), names[i].is_unfinished);
		CHECK_INT(name_is_sidecar(names[i].name), names[i].is_sidecar);
	}
	check_requests();
	check_exact(root_fd, &caller);
	check_permission(root_fd);
	close(root_fd);
	tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(tmp_fd >= 0 && file_remove_tree(tmp_fd, root + strlen("/tmp/")) == 0);
	close(tmp_fd);
	return check_result();
}
