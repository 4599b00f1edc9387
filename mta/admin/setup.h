/**
 * "zmailer setup": the first configuration of an installation, and later changes
 * of what it asks for: our name, further local domains, the smart host, who gets
 * the postmaster's mail.
 *
 * It may be run again at any time: what is as it should be is kept, and of files
 * only the lines that an option is about are changed.  Files of the stock
 * configuration that nobody has edited are brought up to date; $MAILSHARE/.stock
 * has the SHA-256 of what was offered last.
 *
 *   setup.c        what is asked and made, in which order
 *   setup_files.c  writing, changing lines, telling what was done
 *   setup_stock.c  the stock configuration
 */
#ifndef ZM_MTA_ADMIN_SETUP_H
#define ZM_MTA_ADMIN_SETUP_H

#include <apr_tables.h>
#include <stdbool.h>

#include "mta/admin/instance.h"
#include "mta/conf/zenv.h"

typedef struct setup_options_t {
    instance_options_t *instance;  /**< hostname, smart host ("": none any more), domains, engine */
    const char *postmaster;        /**< who gets that mail; null: not said */
    apr_array_header_t *variables; /**< "NAME=VALUE" for zmailer.conf */
    bool dry_run;                  /**< tell, and do nothing */
    bool ask;                      /**< what was not said, at the terminal */
    bool json, quiet;
} setup_options_t;

/** Returns the exit code, having told what was done, and what went wrong on standard error. */
int setup_run(const setup_options_t *options, const zm_zenv_options_t *where, apr_pool_t *pool);

/* -- for the parts ------------------------------------------------------------------------ */

typedef struct setup_t {
    const setup_options_t *options;
    const char *file, *prefix; /**< zmailer.conf; the installation */
    const char *hostname;      /**< now */
    zm_zenv_t *zenv;
    int told, changed;
    apr_pool_t *pool;
    zm_error_t *error;
} setup_t;

/** state: "made", "changed", "kept", "updated", "yours" (edited, and left alone). */
void setup_tell(setup_t *setup, const char *path, const char *state, const char *detail);
/** The contents of a file; empty when there is none. */
apr_status_t setup_read(setup_t *setup, const char *path, zm_buf_t *text);
/** Replaces a file by this, unless it has it; tells which.  One that is not there is made with
 * that mode. */
apr_status_t setup_write(setup_t *setup, const char *path, uint32_t mode, zm_str_t text);
apr_status_t setup_directory(setup_t *setup, const char *path, uint32_t mode);
/** Replaces the last line that begins with `begin` by `line`, or adds it; line null: removes it. */
void setup_set_line(zm_buf_t *text, const char *begin, const char *line);
bool setup_has_line(zm_str_t text, const char *line);

/** Brings $MAILSHARE up to date, when it is not the installation's own. */
apr_status_t setup_stock(setup_t *setup);

#endif
