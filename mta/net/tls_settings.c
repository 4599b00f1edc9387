/* Certificates, keys and limits: what a context is made of. */
#include <apr_strings.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/tls_parts.h"
#include "platform/fs.h"

void zm_tls_describe(char *text, apr_size_t size, const char *otherwise)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (code != 0 && ERR_SYSTEM_ERROR(code))
        (void)apr_strerror(ERR_GET_REASON(code), text, size);
    else
        snprintf(text, size, "%s", reason != NULL ? reason : otherwise);
    ERR_clear_error();
}

static apr_status_t wrong(zm_error_t *error, const char *what, const char *value)
{
    char reason[200];
    zm_tls_describe(reason, sizeof reason, "not usable");
    return zm_error_set(error, ZM_E_CONFIG, "TLS %s %s: %s", what, value, reason);
}

/* -- our own certificates ------------------------------------------------------- */

static apr_status_t load_pair(SSL_CTX *context, const char *certificate, const char *key,
                              zm_error_t *error)
{
    if (key == NULL)
        key = certificate;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return wrong(error, "certificate file", certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return wrong(error, "key file", key);
    return APR_SUCCESS;
}

static int key_type(SSL_CTX *context)
{
    EVP_PKEY *key = SSL_CTX_get0_privatekey(context);
    return key != NULL ? EVP_PKEY_get_base_id(key) : 0;
}

/* A second one of the same type would silently take the place of the first. */
static apr_status_t load_second(SSL_CTX *context, const char *certificate, const char *key,
                                zm_error_t *error)
{
    int first = key_type(context);
    apr_status_t status = load_pair(context, certificate, key, error);
    if (status == APR_SUCCESS && key_type(context) == first)
        status = zm_error_set(error, ZM_E_CONFIG,
                              "TLS certificate file %s: its key is of the same type as the first",
                              certificate);
    return status;
}

static apr_status_t load_certificates(SSL_CTX *context, const zm_tls_options_t *options,
                                      zm_error_t *error)
{
    apr_status_t status = APR_SUCCESS;
    if (options->certificate == NULL && options->server)
        return zm_error_set(error, ZM_E_CONFIG, "a TLS server needs a certificate file");
    if (options->certificate != NULL)
        status = load_pair(context, options->certificate, options->key, error);
    if (status == APR_SUCCESS && options->second_certificate != NULL)
        status = load_second(context, options->second_certificate, options->second_key, error);
    return status;
}

/* -- whom to trust ---------------------------------------------------------------- */

/* "9d66eef0.0" */
static bool is_hashed(const char *name)
{
    int i;
    for (i = 0; i < 8; i++)
        if (!zm_is_digit(name[i]) && (name[i] < 'a' || name[i] > 'f'))
            return false;
    if (name[8] != '.' || name[9] == '\0')
        return false;
    for (i = 9; name[i] != '\0'; i++)
        if (!zm_is_digit(name[i]))
            return false;
    return true;
}

/* All of it now: later we may not read there any more. */
static apr_status_t load_directory(SSL_CTX *context, const char *path, apr_pool_t *pool,
                                   zm_error_t *error)
{
    zm_dir_t *directory;
    const char *name, *file;
    int found = 0;
    char reason[100];
    apr_status_t status = zm_dir_open(&directory, NULL, path, pool);
    if (status != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "TLS directory of authorities %s: %s", path,
                            apr_strerror(status, reason, sizeof reason));
    while (status == APR_SUCCESS && zm_dir_next(directory, &name, NULL) == APR_SUCCESS) {
        if (!is_hashed(name))
            continue;
        file = apr_pstrcat(pool, path, "/", name, NULL);
        if (SSL_CTX_load_verify_file(context, file) != 1)
            status = wrong(error, "file of authorities", file);
        found++;
    }
    zm_dir_close(directory);
    if (status == APR_SUCCESS && found == 0)
        status = zm_error_set(error, ZM_E_CONFIG,
                              "TLS directory of authorities %s: no certificate with a name that "
                              "openssl rehash gives",
                              path);
    return status;
}

static apr_status_t load_authorities(SSL_CTX *context, const zm_tls_options_t *options,
                                     zm_error_t *error)
{
    apr_status_t status;
    apr_pool_t *pool;
    if (options->dane)
        return APR_SUCCESS; /* they have no say */
    if (options->authorities == NULL && options->authority_directory == NULL)
        (void)SSL_CTX_set_default_verify_paths(context); /* none there: nothing can be verified */
    if (options->authorities != NULL &&
        SSL_CTX_load_verify_file(context, options->authorities) != 1)
        return wrong(error, "file of authorities", options->authorities);
    if (options->authority_directory == NULL)
        return APR_SUCCESS;
    if (!options->server)
        return SSL_CTX_load_verify_dir(context, options->authority_directory) == 1
                   ? APR_SUCCESS
                   : wrong(error, "directory of authorities", options->authority_directory);
    status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "no memory");
    status = load_directory(context, options->authority_directory, pool, error);
    apr_pool_destroy(pool);
    return status;
}

