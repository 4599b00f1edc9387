/** What the tests of signatures share: the messages and keys of RFC 8463, and a look through the
 * verifier with a name server beside it. */
#ifndef ZM_TESTS_DKIM_MAIL_H
#define ZM_TESTS_DKIM_MAIL_H

#include "mta/dkim/results.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/net/fake_dns.h"

#define RFC8463_NOW INT64_C(1528637909)

/** Its message without signatures, the two signatures, and the records of its keys. */
extern const char rfc8463_message[], rfc8463_ed25519[], rfc8463_rsa[];
#define RFC8463_ED25519_KEY "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RFC8463_RSA_KEY                                                                            \
    "v=DKIM1; k=rsa; "                                                                             \
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQ"    \
    "iY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyV"   \
    "YLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

/** Records of both of its keys. */
#define RFC8463_RECORDS                                                                            \
    {"brisbane._domainkey.football.example.com", ZM_DNS_TXT, 60, RFC8463_ED25519_KEY},             \
    {                                                                                              \
        "test._domainkey.football.example.com", ZM_DNS_TXT, 60, RFC8463_RSA_KEY                    \
    }

/** What a verifier says of a text, given to it in pieces of that many octets; the list of records
 * ends with a null name. */
const zm_verified_t *verify_at(const char *text, const fake_record_t *records, int64_t now,
                               apr_size_t piece, zm_auth_t spf, const char *spf_domain);
const zm_verified_t *verify(const char *text, const fake_record_t *records);
/** "pass fail": the results of its signatures. */
const char *words(const zm_verified_t *verified);

#endif
