#include "mta/net/tls.h"

#include <apr_portable.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tests/unit/mta/net/certificate.h"
#include "tests/unit/mta/net/net_help.h"

/* The key is freed here. */
static const char *make_certificate_of(EVP_PKEY *key, const char *name)
{
    return zm_test_certificate_of(key, name, "mail.test", "DNS:mail.test");
}

static const char *make_certificate(void)
{
    return make_certificate_of(EVP_EC_gen("P-256"), "cert.pem");
}

/* One end: echoes lines when it is the server, collects what comes when it is the client. */
typedef struct end_t {
    zm_stream_t *stream;
    bool echo;
    int lines, errors, closed, drained;
    apr_size_t bytes;
    const char *last;
} end_t;

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    end_t *end = baton;
    zm_line_t line;
    end->errors += event == ZM_STREAM_ERROR;
    end->closed += event == ZM_STREAM_CLOSED;
    end->drained += event == ZM_STREAM_DRAINED;
    if (event != ZM_STREAM_INPUT)
        return;
    for (;;) {
        apr_status_t status = zm_stream_line(stream, &line);
        if (APR_STATUS_IS_EOF(status))
            zm_stream_finish(stream, 0);
        if (status != APR_SUCCESS)
            return;
        end->lines++;
        end->bytes += line.text.length;
        end->last = zm_str_c(zm_test_pool(), line.text);
        if (end->echo)
            zm_stream_printf(stream, "echo %s\r\n", end->last);
    }
}

typedef struct ends_t {
    zm_loop_t *loop;
    zm_tls_t *server_tls, *client_tls;
    end_t server, client;
} ends_t;

/* Connects two ends whose contexts are there. */
static void connect_ends(ends_t *ends, const char *name)
{
    apr_socket_t *pair[2];
    apr_size_t dropped;
    net_pair(pair);
    ends->server.echo = true;
    ZM_ASSERT_OK(
        zm_stream_open(&ends->server.stream, ends->loop, pair[0], on_event, &ends->server));
    ZM_ASSERT_OK(
        zm_stream_open(&ends->client.stream, ends->loop, pair[1], on_event, &ends->client));
    ZM_ASSERT_OK(zm_tls_start(ends->server.stream, ends->server_tls, NULL, &dropped));
    ZM_ASSERT_OK(zm_tls_start(ends->client.stream, ends->client_tls, name, &dropped));
}

static ends_t *start_with(const zm_tls_options_t *server, const zm_tls_options_t *client,
                          const char *name)
{
    ends_t *ends = apr_pcalloc(zm_test_pool(), sizeof *ends);
    ends->loop = net_loop();
    ZM_ASSERT_OK(zm_tls_create(&ends->server_tls, server, NULL));
    ZM_ASSERT_OK(zm_tls_create(&ends->client_tls, client, NULL));
    connect_ends(ends, name);
    return ends;
}

/* verify: against the server's own certificate, or (false) not at all. */
static ends_t *start(bool verify, const char *name)
{
    zm_tls_options_t server = {.server = true}, client = {.verify = verify};
    server.certificate = make_certificate();
    if (verify)
        client.authorities = server.certificate;
    return start_with(&server, &client, name);
}

static void stop(ends_t *ends)
{
    if (!ends->server.closed)
        zm_stream_close(ends->server.stream);
    if (!ends->client.closed)
        zm_stream_close(ends->client.stream);
    zm_tls_destroy(ends->server_tls);
    zm_tls_destroy(ends->client_tls);
}

static void lines_travel_over_tls(void)
{
    ends_t *ends = start(true, "mail.test");
    zm_tls_info_t info;
    CU_ASSERT_FALSE(zm_tls_info(ends->client.stream, &info));
    zm_stream_write_c(ends->client.stream, "EHLO x\r\n");
    net_run_until(ends->loop, &ends->client.lines);
    ZM_ASSERT_STR(ends->client.last, "echo EHLO x");
    CU_ASSERT_TRUE(zm_tls_info(ends->client.stream, &info));
    ZM_ASSERT_STR(info.protocol, "TLSv1.3");
    CU_ASSERT_TRUE(info.verified);
    ZM_ASSERT_STR(info.subject, "/CN=mail.test");
    stop(ends);
}

static void certificate_for_another_name_is_refused(void)
{
    ends_t *ends = start(true, "other.test");
    zm_stream_write_c(ends->client.stream, "EHLO x\r\n");
    net_run_until(ends->loop, &ends->client.errors);
    CU_ASSERT_EQUAL(zm_stream_status(ends->client.stream), ZM_E_PROTOCOL);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_tls_failure(ends->client.stream), "certificate not accepted"));
    CU_ASSERT_EQUAL(ends->server.lines, 0);
    stop(ends);
}

