/**
 * zmailer metrics: what all programs of the site have counted, for programs
 * that watch it.
 */
#ifndef ZM_MTA_ADMIN_METRICS_H
#define ZM_MTA_ADMIN_METRICS_H

#include "mta/conf/zenv.h"
#include "platform/str.h"

/**
 * Appends the counters as OpenMetrics text, or as one JSON object with their
 * names of mailq -M.  APR_ENOENT when no program has counted anything yet.
 */
apr_status_t metrics_print(zm_buf_t *out, const zm_zenv_t *zenv, bool json, apr_pool_t *pool);

#endif
