/* TLS of a session, without a network: OpenSSL's client at the other end of a pair of sockets. */
#include <apr_portable.h>
#include <apr_strings.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "mta/smtpserver/ticket_keys.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "tests/unit/mta/smtpserver/session_help.h"

/* -- keys -------------------------------------------------------------------------------------- */

/* A certificate, valid for so many seconds, and its key in one file of that mode. */
static const char *make_keys_for(uint32_t mode, long seconds)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/keys.pem", NULL);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *bio = BIO_new_file(path, "w");
    zm_file_t *file;
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mx.local.test", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    PEM_write_bio_X509(bio, certificate);
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_set_mode(file, mode));
    ZM_ASSERT_OK(zm_file_close(file));
    return path;
}

static const char *make_keys(uint32_t mode)
{
    return make_keys_for(mode, 3600);
}

static const char *config_with(const char *more)
{
    return apr_pstrcat(zm_test_pool(), "PARAM use-tls\nPARAM tls-cert-file ", make_keys(0600), "\n",
                       more, NULL);
}

/* A client at that port of a server that has its keys. */
static client_t *client_with(const char *more, uint16_t port)
{
    client_t *client = client_connect(config_with(more), STRANGER);
    tls_engine_t *engine;
    zm_error_t error;
    ZM_ASSERT_OK(tls_engine_open(&engine, client->config, zm_test_pool(), &error));
    client->server.tls = engine;
    (void)apr_socket_close(client->socket);
    client->port = port;
    client_again(client, STRANGER);
    return client;
}

/* -- the other end
 * --------------------------------------------------------------------------------- */

typedef struct peer_t {
    client_t *client;
    SSL_CTX *context;
    SSL *ssl;
} peer_t;

static void turn(client_t *client)
{
    int i;
    for (i = 0; i < 12; i++)
        ZM_ASSERT_OK(zm_loop_once(client->server.loop, 0));
}

static bool shake_hands(peer_t *peer, client_t *client)
{
    apr_os_sock_t descriptor;
    int tries = 0, result;
    peer->client = client;
    peer->context = SSL_CTX_new(TLS_client_method());
    peer->ssl = SSL_new(peer->context);
    ZM_ASSERT_OK(apr_os_sock_get(&descriptor, client->socket));
    SSL_set_fd(peer->ssl, (int)descriptor);
    while ((result = SSL_connect(peer->ssl)) != 1 && tries++ < 50)
        turn(client);
    return result == 1;
}

static const char *say_sealed(peer_t *peer, const char *text)
{
    char reply[4096];
    int length;
    if (*text != '\0')
        CU_ASSERT_EQUAL(SSL_write(peer->ssl, text, (int)strlen(text)), (int)strlen(text));
    turn(peer->client);
    length = SSL_read(peer->ssl, reply, sizeof reply);
    return apr_pstrmemdup(zm_test_pool(), reply, length > 0 ? (apr_size_t)length : 0);
}

static void part(peer_t *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    client_done(peer->client);
}

/* -- STARTTLS
 * -------------------------------------------------------------------------------------- */

