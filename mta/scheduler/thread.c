/* Threads, rings and channels: the destinations half of queue.h. */
#include <string.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/shape.h"

typedef struct place_t {
    zm_str_t channel, host;
} place_t;

static uint32_t place_hash(zm_str_t channel, zm_str_t host)
{
    uint64_t both =
        (uint64_t)zm_hash(channel.data, channel.length) << 32 | zm_hash(host.data, host.length);
    return (uint32_t)zm_mix(both);
}

static uint32_t thread_hash(const void *item)
{
    const zm_thread_t *thread = item;
    return place_hash(zm_text_str(thread->ring->channel->name), zm_text_str(thread->host));
}

static bool thread_equal(const void *item, const void *key)
{
    const zm_thread_t *thread = item;
    const place_t *place = key;
    return zm_str_equal(zm_text_str(thread->host), place->host) &&
           zm_str_equal(zm_text_str(thread->ring->channel->name), place->channel);
}

void zm_threads_init(zm_table_t *table)
{
    zm_table_init(table, thread_hash, thread_equal);
}

zm_thread_t *zm_queue_thread(const zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host)
{
    place_t place = {channel, host};
    return zm_table_find(&scheduler->threads, place_hash(channel, host), &place);
}

/* -- channels ------------------------------------------------------------------------------ */

static zm_channel_t *channel_get(zm_scheduler_t *scheduler, zm_str_t name)
{
    zm_channel_t *channel;
    for (channel = scheduler->channels; channel != NULL; channel = channel->next)
        if (zm_str_equal(zm_text_str(channel->name), name))
            return channel;
    channel = zm_scheduler_alloc(sizeof *channel);
    channel->name = zm_text_get(&scheduler->texts, name);
    channel->next = scheduler->channels;
    return scheduler->channels = channel;
}

static void channel_settle(zm_scheduler_t *scheduler, zm_channel_t *channel)
{
    zm_channel_t **at = &scheduler->channels;
    if (channel->rings > 0)
        return;
    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
    zm_text_drop(&scheduler->texts, channel->name);
    zm_scheduler_free(channel);
}

/* -- rings --------------------------------------------------------------------------------- */

static unsigned ring_line(const zm_ring_t *ring)
{
    const zm_selection_t *selection = ring->selection;
    return selection->clause_count > 0 ? selection->clauses[selection->clause_count - 1]->line
                                       : 0xffffffffu;
}

/* In the order of the configuration file, as mailq shows them. */
static void ring_link(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    zm_ring_t *after = scheduler->last_ring;
    while (after != NULL && ring_line(after) > ring_line(ring))
        after = after->previous;
    ring->previous = after;
    ring->next = after != NULL ? after->next : scheduler->rings;
    if (ring->next != NULL)
        ring->next->previous = ring;
    else
        scheduler->last_ring = ring;
    if (after != NULL)
        after->next = ring;
    else
        scheduler->rings = ring;
}

typedef struct ring_key_t {
    zm_str_t identity, channel, host;
} ring_key_t;

static uint32_t ring_key_hash(const ring_key_t *key)
{
    return place_hash(key->channel, key->host) ^ zm_hash(key->identity.data, key->identity.length);
}

static ring_key_t ring_key(const zm_ring_t *ring)
{
    ring_key_t key = {zm_text_str(ring->identity), zm_text_str(ring->channel->name),
                      zm_text_str(ring->host)};
    return key;
}

static uint32_t ring_hash(const void *item)
{
    ring_key_t key = ring_key(item);
    return ring_key_hash(&key);
}

static bool ring_equal(const void *item, const void *wanted)
{
    ring_key_t own = ring_key(item);
    const ring_key_t *key = wanted;
    return zm_str_equal(own.identity, key->identity) && zm_str_equal(own.channel, key->channel) &&
           zm_str_equal(own.host, key->host);
}

void zm_rings_init(zm_table_t *table)
{
    zm_table_init(table, ring_hash, ring_equal);
}

zm_ring_t *zm_ring_find(const zm_scheduler_t *scheduler, zm_str_t identity, zm_str_t channel,
                        zm_str_t host)
{
    ring_key_t key = {identity, channel, host};
    return zm_table_find(&scheduler->ring_table, ring_key_hash(&key), &key);
}

void zm_ring_retire(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    if (ring->retired)
        return;
    zm_table_remove(&scheduler->ring_table, ring);
    ring->retired = true;
}

zm_ring_t *zm_ring_get(zm_scheduler_t *scheduler, const zm_selection_t *selection, zm_str_t channel,
                       zm_str_t host)
{
    zm_str_t identity = zm_str(selection->identity);
    zm_ring_t *ring =
        zm_ring_find(scheduler, identity, channel, selection->with_host ? host : ZM_S(""));

    if (ring != NULL)
        return ring;
    ring = zm_scheduler_alloc(sizeof *ring);
    ring->selection = selection;
    ring->identity = zm_text_get(&scheduler->texts, identity);
    ring->channel = channel_get(scheduler, channel);
    ring->channel->rings++;
    if (selection->with_host)
        ring->host = zm_text_get(&scheduler->texts, host);
    zm_table_add(&scheduler->ring_table, ring);
    ring_link(scheduler, ring);
    return ring;
}

