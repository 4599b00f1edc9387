/* AUTH: sessions that ask who a client is; the test is the desk of the verifiers. */
#include <apr_strings.h>

#include "mta/net/base64.h"
#include "mta/net/scram.h"
#include "mta/smtpserver/rates.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/localsock.h"
#include "tests/unit/mta/smtpserver/session_help.h"

#define USERS "PARAM smtp-auth\nPARAM auth-user-file /nonexistent/users\n"
#define CLEAR USERS "PARAM AUTH-LOGIN-also-without-TLS\n"

typedef struct asked_t {
    client_t *client;
    apr_socket_t *listener, *desk; /* desk: our end of the worker's line; null: not yet */
    rates_t *failures;
} asked_t;

static const char *log_path(void)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/sessions", NULL);
}

/* A session with a server whose verifiers can be asked, and which writes a session log. */
static asked_t *begin_at(const char *config, const char *address, bool submit)
{
    asked_t *asked = apr_pcalloc(zm_test_pool(), sizeof *asked);
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/desk", NULL);
    journal_options_t journal = {.file = log_path()};
    client_t *client;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_localsock_listen(&asked->listener, path, 0600, zm_test_pool(), &error));
    asked->client = client = client_connect(config, address);
    client->server.verifiers =
        inquiries_create(client->server.loop, path, INQUIRY_ATTACH, zm_test_pool());
    client->server.failures = asked->failures = apr_pcalloc(zm_test_pool(), sizeof(rates_t));
    ZM_ASSERT_OK(journal_open(&client->server.journal, &journal, zm_test_pool(), &error));
    (void)apr_socket_close(client->socket);
    client->submit = submit;
    client_again(client, address);
    (void)net_get(client->socket);
    return asked;
}

static asked_t *begin(const char *config)
{
    asked_t *asked = begin_at(config, STRANGER, false);
    (void)hello(asked->client);
    return asked;
}

/* What the worker says to the desk now. */
static const char *question(asked_t *asked)
{
    (void)say(asked->client, "");
    if (asked->desk == NULL &&
        zm_localsock_accept(&asked->desk, asked->listener, zm_test_pool()) != APR_SUCCESS) {
        asked->desk = NULL;
        return "";
    }
    return net_get(asked->desk);
}

static const char *answer(asked_t *asked, const char *text)
{
    net_put(asked->desk, text);
    return say(asked->client, "");
}

static const char *logged(asked_t *asked)
{
    char *text;
    apr_size_t length;
    journal_flush(asked->client->server.journal);
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, log_path(), 1 << 20, zm_test_pool()));
    return text;
}

static void done(asked_t *asked)
{
    client_t *client = asked->client;
    (void)apr_socket_close(asked->listener);
    client_done(client);
    inquiries_close(client->server.verifiers);
    journal_close(client->server.journal);
}

