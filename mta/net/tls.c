/*
 * OpenSSL is called with the socket itself.  Each direction remembers what its last call waited
 * for, because a read may have to write (a handshake, a key update) and a write to read.
 */
#include <apr_portable.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/tls_parts.h"

struct tls_state_t {
    SSL *ssl;
    int receive_wants, send_wants; /* ZM_READ or ZM_WRITE, or 0 */
    char failure[200];
    zm_buf_t heard; /* of the peer, before TLS began; up to heard_at it has been used */
    apr_size_t heard_at;
    zm_tls_trace_fn *trace;
    void *trace_baton;
};

/* -- the transport ------------------------------------------------------------ */

/* The first failure is the cause of those that follow. */
static void explain(tls_state_t *state, const char *otherwise)
{
    if (state->failure[0] == '\0')
        zm_tls_describe(state->failure, sizeof state->failure, otherwise);
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
        explain(state, "connection lost");
        return APR_ECONNRESET;
    default:
        verified = SSL_get_verify_result(state->ssl);
        if (state->failure[0] == '\0' && verified != X509_V_OK &&
            !SSL_is_init_finished(state->ssl) &&
            SSL_get_verify_mode(state->ssl) != SSL_VERIFY_NONE &&
            SSL_get_verify_callback(state->ssl) == NULL) {
            snprintf(state->failure, sizeof state->failure, "certificate not accepted: %s",
                     X509_verify_cert_error_string(verified));
            ERR_clear_error();
        } else {
            explain(state, "TLS failed");
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
    zm_buf_free(&state->heard);
    free(state);
}

static const zm_transport_t tls_transport = {.receive = receive,
                                             .send = send_bytes,
                                             .shutdown = end,
                                             .wants = wants,
                                             .pending = pending,
                                             .destroy = destroy};

/* -- names --------------------------------------------------------------------- */

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

/* -- what was heard before: a filter above the socket ------------------------------ */

static int read_heard(BIO *filter, char *data, int size)
{
    tls_state_t *state = BIO_get_data(filter);
    apr_size_t left = state->heard.length - state->heard_at;
    int got;
    BIO_clear_retry_flags(filter);
    if (left > 0) {
        got = left < (apr_size_t)size ? (int)left : size;
        memcpy(data, state->heard.data + state->heard_at, (size_t)got);
        state->heard_at += (apr_size_t)got;
        return got;
    }
    zm_buf_free(&state->heard);
    state->heard_at = 0;
    got = BIO_read(BIO_next(filter), data, size);
    BIO_copy_next_retry(filter);
    return got;
}

static long control_filter(BIO *filter, int what, long number, void *pointer)
{
    BIO *next = BIO_next(filter);
    return next != NULL ? BIO_ctrl(next, what, number, pointer) : 0;
}

static int make_filter(BIO *filter)
{
    BIO_set_init(filter, 1);
    return 1;
}

/* Made once, for the whole process. */
static const BIO_METHOD *filter_method(void)
{
    static BIO_METHOD *method;
    if (method == NULL)
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "heard");
    if (method == NULL || BIO_meth_set_read(method, read_heard) != 1 ||
        BIO_meth_set_ctrl(method, control_filter) != 1 ||
        BIO_meth_set_create(method, make_filter) != 1)
        return NULL;
    return method;
}

static bool set_heard(tls_state_t *state, zm_str_t heard)
{
    const BIO_METHOD *method = filter_method();
    BIO *filter = method != NULL ? BIO_new(method) : NULL, *socket = SSL_get_rbio(state->ssl);
    if (filter == NULL || BIO_up_ref(socket) != 1) {
        BIO_free(filter);
        return false;
    }
    zm_buf_add_str(&state->heard, heard);
    BIO_set_data(filter, state);
    SSL_set0_rbio(state->ssl, BIO_push(filter, socket));
    return true;
}

/* -- starting ----------------------------------------------------------------- */

static apr_status_t make_state(tls_state_t **state, zm_stream_t *stream, const zm_tls_t *tls)
{
    apr_os_sock_t descriptor;
    apr_status_t status = apr_os_sock_get(&descriptor, zm_stream_socket(stream));
    if (status != APR_SUCCESS)
        return status;
    *state = calloc(1, sizeof **state);
    if (*state == NULL)
        return APR_ENOMEM;
    (*state)->ssl = SSL_new(tls->context);
    if ((*state)->ssl == NULL || SSL_set_fd((*state)->ssl, (int)descriptor) != 1) {
        destroy(*state);
        ERR_clear_error();
        return APR_ENOMEM;
    }
    if (tls->server)
        SSL_set_accept_state((*state)->ssl);
    else
        SSL_set_connect_state((*state)->ssl);
    return APR_SUCCESS;
}

apr_status_t zm_tls_start(zm_stream_t *stream, zm_tls_t *tls, const char *name, apr_size_t *dropped)
{
    return zm_tls_start_as(stream, tls, name, NULL, dropped);
}

