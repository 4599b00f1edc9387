/*
 * Threads of one process on one spool: 4 publish, 4 read, 2 rename and link.
 * Nobody ever sees half an object, and at the end each is there once.  A short
 * form runs as a unit test; ZM_CROWD_SECONDS=60 in the environment makes it longer.
 */
#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/layout.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/engines.h"

#define PUBLISHERS 4
#define READERS 4
#define RENAMERS 2
#define SHORT_COUNT 150 /* publishes of each publisher in the short form */
#define KEPT 2000       /* names in a directory that renamers leave there */

typedef struct crowd_t {
    zm_spool_t *spool;
    apr_time_t end; /* 0: the short form */
    volatile apr_uint32_t published, removed, failures, publishing;
} crowd_t;

typedef struct worker_t {
    crowd_t *crowd;
    uint32_t number, random;
    apr_pool_t *pool;
} worker_t;

static uint32_t next_random(worker_t *worker)
{
    worker->random = worker->random * 1664525u + 1013904223u;
    return worker->random >> 8;
}

static void fail(crowd_t *crowd, const char *what, const char *name, apr_status_t status)
{
    char text[120];
    fprintf(stderr, "%s %s: %s\n", what, name, zm_status_text(status, text, sizeof text));
    apr_atomic_inc32(&crowd->failures);
}

/* -- publishers ------------------------------------------------------------------ */

static bool publish_one(worker_t *worker, uint32_t count)
{
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router", .unsynced = count % 4 != 0};
    apr_size_t size = 32 + next_random(worker) % (count % 50 == 0 ? 150000 : 6000);
    char *text = apr_palloc(worker->pool, size);
    zm_object_t *object;
    apr_status_t status;
    memset(text, 'a' + (int)(count % 26), size);
    apr_snprintf(text, size, "%u %u %lu\n", worker->number, count, (unsigned long)size);
    text[strlen(text)] = 'x';
    status = zm_object_create(&object, worker->crowd->spool, &create);
    if (status == APR_SUCCESS)
        status = zm_object_write(object, text, size);
    if (status == APR_SUCCESS)
        status = zm_object_publish_wait(object, &target, NULL, worker->pool);
    if (status != APR_SUCCESS)
        fail(worker->crowd, "publish", "", status);
    else
        apr_atomic_inc32(&worker->crowd->published);
    return status == APR_SUCCESS;
}

static bool wants_more(const crowd_t *crowd, uint32_t count)
{
    return crowd->end != 0 ? zm_clock_monotonic() < crowd->end : count < SHORT_COUNT;
}

static void publish_all(worker_t *worker)
{
    uint32_t count;
    for (count = 0; wants_more(worker->crowd, count); count++) {
        apr_pool_clear(worker->pool);
        if (!publish_one(worker, count))
            break;
    }
    apr_atomic_dec32(&worker->crowd->publishing);
}

static bool over(crowd_t *crowd)
{
    return apr_atomic_read32(&crowd->publishing) == 0;
}

/* -- readers ----------------------------------------------------------------------- */

static void read_one(worker_t *worker, const char *name)
{
    zm_object_t *object;
    unsigned publisher, count;
    unsigned long size = 0;
    char *data = NULL;
    apr_size_t length = 0;
    apr_status_t status = zm_object_open(&object, worker->crowd->spool, name, ZM_OBJECT_READ);
    if (APR_STATUS_IS_ENOENT(status) || status == ZM_E_UNSAFE)
        return; /* renamed meanwhile; or between its two names */
    if (status == APR_SUCCESS) {
        status = zm_object_read_all(object, &data, &length, 1 << 20, worker->pool);
        zm_object_close(object);
    }
    if (status != APR_SUCCESS)
        fail(worker->crowd, "read", name, status);
    else if (sscanf(data, "%u %u %lu", &publisher, &count, &size) != 3 || size != length ||
             data[length - 1] != (char)('a' + count % 26))
        fail(worker->crowd, "half", name, ZM_E_CORRUPT);
}

static uint32_t each_name(worker_t *worker, const char *directory,
                          void (*fn)(worker_t *worker, const char *name), uint32_t limit)
{
    zm_listing_t *listing;
    const char *name;
    uint32_t count = 0;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return 0;
    status = zm_spool_list(&listing, worker->crowd->spool, directory, false, pool);
    while (status == APR_SUCCESS && (status = zm_listing_next(listing, &name)) == APR_SUCCESS &&
           count < limit) {
        char copy[300];
        apr_cpystrn(copy, name, sizeof copy);
        fn(worker, copy);
        apr_pool_clear(worker->pool);
        count++;
    }
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
        fail(worker->crowd, "list", directory, status);
    if (status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status))
        zm_listing_close(listing);
    apr_pool_destroy(pool);
    return count;
}

