/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From options and a source's size to crop, scale and pad; from a matrix to filters. */
#include "../../src/media/encode/picture_shape.h"
#include "check.h"
#include "storyclip/common/macros.h"

static const struct {
	struct picture_size from;
	struct encode_options options;
	bool is_turned;
	const char *shape; /* crop WxH+X+Y, scale WxH, pad WxH+X+Y; "-" left out */
} rows[] = {
	{{1920, 1080, 0, 1}, {0}, false, "- - -"},
	{{1921, 1081, 1, 1}, {0}, false, "1920x1080+0+0 - -"},
	{{1920, 1080, 1, 1}, {.aspect_width = 9, .aspect_height = 16}, false, "608x1080+656+0 - -"},
	{{1920, 1080, 1, 1}, {.width = 720, .height = 1280}, false, "608x1080+656+0 720x1280 -"},
	{{1080, 1920, 1, 1}, {.width = 720, .height = 1280}, false, "- 720x1280 -"},
	{{1080, 1920, 1, 1}, {.aspect_width = 16, .aspect_height = 9}, false, "1080x608+0+656 - -"},
	{{1920, 1080, 1, 1},
	 {.aspect_width = 9, .aspect_height = 16, .height = 640},
	 false,
	 "608x1080+656+0 360x640 -"},
	{{1920, 1080, 1, 1},
	 {.width = 720, .height = 1280, .fit = FIT_PAD},
	 false,
	 "- 720x406 720x1280+0+436"},
	{{1920, 1080, 1, 1},
	 {.aspect_width = 1, .aspect_height = 1, .fit = FIT_PAD},
	 false,
	 "- - 1920x1920+0+420"},
	{{1920, 1080, 1, 1},
	 {.aspect_width = 16, .aspect_height = 9, .fit = FIT_PAD},
	 false,
	 "- - -"},
	{{1920, 1080, 1, 1}, {.width = 640}, false, "- 640x360 -"},
	{{1920, 1080, 1, 1}, {.height = 480}, false, "- 854x480 -"},
	/* pixels of 64:45: 720x576 are shown as 1024x576 */
	{{720, 576, 64, 45}, {.aspect_width = 16, .aspect_height = 9}, false, "- - -"},
	{{720, 576, 64, 45}, {.aspect_width = 1, .aspect_height = 1}, false, "406x576+156+0 - -"},
	{{720, 576, 64, 45}, {.width = 1024}, false, "- 1024x576 -"},
	{{720, 576, 64, 45},
	 {.width = 512, .height = 512, .fit = FIT_PAD},
	 false,
	 "- 512x288 512x512+0+112"},
	/* stored lying, shown upright: all in the directions of what is stored */
	{{1920, 1080, 1, 1}, {.aspect_width = 9, .aspect_height = 16}, true, "- - -"},
	{{1920, 1080, 1, 1}, {.width = 720, .height = 1280}, true, "- 1280x720 -"},
	{{1920, 1080, 1, 1}, {.width = 720, .height = 720}, true, "1080x1080+420+0 720x720 -"},
	/* a picture of hardly any size, shapes that hardly fit */
	{{2, 2, 1, 1}, {.aspect_width = 100, .aspect_height = 1}, false, "- - -"},
	{{1920, 1080, 1, 1}, {.aspect_width = 100, .aspect_height = 1}, false, "1920x20+0+530 - -"},
	{{1920, 1080, 1, 1},
	 {.aspect_width = 100, .aspect_height = 1, .fit = FIT_PAD},
	 false,
	 "too large"},
	{{16, 8192, 1, 1}, {.width = 8192}, false, "too large"},
	{{1, 1080, 1, 1}, {0}, false, "too large"},
	{{1920, 1080, INT32_MAX, 1}, {.width = 64, .height = 64}, false, "2x1080+958+0 64x64 -"},
	{{1920, 1080, 1, INT32_MAX}, {.width = 64, .height = 64}, false, "1920x2+0+538 64x64 -"},
	{{1920, 1080, INT32_MAX, 1},
	 {.width = 64, .height = 64, .fit = FIT_PAD},
	 false,
	 "- 64x2 64x64+0+30"},
};

static void describe(const struct picture_shape *s, char *out, size_t size)
{
	char crop[64] = "-", scale[64] = "-", pad[64] = "-";

	if (s->crop_width)
		snprintf(crop, sizeof(crop), "%dx%d+%d+%d", s->crop_width, s->crop_height,
			 s->crop_x, s->crop_y);
	if (s->scale_width)
		snprintf(scale, sizeof(scale), "%dx%d", s->scale_width, s->scale_height);
	if (s->pad_width)
		snprintf(pad, sizeof(pad), "%dx%d+%d+%d", s->pad_width, s->pad_height, s->pad_x,
			 s->pad_y);
	snprintf(out, size, "%s %s %s", crop, scale, pad);
}

static void test_shapes(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++) {
		struct picture_shape shape;
		int before = check_failures;
		char text[256];

		if (picture_shape_make(&rows[i].options, &rows[i].from, rows[i].is_turned, &shape) <
		    0)
			snprintf(text, sizeof(text), "too large");
		else
			describe(&shape, text, sizeof(text));
		CHECK_STR(text, rows[i].shape);
		if (check_failures != before)
			fprintf(stderr, "  in row %zu\n", i);
	}
}

static void test_turns(void)
{
	static const struct {
		int32_t matrix[9];
		const char *filters; /* NULL: none can */
		bool is_turned;
	} turns[] = {
		{{0}, "", false},
		{{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000}, "", false},
		{{0, 0x10000, 0, -0x10000, 0, 0, 0x4380000, 0, 0x40000000},
		 "transpose=clock",
		 true},
		{{0, -0x10000, 0, 0x10000, 0, 0, 0, 0x7800000, 0x40000000},
		 "transpose=cclock",
		 true},
		{{-0x10000, 0, 0, 0, -0x10000, 0, 0, 0, 0x40000000}, "hflip,vflip", false},
		{{-0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000}, "hflip", false},
		{{0xb504, 0xb504, 0, -0xb504, 0xb504, 0, 0, 0, 0x40000000}, NULL, false},
	};

	for (size_t i = 0; i < SC_ARRAY_SIZE(turns); i++) {
		bool is_turned;
		const char *filters = picture_turn(turns[i].matrix, &is_turned);

		if (turns[i].filters)
			CHECK_STR(filters, turns[i].filters);
		else
			CHECK(!filters);
		CHECK_INT(is_turned, turns[i].is_turned);
	}
}

int main(void)
{
	test_shapes();
	test_turns();
	return check_result();
}
