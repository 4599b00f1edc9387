/*
 * OpenSSL is called with the socket itself.  Each direction remembers what its last call waited
 * for, because a read may have to write (a handshake, a key update) and a write to read.
 */
#include "mta/net/tls.h"

#include <apr_portable.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zm_tls_t {
    SSL_CTX *context;
    bool server;
};

typedef struct tls_state_t {
    SSL *ssl;
    int receive_wants, send_wants; /* ZM_READ or ZM_WRITE, or 0 */
    char failure[200];
} tls_state_t;

/* -- the transport ------------------------------------------------------------ */

/* The first error of OpenSSL's queue in words. */
static void describe(char *text, apr_size_t size, const char *otherwise)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    snprintf(text, size, "%s", reason != NULL ? reason : otherwise);
    ERR_clear_error();
}

/* What became of a call that did not succeed. */
static apr_status_t judge(tls_state_t *state, int result, int *wants)
{
    long verified;
    switch (SSL_get_error(state->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *wants = ZM_READ;
        return APR_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants = ZM_WRITE;
        return APR_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return APR_EOF;
    case SSL_ERROR_SYSCALL:
        describe(state->failure, sizeof state->failure, "connection lost");
        return APR_ECONNRESET;
    default:
        verified = SSL_get_verify_result(state->ssl);
        if (verified != X509_V_OK && !SSL_is_init_finished(state->ssl) &&
            SSL_get_verify_mode(state->ssl) != SSL_VERIFY_NONE) {
            snprintf(state->failure, sizeof state->failure, "certificate not accepted: %s",
                     X509_verify_cert_error_string(verified));
            ERR_clear_error();
        } else {
            describe(state->failure, sizeof state->failure, "TLS failed");
        }
        return ZM_E_PROTOCOL;
    }
}

static apr_status_t receive(void *data, apr_socket_t *socket, char *bytes, apr_size_t *length)
{
    tls_state_t *state = data;
    size_t got = 0;
    int result;
    (void)socket;
    state->receive_wants = 0;
    ERR_clear_error();
    result = SSL_read_ex(state->ssl, bytes, *length, &got);
    *length = got;
    return result > 0 ? APR_SUCCESS : judge(state, result, &state->receive_wants);
}

static apr_status_t send_bytes(void *data, apr_socket_t *socket, const char *bytes,
                               apr_size_t *length)
{
    tls_state_t *state = data;
    size_t sent = 0;
    int result;
    (void)socket;
    state->send_wants = 0;
    ERR_clear_error();
    result = SSL_write_ex(state->ssl, bytes, *length, &sent);
    *length = sent;
    return result > 0 ? APR_SUCCESS : judge(state, result, &state->send_wants);
}

static apr_status_t end(void *data, apr_socket_t *socket)
{
    tls_state_t *state = data;
    apr_status_t status = APR_SUCCESS;
    int result;
    state->send_wants = 0;
    ERR_clear_error();
    result = SSL_is_init_finished(state->ssl) ? SSL_shutdown(state->ssl) : 0;
    if (result < 0)
        status = judge(state, result, &state->send_wants);
    if (APR_STATUS_IS_EAGAIN(status))
        return APR_EAGAIN;
    return apr_socket_shutdown(socket, APR_SHUTDOWN_WRITE);
}

static int wants(void *data)
{
    const tls_state_t *state = data;
    return state->send_wants | (state->receive_wants & ZM_WRITE);
}

static bool pending(void *data)
{
    return SSL_pending(((tls_state_t *)data)->ssl) > 0;
}

static void destroy(void *data)
{
    tls_state_t *state = data;
    SSL_free(state->ssl);
    free(state);
}

static const zm_transport_t tls_transport = {.receive = receive,
                                             .send = send_bytes,
                                             .shutdown = end,
                                             .wants = wants,
                                             .pending = pending,
                                             .destroy = destroy};

/* -- starting ----------------------------------------------------------------- */

/* Names to find in the certificate.  They are compared whether or not that is demanded: what came
 * of it can be asked. */
static bool set_names(SSL *ssl, const char *name, const char *const *names)
{
    zm_ip_t ip;
    bool good = true;
    if (names == NULL && zm_ip_parse(&ip, zm_str(name)) == APR_SUCCESS)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (names == NULL)
        return SSL_set1_host(ssl, name) == 1;
    for (; good && *names != NULL; names++)
        good = SSL_add1_host(ssl, *names) == 1;
    return good;
}

/* The name for SNI, and those for the comparison with the certificate. */
static bool set_name(SSL *ssl, const char *name, const char *const *names)
{
    zm_ip_t ip;
    bool is_address = zm_ip_parse(&ip, zm_str(name)) == APR_SUCCESS;
    return (is_address || SSL_set_tlsext_host_name(ssl, name) == 1) && set_names(ssl, name, names);
}

apr_status_t zm_tls_start(zm_stream_t *stream, zm_tls_t *tls, const char *name, apr_size_t *dropped)
{
    return zm_tls_start_as(stream, tls, name, NULL, dropped);
}

apr_status_t zm_tls_start_as(zm_stream_t *stream, zm_tls_t *tls, const char *name,
                             const char *const *names, apr_size_t *dropped)
{
    apr_os_sock_t descriptor;
    tls_state_t *state;
    apr_status_t status = apr_os_sock_get(&descriptor, zm_stream_socket(stream));
    if (status != APR_SUCCESS)
        return status;
    state = calloc(1, sizeof *state);
    if (state == NULL)
        return APR_ENOMEM;
    state->ssl = SSL_new(tls->context);
    if (state->ssl == NULL || SSL_set_fd(state->ssl, (int)descriptor) != 1 ||
        (name != NULL && !tls->server && !set_name(state->ssl, name, names))) {
        destroy(state);
        ERR_clear_error();
        return APR_ENOMEM;
    }
    if (tls->server)
        SSL_set_accept_state(state->ssl);
    else
        SSL_set_connect_state(state->ssl);
    *dropped = zm_stream_set_transport(stream, &tls_transport, state);
    return APR_SUCCESS;
}

static tls_state_t *state_of(zm_stream_t *stream)
{
    void *state;
    return zm_stream_transport(stream, &state) == &tls_transport ? state : NULL;
}

bool zm_tls_info(zm_stream_t *stream, zm_tls_info_t *info)
{
    tls_state_t *state = state_of(stream);
    X509 *certificate;
    *info = (zm_tls_info_t){.doubt = "there is no certificate"};
    if (state == NULL || !SSL_is_init_finished(state->ssl))
        return false;
    info->protocol = SSL_get_version(state->ssl);
    info->cipher = SSL_get_cipher_name(state->ssl);
    info->bits = SSL_get_cipher_bits(state->ssl, NULL);
    certificate = SSL_get0_peer_certificate(state->ssl);
    if (certificate != NULL) {
        info->verified = SSL_get_verify_result(state->ssl) == X509_V_OK;
        info->doubt = X509_verify_cert_error_string(SSL_get_verify_result(state->ssl));
        X509_NAME_oneline(X509_get_subject_name(certificate), info->subject,
                          (int)sizeof info->subject);
        X509_NAME_oneline(X509_get_issuer_name(certificate), info->issuer,
                          (int)sizeof info->issuer);
    }
    return true;
}

const char *zm_tls_failure(zm_stream_t *stream)
{
    tls_state_t *state = state_of(stream);
    return state != NULL ? state->failure : "";
}

/* -- settings ----------------------------------------------------------------- */

static apr_status_t wrong(zm_error_t *error, const char *what, const char *value)
{
    char reason[200];
    describe(reason, sizeof reason, "not usable");
    return zm_error_set(error, ZM_E_CONFIG, "TLS %s %s: %s", what, value, reason);
}

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

static apr_status_t load_certificates(SSL_CTX *context, const zm_tls_options_t *options,
                                      zm_error_t *error)
{
    apr_status_t status = APR_SUCCESS;
    if (options->certificate == NULL && options->server)
        return zm_error_set(error, ZM_E_CONFIG, "a TLS server needs a certificate file");
    if (options->certificate != NULL)
        status = load_pair(context, options->certificate, options->key, error);
    if (status == APR_SUCCESS && options->second_certificate != NULL)
        status = load_pair(context, options->second_certificate, options->second_key, error);
    return status;
}

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

static apr_status_t load_authorities(SSL_CTX *context, const zm_tls_options_t *options,
                                     zm_error_t *error)
{
    const char *file = options->authorities, *directory = options->authority_directory;
    if (file == NULL && directory == NULL)
        (void)SSL_CTX_set_default_verify_paths(context); /* none there: nothing can be verified */
    if (file != NULL && SSL_CTX_load_verify_file(context, file) != 1)
        return wrong(error, "file of authorities", file);
    if (directory != NULL && SSL_CTX_load_verify_dir(context, directory) != 1)
        return wrong(error, "directory of authorities", directory);
    return APR_SUCCESS;
}

static apr_status_t apply(SSL_CTX *context, const zm_tls_options_t *options, zm_error_t *error)
{
    int verify = SSL_VERIFY_NONE;
    apr_status_t status;
    if (options->verify)
        verify = SSL_VERIFY_PEER | (options->server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(context, verify, NULL);
    status = set_least(context, options, error);
    if (status == APR_SUCCESS)
        status = set_ciphers(context, options, error);
    if (status == APR_SUCCESS)
        status = load_authorities(context, options, error);
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

void zm_tls_destroy(zm_tls_t *tls)
{
    SSL_CTX_free(tls->context);
    free(tls);
}
