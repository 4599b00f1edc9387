/** The inside of TLS: tls.c carries streams, tls_settings.c makes contexts, tls_tickets.c resumes,
 * tls_dane.c believes the name service instead of authorities.
 */
#ifndef ZM_NET_TLS_PARTS_H
#define ZM_NET_TLS_PARTS_H

#include <openssl/ssl.h>

#include "mta/net/tls.h"

struct zm_tls_t {
    SSL_CTX *context;
    bool server;
};

typedef struct tls_state_t tls_state_t;

/** What a stream over TLS needs; not put to use yet. */
apr_status_t zm_tls_state_make(tls_state_t **state, zm_stream_t *stream, const zm_tls_t *tls);
void zm_tls_state_drop(tls_state_t *state);
SSL *zm_tls_state_ssl(tls_state_t *state);
/** Puts it to use; the result is how much plain text was thrown away. */
apr_size_t zm_tls_state_use(tls_state_t *state, zm_stream_t *stream);

/** The first error of OpenSSL's queue in words, and empties it. */
void zm_tls_describe(char *text, apr_size_t size, const char *otherwise);

#endif
