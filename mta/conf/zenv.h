/**
 * The site variables: zmailer.conf, also called ZENV.
 *
 * Every program finds the file the same way.  The first of these that is given
 * decides, and then that file must be readable:
 *
 *     1. option -Z FILE or --zconfig FILE
 *     2. option --root DIR: DIR/etc/zmailer.conf
 *     3. environment ZCONFIG, a file
 *     4. environment ZMAILER_ROOT, a directory: its etc/zmailer.conf
 *
 * With none of them the first file that exists is taken:
 *
 *     5. PREFIX/etc/zmailer/zmailer.conf, PREFIX being where we are installed
 *     6. /etc/zmailer/zmailer.conf; on Windows what the registry says, see platform/manager.h
 *
 * The file is a list of NAME=value lines in the common subset of this reader,
 * of POSIX shells and of the router's scripts, which all read it:
 *
 *     # comment
 *     POSTOFFICE=/var/spool/postoffice
 *     SMTPOPTIONS="-sve -l ${LOGDIR}/smtpserver"     # comment
 *
 * Blanks before NAME and around the value do not count; '#' after a blank
 * starts a comment.  Text in '...' is literal.  In "..." and outside quotes
 * $NAME and ${NAME} stand for values set on earlier lines (or for a default of
 * ours); an unknown name gives nothing and a warning.  Inside "..." a backslash
 * takes the meaning from a following " or $; elsewhere it is an ordinary byte.
 * `export NAME` lines and `export NAME=value` are understood.  A name that is
 * set twice keeps the last value, with a warning.  Everything else is an error
 * that names file, line and what was expected, and no program starts with it.
 */
#ifndef ZM_MTA_CONF_ZENV_H
#define ZM_MTA_CONF_ZENV_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_zenv_t zm_zenv_t;

/** Told about each thing that is odd but not wrong; text is one line with file and line number. */
typedef void (*zm_zenv_warn_t)(void *baton, const char *text);

/** How to find the file; all zero is the usual case. */
typedef struct zm_zenv_options_t {
    const char *file;        /**< -Z, --zconfig */
    const char *root;        /**< --root */
    bool ignore_environment; /**< places 3 and 4 are skipped */
    zm_zenv_warn_t warn;     /**< null: warnings are dropped */
    void *baton;
} zm_zenv_options_t;

/**
 * Finds and reads zmailer.conf.  options may be null.  Everything lives in pool.
 * Errors: ZM_E_CONFIG for a malformed file ("FILE:LINE: ...") and, listing the
 * places where it was looked for, when there is none; those of reading.
 */
apr_status_t zm_zenv_load(zm_zenv_t **zenv, const zm_zenv_options_t *options, apr_pool_t *pool,
                          zm_error_t *error);

/** Reads text as if it were the file of that name.  The prefix is the installation's. */
apr_status_t zm_zenv_parse(zm_zenv_t **zenv, zm_str_t text, const char *file, const char *prefix,
                           const zm_zenv_options_t *options, apr_pool_t *pool, zm_error_t *error);

/** The path of the file, absolute: what children get in ZCONFIG. */
const char *zm_zenv_file(const zm_zenv_t *zenv);

/** The value, NUL terminated; null when the variable is not set.  ZCONFIG is always set. */
const char *zm_zenv_get(const zm_zenv_t *zenv, const char *name);
/** The value, or the default when it is not set or empty. */
const char *zm_zenv_get_or(const zm_zenv_t *zenv, const char *name, const char *otherwise);
/** Sets or, with null, unsets a variable (command line options that override the file).  Copies. */
void zm_zenv_set(zm_zenv_t *zenv, const char *name, const char *value);

/**
 * Typed values.  An unset or empty variable gives the default.  A value of the
 * wrong form or outside minimum..maximum is ZM_E_CONFIG with file, line, name
 * and what was expected.  Intervals are seconds (form of zm_interval_parse);
 * sizes are bytes with an optional k, m or g (1024, 1024^2, 1024^3).
 */
apr_status_t zm_zenv_number(const zm_zenv_t *zenv, const char *name, int64_t otherwise,
                            int64_t minimum, int64_t maximum, int64_t *value, zm_error_t *error);
apr_status_t zm_zenv_interval(const zm_zenv_t *zenv, const char *name, int64_t otherwise,
                              int64_t *seconds, zm_error_t *error);
apr_status_t zm_zenv_size(const zm_zenv_t *zenv, const char *name, uint64_t otherwise,
                          uint64_t *bytes, zm_error_t *error);
/** yes, true, on and numbers but 0 are true; no, false, off, 0 are false; anything else is an
 * error. */
apr_status_t zm_zenv_switch(const zm_zenv_t *zenv, const char *name, bool otherwise, bool *value,
                            zm_error_t *error);

/*
 * The directories.  Never null, absolute, without a final '/'.  Defaults:
 *     POSTOFFICE  the first existing of /usr/spool/postoffice, /var/spool/postoffice; else the
 * latter MAILSHARE   PREFIX/share/zmailer MAILBIN     PREFIX/libexec/zmailer MAILVAR
 * PREFIX/var/zmailer LOGDIR      /var/log/mail When the file was found through a root (--root,
 * ZMAILER_ROOT), it must set POSTOFFICE, MAILVAR and LOGDIR itself: a private instance never falls
 * back on the directories of the system.
 */
const char *
zm_zenv_postoffice(const zm_zenv_t *zenv); /**< the directory, without "native:" or "emulated:" */
const char *zm_zenv_spool(const zm_zenv_t *zenv); /**< POSTOFFICE as zm_spool_open wants it */
const char *zm_zenv_mailbin(const zm_zenv_t *zenv);
const char *zm_zenv_mailshare(const zm_zenv_t *zenv);
const char *zm_zenv_mailvar(const zm_zenv_t *zenv);
const char *zm_zenv_logdir(const zm_zenv_t *zenv);
const char *zm_zenv_prefix(const zm_zenv_t *zenv); /**< of the installation */

/** Calls each(baton, name, value) for every variable that is set, in the order of the file. */
void zm_zenv_each(const zm_zenv_t *zenv,
                  void (*each)(void *baton, const char *name, const char *value), void *baton);

/* Which references zm_zenv_expand replaces; a reference it does not know or replace stays as it is.
 */
#define ZM_EXPAND_BRACES 1  /**< ${NAME} */
#define ZM_EXPAND_NAMES 2   /**< $NAME */
#define ZM_EXPAND_PARENS 4  /**< $(NAME) */
#define ZM_EXPAND_DOLLARS 8 /**< $$ becomes $ */
#define ZM_EXPAND_EMPTY 16  /**< an unknown name becomes nothing instead of staying */

/** A second source of names, asked first; null when it does not know the name. */
typedef const char *(*zm_zenv_more_t)(void *baton, zm_str_t name);

/** The text with variables put in.  more may be null.  The result is NUL terminated too. */
zm_str_t zm_zenv_expand(const zm_zenv_t *zenv, zm_str_t text, int flags, zm_zenv_more_t more,
                        void *baton, apr_pool_t *pool);

/**
 * Seconds of an interval: <digits><unit> any number of times, unit one of
 * w d h m s, the last unit may be missing (seconds).  "1h30m" is 5400.
 * ZM_E_SYNTAX for anything else, also for the empty string and for overflow.
 */
apr_status_t zm_interval_parse(zm_str_t text, int64_t *seconds);

#endif
