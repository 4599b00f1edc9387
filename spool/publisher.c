#include "spool/publisher.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <stdlib.h>

#include "platform/clock.h"

#define GROUP_LIMIT 256
#define THREAD_LIMIT 64
#define STAGGER 1000    /* microseconds between the beginnings of more groups than are best */
#define LATER_LIMIT 128 /* that the engine will answer; they hold memory and descriptors */
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

typedef struct worker_t {
    zm_publisher_t *publisher;
    apr_thread_t *thread;
    apr_thread_cond_t *call;
    bool idle;
    struct worker_t *next; /* that has been idle for longer */
} worker_t;

struct zm_publisher_t {
    const zm_engine_ops_t *ops;
    zm_engine_t *engine;
    zm_loop_t *loop;
    apr_pool_t *pool;
    apr_thread_mutex_t *lock; /* of all below */
    apr_thread_cond_t *event; /* for waiting callers: a group has ended */
    zm_publishing_t *first, **end;
    int queued;
    int at_once, most, leaders; /* groups that may be, may be staggered, and are under way */
    apr_time_t begun;           /* the latest */
    int later; /* members that the engine will answer, less those whose leader is not back */
    int group_limit;
    worker_t workers[THREAD_LIMIT];
    int thread_count;
    worker_t *idle; /* the latest first: its memory is still near */
    int called;     /* were idle, and have not come yet */
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

static void count_engine(zm_publisher_t *publisher, const zm_engine_figures_t *engine)
{
    publisher->figures.syncs += engine->syncs;
    publisher->figures.directory_syncs += engine->directory_syncs;
    if (engine->largest_group > publisher->figures.largest_group)
        publisher->figures.largest_group = engine->largest_group;
}

static void count_member(zm_publisher_t *publisher, apr_status_t status)
{
    if (status == APR_SUCCESS)
        publisher->figures.publishes++;
    else
        publisher->figures.publish_failures++;
}

static void count_group(zm_publisher_t *publisher, zm_publishing_t *const *group, int count)
{
    int i;
    for (i = 0; i < count; i++)
        count_member(publisher, group[i]->commit.status);
    if ((uint64_t)count > publisher->figures.largest_group)
        publisher->figures.largest_group = (uint64_t)count;
}

/*
 * Where a sync takes long, a new group need not wait for the end of one under way:
 * they follow each other.
 */
static bool may_lead(const zm_publisher_t *publisher)
{
    if (publisher->first == NULL || publisher->later >= LATER_LIMIT)
        return false;
    return publisher->leaders < publisher->at_once ||
           (publisher->leaders < publisher->most &&
            zm_clock_monotonic() - publisher->begun >= STAGGER);
}

/* With the lock held: takes the worker that has been idle for the shortest time. */
static worker_t *call_idle(zm_publisher_t *publisher)
{
    worker_t *worker = publisher->idle;
    if (worker == NULL)
        return NULL;
    publisher->idle = worker->next;
    worker->idle = false;
    publisher->called++;
    return worker;
}

/* Without the lock, so that the worker does not run into it. */
static void wake(worker_t *worker)
{
    if (worker != NULL)
        apr_thread_cond_signal(worker->call);
}

/* What the engine answers after its group.  The publisher stays until `later` is none. */
static void on_done(zm_commit_t *commit, const zm_engine_figures_t *engine)
{
    zm_publishing_t *publishing = (zm_publishing_t *)commit;
    zm_publisher_t *publisher = publishing->publisher;
    worker_t *worker = NULL;
    apr_thread_mutex_lock(publisher->lock);
    count_member(publisher, commit->status);
    count_engine(publisher, engine);
    apr_thread_mutex_unlock(publisher->lock);
    publishing->next = NULL;
    send_results(publisher, publishing);
    apr_thread_mutex_lock(publisher->lock);
    publisher->later--;
    if (may_lead(publisher) && publisher->called < publisher->queued)
        worker = call_idle(publisher); /* LATER_LIMIT had stopped it */
    if (publisher->stopping)
        apr_thread_cond_broadcast(publisher->event);
    apr_thread_mutex_unlock(publisher->lock);
    wake(worker);
}

static zm_publishing_t *sort_out(zm_publishing_t *const *group, int count)
{
    zm_publishing_t *results = NULL, **end = &results;
    int i;
    for (i = 0; i < count; i++) {
        group[i]->next = NULL;
        if (group[i]->fn == NULL) {
            group[i]->done = true; /* its owner may free it as soon as it gets the lock */
        } else {
            *end = group[i];
            end = &group[i]->next;
        }
    }
    return results;
}

/* With the lock held, and given back held: commits all that waits. */
static void lead(zm_publisher_t *publisher)
{
    zm_publishing_t *group[GROUP_LIMIT], *results = NULL;
    zm_commit_t *commits[GROUP_LIMIT];
    zm_engine_figures_t figures = {0};
    int i, count = take_group(publisher, group);
    publisher->leaders++;
    if (publisher->most > publisher->at_once)
        publisher->begun = zm_clock_monotonic();
    apr_thread_mutex_unlock(publisher->lock);
    for (i = 0; i < count; i++)
        commits[i] = &group[i]->commit;
    if (publisher->ops->commit_group(publisher->engine, commits, count, &figures)) {
        apr_thread_mutex_lock(publisher->lock);
        count_group(publisher, group, count);
        results = sort_out(group, count);
    } else {
        apr_thread_mutex_lock(publisher->lock);
        publisher->later += count;
    }
    count_engine(publisher, &figures);
    publisher->leaders--;
    apr_thread_cond_broadcast(publisher->event);
    if (results != NULL) {
        apr_thread_mutex_unlock(publisher->lock);
        send_results(publisher, results);
        apr_thread_mutex_lock(publisher->lock);
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    worker_t *worker = data;
    zm_publisher_t *publisher = worker->publisher;
    (void)thread;
    apr_thread_mutex_lock(publisher->lock);
    for (;;) {
        if (may_lead(publisher)) {
            lead(publisher);
        } else if (publisher->stopping && publisher->first == NULL) {
            break;
        } else {
            worker->idle = true;
            worker->next = publisher->idle;
            publisher->idle = worker;
            while (worker->idle)
                apr_thread_cond_wait(worker->call, publisher->lock);
            publisher->called--;
        }
    }
    apr_thread_mutex_unlock(publisher->lock);
    return NULL;
}

static void enqueue(zm_publisher_t *publisher, zm_publishing_t *publishing)
{
    publishing->publisher = publisher;
    publishing->commit.done = publishing->fn != NULL && publisher->loop != NULL ? on_done : NULL;
    publishing->next = NULL;
    publishing->done = false;
    *publisher->end = publishing;
    publisher->end = &publishing->next;
    publisher->queued++;
}

static void start_worker(zm_publisher_t *publisher)
{
    worker_t *worker = &publisher->workers[publisher->thread_count];
    apr_threadattr_t *attributes;
    worker->publisher = publisher;
    if (worker->call == NULL &&
        apr_thread_cond_create(&worker->call, publisher->pool) != APR_SUCCESS)
        return;
    if (apr_threadattr_create(&attributes, publisher->pool) == APR_SUCCESS &&
        apr_threadattr_stacksize_set(attributes, STACK_SIZE) == APR_SUCCESS &&
        apr_thread_create(&worker->thread, attributes, run, worker, publisher->pool) == APR_SUCCESS)
        publisher->thread_count++;
}

/* Whether a thread will see to the queue: one is idle, is there already, or could be started. */
static bool have_thread(zm_publisher_t *publisher, worker_t **worker)
{
    *worker = NULL;
    if (publisher->thread_count > 0 && !may_lead(publisher))
        return true; /* who ends with a group goes on */
    if (publisher->called * publisher->group_limit >= publisher->queued)
        return true; /* those that were called have not come yet: each takes a group */
    *worker = call_idle(publisher);
    if (*worker == NULL && publisher->thread_count < publisher->most)
        start_worker(publisher);
    return publisher->thread_count > 0;
}

void zm_publisher_submit(zm_publisher_t *publisher, zm_publishing_t *publishing)
{
    worker_t *worker;
    apr_thread_mutex_lock(publisher->lock);
    enqueue(publisher, publishing);
    if (!have_thread(publisher, &worker) || publisher->loop == NULL)
        while (may_lead(publisher))
            lead(publisher);
    apr_thread_mutex_unlock(publisher->lock);
    wake(worker);
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
    worker_t *worker;
    apr_thread_mutex_lock(publisher->lock);
    publishing->fn = NULL;
    enqueue(publisher, publishing);
    while (!publishing->done) {
        if (may_lead(publisher))
            lead(publisher);
        else
            apr_thread_cond_wait(publisher->event, publisher->lock);
    }
    worker = may_lead(publisher) ? call_idle(publisher) : NULL;
    apr_thread_mutex_unlock(publisher->lock);
    wake(worker);
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
    publisher->most =
        ops->groups_staggered > publisher->at_once ? ops->groups_staggered : publisher->at_once;
    publisher->group_limit = ops->group_limit > 0 ? ops->group_limit : GROUP_LIMIT;
    status = create_outbox(&publisher->outbox);
    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&publisher->lock, APR_THREAD_MUTEX_DEFAULT, pool);
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
    worker_t *worker;
    int i;
    apr_thread_mutex_lock(publisher->lock);
    publisher->stopping = true;
    while (publisher->first != NULL || publisher->leaders > 0 || publisher->later != 0) {
        if (may_lead(publisher))
            lead(publisher);
        else
            apr_thread_cond_wait(publisher->event, publisher->lock);
    }
    while ((worker = call_idle(publisher)) != NULL) /* nobody becomes idle any more */
        wake(worker);
    apr_thread_mutex_unlock(publisher->lock);
    for (i = 0; i < publisher->thread_count; i++)
        apr_thread_join(&ignored, publisher->workers[i].thread);
    close_outbox(publisher->outbox);
    apr_pool_destroy(publisher->pool);
}
