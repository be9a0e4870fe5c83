/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each kind of setting takes, and how it is refused. Main thread, before any other. */
#include "config_value.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "places.h"
#include "storyclip/common/macros.h"

#define MS 1000

void *setting_field(struct settings *settings, const struct setting *setting)
{
	return (char *)settings + setting->offset;
}

static int refuse(const struct given *given, struct error *e, const char *why)
{
	return error_set(e, SC_INVALID_REQUEST, "%s=%s (%s): %s", given->name, given->value,
			 given->from, why);
}

/* ---- one kind of value each ---- */

static int read_path(const struct setting *setting, const struct given *given, struct error *e,
		     struct settings *settings)
{
	char **field = setting_field(settings, setting), why[128];
	int r;

	if (!*given->value)
		return refuse(given, e, "is empty; give a path");
	r = place_resolve(given->value, field);
	if (r < 0) {
		snprintf(why, sizeof(why), "cannot be used: %s", strerrordesc_np(-r));
		return refuse(given, e, why);
	}
	return 0;
}

static int read_text(const struct setting *setting, const struct given *given, struct error *e,
		     struct settings *settings)
{
	char **field = setting_field(settings, setting);

	for (const unsigned char *p = (const unsigned char *)given->value; *p; p++)
		if (*p <= ' ' || *p == 0x7f || *p == '"' || *p == '\\')
			return refuse(given, e, "must be one word, without blanks and quotes");
	*field = strdup(given->value);
	return *field ? 0 : -ENOMEM;
}

/* Digits only, so that "3x", "-1" and " 3" are refused. */
static int read_count(const struct setting *setting, const struct given *given, struct error *e,
		      struct settings *settings)
{
	unsigned int *field = setting_field(settings, setting);
	unsigned long long n = 0;
	char why[128];

	for (const char *p = given->value; *p || p == given->value; p++) {
		if (*p < '0' || *p > '9' || n > UINT_MAX) {
			snprintf(why, sizeof(why), "must be a whole number, %s", setting->range);
			return refuse(given, e, why);
		}
		n = n * 10 + (unsigned int)(*p - '0');
	}
	if (n < (unsigned long long)setting->min || n > (unsigned long long)setting->max) {
		snprintf(why, sizeof(why), "is out of range; %s", setting->range);
		return refuse(given, e, why);
	}
	*field = (unsigned int)n;
	return 0;
}

static int read_seconds(const struct setting *setting, const struct given *given, struct error *e,
			struct settings *settings)
{
	int64_t *field = setting_field(settings, setting);
	int64_t ms = 0, unit = MS;
	bool has_point = false, has_digit = false;
	char why[128];

	for (const char *p = given->value; *p; p++) {
		if (*p == '.' && !has_point) {
			has_point = true;
		} else if (*p >= '0' && *p <= '9' && ms < INT64_C(1000000000000)) {
			has_digit = true;
			if (has_point) /* what is finer than a millisecond is cut off */
				unit /= 10;
			ms = has_point ? ms + (*p - '0') * unit
				       : ms * 10 + (*p - '0') * INT64_C(1000);
		} else {
			has_digit = false;
			break;
		}
	}
	if (!has_digit) {
		snprintf(why, sizeof(why), "must be a number of seconds, %s", setting->range);
		return refuse(given, e, why);
	}
	if (ms < setting->min || ms > setting->max) {
		snprintf(why, sizeof(why), "is out of range; %s", setting->range);
		return refuse(given, e, why);
	}
	*field = ms;
	return 0;
}

/* "30d", "12h". An age without its unit is a mistake that would cost somebody's clips. */
static int read_age(const struct setting *setting, const struct given *given, struct error *e,
		    struct settings *settings)
{
	static const struct {
		char letter;
		int64_t ms;
	} units[] = {{'s', MS}, {'m', 60 * MS}, {'h', 3600 * MS}, {'d', INT64_C(86400) * MS}};
	int64_t *field = setting_field(settings, setting), n = 0, ms = 0;
	const char *p = given->value;

	if (!strcmp(given->value, "off")) {
		*field = 0;
		return 0;
	}
	for (; *p >= '0' && *p <= '9' && n < 1000000000; p++)
		n = n * 10 + (*p - '0');
	for (size_t i = 0; i < SC_ARRAY_SIZE(units); i++)
		if (p > given->value && *p == units[i].letter && !p[1])
			ms = n * units[i].ms;
	if (ms < MS || ms > INT64_C(36500) * 86400 * MS)
		return refuse(given, e,
			      "must be off or an age as 30d, 12h, 45m or 90s, from 1s to 36500d");
	*field = ms;
	return 0;
}

