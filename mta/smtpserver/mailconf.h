/**
 * mail.conf: who this host is, as shell assignments that the router's scripts
 * source too.
 *
 *     orgdomain=example.org
 *     hostname=relay.$orgdomain
 *     mydomain=$orgdomain
 *
 * Only lines of the form NAME=value count, with the value plain or in quotes, and
 * $NAME standing for earlier ones; whatever else a script may hold is passed over.
 */
#ifndef ZM_SMTPSERVER_MAILCONF_H
#define ZM_SMTPSERVER_MAILCONF_H

#include "mta/conf/zenv.h"

/** Strings are in the pool; null where the file does not say. */
typedef struct mailconf_t {
    const char *hostname;
    const char *mydomain;
    const char *orgdomain;
} mailconf_t;

/** Reads the file that MAILCONF names, else $MAILVAR/mail.conf.  One that is not there says
 * nothing; one that cannot be read is an error. */
apr_status_t mailconf_read(mailconf_t *conf, const zm_zenv_t *zenv, apr_pool_t *pool,
                           zm_error_t *error);

/** Our name: MYHOSTNAME, else hostname in mail.conf, else the system's. */
const char *mailconf_hostname(const mailconf_t *conf, const zm_zenv_t *zenv, apr_pool_t *pool);

#endif
