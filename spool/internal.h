/** The inside of a spool handle, shared by spool.c, object.c and recover.c. */
#ifndef ZM_SPOOL_INTERNAL_H
#define ZM_SPOOL_INTERNAL_H

#include "spool/engine.h"
#include "spool/publisher.h"

struct zm_spool_t {
    apr_pool_t *pool;
    const char *location; /**< without the engine's name */
    const zm_engine_ops_t *ops;
    zm_engine_t *engine;
    zm_publisher_t *publisher;
    bool unsynced;
    bool marked; /**< the spool says which engine it has: it is ours, not taken over from an original */
};

/** Marks a spool that was taken over, once its leftovers have been judged. */
apr_status_t zm_spool_set_marked(zm_spool_t *spool, zm_error_t *error);

#endif
