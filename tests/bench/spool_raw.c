#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "tests/bench/spool_bench.h"

/* -- without it --------------------------------------------------------------------- */

static void raw_one(bench_t *bench, int number, zm_file_t *from, zm_file_t *to, apr_pool_t *pool)
{
    zm_file_t *file;
    zm_file_info_t info;
    char scratch[40], name[40];
    apr_status_t status;
    apr_snprintf(scratch, sizeof scratch, "raw-%d", number);
    status =
        zm_file_open(&file, from, scratch,
                     ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, pool);
    if (status == APR_SUCCESS)
        status = zm_file_write_at(file, 0, bench->text, bench->size);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, file);
    if (status == APR_SUCCESS && !bench->unsynced)
        status = zm_file_sync(file);
    if (status != APR_SUCCESS)
        bench_die("raw", status);
    apr_snprintf(name, sizeof name, "%" APR_UINT64_T_FMT, info.id);
    status = zm_file_rename(from, scratch, to, name);
    if (status == APR_SUCCESS && !bench->unsynced)
        status = zm_dir_sync(to);
    if (status == APR_SUCCESS)
        status = zm_file_close(file);
    if (status != APR_SUCCESS)
        bench_die("raw", status);
    if (bench->consume)
        zm_file_unlink(to, name);
}

/* The number of the next message, or -1. */
static int next_message(bench_t *bench)
{
    int number;
    apr_thread_mutex_lock(bench->lock);
    number = bench->started < bench->messages ? bench->started++ : -1;
    apr_thread_mutex_unlock(bench->lock);
    return number;
}

static void *APR_THREAD_FUNC raw_thread(apr_thread_t *thread, void *baton)
{
    bench_t *bench = baton;
    zm_file_t *from, *to;
    apr_pool_t *pool, *each;
    apr_status_t status = apr_pool_create(&pool, NULL);
    (void)thread;
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&from, NULL, apr_pstrcat(pool, bench->where, "/public", NULL), pool);
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&to, NULL, apr_pstrcat(pool, bench->where, "/router", NULL), pool);
    if (status == APR_SUCCESS)
        status = apr_pool_create_unmanaged_ex(&each, NULL, NULL);
    if (status != APR_SUCCESS)
        bench_die(bench->where, status);
    for (;;) {
        apr_time_t since = zm_clock_monotonic();
        int number = next_message(bench);
        if (number < 0)
            break;
        raw_one(bench, number, from, to, each);
        apr_pool_clear(each);
        bench->latency[number] = zm_clock_monotonic() - since;
    }
    apr_pool_destroy(each);
    apr_pool_destroy(pool);
    return NULL;
}

static void run_threads(bench_t *bench, apr_thread_start_t fn)
{
    apr_thread_t **threads =
        apr_pcalloc(bench->pool, (apr_size_t)bench->publishers * sizeof *threads);
    apr_status_t ignored;
    int i;
    apr_thread_mutex_create(&bench->lock, APR_THREAD_MUTEX_DEFAULT, bench->pool);
    for (i = 0; i < bench->publishers; i++)
        if (apr_thread_create(&threads[i], NULL, fn, bench, bench->pool) != APR_SUCCESS)
            bench_die("cannot start a thread", APR_EGENERAL);
    for (i = 0; i < bench->publishers; i++)
        apr_thread_join(&ignored, threads[i]);
}

void bench_raw(bench_t *bench)
{
    zm_dir_make_all(apr_pstrcat(bench->pool, bench->where, "/public", NULL), 0700, bench->pool);
    zm_dir_make_all(apr_pstrcat(bench->pool, bench->where, "/router", NULL), 0700, bench->pool);
    run_threads(bench, raw_thread);
}

/* -- a log ------------------------------------------------------------------------------ */

static void *APR_THREAD_FUNC append_thread(apr_thread_t *thread, void *baton)
{
    bench_t *bench = baton;
    zm_file_t *file;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    (void)thread;
    if (status == APR_SUCCESS)
        status = zm_file_open(&file, NULL, apr_pstrcat(pool, bench->where, "/log", NULL),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0600, pool);
    for (;;) {
        apr_time_t since = zm_clock_monotonic();
        int number = next_message(bench);
        if (number < 0 || status != APR_SUCCESS)
            break;
        status = zm_file_append(file, bench->text, bench->size);
        if (status == APR_SUCCESS && !bench->unsynced)
            status = zm_file_sync(file);
        bench->latency[number] = zm_clock_monotonic() - since;
    }
    if (status != APR_SUCCESS)
        bench_die(bench->where, status);
    apr_pool_destroy(pool);
    return NULL;
}

void bench_append(bench_t *bench)
{
    zm_dir_make_all(bench->where, 0700, bench->pool);
    run_threads(bench, append_thread);
}
