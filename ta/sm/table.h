/**
 * The table of mailers, sm.conf(5): one line a mailer,
 *
 *     NAME FLAGS PROGRAM ARGV0 ARGUMENT...
 *
 * separated by blanks.  Lines that are empty or begin with '#' or a blank are
 * left out; of several lines for one name the first counts.
 */
#ifndef ZM_TA_SM_TABLE_H
#define ZM_TA_SM_TABLE_H

#include "mta/conf/zenv.h"

typedef struct zm_mailer_t {
    const char *name;
    const char *program;      /**< its absolute path */
    const char *const *words; /**< of its command line, as the table has them, null ended */

    bool seven_bit;    /**< 7: the body loses its eighth bits */
    bool eight_bit;    /**< 8: it takes 8 bits */
    bool decode;       /**< 9: quoted-printable text is decoded for it */
    bool bsmtp;        /**< b, B: it reads batched SMTP */
    int esmtp;         /**< B: with parameters; twice: those of delivery notifications, too */
    bool hello;        /**< H: the batch begins with HELO or EHLO */
    bool envelope;     /**< e: the header has envelope fields */
    bool original;     /**< O: those of the recipients only */
    bool escape;       /**< E: '>' before lines "From " */
    char sender;       /**< f or r: the option that gets the sender; 0: none does */
    bool many;         /**< m: one process for many recipients */
    bool no_separator; /**< n: without "From " line */
    bool uucp;         /**< U: "From " line with "remote from" */
    bool return_path;  /**< P: the header has Return-Path */
    bool crlf;         /**< R: lines end in CR LF */
    bool dots;         /**< X: a leading dot is doubled */
    bool strip;        /**< s: $u has no quotes */
} zm_mailer_t;

/** Told, once each, of what is wrong and does no harm. */
typedef void zm_mailer_warn_fn(void *baton, const char *text);

/**
 * Finds a mailer.  allow_shell: an address may be a command of a shell.  Fails
 * with a text when the table cannot be read, has no such mailer, or that one
 * cannot be used.
 */
apr_status_t zm_mailer_find(zm_mailer_t **mailer, const char *file, const char *name,
                            const zm_zenv_t *zenv, bool allow_shell, zm_mailer_warn_fn *warn,
                            void *baton, apr_pool_t *pool, zm_error_t *error);

/** The same in the text of a table. */
apr_status_t zm_mailer_parse(zm_mailer_t **mailer, zm_str_t text, const char *name,
                             const zm_zenv_t *zenv, bool allow_shell, zm_mailer_warn_fn *warn,
                             void *baton, apr_pool_t *pool, zm_error_t *error);

#endif
