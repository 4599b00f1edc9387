/* Sessions that ask a milter: the test is the milter. */
#include <apr_strings.h>

#include "mta/smtpserver/milter_parts.h"
#include "platform/clock.h"
#include "platform/localsock.h"
#include "tests/unit/mta/smtpserver/session_help.h"

typedef struct fixture_t {
    client_t *client;
    apr_socket_t *listener, *milter; /* milter: our end of the last connection */
    zm_buf_t heard;                  /* that was not looked at */
} fixture_t;

static fixture_t *begin(const char *config)
{
    apr_pool_t *pool = zm_test_pool();
    fixture_t *fixture = apr_pcalloc(pool, sizeof *fixture);
    const char *path = apr_pstrcat(pool, zm_test_directory(), "/milter", NULL);
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_localsock_listen(&fixture->listener, path, 0600, pool, &error));
    fixture->client = client_connect(
        apr_pstrcat(pool, "PARAM milter \"unix:", path, "\"\n", config, NULL), STRANGER);
    (void)hello(fixture->client);
    return fixture;
}

static void done(fixture_t *fixture)
{
    (void)apr_socket_close(fixture->listener);
    client_done(fixture->client);
    zm_buf_free(&fixture->heard);
}

static const char *reply_now(fixture_t *fixture)
{
    return reply_to(fixture->client, "");
}

static void answer_call(fixture_t *fixture)
{
    int i;
    for (i = 0; i < 200; i++) {
        if (zm_localsock_accept(&fixture->milter, fixture->listener, zm_test_pool()) == APR_SUCCESS)
            return;
        (void)say(fixture->client, "");
    }
    CU_FAIL("the milter is not called");
}

/* Reads what has come; NULs are kept. */
static void hear(fixture_t *fixture)
{
    char piece[4096];
    apr_size_t length = sizeof piece;
    (void)apr_socket_timeout_set(fixture->milter, 0);
    while (apr_socket_recv(fixture->milter, piece, &length) == APR_SUCCESS && length > 0) {
        zm_buf_add(&fixture->heard, piece, length);
        length = sizeof piece;
    }
}

/* The next packet but macros, as its command and data, where NULs are '|'. */
static const char *next_packet(fixture_t *fixture)
{
    milter_packet_t packet;
    apr_size_t size, i;
    int tries;
    char *text;
    for (tries = 0; tries < 400; tries++) {
        while (milter_packet_read(&packet, zm_buf_str(&fixture->heard), &size) == APR_SUCCESS) {
            text = apr_pcalloc(zm_test_pool(), packet.data.length + 2);
            text[0] = packet.command;
            for (i = 0; i < packet.data.length; i++)
                text[i + 1] = packet.data.data[i] != '\0' ? packet.data.data[i] : '|';
            zm_buf_consume(&fixture->heard, size);
            if (text[0] != 'D')
                return text;
        }
        (void)say(fixture->client, "");
        hear(fixture);
    }
    return "nothing";
}

static void skip_to(fixture_t *fixture, char command)
{
    int i;
    for (i = 0; i < 20; i++)
        if (*next_packet(fixture) == command)
            return;
    CU_FAIL("a packet does not come");
}

static void send_packet(fixture_t *fixture, char command, const char *data, apr_size_t length)
{
    zm_buf_t wire = ZM_BUF_INIT;
    apr_size_t begun = milter_packet_begin(&wire, command), sent;
    zm_buf_add(&wire, data, length);
    milter_packet_end(&wire, begun);
    sent = wire.length;
    ZM_ASSERT_OK(apr_socket_send(fixture->milter, wire.data, &sent));
    CU_ASSERT_EQUAL(sent, wire.length);
    zm_buf_free(&wire);
}

static void say_go_on(fixture_t *fixture)
{
    send_packet(fixture, 'c', "", 0);
}

/* What the milter wants: flags as in milter_parts.h. */
static void negotiate(fixture_t *fixture, uint32_t flags)
{
    zm_buf_t data = ZM_BUF_INIT;
    const char *offer = next_packet(fixture);
    CU_ASSERT_EQUAL(offer[0], 'O');
    milter_packet_number(&data, 6);
    milter_packet_number(&data, MILTER_ACTIONS);
    milter_packet_number(&data, flags);
    send_packet(fixture, 'O', data.data, data.length);
    zm_buf_free(&data);
}