apr_status_t zm_tls_start_as(zm_stream_t *stream, zm_tls_t *tls, const char *name,
                             const char *const *names, apr_size_t *dropped)
{
    tls_state_t *state;
    apr_status_t status = make_state(&state, stream, tls);
    if (status != APR_SUCCESS)
        return status;
    if (name != NULL && !tls->server && !set_name(state->ssl, name, names)) {
        destroy(state);
        ERR_clear_error();
        return APR_ENOMEM;
    }
    *dropped = zm_stream_set_transport(stream, &tls_transport, state);
    return APR_SUCCESS;
}

apr_status_t zm_tls_start_heard(zm_stream_t *stream, zm_tls_t *tls, zm_str_t heard)
{
    tls_state_t *state;
    apr_status_t status = make_state(&state, stream, tls);
    if (status != APR_SUCCESS)
        return status;
    if (heard.length > 0 && !set_heard(state, heard)) {
        destroy(state);
        ERR_clear_error();
        return APR_ENOMEM;
    }
    (void)zm_stream_set_transport(stream, &tls_transport, state);
    return APR_SUCCESS;
}

apr_status_t zm_tls_state_make(tls_state_t **state, zm_stream_t *stream, const zm_tls_t *tls)
{
    return make_state(state, stream, tls);
}

void zm_tls_state_drop(tls_state_t *state)
{
    destroy(state);
    ERR_clear_error();
}

SSL *zm_tls_state_ssl(tls_state_t *state)
{
    return state->ssl;
}

apr_size_t zm_tls_state_use(tls_state_t *state, zm_stream_t *stream)
{
    return zm_stream_set_transport(stream, &tls_transport, state);
}

static tls_state_t *state_of(zm_stream_t *stream)
{
    void *state;
    return zm_stream_transport(stream, &state) == &tls_transport ? state : NULL;
}

/* "AA:BB:...", of SHA-256 */
static void take_fingerprint(const X509 *certificate, char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0, i;
    *text = '\0';
    if (X509_digest(certificate, EVP_sha256(), digest, &length) != 1 || length != 32)
        return;
    for (i = 0; i < length; i++)
        snprintf(text + 3 * i, 4, i + 1 < length ? "%02X:" : "%02X", digest[i]);
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
    info->bits = SSL_get_cipher_bits(state->ssl, &info->algorithm_bits);
    info->resumed = SSL_session_reused(state->ssl) == 1;
    certificate = SSL_get0_peer_certificate(state->ssl);
    if (certificate != NULL) {
        info->verified = SSL_get_verify_result(state->ssl) == X509_V_OK;
        info->doubt = X509_verify_cert_error_string(SSL_get_verify_result(state->ssl));
        X509_NAME_oneline(X509_get_subject_name(certificate), info->subject,
                          (int)sizeof info->subject);
        X509_NAME_oneline(X509_get_issuer_name(certificate), info->issuer,
                          (int)sizeof info->issuer);
        take_fingerprint(certificate, info->fingerprint);
    }
    return true;
}

bool zm_tls_binding(zm_stream_t *stream, unsigned char binding[ZM_TLS_BINDING])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    tls_state_t *state = state_of(stream);
    if (state == NULL || !SSL_is_init_finished(state->ssl) ||
        (SSL_version(state->ssl) < TLS1_3_VERSION && SSL_get_extms_support(state->ssl) != 1))
        return false;
    return SSL_export_keying_material(state->ssl, binding, ZM_TLS_BINDING, label, sizeof label - 1,
                                      (const unsigned char *)"", 0, 1) == 1;
}

/* OpenSSL tells each state that a handshake comes to, and each alert. */
static void on_state(const SSL *ssl, int where, int value)
{
    const tls_state_t *state = SSL_get_app_data(ssl);
    char text[160];
    if ((where & SSL_CB_ALERT) != 0)
        snprintf(text, sizeof text, "%s alert %s: %s",
                 (where & SSL_CB_READ) != 0 ? "received" : "sent",
                 SSL_alert_type_string_long(value), SSL_alert_desc_string_long(value));
    else if ((where & SSL_CB_LOOP) != 0 || (where & SSL_CB_HANDSHAKE_DONE) != 0)
        snprintf(text, sizeof text, "%s", SSL_state_string_long(ssl));
    else
        return;
    state->trace(text, state->trace_baton);
}

void zm_tls_trace(zm_stream_t *stream, zm_tls_trace_fn *trace, void *baton)
{
    tls_state_t *state = state_of(stream);
    if (state == NULL)
        return;
    state->trace = trace;
    state->trace_baton = baton;
    SSL_set_app_data(state->ssl, state);
    SSL_set_info_callback(state->ssl, trace != NULL ? on_state : NULL);
}

const char *zm_tls_failure(zm_stream_t *stream)
{
    tls_state_t *state = state_of(stream);
    return state != NULL ? state->failure : "";
}
