/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The uid that a worker of a root daemon runs as: one that no file and no other process has, so
 * that neither another worker nor anything else can be signalled, traced or read by it. No account
 * is needed: the number is made of the process' own. 0x70000000 and what follows lies above the
 * ranges that systemd, containers and shadow's subuids are given (systemd: "UIDs and GIDs"), and
 * below 2^31; process ids stay below 2^22.
 */
#include "sandbox.h"

#include <errno.h>
#include <limits.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UID_BASE 0x70000000u
/* Where the user namespace has no such number (a container): at least not root. */
#define UID_NOBODY 65534u

static int give_dirs(const struct sandbox_plan *plan, uid_t uid)
{
	for (size_t i = 0; i < SANDBOX_MAX_DIRS; i++)
		if (plan->dirs[i] >= 0 && fchown(plan->dirs[i], uid, uid) < 0)
			return -errno;
	return 0;
}

static int become(const struct sandbox_plan *plan, uid_t uid)
{
	int r = give_dirs(plan, uid);

	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* Also what a uid other than 0 may have been given by a service manager. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

void identity_drop(const struct sandbox_plan *plan, struct sandbox_state *state)
{
	int r = 0;

	if (geteuid() == 0) {
		r = become(plan, UID_BASE + (uid_t)getpid());
		state->has_own_uid = r == 0;
		if (r < 0 && become(plan, UID_NOBODY) == 0)
			sandbox_miss(state, "uid: 'nobody' for all workers, since one of its own: %s",
				     strerrordesc_np(-r));
		else if (r < 0)
			sandbox_miss(state, "uid: still root, since another: %s",
				     strerrordesc_np(-r));
		if (geteuid() == 0)
			give_dirs(plan, 0);
	}
	r = drop_capabilities();
	state->is_unprivileged = r == 0 && geteuid() != 0;
	if (r < 0)
		sandbox_miss(state, "capabilities: %s", strerrordesc_np(-r));
}

bool sandbox_reaches_program(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	struct stat st;

	if (geteuid() != 0)
		return true;
	for (ssize_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		if (stat(path, &st) < 0 || !(st.st_mode & S_IXOTH))
			return false;
		path[i] = '/';
	}
	return n > 0 && n < (ssize_t)sizeof(path);
}