static void what_was_said_in_plain_text_is_forgotten(void)
{
    client_t *client = client_with("PARAM rcvd-tls-mode", 25);
    peer_t peer;
    const char *got = hello(client);
    ASSERT_HAS(got, "250-LIMITS RCPTMAX=10000\r\n250-STARTTLS\r\n250-ETRN\r\n");
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "220 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.aborted, 1);
    CU_ASSERT_TRUE(shake_hands(&peer, client));
    ASSERT_HAS(say_sealed(&peer, "DATA\r\n"), "503 ");
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test>\r\n"), "503 ");
    got = say_sealed(&peer, "EHLO peer.test\r\n");
    CU_ASSERT_FALSE(has(got, "STARTTLS"));
    ASSERT_HAS(say_sealed(&peer, "STARTTLS\r\n"), "554 5.4.0");
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    ASSERT_HAS(say_sealed(&peer, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say_sealed(&peer, "DATA\r\n"), "354 ");
    ASSERT_HAS(say_sealed(&peer, ".\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], "with ESMTPS\n");
    ASSERT_HAS(fake_spool.messages[0], " TLS-CIPHER: \"TLS_AES_256_GCM_SHA384 keybits 256/256 "
                                       "version TLSv1.3\" rhost-flags-");
    part(&peer);
}

/* RFC 8689 */
static void clients_may_demand_tls_for_the_whole_way(void)
{
    client_t *client = client_with("", 25);
    peer_t peer;
    CU_ASSERT_FALSE(has(hello(client), "REQUIRETLS"));
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test> REQUIRETLS\r\n"), "555 5.5.4");
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "220 2.0.0");
    CU_ASSERT_TRUE(shake_hands(&peer, client));
    ASSERT_HAS(say_sealed(&peer, "EHLO peer.test\r\n"), "250-REQUIRETLS\r\n");
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test> REQUIRETLS=x\r\n"), "501 5.5.4");
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test> REQUIRETLS REQUIRETLS\r\n"), "501 5.5.4");
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test> RequireTLS\r\n"), "250 2.1.0");
    ASSERT_HAS(say_sealed(&peer, "RCPT TO:<bob@local.test>\r\n"), "250 2.1.5");
    ASSERT_HAS(say_sealed(&peer, "DATA\r\n"), "354 ");
    ASSERT_HAS(say_sealed(&peer, ".\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0], " INFROM=rfc822;a@far.test REQUIRETLS=YES\nto bob");
    part(&peer);
}

static void that_demand_can_be_turned_off(void)
{
    client_t *client = client_with("PARAM NoREQUIRETLS", 25);
    peer_t peer;
    hello(client);
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "220 2.0.0");
    CU_ASSERT_TRUE(shake_hands(&peer, client));
    CU_ASSERT_FALSE(has(say_sealed(&peer, "EHLO peer.test\r\n"), "REQUIRETLS"));
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test> REQUIRETLS\r\n"), "555 5.5.4");
    part(&peer);
}

static void nothing_may_follow_it(void)
{
    client_t *client = client_with("", 25);
    const char *got;
    hello(client);
    ASSERT_HAS(say(client, "STARTTLS x\r\n"), "501 5.5.4");
    got = say(client, "STARTTLS\r\nMAIL FROM:<a@far.test>\r\n");
    ASSERT_HAS(got, "501 5.5.4 nothing may follow STARTTLS before TLS has begun\r\n");
    CU_ASSERT_EQUAL(line_count(got), 1);
    CU_ASSERT_EQUAL(zm_counter_get(client->server.counters, ZM_COUNT_SS_SMTP_MAIL), 0);
    client_done(client);
}

static void a_server_says_when_it_cannot(void)
{
    client_t *client = client_connect("", STRANGER);
    hello(client);
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "502 5.4.0");
    client_done(client);
    client = client_connect(config_with(""), STRANGER); /* whose keys nobody has read */
    CU_ASSERT_FALSE(has(hello(client), "STARTTLS"));
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "454 4.7.0");
    client_done(client);
}

static void a_handshake_that_fails_ends_the_session_without_a_word(void)
{
    client_t *client = client_with("", 25);
    hello(client);
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "220 ");
    CU_ASSERT_FALSE(has(say(client, "MAIL FROM:<a@far.test>\r\n"), "50"));
    CU_ASSERT_EQUAL(client->ended, 2); /* with the one that client_with closed */
    client_done(client);
}

static void a_handshake_has_its_time(void)
{
    client_t *client = client_with("", 25);
    hello(client);
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "220 ");
    ZM_ASSERT_STR(later(client, 299), "");
    CU_ASSERT_EQUAL(client->ended, 1);
    ZM_ASSERT_STR(later(client, 2), "<eof>");
    CU_ASSERT_EQUAL(client->ended, 2);
    client_done(client);
}

static void mail_may_need_it(void)
{
    client_t *client = client_with("PARAM tls-enforce-tls 1", 25);
    peer_t peer;
    hello(client);
    ASSERT_HAS(say(client, "MAIL FROM:<a@far.test>\r\n"),
               "530 5.7.0 Must issue a STARTTLS command first\r\n");
    ASSERT_HAS(say(client, "STARTTLS\r\n"), "220 ");
    CU_ASSERT_TRUE(shake_hands(&peer, client));
    say_sealed(&peer, "EHLO peer.test\r\n");
    ASSERT_HAS(say_sealed(&peer, "MAIL FROM:<a@far.test>\r\n"), "250 2.1.0");
    part(&peer);
}

/* -- TLS where SMTP is expected
 * --------------------------------------------------------------------- */