static const char *encode(const char *data, apr_size_t length)
{
    zm_buf_t text = ZM_BUF_INIT;
    const char *copy;
    zm_sasl_encode(&text, data, length);
    copy = zm_str_c(zm_test_pool(), zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

static const char *line_of(const char *command, const char *data, apr_size_t length)
{
    return apr_pstrcat(zm_test_pool(), command, encode(data, length), "\r\n", NULL);
}

#define PLAIN_JOE "AUTH PLAIN AGpvZQBzM2NyM3Q=\r\n" /* joe, s3cr3t */
#define ASKED_JOE " plain\t0 am9l czNjcjN0\n"

/* -- offering ---------------------------------------------------------------------------------- */

static void passwords_are_not_wanted_in_clear(void)
{
    asked_t *asked = begin_at(USERS, STRANGER, false);
    const char *reply = hello(asked->client);
    ASSERT_HAS(reply, "250-AUTH SCRAM-SHA-256\r\n");
    CU_ASSERT_FALSE(has(reply, "PLAIN") || has(reply, "LOGIN") || has(reply, "PLUS"));
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "538 5.7.11 ");
    ASSERT_HAS(say(asked->client, "AUTH LOGIN\r\n"), "538 5.7.11 ");
    ZM_ASSERT_STR(question(asked), "");
    CU_ASSERT_FALSE(has(logged(asked), "AGpvZQ"));
    done(asked);
}

static void what_can_be_used_is_offered(void)
{
    asked_t *asked = begin_at(CLEAR "PARAM auth-old-syntax\n", STRANGER, false);
    const char *reply = hello(asked->client);
    ASSERT_HAS(reply,
               "250-AUTH=SCRAM-SHA-256 PLAIN LOGIN\r\n250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n");
    ASSERT_HAS(say(asked->client, "HELP\r\n"), "AUTH");
    done(asked);
}

static void a_program_knows_passwords_only(void)
{
    asked_t *asked = begin_at("PARAM smtp-auth\nPARAM SMTP-auth-pipe /bin/x\n"
                              "PARAM AUTH-LOGIN-also-without-TLS\n",
                              STRANGER, false);
    ASSERT_HAS(hello(asked->client), "250-AUTH PLAIN LOGIN\r\n");
    ASSERT_HAS(say(asked->client, "AUTH SCRAM-SHA-256\r\n"), "504 5.5.4 ");
    done(asked);
}

static void mechanisms_can_be_left_out(void)
{
    asked_t *asked =
        begin_at(CLEAR "PARAM sasl-mechanisms login, plain CRAM-MD5\n", STRANGER, false);
    ASSERT_HAS(hello(asked->client), "250-AUTH PLAIN LOGIN\r\n");
    ASSERT_HAS(say(asked->client, "AUTH CRAM-MD5\r\n"), "504 5.5.4 ");
    done(asked);
}

static void a_server_without_auth_knows_no_such_command(void)
{
    asked_t *asked = begin("");
    ZM_ASSERT_STR(say(asked->client, PLAIN_JOE),
                  "500 5.5.2 Unknown command 'AUTH PLAIN **base64-password**'\r\n");
    CU_ASSERT_FALSE(has(logged(asked), "AGpvZQ"));
    done(asked);
}

static void other_servers_have_no_need_of_it(void)
{
    asked_t *asked = begin_at(CLEAR "PARAM no-smtp-auth-on-25\n", STRANGER, false);
    CU_ASSERT_FALSE(has(hello(asked->client), "AUTH"));
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "503 5.5.1 ");
    done(asked);
    asked = begin_at(CLEAR "PARAM no-smtp-auth-on-25\n", STRANGER, true);
    ASSERT_HAS(hello(asked->client), "250-AUTH ");
    done(asked);
}

/* -- passwords -----------------------------------------------------------------------------------
 */

static void who_is_right_may_send_anywhere(void)
{
    asked_t *asked = begin(CLEAR "PARAM rcvd-auth-user\n");
    ASSERT_HAS(say(asked->client, "MAIL FROM:<joe@local.test>\r\nRCPT TO:<x@far.test>\r\nRSET\r\n"),
               "550 5.7.1 ");
    (void)say(asked->client, PLAIN_JOE);
    ZM_ASSERT_STR(question(asked), "1" ASKED_JOE);
    ZM_ASSERT_STR(answer(asked, "1 235 right\n"), "235 2.7.0 Authentication successful\r\n");
    ASSERT_HAS(say(asked->client,
                   "MAIL FROM:<joe@local.test> AUTH=<>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n"),
               "354 ");
    ASSERT_HAS(say(asked->client, "Subject: x\r\n\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(fake_spool.messages[0],
               "external\ncomment smtp-auth: \"joe\"\nrcvdfrom [192.0.2.9] "
               "([192.0.2.9]:40112 \"EHLO peer.test\" smtp-auth: \"joe\" rhost");
    ASSERT_HAS(fake_spool.messages[0], "IDENT-NOT-QUERIED\" smtp-auth: \"joe\" TLS-CIPHER: <none>");
    ASSERT_HAS(fake_spool.messages[0], "\nwith ESMTPA\n");
    CU_ASSERT_FALSE(has(hello(asked->client), "AUTH"));
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "503 5.5.1 ");
    ASSERT_HAS(logged(asked), "-- authenticated: user joe, mechanism PLAIN");
    CU_ASSERT_FALSE(has(logged(asked), "AGpvZQ") || has(logged(asked), "s3cr3t"));
    done(asked);
}

