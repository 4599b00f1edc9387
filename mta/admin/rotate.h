/**
 * "zmailer logrotate": the logs get a number, and new ones are begun.
 */
#ifndef ZM_MTA_ADMIN_ROTATE_H
#define ZM_MTA_ADMIN_ROTATE_H

#include "mta/conf/zenv.h"

/**
 * Renames each of our logs NAME in LOGDIR to NAME.0, that to NAME.1 and so on up to NAME.9, and
 * begins an empty one with the same owner and permissions.  NAME.1, which no program writes any
 * more, is compressed when there is a gzip.  *count: how many logs.  A log that cannot be
 * renamed is told on standard error, and counted in *failures.
 */
apr_status_t rotate_logs(const zm_zenv_t *zenv, int *count, int *failures, apr_pool_t *pool,
                         zm_error_t *error);

#endif
