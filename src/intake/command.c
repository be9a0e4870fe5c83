/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command thread. It exists so that no handler of the mount waits for a commit or for the sync
 * of a hold: a handler queues and returns, and the answer comes from here. Requests are carried out
 * in the order in which they came, then what nobody waits for: sidecars that were found.
 */
#include "command.h"

#include <errno.h>
#include <string.h>

#include "sidecar.h"
#include "storyclip/common/buf.h"
#include "storyclip/common/log.h"
#include "storyclip/common/sync.h"
#include "submit.h"

struct command {
	struct command *next;
	enum command_kind kind;
	struct caller caller;
	char job_id[JOB_ID_SIZE];
	unsigned int clip_number;
	enum sidecar_cause cause;
	bool has_caller; /* of a sidecar */
	char *text;      /* owned; of a sidecar its path */
	intake_reply_fn reply;
	void *context;
};

struct commands {
	struct command_deps deps;
	pthread_t thread;
	bool is_started;
	struct lock lock; /* intake.command: below */
	struct cond cond;
	bool is_stopping;
	struct command *first, **last;
	struct command *later, **later_last; /* carried out when there is no other */
};

static void command_free(struct command *command)
{
	free(command->text);
	free(command);
}

/* Answer one with what went wrong; free it. */
static void command_refuse(struct command *command, const struct error *e)
{
	auto_buf struct buf json = BUF_EMPTY;

	intake_render_refused(&json, e);
	command->reply(command->context, e->err, json.data ? json.data : "");
	command_free(command);
}

static void command_refuse_stopping(struct command *command)
{
	struct error e = {0};

	if (command->kind == COMMAND_SIDECAR) {
		/* It stays where it is: the next start finds it. */
		if (command->reply)
			command->reply(command->context, 0, "");
		command_free(command);
		return;
	}
	error_set(&e, SC_STOPPING, "the mount is being stopped");
	command_refuse(command, &e);
}

/* ---- one word in jobs/<id>/control ---- */

static bool is_word(const char *text, const char *word)
{
	const char *start = text + strspn(text, " \t\r\n");
	size_t len = strcspn(start, " \t\r\n");

	return strlen(word) == len && !strncmp(word, start, len) &&
	       !start[len + strspn(start + len, " \t\r\n")];
}

static int run_cancel(struct commands *commands, const struct command *command, struct error *e)
{
	return engine_cancel(commands->deps.intake->engine, command->job_id, &command->caller, e);
}

static int run_retry(struct commands *commands, const struct command *command, struct error *e)
{
	return submit_retry(&commands->deps, command->job_id, &command->caller, e);
}

static int job_command(struct commands *commands, const struct command *command, struct error *e,
		       struct buf *json)
{
	static const struct {
		const char *word;
		int (*run)(struct commands *commands, const struct command *command,
			   struct error *e);
		enum job_state state; /* what this makes of it */
		const char *message;
	} words[] = {
		{"cancel", run_cancel, JOB_CANCELLED, "Job cancelled"},
		{"retry", run_retry, JOB_QUEUED, "Job queued again"},
	};
	int r;

	for (size_t i = 0; i < SC_ARRAY_SIZE(words); i++) {
		if (!is_word(command->text, words[i].word))
			continue;
		r = words[i].run(commands, command, e);
		if (r < 0)
			return r;
		intake_render_accepted(json, command->job_id, words[i].state, words[i].message);
		return 0;
	}
	return error_set(e, SC_INVALID_REQUEST, "'%.40s' is not known here; write cancel or retry",
			 command->text + strspn(command->text, " \t\r\n"));
}

/* ---- requests, and the words of the root's control ---- */

static int root_command(struct commands *commands, const struct command *command, struct error *e,
			struct buf *json)
{
	static const struct {
		const char *word;
		bool is_paused;
		const char *reply;
	} words[] = {
		{"pause", true,
		 "{\"success\":true,\"status\":\"paused\","
		 "\"message\":\"Running jobs go on, none is started\"}\n"},
		{"resume", false,
		 "{\"success\":true,\"status\":\"running\",\"message\":\"Jobs are started "
		 "again\"}\n"},
	};
	int r;

	for (size_t i = 0; i < SC_ARRAY_SIZE(words); i++) {
		if (!is_word(command->text, words[i].word))
			continue;
		r = engine_pause(commands->deps.intake->engine, words[i].is_paused,
				 &command->caller, e);
		if (r == 0)
			buf_add_str(json, words[i].reply);
		return r;
	}
	return submit_request(&commands->deps, command->text, &command->caller, e, json);
}

static int job_remove(struct commands *commands, const struct command *command, struct error *e)
{
	struct engine *engine = commands->deps.intake->engine;

	if (command->clip_number)
		return engine_remove_clip(engine, command->job_id, command->clip_number,
					  &command->caller, e);
	return engine_remove(engine, command->job_id, &command->caller, e);
}

/* ---- the thread ---- */

