/**
 * The messages that wait for a worker, oldest first.
 *
 * A message is known by the digits of its name and stands here once, from the
 * hint or scan that found it until a worker has answered for it.
 */
#ifndef ZM_MTA_ROUTER_QUEUE_H
#define ZM_MTA_ROUTER_QUEUE_H

#include <apr_time.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/str.h"

typedef struct router_queue_t router_queue_t;

typedef struct router_job_t {
    uint64_t id;
    apr_time_t arrived;                /**< order: oldest first, then by id */
    int tries;                         /**< workers that died over it */
    bool again;                        /**< announced once more while a worker had it */
    bool measured;                     /**< whether size counts */
    uint64_t size;                     /**< octets */
    apr_size_t slot;                   /**< heap index + 1; 0: given to a worker */
    struct router_job_t *chain, *next; /**< hash chain; the list of its worker */
    char name[];                       /**< "router/B/4711" */
} router_job_t;

router_queue_t *router_queue_create(void);
void router_queue_destroy(router_queue_t *queue);

/**
 * Adds a message unless it is known already.  While a worker has it, the
 * announcement is noted in `again`: its number may belong to a new message by
 * now, the old one having been routed, delivered and removed.
 */
bool router_queue_add(router_queue_t *queue, const char *name, uint64_t id, apr_time_t arrived);
/** Whether a message of that number waits or is being worked on. */
bool router_queue_knows(const router_queue_t *queue, uint64_t id);
/** The oldest waiting job, which is no longer waiting then; null when none is. */
router_job_t *router_queue_take(router_queue_t *queue);
/** A job that was taken waits again. */
void router_queue_return(router_queue_t *queue, router_job_t *job);
/** Forgets a job that was taken. */
void router_queue_done(router_queue_t *queue, router_job_t *job);
apr_size_t router_queue_waiting(const router_queue_t *queue);
/** The octets that wait.  Asks for the size of a message when it is not known, and so often at
 * most; what is not asked for counts nothing. */
uint64_t router_queue_volume(router_queue_t *queue,
                             uint64_t (*measure)(const char *name, void *baton), void *baton,
                             int most);

#endif
