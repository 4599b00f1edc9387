#include "mta/scheduler/lane.h"

#include "mta/scheduler/memory.h"
#include "mta/scheduler/scheduler.h"

/* -- the order of a lane ------------------------------------------------------------------- */

/* Put behind all that have an age. */
static uint64_t back_of(const zm_vertex_t *vertex)
{
    return (vertex->flags & ZM_VERTEX_BACK) != 0 ? UINT64_C(1) << 63 : 0;
}

static zm_order_t order_of(const zm_lane_t *lane, const zm_vertex_t *vertex)
{
    const zm_job_t *job = vertex->job;
    zm_order_t order = {0, job->id};
    if (lane->aged)
        order.key = ((uint64_t)job->arrived << 30 | job->arrived_ns) + back_of(vertex);
    else
        order.key = zm_mix(job->id ^ UINT64_C(0x9e3779b97f4a7c15));
    return order;
}

static bool before(zm_order_t a, zm_order_t b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

static uint32_t priority_of(const zm_vertex_t *vertex)
{
    return (uint32_t)zm_mix(vertex->job->id * UINT64_C(0xd1342543de82ef95));
}

/* -- the tree ------------------------------------------------------------------------------ */

/* Divides a tree: *low gets what stands before the order, *high the rest. */
static void split(const zm_lane_t *lane, zm_vertex_t *root, zm_order_t at, zm_vertex_t **low,
                  zm_vertex_t **high)
{
    while (root != NULL) {
        if (before(order_of(lane, root), at)) {
            *low = root;
            low = &root->right;
            root = root->right;
        } else {
            *high = root;
            high = &root->left;
            root = root->left;
        }
    }
    *low = *high = NULL;
}

static zm_vertex_t *merge(zm_vertex_t *low, zm_vertex_t *high)
{
    zm_vertex_t *root = NULL, **at = &root;
    while (low != NULL && high != NULL) {
        if (priority_of(low) >= priority_of(high)) {
            *at = low;
            at = &low->right;
            low = low->right;
        } else {
            *at = high;
            at = &high->left;
            high = high->left;
        }
    }
    *at = low != NULL ? low : high;
    return root;
}

static void tree_insert(zm_lane_t *lane, zm_vertex_t *vertex)
{
    zm_order_t order = order_of(lane, vertex);
    uint32_t priority = priority_of(vertex);
    zm_vertex_t **at = &lane->root;

    while (*at != NULL && priority_of(*at) >= priority)
        at = before(order_of(lane, *at), order) ? &(*at)->right : &(*at)->left;
    split(lane, *at, order, &vertex->left, &vertex->right);
    *at = vertex;
}

static void tree_remove(zm_lane_t *lane, zm_vertex_t *vertex)
{
    zm_order_t order = order_of(lane, vertex);
    zm_vertex_t **at = &lane->root;

    while (*at != vertex)
        at = before(order_of(lane, *at), order) ? &(*at)->right : &(*at)->left;
    *at = merge(vertex->left, vertex->right);
    vertex->left = vertex->right = NULL;
}

/* The first after a place, or null. */
static zm_vertex_t *tree_after(const zm_lane_t *lane, zm_order_t at)
{
    zm_vertex_t *node = lane->root, *found = NULL;
    while (node != NULL) {
        if (before(at, order_of(lane, node))) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}

static void tree_each(zm_vertex_t *node, void (*each)(zm_vertex_t *vertex, void *baton),
                      void *baton)
{
    while (node != NULL) {
        tree_each(node->left, each, baton);
        each(node, baton);
        node = node->right;
    }
}

/* -- lists of lanes ------------------------------------------------------------------------ */

static void list_add(zm_lane_t **list, zm_lane_t *lane)
{
    zm_lane_t *first = *list;
    if (first == NULL) {
        *list = lane->next = lane->previous = lane;
        return;
    }
    lane->next = first;
    lane->previous = first->previous;
    first->previous->next = lane;
    first->previous = lane;
}

static void list_remove(zm_lane_t **list, zm_lane_t *lane)
{
    if (lane->next == lane) {
        *list = NULL;
        return;
    }
    lane->previous->next = lane->next;
    lane->next->previous = lane->previous;
    if (*list == lane)
        *list = lane->next;
}

static void move(zm_lane_t *lane, bool spent)
{
    zm_thread_t *thread = lane->thread;
    if (lane->spent == spent)
        return;
    list_remove(lane->spent ? &thread->spent : &thread->active, lane);
    lane->spent = spent;
    list_add(spent ? &thread->spent : &thread->active, lane);
}

/* -- the table of lanes -------------------------------------------------------------------- */

uint32_t zm_lane_key_hash(const zm_lane_key_t *key)
{
    return (uint32_t)zm_mix((uint64_t)(uintptr_t)key->thread * 31 +
                            (uint64_t)(uintptr_t)key->sender);
}

uint32_t zm_lane_hash(const void *item)
{
    const zm_lane_t *lane = item;
    zm_lane_key_t key = {lane->thread, lane->sender};
    return zm_lane_key_hash(&key);
}

bool zm_lane_equal(const void *item, const void *key)
{
    const zm_lane_t *lane = item;
    const zm_lane_key_t *wanted = key;
    return lane->thread == wanted->thread && lane->sender == wanted->sender;
}

static zm_lane_t *lane_get(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_text_t *sender)
{
    zm_lane_key_t key = {thread, sender};
    zm_lane_t *lane = zm_table_find(&scheduler->lanes, zm_lane_key_hash(&key), &key);
    if (lane != NULL)
        return lane;
    lane = zm_slab_get(&scheduler->lane_slab);
    lane->thread = thread;
    lane->sender = zm_text_hold(sender);
    lane->aged = thread->ring->selection->params.ageorder;
    lane->run = thread->run - 1;
    list_add(&thread->active, lane);
    if (sender == NULL)
        thread->mixed = lane;
    zm_table_add(&scheduler->lanes, lane);
    return lane;
}

/* -- runs ---------------------------------------------------------------------------------- */

static bool unfed(const zm_lane_t *lane, zm_order_t order)
{
    zm_order_t start = {lane->start, 0};
    if (lane->run != lane->thread->run)
        return true;
    if (lane->aged)
        return before(lane->cursor, order);
    if (lane->wrapped)
        return before(lane->cursor, order) && !before(start, order);
    return before(lane->cursor, order) || !before(start, order);
}

/* One that was put back after it had been given out in this run stands before the cursor's way. */
static bool was_put_back(const zm_vertex_t *vertex)
{
    const zm_thread_t *thread = vertex->lane->thread;
    return (vertex->flags & ZM_VERTEX_BACK) != 0 && vertex->fed_run == (uint8_t)thread->run &&
           vertex->fed != 0 && vertex->fed >= thread->run_began;
}

bool zm_vertex_is_unfed(const zm_vertex_t *vertex)
{
    return unfed(vertex->lane, order_of(vertex->lane, vertex)) && !was_put_back(vertex);
}

void zm_lane_put_back(zm_vertex_t *vertex, bool back)
{
    zm_lane_t *lane = vertex->lane;

    if (!lane->aged || ((vertex->flags & ZM_VERTEX_BACK) != 0) == back)
        return;
    tree_remove(lane, vertex);
    vertex->flags ^= ZM_VERTEX_BACK;
    tree_insert(lane, vertex);
}

/* Lanes spent in an earlier run come back one by one as the run goes on. */
void zm_lanes_begin_run(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    thread->run++;
    thread->run_began = scheduler->now;
    thread->unfed = thread->vertices;
}

static zm_vertex_t *lane_peek(zm_scheduler_t *scheduler, zm_lane_t *lane)
{
    zm_vertex_t *vertex;

    if (lane->run != lane->thread->run) {
        lane->run = lane->thread->run;
        lane->start = lane->aged ? 0
                                 : (uint64_t)zm_scheduler_random(scheduler) << 32 |
                                       zm_scheduler_random(scheduler);
        lane->cursor.key = lane->start;
        lane->cursor.id = 0;
        lane->wrapped = false;
    }
    vertex = tree_after(lane, lane->cursor);
    while (vertex != NULL && was_put_back(vertex)) {
        lane->cursor = order_of(lane, vertex);
        vertex = tree_after(lane, lane->cursor);
    }
    if (vertex == NULL && !lane->aged && !lane->wrapped) {
        lane->wrapped = true;
        lane->cursor.key = lane->cursor.id = 0;
        vertex = tree_after(lane, lane->cursor);
    }
    if (vertex != NULL && !unfed(lane, order_of(lane, vertex)))
        return NULL;
    return vertex;
}

zm_vertex_t *zm_lanes_peek(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    for (;;) {
        zm_vertex_t *vertex;
        if (thread->spent != NULL && thread->spent->run != thread->run)
            move(thread->spent, false);
        if (thread->active == NULL)
            return NULL;
        vertex = lane_peek(scheduler, thread->active);
        if (vertex != NULL)
            return vertex;
        move(thread->active, true);
    }
}

/* After any other lane's turn comes that of the mixed one. */
static void mixed_first(zm_thread_t *thread)
{
    zm_lane_t *mixed = thread->mixed;
    if (mixed == NULL || mixed->spent || thread->active == mixed)
        return;
    list_remove(&thread->active, mixed);
    list_add(&thread->active, mixed); /* last, and so, in a circle, before the first */
    thread->active = mixed;
}

zm_vertex_t *zm_lanes_take(zm_scheduler_t *scheduler, zm_thread_t *thread)
{
    zm_vertex_t *vertex = zm_lanes_peek(scheduler, thread);
    if (vertex == NULL) {
        thread->unfed = 0;
        return NULL;
    }
    vertex->lane->cursor = order_of(vertex->lane, vertex);
    thread->active = vertex->lane->next;
    if (vertex->lane != thread->mixed)
        mixed_first(thread);
    if (thread->unfed > 0)
        thread->unfed--;
    return vertex;
}

/* Vertices of a mixed lane that are searched for one of a sender. */
#define SEARCH_LIMIT 32

/* -- members ------------------------------------------------------------------------------- */

static void leave_lane(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    zm_lane_t *lane = vertex->lane;
    zm_thread_t *thread = lane->thread;

    tree_remove(lane, vertex);
    if (--lane->count > 0)
        return;
    list_remove(lane->spent ? &thread->spent : &thread->active, lane);
    zm_table_remove(&scheduler->lanes, lane);
    zm_text_drop(&scheduler->texts, lane->sender);
    if (lane == thread->mixed)
        thread->mixed = NULL;
    zm_slab_put(&scheduler->lane_slab, lane);
}

typedef struct search_t {
    const zm_text_t *sender;
    zm_vertex_t *found;
} search_t;

static void find_sender(zm_vertex_t *vertex, void *baton)
{
    search_t *search = baton;
    if (vertex->sender == search->sender)
        search->found = vertex;
}

/* A sender that gets a lane takes along what it has in the mixed one, so that its messages keep
 * their order; in a large mixed lane that is not worth the search. */
static void fetch_from_mixed(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_lane_t *lane)
{
    search_t search = {lane->sender, NULL};

    if (thread->mixed == NULL || thread->mixed->count > SEARCH_LIMIT)
        return;
    tree_each(thread->mixed->root, find_sender, &search);
    if (search.found == NULL || (search.found->flags & ZM_VERTEX_OUTSTANDING) != 0 ||
        (zm_thread_runs(thread) && !zm_vertex_is_unfed(search.found)))
        return;
    leave_lane(scheduler, search.found);
    search.found->lane = lane;
    tree_insert(lane, search.found);
    lane->count++;
}

void zm_lane_insert(zm_scheduler_t *scheduler, zm_thread_t *thread, zm_vertex_t *vertex)
{
    bool alone = vertex->sender->references == 1; /* this vertex has the only one */
    zm_lane_t *lane = lane_get(scheduler, thread, alone ? NULL : vertex->sender);
    uint32_t arrived = (uint32_t)vertex->job->arrived;

    if (lane->count == 0 && !alone)
        fetch_from_mixed(scheduler, thread, lane);
    vertex->lane = lane;
    tree_insert(lane, vertex);
    lane->count++;
    if (thread->vertices == 0 || (thread->oldest != 0 && arrived < thread->oldest))
        thread->oldest = arrived;
    if (zm_thread_runs(thread) && zm_vertex_is_unfed(vertex)) {
        move(lane, false);
        thread->unfed++;
    }
}

void zm_lane_remove(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    zm_lane_t *lane = vertex->lane;
    zm_thread_t *thread = lane->thread;

    if (zm_thread_runs(thread) && thread->unfed > 0 && zm_vertex_is_unfed(vertex))
        thread->unfed--;
    if (thread->oldest == (uint32_t)vertex->job->arrived)
        thread->oldest = 0;
    leave_lane(scheduler, vertex);
}

/* -- questions ----------------------------------------------------------------------------- */

static void older(zm_vertex_t *vertex, void *baton)
{
    uint32_t *oldest = baton, arrived = (uint32_t)vertex->job->arrived;
    if (*oldest == 0 || arrived < *oldest)
        *oldest = arrived;
}

static void lane_oldest(const zm_lane_t *lane, uint32_t *oldest)
{
    zm_vertex_t *first = lane->root;
    if (!lane->aged) {
        tree_each(lane->root, older, oldest);
        return;
    }
    while (first->left != NULL)
        first = first->left;
    older(first, oldest);
}

uint32_t zm_lanes_oldest(zm_thread_t *thread)
{
    zm_lane_t *const lists[] = {thread->active, thread->spent};
    int i;

    if (thread->oldest != 0)
        return thread->oldest;
    for (i = 0; i < 2; i++) {
        zm_lane_t *lane = lists[i];
        if (lane == NULL)
            continue;
        do {
            lane_oldest(lane, &thread->oldest);
            lane = lane->next;
        } while (lane != lists[i]);
    }
    return thread->oldest;
}
