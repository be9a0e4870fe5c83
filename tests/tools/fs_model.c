/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random file operations, each made in two directories: the one under test, and a native one, the
 * model. What each call gives (result, errno, bytes, attributes) must be the same.
 *
 *     fs_model [-v] UNDER_TEST MODEL OPERATIONS [SEED]
 *
 * Prints the seed first; a difference is printed with the number of its operation and its words,
 * and ends it with exit code 1. The same seed makes the same operations. -v prints each one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define DIRS      4 /* d0 to d3, each in the one before or at the top */
#define NAMES     6 /* per directory */
#define OPEN      8 /* files open at a time */
#define SIZE_MAX_ 300000
#define IO_MAX    70000

struct side {
	int top;
	int fds[OPEN];
};

/* What one call gave: all of it is compared. */
struct outcome {
	long result;    /* of the call, or a negative errno */
	uint64_t hash;  /* of what it filled in */
	char text[100]; /* the same for a person, where there is room */
};

struct model {
	struct side sides[2];
	int flags[OPEN]; /* of what is open there; -1: nothing */
	uint64_t state;
	bool is_verbose, has_xattr;
	char words[400]; /* the operation at hand */
	unsigned char bytes[IO_MAX];
};

/* ---- chance ---- */

static unsigned int below(struct model *m, unsigned int n)
{
	m->state = m->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)(m->state >> 33) % n;
}

static uint64_t hash_add(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		h = (h ^ *p++) * UINT64_C(1099511628211);
	return h;
}

static uint64_t hash_number(uint64_t h, int64_t n)
{
	return hash_add(h, &n, sizeof(n));
}

static const char *const odd_names[NAMES] = {"plain",    ".hidden",     "with space",
					     "quote'\"", "line\nbreak", "\xff\xfe not utf-8"};

static const char *random_path(struct model *m, char path[64])
{
	static const char *const dirs[DIRS + 1] = {"", "d0/", "d1/", "d0/d2/", "d1/d3/"};

	snprintf(path, 64, "%s%s", dirs[below(m, DIRS + 1)], odd_names[below(m, NAMES)]);
	return path;
}

static const char *random_dir(struct model *m)
{
	static const char *const dirs[DIRS] = {"d0", "d1", "d0/d2", "d1/d3"};

	return dirs[below(m, DIRS)];
}

static off_t random_offset(struct model *m)
{
	switch (below(m, 4)) {
	case 0:
		return (off_t)below(m, SIZE_MAX_ / 4096) * 4096;
	case 1:
		return 0;
	default:
		return below(m, SIZE_MAX_);
	}
}

__attribute__((format(printf, 2, 3))) static void say(struct model *m, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(m->words, sizeof(m->words), fmt, args);
	va_end(args);
}

/* ---- outcomes ---- */

static struct outcome plain(long result)
{
	return (struct outcome){.result = result < 0 ? -errno : result};
}

/* All that must be alike. Not alike by nature: inode, device, times set by the clock, blocks. */
static struct outcome of_stat(int r, const struct stat *st)
{
	struct outcome o = plain(r);

	if (r < 0)
		return o;
	/* Only what this program has set lies so far back. */
	snprintf(o.text, sizeof(o.text), "mode %o links %ld owner %u:%u size %lld mtime %lld.%09ld",
		 st->st_mode, S_ISDIR(st->st_mode) ? 0 : (long)st->st_nlink, st->st_uid, st->st_gid,
		 S_ISDIR(st->st_mode) ? 0 : (long long)st->st_size,
		 st->st_mtim.tv_sec < 1000000000 ? (long long)st->st_mtim.tv_sec : 0,
		 st->st_mtim.tv_sec < 1000000000 ? st->st_mtim.tv_nsec : 0);
	o.hash = hash_add(o.hash, o.text, strlen(o.text));
	return o;
}

static struct outcome of_bytes(long n, const void *bytes)
{
	struct outcome o = plain(n);

	if (n > 0)
		o.hash = hash_add(0, bytes, (size_t)n);
	return o;
}

/* ---- operations on names ---- */

/* Everything random is chosen before: run() is called once for each side. */
struct op {
	int kind;
	char a[64], b[64];
	int slot, slot2, flags;
	mode_t mode;
	off_t off, off2;
	size_t len;
	struct timespec times[2];
};

static struct outcome run_open(struct side *s, const struct op *op)
{
	int fd = openat(s->top, op->a, op->flags | O_CLOEXEC, op->mode);

	s->fds[op->slot] = fd;
	return fd < 0 ? plain(-1) : plain(0);
}

