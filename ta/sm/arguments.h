/**
 * The command line of a mailer for some recipients.
 *
 *     $g  the sender                 $h  the recipients' host
 *     $u  a recipient's user part    $U  the same in lower case
 *     ${NAME}  a site variable
 *
 * A word with $u or $U stands there once for each recipient.  No shell sees any
 * of it.  What comes with the mail must not be an option, though: a word that
 * begins with it may not begin with '-', unless a word "--" stands before it.
 * Nor what uux(1) would take apart: in "($u)" it has no parentheses, and in
 * "$h!rmail" it is the name of a host.
 */
#ifndef ZM_TA_SM_ARGUMENTS_H
#define ZM_TA_SM_ARGUMENTS_H

#include "ta/sm/table.h"

typedef struct zm_arguments_t {
    const zm_mailer_t *mailer;
    const zm_zenv_t *zenv;
    zm_str_t sender; /**< "<>" for the null path */
    zm_str_t host;
    zm_mailer_warn_fn *warn;
    void *baton;
} zm_arguments_t;

typedef enum zm_argument_fault_t {
    ZM_ARGUMENTS_GOOD,
    ZM_ARGUMENTS_SENDER,   /**< the sender cannot stand where it would */
    ZM_ARGUMENTS_RECIPIENT /**< the recipient or its host cannot */
} zm_argument_fault_t;

/** Makes the command line for these recipients; *argv is null ended. */
zm_argument_fault_t zm_arguments(const char *const **argv, const zm_arguments_t *with,
                                 const zm_str_t *users, int count, apr_pool_t *pool);

#endif