#define MUTE                                                                                       \
    (MILTER_MUTE_CONNECT | MILTER_MUTE_HELO | MILTER_MUTE_MAIL | MILTER_MUTE_RCPT |                \
     MILTER_MUTE_DATA | MILTER_MUTE_HEADER | MILTER_MUTE_EOH | MILTER_MUTE_BODY)

#define MAIL "MAIL FROM:<a@far.test>\r\n"
#define RCPT "RCPT TO:<bob@local.test>\r\n"
#define MESSAGE "DATA\r\nSubject: x\r\nX-Long: one\r\n two\r\n\r\nbody\r\n.\r\n"

/* As far as the end of a message, with a milter that answers nothing but that. */
static void send_muted(fixture_t *fixture)
{
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, MUTE);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    (void)say(fixture->client, MESSAGE);
    skip_to(fixture, 'E');
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
}

static void it_is_told_everything_and_answers(void)
{
    fixture_t *fixture = begin("");
    (void)say(fixture->client, "MAIL FROM:<a@far.test> SIZE=100 BODY=8BITMIME\r\n");
    answer_call(fixture);
    negotiate(fixture, 0);
    ASSERT_HAS(next_packet(fixture), "C[192.0.2.9]|4");
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "Hpeer.test|");
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "M<a@far.test>|SIZE=100|BODY=8BITMIME|");
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    (void)say(fixture->client, RCPT);
    ZM_ASSERT_STR(next_packet(fixture), "R<bob@local.test>|");
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.1.5");
    (void)say(fixture->client, MESSAGE);
    ZM_ASSERT_STR(next_packet(fixture), "T");
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "LSubject|x|");
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "LX-Long|one\n two|");
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "N");
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "Bbody\r\n");
    send_packet(fixture, 'p', "", 0);
    say_go_on(fixture);
    ZM_ASSERT_STR(next_packet(fixture), "E");
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.0.0 Message accepted");
    CU_ASSERT_EQUAL(fake_spool.committed, 1);
    (void)say(fixture->client, MAIL); /* the same connection, and no greeting again */
    ZM_ASSERT_STR(next_packet(fixture), "M<a@far.test>|");
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    (void)say(fixture->client, "RSET\r\n");
    ZM_ASSERT_STR(next_packet(fixture), "A");
    done(fixture);
}

static void what_it_does_not_want_it_is_not_told(void)
{
    fixture_t *fixture = begin("");
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, MUTE | MILTER_NO_CONNECT | MILTER_NO_HELO | MILTER_NO_MAIL | MILTER_NO_RCPT |
                           MILTER_NO_DATA | MILTER_NO_HEADERS | MILTER_NO_EOH);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    (void)say(fixture->client, MESSAGE);
    ZM_ASSERT_STR(next_packet(fixture), "Bbody\r\n");
    ZM_ASSERT_STR(next_packet(fixture), "E");
    send_packet(fixture, 'a', "", 0);
    ASSERT_HAS(reply_now(fixture), "250 2.0.0");
    done(fixture);
}

static void fields_are_added_before_the_others(void)
{
    fixture_t *fixture = begin("");
    send_muted(fixture);
    send_packet(fixture, 'h', "X-Spam\0no\0", 10);
    send_packet(fixture, 'i', "\0\0\0\1X-Two\0a\r\n b\nc\0", 18);
    send_packet(fixture, 'h', "Bad name\0x\0", 11);
    send_packet(fixture, 'm', "\0\0\0\1Subject\0y\0", 14);
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.0.0 Message accepted");
    CU_ASSERT_EQUAL(fake_spool.committed, 1);
    ASSERT_HAS(fake_spool.messages[0],
               "\nto bob@local.test\nenv-end\nX-Spam: no\nX-Two: a\n\tb\n\tc\nSubject: "
               "x\nX-Long: one\n two\n\nbody\n");
    CU_ASSERT_EQUAL(fake_spool.aborted, 1); /* the one without */
    done(fixture);
}

static void it_can_put_a_message_aside(void)
{
    fixture_t *fixture = begin("");
    send_muted(fixture);
    send_packet(fixture, 'q', "odd", 4);
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.7.1 Content-Policy accept-into-freezer-1 msg: odd; ");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    done(fixture);
}

