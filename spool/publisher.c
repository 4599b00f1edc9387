#include "spool/publisher.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <stdlib.h>

#define GROUP_LIMIT 256
#define THREAD_LIMIT 64
#define STACK_SIZE (256 * 1024)

/*
 * Results on their way to the loop.  It outlives the publisher while a post is
 * still in the loop's queue.
 */
typedef struct outbox_t {
    apr_pool_t *pool;
    apr_thread_mutex_t *lock;
    zm_publishing_t *first, **end;
    bool posted; /* the loop will come */
    bool closed; /* the publisher is gone */
} outbox_t;

struct zm_publisher_t {
    const zm_engine_ops_t *ops;
    zm_engine_t *engine;
    zm_loop_t *loop;
    apr_pool_t *pool;
    apr_thread_mutex_t *lock; /* of all below */
    apr_thread_cond_t *work;  /* for the threads: the queue is not empty, or the end */
    apr_thread_cond_t *event; /* for waiting callers: a group has ended */
    zm_publishing_t *first, **end;
    int queued;
    int at_once, leaders; /* groups that may be, and are, under way */
    int group_limit;
    apr_thread_t *threads[THREAD_LIMIT];
    int thread_count, idle;
    bool stopping;
    outbox_t *outbox;
    zm_spool_figures_t figures;
};

/* -- results ------------------------------------------------------------------ */

static zm_publishing_t *empty_outbox(outbox_t *outbox)
{
    zm_publishing_t *list;
    apr_thread_mutex_lock(outbox->lock);
    list = outbox->first;
    outbox->first = NULL;
    outbox->end = &outbox->first;
    apr_thread_mutex_unlock(outbox->lock);
    return list;
}

static void deliver(zm_publishing_t *list)
{
    while (list != NULL) {
        zm_publishing_t *next = list->next;
        zm_published_t published = {list->commit.name, list->commit.info};
        list->fn(list->commit.status, &published, list->baton);
        list->finish(list);
        list = next;
    }
}

/* On the loop. */
static void on_results(void *baton)
{
    outbox_t *outbox = baton;
    bool closed;
    apr_thread_mutex_lock(outbox->lock);
    outbox->posted = false;
    closed = outbox->closed;
    apr_thread_mutex_unlock(outbox->lock);
    if (closed)
        apr_pool_destroy(outbox->pool);
    else
        deliver(empty_outbox(outbox));
}

static void send_results(zm_publisher_t *publisher, zm_publishing_t *list)
{
    outbox_t *outbox = publisher->outbox;
    bool post;
    if (list == NULL)
        return;
    if (publisher->loop == NULL) {
        deliver(list);
        return;
    }
    apr_thread_mutex_lock(outbox->lock);
    *outbox->end = list;
    while (*outbox->end != NULL)
        outbox->end = &(*outbox->end)->next;
    post = !outbox->posted;
    outbox->posted = true;
    apr_thread_mutex_unlock(outbox->lock);
    /* A post that fails for want of memory is made up for with the next group's. */
    if (post && zm_loop_post(publisher->loop, on_results, outbox) != APR_SUCCESS) {
        apr_thread_mutex_lock(outbox->lock);
        outbox->posted = false;
        apr_thread_mutex_unlock(outbox->lock);
    }
}

/* -- groups -------------------------------------------------------------------- */

static int take_group(zm_publisher_t *publisher, zm_publishing_t *group[GROUP_LIMIT])
{
    int count = 0;
    while (publisher->first != NULL && count < publisher->group_limit) {
        group[count++] = publisher->first;
        publisher->first = publisher->first->next;
    }
    if (publisher->first == NULL)
        publisher->end = &publisher->first;
    publisher->queued -= count;
    return count;
}

static void count_group(zm_publisher_t *publisher, zm_publishing_t *const *group, int count,
                        const zm_engine_figures_t *engine)
{
    zm_spool_figures_t *figures = &publisher->figures;
    int i;
    for (i = 0; i < count; i++)
        if (group[i]->commit.status == APR_SUCCESS)
            figures->publishes++;
        else
            figures->publish_failures++;
    figures->syncs += engine->syncs;
    figures->directory_syncs += engine->directory_syncs;
    if ((uint64_t)count > figures->largest_group)
        figures->largest_group = (uint64_t)count;
}

/* With the lock held, and given back held: commits all that waits. */
static void lead(zm_publisher_t *publisher)
{
    zm_publishing_t *group[GROUP_LIMIT], *results = NULL, **end = &results;
    zm_commit_t *commits[GROUP_LIMIT];
    zm_engine_figures_t figures = {0, 0};
    int i, count = take_group(publisher, group);
    publisher->leaders++;
    apr_thread_mutex_unlock(publisher->lock);
    for (i = 0; i < count; i++)
        commits[i] = &group[i]->commit;
    publisher->ops->commit_group(publisher->engine, commits, count, &figures);
    apr_thread_mutex_lock(publisher->lock);
    publisher->leaders--;
    count_group(publisher, group, count, &figures);
    for (i = 0; i < count; i++) {
        group[i]->next = NULL;
        if (group[i]->fn == NULL) {
            group[i]->done = true; /* its owner may free it as soon as it gets the lock */
        } else {
            *end = group[i];
            end = &group[i]->next;
        }
    }
    apr_thread_cond_broadcast(publisher->event);
    apr_thread_mutex_unlock(publisher->lock);
    send_results(publisher, results);
    apr_thread_mutex_lock(publisher->lock);
}

