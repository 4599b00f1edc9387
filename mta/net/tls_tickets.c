/*
 * Session tickets under keys that are given from outside.
 *
 * A context has the key for new tickets and the one before it.  They belong to the OpenSSL
 * context, not to zm_tls_t, for streams may outlive that.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/tls_parts.h"

#define TICKETS 2 /* given to a client of TLS 1.3 at once: each is used but once */

typedef struct tickets_t {
    zm_tls_ticket_key_t keys[2]; /* the newest first */
    int count;
} tickets_t;

static void free_tickets(void *parent, void *tickets, CRYPTO_EX_DATA *data, int index, long number,
                         void *pointer)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    if (tickets != NULL)
        OPENSSL_cleanse(tickets, sizeof(tickets_t));
    free(tickets);
}

static int tickets_index(void)
{
    static int index = -1;
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
    return index;
}

static tickets_t *tickets_of(const SSL_CTX *context)
{
    return SSL_CTX_get_ex_data(context, tickets_index());
}

static bool set_digest(EVP_MAC_CTX *mac, const zm_tls_ticket_key_t *key)
{
    char name[] = "SHA256";
    unsigned char secret[sizeof key->digest];
    OSSL_PARAM parameters[3];
    bool done;
    memcpy(secret, key->digest, sizeof secret);
    parameters[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof secret);
    parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    parameters[2] = OSSL_PARAM_construct_end();
    done = EVP_MAC_CTX_set_params(mac, parameters) == 1;
    OPENSSL_cleanse(secret, sizeof secret);
    return done;
}

/* 1: done; 0: no ticket, or one that nobody can open; 2: opened, and a new one is due. */
static int seal_or_open(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                        EVP_MAC_CTX *mac, int sealing)
{
    const tickets_t *tickets = tickets_of(SSL_get_SSL_CTX(ssl));
    const EVP_CIPHER *kind = EVP_aes_256_cbc();
    const zm_tls_ticket_key_t *key;
    int i;
    if (sealing) {
        if (tickets->count == 0 || RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1)
            return 0;
        key = &tickets->keys[0];
        memcpy(name, key->name, sizeof key->name);
        return EVP_EncryptInit_ex(cipher, kind, NULL, key->cipher, iv) == 1 && set_digest(mac, key)
                   ? 1
                   : -1;
    }
    for (i = 0; i < tickets->count; i++) {
        key = &tickets->keys[i];
        if (memcmp(name, key->name, sizeof key->name) == 0)
            return EVP_DecryptInit_ex(cipher, kind, NULL, key->cipher, iv) == 1 &&
                           set_digest(mac, key)
                       ? 1 + (i > 0)
                       : -1;
    }
    return 0;
}

apr_status_t zm_tls_ticket_key_make(zm_tls_ticket_key_t *key, zm_error_t *error)
{
    if (RAND_bytes(key->name, sizeof key->name) == 1 &&
        RAND_bytes(key->cipher, sizeof key->cipher) == 1 &&
        RAND_bytes(key->digest, sizeof key->digest) == 1)
        return APR_SUCCESS;
    return zm_error_set(error, ZM_E_CONFIG, "no random numbers for the keys of TLS tickets");
}

apr_status_t zm_tls_resume(zm_tls_t *tls, const char *scope, int seconds, zm_error_t *error)
{
    tickets_t *tickets = calloc(1, sizeof *tickets);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (tickets == NULL || SSL_CTX_set_ex_data(tls->context, tickets_index(), tickets) != 1) {
        free(tickets);
        return zm_error_set(error, APR_ENOMEM, "no memory for TLS tickets");
    }
    if (EVP_Digest(scope, strlen(scope), digest, &length, EVP_sha256(), NULL) != 1 ||
        SSL_CTX_set_session_id_context(tls->context, digest, SSL_MAX_SID_CTX_LENGTH) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(tls->context, seal_or_open) != 1)
        return zm_error_set(error, ZM_E_CONFIG, "TLS tickets do not work in this OpenSSL");
    SSL_CTX_set_timeout(tls->context, seconds);
    return APR_SUCCESS;
}

void zm_tls_ticket_key(zm_tls_t *tls, const zm_tls_ticket_key_t *key)
{
    tickets_t *tickets = tickets_of(tls->context);
    if (tickets == NULL)
        return;
    tickets->keys[1] = tickets->keys[0];
    tickets->keys[0] = *key;
    if (tickets->count < 2)
        tickets->count++;
    SSL_CTX_clear_options(tls->context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(tls->context, TICKETS);
}

void zm_tls_forget(void *secret, apr_size_t length)
{
    OPENSSL_cleanse(secret, length);
}
