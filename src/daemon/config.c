/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table of settings: names, kind, range, default, help. Reading, checking, the messages and
 * --help all walk it; config_value.c has the kinds. Main thread, before any other.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "env_file.h"
#include "places.h"
#include "storyclip/common/macros.h"

#define DEFAULT_OWNER "www-data:www-data"
#define MS            1000

#define FIELD(name) offsetof(struct settings, name)

static const struct setting settings_table[] = {
	{"upload_tmp_dir", "UPLOAD_TMP_DIR", KIND_PATH, FIELD(upload_tmp_dir),
	 .fallback = "ROOT/tmp/uploads", .help = "where the files of incoming/ lie"},
	{"process_work_dir", "PROCESS_WORK_DIR", KIND_PATH, FIELD(process_work_dir),
	 .fallback = "ROOT/work", .help = "where unfinished clips lie"},
	{"output_root", "OUTPUT_ROOT", KIND_PATH, FIELD(output_root), .fallback = "ROOT/outputs",
	 .help = "where finished clips lie"},
	{"cdn_base", "CDN_BASE", KIND_TEXT, FIELD(cdn_base), .fallback = "",
	 .help = "what the URLs of clips begin with (none: paths in the mount)"},
	{"database", "STORYCLIP_DATABASE", KIND_PATH, FIELD(database),
	 .fallback = "ROOT/database/storyclip.db", .help = "the database, on a local file system"},
	{"workers", "STORYCLIP_WORKERS", KIND_COUNT, FIELD(workers), 1, 1024, "1 to 1024",
	 .help = "jobs at a time (number of CPUs)"},
	{"stall_timeout", "STORYCLIP_STALL_TIMEOUT", KIND_SECONDS, FIELD(stall_timeout_ms), MS / 10,
	 INT64_C(604800) * MS, "0.1 to 604800 seconds", "300",
	 "seconds without work after which a job has stalled"},
	{"watchdog_interval", "STORYCLIP_WATCHDOG_INTERVAL", KIND_SECONDS,
	 FIELD(watchdog_interval_ms), MS / 10, INT64_C(86400) * MS, "0.1 to 86400 seconds", "60",
	 "seconds between two looks for stalled jobs"},
	{"max_attempts", "STORYCLIP_MAX_ATTEMPTS", KIND_COUNT, FIELD(max_attempts), 1, 100,
	 "1 to 100", "2", "tries before a passing failure is final"},
	{"upload_wait", "STORYCLIP_UPLOAD_WAIT", KIND_SECONDS, FIELD(upload_wait_ms), 0,
	 INT64_C(604800) * MS, "0 to 604800 seconds", "300",
	 "seconds without a byte after which an open upload's job fails"},
	{"job_retention", "STORYCLIP_JOB_RETENTION", KIND_AGE, FIELD(job_retention_ms),
	 .help = "ended jobs are removed at this age: 30d, 12h, 45m, 90s (never)"},
	{"upload_retention", "STORYCLIP_UPLOAD_RETENTION", KIND_AGE, FIELD(upload_retention_ms),
	 .help = "unused uploads are removed at this age: 30d, 12h, 45m, 90s (never)"},
	{"max_queue", "STORYCLIP_MAX_QUEUE", KIND_COUNT, FIELD(max_queue), 1, 1000000,
	 "1 to 1000000", "10000", "jobs that may wait"},
	{"max_upload_size", "STORYCLIP_MAX_UPLOAD_SIZE", KIND_BYTES, FIELD(max_upload_size),
	 .help = "largest file in incoming/: bytes, K, M, G; it is written through the daemon "
		 "(none)"},
	{"max_jobs_per_uid", "STORYCLIP_MAX_JOBS_PER_UID", KIND_COUNT, FIELD(max_jobs_per_uid), 1,
	 1000000, "1 to 1000000", .help = "jobs of one user that have not ended (any number)"},
	{"xattr", "STORYCLIP_XATTR", KIND_SWITCH, FIELD(xattr),
	 .help = "extended attributes, access lists in incoming/ (on where a write costs no more)"},
	{"strict", "STORYCLIP_STRICT", KIND_FLAG, FIELD(strict),
	 .help = "copy no bytes but those that a clip needs, unless a request says else (off)"},
	{"min_free", "STORYCLIP_MIN_FREE", KIND_SIZE, FIELD(min_free), .fallback = "256M",
	 .help = "room to keep on the disks: bytes, K, M, G, or % of each"},
	{"log", "STORYCLIP_LOG", KIND_PATH, FIELD(log_file),
	 .help = "the log (journal or syslog; standard error with -f)"},
	{"output_owner", "STORYCLIP_OUTPUT_OWNER", KIND_OWNER, 0, .range = "USER:GROUP",
	 .help = "who owns the finished clips (" DEFAULT_OWNER
		 " if there is one, and run by root)"},
};

