#include <apr_strings.h>
#include <apr_thread_cond.h>

#include "tests/bench/spool_bench.h"

/* -- without a spool ---------------------------------------------------------------- */

zm_file_t *bench_raw_directory(bench_t *bench, const char *name, apr_pool_t *pool)
{
    const char *path = apr_pstrcat(pool, bench->where, "/", name, NULL);
    zm_file_t *handle;
    apr_status_t status;
    zm_dir_make_all(path, 0700, pool);
    status = zm_dir_handle(&handle, NULL, path, pool);
    if (status != APR_SUCCESS)
        bench_die(path, status);
    return handle;
}

zm_file_t *bench_raw_write(bench_t *bench, int number, zm_file_t *from, char name[40],
                           apr_pool_t *pool)
{
    zm_file_t *file;
    zm_file_info_t info;
    char scratch[40];
    apr_status_t status;
    apr_snprintf(scratch, sizeof scratch, "raw-%d", number);
    status =
        zm_file_open(&file, from, scratch,
                     ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, pool);
    if (status == APR_SUCCESS)
        status = zm_file_write_at(file, 0, bench->text, bench->size);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, file);
    if (status != APR_SUCCESS)
        bench_die("raw", status);
    apr_snprintf(name, 40, "%" APR_UINT64_T_FMT, info.id);
    return file;
}

void bench_raw_name(int number, zm_file_t *from, zm_file_t *to, const char *name)
{
    char scratch[40];
    apr_status_t status;
    apr_snprintf(scratch, sizeof scratch, "raw-%d", number);
    status = zm_file_rename(from, scratch, to, name);
    if (status != APR_SUCCESS)
        bench_die("raw", status);
}

/* One sync for all who came before it began. */
typedef struct shared_t {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *end;
    zm_file_t *root;
    int begun, ended;
    bool busy;
} shared_t;

static apr_status_t sync_shared(shared_t *shared)
{
    apr_status_t status = APR_SUCCESS;
    int ours;
    apr_thread_mutex_lock(shared->lock);
    ours = shared->begun + 1;
    while (shared->ended < ours && status == APR_SUCCESS)
        if (shared->busy) {
            apr_thread_cond_wait(shared->end, shared->lock);
        } else {
            int number = ++shared->begun;
            shared->busy = true;
            apr_thread_mutex_unlock(shared->lock);
            status = zm_file_sync_all(shared->root);
            apr_thread_mutex_lock(shared->lock);
            shared->busy = false;
            shared->ended = number;
            apr_thread_cond_broadcast(shared->end);
        }
    apr_thread_mutex_unlock(shared->lock);
    return status;
}

static void raw_one(bench_t *bench, int number, zm_file_t *from, zm_file_t *to, apr_pool_t *pool)
{
    char name[40];
    zm_file_t *file = bench_raw_write(bench, number, from, name, pool);
    apr_status_t status = APR_SUCCESS;
    if (bench->shared != NULL)
        status = sync_shared(bench->shared);
    else if (!bench->unsynced)
        status = zm_file_sync(file);
    if (status != APR_SUCCESS)
        bench_die("raw", status);
    bench_raw_name(number, from, to, name);
    if (bench->shared != NULL)
        status = sync_shared(bench->shared);
    else if (!bench->unsynced)
        status = zm_dir_sync(to);
    if (status == APR_SUCCESS)
        status = zm_file_close(file);
    if (status != APR_SUCCESS)
        bench_die("raw", status);
    if (bench->consume)
        zm_file_unlink(to, name);
}

int bench_next(bench_t *bench)
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
    (void)thread;
    apr_pool_create(&pool, NULL);
    from = bench_raw_directory(bench, "public", pool);
    to = bench_raw_directory(bench, "router", pool);
    if (apr_pool_create_unmanaged_ex(&each, NULL, NULL) != APR_SUCCESS)
        bench_die(bench->where, APR_ENOMEM);
    for (;;) {
        int number = bench_next(bench);
        apr_time_t since;
        if (number < 0)
            break;
        since = bench_wait_until_due(bench, number);
        raw_one(bench, number, from, to, each);
        apr_pool_clear(each);
        bench->latency[number] = zm_clock_monotonic() - since;
    }
    apr_pool_destroy(each);
    apr_pool_destroy(pool);
    return NULL;
}

void bench_threads(bench_t *bench, apr_thread_start_t fn)
{
    apr_thread_t **threads =
        apr_pcalloc(bench->pool, (apr_size_t)bench->publishers * sizeof *threads);
    apr_status_t ignored;
    int i;
    apr_thread_mutex_create(&bench->lock, APR_THREAD_MUTEX_DEFAULT, bench->pool);
    bench_start_clock(bench);
    for (i = 0; i < bench->publishers; i++)
        if (apr_thread_create(&threads[i], NULL, fn, bench, bench->pool) != APR_SUCCESS)
            bench_die("cannot start a thread", APR_EGENERAL);
    for (i = 0; i < bench->publishers; i++)
        apr_thread_join(&ignored, threads[i]);
}

void bench_raw(bench_t *bench)
{
    bench_threads(bench, raw_thread);
}

void bench_syncfs(bench_t *bench)
{
    shared_t *shared = apr_pcalloc(bench->pool, sizeof *shared);
    apr_thread_mutex_create(&shared->lock, APR_THREAD_MUTEX_DEFAULT, bench->pool);
    apr_thread_cond_create(&shared->end, bench->pool);
    shared->root = bench_raw_directory(bench, "router", bench->pool);
    bench->shared = shared;
    bench_threads(bench, raw_thread);
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
        int number = bench_next(bench);
        apr_time_t since;
        if (number < 0 || status != APR_SUCCESS)
            break;
        since = bench_wait_until_due(bench, number);
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
    bench_threads(bench, append_thread);
}
