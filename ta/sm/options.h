/**
 * What the command line and the site variables say to sm.
 */
#ifndef ZM_TA_SM_OPTIONS_H
#define ZM_TA_SM_OPTIONS_H

#include "mta/conf/zenv.h"
#include "platform/child.h"

typedef struct zm_sm_options_t {
    const char *channel; /**< -c; null: any */
    const char *host;    /**< -h */
    const char *mailer;  /**< operand: its name in the table */
    const char *table;   /**< -f; null: $MAILSHARE/sm.conf */
    bool eight_bit;      /**< -8: what is run takes 8 bits, and quoted-printable text is decoded */
    bool keep_eight_bit; /**< -H: 8-bit header bytes pass */
    bool code_blanks;    /**< -Q: quoted-printable text has no blanks */
    int verbose;         /**< -v: say what is run */
    bool strict;         /**< -O strict-3.0: unknown exit statuses are permanent failures */

    /* Site variables. */
    const char *hostname;
    const char *charset;      /**< DEFCHARSET; null: not set */
    int64_t stall_limit;      /**< MBOX_PIPE_TIMEOUT, seconds */
    int64_t total_limit;      /**< seconds */
    zm_child_limits_t limits; /**< MBOX_PIPE_LIMITS */
    bool allow_shell;         /**< SM_ALLOW_SHELL: addresses may be commands */
} zm_sm_options_t;

/** Reads argv.  False: the process ends with *code. */
bool zm_sm_command_line(zm_sm_options_t *options, int argc, char **argv, int *code);

/** Reads the site variables. */
apr_status_t zm_sm_site(zm_sm_options_t *options, const zm_zenv_t *zenv, apr_pool_t *pool,
                        zm_error_t *error);

#endif
