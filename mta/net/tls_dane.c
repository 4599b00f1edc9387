/*
 * DANE for clients of SMTP, by OpenSSL's own checks.  The authorities of the system play no part:
 * records that would need them (PKIX-TA, PKIX-EE) are left out (RFC 7672, 3.1.3).
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "mta/net/tls_parts.h"

#define DANE_TA 2
#define DANE_EE 3
#define FIELDS 3

/* OpenSSL judges lengths, digests that it does not know, and keys that are none. */
static bool add_record(SSL *ssl, zm_str_t record)
{
    const unsigned char *data = (const unsigned char *)record.data;
    bool good = record.length > FIELDS && (data[0] == DANE_TA || data[0] == DANE_EE) &&
                SSL_dane_tlsa_add(ssl, data[0], data[1], data[2], data + FIELDS,
                                  record.length - FIELDS) == 1;
    ERR_clear_error();
    return good;
}

static int add_all(SSL *ssl, const zm_tls_dane_t *dane)
{
    int i, added = 0;
    if (SSL_dane_enable(ssl, dane->base) != 1)
        return 0;
    for (i = 0; i < dane->count; i++)
        added += add_record(ssl, dane->records[i]);
    return added;
}

int zm_tls_dane_usable(zm_tls_t *tls, const zm_tls_dane_t *dane)
{
    SSL *ssl = SSL_new(tls->context);
    int usable = ssl != NULL ? add_all(ssl, dane) : 0;
    SSL_free(ssl);
    ERR_clear_error();
    return usable;
}

static bool set_names(SSL *ssl, const zm_tls_dane_t *dane)
{
    const char *const *name;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (name = dane->names; name != NULL && *name != NULL; name++)
        if (SSL_add1_host(ssl, *name) != 1)
            return false;
    (void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    return true;
}

apr_status_t zm_tls_start_dane(zm_stream_t *stream, zm_tls_t *tls, const zm_tls_dane_t *dane,
                               apr_size_t *dropped)
{
    tls_state_t *state;
    apr_status_t status = zm_tls_state_make(&state, stream, tls);
    if (status != APR_SUCCESS)
        return status;
    if (add_all(zm_tls_state_ssl(state), dane) == 0 || !set_names(zm_tls_state_ssl(state), dane)) {
        zm_tls_state_drop(state);
        return APR_EGENERAL;
    }
    *dropped = zm_tls_state_use(state, stream);
    return APR_SUCCESS;
}
