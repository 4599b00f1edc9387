/* Another configuration for a running scheduler: zm_scheduler_reload. */
#include <string.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/dispatch.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_program(const zm_params_t *a, const zm_params_t *b)
{
    return same_text(a->command, b->command) && a->as.uid == b->as.uid && a->as.gid == b->as.gid &&
           a->nice == b->nice && a->priority == b->priority;
}

/* The thread's retry time stands; limits and expiry are the new ones from now on. */
static void rehome(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_str_t channel = zm_text_str(thread->ring->channel->name), host = zm_text_str(thread->host);
    const zm_selection_t *selection = zm_aside_select(scheduler, thread);
    bool ready = thread->ready;
    zm_vertex_t *vertex;

    zm_thread_move(scheduler, thread, zm_ring_get(scheduler, selection, channel, host));
    for (vertex = thread->first; vertex != NULL; vertex = vertex->later)
        zm_expiry_arm(scheduler, vertex);
    if (thread->lease_count == 0 && !zm_due_is_set(&thread->due) && !selection->params.queueonly)
        ready = true;
    if (ready)
        zm_dispatch_ready(scheduler, thread);
}

/* The ring in the place of an old one.  One without threads is not there yet: it is what the host
 * that its agents served last would get. */
static zm_ring_t *successor(zm_scheduler_t *scheduler, zm_ring_t *old)
{
    zm_str_t channel = zm_text_str(old->channel->name), host = zm_text_str(old->host);
    zm_ring_t *ring = zm_ring_find(scheduler, zm_text_str(old->identity), channel, host);
    const zm_selection_t *selection;
    const zm_ta_t *ta = old->tas;

    while (ta != NULL && ta->host == NULL)
        ta = ta->ring_next;
    if (ring != NULL || ta == NULL)
        return ring;
    selection = zm_config_select(scheduler->config, channel, zm_text_str(ta->host));
    if (!zm_str_equal(zm_str(selection->identity), zm_text_str(old->identity)))
        return NULL;
    return zm_ring_get(scheduler, selection, channel, host);
}

/* Agents go over to the ring that has taken the place of theirs, if it runs the same program. */
static void hand_over(zm_scheduler_t *scheduler, zm_ring_t *old)
{
    zm_ring_t *ring = successor(scheduler, old);
    bool keep = ring != NULL && same_program(&old->selection->params, &ring->selection->params);
    zm_ta_t *ta, *next;

    for (ta = old->tas; ta != NULL; ta = next) {
        next = ta->ring_next;
        if (keep)
            zm_ta_move(scheduler, ta, ring);
        else
            zm_ta_dismiss(scheduler, ta, false);
    }
    if (keep)
        ring->kind = old->kind;
}

void zm_scheduler_reload(zm_scheduler_t *scheduler, zm_config_t *config)
{
    zm_ring_t *ring, *next;
    zm_thread_t *thread, *following;

    scheduler->config = config;
    for (ring = scheduler->rings; ring != NULL; ring = ring->next)
        zm_ring_retire(scheduler, ring);
    for (ring = scheduler->rings; ring != NULL; ring = ring->next)
        for (thread = ring->retired ? ring->threads : NULL; thread != NULL; thread = following) {
            following = thread->ring_next;
            rehome(scheduler, thread);
        }
    for (ring = scheduler->rings; ring != NULL; ring = next) {
        next = ring->next;
        if (!ring->retired)
            continue;
        hand_over(scheduler, ring);
        ring->selection = &config->none; /* nothing points into the old configuration any more */
        zm_ring_settle(scheduler, ring);
    }
}
