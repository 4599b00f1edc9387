#include "mta/scheduler/shape.h"

#include "mta/scheduler/duration.h"
#include "mta/scheduler/memory.h"
#include "mta/scheduler/pattern.h"
#include "mta/scheduler/scheduler.h"

/* What is known of one destination. */
typedef struct place_t {
    zm_text_t *channel, *host;
    zm_pace_t paces[2];
    uint32_t suspended; /* until; 0: not */
    zm_text_t *pattern; /* that did it */
} place_t;

typedef struct place_key_t {
    const zm_text_t *channel, *host;
} place_key_t;

/* Texts are shared: equal ones are one. */
static uint32_t key_hash(const zm_text_t *channel, const zm_text_t *host)
{
    return (uint32_t)zm_mix((uint64_t)channel->hash << 32 | host->hash);
}

static uint32_t place_hash(const void *item)
{
    const place_t *place = item;
    return key_hash(place->channel, place->host);
}

static bool place_equal(const void *item, const void *key)
{
    const place_t *place = item;
    const place_key_t *wanted = key;
    return place->channel == wanted->channel && place->host == wanted->host;
}

void zm_shapes_init(zm_table_t *table)
{
    zm_table_init(table, place_hash, place_equal);
}

static place_t *find(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    place_key_t key = {thread->ring->channel->name, thread->host};
    return zm_table_find(&scheduler->shapes, key_hash(key.channel, key.host), &key);
}

static place_t *get(zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    place_t *place = find(scheduler, thread);
    if (place != NULL)
        return place;
    place = zm_scheduler_alloc(sizeof *place);
    place->channel = zm_text_hold(thread->ring->channel->name);
    place->host = zm_text_hold(thread->host);
    zm_table_add(&scheduler->shapes, place);
    return place;
}

static void drop(zm_scheduler_t *scheduler, place_t *place)
{
    zm_table_remove(&scheduler->shapes, place);
    zm_text_drop(&scheduler->texts, place->channel);
    zm_text_drop(&scheduler->texts, place->host);
    zm_text_drop(&scheduler->texts, place->pattern);
    zm_scheduler_free(place);
}

void zm_shapes_end(zm_scheduler_t *scheduler)
{
    uint32_t i = 0;
    while (scheduler->shapes.count > 0 && i < scheduler->shapes.size)
        if (scheduler->shapes.slots[i] != NULL)
            drop(scheduler, scheduler->shapes.slots[i]); /* may move another one into this slot */
        else
            i++;
    zm_table_free(&scheduler->shapes);
}

/* -- one rate ------------------------------------------------------------------------------ */

static bool is_over(const zm_pace_t *pace, uint32_t now)
{
    return pace->count == 0 || now - pace->began >= pace->period;
}

static uint32_t used(const zm_pace_t *pace, uint32_t now)
{
    return is_over(pace, now) ? 0 : pace->count;
}

static uint32_t left(const zm_rate_t *rate, const zm_pace_t *pace, uint32_t now)
{
    uint32_t count = pace != NULL ? used(pace, now) : 0;
    if (rate->count == 0)
        return UINT32_MAX;
    return count < rate->count ? rate->count - count : 0;
}

static void count_one(const zm_rate_t *rate, zm_pace_t *pace, uint32_t now)
{
    if (rate->count == 0)
        return;
    if (is_over(pace, now)) {
        pace->began = now;
        pace->count = 0;
    }
    pace->period = rate->period;
    pace->count++;
}

/* The later of two points in time; sets *why when the rate is used up. */
static uint32_t later(uint32_t until, const zm_rate_t *rate, const zm_pace_t *pace, uint32_t now,
                      zm_pending_t reason, zm_pending_t *why)
{
    if (left(rate, pace, now) > 0 || pace->began + pace->period <= until)
        return until;
    *why = reason;
    return pace->began + pace->period;
}

/* -- threads, rings, channels -------------------------------------------------------------- */

static const zm_rate_t *rates_of(const zm_ring_t *ring, zm_shaped_t whom)
{
    return ring->selection->params.rates[whom];
}

uint32_t zm_shape_suspended(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    const place_t *place = scheduler->shapes.count > 0 ? find(scheduler, thread) : NULL;
    return place != NULL && place->suspended > scheduler->now ? place->suspended : 0;
}

uint32_t zm_shape_thread_until(const zm_scheduler_t *scheduler, const zm_thread_t *thread,
                               zm_pending_t *why)
{
    const place_t *place = scheduler->shapes.count > 0 ? find(scheduler, thread) : NULL;
    const zm_rate_t *rates = rates_of(thread->ring, ZM_SHAPED_THREAD);
    uint32_t until = 0;
    int what;

    if (place == NULL)
        return 0;
    for (what = 0; what < 2; what++)
        until = later(until, &rates[what], &place->paces[what], scheduler->now,
                      ZM_PENDING_RATE_THREAD, why);
    if (place->suspended > scheduler->now && place->suspended >= until) {
        *why = ZM_PENDING_SUSPENDED;
        until = place->suspended;
    }
    return until;
}

uint32_t zm_shape_ring_until(const zm_scheduler_t *scheduler, const zm_ring_t *ring,
                             zm_pending_t *why)
{
    uint32_t until = 0;
    int what;

    for (what = 0; what < 2; what++) {
        until = later(until, &rates_of(ring, ZM_SHAPED_RING)[what], &ring->paces[what],
                      scheduler->now, ZM_PENDING_RATE_RING, why);
        until = later(until, &rates_of(ring, ZM_SHAPED_CHANNEL)[what], &ring->channel->paces[what],
                      scheduler->now, ZM_PENDING_RATE_CHANNEL, why);
    }
    return until;
}

