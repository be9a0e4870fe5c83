/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All threads and all locks of the daemon. There is no code here: this is the place to look and the
 * place to write it down.
 *
 * Threads (started by → what it may block on → how it stops)
 *
 *   main        the program      → signals; then takes all down in reverse      → returns
 *   fuse-loop   main             → runs libfuse's loop (up to 4 handler threads:
 *                                  reads of /dev/fuse, the backing directory's disk;
 *                                  never a commit, never another request)         → fuse_session_exit, unmount
 *   flush       main, in the stop → syncfs(2) of the mount                       → the mount's end
 *   fuse-notify fs/notify.c      → inval_entry into the kernel; a queue           → fs stop
 *   fuse-behind fs/behind.c      → inotify; stat of the backing directory         → fs stop
 *   command     intake           → commits, syncs of the hold directory           → intake_stop
 *   registry    intake           → commits, fsync of uploads                      → intake_stop
 *   watch       intake           → inotify; reads of rows, the backing directory's
 *                                  disk                                           → intake_stop
 *   slot-N      engine           → its child process, commits, publishing         → engine_stop (kills the child)
 *   watchdog    engine           → commits; a timer                               → engine_stop
 *   external    engine           → reads and commits; a timer                     → engine_stop
 *   sweeper     engine           → unlinking; a queue                             → engine_stop
 *   retention   engine           → commits; a timer; only with that setting       → engine_stop
 *   backup      store            → reading the database, writing its copy; a timer  → store_close
 *
 * The worker has one thread, and beside it, for a time: libav's decoders; `syncer`
 * (common/file_sync.c), eight at most, which block on fsync and end with the call that started them;
 * `writer` (media/clip/write_behind.c), which writes packets to clips and ends with the scan that reads them. Its
 * queue has a lock of its own, under which nothing else is done.
 *
 * Locks. Holding one, take only those further down; never the same kind twice.
 *
 *   fs.loop          whether the loop runs                (src/fs)
 *   fs.control       open control files, last replies     (src/fs)
 *   fs.tree          nodes, names, lookup counts          (src/fs)
 *   fs.parked        who waits, by a read or by poll; the
 *                    ring of events                       (src/fs)
 *   fs.notify        the notify thread's queue            (src/fs)
 *   intake.registry  open writers, pending rows           (src/intake)
 *   intake.openings  who is about to open for writing     (src/intake)
 *   intake.watch     uploads to be watched from now on    (src/intake)
 *   intake.command   the command thread's queue           (src/intake)
 *   engine.commit    one transition at a time: the only lock under which the store is called (src/engine)
 *   engine.jobs      live jobs, snapshots, the run queue  (src/engine); never held across I/O
 *   store.writer     the writing connection               (src/store)
 *   store.reader     the reading connection               (src/store)
 *   store.status     the text of the last error           (src/store)
 *   flush.lock       nothing but main's wait for `flush`  (src/daemon)
 *   backup.lock      nothing but the wait of `backup`     (src/store)
 *
 * With a lock held: no reply to the kernel, no callback, no file I/O and no SQL (but engine.commit
 * and the store's own), no wait but on the lock's own condition.
 *
 * The kernel's own locks matter as well (FUSE.md section 2): inval_entry takes the directory's lock, which a
 * LOOKUP, CREATE, UNLINK or RMDIR of that directory holds until it is answered. So only fuse-notify calls it,
 * and no handler of those ever waits for fuse-notify; an answer that must come after a notification is
 * handed to fuse-notify and sent from there.
 */
#pragma once
