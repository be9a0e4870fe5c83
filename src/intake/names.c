/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names that are no uploads (INTERFACE.md, "Uploads"), one table. Any thread. */
#include "names.h"

#include <string.h>

#include "storyclip/common/macros.h"
#include "storyclip/intake.h"

static const char *const unfinished_ends[] = {
	"~", ".part", ".partial", ".crdownload", ".tmp", ".filepart",
};
static const char *const sidecar_ends[] = {INTAKE_REQUEST_END, ".error"};

#define NGINX_DIGITS 10 /* nginx's dav PUT: name.mp4.0000000002 */

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && !strcmp(name + len - end_len, end);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool name_is_unfinished(const char *name)
{
	size_t len = strlen(name);

	if (name[0] == '.' || !strcmp(name, "Thumbs.db")) /* .DS_Store and ._* have the dot */
		return true;
	for (size_t i = 0; i < SC_ARRAY_SIZE(unfinished_ends); i++)
		if (ends_with(name, unfinished_ends[i]))
			return true;
	return len > NGINX_DIGITS + 1 && name[len - NGINX_DIGITS - 1] == '.' &&
	       strspn(name + len - NGINX_DIGITS, "0123456789") == NGINX_DIGITS;
}

bool name_is_sidecar(const char *name)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(sidecar_ends); i++)
		if (ends_with(name, sidecar_ends[i]))
			return true;
	return false;
}

bool path_is_request(const char *path)
{
	return ends_with(path_base(path), INTAKE_REQUEST_END) && path[0] != '.' &&
	       !strstr(path, "/.");
}

bool name_is_answer(const char *name)
{
	return ends_with(name, INTAKE_REQUEST_END ".error");
}

unsigned int request_upload_length(const char *path)
{
	return (unsigned int)(strlen(path) - strlen(INTAKE_REQUEST_END));
}

unsigned int name_stem_length(const char *name)
{
	const char *dot = strrchr(name, '.');

	return (unsigned int)(dot && dot != name ? (size_t)(dot - name) : strlen(name));
}