static void a_client_may_begin_with_it(void)
{
    client_t *client = client_with("PARAM outlook-tls-bug", 587);
    peer_t peer;
    CU_ASSERT_TRUE(shake_hands(&peer, client));
    ASSERT_HAS(say_sealed(&peer, ""), "220 mx.local.test");
    ASSERT_HAS(say_sealed(&peer, "EHLO peer.test\r\n"), "250 HELP");
    part(&peer);
}

static void others_wait_for_the_greeting(void)
{
    client_t *client = client_with("PARAM outlook-tls-bug", 587);
    ZM_ASSERT_STR(later(client, 1), "");
    ASSERT_HAS(later(client, 1), "220 mx.local.test");
    ASSERT_HAS(say(client, "EHLO peer.test\r\n"), "250-STARTTLS");
    client_done(client);
    client = client_with("PARAM outlook-tls-bug", 587);
    ASSERT_HAS(say(client, "EHLO peer.test\r\n"), "554 5.5.1"); /* that was too early */
    client_done(client);
    client = client_with("PARAM outlook-tls-bug", 25);
    turn(client);
    ASSERT_HAS(net_get(client->socket), "220 mx.local.test");
    client_done(client);
}

/* -- keys -------------------------------------------------------------------------------------- */

static void keys_that_others_may_read_are_refused(void)
{
    client_t *client = client_connect(config_with(""), STRANGER);
    zm_error_t error = {0};
    zm_file_info_t info;
    ZM_ASSERT_OK(zm_path_info(&info, NULL, make_keys(0604)));
    if ((info.mode & 04) == 0) { /* files have no modes here */
        ZM_ASSERT_OK(tls_engine_check(client->config, &error));
        client_done(client);
        return;
    }
    CU_ASSERT_EQUAL(tls_engine_check(client->config, &error), ZM_E_CONFIG);
    ASSERT_HAS(error.text, "/keys.pem: every user may read it");
    (void)make_keys(0602);
    CU_ASSERT_EQUAL(tls_engine_check(client->config, &error), ZM_E_CONFIG);
    ASSERT_HAS(error.text, "/keys.pem: every user may write it");
    CU_ASSERT_EQUAL(client->config->warnings->nelts, 0);
    (void)make_keys(0640);
    ZM_ASSERT_OK(tls_engine_check(client->config, &error));
    CU_ASSERT_EQUAL(client->config->warnings->nelts, 1);
    ASSERT_HAS(APR_ARRAY_IDX(client->config->warnings, 0, const char *), "its group may read it");
    client_done(client);
}

static void certificates_that_are_not_valid_are_told(void)
{
    client_t *client = client_connect(config_with(""), STRANGER);
    zm_error_t error;
    (void)make_keys_for(0600, -60);
    ZM_ASSERT_OK(tls_engine_check(client->config, &error));
    CU_ASSERT_EQUAL(client->config->warnings->nelts, 1);
    ASSERT_HAS(APR_ARRAY_IDX(client->config->warnings, 0, const char *),
               "/keys.pem: it is not valid now");
    client_done(client);
}

static void on_new_key(void *baton)
{
    ++*(int *)baton;
}