static void first_failure_is_the_one_that_is_told(void)
{
    ends_t *ends = start(true, "other.test");
    const zm_transport_t *transport;
    char bytes[100];
    apr_size_t length = sizeof bytes;
    void *state;
    zm_stream_write_c(ends->client.stream, "EHLO x\r\n");
    net_run_until(ends->loop, &ends->client.errors);
    transport = zm_stream_transport(ends->client.stream, &state);
    CU_ASSERT_NOT_EQUAL(
        transport->receive(state, zm_stream_socket(ends->client.stream), bytes, &length),
        APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_tls_failure(ends->client.stream), "certificate not accepted"));
    stop(ends);
}

static void unverified_certificate_serves_where_none_is_demanded(void)
{
    ends_t *ends = start(false, "other.test");
    zm_tls_info_t info;
    zm_stream_write_c(ends->client.stream, "EHLO x\r\n");
    net_run_until(ends->loop, &ends->client.lines);
    CU_ASSERT_TRUE(zm_tls_info(ends->client.stream, &info));
    CU_ASSERT_FALSE(info.verified);
    CU_ASSERT_STRING_NOT_EQUAL(info.doubt, "ok");
    stop(ends);
}

static void certificate_may_carry_another_known_name(void)
{
    ends_t *ends = start(true, "other.test");
    const char *const names[] = {"third.test", ".test", NULL};
    zm_tls_info_t info;
    apr_size_t dropped;
    zm_stream_close(ends->client.stream);
    zm_stream_close(ends->server.stream);
    {
        apr_socket_t *pair[2];
        net_pair(pair);
        ZM_ASSERT_OK(
            zm_stream_open(&ends->server.stream, ends->loop, pair[0], on_event, &ends->server));
        ZM_ASSERT_OK(
            zm_stream_open(&ends->client.stream, ends->loop, pair[1], on_event, &ends->client));
        ZM_ASSERT_OK(zm_tls_start(ends->server.stream, ends->server_tls, NULL, &dropped));
        ZM_ASSERT_OK(
            zm_tls_start_as(ends->client.stream, ends->client_tls, "other.test", names, &dropped));
    }
    zm_stream_write_c(ends->client.stream, "EHLO x\r\n");
    net_run_until(ends->loop, &ends->client.lines);
    CU_ASSERT_TRUE(zm_tls_info(ends->client.stream, &info));
    CU_ASSERT_TRUE(info.verified);
    ZM_ASSERT_STR(info.doubt, "ok");
    ZM_ASSERT_STR(info.issuer, "/CN=mail.test");
    stop(ends);
}

static apr_status_t give_lines(void *baton, zm_buf_t *into, apr_size_t room)
{
    int *left = baton;
    (void)room;
    zm_buf_printf(into, "%01000d\r\n", *left);
    return --*left == 0 ? APR_EOF : APR_SUCCESS;
}

static void long_bodies_travel_both_ways_at_once(void)
{
    ends_t *ends = start(false, "mail.test");
    apr_time_t give_up = apr_time_now() + apr_time_from_sec(60);
    int left = 3000;
    zm_stream_send_from(ends->client.stream, give_lines, &left);
    while (ends->client.lines < 3000 && apr_time_now() < give_up)
        ZM_ASSERT_OK(zm_loop_once(ends->loop, apr_time_from_msec(50)));
    CU_ASSERT_EQUAL(ends->client.lines, 3000);
    CU_ASSERT_EQUAL(ends->client.bytes, 3000 * 1005);
    CU_ASSERT_EQUAL(ends->client.drained, 1);
    stop(ends);
}

static void orderly_end_is_told_as_end_of_input(void)
{
    ends_t *ends = start(false, "mail.test");
    zm_stream_write_c(ends->client.stream, "QUIT\r\n");
    net_run_until(ends->loop, &ends->client.lines);
    zm_stream_finish(ends->client.stream, 0);
    net_run_until(ends->loop, &ends->client.closed);
    net_run_until(ends->loop, &ends->server.closed);
    CU_ASSERT_EQUAL(ends->server.errors, 0);
    stop(ends);
}

