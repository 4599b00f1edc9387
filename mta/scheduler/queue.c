#include "mta/scheduler/queue.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"
#include "mta/scheduler/visit.h"

/* -- jobs ---------------------------------------------------------------------------------- */

const char *zm_job_path(char path[ZM_JOB_PATH_SIZE], const zm_job_t *job)
{
    int length = 0;
    if (job->prefix[0] != '\0')
        length = snprintf(path, ZM_JOB_PATH_SIZE, "%c/", job->prefix[0]);
    if (job->prefix[1] != '\0')
        length +=
            snprintf(path + length, ZM_JOB_PATH_SIZE - (apr_size_t)length, "%c/", job->prefix[1]);
    if (job->rare != NULL && job->rare->name != NULL)
        snprintf(path + length, ZM_JOB_PATH_SIZE - (apr_size_t)length, "%s", job->rare->name);
    else
        snprintf(path + length, ZM_JOB_PATH_SIZE - (apr_size_t)length, "%llu",
                 (unsigned long long)job->id);
    return path;
}

static char *copy(const char *text)
{
    apr_size_t size = strlen(text) + 1;
    return memcpy(zm_scheduler_alloc(size), text, size);
}

static zm_job_rare_t *rare_facts(const zm_job_facts_t *facts)
{
    char plain[24];
    zm_job_rare_t *rare;
    bool named;

    snprintf(plain, sizeof plain, "%llu", (unsigned long long)facts->id);
    named = strcmp(plain, facts->leaf) != 0;
    if (!named && facts->verbose == NULL)
        return NULL;
    rare = zm_scheduler_alloc(sizeof *rare);
    rare->name = named ? copy(facts->leaf) : NULL;
    rare->verbose = facts->verbose != NULL ? copy(facts->verbose) : NULL;
    rare->owner = facts->owner;
    return rare;
}

static zm_job_t *job_make(zm_scheduler_t *scheduler, const zm_job_facts_t *facts)
{
    zm_job_t *job = zm_slab_get(&scheduler->job_slab);
    apr_size_t prefix = strlen(facts->prefix);

    job->id = facts->id;
    job->arrived = facts->arrived;
    job->arrived_ns = facts->arrived_ns;
    job->routed =
        facts->routed_at > facts->arrived ? (uint32_t)(facts->routed_at - facts->arrived) : 0;
    job->owner = (uint32_t)facts->owner;
    job->log_hash = zm_hash(facts->log_id.data, facts->log_id.length);
    job->total = facts->total;
    job->failed = facts->failed;
    job->prefix[0] = prefix >= 2 ? facts->prefix[0] : '\0';
    job->prefix[1] = prefix >= 4 ? facts->prefix[2] : '\0';
    job->rare = rare_facts(facts);
    if (zm_holds_job(&scheduler->holds, job->id))
        job->flags |= ZM_JOB_HELD;
    zm_table_add(&scheduler->jobs, job);
    if (zm_queue_find_log(scheduler, facts->log_id, job->owner) == NULL) {
        zm_table_add(&scheduler->logs, job); /* of equal ones only the first, lest they cluster */
        job->flags |= ZM_JOB_LOGGED;
    }
    scheduler->job_count++;
    scheduler->counters.jobs_in++;
    return job;
}

zm_job_t *zm_queue_find(const zm_scheduler_t *scheduler, uint64_t id)
{
    return zm_table_find(&scheduler->jobs, (uint32_t)zm_mix(id), &id);
}

typedef struct log_key_t {
    uint32_t hash, owner;
    bool any_owner;
} log_key_t;

static uint32_t log_hash(const void *item)
{
    const zm_job_t *job = item;
    return job->log_hash;
}

static bool log_equal(const void *item, const void *key)
{
    const zm_job_t *job = item;
    const log_key_t *wanted = key;
    return job->log_hash == wanted->hash && (wanted->any_owner || job->owner == wanted->owner);
}

void zm_logs_init(zm_table_t *table)
{
    zm_table_init(table, log_hash, log_equal);
}