static void it_can_refuse_a_message(void)
{
    static const struct {
        char command;
        const char *data, *reply;
    } cases[] = {{'r', NULL, "550 5.7.1 not wanted here; "},
                 {'t', NULL, "451 4.7.1 come again later; "},
                 {'y', "554 5.7.9 a virus", "554 5.7.9 a virus; "},
                 {'y', "450 wait", "450 4.7.1 wait; "},
                 {'y', "550-5.7.1 one\r\n550 5.7.1 two", "550-5.7.1 one\r\n550 5.7.1 two; "},
                 {'d', NULL, "250 2.0.0 Message accepted; "}};
    apr_size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_t *fixture = begin("");
        send_muted(fixture);
        send_packet(fixture, cases[i].command, cases[i].data != NULL ? cases[i].data : "",
                    cases[i].data != NULL ? strlen(cases[i].data) + 1 : 0);
        ASSERT_HAS(reply_now(fixture), cases[i].reply);
        CU_ASSERT_EQUAL(fake_spool.committed, 0);
        CU_ASSERT_EQUAL(fake_spool.aborted, 1);
        done(fixture);
    }
}

static void it_can_refuse_senders_and_recipients(void)
{
    fixture_t *fixture = begin("");
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, MILTER_MUTE_CONNECT | MILTER_MUTE_HELO);
    skip_to(fixture, 'M');
    send_packet(fixture, 'y', "550 5.1.8 unloved", 18);
    ASSERT_HAS(reply_now(fixture), "550 5.1.8 [192.0.2.9] mail from=<a@far.test>: unloved\r\n");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "550 5.7.1 denied by the earlier rejection");
    (void)say(fixture->client, MAIL);
    (void)next_packet(fixture);
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    (void)say(fixture->client, RCPT);
    (void)next_packet(fixture);
    send_packet(fixture, 't', "", 0);
    ASSERT_HAS(reply_now(fixture),
               "451 4.7.1 [192.0.2.9] rcpt=<bob@local.test>: come again later\r\n");
    (void)say(fixture->client, RCPT);
    (void)next_packet(fixture);
    send_packet(fixture, 'a', "", 0);
    ASSERT_HAS(reply_now(fixture), "250 2.1.5");
    ASSERT_HAS(reply_to(fixture->client, "DATA\r\n"), "354 "); /* it has accepted the message */
    ASSERT_HAS(reply_to(fixture->client, "x: y\r\n.\r\n"), "250 2.0.0 Message accepted");
    done(fixture);
}

static void a_session_can_be_refused_or_accepted_for_good(void)
{
    fixture_t *fixture = begin("");
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, 0);
    (void)next_packet(fixture);
    send_packet(fixture, 'r', "", 0);
    ASSERT_HAS(reply_now(fixture), "550 5.7.1 ");
    ASSERT_HAS(reply_to(fixture->client, MAIL), "550 5.7.1 ");
    done(fixture);
    fixture = begin("");
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, 0);
    (void)next_packet(fixture);
    send_packet(fixture, 'a', "", 0);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    ASSERT_HAS(reply_to(fixture->client, "DATA\r\n"), "354 ");
    ASSERT_HAS(reply_to(fixture->client, "x: y\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(reply_to(fixture->client, MAIL), "250 2.1.0");
    done(fixture);
}

static void send_raw(fixture_t *fixture, const char *bytes, apr_size_t length)
{
    (void)apr_socket_send(fixture->milter, bytes, &length);
}

static void one_that_does_not_keep_to_the_protocol_has_failed(void)
{
    static const struct {
        const char *bytes;
        apr_size_t length;
    } cases[] = {{"\0\0\0\0", 4},             /* no command */
                 {"\0\1\0\1x", 5},            /* too long */
                 {"\xff\xff\xff\xffx", 5},    /* much too long */
                 {"\0\0\0\1?", 5},            /* no such command */
                 {"\0\0\0\2cx", 6},           /* something behind it */
                 {"\0\0\0\1O", 5},            /* at the wrong stage */
                 {"\0\0\0\1s", 5},            /* likewise */
                 {"\0\0\0\4hx\0y", 8},        /* the second text has no end */
                 {"\0\0\0\3i\0\0", 7},        /* a number that is cut */
                 {"\0\0\0\1b", 5},            /* it may not change the body */
                 {"\0\0\0\6+<x>\0\0", 10},    /* nor the recipients */
                 {"\0\0\0\5y250\0", 9},       /* a reply that does not refuse */
                 {"\0\0\0\4y550", 8},         /* one without end */
                 {"\0\0\0\1c\0\0\0\1c", 10}}; /* two answers: the second is unasked */
    apr_size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_t *fixture = begin("");
        const char *got;
        send_muted(fixture);
        send_raw(fixture, cases[i].bytes, cases[i].length);
        got = reply_now(fixture);
        if (i + 1 < sizeof cases / sizeof cases[0])
            ASSERT_HAS(got, "451 4.3.0 the message cannot be looked at now");
        ASSERT_HAS(reply_to(fixture->client, "NOOP\r\n"), "250 ");
        done(fixture);
    }
}