static bool may_lead(const zm_publisher_t *publisher)
{
    return publisher->first != NULL && publisher->leaders < publisher->at_once;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    zm_publisher_t *publisher = data;
    (void)thread;
    apr_thread_mutex_lock(publisher->lock);
    for (;;) {
        if (may_lead(publisher)) {
            lead(publisher);
        } else if (publisher->stopping && publisher->first == NULL) {
            break;
        } else {
            publisher->idle++;
            apr_thread_cond_wait(publisher->work, publisher->lock);
            publisher->idle--;
        }
    }
    apr_thread_mutex_unlock(publisher->lock);
    return NULL;
}

static void enqueue(zm_publisher_t *publisher, zm_publishing_t *publishing)
{
    publishing->next = NULL;
    publishing->done = false;
    *publisher->end = publishing;
    publisher->end = &publishing->next;
    publisher->queued++;
}

/* Whether a thread will see to the queue: one is idle, is there already, or could be started. */
static bool have_thread(zm_publisher_t *publisher)
{
    apr_threadattr_t *attributes;
    if (publisher->idle > 0)
        apr_thread_cond_signal(publisher->work);
    /* Those that were woken before may not have come yet: each takes a group. */
    if (publisher->idle * publisher->group_limit >= publisher->queued ||
        publisher->thread_count == publisher->at_once)
        return true;
    if (apr_threadattr_create(&attributes, publisher->pool) == APR_SUCCESS &&
        apr_threadattr_stacksize_set(attributes, STACK_SIZE) == APR_SUCCESS &&
        apr_thread_create(&publisher->threads[publisher->thread_count], attributes, run, publisher,
                          publisher->pool) == APR_SUCCESS)
        publisher->thread_count++;
    return publisher->thread_count > 0;
}

void zm_publisher_submit(zm_publisher_t *publisher, zm_publishing_t *publishing)
{
    apr_thread_mutex_lock(publisher->lock);
    enqueue(publisher, publishing);
    if (!have_thread(publisher) || publisher->loop == NULL)
        while (may_lead(publisher))
            lead(publisher);
    apr_thread_mutex_unlock(publisher->lock);
}

void zm_publisher_answer(zm_publisher_t *publisher, zm_publishing_t *publishing)
{
    apr_thread_mutex_lock(publisher->lock);
    publisher->figures.publish_failures++;
    apr_thread_mutex_unlock(publisher->lock);
    publishing->next = NULL;
    send_results(publisher, publishing);
}

void zm_publisher_wait(zm_publisher_t *publisher, zm_publishing_t *publishing)
{
    apr_thread_mutex_lock(publisher->lock);
    publishing->fn = NULL;
    enqueue(publisher, publishing);
    while (!publishing->done) {
        if (may_lead(publisher))
            lead(publisher);
        else
            apr_thread_cond_wait(publisher->event, publisher->lock);
    }
    if (publisher->first != NULL && publisher->idle > 0)
        apr_thread_cond_signal(publisher->work);
    apr_thread_mutex_unlock(publisher->lock);
}

void zm_publisher_figures(zm_publisher_t *publisher, zm_spool_figures_t *figures)
{
    apr_thread_mutex_lock(publisher->lock);
    *figures = publisher->figures;
    apr_thread_mutex_unlock(publisher->lock);
}

/* -- life -------------------------------------------------------------------------- */

static apr_status_t create_outbox(outbox_t **result)
{
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    *result = apr_pcalloc(pool, sizeof **result);
    (*result)->pool = pool;
    (*result)->end = &(*result)->first;
    return apr_thread_mutex_create(&(*result)->lock, APR_THREAD_MUTEX_DEFAULT, pool);
}

apr_status_t zm_publisher_create(zm_publisher_t **result, const zm_engine_ops_t *ops,
                                 zm_engine_t *engine, int at_once, zm_loop_t *loop)
{
    zm_publisher_t *publisher;
    apr_pool_t *pool; /* a root pool: threads are started by any thread */
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    publisher = apr_pcalloc(pool, sizeof *publisher);
    publisher->pool = pool;
    publisher->ops = ops;
    publisher->engine = engine;
    publisher->loop = loop;
    publisher->end = &publisher->first;
    publisher->at_once = at_once > 0 ? at_once : ops->groups_at_once;
    if (publisher->at_once > THREAD_LIMIT)
        publisher->at_once = THREAD_LIMIT;
    publisher->group_limit = ops->group_limit > 0 ? ops->group_limit : GROUP_LIMIT;
    status = create_outbox(&publisher->outbox);
    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&publisher->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&publisher->work, pool);
    if (status == APR_SUCCESS)
        status = apr_thread_cond_create(&publisher->event, pool);
    *result = publisher;
    return status;
}

static void close_outbox(outbox_t *outbox)
{
    bool posted;
    deliver(empty_outbox(outbox));
    apr_thread_mutex_lock(outbox->lock);
    posted = outbox->posted;
    outbox->closed = true;
    apr_thread_mutex_unlock(outbox->lock);
    if (!posted)
        apr_pool_destroy(outbox->pool);
}

void zm_publisher_destroy(zm_publisher_t *publisher)
{
    apr_status_t ignored;
    int i;
    apr_thread_mutex_lock(publisher->lock);
    publisher->stopping = true;
    apr_thread_cond_broadcast(publisher->work);
    while (publisher->first != NULL || publisher->leaders > 0) {
        if (may_lead(publisher))
            lead(publisher);
        else
            apr_thread_cond_wait(publisher->event, publisher->lock);
    }
    apr_thread_mutex_unlock(publisher->lock);
    for (i = 0; i < publisher->thread_count; i++)
        apr_thread_join(&ignored, publisher->threads[i]);
    close_outbox(publisher->outbox);
    apr_pool_destroy(publisher->pool);
}
