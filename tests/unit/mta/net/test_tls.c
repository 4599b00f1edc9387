#include "mta/net/tls.h"

#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tests/unit/mta/net/net_help.h"

/* A fresh self-signed certificate for mail.test, with its key, in one file. */
static const char *make_certificate(void)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/cert.pem", NULL);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_EXTENSION *names;
    BIO *file = BIO_new_file(path, "w");
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mail.test", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:mail.test");
    X509_add_ext(certificate, names, -1);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    PEM_write_bio_X509(file, certificate);
    PEM_write_bio_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    BIO_free(file);
    X509_EXTENSION_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return path;
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

/* verify: against the server's own certificate, or (false) not at all. */
static ends_t *start(bool verify, const char *name)
{
    ends_t *ends = apr_pcalloc(zm_test_pool(), sizeof *ends);
    zm_tls_options_t server = {.server = true}, client = {.verify = verify};
    apr_socket_t *pair[2];
    apr_size_t dropped;
    ends->loop = net_loop();
    net_pair(pair);
    server.certificate = make_certificate();
    if (verify)
        client.authorities = server.certificate;
    ZM_ASSERT_OK(zm_tls_create(&ends->server_tls, &server, NULL));
    ZM_ASSERT_OK(zm_tls_create(&ends->client_tls, &client, NULL));
    ends->server.echo = true;
    ZM_ASSERT_OK(
        zm_stream_open(&ends->server.stream, ends->loop, pair[0], on_event, &ends->server));
    ZM_ASSERT_OK(
        zm_stream_open(&ends->client.stream, ends->loop, pair[1], on_event, &ends->client));
    ZM_ASSERT_OK(zm_tls_start(ends->server.stream, ends->server_tls, NULL, &dropped));
    ZM_ASSERT_OK(zm_tls_start(ends->client.stream, ends->client_tls, name, &dropped));
    return ends;
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
         ZM_TEST(certificate_may_carry_another_known_name),
         ZM_TEST(unverified_certificate_serves_where_none_is_demanded),
         ZM_TEST(long_bodies_travel_both_ways_at_once),
         ZM_TEST(orderly_end_is_told_as_end_of_input),
         ZM_TEST(plain_text_instead_of_a_handshake_is_an_error), ZM_TEST(wrong_settings_are_named))
