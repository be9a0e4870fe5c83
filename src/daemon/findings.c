/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growing list of lines. Main thread. */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void findings_finish(struct findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		free(findings->list[i].path);
		free(findings->list[i].text);
	}
	free(findings->list);
	memset(findings, 0, sizeof(*findings));
}

int findings_add(struct findings *findings, const struct finding *what, const char *fmt, ...)
{
	struct finding added = *what;
	va_list args;
	int n;

	if (findings->n == findings->cap) {
		size_t cap = findings->cap ? 2 * findings->cap : 16;
		struct finding *list = reallocarray(findings->list, cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		findings->list = list;
		findings->cap = cap;
	}
	va_start(args, fmt);
	n = vasprintf(&added.text, fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	/* Names in it are anybody's: one line stays one line, and a terminal is not spoken to. */
	for (char *p = added.text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	added.path = what->path ? strdup(what->path) : NULL;
	if (what->path && !added.path) {
		free(added.text);
		return -ENOMEM;
	}
	findings->list[findings->n++] = added;
	return 0;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(((const struct finding *)a)->text, ((const struct finding *)b)->text);
}

void findings_intersect(struct findings *findings, struct findings *again)
{
	size_t kept = 0;

	if (again->n)
		qsort(again->list, again->n, sizeof(*again->list), compare_text);
	for (size_t i = 0; i < findings->n; i++) {
		struct finding *f = &findings->list[i];

		if (again->n && bsearch(f, again->list, again->n, sizeof(*f), compare_text)) {
			findings->list[kept++] = *f;
			continue;
		}
		free(f->path);
		free(f->text);
	}
	findings->n = kept;
}

size_t findings_count(const struct findings *findings)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++)
		n += findings->list[i].kind != FINDING_NOTE;
	return n;
}