static void read_all(worker_t *worker)
{
    static const char *const directories[] = {"router", "deferred", "postman"};
    while (!over(worker->crowd))
        each_name(worker, directories[next_random(worker) % 3], read_one, 300);
}

/* -- renamers ------------------------------------------------------------------------ */

static void check(worker_t *worker, const char *what, const char *name, apr_status_t status)
{
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
        fail(worker->crowd, what, name, status);
}

/* Some get a second name for a while; what is gone belongs to the other renamer now. */
static void move_one(worker_t *worker, const char *name)
{
    zm_spool_t *spool = worker->crowd->spool;
    const char *leaf = strrchr(name, '/');
    const char *target = apr_pstrcat(worker->pool, "deferred", leaf, NULL);
    const char *second = apr_pstrcat(worker->pool, "postman", leaf, "_copy", NULL);
    check(worker, "rename", name, zm_spool_rename(spool, name, target));
    if (next_random(worker) % 8 == 0) {
        apr_status_t status = zm_spool_link(spool, target, second);
        if (!APR_STATUS_IS_EEXIST(status))
            check(worker, "link", target, status);
        check(worker, "unlink", second, zm_spool_unlink(spool, second));
    }
}

static void remove_one(worker_t *worker, const char *name)
{
    apr_status_t status = zm_spool_unlink(worker->crowd->spool, name);
    check(worker, "unlink", name, status);
    if (status == APR_SUCCESS)
        apr_atomic_inc32(&worker->crowd->removed);
}

static void rename_all(worker_t *worker)
{
    crowd_t *crowd = worker->crowd;
    while (!over(crowd)) {
        each_name(worker, "router", move_one, UINT32_MAX);
        if (apr_atomic_read32(&crowd->published) - apr_atomic_read32(&crowd->removed) > KEPT)
            each_name(worker, "deferred", remove_one, KEPT / 2);
    }
}

/* -- all together ---------------------------------------------------------------------- */

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *worker = data;
    (void)thread;
    if (worker->number < PUBLISHERS)
        publish_all(worker);
    else if (worker->number < PUBLISHERS + READERS)
        read_all(worker);
    else
        rename_all(worker);
    return NULL;
}

static void forget(worker_t *worker, const char *name)
{
    read_one(worker, name);
    remove_one(worker, name);
}

static void a_crowd_sees_whole_objects_only_and_loses_none(void)
{
    zm_test_spool_t test = zm_test_spool_begin();
    const char *seconds = getenv("ZM_CROWD_SECONDS");
    crowd_t crowd = {.spool = test.spool, .publishing = PUBLISHERS};
    worker_t workers[PUBLISHERS + READERS + RENAMERS];
    apr_thread_t *threads[PUBLISHERS + READERS + RENAMERS];
    apr_status_t ignored;
    uint32_t i, left;
    if (seconds != NULL)
        crowd.end = zm_clock_monotonic() + apr_time_from_sec(atoi(seconds));
    for (i = 0; i < PUBLISHERS + READERS + RENAMERS; i++) {
        workers[i] = (worker_t){.crowd = &crowd, .number = i, .random = i + 1};
        ZM_ASSERT_OK(apr_pool_create_unmanaged_ex(&workers[i].pool, NULL, NULL));
        ZM_ASSERT_OK(apr_thread_create(&threads[i], NULL, work, &workers[i], zm_test_pool()));
    }
    for (i = 0; i < PUBLISHERS + READERS + RENAMERS; i++)
        apr_thread_join(&ignored, threads[i]);
    left = crowd.published - crowd.removed;
    CU_ASSERT_EQUAL(each_name(&workers[0], "postman", read_one, UINT32_MAX), 0);
    CU_ASSERT_EQUAL(each_name(&workers[0], "router", forget, UINT32_MAX) +
                        each_name(&workers[0], "deferred", forget, UINT32_MAX),
                    left);
    CU_ASSERT_EQUAL(crowd.failures, 0);
    if (seconds != NULL)
        fprintf(stderr, "%u published, %u removed meanwhile\n", crowd.published,
                crowd.removed - left);
    for (i = 0; i < PUBLISHERS + READERS + RENAMERS; i++)
        apr_pool_destroy(workers[i].pool);
    zm_test_spool_end(&test);
}

ZM_TESTS("spool crowd", ZM_TEST(a_crowd_sees_whole_objects_only_and_loses_none))
