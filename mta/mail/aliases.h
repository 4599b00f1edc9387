/**
 * The source form of alias files:
 *
 *     # comment
 *     postmaster: root, ann@example.org
 *     team:       bob,
 *                 "|/usr/local/bin/archive team"
 *     ann@example.org: ann
 *
 * An entry begins in column 1 with its key, which may be quoted and is mapped to
 * lower case; its value is an address list.  A line that begins with a blank
 * continues the entry, whose text so far must end in a comma.  Empty lines and
 * comments end an entry.  A line with a NUL byte is wrong.
 *
 * %0 to %9, for which a lookup puts parts of the key and of the address, count as words.
 * Programs, files and includes may stand without quotes, up to the next comma.  Those
 * that are no addresses that way (/var/mail/archive is one) the reader tells of, and gives
 * the value with quotes around them.
 */
#ifndef ZM_MTA_MAIL_ALIASES_H
#define ZM_MTA_MAIL_ALIASES_H

#include <apr_pools.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_aliases_reader_t {
    /** An entry; strings live during the call.  A failure ends the reading. */
    apr_status_t (*entry)(void *baton, zm_str_t key, zm_str_t value, unsigned line);
    /** Something wrong with a line, which is left out. */
    void (*complain)(void *baton, unsigned line, const char *what);
    /** Something that is understood and should be written otherwise; may be null. */
    void (*remark)(void *baton, unsigned line, const char *what);
    void *baton;
} zm_aliases_reader_t;

/** Reads a whole source text. Returns what entry returned when it failed. */
apr_status_t zm_aliases_read(zm_str_t text, const zm_aliases_reader_t *reader, apr_pool_t *pool);

#endif
