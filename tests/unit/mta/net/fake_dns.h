/**
 * A name server inside the test, on a loopback port of its own, UDP and TCP.
 *
 * It answers from a list of records.  The first label of a name can make it misbehave:
 * "truncate" (UDP replies are cut, TCP is whole), "wrongid" (a reply with another id, then
 * nothing), "silent", "garbage" (a header, then noise), "servfail", "refused", "badcount" (promises
 * more records than there are), "badpointer" (a name that points to itself), "badlength" (a record
 * longer than the message).  Below a label "silent" further on only what is in the list is
 * answered.  Names that contain "signed" are told to be proved by DNSSEC, to who asks for that.
 */
#ifndef ZM_TESTS_FAKE_DNS_H
#define ZM_TESTS_FAKE_DNS_H

#include "mta/net/dns.h"

typedef struct fake_record_t {
    const char *name;
    zm_dns_type_t type;
    uint32_t ttl;
    const char *data; /* address; host; "10 host"; text with | between its strings; "3 1 1 HEX" */
} fake_record_t;

typedef struct fake_dns_t fake_dns_t;

/** The list ends with a null name.  A name of the list without records of the asked type has no
 * data. */
fake_dns_t *fake_dns_start(zm_loop_t *loop, const fake_record_t *records, apr_pool_t *pool);
void fake_dns_stop(fake_dns_t *server);
const char *fake_dns_address(const fake_dns_t *server); /**< for zm_dns_options_t.servers */
int fake_dns_udp_count(const fake_dns_t *server);       /**< questions heard */
int fake_dns_tcp_count(const fake_dns_t *server);
/** Adds a SOA with this ttl and minimum to negative replies (as a server should); 0: none. */
void fake_dns_negative_ttl(fake_dns_t *server, uint32_t seconds);

#endif
