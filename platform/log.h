/**
 * The program's log: one event, one line.
 *
 * Line form: "TIME LEVEL PROGRAM[PID] ID: event key=value key=value", or the
 * same as a JSON object.  ID is the spool id of the message, "-" where an
 * event belongs to none.  Values with blanks, quotes or control bytes are
 * quoted and escaped, so a hostile value can neither end a line nor forge a key.
 * Sinks: standard error, a file (reopened on zm_log_reopen and when renamed
 * away), syslog, the Windows event log.
 */
#ifndef ZM_PLATFORM_LOG_H
#define ZM_PLATFORM_LOG_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/status.h"
#include "platform/str.h"

typedef enum zm_log_level_t { ZM_LOG_ERROR, ZM_LOG_WARNING, ZM_LOG_NOTICE, ZM_LOG_INFO, ZM_LOG_DEBUG } zm_log_level_t;

typedef struct zm_log_options_t {
    const char *program; /**< name in every line */
    const char *file;    /**< path, or null for standard error */
    zm_log_level_t level;
    bool json;
    bool system; /**< also to syslog (facility mail) or the event log, from NOTICE up */
    int64_t owner; /**< uid of an account whose processes write the file too: a new file is given to it; 0: ours */
} zm_log_options_t;

/** Opens the sinks.  Before this call lines go to standard error at level NOTICE. */
apr_status_t zm_log_open(const zm_log_options_t *options, zm_error_t *error);
apr_status_t zm_log_reopen(void);
void zm_log_close(void);
bool zm_log_on(zm_log_level_t level);

/** One field of an event: make them with the ZM_F_ macros. */
typedef struct zm_log_field_t {
    const char *key;
    int kind;
    const char *data;
    apr_size_t length;
    int64_t number;
} zm_log_field_t;

#define ZM_F_S(k, c_string) ((zm_log_field_t){(k), 's', (c_string), 0, 0})
#define ZM_F_N(k, counted) ((zm_log_field_t){(k), 'n', (counted).data, (counted).length, 0})
#define ZM_F_I(k, integer) ((zm_log_field_t){(k), 'i', NULL, 0, (int64_t)(integer)})
#define ZM_F_E(k, apr_status) ((zm_log_field_t){(k), 'e', NULL, 0, (int64_t)(apr_status)}) /**< the status as text */

/** Writes one event.  id may be null.  Thread safe; the line is written in one piece. */
void zm_log_event(zm_log_level_t level, const char *id, const char *event, const zm_log_field_t *fields, int count);

/** zm_log(ZM_LOG_INFO, id, "delivered", ZM_F_S("to", user), ZM_F_I("size", n)) */
#define zm_log(level, id, event, ...)                                                              \
    do {                                                                                           \
        if (zm_log_on(level)) {                                                                    \
            const zm_log_field_t zm_log_fields_[] = {__VA_ARGS__ __VA_OPT__(, ) {0}};              \
            zm_log_event((level), (id), (event), zm_log_fields_,                                   \
                         (int)(sizeof zm_log_fields_ / sizeof zm_log_fields_[0]) - 1);             \
        }                                                                                          \
    } while (0)

/** A line of the classic syslog shapes (facility mail), for programs that parse them.  ident as openlog; one line. */
void zm_log_syslog(zm_log_level_t level, const char *ident, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same about users and their passwords (facility authpriv). */
void zm_log_syslog_secret(zm_log_level_t level, const char *ident, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