static void who_is_wrong_may_not(void)
{
    asked_t *asked = begin(CLEAR);
    (void)say(asked->client, PLAIN_JOE);
    ZM_ASSERT_STR(question(asked), "1" ASKED_JOE);
    ZM_ASSERT_STR(answer(asked, "1 535 wrong\n"),
                  "535 5.7.8 Authentication credentials invalid\r\n");
    ASSERT_HAS(say(asked->client, "MAIL FROM:<joe@local.test>\r\nRCPT TO:<x@far.test>\r\n"),
               "550 5.7.1 ");
    ASSERT_HAS(logged(asked), "-- authentication failed: user joe, mechanism PLAIN");
    CU_ASSERT_FALSE(has(logged(asked), "AGpvZQ"));
    done(asked);
}

static void login_asks_for_both(void)
{
    asked_t *asked = begin(CLEAR "PARAM smtp-auth-username-prompt \"Who are you?\"\n");
    ZM_ASSERT_STR(say(asked->client, "AUTH LOGIN\r\n"),
                  line_of("334 ", "Who are you?", strlen("Who are you?")));
    ZM_ASSERT_STR(say(asked->client, "am9l\r\n"), line_of("334 ", "Password:", 9));
    (void)say(asked->client, "czNjcjN0\r\n");
    ZM_ASSERT_STR(question(asked), "1" ASKED_JOE);
    ASSERT_HAS(answer(asked, "1 235 right\n"), "235 2.7.0 ");
    ASSERT_HAS(logged(asked), "r\t**base64-user**\n");
    ASSERT_HAS(logged(asked), "r\t**base64-password**\n");
    CU_ASSERT_FALSE(has(logged(asked), "am9l") || has(logged(asked), "czNjcjN0"));
    done(asked);
}

static void login_may_begin_with_the_user(void)
{
    asked_t *asked = begin(CLEAR);
    ZM_ASSERT_STR(say(asked->client, "AUTH LOGIN am9l\r\n"), line_of("334 ", "Password:", 9));
    ASSERT_HAS(say(asked->client, "*\r\n"), "501 5.7.0 ");
    ASSERT_HAS(say(asked->client, "NOOP\r\n"), "250 2.0.0 ");
    CU_ASSERT_FALSE(has(logged(asked), "am9l"));
    done(asked);
}

