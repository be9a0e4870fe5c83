/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Landlock (Linux 5.13): which files can still be opened. Descriptors that are open already, the
 * source among them, are not concerned. The constants are the kernel's ABI (linux/landlock.h); they
 * stand here since Debian 12's header knows only the first ones, and the running kernel decides.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storyclip/common/hook.h"
#include "storyclip/common/macros.h"

#ifndef SYS_landlock_create_ruleset /* one number on all architectures */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1

#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_REFER       (UINT64_C(1) << 13) /* since ABI 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* since ABI 3 */
#define FS_ALL_OF_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* since ABI 5 */
#define NET_ALL        UINT64_C(3)         /* bind and connect of TCP, since ABI 4 */
#define SCOPED_ALL     UINT64_C(3)         /* abstract unix sockets, signals, since ABI 6 */

#define WORKER_DIR                                                                   \
	(FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_READ_DIR | FS_REMOVE_FILE | \
	 FS_MAKE_REG)
#define PUBLISHER_DIR (WORKER_DIR | FS_REMOVE_DIR | FS_MAKE_DIR | FS_REFER)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

/* What may be opened besides: where the loader looks for libraries that are loaded only when needed
 * (the directories of the program and of what it has loaded are added), and the seed of random
 * numbers. Reading is all that the loader needs; FS_EXECUTE is only for programs. */
static const char *const readable[] = {"/etc/ld.so.cache", "/dev/urandom", "/usr/lib", "/lib",
				       "/lib64", "/usr/local/lib"};

struct rules {
	int fd;
	uint64_t handled;
	char last_dir[4096]; /* most libraries lie in one directory */
	int error;
};

static void allow_fd(struct rules *rules, int fd, uint64_t access)
{
	const struct path_beneath_attr attr = {.allowed_access = access & rules->handled,
					       .parent_fd = fd};

	if (syscall(SYS_landlock_add_rule, rules->fd, RULE_PATH_BENEATH, &attr, 0) < 0)
		rules->error = -errno;
}

/* What is not there need not be allowed. */
static void allow_path(struct rules *rules, const char *path, uint64_t access)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd >= 0)
		allow_fd(rules, fd, access);
}

static void allow_dir_of(struct rules *rules, const char *file)
{
	const char *slash = strrchr(file, '/');
	char dir[sizeof(rules->last_dir)];

	if (file[0] != '/' || slash == file || (size_t)(slash - file) >= sizeof(dir))
		return; /* the vDSO has no path */
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - file), file);
	if (strcmp(dir, rules->last_dir) != 0) {
		allow_path(rules, dir, FS_READ_FILE);
		memcpy(rules->last_dir, dir, sizeof(dir));
	}
}

static int allow_library(struct dl_phdr_info *info, size_t size, void *context)
{
	allow_dir_of(context, info->dlpi_name);
	return 0;
}

static void allow_program(struct rules *rules)
{
	char path[sizeof(rules->last_dir)];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	allow_dir_of(rules, path);
}

static int rules_create(int abi, struct rules *ret)
{
	struct ruleset_attr attr = {.handled_access_fs = FS_ALL_OF_ABI_1};
	size_t size = sizeof(attr.handled_access_fs);

	if (abi >= 2)
		attr.handled_access_fs |= FS_REFER;
	if (abi >= 3)
		attr.handled_access_fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr.handled_access_fs |= FS_IOCTL_DEV;
	if (abi >= 4) {
		attr.handled_access_net = NET_ALL;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPED_ALL;
		size = sizeof(attr);
	}
	ret->handled = attr.handled_access_fs;
	ret->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	return ret->fd < 0 ? -errno : 0;
}

static int restrict_self(const struct sandbox_plan *plan, int abi)
{
	struct rules rules = {.fd = -1};
	const char *hooks = hook_directory();
	int r = rules_create(abi, &rules);

	if (r < 0)
		return r;
	for (size_t i = 0; i < SANDBOX_MAX_DIRS; i++)
		if (plan->dirs[i] >= 0)
			allow_fd(&rules, plan->dirs[i],
				 plan->kind == SANDBOX_WORKER ? WORKER_DIR : PUBLISHER_DIR);
	if (plan->kind == SANDBOX_WORKER) {
		dl_iterate_phdr(allow_library, &rules);
		allow_program(&rules);
		for (size_t i = 0; i < SC_ARRAY_SIZE(readable); i++)
			allow_path(&rules, readable[i], FS_READ_FILE);
	}
	if (hooks) /* of a test build */
		allow_path(&rules, hooks, WORKER_DIR);
	r = rules.error;
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules.fd, 0) < 0)
		r = -errno;
	close(rules.fd);
	return r;
}

void landlock_enter(const struct sandbox_plan *plan, struct sandbox_state *state)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	int r = abi < 0 ? -errno : 0;

	/* Without FS_REFER no file can leave its directory, which is what a publisher does. */
	if (r == 0 && abi < 2 && plan->kind == SANDBOX_PUBLISHER)
		return;
	if (r == 0)
		r = restrict_self(plan, abi);
	if (r == 0)
		state->landlock_abi = abi;
	else if (r == -ENOSYS || r == -EOPNOTSUPP)
		sandbox_miss(state, "landlock: this kernel has none, or has it switched off");
	else
		sandbox_miss(state, "landlock: %s", strerrordesc_np(-r));
	if (r == 0 && abi < 4)
		sandbox_miss(state, "landlock: ABI %d of this kernel knows no network", abi);
	else if (r == 0 && abi < 6)
		sandbox_miss(state, "landlock: ABI %d of this kernel knows no signals", abi);
}
