/**
 * The session log: what clients said and what they were answered.
 *
 *     <tag><delta><type>TAB<text>
 *
 * tag: seven characters that group the lines of a session; delta: seconds since it
 * began, four digits or more; type: r a line received, w a reply line, # a
 * comment.  Programs parse this.  Lines of no session have the tag 0000000.
 *
 * Lines gather in memory and are appended in one piece several times a second, so
 * logging costs no system call a line.  What a crash loses is that much.
 */
#ifndef ZM_SMTPSERVER_JOURNAL_H
#define ZM_SMTPSERVER_JOURNAL_H

#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"

#define JOURNAL_TAG 7

typedef struct journal_t journal_t;

typedef struct journal_options_t {
    const char *file; /**< path; null: no file */
    bool system;      /**< to syslog (facility mail) at level debug */
} journal_options_t;

/** A journal without file and syslog takes lines and keeps none. */
apr_status_t journal_open(journal_t **journal, const journal_options_t *options, apr_pool_t *pool,
                          zm_error_t *error);
/** From now on lines are written by a timer of the loop.  Before, and without one, at once. */
void journal_attach(journal_t *journal, zm_loop_t *loop);
/** Opens the file anew, for log rotation; the old one stays when that fails. */
void journal_reopen(journal_t *journal);
void journal_flush(journal_t *journal);
void journal_close(journal_t *journal); /**< null allowed */

/** Whether lines go anywhere. */
bool journal_on(const journal_t *journal);

/** The tag of a session that began at start; slot and number keep those of one second apart. */
void journal_tag(char tag[JOURNAL_TAG + 1], apr_time_t start, unsigned slot, unsigned number);

/** Adds a line; tag null: of no session.  Control bytes in text become '?'. */
void journal_line(journal_t *journal, const char *tag, apr_int64_t delta, char type, zm_str_t text);

#endif
