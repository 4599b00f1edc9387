/**
 * The value of an Authentication-Results field (RFC 8601), on one line:
 *
 *     mx.example.org; spf=pass smtp.mailfrom=example.net; dmarc=pass (p=reject)
 *     header.from=example.net; arc=none; dkim=pass header.d=example.net ...
 *
 * Whatever stands in it has been checked: nothing that a message says can end the
 * line, a quotation or a comment.
 */
#ifndef ZM_MTA_DKIM_RESULTS_H
#define ZM_MTA_DKIM_RESULTS_H

#include "mta/dkim/verify.h"

typedef struct zm_spf_said_t {
    zm_auth_t result;
    zm_str_t domain; /**< of the sender, or of the greeting when there was no sender */
    bool helo;       /**< it is that of the greeting */
} zm_spf_said_t;

/** Appends the value, at most `limit` octets: signatures that do not fit are left out, those that
 * failed first. */
void zm_auth_results_add(zm_buf_t *out, const char *host, const zm_spf_said_t *spf,
                         const zm_verified_t *verified, apr_size_t limit);

/** The word that a value gives for a method, "pass" of "arc=pass"; ZM_AUTH_NONE when there is none.
 * For ARC-Seal, which carries it on. */
zm_auth_t zm_auth_results_get(zm_str_t value, const char *method);

#endif
