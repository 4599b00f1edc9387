/**
 * What is left over in a spool and is not needed any more: scratch files in
 * public/ older than 2 days, copies in postman/ older than 7 days, and what
 * exists nowhere but in postman/ when it is older than ONLY_COPY_LIFETIME
 * (30 days).  The clock of the router's master and "zmailer cleanup" remove it.
 */
#ifndef ZM_MTA_CONF_LEFTOVERS_H
#define ZM_MTA_CONF_LEFTOVERS_H

#include "mta/conf/zenv.h"
#include "spool/spool.h"

typedef struct zm_leftovers_t zm_leftovers_t;

/** Called for each name that was removed; days: how old it had to be. */
typedef void zm_leftover_fn(const char *name, int days, bool only_copy, void *baton);

/** "4711._badheader" in postman/: the message itself went on, and this is a copy. */
bool zm_leftover_is_copy(zm_str_t leaf);

/** Begins a pass. Allocates in pool.  ZM_E_CONFIG: ONLY_COPY_LIFETIME is no interval. */
apr_status_t zm_leftovers_begin(zm_leftovers_t **pass, zm_spool_t *spool, const zm_zenv_t *zenv,
                                zm_leftover_fn *fn, void *baton, apr_pool_t *pool,
                                zm_error_t *error);

/** Looks at so many names at most.  APR_SUCCESS: there may be more; APR_ENOENT: that was all;
 * else what cannot be listed. */
apr_status_t zm_leftovers_step(zm_leftovers_t *pass, int names);

/** Gives up a pass, or ends one that is done.  null allowed. */
void zm_leftovers_end(zm_leftovers_t *pass);

#endif
