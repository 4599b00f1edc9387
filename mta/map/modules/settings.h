/**
 * Configuration files of modules: lines "keyword value", '#' begins a comment
 * line, keywords in any case.
 */
#ifndef ZM_MAP_SETTINGS_H
#define ZM_MAP_SETTINGS_H

#include <apr_tables.h>

#include "mta/map/map.h"
#include "platform/fs.h"

typedef struct zm_setting_t {
    const char *keyword;
    const char **value; /**< where it goes; untouched when the keyword is not there */
} zm_setting_t;

/**
 * Reads a file; seen (may be null) becomes its state.  The table ends with a null
 * keyword.  Errors: those of reading; ZM_E_CONFIG "FILE:LINE: ..." for a keyword
 * that the table does not have.
 */
apr_status_t zm_settings_read(const char *path, const zm_setting_t *table, zm_file_info_t *seen,
                              apr_pool_t *pool, zm_error_t *error);

/** Whether the file is another than when it was read. */
bool zm_settings_changed(const char *path, const zm_file_info_t *seen);

/** Seconds from a setting; otherwise when it is null.  ZM_E_CONFIG when it is no number of 1 to
 * 600. */
apr_status_t zm_settings_seconds(const char *text, unsigned otherwise, unsigned *seconds,
                                 zm_error_t *error);

#define ZM_SETTINGS_MOST_VALUES 4096

/** Adds a copy of a value to an array of zm_str_t, in the array's pool.  Whatever is more than
 * ZM_SETTINGS_MOST_VALUES is not kept. */
void zm_settings_add(apr_array_header_t *values, zm_str_t value);

/**
 * Answers with one value, or with a list of them; absent when there is none.  More
 * than ZM_SETTINGS_MOST_VALUES are a failure: a part of a list is no list.
 */
zm_map_outcome_t zm_settings_answer(zm_map_answer_t *answer, const apr_array_header_t *values,
                                    const char *path);

#endif
