/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which channels sound has once it is AAC. */
#include "../../src/media/encode/sound_layout.h"
#include "check.h"
#include "storyclip/common/macros.h"

static const struct {
	const char *from, *to;
	bool is_kept;
} rows[] = {
	{"mono", "mono", true},
	{"stereo", "stereo", true},
	{"downmix", "stereo", true},
	{"FL", "mono", true},
	{"2.1", "5.1", false},
	{"3.0", "3.0", true},
	{"3.0(back)", "4.0", false},
	{"3.1", "5.1", false},
	{"4.0", "4.0", true},
	{"quad", "5.0", false},
	{"quad(side)", "5.0", false},
	{"4.1", "5.1", false},
	{"5.0", "5.0", true},
	{"5.0(side)", "5.0", true},
	{"5.1", "5.1", true},
	{"5.1(side)", "5.1", true},
	{"6.0", "7.1", false},
	{"hexagonal", "5.0", false},
	{"6.1", "7.1", false},
	{"6.1(back)", "5.1", false},
	{"7.0", "7.1", false},
	{"7.1", "7.1", true},
	{"7.1(wide)", "5.1", false},
	{"octagonal", "7.1", false},
	{"hexadecagonal", "7.1", false},
	{"4 channels", "4.0", true},
	{"8 channels", "7.1", true},
	{"10 channels", "7.1", false},
};

static void check_row(const char *name, const char *want, bool is_kept)
{
	AVChannelLayout from = {0}, to = {0};
	char chosen[64];

	if (strstr(name, " channels"))
		from = (AVChannelLayout){.order = AV_CHANNEL_ORDER_UNSPEC,
					 .nb_channels = atoi(name)};
	else
		REQUIRE(av_channel_layout_from_string(&from, name) == 0);
	sound_layout_choose(&from, &to);
	av_channel_layout_describe(&to, chosen, sizeof(chosen));
	CHECK_AT_(!strcmp(chosen, want), "%s becomes %s, not %s", name, chosen, want);
	CHECK_AT_(sound_layout_is_kept(&from, &to) == is_kept, "%s is%s kept", name,
		  is_kept ? " not" : "");
	CHECK_INT(to.order, AV_CHANNEL_ORDER_NATIVE);
	av_channel_layout_uninit(&from);
}

int main(void)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(rows); i++)
		check_row(rows[i].from, rows[i].to, rows[i].is_kept);
	return check_result();
}
