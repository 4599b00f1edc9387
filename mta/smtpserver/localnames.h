/**
 * The domains whose mail we take: $MAILVAR/db/localnames, the file that the router
 * reads too, and beside it the control files of qmail, locals, rcpthosts (which also has
 * domains that are only passed on) and virtualdomains.
 *
 *     # comment
 *     mail.example.org                 a domain
 *     old.example.org example.org      a domain, and the name it goes by
 *     .dialup.example.org              everything below it
 *     shop.example.org:bob             virtualdomains: a domain, and a user's name
 *     info@shop.example.org:bob        the domain of an address
 *
 * Case does not matter.  The files are read again when one has changed.  Without
 * localnames and locals the names in mail.conf are local: hostname and mydomain.
 */
#ifndef ZM_SMTPSERVER_LOCALNAMES_H
#define ZM_SMTPSERVER_LOCALNAMES_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct localnames_t localnames_t;

/**
 * directory: that of the files; fallback: a null ended list of names that are local when
 * there is neither localnames nor locals; always: names that are local in any case.  Both lists may
 * be null and must outlive the object.  A file that is there but cannot be read is an error.
 */
apr_status_t localnames_open(localnames_t **names, const char *directory,
                             const char *const *fallback, const char *const *always,
                             apr_pool_t *pool, zm_error_t *error);

/**
 * Whether mail for a domain is ours.  Looks at most once a second whether the
 * file has changed; one that has become unreadable leaves the old names in force,
 * with a line in the log.
 */
bool localnames_has(localnames_t *names, zm_str_t domain);

#endif
