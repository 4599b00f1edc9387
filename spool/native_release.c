#include <apr_thread_cond.h>
#include <apr_thread_proc.h>

#include "spool/native.h"

/*
 * The last close of a file without names frees its blocks, which on some
 * filesystems and disks takes a millisecond, most of it waiting.  Threads do it,
 * so that a program with one event loop is not held up for each message that it
 * has finished.
 */

#define STACK_SIZE (256 * 1024)
#define THREADS 4
#define WAITING_LIMIT 128 /* pairs of descriptors */

typedef struct bundle_t {
    apr_pool_t *pool; /* of the open files */
    int pairs;        /* of them */
    struct bundle_t *next;
} bundle_t;

struct zm_native_release_t {
    apr_pool_t *pool;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *work;
    bundle_t *first, **end, *spare;
    apr_thread_t *threads[THREADS];
    apr_threadattr_t *attributes;
    int started, limit, idle, waiting;
    bool stopping;
};

apr_status_t zm_native_release_create(zm_native_release_t **result)
{
    zm_native_release_t *release;
    apr_pool_t *pool; /* a root pool: its allocator is locked */
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    release = apr_pcalloc(pool, sizeof *release);
    release->pool = pool;
    release->end = &release->first;
    release->limit = THREADS;
    status = apr_thread_mutex_create(&release->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&release->work, pool);
    if (status == APR_SUCCESS)
        status = apr_threadattr_create(&release->attributes, pool);
    if (status == APR_SUCCESS)
        status = apr_threadattr_stacksize_set(release->attributes, STACK_SIZE);
    if (status != APR_SUCCESS)
        apr_pool_destroy(pool);
    else
        *result = release;
    return status;
}

/* With the lock held, which is given up meanwhile. */
static void let_go(zm_native_release_t *release, bundle_t *bundle)
{
    apr_thread_mutex_unlock(release->lock);
    apr_pool_clear(bundle->pool); /* closes the files */
    apr_thread_mutex_lock(release->lock);
    bundle->next = release->spare;
    release->spare = bundle;
}

static void *APR_THREAD_FUNC closer(apr_thread_t *thread, void *data)
{
    zm_native_release_t *release = data;
    apr_thread_mutex_lock(release->lock);
    while (release->first != NULL || !release->stopping) {
        bundle_t *bundle = release->first;
        if (bundle == NULL) {
            release->idle++;
            apr_thread_cond_wait(release->work, release->lock);
            release->idle--;
            continue;
        }
        release->first = bundle->next;
        if (release->first == NULL)
            release->end = &release->first;
        release->waiting -= bundle->pairs;
        let_go(release, bundle);
    }
    apr_thread_mutex_unlock(release->lock);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

/* With the lock held: whether a thread will come. */
static bool call_closer(zm_native_release_t *release)
{
    if (release->idle > 0)
        apr_thread_cond_signal(release->work);
    else if (release->started < release->limit) {
        if (apr_thread_create(&release->threads[release->started], release->attributes, closer,
                              release, release->pool) == APR_SUCCESS)
            release->started++;
        else
            release->limit = release->started; /* it would not help to try each time */
    }
    return release->started > 0;
}

apr_pool_t *zm_native_release_pool(zm_native_release_t *release, void **bundle)
{
    bundle_t *taken;
    apr_thread_mutex_lock(release->lock);
    taken = release->spare;
    if (taken != NULL)
        release->spare = taken->next;
    else {
        taken = apr_pcalloc(release->pool, sizeof *taken);
        if (apr_pool_create_unmanaged_ex(&taken->pool, NULL, NULL) != APR_SUCCESS)
            taken = NULL;
    }
    apr_thread_mutex_unlock(release->lock);
    *bundle = taken;
    return taken != NULL ? taken->pool : NULL;
}

void zm_native_release(zm_native_release_t *release, void *bundle, int pairs)
{
    bundle_t *given = bundle;
    given->pairs = pairs;
    apr_thread_mutex_lock(release->lock);
    if (release->waiting >= WAITING_LIMIT || !call_closer(release))
        let_go(release, given);
    else {
        given->next = NULL;
        *release->end = given;
        release->end = &given->next;
        release->waiting += pairs;
    }
    apr_thread_mutex_unlock(release->lock);
}

void zm_native_release_destroy(zm_native_release_t *release)
{
    apr_status_t ignored;
    int i;
    apr_thread_mutex_lock(release->lock);
    release->stopping = true;
    apr_thread_cond_broadcast(release->work);
    apr_thread_mutex_unlock(release->lock);
    for (i = 0; i < release->started; i++)
        apr_thread_join(&ignored, release->threads[i]);
    for (; release->spare != NULL; release->spare = release->spare->next)
        apr_pool_destroy(release->spare->pool);
    apr_pool_destroy(release->pool);
}
