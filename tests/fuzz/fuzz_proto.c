/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines between engine and children: orders and reports, each read again after writing. */
#include <string.h>

#include "fuzz.h"
#include "storyclip/proto.h"

static void try_report(const char *text, size_t size)
{
	auto_buf struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	auto_report struct report report = {0}, again = {0};

	if (report_parse(text, size, &report) < 0)
		return;
	FUZZ_REQUIRE(report_encode(&report, &first) == 0);
	FUZZ_REQUIRE(report_parse(first.data, first.len - 1, &again) == 0);
	FUZZ_REQUIRE(report_encode(&again, &second) == 0);
	FUZZ_REQUIRE(first.len == second.len && !memcmp(first.data, second.data, first.len));
}

static void try_work_order(const char *text, size_t size)
{
	auto_buf struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	auto_work_order struct work_order order = {0}, again = {0};
	struct error e = {0};

	if (work_order_parse(text, size, &e, &order) < 0) {
		FUZZ_REQUIRE(e.code != SC_OK);
		return;
	}
	FUZZ_REQUIRE(work_order_encode(&order, &first) == 0);
	FUZZ_REQUIRE(work_order_parse(first.data, first.len, &e, &again) == 0);
	FUZZ_REQUIRE(work_order_encode(&again, &second) == 0);
	FUZZ_REQUIRE(first.len == second.len && !memcmp(first.data, second.data, first.len));
}

static void try_publish_order(const char *text, size_t size)
{
	auto_buf struct buf first = BUF_EMPTY;
	struct publish_order order = {0}, again = {0};
	struct error e = {0};

	if (publish_order_parse(text, size, &e, &order) < 0) {
		FUZZ_REQUIRE(e.code != SC_OK);
		return;
	}
	FUZZ_REQUIRE(publish_order_encode(&order, &first) == 0);
	FUZZ_REQUIRE(publish_order_parse(first.data, first.len, &e, &again) == 0);
	FUZZ_REQUIRE(order.is_hold == again.is_hold && order.attempt == again.attempt &&
		     !strcmp(order.job_id, again.job_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_report((const char *)data, size);
	try_work_order((const char *)data, size);
	try_publish_order((const char *)data, size);
	return 0;
}
