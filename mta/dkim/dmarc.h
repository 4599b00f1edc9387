/**
 * DMARC (RFC 7489): what the domain in From wants done with mail that is not its
 * own.
 */
#ifndef ZM_MTA_DKIM_DMARC_H
#define ZM_MTA_DKIM_DMARC_H

#include "mta/dkim/signature.h"

typedef enum zm_dmarc_policy_t {
    ZM_DMARC_NONE,
    ZM_DMARC_QUARANTINE,
    ZM_DMARC_REJECT
} zm_dmarc_policy_t;

const char *zm_dmarc_policy_name(zm_dmarc_policy_t policy); /**< "reject" */

typedef struct zm_dmarc_record_t {
    zm_dmarc_policy_t policy, subdomain_policy;
    bool strict_dkim, strict_spf;
    int percent; /**< of the failing messages that the policy is for */
} zm_dmarc_record_t;

/** Reads a record.  False: it is none. */
bool zm_dmarc_read(zm_dmarc_record_t *record, zm_str_t text);

/** The domain that a registry has given away, to which a name belongs ("example.co.uk"), in
 * pool and in lower case; the name itself where nobody can tell. */
const char *zm_organization_of(zm_str_t domain, apr_pool_t *pool);

/** Whether an examined domain speaks for the domain in From. */
bool zm_dmarc_aligned(zm_str_t domain, zm_str_t from, bool strict, apr_pool_t *pool);

/** The domains of the authors in From fields, each once, in lower case, in pool.  *count is the
 * number of them, or -1: there is an author without a domain, or no author, or too many. */
const char *const *zm_dmarc_authors(const zm_dkim_header_t *header, int *count, apr_pool_t *pool);

#define ZM_DMARC_AUTHORS 4 /**< domains that From may have */

#endif