static void responses_that_are_none_are_refused(void)
{
    asked_t *asked = begin(CLEAR);
    const char *const bad[] = {"AUTH PLAIN ***\r\n", "AUTH PLAIN am9l\r\n", "AUTH PLAIN =\r\n",
                               "AUTH LOGIN a\r\n", "AUTH SCRAM-SHA-256 am9l\r\n"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_HAS(say(asked->client, bad[i]), "501 5.5.2 ");
    ASSERT_HAS(say(asked->client, "AUTH\r\n"), "504 5.5.4 ");
    ZM_ASSERT_STR(say(asked->client, "AUTH PLAIN\r\n"), "334 \r\n");
    ASSERT_HAS(say(asked->client, "QUIT\r\n"), "501 5.5.2 ");
    ZM_ASSERT_STR(question(asked), "");
    done(asked);
}

/* Names that a program could take for something else, and what acts for others. */
static void some_are_wrong_without_being_asked_about(void)
{
    asked_t *asked = begin(CLEAR);
    ASSERT_HAS(say(asked->client, line_of("AUTH PLAIN ", "\0-rf\0x", 6)), "535 5.7.8 ");
    ASSERT_HAS(say(asked->client, line_of("AUTH PLAIN ", "\0a\nb\0x", 6)), "535 5.7.8 ");
    ASSERT_HAS(say(asked->client, line_of("AUTH PLAIN ", "\0\0x", 3)), "535 5.7.8 ");
    ASSERT_HAS(say(asked->client, line_of("AUTH PLAIN ", "\0joe\0", 5)), "535 5.7.8 ");
    ASSERT_HAS(say(asked->client, line_of("AUTH PLAIN ", "ann\0joe\0x", 9)), "535 5.7.8 ");
    ZM_ASSERT_STR(question(asked), "");
    done(asked);
}

static void nobody_can_say(void)
{
    asked_t *asked = begin(CLEAR);
    (void)say(asked->client, PLAIN_JOE);
    (void)question(asked);
    ASSERT_HAS(answer(asked, "1\n"), "454 4.7.0 ");
    (void)say(asked->client, PLAIN_JOE);
    ZM_ASSERT_STR(question(asked), "2" ASKED_JOE);
    ASSERT_HAS(answer(asked, "2 454 the disk is full\n"), "454 4.7.0 ");
    CU_ASSERT_EQUAL(rates_of_name(asked->failures, ZM_S("joe"), zm_clock_monotonic()), 0);
    done(asked);
}

static void a_client_that_leaves_meanwhile_is_no_harm(void)
{
    asked_t *asked = begin(CLEAR);
    (void)say(asked->client, PLAIN_JOE);
    (void)question(asked);
    (void)hang_up(asked->client);
    net_put(asked->desk, "1 235 right\n");
    done(asked);
    asked = begin(CLEAR);
    (void)say(asked->client, "AUTH LOGIN\r\n");
    ASSERT_HAS(hang_up(asked->client), "501 ");
    done(asked);
}

/* A client that has not understood a refusal sends its secret all the same. */
static void secrets_after_a_refusal_are_not_told(void)
{
    asked_t *asked = begin(USERS);
    const char *reply = say(asked->client, "AUTH LOGIN\r\nam9l\r\nczNjcjN0\r\n");
    ASSERT_HAS(reply, "538 ");
    CU_ASSERT_FALSE(has(reply, "am9l") || has(reply, "czNjcjN0"));
    CU_ASSERT_FALSE(has(logged(asked), "am9l") || has(logged(asked), "czNjcjN0"));
    ASSERT_HAS(say(asked->client, "FOO\r\n"), "500 5.5.2 Unknown command 'FOO'");
    done(asked);
}

/* -- order
 * ----------------------------------------------------------------------------------------- */

static void auth_has_its_place(void)
{
    asked_t *asked = begin_at(CLEAR, STRANGER, false);
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "503 5.5.1 ");
    (void)hello(asked->client);
    (void)say(asked->client, "MAIL FROM:<a@far.test>\r\n");
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "503 5.5.1 ");
    done(asked);
}

static void submission_begins_with_it(void)
{
    asked_t *asked = begin_at(CLEAR, STRANGER, true);
    (void)hello(asked->client);
    ZM_ASSERT_STR(say(asked->client, "MAIL FROM:<joe@local.test>\r\n"),
                  "530 5.7.0 Authentication required\r\n");
    (void)say(asked->client, PLAIN_JOE);
    (void)question(asked);
    ASSERT_HAS(answer(asked, "1 235 right\n"), "235 ");
    ASSERT_HAS(say(asked->client, "MAIL FROM:<joe@local.test>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n"),
               "354 ");
    (void)say(asked->client, "Subject: x\r\n\r\n.\r\n");
    ASSERT_HAS(fake_spool.messages[0],
               "X-Comment: mail submission at mx.local.test from [192.0.2.9], authenticated as "
               "\"joe\"\nSubject: x\n");
    done(asked);
}

/* -- limits
 * ----------------------------------------------------------------------------------------- */

static void fail_as(asked_t *asked, const char *user, int number)
{
    apr_pool_t *pool = zm_test_pool();
    const char *message = apr_pstrcat(pool, " ", user, " x", NULL);
    char *copy = apr_pstrdup(pool, message);
    copy[0] = copy[strlen(user) + 1] = '\0';
    (void)say(asked->client, line_of("AUTH PLAIN ", copy, strlen(user) + 3));
    (void)question(asked);
    ASSERT_HAS(answer(asked, apr_psprintf(pool, "%d 535 wrong\n", number)), "535 ");
}

