/**
 * Copies a spool into a new one, which may have another engine: names, times,
 * owners, modes and links are kept.  The way from and to an emulated spool, out of
 * a damaged one, and onto another disk.
 *
 * Identities are kept where the new engine can choose them (emulated); elsewhere
 * names keep their old numbers, and new messages get out of their way.
 */
#ifndef ZM_SPOOL_CONVERT_H
#define ZM_SPOOL_CONVERT_H

#include "spool/check.h"

typedef struct zm_convert_report_t {
    uint64_t objects, names, bytes;
    uint64_t skipped; /**< unfinished ones: scratch in public/, temporary control files */
    uint64_t damaged; /**< could not be read; told through fn */
} zm_convert_report_t;

typedef struct zm_convert_options_t {
    zm_finding_fn *fn;
    zm_progress_fn *progress; /**< may be null */
    void *baton;
} zm_convert_options_t;

/**
 * from, to: locations as for zm_spool_open.  Nobody may use either meanwhile.
 * The directory of `to` must be missing or empty (ZM_E_CONFIG).  Until all is
 * copied and durable the new spool is marked, and cannot be opened.
 */
apr_status_t zm_spool_convert(const char *from, const char *to, const zm_convert_options_t *options,
                              zm_convert_report_t *report, apr_pool_t *pool, zm_error_t *error);

#endif
