/** What the parts of zm-spool-bench share. */
#ifndef ZM_TESTS_BENCH_SPOOL_BENCH_H
#define ZM_TESTS_BENCH_SPOOL_BENCH_H

#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "spool/spool.h"

typedef struct bench_t {
    const char *where;
    int publishers, messages, fill, rate;
    apr_size_t size;
    bool consume, life, unsynced, json;
    char *text;
    zm_spool_t *spool;
    zm_loop_t *loop;
    int started, ended, failed;
    apr_interval_time_t *latency; /* of each message, microseconds */
    apr_interval_time_t *late;    /* with a rate: how long after its time each was started */
    apr_time_t clock;             /* with a rate: when the first one is due */
    apr_thread_mutex_t *lock;
    struct shared_t *shared; /* one syncfs for all; null: each file for itself */
    apr_pool_t *pool, *each;
} bench_t;

void bench_die(const char *what, apr_status_t status) __attribute__((noreturn));

/** spool_life.c: takes a published message through all that the daemons do with it. */
void bench_life(bench_t *bench, const char *name, uint64_t id);

/** spool_raw.c: what plain calls can do. */
void bench_raw(
    bench_t *bench); /**< create, write, sync, rename, sync the directory, in as many threads */
void bench_append(bench_t *bench); /**< append to one file and sync it, in as many threads */
void bench_syncfs(bench_t *bench); /**< as raw, with one syncfs for all files that wait for one */
/** A directory of the place, made if it is not there. */
zm_file_t *bench_raw_directory(bench_t *bench, const char *name, apr_pool_t *pool);
/** Makes and writes a file; `name` is what it shall be called. */
zm_file_t *bench_raw_write(bench_t *bench, int number, zm_file_t *from, char name[40],
                           apr_pool_t *pool);
void bench_raw_name(int number, zm_file_t *from, zm_file_t *to, const char *name);
/** The number of the next message for a thread, or -1. */
int bench_next(bench_t *bench);
/** Ends a thread for each publisher's fn. */
void bench_threads(bench_t *bench, apr_thread_start_t fn);

/** spool_uring.c: as raw, in one thread, with the syncs of as many messages in an io_uring. */
void bench_uring(bench_t *bench);

/** spool_pace.c: sets when the first message is due. */
void bench_start_clock(bench_t *bench);
/** Sleeps until a message is due, if there is a rate; tells when it was due, or the time of the
 * call. */
apr_time_t bench_wait_until_due(bench_t *bench, int number);

#endif