zm_job_t *zm_queue_find_log(const zm_scheduler_t *scheduler, zm_str_t log_id, uint32_t owner)
{
    log_key_t key = {zm_hash(log_id.data, log_id.length), owner, false};
    return zm_table_find(&scheduler->logs, key.hash, &key);
}

zm_job_t *zm_queue_find_message(const zm_scheduler_t *scheduler, zm_str_t log_id)
{
    log_key_t key = {zm_hash(log_id.data, log_id.length), 0, true};
    zm_job_t *job = zm_table_find(&scheduler->logs, key.hash, &key);
    return job != NULL && scheduler->outside->has_log_id(scheduler->baton, job, log_id) ? job
                                                                                        : NULL;
}

void zm_job_free(zm_scheduler_t *scheduler, zm_job_t *job)
{
    zm_table_remove(&scheduler->jobs, job);
    if ((job->flags & ZM_JOB_LOGGED) != 0)
        zm_table_remove(&scheduler->logs, job);
    scheduler->job_count--;
    if (job->rare != NULL) {
        zm_scheduler_free((void *)job->rare->name);
        zm_scheduler_free((void *)job->rare->verbose);
        zm_scheduler_free(job->rare);
    }
    zm_slab_put(&scheduler->job_slab, job);
}

void zm_job_reportable(zm_scheduler_t *scheduler, zm_job_t *job)
{
    if ((job->flags & ZM_JOB_REPORTABLE) != 0)
        return;
    job->flags |= ZM_JOB_REPORTABLE;
    scheduler->outside->reportable(scheduler->baton, job);
}

void zm_job_settle(zm_scheduler_t *scheduler, zm_job_t *job)
{
    if (job->vertices != NULL || (job->flags & ZM_JOB_FINISHING) != 0)
        return;
    job->flags |= ZM_JOB_FINISHING;
    if ((job->flags & ZM_JOB_HELD) != 0)
        zm_holds_remove_job(&scheduler->holds, job->id);
    scheduler->counters.jobs_out++;
    scheduler->outside->complete(scheduler->baton, job);
}

void zm_job_forget(zm_scheduler_t *scheduler, zm_job_t *job)
{
    zm_vertex_t *vertex, *next;
    for (vertex = job->vertices; vertex != NULL; vertex = next) {
        next = vertex->next;
        zm_vertex_remove(scheduler, vertex);
    }
    zm_job_free(scheduler, job);
}

/* -- vertices ------------------------------------------------------------------------------ */

bool zm_vertex_is_fresh(const zm_vertex_t *vertex)
{
    return (vertex->flags & ZM_VERTEX_FRESH) != 0 && vertex->mark == vertex->lane->thread->refusals;
}

void zm_vertex_sync(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    zm_thread_t *thread = vertex->lane->thread;
    uint16_t missed = (uint16_t)(thread->refusals - vertex->mark);

    if (missed == 0)
        return;
    vertex->mark = thread->refusals;
    vertex->flags &= (uint8_t)~ZM_VERTEX_FRESH;
    /* Given out in the run of the last refusal: it has a result of its own. */
    if (vertex->fed >= thread->refusal_run_began && vertex->fed != 0 && --missed == 0)
        return;
    if (missed > UINT16_MAX - vertex->attempts)
        missed = (uint16_t)(UINT16_MAX - vertex->attempts);
    vertex->attempts = (uint16_t)(vertex->attempts + missed);
    zm_text_drop(&scheduler->texts, vertex->diagnosis);
    vertex->diagnosis = zm_text_hold(thread->refusal);
}

zm_str_t zm_vertex_notary(const zm_vertex_t *vertex)
{
    zm_str_t notary, text;
    zm_str_cut(zm_text_str(vertex->diagnosis), '\n', &notary, &text);
    return notary;
}

zm_str_t zm_vertex_text(const zm_vertex_t *vertex)
{
    zm_str_t notary, text = ZM_S("");
    if (!zm_str_cut(zm_text_str(vertex->diagnosis), '\n', &notary, &text))
        return ZM_S("");
    return text;
}

