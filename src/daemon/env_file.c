/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of settings. The rules are those of systemd.exec(5), EnvironmentFile=: one assignment a
 * line, '#' and ';' begin comments, quotes and backslashes as in sh, a backslash at a line's end
 * goes on with the next line. Nothing is expanded. Main thread.
 */
#include "env_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "storyclip/common/file.h"
#include "storyclip/common/macros.h"

#define ENV_FILE_MAX (1024 * 1024)

void env_file_finish(struct env_file *file)
{
	for (size_t i = 0; i < file->n_lines; i++) {
		free(file->lines[i].name);
		free(file->lines[i].value);
	}
	free(file->lines);
	memset(file, 0, sizeof(*file));
}

const char *env_file_get(const struct env_file *file, const char *name)
{
	for (size_t i = file->n_lines; i > 0; i--)
		if (!strcmp(file->lines[i - 1].name, name))
			return file->lines[i - 1].value;
	return NULL;
}

static int line_add(struct env_file *file, const char *name, size_t name_len, const char *value,
		    unsigned int line_no)
{
	struct env_line line, *more;

	more = reallocarray(file->lines, file->n_lines + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	file->lines = more;
	line.name = strndup(name, name_len);
	line.value = strdup(value);
	line.line_no = line_no;
	if (!line.name || !line.value) {
		free(line.name);
		free(line.value);
		return -ENOMEM;
	}
	file->lines[file->n_lines++] = line;
	return 0;
}

/* Copy a value without its quotes to out. @return where the line ends, NULL for an open quote */
static const char *value_unquote(const char *p, char *out, unsigned int *line_no)
{
	char quote = '\0', *kept = out; /* blanks before kept are part of the value */

	p += strspn(p, " \t");
	for (; *p && (quote || *p != '\n'); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
			kept = out;
			continue;
		}
		*line_no += *p == '\n';
		if (*p == '\\' && quote != '\'' && p[1]) {
			p++;
			*line_no += *p == '\n';
			if (*p == '\n')
				continue;
			kept = out + 1;
		} else if (quote || !strchr(" \t\r", *p)) {
			kept = out + 1;
		}
		*out++ = *p;
	}
	*kept = '\0';
	return quote ? NULL : p;
}

int env_file_parse(const char *path, const char *text, struct error *e, struct env_file *ret)
{
	auto_env_file struct env_file file = {0};
	auto_free char *value = malloc(strlen(text) + 1);
	unsigned int line_no = 1;
	int r = value ? 0 : -ENOMEM;

	for (const char *p = text; r == 0 && *p; line_no++) {
		unsigned int first = line_no;
		size_t name_len;

		p += strspn(p, " \t\r");
		if (*p == '#' || *p == ';' || *p == '\n' || !*p) {
			p += strcspn(p, "\n");
			p += *p == '\n';
			continue;
		}
		name_len = strcspn(p, "= \t\r\n");
		if (p[name_len] != '=' || !name_len)
			return error_set(
				e, SC_INVALID_REQUEST, "%s line %u: '%.*s' is no NAME=value", path,
				first, (int)strcspn(p, "\n") > 60 ? 60 : (int)strcspn(p, "\n"), p);
		text = p;
		p = value_unquote(p + name_len + 1, value, &line_no);
		if (!p)
			return error_set(e, SC_INVALID_REQUEST, "%s line %u: a quote is not closed",
					 path, first);
		r = line_add(&file, text, name_len, value, first);
		p += *p == '\n';
	}
	if (r < 0)
		return error_from_errno(e, r, "reading %s", path);
	*ret = file;
	file = (struct env_file){0};
	return 0;
}

int env_file_read(const char *path, struct error *e, struct env_file *ret)
{
	auto_free char *text = NULL;
	int r;

	r = file_read_text(AT_FDCWD, path, ENV_FILE_MAX, &text, NULL);
	if (r < 0)
		return error_from_errno(e, r, "config=%s cannot be read", path);
	return env_file_parse(path, text, e, ret);
}
