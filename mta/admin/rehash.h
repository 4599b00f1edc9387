/**
 * "zmailer rehash": after SCHEDULERDIRHASH or ROUTERDIRHASH has changed, moves
 * what lies in the spool to where these say now.
 *
 * Programs find messages at every level, so nothing is lost without it; it makes
 * directories of one kind only.  No daemon may run.  The control file is moved
 * before its message: a pair that a crash parts is joined again by the router's
 * recovery at its next start.
 */
#ifndef ZM_MTA_ADMIN_REHASH_H
#define ZM_MTA_ADMIN_REHASH_H

#include "mta/conf/zenv.h"

/** *count: messages that were moved.  ZM_E_BUSY: a daemon runs; ZM_E_CONFIG: a level that is none.
 */
apr_status_t rehash_spool(const zm_zenv_t *zenv, int *count, apr_pool_t *pool, zm_error_t *error);

#endif
