/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677): a client proves that it knows a password without telling it,
 * and a server that it knows the keys made from it.
 *
 *     client                                     server
 *     n,,n=user,r=NONCE                   -->
 *                                         <--    r=NONCE+MORE,s=SALT,i=ITERATIONS
 *     c=biws,r=NONCE+MORE,p=PROOF         -->
 *                                         <--    v=SIGNATURE
 *
 * With the name SCRAM-SHA-256-PLUS the third message is bound to the TLS connection that carries it
 * ("tls-exporter", RFC 9266), so that nobody in the middle can pass it on.
 *
 * Messages here are plain; the protocol that carries them encodes them.  Passwords and names are
 * taken as they are: those of ASCII need no preparation, others must be the same bytes (UTF-8,
 * normalized) on both sides.
 */
#ifndef ZM_NET_SCRAM_H
#define ZM_NET_SCRAM_H

#include "platform/str.h"

#define ZM_SCRAM_KEY 32                  /**< octets of a key, a proof and a signature */
#define ZM_SCRAM_SALT 64                 /**< octets of a salt, at most */
#define ZM_SCRAM_LEAST_ITERATIONS 4096   /**< RFC 7677, 4 */
#define ZM_SCRAM_MOST_ITERATIONS 1000000 /**< more would only be work for the other side */
#define ZM_SCRAM_BINDING "tls-exporter"

/** What a server keeps of a password. */
typedef struct zm_scram_keys_t {
    unsigned char salt[ZM_SCRAM_SALT];
    apr_size_t salt_length;
    int iterations;
    unsigned char stored[ZM_SCRAM_KEY], server[ZM_SCRAM_KEY];
} zm_scram_keys_t;

/** Random bytes as printable text without commas; ZM_E_CONFIG: there are none. */
apr_status_t zm_scram_nonce(zm_buf_t *nonce);

/** Makes stored and server from a password; salt and iterations must be there. */
apr_status_t zm_scram_keys_make(zm_scram_keys_t *keys, zm_str_t password);
/** Whether they were made from that password; takes as long for one as for another. */
bool zm_scram_keys_match(const zm_scram_keys_t *keys, zm_str_t password);
/** Whether a proof for the exchange with that auth message is good; signature: to be told to the
 * client then. */
bool zm_scram_keys_prove(const zm_scram_keys_t *keys, zm_str_t auth_message,
                         const unsigned char proof[ZM_SCRAM_KEY],
                         unsigned char signature[ZM_SCRAM_KEY]);

/* -- a server ------------------------------------------------------------------------------- */

/** An exchange.  Zero it at first, and end it with zm_scram_server_end. */
typedef struct zm_scram_server_t {
    bool plus;      /**< the name of the mechanism ends in -PLUS */
    bool plus_here; /**< and we would have had that: clients that cannot believe it are deceived */
    zm_buf_t user;  /**< after the first message */
    zm_buf_t header, bare, nonce, challenge; /* private: parts of the messages */
} zm_scram_server_t;

/** Reads the first message.  ZM_E_SYNTAX: it is none, or asks for what we cannot do. */
apr_status_t zm_scram_server_first(zm_scram_server_t *server, zm_str_t message);
/** Makes the answer to it: nonce is ours, to be put behind the client's. */
zm_str_t zm_scram_server_challenge(zm_scram_server_t *server, zm_str_t salt, int iterations,
                                   zm_str_t nonce);
/**
 * Reads the last message.  binding: of the connection, with plus.  auth_message gets what the proof
 * is about, for zm_scram_keys_prove.  ZM_E_SYNTAX: it is none; ZM_E_UNSAFE: it belongs to another
 * exchange or connection.
 */
apr_status_t zm_scram_server_last(zm_scram_server_t *server, zm_str_t message, zm_str_t binding,
                                  zm_buf_t *auth_message, unsigned char proof[ZM_SCRAM_KEY]);
void zm_scram_server_end(zm_scram_server_t *server);

/* -- a client ------------------------------------------------------------------------------- */

/** An exchange.  Zero it at first, and end it with zm_scram_client_end. */
typedef struct zm_scram_client_t {
    zm_str_t binding;            /**< of the connection, for -PLUS; "": none.  Must stay */
    zm_buf_t bare, auth_message; /* private */
    unsigned char signature[ZM_SCRAM_KEY]; /* the server's, as it must be */
} zm_scram_client_t;

/** Makes the first message. */
void zm_scram_client_first(zm_scram_client_t *client, zm_str_t user, zm_str_t nonce,
                           zm_buf_t *message);
/** Makes the answer to the server's first message.  ZM_E_SYNTAX: that was none; ZM_E_UNSAFE: it
 * wants too few iterations to be safe, or too many. */
apr_status_t zm_scram_client_answer(zm_scram_client_t *client, zm_str_t challenge,
                                    zm_str_t password, zm_buf_t *message);
/** Whether the server's last message shows that it knows the keys. */
bool zm_scram_client_trusts(const zm_scram_client_t *client, zm_str_t message);
void zm_scram_client_end(zm_scram_client_t *client);

/* -- what both need ------------------------------------------------------------------------- */

/** Takes "x=VALUE" up to the next comma off *rest.  False: it does not begin so. */
bool zm_scram_attribute(zm_str_t *rest, char name, zm_str_t *value);
/** HMAC-SHA-256. */
void zm_scram_hmac(const unsigned char *key, apr_size_t length, zm_str_t text,
                   unsigned char digest[ZM_SCRAM_KEY]);
/** Frees a buffer that held a secret, which nothing is left of. */
void zm_buf_free_secret(zm_buf_t *buffer);

#endif