static struct outcome run_close(struct side *s, const struct op *op)
{
	int r = close(s->fds[op->slot]);

	s->fds[op->slot] = -1;
	return plain(r);
}

static struct outcome run_mkdir(struct side *s, const struct op *op)
{
	return plain(mkdirat(s->top, op->a, op->mode));
}

static struct outcome run_rmdir(struct side *s, const struct op *op)
{
	return plain(unlinkat(s->top, op->a, AT_REMOVEDIR));
}

static struct outcome run_unlink(struct side *s, const struct op *op)
{
	return plain(unlinkat(s->top, op->a, 0));
}

static struct outcome run_rename(struct side *s, const struct op *op)
{
	return plain(renameat2(s->top, op->a, s->top, op->b, (unsigned int)op->flags));
}

static struct outcome run_link(struct side *s, const struct op *op)
{
	return plain(linkat(s->top, op->a, s->top, op->b, 0));
}

static struct outcome run_mknod(struct side *s, const struct op *op)
{
	return plain(mknodat(s->top, op->a, S_IFREG | op->mode, 0));
}

static struct outcome run_stat(struct side *s, const struct op *op)
{
	struct stat st;

	return of_stat(fstatat(s->top, op->a, &st, AT_SYMLINK_NOFOLLOW), &st);
}

static struct outcome run_chmod(struct side *s, const struct op *op)
{
	return plain(fchmodat(s->top, op->a, op->mode, 0));
}

static struct outcome run_chown(struct side *s, const struct op *op)
{
	return plain(fchownat(s->top, op->a, (uid_t)op->flags, (gid_t)op->slot2, 0));
}

static struct outcome run_utimens(struct side *s, const struct op *op)
{
	return plain(utimensat(s->top, op->a, op->times, 0));
}

static struct outcome run_truncate(struct side *s, const struct op *op)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", s->top, op->a);
	return plain(truncate(path, op->off));
}

static struct outcome run_access(struct side *s, const struct op *op)
{
	return plain(faccessat(s->top, op->a, op->flags, 0));
}

static struct outcome run_xattr(struct side *s, const struct op *op)
{
	char path[128], value[64];
	long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", s->top, op->a);
	switch (op->flags) {
	case 0:
		return plain(setxattr(path, "user.model", op->b, op->len % sizeof(op->b), 0));
	case 1:
		return plain(removexattr(path, "user.model"));
	default:
		n = getxattr(path, "user.model", value, sizeof(value));
		return of_bytes(n, value);
	}
}

/* A listing, in whatever order: the sum of its names' hashes. */
static struct outcome run_list(struct side *s, const struct op *op)
{
	struct outcome o = {0};
	struct dirent *entry;
	int fd = openat(s->top, op->a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return plain(-1);
	for (int pass = 0; pass < 2; pass++) {
		for (errno = 0; (entry = readdir(dir)); o.result++) {
			uint64_t h = hash_add(7, entry->d_name, strlen(entry->d_name));

			o.hash += hash_number(h, entry->d_type);
		}
		if (errno)
			o.result = -errno;
		rewinddir(dir);
	}
	closedir(dir);
	return o;
}

/* ---- operations on open files ---- */

static unsigned char io_buffer[IO_MAX];

static struct outcome run_read(struct side *s, const struct op *op)
{
	long n = pread(s->fds[op->slot], io_buffer, op->len, op->off);

	return of_bytes(n, io_buffer);
}

static struct outcome run_write(struct side *s, const struct op *op)
{
	for (size_t i = 0; i < op->len; i++)
		io_buffer[i] = (unsigned char)((size_t)op->off2 + i * 7);
	return plain(op->flags ? write(s->fds[op->slot], io_buffer, op->len)
			       : pwrite(s->fds[op->slot], io_buffer, op->len, op->off));
}

static struct outcome run_ftruncate(struct side *s, const struct op *op)
{
	return plain(ftruncate(s->fds[op->slot], op->off));
}

static struct outcome run_fallocate(struct side *s, const struct op *op)
{
	return plain(fallocate(s->fds[op->slot], op->flags, op->off, (off_t)op->len + 1));
}

static struct outcome run_fstat(struct side *s, const struct op *op)
{
	struct stat st;