/* Options without a setting: what mount(8) and fstab(5) say to others, and to the mount itself. */
static const char *const ignored_options[] = {
	"nofail",      "_netdev",    "noauto",   "auto",
	"user",        "nouser",     "users",    "rw",
	"defaults",    "suid",       "nosuid",   "dev",
	"nodev",       "exec",       "noexec",   "default_permissions",
	"config",      "group",      "nogroup",  "owner",
	"noowner",     "atime",      "diratime", "relatime",
	"strictatime", "nolazytime", "lazytime", "iversion",
	"noiversion",  "mand",       "nomand",   "silent",
	"loud",        "symfollow",  "_rnetdev",
};

/* The kernel's own: they mean for this mount what they mean for others. */
static const char *const kernel_options[FS_KERNEL_OPTIONS] = {
	"sync", "async", "dirsync", "noatime", "nodiratime", "norelatime", "nostrictatime"};

/* ---- where values come from ---- */

static const struct setting *setting_find(const char *option)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(settings_table); i++)
		if (!strcmp(settings_table[i].option, option))
			return &settings_table[i];
	return NULL;
}

static bool option_is_ignored(const char *name)
{
	if (!strncmp(name, "x-", 2) || !strcmp(name, "comment"))
		return true;
	for (size_t i = 0; i < SC_ARRAY_SIZE(ignored_options); i++)
		if (!strcmp(ignored_options[i], name))
			return true;
	return false;
}

/* @return the table's own text, NULL: it is none */
static const char *kernel_option(const char *name)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(kernel_options); i++)
		if (!strcmp(kernel_options[i], name))
			return kernel_options[i];
	return NULL;
}

static void add_kernel_option(struct fs_mount_options *mount, const char *name)
{
	for (size_t i = 0; i < mount->n_kernel; i++)
		if (mount->kernel[i] == name)
			return;
	if (mount->n_kernel < FS_KERNEL_OPTIONS)
		mount->kernel[mount->n_kernel++] = name;
}

/* Every option has a meaning: a misspelled one must not be silently no setting. */
static int options_check(const struct command_line *line, struct error *e,
			 struct fs_mount_options *mount)
{
	for (size_t i = 0; i < line->n_options; i++) {
		const struct mount_option *option = &line->options[i];

		const struct setting *setting = setting_find(option->name);

		if (setting) {
			if (!option->value && setting->kind != KIND_FLAG)
				return error_set(e, SC_INVALID_REQUEST,
						 "option %s needs a value: %s=...", option->name,
						 option->name);
		} else if (!strcmp(option->name, "allow_other")) {
			mount->allow_other = true;
		} else if (!strcmp(option->name, "ro")) {
			mount->read_only = true;
		} else if (kernel_option(option->name)) {
			add_kernel_option(mount, kernel_option(option->name));
		} else if (!option_is_ignored(option->name)) {
			return error_set(e, SC_INVALID_REQUEST,
					 "option %s%s%s is not known; see storyclipfs --help",
					 option->name, option->value ? "=" : "",
					 option->value ? option->value : "");
		}
	}
	return 0;
}

/* What a file for a service may say besides: where that mounts (contrib/systemd). */
static const char *const unit_names[] = {"STORYCLIP_ROOT", "STORYCLIP_MOUNT"};

static bool file_name_is_known(const char *name)
{
	for (size_t i = 0; i < SC_ARRAY_SIZE(settings_table); i++)
		if (!strcmp(settings_table[i].env, name))
			return true;
	for (size_t i = 0; i < SC_ARRAY_SIZE(unit_names); i++)
		if (!strcmp(unit_names[i], name))
			return true;
	return false;
}

/* As with options: a misspelled name must not be silently no setting. */
static int file_check(const char *path, const struct env_file *file, struct error *e)
{
	for (size_t i = 0; i < file->n_lines; i++)
		if (!file_name_is_known(file->lines[i].name))
			return error_set(e, SC_INVALID_REQUEST,
					 "%s line %u: %s is no setting; see storyclipfs --help",
					 path, file->lines[i].line_no, file->lines[i].name);
	return 0;
}

/* An empty variable is one that is not set; an option that was written out empty is a value. */
static struct given setting_given(const struct setting *setting, const struct command_line *line,
				  const struct env_file *file)
{
	const char *value;

	for (size_t i = line->n_options; i > 0; i--)
		if (!strcmp(line->options[i - 1].name, setting->option))
			return (struct given){
				line->options[i - 1].value ? line->options[i - 1].value : "on",
				setting->option, "mount option"};
	value = getenv(setting->env);
	if (value && *value)
		return (struct given){value, setting->env, "environment"};
	value = env_file_get(file, setting->env);
	if (value && *value)
		return (struct given){value, setting->env, line->config_file};
	return (struct given){NULL, setting->option, "default"};
}

/* The defaults that are not a text in the table. */
static void settings_defaults(struct settings *settings)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!settings->workers)
		settings->workers = cpus > 0 && cpus <= 1024 ? (unsigned int)cpus : 1;
	if (!settings->has_output_owner && geteuid() == 0)
		settings_find_owner("www-data", "www-data", settings);
}

