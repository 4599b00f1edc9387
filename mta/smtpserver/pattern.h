/**
 * HELO patterns: what a client that greets with a certain name may do.
 *
 *     PATTERN [MAXLOAD] FLAGS            or            PATTERN [MAXLOAD] !TEXT
 *
 * PATTERN is a shell glob (* ? [set] [!set] \c) over the lower-cased parameter of
 * HELO or EHLO; the first that matches decides.  MAXLOAD is the load average
 * above which the greeting is put off; "*" means none.
 */
#ifndef ZM_SMTPSERVER_PATTERN_H
#define ZM_SMTPSERVER_PATTERN_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

#define PATTERN_FULL 1      /**< R: full addresses, strict syntax */
#define PATTERN_SLOPPY 2    /**< S: missing <> and odd blanks are let pass */
#define PATTERN_VERIFY 4    /**< v */
#define PATTERN_EXPAND 8    /**< e */
#define PATTERN_NO_GREET 16 /**< -: local clients need not greet */
#define PATTERN_REJECT 32   /**< !: the greeting is refused */
#define PATTERN_FROM 64     /**< f: the router is asked about senders, where that must be said */
#define PATTERN_TO 128      /**< t: likewise about recipients */
#define PATTERN_NO_FROM 256 /**< F: it is not asked about senders */
#define PATTERN_NO_TO 512   /**< T: it is not asked about recipients */
#define PATTERN_HELLO 1024  /**< h: it is asked about the greeting */

#define PATTERN_DEBUG 2048 /**< D: known, without effect */

#define PATTERN_NO_LOAD 999

typedef struct pattern_t {
    const char *glob;
    int max_load; /**< PATTERN_NO_LOAD: any */
    int flags;
    const char *text; /**< of a rejection */
    char unknown;     /**< a letter that is no flag; NUL: none */
    struct pattern_t *next;
} pattern_t;

typedef struct pattern_list_t {
    pattern_t *first, *last;
} pattern_list_t;

/** Adds a line to the list.  ZM_E_SYNTAX, with what is wrong in *problem (constant). */
apr_status_t pattern_add(pattern_list_t *list, zm_str_t line, const char **problem,
                         apr_pool_t *pool);

/** The first that matches name, in any case; null when none does. */
const pattern_t *pattern_find(const pattern_list_t *list, zm_str_t name);

/** Whether the lower-case glob matches name in lower case. */
bool pattern_match(const char *glob, zm_str_t name);

/** The flags in a word of letters.  False: *bad is a letter, the last, that is none. */
bool pattern_flags(zm_str_t letters, int *flags, char *bad);

#endif
