/**
 * The two forms of a log line.  Part of log.h; by itself for the tests.
 */
#ifndef ZM_PLATFORM_LOG_FORMAT_H
#define ZM_PLATFORM_LOG_FORMAT_H

#include <apr_time.h>

#include "platform/log.h"
#include "platform/str.h"

typedef struct zm_log_record_t {
    apr_time_t when;
    zm_log_level_t level;
    const char *program;
    apr_int64_t pid;
    const char *id; /**< null: "-" */
    const char *event;
    const zm_log_field_t *fields;
    int count;
} zm_log_record_t;

const char *
zm_log_level_name(zm_log_level_t level); /**< "error", "warning", "notice", "info", "debug" */

/** "2026-11-21T04:59:47.123456Z info router[42] 4711: event key=value": appended to line, without
 * LF. */
void zm_log_format_text(zm_buf_t *line, const zm_log_record_t *record);
/** From the id on, for syslog, which adds time, name and pid itself: "4711: event key=value". */
void zm_log_format_tail(zm_buf_t *line, const zm_log_record_t *record);
/** {"time":"...","level":"info","program":"router","pid":42,"id":"4711","event":"...","key":"value"}, without LF. */
void zm_log_format_json(zm_buf_t *line, const zm_log_record_t *record);

#endif
