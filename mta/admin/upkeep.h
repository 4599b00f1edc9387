/**
 * What an administrator does to a spool at rest: try deferred mail again,
 * remove leftovers, freeze and thaw, check.
 */
#ifndef ZM_MTA_ADMIN_UPKEEP_H
#define ZM_MTA_ADMIN_UPKEEP_H

#include "mta/conf/zenv.h"
#include "spool/spool.h"

/** A line in the system's log about what was done, and by whom. */
void upkeep_note(const zm_zenv_t *zenv, const char *text);

/** Makes the directories of the spool at POSTOFFICE that are missing, and marks it as ours. */
apr_status_t upkeep_make_spool(const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error);

/** Gives every message in deferred/ back to the router.  *count: how many. Failures are told on
 * standard error and counted. */
apr_status_t upkeep_resubmit(const zm_zenv_t *zenv, int *count, int *failures, apr_pool_t *pool,
                             zm_error_t *error);

/** Gives one message of deferred/, postman/ or freezer/ back to the router:
 * "postman/4711.killsrouter". A copy of a message that went on is refused. */
apr_status_t upkeep_resubmit_one(const zm_zenv_t *zenv, const char *name, apr_pool_t *pool,
                                 zm_error_t *error);

/** Removes scratch files in public/ older than 2 days and copies in postman/ older than 7 days
 * (only-copies: 30 days, each of which is told on standard output and in the system's log). */
apr_status_t upkeep_cleanup(const zm_zenv_t *zenv, int *count, apr_pool_t *pool, zm_error_t *error);

/** Removes pid files that no live process holds. */
apr_status_t upkeep_bootclean(const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error);

/** While a spool is frozen no daemon starts on it. */
apr_status_t upkeep_freeze(const zm_zenv_t *zenv, bool freeze, apr_pool_t *pool, zm_error_t *error);
bool upkeep_frozen(const zm_zenv_t *zenv, apr_pool_t *pool);

#endif
