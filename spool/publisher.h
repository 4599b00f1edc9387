/**
 * The publish queue of a process: gathers publishes into groups for the engine.
 * Private to spool/.
 *
 * Whoever has work leads: it takes all that waits as one group, commits it, and
 * hands out the results.  A caller that waits leads itself, so a program that
 * submits one message needs no thread; for callers that do not wait, threads
 * are started when first needed.  While as many groups as the engine likes are
 * under way, the next one gathers.  An engine may answer later, so that a thread
 * need not sleep until another has synced for both.
 */
#ifndef ZM_SPOOL_PUBLISHER_H
#define ZM_SPOOL_PUBLISHER_H

#include "spool/engine.h"

typedef struct zm_publisher_t zm_publisher_t;

/** One publish; embedded in the object, whose memory it keeps until `finish`. */
typedef struct zm_publishing_t {
    zm_commit_t commit; /**< first: the engine tells of its end by it */
    struct zm_publisher_t *publisher;
    zm_publish_fn *fn; /**< null: the caller waits */
    void *baton;
    void (*finish)(struct zm_publishing_t *publishing); /**< frees it, after fn; not called for one that waits */
    struct zm_publishing_t *next;
    bool done;
} zm_publishing_t;

/** at_once: how many groups may be under way, 0: as the engine likes.  loop may be null. */
apr_status_t zm_publisher_create(zm_publisher_t **publisher, const zm_engine_ops_t *ops, zm_engine_t *engine,
                                 int at_once, zm_loop_t *loop);
/** Waits for groups under way, calls what is left to call, and frees. */
void zm_publisher_destroy(zm_publisher_t *publisher);

void zm_publisher_submit(zm_publisher_t *publisher, zm_publishing_t *publishing);
/** Delivers a result that was known before: commit.status is set. */
void zm_publisher_answer(zm_publisher_t *publisher, zm_publishing_t *publishing);
void zm_publisher_wait(zm_publisher_t *publisher, zm_publishing_t *publishing);
void zm_publisher_figures(zm_publisher_t *publisher, zm_spool_figures_t *figures);

#endif
