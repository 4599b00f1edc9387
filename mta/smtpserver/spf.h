/**
 * SPF (RFC 7208): whether a domain lets an address send in its name.
 *
 * Questions go to the domain name service, at most ten of those that the record asks for.
 */
#ifndef ZM_SMTPSERVER_SPF_H
#define ZM_SMTPSERVER_SPF_H

#include "mta/net/dns.h"

typedef enum spf_result_t {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR
} spf_result_t;

/** "pass", as it stands in Received-SPF. */
const char *spf_name(spf_result_t result);

/** explanation: of SPF_FAIL, in the words of the domain: printable ASCII, 400 octets at most; ""
 * for none.  Valid during the call. */
typedef void spf_fn(spf_result_t result, zm_str_t explanation, void *baton);

typedef struct spf_question_t {
    zm_dns_t *dns;
    zm_ip_t ip;
    zm_str_t local, domain; /**< of the sender; "" for the null sender: the greeting counts */
    zm_str_t helo;
    bool explain;          /**< the domain is asked for its explanation (RFC 7208, 6.2) */
    zm_str_t receiver;     /**< our name, for that */
    spf_result_t *decided; /**< null, or set before fn is called when only the explanation lacks */
} spf_question_t;

/** Asks.  fn is called once, never before this returns; destroying the pool cancels.  Strings are
 * copied. */
void spf_ask(const spf_question_t *question, spf_fn *fn, void *baton, apr_pool_t *pool);

#endif
