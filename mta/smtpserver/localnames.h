/**
 * The domains whose mail is ours: $MAILVAR/db/localnames, the file that the router
 * reads too.
 *
 *     # comment
 *     mail.example.org                 a domain
 *     old.example.org example.org      a domain, and the name it goes by
 *     .dialup.example.org              everything below it
 *
 * Case does not matter.  The file is read again when it has changed.  Without one
 * the names in mail.conf are local: hostname and mydomain.
 */
#ifndef ZM_SMTPSERVER_LOCALNAMES_H
#define ZM_SMTPSERVER_LOCALNAMES_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct localnames_t localnames_t;

/**
 * file: its path; fallback: a null ended list of names that are local when there is
 * no such file; always: names that are local in any case.  Both lists may be
 * null and must outlive the object.  A file that is there but cannot be read is an
 * error.
 */
apr_status_t localnames_open(localnames_t **names, const char *file, const char *const *fallback,
                             const char *const *always, apr_pool_t *pool, zm_error_t *error);

/**
 * Whether mail for a domain is ours.  Looks at most once a second whether the
 * file has changed; one that has become unreadable leaves the old names in force,
 * with a line in the log.
 */
bool localnames_has(localnames_t *names, zm_str_t domain);

#endif