static void command_run(struct commands *commands, struct command *command)
{
	auto_buf struct buf json = BUF_EMPTY;
	struct error e = {0};
	int r = -EINVAL;

	switch (command->kind) {
	case COMMAND_SUBMIT:
		r = root_command(commands, command, &e, &json);
		break;
	case COMMAND_JOB:
		r = job_command(commands, command, &e, &json);
		break;
	case COMMAND_REMOVE:
		r = job_remove(commands, command, &e);
		break;
	case COMMAND_SIDECAR:
		r = sidecar_run(&commands->deps, command->text,
				command->has_caller ? &command->caller : NULL, command->cause, &e);
		if (command->reply)
			command->reply(command->context, r, "");
		command_free(command);
		return;
	}
	if (r < 0) {
		if (!e.err)
			error_set_errno(&e, r, SC_INTERNAL, "the command failed");
		command_refuse(command, &e);
		return;
	}
	command->reply(command->context, 0, json.data ? json.data : "");
	command_free(command);
}

static struct command *take_locked(struct commands *commands) SC_REQUIRES(&commands->lock)
{
	struct command *command = commands->first;

	if (command) {
		commands->first = command->next;
		if (!commands->first)
			commands->last = &commands->first;
		return command;
	}
	command = commands->later;
	if (command) {
		commands->later = command->next;
		if (!commands->later)
			commands->later_last = &commands->later;
	}
	return command;
}

static void *commands_run(void *arg)
{
	struct commands *commands = arg;
	bool is_stopping = false;

	while (!is_stopping) {
		struct command *command;

		lock_acquire(&commands->lock);
		while (!commands->first && !commands->later && !commands->is_stopping)
			cond_wait(&commands->cond, &commands->lock);
		is_stopping = commands->is_stopping;
		command = is_stopping ? NULL : take_locked(commands);
		lock_release(&commands->lock);
		if (command)
			command_run(commands, command);
	}
	return NULL;
}

static void queue_command(struct commands *commands, struct command *command, bool is_later)
{
	bool is_stopping;

	lock_acquire(&commands->lock);
	is_stopping = commands->is_stopping;
	if (!is_stopping && is_later) {
		*commands->later_last = command;
		commands->later_last = &command->next;
	} else if (!is_stopping) {
		*commands->last = command;
		commands->last = &command->next;
	}
	cond_signal(&commands->cond);
	lock_release(&commands->lock);
	if (is_stopping)
		command_refuse_stopping(command);
}

void commands_add_sidecar(struct commands *commands, const struct caller *caller, const char *path,
			  enum sidecar_cause cause, intake_reply_fn reply, void *context)
{
	struct command *command = calloc(1, sizeof(*command));
	char *copy = command ? strdup(path) : NULL;

	if (!copy) {
		free(command);
		log_error_with(-ENOMEM, "carrying out sidecar '%s'; the next start will", path);
		if (reply)
			reply(context, -ENOMEM, "");
		return;
	}
	*command = (struct command){.kind = COMMAND_SIDECAR,
				    .cause = cause,
				    .has_caller = caller != NULL,
				    .text = copy,
				    .reply = reply,
				    .context = context};
	if (caller)
		command->caller = *caller;
	queue_command(commands, command,
		      cause == SIDECAR_FOUND || cause == SIDECAR_CUT ||
			      cause == SIDECAR_UPLOAD_COMPLETE);
}

void commands_add(struct commands *commands, enum command_kind kind, const struct caller *caller,
		  const char *job_id, unsigned int clip_number, const char *text,
		  intake_reply_fn reply, void *context)
{
	struct command *command = calloc(1, sizeof(*command));
	char *copy = command && text ? strdup(text) : NULL;

	if (!command || (text && !copy)) {
		free(command);
		reply(context, -ENOMEM,
		      "{\"success\":false,\"error\":\"out of memory\","
		      "\"code\":\"OUT_OF_MEMORY\"}\n");
		return;
	}
	*command = (struct command){.kind = kind,
				    .caller = *caller,
				    .clip_number = clip_number,
				    .text = copy,
				    .reply = reply,
				    .context = context};
	/* An id that is too long is cut, and then it is no job's. */
	strncat(command->job_id, job_id ? job_id : "", sizeof(command->job_id) - 1);
	queue_command(commands, command, false);
}

int commands_start(struct commands *commands, struct error *e)
{
	int r = thread_start(&commands->thread, "command", commands_run, commands);

	if (r < 0)
		return error_from_errno(e, r, "starting the command thread");
	commands->is_started = true;
	return 0;
}

void commands_stop(struct commands *commands)
{
	struct command *rest;

	lock_acquire(&commands->lock);
	commands->is_stopping = true;
	*commands->last = commands->later;
	rest = commands->first;
	commands->first = commands->later = NULL;
	commands->last = &commands->first;
	commands->later_last = &commands->later;
	cond_broadcast(&commands->cond);
	lock_release(&commands->lock);
	if (commands->is_started)
		pthread_join(commands->thread, NULL);
	commands->is_started = false;
	while (rest) {
		struct command *next = rest->next;

		command_refuse_stopping(rest);
		rest = next;
	}
}

int commands_create(const struct command_deps *deps, struct commands **ret)
{
	struct commands *commands = calloc(1, sizeof(*commands));

	if (!commands)
		return -ENOMEM;
	commands->deps = *deps;
	commands->last = &commands->first;
	commands->later_last = &commands->later;
	lock_init(&commands->lock);
	cond_init(&commands->cond);
	*ret = commands;
	return 0;
}

void commands_destroy(struct commands *commands)
{
	if (!commands)
		return;
	commands_stop(commands);
	cond_finish(&commands->cond);
	lock_finish(&commands->lock);
	free(commands);
}
