/**
 * Finds out by trying which guarantees of the spool a directory has.
 *
 * Filesystems lie about their features, and network and FUSE filesystems take
 * them from elsewhere, so nothing is asked: everything is done once with small
 * files in a scratch directory, which is removed again.
 */
#ifndef ZM_SPOOL_PROBE_H
#define ZM_SPOOL_PROBE_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/status.h"

typedef enum zm_guarantee_t {
    ZM_GUARANTEE_PUBLISH,  /**< contents and names can be made durable */
    ZM_GUARANTEE_RENAME,   /**< rename between directories never overwrites */
    ZM_GUARANTEE_LINK,     /**< one object may have two names */
    ZM_GUARANTEE_IDENTITY, /**< the number of a file survives rename and link, and is its own */
    ZM_GUARANTEE_IN_PLACE, /**< an overwrite is seen at once through another handle */
    ZM_GUARANTEE_OPEN,     /**< an open file stays readable after its last name is gone */
    ZM_GUARANTEE_COUNT
} zm_guarantee_t;

const char *zm_guarantee_name(zm_guarantee_t guarantee); /**< "publish", "rename", ... */

typedef struct zm_probe_t {
    bool holds[ZM_GUARANTEE_COUNT];
    char evidence[ZM_GUARANTEE_COUNT][160]; /**< what was tried and what came of it */
} zm_probe_t;

/** Fails only when nothing could be tried, e.g. for want of permission. */
apr_status_t zm_probe(zm_probe_t *probe, const char *directory, apr_pool_t *pool, zm_error_t *error);

/** Success when all hold; else ZM_E_UNSUPPORTED with the first failing guarantee and its evidence. */
apr_status_t zm_probe_native(const char *directory, apr_pool_t *pool, zm_error_t *error);

#endif