	return of_stat(fstat(s->fds[op->slot], &st), &st);
}

static bool is_zero(int fd, off_t from, off_t to)
{
	while (from < to) {
		size_t len = to - from < IO_MAX ? (size_t)(to - from) : IO_MAX;
		long n = pread(fd, io_buffer, len, from);

		if (n <= 0)
			return true; /* its end, or it is only open for writing */
		for (long i = 0; i < n; i++)
			if (io_buffer[i])
				return false;
		from += n;
	}
	return true;
}

/*
 * Where exactly a hole is depends on what happens to be cached (space that was allocated but not
 * written counts as data once it has been read). So: is the answer right?
 */
static struct outcome run_seek(struct side *s, const struct op *op)
{
	int fd = s->fds[op->slot];
	off_t found = lseek(fd, op->off, op->flags);
	int err = errno;
	struct stat st;

	if (op->flags == SEEK_DATA || op->flags == SEEK_HOLE)
		lseek(fd, op->off, SEEK_SET); /* where the next write goes must be the same */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) /* a directory's are its own business */
		return (struct outcome){0};
	if (op->flags == SEEK_SET || op->flags == SEEK_END || (found < 0 && err != ENXIO))
		return (struct outcome){.result = found < 0 ? -err : found};
	if (op->off >= st.st_size)
		return (struct outcome){.result = found < 0 ? -err : found};
	if (op->flags == SEEK_HOLE)
		return (struct outcome){.result = found >= op->off && found <= st.st_size};
	return (struct outcome){.result = found < st.st_size && (found < 0 || found >= op->off) &&
					  is_zero(fd, op->off, found < 0 ? st.st_size : found)};
}

static struct outcome run_fsync(struct side *s, const struct op *op)
{
	return plain(op->flags ? fsync(s->fds[op->slot]) : fdatasync(s->fds[op->slot]));
}

static struct outcome run_copy(struct side *s, const struct op *op)
{
	off_t in = op->off, out = op->off2;

	return plain(copy_file_range(s->fds[op->slot], &in, s->fds[op->slot2], &out, op->len, 0));
}

/* Read through a mapping: only what is inside of the file. */
static struct outcome run_mmap(struct side *s, const struct op *op)
{
	struct stat st;
	struct outcome o;
	void *map;

	if (fstat(s->fds[op->slot], &st) < 0)
		return plain(-1);
	if (!st.st_size)
		return plain(0);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, s->fds[op->slot], 0);
	if (map == MAP_FAILED)
		return plain(-1);
	o = of_bytes(st.st_size, map);
	munmap(map, (size_t)st.st_size);
	return o;
}

static struct outcome run_fchmod(struct side *s, const struct op *op)
{
	return plain(fchmod(s->fds[op->slot], op->mode));
}

static struct outcome run_futimens(struct side *s, const struct op *op)
{
	return plain(futimens(s->fds[op->slot], op->times));
}

/* ---- the table ---- */

enum needs { NEEDS_NAME, NEEDS_DIR, NEEDS_NAMES, NEEDS_FREE, NEEDS_OPEN, NEEDS_TWO };

static const int seeks[] = {SEEK_DATA, SEEK_HOLE, SEEK_SET, SEEK_END};
static const int opens[] = {O_RDONLY,
			    O_WRONLY,
			    O_RDWR,
			    O_RDWR | O_CREAT,
			    O_WRONLY | O_CREAT,
			    O_RDWR | O_CREAT,
			    O_WRONLY | O_CREAT | O_TRUNC,
			    O_RDWR | O_CREAT | O_EXCL,
			    O_WRONLY | O_APPEND | O_CREAT,
			    O_RDWR | O_TRUNC,
			    O_RDONLY | O_DIRECTORY,
			    O_RDWR | O_APPEND};
