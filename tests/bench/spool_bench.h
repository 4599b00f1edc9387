/** What the parts of zm-spool-bench share. */
#ifndef ZM_TESTS_BENCH_SPOOL_BENCH_H
#define ZM_TESTS_BENCH_SPOOL_BENCH_H

#include <apr_thread_mutex.h>

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
    apr_thread_mutex_t *lock;
    apr_pool_t *pool, *each;
} bench_t;

void bench_die(const char *what, apr_status_t status) __attribute__((noreturn));

/** spool_life.c: takes a published message through all that the daemons do with it. */
void bench_life(bench_t *bench, const char *name, uint64_t id);

/** spool_raw.c: what plain calls can do. */
void bench_raw(
    bench_t *bench); /**< create, write, sync, rename, sync the directory, in as many threads */
void bench_append(bench_t *bench); /**< append to one file and sync it, in as many threads */

#endif
