/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of one mount, complete and checked. One table in src/daemon/config.c gives each its
 * names (option, environment, file), range, default and help line. Read-only once threads exist.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "storyclip/error.h"

/** on|off, or what fits best. */
enum settings_switch { SWITCH_AUTO, SWITCH_OFF, SWITCH_ON };

struct settings {
	char *root;            /* absolute, resolved */
	char *mountpoint;      /* absolute, resolved */
	char *upload_tmp_dir;  /* absolute, resolved */
	char *process_work_dir;
	char *output_root;
	char *cdn_base;        /* "" when not set */
	char *database;        /* absolute path of the file */
	char *log_file;        /* NULL: journal / syslog */
	unsigned int workers;
	int64_t stall_timeout_ms;
	int64_t watchdog_interval_ms;
	unsigned int max_attempts;
	int64_t upload_wait_ms;
	int64_t job_retention_ms; /* how long ended jobs … */
	int64_t upload_retention_ms; /* … and unused uploads are kept; 0: for ever */
	unsigned int max_queue;
	int64_t max_upload_size;       /* bytes; 0: none */
	unsigned int max_jobs_per_uid; /* not yet ended; 0: any number */
	enum settings_switch xattr; /* of incoming/; auto: where it costs no request per write */
	enum settings_switch strict; /* what a request says that does not say it; auto is off */
	struct {
		int64_t bytes;
		unsigned int percent; /* of each volume; 0: bytes are meant */
	} min_free;                   /* on the volumes of work and outputs */
	bool has_output_owner;
	uid_t output_uid;
	gid_t output_gid;
};
