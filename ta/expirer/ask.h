/**
 * What manual-expirer and manual-rerouter have a running scheduler do.  They ask
 * it through mailq(1), which lies beside them and knows how to reach it.
 */
#ifndef ZM_TA_EXPIRER_ASK_H
#define ZM_TA_EXPIRER_ASK_H

#include <apr_tables.h>

#include "mta/conf/zenv.h"
#include "platform/loop.h"

typedef struct zm_ask_t {
    apr_pool_t *pool;
    const zm_zenv_t *zenv;
    zm_loop_t *loop;
    const char *account; /**< "NAME/PASSWORD"; null: that of mailq */
    bool reroute;        /**< else recipients are ended */
} zm_ask_t;

/** Whether a scheduler runs on this spool. */
bool zm_ask_can(const zm_ask_t *ask);

/**
 * Asks for all that the agent's options (null ended) say.  True: the scheduler
 * does it, and has said so on standard output.  False: the files have to be gone
 * through, since the scheduler cannot choose single recipients or texts, or the
 * account has no right to it; that is told on standard error when an account was
 * given.
 */
bool zm_ask_first(const zm_ask_t *ask, char **words);

/** Tells of control files (names below transport/) that were changed.  False: it could not be told.
 */
bool zm_ask_resync(const zm_ask_t *ask, const apr_array_header_t *names);

#endif
