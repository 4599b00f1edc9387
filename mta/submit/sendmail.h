/**
 * What the parts of the program sendmail(8) share.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_H
#define ZM_MTA_SUBMIT_SENDMAIL_H

#include <apr_signal.h>

#include "mta/conf/zenv.h"
#include "mta/submit/sendmail_input.h"
#include "mta/submit/sendmail_options.h"

enum {
    SENDMAIL_EXIT_USAGE = 64,
    SENDMAIL_EXIT_DATA = 65,
    SENDMAIL_EXIT_NO_USER = 67,
    SENDMAIL_EXIT_UNAVAILABLE = 69,
    SENDMAIL_EXIT_CANNOT_CREATE = 73,
    SENDMAIL_EXIT_IO = 74,
    SENDMAIL_EXIT_TEMPORARY = 75,
    SENDMAIL_EXIT_CONFIG = 78
};

typedef struct sendmail_t {
    sendmail_options_t *options;
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    const char *self; /**< path of this program */
} sendmail_t;

/** A signal has asked this program to end. */
extern volatile sig_atomic_t sendmail_interrupted;

/** From now on signals end this program, except those that its caller ignores. */
void sendmail_default_signals(void);

/** "sendmail: TEXT" on standard error, unless the caller wants none.  Returns code. */
int sendmail_complain(const sendmail_t *sendmail, int code, const char *text);

/** Submits the message on standard input.  Returns the exit code. */
int sendmail_submit(const sendmail_t *sendmail);

/**
 * Gives all of standard input to a reader.  ZM_E_STOPPED after a signal; ZM_E_GONE, and why, when
 * standard input cannot be read; else what the reader says.
 */
apr_status_t sendmail_read(sendmail_input_t *input, zm_error_t *error, apr_pool_t *pool);

/** Becomes the program that the mode stands for.  Returns only on failure, with the exit code. */
int sendmail_other_mode(const sendmail_t *sendmail);

/** The modes that are the program of another name with all its arguments, mailq and newaliases:
 * they need no configuration of ours. */
int sendmail_by_name(const sendmail_t *sendmail);

#endif
