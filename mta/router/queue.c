#include "mta/router/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct router_queue_t {
    router_job_t **heap; /* oldest at 0 */
    apr_size_t waiting, room;
    router_job_t **table; /* by id */
    apr_size_t known, buckets;
};

static void *allocate(void *old, apr_size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL) {
        fputs("router: out of memory\n", stderr);
        abort();
    }
    return memory;
}

router_queue_t *router_queue_create(void)
{
    router_queue_t *queue = allocate(NULL, sizeof *queue);
    memset(queue, 0, sizeof *queue);
    queue->buckets = 256;
    queue->table = allocate(NULL, queue->buckets * sizeof *queue->table);
    memset(queue->table, 0, queue->buckets * sizeof *queue->table);
    return queue;
}

void router_queue_destroy(router_queue_t *queue)
{
    apr_size_t i;
    for (i = 0; i < queue->buckets; i++) {
        while (queue->table[i] != NULL) {
            router_job_t *job = queue->table[i];
            queue->table[i] = job->chain;
            free(job);
        }
    }
    free(queue->table);
    free(queue->heap);
    free(queue);
}

/* -- the heap --------------------------------------------------------------------- */

static bool older(const router_job_t *a, const router_job_t *b)
{
    return a->arrived != b->arrived ? a->arrived < b->arrived : a->id < b->id;
}

static void place(router_queue_t *queue, apr_size_t at, router_job_t *job)
{
    queue->heap[at] = job;
    job->slot = at + 1;
}

static void push(router_queue_t *queue, router_job_t *job)
{
    apr_size_t at = queue->waiting++;
    if (queue->waiting > queue->room) {
        queue->room = queue->room ? queue->room * 2 : 64;
        queue->heap = allocate(queue->heap, queue->room * sizeof *queue->heap);
    }
    while (at > 0 && older(job, queue->heap[(at - 1) / 2])) {
        place(queue, at, queue->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(queue, at, job);
}

router_job_t *router_queue_take(router_queue_t *queue)
{
    router_job_t *first, *last;
    apr_size_t at = 0, child;
    if (queue->waiting == 0)
        return NULL;
    first = queue->heap[0];
    last = queue->heap[--queue->waiting];
    while ((child = 2 * at + 1) < queue->waiting) {
        if (child + 1 < queue->waiting && older(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!older(queue->heap[child], last))
            break;
        place(queue, at, queue->heap[child]);
        at = child;
    }
    if (queue->waiting > 0)
        place(queue, at, last);
    first->slot = 0;
    first->next = NULL;
    return first;
}

/* -- the table --------------------------------------------------------------------- */

static router_job_t **find(const router_queue_t *queue, uint64_t id)
{
    router_job_t **link = &queue->table[(id * 0x9E3779B97F4A7C15u >> 32) & (queue->buckets - 1)];
    while (*link != NULL && (*link)->id != id)
        link = &(*link)->chain;
    return link;
}

static void grow(router_queue_t *queue)
{
    router_job_t **old = queue->table;
    apr_size_t count = queue->buckets, i;
    queue->buckets *= 2;
    queue->table = allocate(NULL, queue->buckets * sizeof *queue->table);
    memset(queue->table, 0, queue->buckets * sizeof *queue->table);
    for (i = 0; i < count; i++) {
        while (old[i] != NULL) {
            router_job_t *job = old[i], **link;
            old[i] = job->chain;
            link = find(queue, job->id);
            job->chain = NULL;
            *link = job;
        }
    }
    free(old);
}

bool router_queue_knows(const router_queue_t *queue, uint64_t id)
{
    return *find(queue, id) != NULL;
}

bool router_queue_add(router_queue_t *queue, const char *name, uint64_t id, apr_time_t arrived)
{
    apr_size_t length = strlen(name) + 1;
    router_job_t *job;
    job = *find(queue, id);
    if (job != NULL) {
        job->again |= job->slot == 0;
        return false;
    }
    if (queue->known >= queue->buckets)
        grow(queue);
    job = allocate(NULL, sizeof *job + length);
    memset(job, 0, sizeof *job);
    job->id = id;
    job->arrived = arrived;
    memcpy(job->name, name, length);
    *find(queue, id) = job;
    queue->known++;
    push(queue, job);
    return true;
}

void router_queue_return(router_queue_t *queue, router_job_t *job)
{
    push(queue, job);
}

void router_queue_done(router_queue_t *queue, router_job_t *job)
{
    router_job_t **link = find(queue, job->id);
    *link = job->chain;
    queue->known--;
    free(job);
}

apr_size_t router_queue_waiting(const router_queue_t *queue)
{
    return queue->waiting;
}

uint64_t router_queue_volume(router_queue_t *queue,
                             uint64_t (*measure)(const char *name, void *baton), void *baton,
                             int most)
{
    uint64_t volume = 0;
    apr_size_t i;
    for (i = 0; i < queue->waiting; i++) {
        router_job_t *job = queue->heap[i];
        if (!job->measured && most > 0) {
            job->size = measure(job->name, baton);
            job->measured = true;
            most--;
        }
        volume += job->size;
    }
    return volume;
}