/* Clients learn whose certificates are of use. */
static apr_status_t offer_authorities(SSL_CTX *context, zm_error_t *error)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    int i;
    for (i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (authority != NULL && SSL_CTX_add_client_CA(context, authority) != 1)
            return wrong(error, "list of authorities", "for clients");
    }
    return APR_SUCCESS;
}

/* What is wrong with a certificate is remembered as the result, and the session goes on. */
static int go_on(int good, X509_STORE_CTX *chain)
{
    (void)good;
    (void)chain;
    return 1;
}

static apr_status_t set_verification(SSL_CTX *context, const zm_tls_options_t *options,
                                     zm_error_t *error)
{
    bool asks = options->server && (options->verify || options->ask);
    apr_status_t status = load_authorities(context, options, error);
    if (options->verify || options->dane)
        SSL_CTX_set_verify(
            context, SSL_VERIFY_PEER | (options->server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            NULL);
    else if (asks)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, go_on);
    if (options->dane && SSL_CTX_dane_enable(context) != 1)
        return wrong(error, "library", "DANE");
    if (options->depth > 0)
        SSL_CTX_set_verify_depth(context, options->depth);
    return status == APR_SUCCESS && asks ? offer_authorities(context, error) : status;
}

/* -- limits ------------------------------------------------------------------------- */

static apr_status_t set_least(SSL_CTX *context, const zm_tls_options_t *options, zm_error_t *error)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {{"1.0", TLS1_VERSION},
                    {"1.1", TLS1_1_VERSION},
                    {"1.2", TLS1_2_VERSION},
                    {"1.3", TLS1_3_VERSION}};
    const char *least = options->least != NULL ? options->least
                        : options->least_1_3   ? "1.3"
                                               : "1.2";
    apr_size_t i, count = sizeof versions / sizeof versions[0];
    for (i = 0; i < count && strcmp(versions[i].name, least) != 0; i++)
        ;
    if (i == count || SSL_CTX_set_min_proto_version(context, versions[i].version) != 1)
        return wrong(error, "version", least);
    if (versions[i].version < TLS1_2_VERSION)
        SSL_CTX_set_security_level(context, 0); /* their signatures are too weak for any other */
    return APR_SUCCESS;
}

static apr_status_t set_ciphers(SSL_CTX *context, const zm_tls_options_t *options,
                                zm_error_t *error)
{
    if (options->ciphers != NULL && SSL_CTX_set_cipher_list(context, options->ciphers) != 1)
        return wrong(error, "cipher list", options->ciphers);
    if (options->ciphersuites != NULL &&
        SSL_CTX_set_ciphersuites(context, options->ciphersuites) != 1)
        return wrong(error, "cipher suites", options->ciphersuites);
    return APR_SUCCESS;
}

/* -- all of it ---------------------------------------------------------------------- */

/* Nobody is there who could be asked for one. */
static int no_passphrase(char *text, int size, int writing, void *baton)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)baton;
    return -1;
}

static apr_status_t apply(SSL_CTX *context, const zm_tls_options_t *options, zm_error_t *error)
{
    apr_status_t status;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (options->server) { /* nothing is resumed; zm_tls_resume changes that */
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    }
    status = set_least(context, options, error);
    if (status == APR_SUCCESS)
        status = set_ciphers(context, options, error);
    if (status == APR_SUCCESS)
        status = set_verification(context, options, error);
    return status == APR_SUCCESS ? load_certificates(context, options, error) : status;
}

apr_status_t zm_tls_create(zm_tls_t **tls, const zm_tls_options_t *options, zm_error_t *error)
{
    zm_tls_t *made = calloc(1, sizeof *made);
    apr_status_t status;
    if (made == NULL)
        return APR_ENOMEM;
    made->server = options->server;
    made->context = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
    status = made->context != NULL ? apply(made->context, options, error)
                                   : wrong(error, "library", "OpenSSL");
    if (status == APR_SUCCESS)
        *tls = made;
    else
        zm_tls_destroy(made);
    return status;
}

bool zm_tls_expired(zm_tls_t *tls)
{
    long more = SSL_CTX_set_current_cert(tls->context, SSL_CERT_SET_FIRST);
    for (; more == 1; more = SSL_CTX_set_current_cert(tls->context, SSL_CERT_SET_NEXT)) {
        const X509 *certificate = SSL_CTX_get0_certificate(tls->context);
        if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 ||
            X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
            return true;
    }
    return false;
}

void zm_tls_destroy(zm_tls_t *tls)
{
    SSL_CTX_free(tls->context);
    free(tls);
}