static void what_it_offers_is_checked(void)
{
    static const struct {
        const char *bytes;
        apr_size_t length;
    } cases[] = {{"\0\0\0\1c", 5},
                 {"\0\0\0\5O\0\0\0\6", 9},
                 {"\0\0\0\015O\0\0\0\1\0\0\0\1\0\0\0\0", 17},    /* version 1 */
                 {"\0\0\0\015O\0\0\0\7\0\0\0\1\0\0\0\0", 17},    /* 7 */
                 {"\0\0\0\015O\0\0\0\6\0\0\0\1\0\x80\0\0", 17}}; /* flags that nobody knows */
    apr_size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_t *fixture = begin("");
        (void)say(fixture->client, MAIL);
        answer_call(fixture);
        (void)next_packet(fixture);
        send_raw(fixture, cases[i].bytes, cases[i].length);
        ASSERT_HAS(reply_now(fixture), "451 4.3.0 ");
        done(fixture);
    }
}

static void one_that_is_gone_or_silent_puts_mail_off(void)
{
    fixture_t *fixture = begin("");
    (void)say(fixture->client, MAIL); /* it does not negotiate */
    answer_call(fixture);
    ASSERT_HAS(later(fixture->client, 31), "451 4.3.0 ");
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    (void)apr_socket_close(fixture->milter);
    ASSERT_HAS(reply_now(fixture), "451 4.3.0 ");
    zm_buf_clear(&fixture->heard);
    send_muted(fixture);
    (void)apr_socket_close(fixture->milter);
    ASSERT_HAS(reply_now(fixture), "451 4.3.0 ");
    (void)apr_socket_close(fixture->listener);
    ASSERT_HAS(reply_to(fixture->client, MAIL), "451 4.3.0 ");
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    done(fixture);
}

