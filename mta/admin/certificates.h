/**
 * "zmailer tls-init" and "zmailer tls-check": a certificate to begin with, and
 * whether those that the SMTP server is told to use are good.
 *
 * The files are those of PARAM tls-cert-file and tls-key-file in smtpserver.conf (and
 * tls-dcert-file, tls-dkey-file); where it names none, $MAILVAR/db/smtpserver-cert.pem and
 * -key.pem.
 */
#ifndef ZM_MTA_ADMIN_CERTIFICATES_H
#define ZM_MTA_ADMIN_CERTIFICATES_H

#include "mta/conf/zenv.h"

/**
 * Makes a key (ECDSA, P-256) and a certificate for our host name and these other names, signed by
 * itself, for `days`.  Files that exist are left alone: APR_EEXIST.
 */
apr_status_t certificates_make(const zm_zenv_t *zenv, const char *const *names, int count, int days,
                               const char **certificate, apr_pool_t *pool, zm_error_t *error);

/** Prints a line (with json: an object) for each certificate.  Returns how many are wrong. */
int certificates_check(const zm_zenv_t *zenv, bool json, apr_pool_t *pool);

#endif
