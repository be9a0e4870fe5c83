/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which system calls are left, by libseccomp. What is not listed fails with EPERM and is told once
 * in the job's log, so that a library which tries something new shows in a test and does not crash;
 * what only an attacker calls ends the process.
 *
 * The list is what libav, x264, libavfilter's libraries, glibc 2.36 to 2.41 and this project call
 * once they are loaded (strace over the test media), and what glibc may call instead.
 */
#include "sandbox.h"

#ifndef SC_HAVE_SECCOMP

void seccomp_enter(const struct sandbox_plan *plan, struct sandbox_state *state)
{
	(void)plan;
	sandbox_miss(state, "seccomp: built without libseccomp");
}

#else

#include <errno.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "storyclip/common/macros.h"

#ifndef PR_SET_VMA /* glibc 2.41 gives its memory names; Debian 12's header does not know it */
#define PR_SET_VMA 0x53564d41
#endif
#ifndef SYS_SECCOMP /* si_code of SIGSYS; only in the kernel's header with older libcs */
#define SYS_SECCOMP 1
#endif

/* Calls without conditions. A name that an architecture does not have is left out there. */
static const char *const allowed[] = {
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mincore", "membarrier",
	"mlock", "munlock", /* libgcrypt's, below libavformat's protocols; RLIMIT_MEMLOCK holds */
	/* threads and time */
	"futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq", "set_tid_address",
	"gettid", "getpid", "getppid", "sched_yield", "sched_getaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "exit",
	"exit_group", "restart_syscall", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64",
	"clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time", "times",
	"getrusage", "getcpu",
	/* signals to itself */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "sigaltstack", "sigreturn",
	/* open files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
	"pwritev2", "lseek", "_llseek", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
	"fcntl64", "fstat", "fstat64", "fstatfs", "fstatfs64", "ftruncate", "ftruncate64",
	"fallocate", "fsync", "fdatasync", "sync_file_range", "sync_file_range2", "copy_file_range",
	"sendfile", "sendfile64", "fadvise64", "fadvise64_64", "readahead", "poll", "ppoll",
	"ppoll_time64", "pipe2", "pipe", "getdents64", "umask",
	/* names: Landlock decides which */
	"open", "openat", "openat2", "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx",
	"access", "faccessat", "faccessat2", "statfs", "statfs64", "readlink", "readlinkat", "rename", "renameat",
	"renameat2", "unlink", "unlinkat", "getcwd",
	/* what the machine is */
	"uname", "sysinfo", "getrandom", "getuid", "geteuid", "getgid", "getegid", "getuid32",
	"geteuid32", "getgid32", "getegid32", "getresuid", "getresgid", "getresuid32", "getresgid32",
	"getgroups", "getgroups32", "capget", "getpriority",
};

/* Besides, for the publisher: owners, modes, directories, as the daemon itself. */
static const char *const allowed_publisher[] = {
	"fchown", "fchown32", "fchmod", "fchmodat", "mkdirat", "mkdir", "linkat",
	"utimensat", "fsetxattr", "fgetxattr", "flistxattr", "syncfs",
};

/* Libraries ask for these when they are loaded (libnuma below x265) and do without. clone3: its
 * flags lie in memory, where no filter can look; glibc then takes clone. */
static const char *const absent[] = {"clone3", "get_mempolicy", "set_mempolicy", "mbind",
				     "move_pages", "memfd_create", "io_setup"};

/* Nothing that cuts videos comes near these. */
static const char *const deadly[] = {
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
	"io_uring_register", "init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen",
	"fsconfig", "fsmount", "fspick", "setns", "unshare", "keyctl", "add_key", "request_key",
	"open_by_handle_at", "name_to_handle_at", "reboot", "swapon", "swapoff", "acct", "quotactl",
	"personality", "iopl", "ioperm", "modify_ldt", "vhangup",
};

/* ioctl(2) is a system call of its own for each number. The last is isatty(3)'s. */
static const unsigned long allowed_ioctls[] = {FICLONE, FICLONERANGE, 0x5401};

