/**
 * Deliveries in the identity of the recipient.
 *
 * A mailbox that runs as root never touches what users can write.  For each
 * user and group it starts this program once more as that user, for good, and
 * sends it deliveries over a socket, one at a time:
 *
 *     request   fields of zm_delivery_t, the head, the body in pieces, an end mark
 *     answer    the result
 *
 * A few workers are kept for the next letters to the same users, the rest end.
 * A worker sees only letters that go to its own user.  It believes the request
 * (which comes from root); the parent believes nothing but the outcome.
 */
#ifndef ZM_TA_MAILBOX_WORKER_H
#define ZM_TA_MAILBOX_WORKER_H

#include "ta/mailbox/delivery.h"

#define ZM_WORKER_ARGUMENT "--worker"

typedef struct zm_workers_t zm_workers_t;

/** program: the path of this program. */
zm_workers_t *zm_workers_create(const char *program, zm_loop_t *loop, apr_pool_t *pool);
void zm_workers_close(zm_workers_t *workers);

/** Has the delivery done as somebody else; account names whose supplementary groups go with it
 * (null: none).  Trouble with the worker itself is a temporary result.
 */
void zm_workers_deliver(zm_delivered_t *result, zm_workers_t *workers, const zm_credentials_t *as,
                        const char *account, const zm_delivery_t *delivery);

/** The main program of a worker: serves deliveries until the parent closes.  Returns the exit code.
 */
int zm_worker_main(apr_pool_t *pool);

/** The same on a given socket (tests). */
int zm_worker_serve(apr_socket_t *socket, zm_loop_t *loop, apr_pool_t *pool);

#endif