static void plain_text_instead_of_a_handshake_is_an_error(void)
{
    zm_tls_options_t options = {.server = true};
    zm_loop_t *loop = net_loop();
    end_t server = {.echo = true};
    apr_socket_t *pair[2];
    zm_tls_t *tls;
    apr_size_t dropped;
    net_pair(pair);
    options.certificate = make_certificate();
    ZM_ASSERT_OK(zm_tls_create(&tls, &options, NULL));
    ZM_ASSERT_OK(zm_stream_open(&server.stream, loop, pair[0], on_event, &server));
    ZM_ASSERT_OK(zm_tls_start(server.stream, tls, NULL, &dropped));
    net_put(pair[1], "EHLO x\r\n");
    net_run_until(loop, &server.errors);
    CU_ASSERT_EQUAL(zm_stream_status(server.stream), ZM_E_PROTOCOL);
    CU_ASSERT_NOT_EQUAL(zm_tls_failure(server.stream)[0], '\0');
    zm_stream_close(server.stream);
    zm_tls_destroy(tls);
}

/* A word of the client's, and the answer. */
static void exchange(ends_t *ends)
{
    zm_stream_write_c(ends->client.stream, "x\r\n");
    net_run_until(ends->loop, &ends->client.lines);
}

static void a_client_that_is_asked_may_go_without_a_good_certificate(void)
{
    const char *file = make_certificate(), *other = make_certificate_of(EVP_EC_gen("P-256"), "b");
    zm_tls_options_t server = {
        .server = true, .certificate = file, .authorities = file, .ask = true};
    zm_tls_options_t client = {0};
    zm_tls_info_t info;
    ends_t *ends = start_with(&server, &client, NULL);
    exchange(ends);
    CU_ASSERT_TRUE(zm_tls_info(ends->server.stream, &info));
    ZM_ASSERT_STR(info.subject, "");
    stop(ends);
    client.certificate = other;
    ends = start_with(&server, &client, NULL);
    exchange(ends);
    CU_ASSERT_TRUE(zm_tls_info(ends->server.stream, &info));
    ZM_ASSERT_STR(info.subject, "/CN=mail.test");
    CU_ASSERT_FALSE(info.verified);
    CU_ASSERT_STRING_NOT_EQUAL(info.doubt, "ok");
    CU_ASSERT_EQUAL(strlen(info.fingerprint), 95);
    stop(ends);
}

static void a_client_that_must_have_a_certificate_is_refused_without(void)
{
    const char *file = make_certificate(), *other = make_certificate_of(EVP_EC_gen("P-256"), "b");
    zm_tls_options_t server = {
        .server = true, .certificate = file, .authorities = file, .verify = true};
    zm_tls_options_t client = {0};
    zm_tls_info_t info;
    ends_t *ends = start_with(&server, &client, NULL);
    zm_stream_write_c(ends->client.stream, "x\r\n");
    net_run_until(ends->loop, &ends->server.errors);
    stop(ends);
    client.certificate = other;
    ends = start_with(&server, &client, NULL);
    zm_stream_write_c(ends->client.stream, "x\r\n");
    net_run_until(ends->loop, &ends->server.errors);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_tls_failure(ends->server.stream), "not accepted"));
    CU_ASSERT_EQUAL(ends->server.lines, 0);
    stop(ends);
    client.certificate = file;
    ends = start_with(&server, &client, NULL);
    exchange(ends);
    CU_ASSERT_TRUE(zm_tls_info(ends->server.stream, &info));
    CU_ASSERT_TRUE(info.verified);
    stop(ends);
}

static void a_server_has_keys_of_two_types(void)
{
    const char *first = make_certificate();
    zm_tls_options_t server = {.server = true, .certificate = first};
    zm_tls_options_t client = {.ciphers = "ECDHE-RSA-AES128-GCM-SHA256"};
    zm_tls_info_t info;
    zm_error_t error;
    zm_tls_t *tls;
    ends_t *ends;
    server.second_certificate = make_certificate_of(EVP_EC_gen("P-256"), "b");
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &server, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "same type"));
    server.second_certificate = make_certificate_of(EVP_RSA_gen(2048), "c");
    ends = start_with(&server, &client, NULL);
    exchange(ends);
    CU_ASSERT_TRUE(zm_tls_info(ends->client.stream, &info));
    stop(ends);
}

/* -- resuming, by OpenSSL's own client, which can ask for a session again -------------------- */

typedef struct peer_t {
    zm_loop_t *loop;
    SSL_CTX *context;
    SSL_SESSION *session;
} peer_t;