static int read_switch(const struct setting *setting, const struct given *given, struct error *e,
		       struct settings *settings)
{
	enum settings_switch *field = setting_field(settings, setting);

	if (strcmp(given->value, "on") != 0 && strcmp(given->value, "off") != 0)
		return refuse(given, e, "must be on or off");
	*field = !strcmp(given->value, "on") ? SWITCH_ON : SWITCH_OFF;
	return 0;
}

/* "0", "256M". @return what stands behind it, NULL: it does not begin with a number, or is too
 * large */
static const char *parse_bytes(const char *value, int64_t *ret)
{
	static const char units[] = "KMGT";
	const char *p = value, *unit;
	int64_t n = 0;

	for (; *p >= '0' && *p <= '9' && n < INT64_C(1) << 52; p++)
		n = n * 10 + (*p - '0');
	if (p == value)
		return NULL;
	unit = *p ? strchr(units, *p) : NULL;
	if (unit)
		p++;
	for (; unit && unit >= units && n < INT64_C(1) << 52; unit--)
		n *= 1024;
	*ret = n;
	return p;
}

static int refuse_bytes(const struct given *given, struct error *e, const char *end,
			const char *what)
{
	return refuse(given, e, !end || *end ? what : "is out of range; less than 4096T");
}

/* "256M", "5%". */
static int read_size(const struct setting *setting, const struct given *given, struct error *e,
		     struct settings *settings)
{
	int64_t n = 0;
	const char *end = parse_bytes(given->value, &n);

	if (end && !strcmp(end, "%") && end[-1] >= '0' && end[-1] <= '9') {
		if (n > 99)
			return refuse(given, e, "is out of range; 0% to 99%");
		settings->min_free.bytes = 0;
		settings->min_free.percent = (unsigned int)n;
		return 0;
	}
	if (!end || *end || n >= INT64_C(1) << 52)
		return refuse_bytes(given, e, end,
				    "must be a number of bytes, with K, M or G, or a part as 5%");
	settings->min_free.bytes = n;
	settings->min_free.percent = 0;
	return 0;
}

static int read_bytes(const struct setting *setting, const struct given *given, struct error *e,
		      struct settings *settings)
{
	int64_t n = 0;
	const char *end = parse_bytes(given->value, &n);

	if (!end || *end || n >= INT64_C(1) << 52)
		return refuse_bytes(given, e, end, "must be a number of bytes, with K, M or G");
	if (n < 1)
		return refuse(given, e, "is out of range; at least 1 (leave it out for no limit)");
	*(int64_t *)setting_field(settings, setting) = n;
	return 0;
}

static bool all_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")] && strlen(s) < 10;
}

int settings_find_owner(const char *user, const char *group, struct settings *settings)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = getgrnam(group);

	if ((!pw && !all_digits(user)) || (!gr && !all_digits(group)))
		return -ENOENT;
	settings->output_uid = pw ? pw->pw_uid : (uid_t)strtoul(user, NULL, 10);
	settings->output_gid = gr ? gr->gr_gid : (gid_t)strtoul(group, NULL, 10);
	settings->has_output_owner = true;
	return 0;
}

static int read_owner(const struct setting *setting, const struct given *given, struct error *e,
		      struct settings *settings)
{
	auto_free char *user = strdup(given->value);
	char *colon = user ? strchr(user, ':') : NULL;

	if (!user)
		return -ENOMEM;
	if (!colon || colon == user || !colon[1])
		return refuse(given, e, "must be USER:GROUP");
	if (geteuid() != 0)
		return refuse(given, e, "only root can give files to somebody; leave it out");
	*colon = '\0';
	if (settings_find_owner(user, colon + 1, settings) < 0)
		return refuse(given, e, "there is no such user or group");
	return 0;
}

int setting_read(const struct setting *setting, const struct given *given, struct error *e,
		 struct settings *settings)
{
	static int (*const readers[])(const struct setting *setting, const struct given *given,
				      struct error *e, struct settings *settings) = {
		[KIND_PATH] = read_path,       [KIND_TEXT] = read_text, [KIND_COUNT] = read_count,
		[KIND_SECONDS] = read_seconds, [KIND_AGE] = read_age,   [KIND_SWITCH] = read_switch,
		[KIND_OWNER] = read_owner,     [KIND_SIZE] = read_size, [KIND_BYTES] = read_bytes,
		[KIND_FLAG] = read_switch,
	};
	int r = readers[setting->kind](setting, given, e, settings);

	return r == -ENOMEM ? error_from_errno(e, r, "reading %s", setting->option) : r;
}