static const int renames[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
static const int modes_of_space[] = {0,
				     FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE};
static const int flags_0_1_2[] = {0, 1, 2};
static const int owners[] = {0, 0, 2001};
static const int accesses[] = {F_OK, R_OK, W_OK, R_OK | W_OK}; /* X_OK: it is noexec */

#define FLAGS(list) .flags = list, .n_flags = sizeof(list) / sizeof((list)[0])

static const struct operation {
	const char *name;
	unsigned int weight;
	enum needs needs;
	struct outcome (*run)(struct side *s, const struct op *op);
	const int *flags;
	unsigned int n_flags;
} operations[] = {
	{"open", 16, NEEDS_FREE, run_open, FLAGS(opens)},
	{"close", 10, NEEDS_OPEN, run_close},
	{"mkdir", 6, NEEDS_DIR, run_mkdir},
	{"rmdir", 1, NEEDS_DIR, run_rmdir},
	{"unlink", 4, NEEDS_NAME, run_unlink},
	{"rename", 8, NEEDS_NAMES, run_rename, FLAGS(renames)},
	{"link", 3, NEEDS_NAMES, run_link},
	{"mknod", 2, NEEDS_NAME, run_mknod},
	{"stat", 8, NEEDS_NAME, run_stat},
	{"stat directory", 2, NEEDS_DIR, run_stat},
	{"chmod", 3, NEEDS_NAME, run_chmod},
	{"chown", 2, NEEDS_NAME, run_chown, FLAGS(owners)},
	{"utimens", 3, NEEDS_NAME, run_utimens},
	{"truncate", 3, NEEDS_NAME, run_truncate},
	{"access", 2, NEEDS_NAME, run_access, FLAGS(accesses)},
	{"xattr", 3, NEEDS_NAME, run_xattr, FLAGS(flags_0_1_2)},
	{"list", 4, NEEDS_DIR, run_list},
	{"read", 14, NEEDS_OPEN, run_read},
	{"write", 16, NEEDS_OPEN, run_write, FLAGS(flags_0_1_2)},
	{"ftruncate", 4, NEEDS_OPEN, run_ftruncate},
	{"fallocate", 5, NEEDS_OPEN, run_fallocate, FLAGS(modes_of_space)},
	{"fstat", 8, NEEDS_OPEN, run_fstat},
	{"seek", 5, NEEDS_OPEN, run_seek, FLAGS(seeks)},
	{"fsync", 1, NEEDS_OPEN, run_fsync, FLAGS(flags_0_1_2)},
	{"copy_file_range", 5, NEEDS_TWO, run_copy},
	{"mmap", 4, NEEDS_OPEN, run_mmap},
	{"fchmod", 2, NEEDS_OPEN, run_fchmod},
	{"futimens", 2, NEEDS_OPEN, run_futimens},
};

#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const struct operation *random_operation(struct model *m)
{
	unsigned int total = 0, at;

	for (size_t i = 0; i < N_OPERATIONS; i++)
		total += operations[i].weight;
	at = below(m, total);
	for (size_t i = 0;; i++) {
		if (at < operations[i].weight)
			return &operations[i];
		at -= operations[i].weight;
	}
}

static int random_slot(struct model *m, bool must_be_open)
{
	unsigned int first = below(m, OPEN);

	for (unsigned int i = 0; i < OPEN; i++) {
		int slot = (int)((first + i) % OPEN);

		if ((m->sides[0].fds[slot] >= 0) == must_be_open)
			return slot;
	}
	return -1;
}

/* Choose all that the operation needs. @return whether it can be done now */
static bool choose(struct model *m, const struct operation *o, struct op *op)
{
	*op = (struct op){.slot = random_slot(m, o->needs != NEEDS_FREE),
			  .slot2 = random_slot(m, true),
			  .off = random_offset(m),
			  .off2 = random_offset(m),
			  .len = below(m, IO_MAX),
			  .mode = below(m, 3) ? 0644 : below(m, 010000)};
	if (o->needs >= NEEDS_FREE && op->slot < 0)
		return false;
	op->flags = o->n_flags ? o->flags[below(m, o->n_flags)] : 0;
	random_path(m, op->a);
	random_path(m, op->b);
	if (o->needs == NEEDS_DIR)
		snprintf(op->a, sizeof(op->a), "%s", random_dir(m));
	/* Directories are renamed too, and given new names of files. */
	if (o->needs == NEEDS_NAMES && !below(m, 8))
		snprintf(op->a, sizeof(op->a), "%s", random_dir(m));
	if (o->needs == NEEDS_NAMES && !below(m, 8))
		snprintf(op->b, sizeof(op->b), "%s", random_dir(m));
	for (int i = 0; i < 2; i++)
		op->times[i] = (struct timespec){.tv_sec = below(m, 900000000),
						 .tv_nsec = below(m, 1000000000)};
	say(m, "%s %s %s slot %d,%d flags %#x mode %o off %lld,%lld len %zu", o->name, op->a, op->b,
	    op->slot, op->slot2, (unsigned int)op->flags, op->mode, (long long)op->off,
	    (long long)op->off2, op->len);
	return true;
}

/* ---- what is known to differ, and documented ---- */

static void adjust(const struct operation *o, struct op *op, struct model *m)
{
	struct stat st;

	/* Files there never have setuid or setgid; directories do. */
	if (o->run != run_mkdir && o->run != run_chmod)
		op->mode &= 01777;
	if (o->run == run_chmod &&
	    (fstatat(m->sides[1].top, op->a, &st, 0) < 0 || S_ISREG(st.st_mode)))
		op->mode &= 01777;
	/* Root passes any mode; where it does not, the file must stay reachable for both. */
	if (geteuid() != 0)
		op->mode |= S_ISREG(op->mode) ? 0600 : 0700;
	if (o->run == run_chown)
		op->slot2 = op->flags;
	if (o->run == run_chown && geteuid() != 0)
		op->flags = op->slot2 = -1;
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && a->hash == b->hash;
}

static int complain(const struct model *m, unsigned long number, const struct outcome got[2])
{
	for (int i = 0; i < 2; i++)
		fprintf(stderr, "%s: %ld (%s), hash %llx %s\n", i ? "model" : "under test",
			got[i].result,
			got[i].result < 0 ? strerrorname_np((int)-got[i].result) : "well",
			(unsigned long long)got[i].hash, got[i].text);
	fprintf(stderr, "operation %lu differs: %s\n", number, m->words);
	return 1;
}

/* At the end, and now and then: every file whole. */
static int compare_all(struct model *m, unsigned long number)
{
	static const char *const dirs[DIRS + 1] = {"", "d0/", "d1/", "d0/d2/", "d1/d3/"};

	for (size_t d = 0; d <= DIRS; d++) {
		for (size_t n = 0; n < NAMES; n++) {
			struct outcome got[2];

			say(m, "the file %s%s", dirs[d], odd_names[n]);
			for (int i = 0; i < 2; i++) {
				struct side side = {.top = m->sides[i].top};
				struct op op = {0};

				snprintf(op.a, sizeof(op.a), "%s%s", dirs[d], odd_names[n]);
				got[i] = run_stat(&side, &op);
				op.flags = O_RDONLY;
				if (run_open(&side, &op).result < 0)
					continue;
				got[i].hash = hash_number(got[i].hash,
							  (int64_t)run_mmap(&side, &op).hash);
				close(side.fds[0]);
			}
			if (!is_same(&got[0], &got[1]))
				return complain(m, number, got);
		}
	}
	return 0;
}

/* What an operation did to the files that are open. */
static int compare_open(const struct model *m, unsigned long number)
{
	for (int slot = 0; slot < OPEN; slot++) {
		struct op op = {.slot = slot};
		struct outcome got[2];

		if (m->sides[0].fds[slot] < 0)
			continue;
		for (int i = 0; i < 2; i++)
			got[i] = run_fstat((struct side *)&m->sides[i], &op);
		if (!is_same(&got[0], &got[1]))
			return complain(m, number, got);
	}
	return 0;
}

static int run(struct model *m, unsigned long n_operations)
{
	for (unsigned long number = 0; number < n_operations; number++) {
		const struct operation *o = random_operation(m);
		struct outcome got[2];
		struct op op;

		if (!choose(m, o, &op) || (o->run == run_xattr && !m->has_xattr))
			continue;
		adjust(o, &op, m);
		if (m->is_verbose)
			fprintf(stderr, "%lu %s\n", number, m->words);
		for (int i = 0; i < 2; i++)
			got[i] = o->run(&m->sides[i], &op);
		if (!is_same(&got[0], &got[1]))
			return complain(m, number, got);
		if (compare_open(m, number) != 0)
			return 1;
		if (number % 1000 == 999 && compare_all(m, number) != 0)
			return 1;
	}
	return compare_all(m, n_operations);
}

int main(int argc, char **argv)
{
	static struct model m;
	int at = argc > 1 && !strcmp(argv[1], "-v") ? 2 : 1;
	unsigned long long seed;
	int r;

	if (argc - at < 3) {
		fprintf(stderr, "usage: fs_model [-v] UNDER_TEST MODEL OPERATIONS [SEED]\n");
		return 2;
	}
	m.is_verbose = at == 2;
	seed = argc - at > 3 ? strtoull(argv[at + 3], NULL, 10)
			     : ((unsigned long long)time(NULL) << 8) ^ (unsigned long long)getpid();
	m.state = seed;
	printf("seed %llu\n", seed);
	fflush(stdout);
	umask(022);
	m.has_xattr = true;
	for (int i = 0; i < 2; i++) {
		m.sides[i].top = open(argv[at + i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (m.sides[i].top < 0) {
			perror(argv[at + i]);
			return 2;
		}
		memset(m.sides[i].fds, -1, sizeof(m.sides[i].fds));
		m.has_xattr &= setxattr(argv[at + i], "user.model", "x", 1, 0) == 0;
	}
	r = run(&m, strtoul(argv[at + 2], NULL, 10));
	printf("%s\n", r ? "differs" : "the same");
	return r;
}
