/**
 * What a session knows about the server at its other end.
 */
#ifndef ZM_TA_SMTP_PEER_H
#define ZM_TA_SMTP_PEER_H

#include "mta/net/ip.h"
#include "platform/str.h"

/** Mechanisms of AUTH that we know, the best first. */
typedef enum zm_peer_mechanism_t {
    ZM_PEER_SCRAM_PLUS,
    ZM_PEER_SCRAM,
    ZM_PEER_PLAIN,
    ZM_PEER_LOGIN,
    ZM_PEER_MECHANISMS
} zm_peer_mechanism_t;

typedef struct zm_peer_t {
    char remote[300];             /**< "dns; mx.example.org", "X-IP-addr; [192.0.2.1]" */
    char address[4 * ZM_IP_TEXT]; /**< "addr|port|localaddr|localport" */
    unsigned number;              /**< of the connection in the protocol log */
    bool lmtp;
    bool esmtp; /**< it answered EHLO (or LHLO) */
    bool eight_bit_mime, dsn, enhanced, pipelining, size, smtputf8, starttls;
    uint64_t size_limit; /**< 0: none told */
    int rcpt_limit;      /**< recipients of a transaction */
    bool auth, chunking;
    unsigned mechanisms; /**< of AUTH: a set of 1 << ZM_PEER_ */
    bool require_tls;    /**< it keeps to REQUIRETLS (RFC 8689) */
    bool local;          /**< a socket of this machine: nobody listens between us */
    bool proved;         /**< TLS, with a server that is surely the one that it should be */
    bool may_prove;      /**< it offers TLS, which could not be had this time */
    bool deliver_by;     /**< it keeps deadlines (RFC 2852) */
    int64_t by_minimum;  /**< and needs so many seconds for those of mode R; 0: none told */
} zm_peer_t;

/** Forgets capabilities, before EHLO. */
void zm_peer_reset(zm_peer_t *peer);

/** Takes in one line of the reply to EHLO, the first one excepted: a keyword and its parameters. */
void zm_peer_keyword(zm_peer_t *peer, zm_str_t line);

/** Fills in remote and address.  local may have family 0: not connected yet. */
void zm_peer_name(zm_peer_t *peer, const char *name, bool literal, const zm_endpoint_t *remote,
                  const zm_endpoint_t *local);

#endif
