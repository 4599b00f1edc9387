/**
 * TLS for streams, by OpenSSL, as a transport (transport.h).
 *
 * zm_tls_start changes a stream over; the handshake then happens below it, driven by the first
 * reading and writing.  Nothing that is written leaves before the handshake has succeeded (and,
 * where it is asked for, the peer's certificate has been verified), so a client writes its EHLO at
 * once.  A failed handshake is ZM_STREAM_ERROR with the status ZM_E_PROTOCOL; zm_tls_failure says
 * why.
 *
 * TLS 1.2 is the least.  An idle session gives its record buffers back.
 */
#ifndef ZM_NET_TLS_H
#define ZM_NET_TLS_H

#include "mta/net/stream.h"

typedef struct zm_tls_t zm_tls_t; /**< settings and certificates, shared by many streams */

typedef struct zm_tls_options_t {
    bool server;
    const char *certificate;         /**< PEM file, the chain after it; a server needs one */
    const char *key;                 /**< PEM file; null: in the certificate's file */
    const char *second_certificate;  /**< one of another kind of key; null: none */
    const char *second_key;          /**< null: in that certificate's file */
    const char *authorities;         /**< PEM file of trusted ones */
    const char *authority_directory; /**< the same by hashed names; both null: the system's.  A
                                          server reads all of it at once, not when it needs it */
    bool ask;  /**< a server asks clients for a certificate, and goes on without a valid one too */
    int depth; /**< authorities between a certificate and a trusted one; 0: as OpenSSL has it */
    bool dane; /**< for zm_tls_start_dane only; implies verify */
    bool verify;         /**< the peer's certificate must be valid (and a server's name match) */
    bool least_1_3;      /**< TLS 1.3 is the least */
    const char *least;   /**< "1.0", "1.1", "1.2", "1.3"; null: 1.2, unless least_1_3 */
    const char *ciphers; /**< for TLS 1.2, as OpenSSL writes them; null: its default */
    const char *ciphersuites; /**< for TLS 1.3, likewise */
} zm_tls_options_t;

/** ZM_E_CONFIG names the file or setting that does not work.  Keys under a passphrase do not. */
apr_status_t zm_tls_create(zm_tls_t **tls, const zm_tls_options_t *options, zm_error_t *error);
void zm_tls_destroy(zm_tls_t *tls); /**< streams that use it may go on */
/** Whether one of its own certificates is too old, or too new. */
bool zm_tls_expired(zm_tls_t *tls);

/**
 * Changes a stream whose output has drained over to TLS.  name: the server that a client talks to
 * (sent as SNI unless it is an address literal, and verified); null for a server.
 * *dropped: bytes of plain text that had been read too far, and are thrown away.
 */
apr_status_t zm_tls_start(zm_stream_t *stream, zm_tls_t *tls, const char *name,
                          apr_size_t *dropped);
/**
 * The same for a client that knows other names which the certificate may carry instead of `name`:
 * a list that ends with null, ".example.org" standing for every name below example.org.
 */
apr_status_t zm_tls_start_as(zm_stream_t *stream, zm_tls_t *tls, const char *name,
                             const char *const *names, apr_size_t *dropped);

/** What DNSSEC proves of a server (RFC 7672). */
typedef struct zm_tls_dane_t {
    const char *base;         /**< the name that the records are of; sent as SNI */
    const char *const *names; /**< others that the certificate may carry, ended by null */
    const zm_str_t *records;  /**< TLSA, as they are on the wire (RFC 6698, 2.1) */
    int count;
} zm_tls_dane_t;

/** How many of the records can be used: DANE-TA and DANE-EE, of a form that is known and sound. */
int zm_tls_dane_usable(zm_tls_t *tls, const zm_tls_dane_t *dane);
/**
 * The same for a client that believes a server which fits one of those records, and no other; tls
 * was made with options.dane.  With DANE-EE neither names nor dates of the certificate count (RFC
 * 7671, 5.1).  APR_EGENERAL: none of the records can be used.
 */
apr_status_t zm_tls_start_dane(zm_stream_t *stream, zm_tls_t *tls, const zm_tls_dane_t *dane,
                               apr_size_t *dropped);

/**
 * The same for a server where the first bytes of a handshake have been read as plain text: heard,
 * which may be what zm_stream_peek gave.
 */
apr_status_t zm_tls_start_heard(zm_stream_t *stream, zm_tls_t *tls, zm_str_t heard);

typedef struct zm_tls_info_t {
    const char *protocol; /**< "TLSv1.3" */
    const char *cipher;
    int bits, algorithm_bits; /**< of the key: secret ones, and all of them */
    bool resumed;             /**< it goes on with the secrets of an earlier session */
    bool verified;        /**< there was a certificate, it was valid, and a server's name matched */
    const char *doubt;    /**< why it was not verified; "ok" when it was */
    char subject[256];    /**< of the peer's certificate; empty: none */
    char issuer[256];     /**< of it */
    char fingerprint[96]; /**< "AA:BB:..." of its SHA-256 */
} zm_tls_info_t;

/** False while the stream carries no TLS, or the handshake has not ended. */
bool zm_tls_info(zm_stream_t *stream, zm_tls_info_t *info);
/** Why TLS failed on this stream, in one line; empty when it did not. */
const char *zm_tls_failure(zm_stream_t *stream);

#define ZM_TLS_BINDING 32 /**< octets */
/**
 * What both ends of a connection know of it and nobody else does ("tls-exporter", RFC 9266).
 * False: there is no TLS, or a kind of it that others could share (before 1.3, without the
 * extended master secret).
 */
bool zm_tls_binding(zm_stream_t *stream, unsigned char binding[ZM_TLS_BINDING]);

/** Called with each step of the handshake, and with alerts. */
typedef void zm_tls_trace_fn(const char *text, void *baton);
/** Does nothing on a stream without TLS.  Null trace: no more. */
void zm_tls_trace(zm_stream_t *stream, zm_tls_trace_fn *trace, void *baton);

/* -- resuming sessions -------------------------------------------------------------- */

/**
 * What a server seals its session tickets with (RFC 8446, 2.2; RFC 5077).  Processes that have the
 * same keys go on with each other's sessions.
 */
typedef struct zm_tls_ticket_key_t {
    unsigned char name[16], cipher[32], digest[32];
} zm_tls_ticket_key_t;

/** A new key; ZM_E_CONFIG when there are no random numbers. */
apr_status_t zm_tls_ticket_key_make(zm_tls_ticket_key_t *key, zm_error_t *error);

/**
 * Lets the clients of a server go on with sessions for so many seconds.  scope: sessions are only
 * gone on with where it is the same text; all that matters for trusting a client belongs into it.
 * Without this call nothing is resumed, and with it not before there is a key.
 */
apr_status_t zm_tls_resume(zm_tls_t *tls, const char *scope, int seconds, zm_error_t *error);
/** Takes a key for new tickets.  Those of the one before are taken still, and exchanged. */
void zm_tls_ticket_key(zm_tls_t *tls, const zm_tls_ticket_key_t *key);
/** Overwrites a secret, also where a compiler knows that nobody will look. */
void zm_tls_forget(void *secret, apr_size_t length);

#endif