static void who_fails_too_often_is_put_off(void)
{
    asked_t *asked = begin(CLEAR "PARAM auth-failrate 3\n");
    fail_as(asked, "ann", 1);
    fail_as(asked, "joe", 2);
    fail_as(asked, "eve", 3);
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "454 4.7.0 ");
    ZM_ASSERT_STR(question(asked), "");
    zm_clock_advance(apr_time_from_sec(3600)); /* the hour is over */
    (void)apr_socket_close(asked->client->socket);
    client_again(asked->client, STRANGER);
    (void)hello(asked->client);
    (void)say(asked->client, PLAIN_JOE);
    ZM_ASSERT_STR(question(asked), "4" ASKED_JOE);
    (void)answer(asked, "4 235 right\n");
    done(asked);
}

static void so_is_a_user_from_anywhere(void)
{
    asked_t *asked = begin(CLEAR "PARAM auth-failrate 3\n");
    int i;
    for (i = 1; i <= 3; i++) {
        if (i > 1) {
            (void)apr_socket_close(asked->client->socket);
            client_again(asked->client, apr_psprintf(zm_test_pool(), "198.51.100.%d", i));
            (void)hello(asked->client);
        }
        fail_as(asked, "joe", i);
    }
    ASSERT_HAS(say(asked->client, PLAIN_JOE), "454 4.7.0 ");
    ZM_ASSERT_STR(question(asked), "");
    fail_as(asked, "ann", 4);
    done(asked);
}

static void failures_are_answered_late(void)
{
    asked_t *asked = begin(CLEAR "PARAM tarpit 5 1 10\n");
    (void)say(asked->client, PLAIN_JOE);
    (void)question(asked);
    ZM_ASSERT_STR(answer(asked, "1 535 wrong\n"), "");
    ASSERT_HAS(later(asked->client, 5), "535 ");
    done(asked);
}

/* -- SCRAM
 * ------------------------------------------------------------------------------------------- */

/* The keys of "pencil", as a verifier has them. */
static void make_keys(zm_scram_keys_t *keys)
{
    memset(keys, 0, sizeof *keys);
    memcpy(keys->salt, "0123456789abcdef", 16);
    keys->salt_length = 16;
    keys->iterations = 4096;
    ZM_ASSERT_OK(zm_scram_keys_make(keys, ZM_S("pencil")));
}

static zm_str_t decode_reply(const char *reply, const char *prefix)
{
    zm_buf_t bytes = ZM_BUF_INIT;
    zm_str_t copy;
    ASSERT_HAS(reply, prefix);
    ZM_ASSERT_OK(zm_sasl_decode(&bytes, zm_str_trim(zm_str(reply + strlen(prefix)))));
    copy = zm_str_copy(zm_test_pool(), zm_buf_str(&bytes));
    zm_buf_free(&bytes);
    return copy;
}

/* What the verifier would say to the last question: "2 last TAB 0 USER MESSAGE PROOF". */
static const char *judge(const zm_scram_keys_t *keys, const char *question)
{
    zm_str_t rest = zm_str(question), word, words[6];
    zm_buf_t message = ZM_BUF_INIT, proof = ZM_BUF_INIT, text = ZM_BUF_INIT;
    unsigned char signature[ZM_SCRAM_KEY];
    const char *copy;
    int count = 0;
    while (count < 6 && zm_str_word(&rest, &word))
        words[count++] = zm_str_trim(word);
    CU_ASSERT_EQUAL_FATAL(count, 6);
    ZM_ASSERT_OK(zm_sasl_decode(&message, words[4]));
    ZM_ASSERT_OK(zm_sasl_decode(&proof, words[5]));
    zm_buf_add_c(&text, "2 ");
    if (zm_scram_keys_prove(keys, zm_buf_str(&message), (const unsigned char *)proof.data,
                            signature)) {
        zm_buf_add_c(&text, "235 ");
        zm_sasl_encode(&text, signature, sizeof signature);
    } else {
        zm_buf_add_c(&text, "535 wrong");
    }
    zm_buf_add_byte(&text, '\n');
    copy = zm_str_c(zm_test_pool(), zm_buf_str(&text));
    zm_buf_free(&message);
    zm_buf_free(&proof);
    zm_buf_free(&text);
    return copy;
}

