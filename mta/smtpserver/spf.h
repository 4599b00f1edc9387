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

typedef void spf_fn(spf_result_t result, void *baton);

typedef struct spf_question_t {
    zm_dns_t *dns;
    zm_ip_t ip;
    zm_str_t local, domain; /**< of the sender; "" for the null sender: the greeting counts */
    zm_str_t helo;
} spf_question_t;

/** Asks.  fn is called once, never before this returns; destroying the pool cancels.  Strings are
 * copied. */
void spf_ask(const spf_question_t *question, spf_fn *fn, void *baton, apr_pool_t *pool);

#endif