static const scmp_datum_t allowed_prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE};

static int add_names(scmp_filter_ctx ctx, const char *const *names, size_t n, uint32_t action)
{
	for (size_t i = 0; i < n; i++) {
		int number = seccomp_syscall_resolve_name(names[i]), r;

		if (number == __NR_SCMP_ERROR)
			continue; /* newer than this libseccomp, or of another architecture */
		r = seccomp_rule_add(ctx, action, number, 0);
		if (r < 0 && r != -EDOM && r != -EACCES)
			return r;
	}
	return 0;
}

/* Calls that are harmless only with certain arguments. */
static int add_conditions(scmp_filter_ctx ctx)
{
	const scmp_datum_t self = (scmp_datum_t)getpid();
	int r = 0;

	/* A thread is allowed, a process is not. */
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	/* Signals to itself: abort(3), raise(3). */
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, self));
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				  SCMP_A0(SCMP_CMP_EQ, self));
	/* Limits of its own. */
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				  SCMP_A0(SCMP_CMP_EQ, 0));
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				  SCMP_A0(SCMP_CMP_EQ, self));
	for (size_t i = 0; i < SC_ARRAY_SIZE(allowed_ioctls) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, allowed_ioctls[i]));
	for (size_t i = 0; i < SC_ARRAY_SIZE(allowed_prctls) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, allowed_prctls[i]));
	return r;
}

static int add_rules(scmp_filter_ctx ctx, enum sandbox_kind kind)
{
	int r;

	r = add_names(ctx, allowed, SC_ARRAY_SIZE(allowed), SCMP_ACT_ALLOW);
	if (r == 0 && kind == SANDBOX_PUBLISHER)
		r = add_names(ctx, allowed_publisher, SC_ARRAY_SIZE(allowed_publisher),
			      SCMP_ACT_ALLOW);
	if (r == 0)
		r = add_names(ctx, absent, SC_ARRAY_SIZE(absent), SCMP_ACT_ERRNO(ENOSYS));
	if (r == 0)
		r = add_names(ctx, deadly, SC_ARRAY_SIZE(deadly), SCMP_ACT_KILL_PROCESS);
	return r == 0 ? add_conditions(ctx) : r;
}

#if defined(__x86_64__) || defined(__aarch64__)
#define REFUSE SCMP_ACT_TRAP

/* Written by signal handlers only: which numbers were told of. */
static _Atomic uint64_t told[16];

static bool is_new(unsigned int number)
{
	uint64_t bit = UINT64_C(1) << (number % 64);

	return number < 64 * SC_ARRAY_SIZE(told) && !(atomic_fetch_or(&told[number / 64], bit) & bit);
}

/* Nothing but what a signal handler may call. */
static void tell(unsigned int number)
{
	static const char text[] = "sandbox: refused system call ";
	char line[sizeof(text) + 12], digits[12];
	size_t len = sizeof(text) - 1, n = 0;

	memcpy(line, text, len);
	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n)
		line[len++] = digits[--n];
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* there is nobody else to tell */
}

/* The refused call returns -EPERM to whoever made it. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if (info->si_code != SYS_SECCOMP)
		_exit(128 + sig);
	if (is_new((unsigned int)info->si_syscall))
		tell((unsigned int)info->si_syscall);
#ifdef __x86_64__
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#else
	uc->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
}

static void catch_refused(void)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSYS, &action, NULL);
}
#else
#define REFUSE SCMP_ACT_ERRNO(EPERM)
static void catch_refused(void)
{
}
#endif

void seccomp_enter(const struct sandbox_plan *plan, struct sandbox_state *state)
{
	scmp_filter_ctx ctx = seccomp_init(REFUSE);
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0)
		r = add_rules(ctx, plan->kind);
	if (r == 0) {
		catch_refused();
		r = seccomp_load(ctx);
	}
	if (ctx)
		seccomp_release(ctx);
	state->has_seccomp = r == 0;
	if (r < 0)
		sandbox_miss(state, "seccomp: %s", strerrordesc_np(-r));
}

#endif