int64_t zm_vertex_index(const zm_vertex_t *vertex, uint64_t offset)
{
    uint32_t low = 0, high = vertex->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vertex->offsets[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vertex->count && vertex->offsets[low] == offset ? (int64_t)low : -1;
}

static void forget_recipients(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t count)
{
    vertex->count -= count;
    vertex->job->pending -= count;
    vertex->lane->thread->recipients -= count;
    scheduler->recipient_count -= count;
}

void zm_vertex_drop(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index)
{
    if (vertex->count == 1) {
        zm_vertex_remove(scheduler, vertex);
        return;
    }
    memmove(&vertex->offsets[index], &vertex->offsets[index + 1],
            (vertex->count - index - 1) * sizeof vertex->offsets[0]);
    forget_recipients(scheduler, vertex, 1);
}

static void enter_thread(zm_thread_t *thread, zm_vertex_t *vertex)
{
    vertex->later = NULL;
    vertex->earlier = thread->last;
    if (thread->last != NULL)
        thread->last->later = vertex;
    else
        thread->first = vertex;
    thread->last = vertex;
}

static void leave_thread(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_vertex_t *vertex,
                         bool moves)
{
    zm_visit_forget(scheduler->visits, vertex, moves);
    if (vertex->later != NULL)
        vertex->later->earlier = vertex->earlier;
    else
        thread->last = vertex->earlier;
    if (vertex->earlier != NULL)
        vertex->earlier->later = vertex->later;
    else
        thread->first = vertex->later;
}

void zm_vertex_remove(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    zm_thread_t *thread = vertex->lane->thread;

    if ((vertex->flags & ZM_VERTEX_OUTSTANDING) != 0)
        zm_lease_forget(vertex);
    leave_thread(scheduler, thread, vertex, false);
    if (vertex->next != NULL)
        vertex->next->previous = vertex->previous;
    if (vertex->previous != NULL)
        vertex->previous->next = vertex->next;
    else
        vertex->job->vertices = vertex->next;
    if (zm_vertex_is_fresh(vertex))
        thread->fresh--;
    forget_recipients(scheduler, vertex, vertex->count);
    zm_due_clear(&scheduler->expiries, &vertex->due);
    zm_lane_remove(scheduler, vertex);
    thread->vertices--;
    thread->ring->vertex_count--;
    scheduler->vertex_count--;
    zm_text_drop(&scheduler->texts, vertex->diagnosis);
    zm_text_drop(&scheduler->texts, vertex->sender);
    if (vertex->single)
        zm_slab_put(&scheduler->vertex_slab, vertex);
    else
        zm_scheduler_free(vertex);
    zm_thread_settle(scheduler, thread);
}

static void count_in(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_vertex_t *vertex)
{
    vertex->mark = thread->refusals;
    enter_thread(thread, vertex);
    zm_lane_insert(scheduler, thread, vertex);
    thread->vertices++;
    thread->recipients += vertex->count;
    if (zm_vertex_is_fresh(vertex))
        thread->fresh++;
    thread->ring->vertex_count++;
}

void zm_vertex_move(zm_scheduler_t *scheduler, zm_vertex_t *vertex, zm_thread_t *to)
{
    zm_thread_t *from = vertex->lane->thread;

    zm_vertex_sync(scheduler, vertex);
    if (zm_vertex_is_fresh(vertex))
        from->fresh--;
    leave_thread(scheduler, from, vertex, true);
    zm_lane_remove(scheduler, vertex);
    from->vertices--;
    from->recipients -= vertex->count;
    from->ring->vertex_count--;
    count_in(scheduler, to, vertex);
    zm_expiry_arm(scheduler, vertex);
    zm_thread_settle(scheduler, from);
}

/* -- taking a job in ----------------------------------------------------------------------- */

static int compare_recipients(const void *a, const void *b)
{
    const zm_recipient_facts_t *one = a, *other = b;
    int order = zm_str_compare(one->channel, other->channel);
    if (order == 0)
        order = zm_str_compare(one->host, other->host);
    if (order == 0)
        order = one->offset < other->offset ? -1 : one->offset > other->offset;
    return order;
}

static void link_vertex(zm_scheduler_t *scheduler, zm_job_t *job,
                        const zm_recipient_facts_t *recipients, uint32_t count)
{
    zm_thread_t *thread =
        zm_aside_arrival(scheduler, job, recipients[0].channel, recipients[0].host);
    zm_vertex_t *vertex =
        count == 1 ? zm_slab_get(&scheduler->vertex_slab)
                   : zm_scheduler_alloc(sizeof *vertex + count * sizeof vertex->offsets[0]);
    uint32_t i;

    vertex->job = job;
    vertex->sender = zm_text_get(&scheduler->texts, recipients[0].sender);
    vertex->single = count == 1;
    vertex->count = count;
    for (i = 0; i < count; i++) {
        vertex->offsets[i] = recipients[i].offset;
        if (recipients[i].by != 0 && (vertex->by == 0 || recipients[i].by < vertex->by))
            vertex->by = recipients[i].by;
    }
    vertex->next = job->vertices;
    if (job->vertices != NULL)
        job->vertices->previous = vertex;
    job->vertices = vertex;
    vertex->flags = ZM_VERTEX_FRESH;
    count_in(scheduler, thread, vertex);
    scheduler->vertex_count++;
    scheduler->recipient_count += count;
    zm_expiry_arm(scheduler, vertex);
    zm_dispatch_arrival(scheduler, thread);
}

/* Same channel and host, ASCII case not counting: they become one vertex. */
static bool same_thread(const zm_recipient_facts_t *a, const zm_recipient_facts_t *b)
{
    return zm_str_equal(a->channel, b->channel) && zm_str_equal(a->host, b->host);
}

apr_status_t zm_queue_add(zm_scheduler_t *scheduler, const zm_job_facts_t *facts)
{
    zm_job_t *job;
    zm_recipient_facts_t *sorted = NULL;
    uint32_t i, start;

    if (zm_queue_find(scheduler, facts->id) != NULL)
        return APR_EEXIST;
    job = job_make(scheduler, facts);
    if (facts->recipient_count > 0) {
        sorted = zm_scheduler_alloc(facts->recipient_count * sizeof *sorted);
        memcpy(sorted, facts->recipients, facts->recipient_count * sizeof *sorted);
        qsort(sorted, facts->recipient_count, sizeof *sorted, compare_recipients);
    }
    job->pending = facts->recipient_count;
    scheduler->counters.recipients_in += facts->recipient_count;
    for (start = 0; start < facts->recipient_count; start = i) {
        for (i = start + 1; i < facts->recipient_count; i++)
            if (!same_thread(&sorted[start], &sorted[i]))
                break;
        link_vertex(scheduler, job, &sorted[start], i - start);
    }
    zm_scheduler_free(sorted);
    if (facts->reportable)
        zm_job_reportable(scheduler, job);
    zm_job_settle(scheduler, job);
    return APR_SUCCESS;
}

/* -- reading a job again ----------------------------------------------------------------------- */

static bool among(const uint32_t *left, uint32_t count, uint32_t offset)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (left[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && left[low] == offset;
}

void zm_resync(zm_scheduler_t *scheduler, zm_job_t *job, const uint32_t *left, uint32_t count,
               bool reportable)
{
    zm_vertex_t *vertex, *next;

    job->flags &= (uint8_t)~ZM_JOB_REREAD;
    if (reportable)
        zm_job_reportable(scheduler, job);
    for (vertex = job->vertices; vertex != NULL; vertex = next) {
        uint32_t i = vertex->count;
        next = vertex->next;
        while (i-- > 0)
            if (!among(left, count, vertex->offsets[i]))
                zm_vertex_drop(scheduler, vertex, i); /* the last one frees the vertex */
    }
    zm_job_settle(scheduler, job);
}
