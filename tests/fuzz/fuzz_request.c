/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests and sidecars. What was understood must be written so that it is understood again. */
#include "../../src/intake/parse.h"

#include <string.h>

#include "fuzz.h"

static void check_again(const struct request *request)
{
	auto_buf struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	struct request again;
	struct error e = {0};

	request_to_json(request, &first);
	FUZZ_REQUIRE(buf_error(&first) == 0);
	FUZZ_REQUIRE(request_parse(first.data, &e, &again) == 0);
	request_to_json(&again, &second);
	FUZZ_REQUIRE(buf_error(&second) == 0 && first.len == second.len);
	FUZZ_REQUIRE(!memcmp(first.data, second.data, first.len));
	request_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct request request;
	struct error e = {0};
	int64_t us;
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	r = request_parse(text, &e, &request);
	if (r == 0) {
		check_again(&request);
		request_finish(&request);
	} else {
		FUZZ_REQUIRE(e.code != SC_OK && e.message[0]);
	}
	e = (struct error){0};
	r = request_parse_beside(text, "video.mp4", &e, &request);
	if (r == 0)
		request_finish(&request);
	else
		FUZZ_REQUIRE(e.code != SC_OK && e.message[0]);
	(void)seconds_to_us(text, &us);
	free(text);
	return 0;
}
