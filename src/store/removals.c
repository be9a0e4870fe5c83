/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removing a job: its row goes and a note comes, in one transaction, so that a crash midway is
 * finished by the next start. Any thread.
 */
#include "db.h"

static int job_remove(struct db *db, const char *job_id, const char *trash, bool *ret_has_clips)
{
	static const char note_sql[] =
		"INSERT INTO removals (trash, job_id, has_clips) "
		"SELECT :trash, job_id, status='done' OR is_publishing FROM jobs "
		"WHERE job_id=:job_id AND status NOT IN ('queued','running') RETURNING has_clips";
	static const char delete_sql[] = "DELETE FROM jobs WHERE job_id=:job_id";
	auto_stmt sqlite3_stmt *stmt = NULL, *note = NULL;
	int r;

	r = db_statement(db, note_sql, &note);
	if (r == 0)
		r = db_bind_text(note, ":job_id", job_id);
	if (r == 0)
		r = db_bind_text(note, ":trash", trash);
	if (r == 0)
		r = db_step(db, note);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_has_clips = sqlite3_column_int(note, 0) != 0;
	r = db_step(db, note); /* to its end */
	if (r == 0)
		r = db_statement(db, delete_sql, &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":job_id", job_id);
	if (r == 0)
		r = db_change(db, stmt);
	if (r < 0)
		return r;
	return r ? 0 : -EIO; /* the note has just found that row */
}

int store_job_remove(struct store *store, const char *job_id, const char *trash,
		     bool *ret_has_clips)
{
	int r;

	if (!store_write_begin(store, WRITE_SYNCED))
		return -EBUSY;
	r = db_transaction_begin(&store->write);
	if (r == 0)
		r = db_transaction_end(&store->write,
				       job_remove(&store->write, job_id, trash, ret_has_clips));
	return store_write_end(store, r);
}

static int removal_done(struct db *db, const char *trash)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, "DELETE FROM removals WHERE trash=:trash", &stmt);
	if (r == 0)
		r = db_bind_text(stmt, ":trash", trash);
	if (r == 0)
		r = db_change(db, stmt);
	return r < 0 ? r : 0;
}

int store_removal_done(struct store *store, const char *trash)
{
	if (!store_write_begin(store, WRITE_UNSYNCED))
		return -EBUSY;
	return store_write_end(store, removal_done(&store->write, trash));
}

static int removals_each(struct db *db, int (*each)(void *context, const struct removal_row *row),
			 void *context)
{
	static const char sql[] = "SELECT trash, job_id, has_clips, "
				  "EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id=removals.job_id) "
				  "FROM removals";
	auto_stmt sqlite3_stmt *stmt = NULL;
	int r;

	r = db_statement(db, sql, &stmt);
	while (r == 0 && (r = db_step(db, stmt)) > 0) {
		const struct removal_row row = {
			.trash = db_column_text(stmt, 0),
			.job_id = db_column_text(stmt, 1),
			.has_clips = sqlite3_column_int(stmt, 2) != 0,
			.is_id_taken = sqlite3_column_int(stmt, 3) != 0,
		};

		r = each(context, &row);
	}
	return r;
}

int store_removals_each(struct store *store,
			int (*each)(void *context, const struct removal_row *row), void *context)
{
	int r;

	lock_acquire(&store->reader);
	r = removals_each(&store->read, each, context);
	lock_release(&store->reader);
	return r;
}