bool zm_shape_ring_paced(const zm_scheduler_t *scheduler, const zm_ring_t *ring)
{
    uint32_t now = scheduler->now;
    return !is_over(&ring->paces[0], now) || !is_over(&ring->paces[1], now) ||
           !is_over(&ring->channel->paces[0], now) || !is_over(&ring->channel->paces[1], now);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t zm_shape_allowance(const zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    const zm_ring_t *ring = thread->ring;
    const zm_rate_t *own = &rates_of(ring, ZM_SHAPED_THREAD)[ZM_PACED_MESSAGES];
    const place_t *place = own->count > 0 ? find(scheduler, thread) : NULL;
    uint32_t now = scheduler->now, count;

    count = left(own, place != NULL ? &place->paces[ZM_PACED_MESSAGES] : NULL, now);
    count = least(count, left(&rates_of(ring, ZM_SHAPED_RING)[ZM_PACED_MESSAGES],
                              &ring->paces[ZM_PACED_MESSAGES], now));
    return least(count, left(&rates_of(ring, ZM_SHAPED_CHANNEL)[ZM_PACED_MESSAGES],
                             &ring->channel->paces[ZM_PACED_MESSAGES], now));
}

void zm_shape_count(zm_scheduler_t *scheduler, const zm_thread_t *thread, zm_paced_t what)
{
    zm_ring_t *ring = thread->ring;
    const zm_rate_t *own = &rates_of(ring, ZM_SHAPED_THREAD)[what];

    if (own->count > 0)
        count_one(own, &get(scheduler, thread)->paces[what], scheduler->now);
    count_one(&rates_of(ring, ZM_SHAPED_RING)[what], &ring->paces[what], scheduler->now);
    count_one(&rates_of(ring, ZM_SHAPED_CHANNEL)[what], &ring->channel->paces[what],
              scheduler->now);
}

/* -- suspension ---------------------------------------------------------------------------- */

bool zm_shape_reply(zm_scheduler_t *scheduler, const zm_thread_t *thread, zm_str_t text,
                    zm_str_t notary)
{
    const zm_params_t *params = &thread->ring->selection->params;
    int i;

    for (i = 0; i < params->suspend_count; i++) {
        const zm_suspend_t *suspend = &params->suspend[i];
        place_t *place;
        if (!zm_pattern_match(suspend->pattern, text) &&
            !zm_pattern_match(suspend->pattern, notary))
            continue;
        place = get(scheduler, thread);
        if (place->suspended < scheduler->now + suspend->time)
            place->suspended = scheduler->now + suspend->time;
        zm_text_drop(&scheduler->texts, place->pattern);
        place->pattern = zm_text_get(&scheduler->texts, suspend->pattern);
        return true;
    }
    return false;
}

void zm_shape_reset(zm_scheduler_t *scheduler, const zm_thread_t *thread)
{
    place_t *place = find(scheduler, thread);
    if (place != NULL)
        drop(scheduler, place);
}

void zm_shape_sweep(zm_scheduler_t *scheduler)
{
    uint32_t i = 0, now = scheduler->now;
    zm_ring_t *ring, *next;

    for (ring = scheduler->rings; ring != NULL; ring = next) {
        next = ring->next;
        zm_ring_settle(scheduler, ring); /* those that only a period kept */
    }
    while (i < scheduler->shapes.size) {
        place_t *place = scheduler->shapes.slots[i];
        if (place != NULL && is_over(&place->paces[0], now) && is_over(&place->paces[1], now) &&
            place->suspended <= now)
            drop(scheduler, place); /* may move another one into this slot */
        else
            i++;
    }
}

/* -- for people ---------------------------------------------------------------------------- */

static void print_rate(zm_buf_t *out, const char *indent, const char *name, const zm_rate_t *rate,
                       const zm_pace_t *pace, uint32_t now)
{
    char text[ZM_DURATION_SIZE];
    uint32_t count = pace != NULL ? used(pace, now) : 0;

    if (rate->count == 0)
        return;
    zm_buf_printf(out, "%s%s %u of ", indent, name, count);
    zm_rate_print(out, rate);
    if (count > 0)
        zm_buf_printf(out, ", the period ends in %s",
                      zm_duration_short(text, (int64_t)pace->began + pace->period - now));
    zm_buf_add_byte(out, '\n');
}

void zm_shape_print(zm_buf_t *out, const zm_scheduler_t *scheduler, const zm_thread_t *thread,
                    const char *indent)
{
    static const char *const names[3][2] = {
        {"ratethr", "connthr"}, {"ratering", "connring"}, {"ratechannel", "connchannel"}};
    const zm_ring_t *ring = thread->ring;
    const place_t *place = find(scheduler, thread);
    char text[ZM_DURATION_SIZE];
    int whom, what;

    for (whom = 0; whom < 3; whom++)
        for (what = 0; what < 2; what++) {
            const zm_pace_t *const paces[3] = {place != NULL ? &place->paces[what] : NULL,
                                               &ring->paces[what], &ring->channel->paces[what]};
            print_rate(out, indent, names[whom][what], &rates_of(ring, (zm_shaped_t)whom)[what],
                       paces[whom], scheduler->now);
        }
    if (place != NULL && place->suspended > scheduler->now)
        zm_buf_printf(out, "%ssuspended for %s: it answered \"%s\"\n", indent,
                      zm_duration_short(text, (int64_t)place->suspended - scheduler->now),
                      place->pattern->data);
}