static void it_may_be_done_without(void)
{
    fixture_t *fixture = begin("PARAM contentfilter-failmode accept\n");
    (void)apr_socket_close(fixture->listener);
    ASSERT_HAS(reply_to(fixture->client, MAIL), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    ASSERT_HAS(reply_to(fixture->client, "DATA\r\n"), "354 ");
    ASSERT_HAS(reply_to(fixture->client, "x: y\r\n.\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.frozen, 0);
    done(fixture);
    fixture = begin("PARAM contentfilter-failmode freeze\n");
    (void)apr_socket_close(fixture->listener);
    ASSERT_HAS(reply_to(fixture->client, MAIL), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    ASSERT_HAS(reply_to(fixture->client, "DATA\r\n"), "354 ");
    ASSERT_HAS(reply_to(fixture->client, "x: y\r\n.\r\n"), "250 2.7.1");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    done(fixture);
}

static void a_long_message_comes_in_pieces(void)
{
    fixture_t *fixture = begin("");
    zm_buf_t text = ZM_BUF_INIT, body = ZM_BUF_INIT;
    const char *packet;
    apr_size_t i;
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, MUTE);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    ASSERT_HAS(reply_to(fixture->client, "DATA\r\n"), "354 ");
    zm_buf_add_c(&text, "Subject: x\r\nX: ");
    for (i = 0; i < 900; i++)
        zm_buf_add_c(&text, "0123456789\r\n ");
    zm_buf_add_c(&text, "\r\n\r\n");
    for (i = 0; i < 20000; i++)
        zm_buf_add_c(&text, "line\r\n\r\n");
    zm_buf_add_c(&text, ".\r\n");
    (void)say_bytes(fixture->client, text.data, text.length);
    while (*(packet = next_packet(fixture)) != 'E') {
        CU_ASSERT_NOT_EQUAL(*packet, 'n');
        if (*packet == 'n')
            break;
        CU_ASSERT_TRUE(strlen(packet) <= 65536);
        if (*packet == 'B')
            zm_buf_add_c(&body, packet + 1);
    }
    CU_ASSERT_EQUAL(body.length, 20000 * 8);
    say_go_on(fixture);
    ASSERT_HAS(reply_now(fixture), "250 2.0.0");
    zm_buf_free(&text);
    zm_buf_free(&body);
    done(fixture);
}

static void one_that_does_not_read_is_given_up(void)
{
    fixture_t *fixture = begin("");
    zm_buf_t text = ZM_BUF_INIT;
    const char *got;
    apr_size_t i;
    (void)say(fixture->client, MAIL);
    answer_call(fixture);
    negotiate(fixture, MUTE);
    ASSERT_HAS(reply_now(fixture), "250 2.1.0");
    ASSERT_HAS(reply_to(fixture->client, RCPT), "250 2.1.5");
    ASSERT_HAS(reply_to(fixture->client, "DATA\r\n"), "354 ");
    for (i = 0; i < 60000; i++)
        zm_buf_add_c(&text, "012345678901234567890123456789\r\n");
    zm_buf_add_c(&text, ".\r\n");
    ZM_ASSERT_STR(say_bytes(fixture->client, text.data, text.length), "");
    got = later(fixture->client, 31);
    for (i = 0; i < 8 && *got == '\0'; i++) /* the system takes some, or all, on its behalf */
        got = later(fixture->client, 121);
    ASSERT_HAS(got, "451 4.3.0 ");
    zm_buf_free(&text);
    done(fixture);
}

static void a_session_that_ends_leaves_it(void)
{
    fixture_t *fixture = begin("");
    send_muted(fixture);
    (void)apr_socket_close(fixture->client->socket);
    (void)later(fixture->client, 4000);
    hear(fixture);
    client_again(fixture->client, STRANGER);
    done(fixture);
}

static void one_that_is_at_work_for_ever_is_given_up(void)
{
    fixture_t *fixture = begin("");
    const char *heard = "";
    int minutes;
    send_muted(fixture);
    for (minutes = 0; minutes < 20 && *heard == '\0'; minutes++) {
        send_packet(fixture, 'p', "", 0);
        (void)reply_now(fixture);
        heard = later(fixture->client, 60);
    }
    ASSERT_HAS(heard, "451 4.3.0");
    CU_ASSERT_EQUAL(minutes, 8);
    CU_ASSERT_EQUAL(fake_spool.committed, 0);
    done(fixture);
}

static void addresses_of_services_are_read(void)
{
    service_t service;
    apr_pool_t *pool = zm_test_pool();
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("unix:/run/x.sock"), pool));
    ZM_ASSERT_STR(service.path, "/run/x.sock");
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("local:/run/x.sock"), pool));
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("inet:127.0.0.1:8891"), pool));
    CU_ASSERT_EQUAL(service.ip.family, 4);
    CU_ASSERT_EQUAL(service.port, 8891);
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("inet:8891@localhost"), pool));
    CU_ASSERT_EQUAL(service.ip.family, 4);
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("inet:[::1]:25"), pool));
    CU_ASSERT_EQUAL(service.ip.family, 6);
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("inet6:25@::1"), pool));
    CU_ASSERT_EQUAL(service.ip.family, 6);
    CU_ASSERT_TRUE(service_parse(&service, ZM_S("inet:filter.test:25"), pool));
    CU_ASSERT_EQUAL(service.ip.family, 0);
    ZM_ASSERT_STR(service.host, "filter.test");
    CU_ASSERT_FALSE(service_parse(&service, ZM_S("/run/x.sock"), pool));
    CU_ASSERT_FALSE(service_parse(&service, ZM_S("unix:"), pool));
    CU_ASSERT_FALSE(service_parse(&service, ZM_S("inet:host"), pool));
    CU_ASSERT_FALSE(service_parse(&service, ZM_S("inet:host:0"), pool));
    CU_ASSERT_FALSE(service_parse(&service, ZM_S("inet:host:65536"), pool));
    CU_ASSERT_FALSE(service_parse(&service, ZM_S("tcp:host:25"), pool));
}

ZM_TESTS("milter", ZM_TEST(it_is_told_everything_and_answers),
         ZM_TEST(what_it_does_not_want_it_is_not_told), ZM_TEST(fields_are_added_before_the_others),
         ZM_TEST(it_can_put_a_message_aside), ZM_TEST(it_can_refuse_a_message),
         ZM_TEST(it_can_refuse_senders_and_recipients),
         ZM_TEST(a_session_can_be_refused_or_accepted_for_good),
         ZM_TEST(one_that_does_not_keep_to_the_protocol_has_failed),
         ZM_TEST(what_it_offers_is_checked), ZM_TEST(one_that_is_gone_or_silent_puts_mail_off),
         ZM_TEST(it_may_be_done_without), ZM_TEST(a_long_message_comes_in_pieces),
         ZM_TEST(one_that_does_not_read_is_given_up), ZM_TEST(a_session_that_ends_leaves_it),
         ZM_TEST(one_that_is_at_work_for_ever_is_given_up), ZM_TEST(addresses_of_services_are_read))