static int setting_apply(const struct setting *setting, struct given given, struct error *e,
			 struct settings *settings)
{
	auto_free char *in_root = NULL;

	if (!given.value && !setting->fallback)
		return 0;
	if (!given.value && !strncmp(setting->fallback, "ROOT/", 5)) {
		if (asprintf(&in_root, "%s%s", settings->root, setting->fallback + 4) < 0)
			return error_from_errno(e, -ENOMEM, "reading %s", setting->option);
		given.value = in_root;
	} else if (!given.value) {
		given.value = setting->fallback;
	}
	return setting_read(setting, &given, e, settings);
}

int settings_load(const struct command_line *line, struct error *e, struct settings *ret,
		  struct fs_mount_options *mount, bool *is_usage)
{
	auto_settings struct settings settings = {0};
	auto_env_file struct env_file file = {0};
	int r;

	r = options_check(line, e, mount);
	*is_usage = r < 0;
	if (r == 0 && line->config_file)
		r = env_file_read(line->config_file, e, &file);
	if (r == 0)
		r = file_check(line->config_file, &file, e);
	if (r < 0)
		return r;
	r = place_resolve(line->root, &settings.root);
	if (r < 0)
		return error_from_errno(e, r, "ROOT %s cannot be used", line->root);
	if (line->mountpoint)
		r = place_resolve_mountpoint(line->mountpoint, &settings.mountpoint);
	if (r < 0)
		return error_from_errno(e, r, "MOUNTPOINT %s cannot be used", line->mountpoint);
	for (size_t i = 0; i < SC_ARRAY_SIZE(settings_table) && r == 0; i++)
		r = setting_apply(&settings_table[i],
				  setting_given(&settings_table[i], line, &file), e, &settings);
	if (r < 0)
		return r;
	settings_defaults(&settings);
	*ret = settings;
	settings = (struct settings){0};
	return 0;
}

void settings_finish(struct settings *settings)
{
	free(settings->root);
	free(settings->mountpoint);
	for (size_t i = 0; i < SC_ARRAY_SIZE(settings_table); i++)
		if (settings_table[i].kind == KIND_PATH || settings_table[i].kind == KIND_TEXT)
			free(*(char **)setting_field(settings, &settings_table[i]));
	memset(settings, 0, sizeof(*settings));
}

/* ---- --help ---- */

void settings_help(FILE *out)
{
	static const char *const kind_value[] = {
		[KIND_PATH] = "PATH",       [KIND_TEXT] = "URL",      [KIND_COUNT] = "N",
		[KIND_SECONDS] = "SECONDS", [KIND_AGE] = "AGE", [KIND_SWITCH] = "on|off", [KIND_OWNER] = "USER:GROUP",
		[KIND_SIZE] = "SIZE",       [KIND_BYTES] = "SIZE",    [KIND_FLAG] = "[=on|off]",
	};

	fputs("Usage: storyclipfs ROOT MOUNTPOINT [-f] [-d] [-c FILE] [-o option,...]\n"
	      "       mount -t fuse.storyclipfs ROOT MOUNTPOINT [-o option,...]\n"
	      "       umount MOUNTPOINT\n"
	      "       storyclipfs --check ROOT | --repair ROOT [-c FILE] [-o option,...]\n"
	      "\n"
	      "Mount a tree in which videos copied into incoming/ become clips.\n"
	      "ROOT keeps everything that must survive.\n"
	      "\n"
	      "  -f           stay in the foreground\n"
	      "  -d           stay in the foreground and print each request of the kernel\n"
	      "  -c FILE      read settings from FILE (NAME=value lines), as -o config=FILE\n"
	      "  --check      compare the database with the directories, also while mounted\n"
	      "  --repair     mend what can be mended without losing a byte, not while mounted\n"
	      "  -h, --help   print this\n"
	      "  -V, --version\n"
	      "\n"
	      "Settings: the option wins over the variable of the environment, that over\n"
	      "the line of FILE, that over the default.\n",
	      out);
	for (size_t i = 0; i < SC_ARRAY_SIZE(settings_table); i++) {
		const struct setting *s = &settings_table[i];
		int width;

		width = fprintf(out, "\n  -o %s%s%s", s->option, s->kind == KIND_FLAG ? "" : "=",
				kind_value[s->kind]);
		width--;
		fprintf(out, "%*s%s\n", width < 38 ? 38 - width : 1, "", s->env);
		fprintf(out, "      %s", s->help);
		if (s->fallback && *s->fallback)
			fprintf(out, " (%s)", s->fallback);
		fputc('\n', out);
	}
	fputs("\n"
	      "Options of mount(8) that are accepted: allow_other, ro, nofail, _netdev, auto,\n"
	      "noauto, user, users, group, owner, defaults, sync, async, dirsync, noatime,\n"
	      "relatime and their like, comment=*, x-*.\n",
	      out);
}