/* One session with that server; whether it went on with the last one. */
static bool visit(peer_t *peer, zm_tls_t *server_tls)
{
    end_t server = {.echo = true};
    SSL *ssl = SSL_new(peer->context);
    apr_os_sock_t descriptor;
    apr_socket_t *pair[2];
    apr_size_t dropped;
    char byte;
    bool resumed;
    int tries = 0;
    net_pair(pair);
    ZM_ASSERT_OK(zm_stream_open(&server.stream, peer->loop, pair[0], on_event, &server));
    ZM_ASSERT_OK(zm_tls_start(server.stream, server_tls, NULL, &dropped));
    ZM_ASSERT_OK(apr_os_sock_get(&descriptor, pair[1]));
    SSL_set_fd(ssl, (int)descriptor);
    if (peer->session != NULL)
        SSL_set_session(ssl, peer->session);
    while (SSL_connect(ssl) != 1 && tries++ < 1000)
        net_run_idle(peer->loop);
    CU_ASSERT_EQUAL(SSL_write(ssl, "x\r\n", 3), 3);
    while (SSL_read(ssl, &byte, 1) != 1 && tries++ < 1000)
        net_run_idle(peer->loop);
    resumed = SSL_session_reused(ssl) == 1;
    SSL_SESSION_free(peer->session);
    peer->session = SSL_get1_session(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    zm_stream_close(server.stream);
    return resumed;
}

static zm_tls_t *server_with(const zm_tls_ticket_key_t *key, const char *scope)
{
    zm_tls_options_t options = {.server = true};
    zm_tls_t *tls;
    options.certificate = make_certificate();
    ZM_ASSERT_OK(zm_tls_create(&tls, &options, NULL));
    if (scope != NULL)
        ZM_ASSERT_OK(zm_tls_resume(tls, scope, 3600, NULL));
    if (key != NULL)
        zm_tls_ticket_key(tls, key);
    return tls;
}

static void servers_with_the_same_key_go_on_with_each_others_sessions(void)
{
    zm_tls_ticket_key_t key, next;
    peer_t peer = {.loop = net_loop(), .context = SSL_CTX_new(TLS_client_method())};
    zm_tls_t *one, *two, *other, *none;
    ZM_ASSERT_OK(zm_tls_ticket_key_make(&key, NULL));
    ZM_ASSERT_OK(zm_tls_ticket_key_make(&next, NULL));
    one = server_with(&key, "a");
    two = server_with(&key, "a");
    other = server_with(&key, "b");
    none = server_with(NULL, NULL);
    CU_ASSERT_FALSE(visit(&peer, one));
    CU_ASSERT_TRUE(visit(&peer, two));
    zm_tls_ticket_key(one, &next);
    CU_ASSERT_TRUE(visit(&peer, one));  /* the key before is known still */
    CU_ASSERT_FALSE(visit(&peer, two)); /* which does not have the new one */
    CU_ASSERT_FALSE(visit(&peer, other));
    CU_ASSERT_FALSE(visit(&peer, none));
    CU_ASSERT_FALSE(visit(&peer, none));
    SSL_SESSION_free(peer.session);
    SSL_CTX_free(peer.context);
    zm_tls_destroy(one);
    zm_tls_destroy(two);
    zm_tls_destroy(other);
    zm_tls_destroy(none);
}

static void wrong_settings_are_named(void)
{
    zm_tls_options_t options = {.server = true};
    zm_error_t error;
    zm_tls_t *tls;
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &options, &error), ZM_E_CONFIG);
    options.certificate = "/nonexistent/cert.pem";
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &options, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nonexistent/cert.pem"));
    options.certificate = make_certificate();
    options.ciphers = "no such cipher";
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &options, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no such cipher"));
    options.ciphers = NULL;
    options.ciphersuites = "no such suite";
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &options, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no such suite"));
    options.ciphersuites = NULL;
    options.least = "2.0";
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &options, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "version 2.0"));
    options.least = NULL;
    options.second_certificate = "/nonexistent/second.pem";
    CU_ASSERT_EQUAL(zm_tls_create(&tls, &options, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nonexistent/second.pem"));
}

ZM_TESTS("net tls", ZM_TEST(lines_travel_over_tls),
         ZM_TEST(certificate_for_another_name_is_refused),
         ZM_TEST(first_failure_is_the_one_that_is_told),
         ZM_TEST(certificate_may_carry_another_known_name),
         ZM_TEST(unverified_certificate_serves_where_none_is_demanded),
         ZM_TEST(long_bodies_travel_both_ways_at_once),
         ZM_TEST(orderly_end_is_told_as_end_of_input),
         ZM_TEST(plain_text_instead_of_a_handshake_is_an_error),
         ZM_TEST(a_client_that_is_asked_may_go_without_a_good_certificate),
         ZM_TEST(a_client_that_must_have_a_certificate_is_refused_without),
         ZM_TEST(a_server_has_keys_of_two_types),
         ZM_TEST(servers_with_the_same_key_go_on_with_each_others_sessions),
         ZM_TEST(wrong_settings_are_named))
