/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dynamic loader's part. Entered by the media thread. */
#include "filter_library.h"

#include <dlfcn.h>

#include <libavutil/macros.h>

/* The version that the headers describe: another one's structs may differ. */
#define FILTER_LIBRARY "libavfilter.so." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR)

int filter_library_load(struct filter_library *ret, struct error *e)
{
	void *handle = dlopen(FILTER_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	const char *missing = NULL;

	if (!handle)
		return error_set(e, SC_INTERNAL, "%s cannot be loaded: %s", FILTER_LIBRARY,
				 dlerror());
#define X(name)                                      \
	*(void **)&ret->name = dlsym(handle, #name); \
	if (!ret->name)                              \
		missing = #name;
	FILTER_FUNCTIONS(X)
#undef X
	dlclose(handle); /* but it is never unloaded */
	if (missing)
		return error_set(e, SC_INTERNAL, "%s has no %s", FILTER_LIBRARY, missing);
	return 0;
}