void zm_ring_settle(zm_scheduler_t *scheduler, zm_ring_t *ring)
{
    if (ring->threads != NULL || ring->tas != NULL ||
        (!ring->retired && zm_shape_ring_paced(scheduler, ring)))
        return;
    zm_walk_skip_ring(scheduler, ring);
    zm_ring_retire(scheduler, ring);
    zm_dispatch_forget_ring(scheduler, ring);
    if (ring->next != NULL)
        ring->next->previous = ring->previous;
    else
        scheduler->last_ring = ring->previous;
    if (ring->previous != NULL)
        ring->previous->next = ring->next;
    else
        scheduler->rings = ring->next;
    zm_due_clear(&scheduler->paused, &ring->due);
    ring->channel->rings--;
    channel_settle(scheduler, ring->channel);
    zm_text_drop(&scheduler->texts, ring->identity);
    zm_text_drop(&scheduler->texts, ring->host);
    zm_text_drop(&scheduler->texts, ring->trouble);
    zm_scheduler_free(ring);
}

/* -- threads ------------------------------------------------------------------------------- */

static void enter_ring(zm_thread_t *thread, zm_ring_t *ring)
{
    thread->ring = ring;
    thread->ring_next = NULL;
    thread->ring_previous = ring->last_thread;
    if (ring->last_thread != NULL)
        ring->last_thread->ring_next = thread;
    else
        ring->threads = thread;
    ring->last_thread = thread;
    ring->thread_count++;
    ring->vertex_count += thread->vertices;
}

static void leave_ring(zm_thread_t *thread)
{
    zm_ring_t *ring = thread->ring;
    if (thread->ring_next != NULL)
        thread->ring_next->ring_previous = thread->ring_previous;
    else
        ring->last_thread = thread->ring_previous;
    if (thread->ring_previous != NULL)
        thread->ring_previous->ring_next = thread->ring_next;
    else
        ring->threads = thread->ring_next;
    ring->thread_count--;
    ring->vertex_count -= thread->vertices;
}

zm_thread_t *zm_thread_make(zm_scheduler_t *scheduler, zm_table_t *table, zm_aside_t aside,
                            zm_str_t channel, zm_str_t host)
{
    const zm_selection_t *selection = aside == ZM_ASIDE_REROUTE
                                          ? zm_config_reroute(scheduler->config)
                                          : zm_config_select(scheduler->config, channel, host);
    zm_thread_t *thread = zm_slab_get(&scheduler->thread_slab);

    thread->host = zm_text_get(&scheduler->texts, host);
    thread->aside = (uint8_t)aside;
    enter_ring(thread, zm_ring_get(scheduler, selection, channel, host));
    zm_table_add(table, thread);
    scheduler->thread_count++;
    return thread;
}

static void tell_no_clause(const zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_size_t i;

    zm_buf_printf(&text,
                  "no clause of scheduler.conf matches %.*s/%.*s: its recipients stay queued",
                  (int)channel.length, channel.data, (int)host.length, host.data);
    for (i = 0; i < text.length; i++) /* the name is anybody's, and ends no line of the log */
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127)
            text.data[i] = '?';
    scheduler->outside->event(scheduler->baton, ZM_LOG_WARNING, NULL, zm_buf_c(&text));
    zm_buf_free(&text);
}

zm_thread_t *zm_thread_get(zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host)
{
    zm_thread_t *thread = zm_queue_thread(scheduler, channel, host);

    if (thread != NULL)
        return thread;
    thread = zm_thread_make(scheduler, &scheduler->threads, ZM_ASIDE_NOT, channel, host);
    if (zm_holds_place(&scheduler->holds, thread->ring->channel->name, thread->host))
        thread->flags |= ZM_THREAD_HELD;
    if (thread->ring->selection->clause_count == 0)
        tell_no_clause(scheduler, channel, host);
    return thread;
}

void zm_thread_move(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_ring_t *ring)
{
    zm_ring_t *old = thread->ring;
    if (old == ring)
        return;
    zm_walk_skip_thread(scheduler, thread);
    zm_dispatch_unready(scheduler, thread);
    leave_ring(thread);
    enter_ring(thread, ring);
}

void zm_thread_settle(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_ring_t *ring = thread->ring;

    if (thread->vertices > 0 || thread->leases != NULL)
        return;
    zm_walk_skip_thread(scheduler, thread);
    zm_dispatch_unready(scheduler, thread);
    zm_due_clear(&scheduler->retries, &thread->due);
    zm_aside_forget(scheduler, thread);
    zm_table_remove(thread->aside != ZM_ASIDE_NOT ? &scheduler->asides : &scheduler->threads,
                    thread);
    leave_ring(thread);
    scheduler->thread_count--;
    zm_text_drop(&scheduler->texts, thread->host);
    zm_text_drop(&scheduler->texts, thread->refusal);
    zm_slab_put(&scheduler->thread_slab, thread);
    zm_ring_settle(scheduler, ring);
}
