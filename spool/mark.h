/**
 * The mark file ".engine" in the spool's root, which says what engine the spool
 * has; and the permissions of its directories.  Private to spool/.
 *
 *     zmailer-spool 1
 *     engine native
 */
#ifndef ZM_SPOOL_MARK_H
#define ZM_SPOOL_MARK_H

#include "spool/spool.h"

#define ZM_MARK_CONVERTING "converting" /**< in place of an engine: not all of it is there yet */

/** *engine is null when there is no mark.  ZM_E_UNSUPPORTED: made by a newer version; ZM_E_CORRUPT. */
apr_status_t zm_mark_read(const char **engine, const char *location, apr_pool_t *pool, zm_error_t *error);
/** Whether a new spool may be made there: not below the directory of another one.  ZM_E_CONFIG. */
apr_status_t zm_mark_check_outside(const char *location, apr_pool_t *pool, zm_error_t *error);
/** Writes it durably, in the place of an older one. */
apr_status_t zm_mark_write(const char *location, const char *engine, apr_pool_t *pool, zm_error_t *error);

/**
 * Checks that the directories of the layout are there, and that nobody else can
 * change what is in them: where everybody may write, the sticky bit must keep
 * names safe, and only public/ and router/ may be so.  ZM_E_UNSAFE, ZM_E_CONFIG.
 */
apr_status_t zm_mark_check_directories(const char *location, apr_pool_t *pool, zm_error_t *error);
/** The same for the root alone. */
apr_status_t zm_mark_check_root(const char *location, apr_pool_t *pool, zm_error_t *error);

#endif
