/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of codes: complete, names unique, errnos as INTERFACE.md gives them. */
#include "storyclip/error.h"

#include "check.h"

static void test_table(void)
{
	for (int i = 0; i < SC_CODE_COUNT; i++) {
		const char *name = sc_code_name((enum sc_code)i);

		CHECK(name != NULL);
		CHECK_INT(sc_code_from_name(name), i);
		CHECK(i == SC_OK || sc_code_errno((enum sc_code)i) > 0);
	}
	CHECK_INT(sc_code_from_name("NO_SUCH_CODE"), SC_INTERNAL);
}

static void test_errnos(void)
{
	static const struct {
		enum sc_code code;
		int err;
		const char *name;
	} rows[] = {
		{SC_INVALID_REQUEST, EINVAL, "INVALID_REQUEST"},
		{SC_UPLOAD_NOT_FOUND, ENOENT, "UPLOAD_NOT_FOUND"},
		{SC_UPLOAD_AMBIGUOUS, ENOTUNIQ, "UPLOAD_AMBIGUOUS"},
		{SC_UPLOAD_FORBIDDEN, EACCES, "UPLOAD_FORBIDDEN"},
		{SC_JOB_EXISTS, EEXIST, "JOB_EXISTS"},
		{SC_REQUEST_TOO_LARGE, EFBIG, "REQUEST_TOO_LARGE"},
		{SC_NO_SPACE, ENOSPC, "NO_SPACE"},
		{SC_QUEUE_FULL, EBUSY, "QUEUE_FULL"},
		{SC_TOO_MANY_JOBS, EDQUOT, "TOO_MANY_JOBS"},
		{SC_STOPPING, ESHUTDOWN, "STOPPING"},
		{SC_FORBIDDEN, EACCES, "FORBIDDEN"},
		{SC_INTERNAL, EIO, "INTERNAL"},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		CHECK_INT(sc_code_errno(rows[i].code), rows[i].err);
		CHECK_STR(sc_code_name(rows[i].code), rows[i].name);
	}
}

static void test_transient(void)
{
	static const char *const transient[] = {"NO_SPACE", "IO_ERROR", "WORKER_CRASHED",
						"OUT_OF_MEMORY", "INTERNAL"};
	size_t n = 0;

	for (int i = 0; i < SC_CODE_COUNT; i++)
		n += sc_code_is_transient((enum sc_code)i);
	CHECK_INT(n, SC_ARRAY_SIZE(transient));
	for (size_t i = 0; i < SC_ARRAY_SIZE(transient); i++)
		CHECK(sc_code_is_transient(sc_code_from_name(transient[i])));
}

static void test_messages(void)
{
	struct error e = {0};

	CHECK_INT(error_set(&e, SC_UPLOAD_NOT_FOUND, "upload '%s' not found", "x"), -ENOENT);
	CHECK_STR(e.message, "upload 'x' not found");
	CHECK_INT(error_from_errno(&e, -ENOSPC, "writing %s", "clip"), -ENOSPC);
	CHECK_INT(e.code, SC_NO_SPACE);
	CHECK_STR(e.message, "writing clip: No space left on device");
	CHECK_INT(error_from_errno(&e, -ENOMEM, "x"), -ENOMEM);
	CHECK_INT(e.code, SC_OUT_OF_MEMORY);
	CHECK_INT(error_set(NULL, SC_INTERNAL, "nobody listens"), -EIO);
}

int main(void)
{
	test_table();
	test_errnos();
	test_transient();
	test_messages();
	return check_result();
}
