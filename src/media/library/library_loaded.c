/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The module as a file beside the program, in the build directory as where it is installed. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

#define MODULE      "storyclip-libav.so"
#define TEXT_(name) #name
#define TEXT(name)  TEXT_(name)

static int module_path(char *out, size_t size, struct error *e)
{
	ssize_t n = readlink("/proc/self/exe", out, size);
	char *slash;

	if (n < 0)
		return error_from_errno(e, -errno, "finding the program's directory");
	if ((size_t)n + sizeof(MODULE) > size)
		return error_from_errno(e, -ENAMETOOLONG, "finding the program's directory");
	out[n] = '\0';
	slash = strrchr(out, '/');
	memcpy(slash ? slash + 1 : out, MODULE, sizeof(MODULE));
	return 0;
}

int media_library_get(struct error *e, const struct media_library **ret)
{
	const struct media_library *library;
	char path[PATH_MAX];
	void *handle;
	int r;

	r = module_path(path, sizeof(path), e);
	if (r < 0)
		return r;
	/* The loader knows by the name what it has loaded already, and then opens no file. */
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle)
		return error_set(e, SC_INTERNAL, "%s cannot be loaded: %s", MODULE, dlerror());
	library = dlsym(handle, TEXT(MEDIA_LIBRARY_TABLE));
	dlclose(handle); /* but it is never unloaded */
	if (!library)
		return error_set(e, SC_INTERNAL, "%s has no %s", path, TEXT(MEDIA_LIBRARY_TABLE));
	if (library->size != sizeof(*library) || strcmp(library->version, SC_VERSION) != 0)
		return error_set(e, SC_INTERNAL, "%s is not of this storyclip-worker (%s)", path,
				 SC_VERSION);
	*ret = library;
	return 0;
}
