/*
 * Timers: a binary heap of pointers to the callers' own structures, each of
 * which knows its slot, so that moving and cancelling cost O(log n).  Timers
 * due at the same time fire in the order in which they were set.
 */
#include <stdio.h>
#include <stdlib.h>

#include "platform/clock.h"
#include "platform/loop_parts.h"

static bool earlier(const zm_timer_t *a, const zm_timer_t *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(zm_loop_t *loop, apr_size_t index, zm_timer_t *timer)
{
    loop->timers[index] = timer;
    timer->slot = index + 1;
}

static void sift_up(zm_loop_t *loop, apr_size_t index)
{
    zm_timer_t *timer = loop->timers[index];
    while (index > 0) {
        apr_size_t parent = (index - 1) / 2;
        if (!earlier(timer, loop->timers[parent]))
            break;
        put(loop, index, loop->timers[parent]);
        index = parent;
    }
    put(loop, index, timer);
}

static void sift_down(zm_loop_t *loop, apr_size_t index)
{
    zm_timer_t *timer = loop->timers[index];
    for (;;) {
        apr_size_t child = 2 * index + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count && earlier(loop->timers[child + 1], loop->timers[child]))
            child++;
        if (!earlier(loop->timers[child], timer))
            break;
        put(loop, index, loop->timers[child]);
        index = child;
    }
    put(loop, index, timer);
}

static void make_room(zm_loop_t *loop)
{
    apr_size_t capacity = loop->timer_capacity == 0 ? 64 : loop->timer_capacity * 2;
    zm_timer_t **timers;
    if (loop->timer_count < loop->timer_capacity)
        return;
    timers = realloc(loop->timers, capacity * sizeof *timers);
    if (timers == NULL) {
        fprintf(stderr, "out of memory: cannot set a timer\n");
        abort();
    }
    loop->timers = timers;
    loop->timer_capacity = capacity;
}

void zm_timer_init(zm_timer_t *timer, zm_loop_t *loop, zm_timer_fn *fn, void *baton)
{
    *timer = (zm_timer_t){.loop = loop, .fn = fn, .baton = baton};
}

void zm_timer_set(zm_timer_t *timer, apr_interval_time_t after)
{
    zm_loop_t *loop = timer->loop;
    apr_time_t now = zm_clock_monotonic();
    if (after < 0)
        after = 0;
    timer->due = after > INT64_MAX - now ? INT64_MAX : now + after;
    timer->order = ++loop->timer_order;
    if (timer->slot == 0) {
        make_room(loop);
        put(loop, loop->timer_count++, timer);
    }
    sift_up(loop, timer->slot - 1);
    sift_down(loop, timer->slot - 1);
}

void zm_timer_cancel(zm_timer_t *timer)
{
    zm_loop_t *loop = timer->loop;
    apr_size_t index = timer->slot - 1;
    zm_timer_t *last;
    if (timer->slot == 0)
        return;
    timer->slot = 0;
    last = loop->timers[--loop->timer_count];
    if (last == timer)
        return;
    put(loop, index, last);
    sift_up(loop, index);
    sift_down(loop, last->slot - 1);
}

bool zm_timer_is_set(const zm_timer_t *timer)
{
    return timer->slot != 0;
}

apr_time_t zm_timers_next(const zm_loop_t *loop)
{
    return loop->timer_count == 0 ? -1 : loop->timers[0]->due;
}

/* One that is set meanwhile waits for the next round, even when due at once: sockets get their turn
 * in between. */
void zm_timers_run(zm_loop_t *loop)
{
    apr_time_t now;
    uint64_t last_order = loop->timer_order;
    if (loop->timer_count == 0)
        return;
    now = zm_clock_monotonic();
    while (loop->timer_count > 0) {
        zm_timer_t *timer = loop->timers[0];
        if (timer->due > now || timer->order > last_order)
            break;
        zm_timer_cancel(timer);
        timer->fn(timer, timer->baton);
    }
}
