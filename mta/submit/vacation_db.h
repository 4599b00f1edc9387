/**
 * Who was answered when: ~/.vacation.db, a line "SECONDS ADDRESS" for each, and one
 * "interval SECONDS".  It is locked while one delivery looks and writes, so that of two at the
 * same time one answers.
 */
#ifndef ZM_MTA_SUBMIT_VACATION_DB_H
#define ZM_MTA_SUBMIT_VACATION_DB_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/status.h"
#include "platform/str.h"

/* An address that is never answered has a line "exclude ADDRESS", or "exclude @DOMAIN". */

#define VACATION_NEVER_AGAIN INT64_MAX

/** Makes an empty database, with an interval unless that is -1. */
apr_status_t vacation_db_begin(const char *path, int64_t interval, apr_pool_t *pool);

/**
 * Whether an address is to be answered now, and if so notes that it was.  interval -1: that of the
 * database, else `otherwise`.  A damaged line does not count.
 */
apr_status_t vacation_db_due(bool *due, const char *path, const char *address, int64_t now,
                             int64_t interval, int64_t otherwise, apr_pool_t *pool);

/** Never answers an address, or all of "@domain", from now on. */
apr_status_t vacation_db_exclude(const char *path, const char *address, apr_pool_t *pool);

/** Calls each for every address; when is -1 for those that are never answered. */
apr_status_t vacation_db_each(const char *path,
                              void (*each)(void *baton, const char *address, int64_t when),
                              void *baton, apr_pool_t *pool);

/** Seconds of "7" (days), "1w2d", "12h" or a word, which means never again.  ZM_E_SYNTAX;
 * ZM_E_LIMIT for less than 30 seconds. */
apr_status_t vacation_interval(int64_t *seconds, const char *text);

#endif