/* The reply to the proof made with that password. */
static const char *prove(asked_t *asked, zm_scram_client_t *proving, const char *password)
{
    zm_scram_keys_t keys;
    zm_buf_t text = ZM_BUF_INIT;
    const char *reply;
    make_keys(&keys);
    zm_scram_client_first(proving, ZM_S("joe"), ZM_S("mynonce"), &text);
    (void)say(asked->client, line_of("AUTH SCRAM-SHA-256 ", text.data, text.length));
    ZM_ASSERT_STR(question(asked), "1 first\t0 am9l\n");
    reply = answer(asked, apr_psprintf(zm_test_pool(), "1 250 %s 4096\n",
                                       encode((char *)keys.salt, keys.salt_length)));
    zm_buf_clear(&text);
    ZM_ASSERT_OK(
        zm_scram_client_answer(proving, decode_reply(reply, "334 "), zm_str(password), &text));
    (void)say(asked->client, line_of("", text.data, text.length));
    zm_buf_free(&text);
    return answer(asked, judge(&keys, question(asked)));
}

static void a_proof_is_as_good_as_a_password(void)
{
    asked_t *asked = begin(USERS);
    zm_scram_client_t proving = {.binding = ZM_S("")};
    const char *reply = prove(asked, &proving, "pencil");
    CU_ASSERT_TRUE(zm_scram_client_trusts(&proving, decode_reply(reply, "334 ")));
    ASSERT_HAS(say(asked->client, "\r\n"), "235 2.7.0 ");
    ASSERT_HAS(logged(asked), "-- authenticated: user joe, mechanism SCRAM-SHA-256");
    zm_scram_client_end(&proving);
    done(asked);
}

static void a_wrong_proof_is_none(void)
{
    asked_t *asked = begin(USERS);
    zm_scram_client_t proving = {.binding = ZM_S("")};
    ASSERT_HAS(prove(asked, &proving, "pencils"), "535 5.7.8 ");
    zm_scram_client_end(&proving);
    CU_ASSERT_EQUAL(rates_of_name(asked->failures, ZM_S("joe"), zm_clock_monotonic()), 1);
    done(asked);
}

static void half_a_proof_is_none(void)
{
    asked_t *asked = begin(USERS);
    zm_scram_client_t proving = {.binding = ZM_S("")};
    (void)prove(asked, &proving, "pencil");
    ASSERT_HAS(say(asked->client, "*\r\n"), "501 ");
    ASSERT_HAS(say(asked->client, "MAIL FROM:<a@far.test>\r\nRCPT TO:<x@far.test>\r\n"), "550 ");
    zm_scram_client_end(&proving);
    done(asked);
}

ZM_TESTS("smtpserver auth", ZM_TEST(passwords_are_not_wanted_in_clear),
         ZM_TEST(what_can_be_used_is_offered), ZM_TEST(a_program_knows_passwords_only),
         ZM_TEST(mechanisms_can_be_left_out), ZM_TEST(a_server_without_auth_knows_no_such_command),
         ZM_TEST(other_servers_have_no_need_of_it), ZM_TEST(who_is_right_may_send_anywhere),
         ZM_TEST(who_is_wrong_may_not), ZM_TEST(login_asks_for_both),
         ZM_TEST(login_may_begin_with_the_user), ZM_TEST(responses_that_are_none_are_refused),
         ZM_TEST(some_are_wrong_without_being_asked_about), ZM_TEST(nobody_can_say),
         ZM_TEST(a_client_that_leaves_meanwhile_is_no_harm),
         ZM_TEST(secrets_after_a_refusal_are_not_told), ZM_TEST(auth_has_its_place),
         ZM_TEST(submission_begins_with_it), ZM_TEST(who_fails_too_often_is_put_off),
         ZM_TEST(so_is_a_user_from_anywhere), ZM_TEST(failures_are_answered_late),
         ZM_TEST(a_proof_is_as_good_as_a_password), ZM_TEST(a_wrong_proof_is_none),
         ZM_TEST(half_a_proof_is_none))
