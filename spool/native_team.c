#include <apr_thread_cond.h>
#include <apr_thread_proc.h>

#include "spool/native.h"

/*
 * A job is a count of calls.  Whoever is free takes the next index of the first
 * job that has one left: the threads of the team, started as jobs first need
 * them, and the caller itself, which waits only when no index of its own job is
 * left.  So a job of one never leaves its thread.
 */

#define STACK_SIZE (256 * 1024)

typedef struct job_t {
    zm_native_task_fn *fn;
    void *baton;
    int next, count, unfinished;
    struct job_t *following;
    bool listed;
} job_t;

struct zm_native_team_t {
    apr_pool_t *pool;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *work, *finished;
    job_t *first, **end;
    apr_thread_t **threads;
    int limit, started, idle;
    bool stopping;
};

/* With the lock held: does one call of a job, without the lock. */
static void do_one(zm_native_team_t *team, job_t *job)
{
    int index = job->next++;
    if (job->next == job->count && job->listed) { /* the first in the list: nothing is left of it */
        team->first = job->following;
        if (team->first == NULL)
            team->end = &team->first;
        job->listed = false;
    }
    apr_thread_mutex_unlock(team->lock);
    job->fn(job->baton, index);
    apr_thread_mutex_lock(team->lock);
    if (--job->unfinished == 0)
        apr_thread_cond_broadcast(team->finished);
}

static void *APR_THREAD_FUNC member(apr_thread_t *thread, void *data)
{
    zm_native_team_t *team = data;
    (void)thread;
    apr_thread_mutex_lock(team->lock);
    while (!team->stopping) {
        if (team->first != NULL) {
            do_one(team, team->first);
            continue;
        }
        team->idle++;
        apr_thread_cond_wait(team->work, team->lock);
        team->idle--;
    }
    apr_thread_mutex_unlock(team->lock);
    return NULL;
}

apr_status_t zm_native_team_create(zm_native_team_t **result, int threads)
{
    zm_native_team_t *team;
    apr_pool_t
        *pool; /* a root pool: its allocator is locked, and threads are started by any thread */
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    team = apr_pcalloc(pool, sizeof *team);
    team->pool = pool;
    team->end = &team->first;
    team->limit = threads - 1; /* the caller is one of them */
    team->threads = apr_pcalloc(pool, (apr_size_t)threads * sizeof *team->threads);
    status = apr_thread_mutex_create(&team->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&team->work, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&team->finished, pool);
    if (status != APR_SUCCESS)
        apr_pool_destroy(pool);
    else
        *result = team;
    return status;
}

void zm_native_team_destroy(zm_native_team_t *team)
{
    apr_status_t ignored;
    int i;
    apr_thread_mutex_lock(team->lock);
    team->stopping = true;
    apr_thread_cond_broadcast(team->work);
    apr_thread_mutex_unlock(team->lock);
    for (i = 0; i < team->started; i++)
        apr_thread_join(&ignored, team->threads[i]);
    apr_pool_destroy(team->pool);
}

/* With the lock held.  A thread that cannot be started is done without. */
static void call_in(zm_native_team_t *team, int wanted)
{
    int i;
    for (i = 0; i < wanted && i < team->idle; i++)
        apr_thread_cond_signal(team->work);
    for (; i < wanted && team->started < team->limit; i++) {
        apr_threadattr_t *attributes;
        if (apr_threadattr_create(&attributes, team->pool) != APR_SUCCESS ||
            apr_threadattr_stacksize_set(attributes, STACK_SIZE) != APR_SUCCESS ||
            apr_thread_create(&team->threads[team->started], attributes, member, team,
                              team->pool) != APR_SUCCESS)
            return;
        team->started++;
    }
}

void zm_native_team_run(zm_native_team_t *team, zm_native_task_fn *fn, void *baton, int count)
{
    job_t job = {.fn = fn, .baton = baton, .count = count, .unfinished = count};
    if (count == 1) {
        fn(baton, 0);
        return;
    }
    if (count <= 0)
        return;
    apr_thread_mutex_lock(team->lock);
    *team->end = &job;
    team->end = &job.following;
    job.listed = true;
    call_in(team, count - 1);
    while (job.unfinished > 0) {
        if (job.listed) /* ours or one before it: helping that brings ours forward */
            do_one(team, team->first);
        else
            apr_thread_cond_wait(team->finished, team->lock);
    }
    apr_thread_mutex_unlock(team->lock);
}
