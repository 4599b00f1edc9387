/**
 * DANE (RFC 7672): what the name service, proved by DNSSEC, says of a server's certificate.
 *
 * It is asked for each hop that is to be tried, and only where the way to it is proved too: the
 * MX records that name it and its addresses.  Without that proof there is nothing to ask for: who
 * could forge the way could as well lead it past the records.
 *
 *     way not proved, no records, or records not proved   ZM_DANE_NONE
 *     records                                             ZM_DANE_FOUND
 *     no answer, or one that fails the proof              ZM_DANE_FAILED: the server is not used
 * now
 */
#ifndef ZM_TA_SMTP_DANE_H
#define ZM_TA_SMTP_DANE_H

#include "mta/net/tls.h"
#include "ta/smtp/route.h"

typedef enum zm_dane_state_t { ZM_DANE_NONE, ZM_DANE_FOUND, ZM_DANE_FAILED } zm_dane_state_t;

typedef struct zm_dane_t {
    zm_dane_state_t state;
    const char *owner;     /**< "_25._tcp.mx.example.org" */
    const char *reason;    /**< with ZM_DANE_FAILED */
    zm_tls_dane_t records; /**< with ZM_DANE_FOUND: at least one, perhaps none that can be used */
} zm_dane_t;

typedef void zm_dane_fn(const zm_dane_t *dane, void *baton);

/**
 * Asks for the records of a hop.  fn is called once, perhaps before this returns, with a result in
 * pool.  Destroying the pool cancels.  The hop lives as long.
 */
void zm_dane_find(const zm_hop_t *hop, zm_dns_t *dns, zm_dane_fn *fn, void *baton,
                  apr_pool_t *pool);

#endif
