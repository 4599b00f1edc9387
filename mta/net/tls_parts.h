/** The inside of TLS: tls.c carries streams, tls_settings.c makes contexts, tls_tickets.c resumes.
 */
#ifndef ZM_NET_TLS_PARTS_H
#define ZM_NET_TLS_PARTS_H

#include <openssl/ssl.h>

#include "mta/net/tls.h"

struct zm_tls_t {
    SSL_CTX *context;
    bool server;
};

/** The first error of OpenSSL's queue in words, and empties it. */
void zm_tls_describe(char *text, apr_size_t size, const char *otherwise);

#endif