static const char *ticket_line(apr_socket_t *socket, zm_tls_ticket_key_t *key)
{
    const char *line = net_get(socket), *end = strchr(line, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_TRUE(ticket_keys_read(zm_str_of(line, (apr_size_t)(end - line)), key));
    return end + 1;
}

static void tell_all(const ticket_keys_t *keys, apr_socket_t *channel)
{
    zm_buf_t unsent = ZM_BUF_INIT;
    ticket_keys_add_all(keys, &unsent);
    CU_ASSERT_FALSE(ticket_keys_send(&unsent, channel));
}

static void workers_hear_the_keys_of_tickets(void)
{
    client_t *client =
        client_connect(config_with("PARAM tls-use-scache\nPARAM tls-scache-timeout 600"), STRANGER);
    zm_loop_t *loop = client->server.loop;
    zm_tls_ticket_key_t first, second, third;
    apr_socket_t *pair[2];
    ticket_keys_t *keys;
    zm_buf_t unsent = ZM_BUF_INIT;
    const char *rest;
    int changes = 0;
    net_pair(pair);
    keys = ticket_keys_create(client->config, loop, on_new_key, &changes, zm_test_pool());
    tell_all(keys, pair[0]);
    ZM_ASSERT_STR(ticket_line(pair[1], &first), "");
    zm_clock_advance(apr_time_from_sec(599));
    turn(client);
    CU_ASSERT_EQUAL(changes, 0);
    zm_clock_advance(apr_time_from_sec(1));
    turn(client);
    CU_ASSERT_EQUAL(changes, 1);
    ticket_keys_add_newest(keys, &unsent);
    CU_ASSERT_FALSE(ticket_keys_send(&unsent, pair[0]));
    ZM_ASSERT_STR(ticket_line(pair[1], &second), "");
    CU_ASSERT_NOT_EQUAL(memcmp(&first, &second, sizeof first), 0);
    tell_all(keys, pair[0]); /* the one before comes first */
    rest = ticket_line(pair[1], &third);
    CU_ASSERT_EQUAL(memcmp(&first, &third, sizeof first), 0);
    CU_ASSERT_TRUE(ticket_keys_read(zm_str_of(rest, strlen(rest) - 1), &third));
    CU_ASSERT_EQUAL(memcmp(&second, &third, sizeof first), 0);
    CU_ASSERT_FALSE(ticket_keys_read(ZM_S("ticket 00"), &third));
    ticket_keys_close(keys);
    client_done(client);
}

static void without_resumption_there_are_no_keys(void)
{
    client_t *client = client_connect(config_with(""), STRANGER);
    CU_ASSERT_PTR_NULL(
        ticket_keys_create(client->config, client->server.loop, on_new_key, NULL, zm_test_pool()));
    tell_all(NULL, NULL);
    ticket_keys_close(NULL);
    client_done(client);
}

static bool told(ticket_keys_t *keys, zm_buf_t *unsent, apr_socket_t *channel)
{
    ticket_keys_add_newest(keys, unsent);
    return !ticket_keys_send(unsent, channel);
}

static void a_full_channel_does_not_cut_a_key(void)
{
    client_t *client =
        client_connect(config_with("PARAM tls-use-scache\nPARAM tls-scache-timeout 600"), STRANGER);
    ticket_keys_t *keys =
        ticket_keys_create(client->config, client->server.loop, on_new_key, NULL, zm_test_pool());
    zm_buf_t unsent = ZM_BUF_INIT, heard = ZM_BUF_INIT;
    zm_tls_ticket_key_t key;
    zm_str_t line, rest;
    apr_socket_t *pair[2];
    int sent = 0, whole = 0, i;
    net_pair(pair);
    do
        sent++;
    while (told(keys, &unsent, pair[0]));
    for (i = 0; i < 10; i++) /* no more than it is worth */
        CU_ASSERT_FALSE(told(keys, &unsent, pair[0]));
    CU_ASSERT_TRUE(unsent.length <= 4 * 168);
    do
        zm_buf_add_c(&heard, net_get(pair[1]));
    while (ticket_keys_send(&unsent, pair[0]));
    zm_buf_add_c(&heard, net_get(pair[1]));
    rest = zm_buf_str(&heard);
    while (zm_str_cut(rest, '\n', &line, &rest)) {
        CU_ASSERT_TRUE_FATAL(ticket_keys_read(line, &key));
        whole++;
    }
    CU_ASSERT_EQUAL(rest.length, 0);
    CU_ASSERT_TRUE(whole >= sent && whole <= sent + 3);
    zm_buf_free(&heard);
    ticket_keys_drop(&unsent);
    ticket_keys_close(keys);
    client_done(client);
}

ZM_TESTS("smtpserver starttls", ZM_TEST(what_was_said_in_plain_text_is_forgotten),
         ZM_TEST(clients_may_demand_tls_for_the_whole_way), ZM_TEST(that_demand_can_be_turned_off),
         ZM_TEST(nothing_may_follow_it), ZM_TEST(a_server_says_when_it_cannot),
         ZM_TEST(a_handshake_that_fails_ends_the_session_without_a_word),
         ZM_TEST(a_handshake_has_its_time), ZM_TEST(mail_may_need_it),
         ZM_TEST(a_client_may_begin_with_it), ZM_TEST(others_wait_for_the_greeting),
         ZM_TEST(keys_that_others_may_read_are_refused),
         ZM_TEST(certificates_that_are_not_valid_are_told),
         ZM_TEST(workers_hear_the_keys_of_tickets), ZM_TEST(without_resumption_there_are_no_keys),
         ZM_TEST(a_full_channel_does_not_cut_a_key))
