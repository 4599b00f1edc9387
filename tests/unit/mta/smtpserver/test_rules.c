/* What a policy database does to a session. */
#include <apr_strings.h>

#include "mta/db/compile.h"
#include "mta/smtpserver/rates.h"
#include "platform/clock.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/mta/smtpserver/session_help.h"

static const fake_record_t records[] = {
    {"far.test", ZM_DNS_MX, 60, "10 mx.far.test"},
    {"mx.far.test", ZM_DNS_A, 60, "192.0.2.200"},
    {"bare.test", ZM_DNS_A, 60, "192.0.2.201"},
    {"customer.test", ZM_DNS_MX, 60, "10 mx.far.test"},
    {"customer.test", ZM_DNS_MX, 60, "20 mx.local.test"},
    {"mx.local.test", ZM_DNS_A, 60, "192.0.2.1"},
    {"null.test", ZM_DNS_MX, 60, "0 "},
    {"inside.test", ZM_DNS_A, 60, "127.0.0.5"},
    {"9.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "dial.isp.test"},
    {"dial.isp.test", ZM_DNS_A, 60, "192.0.2.9"},
    {"10.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "good.friend.test"},
    {"good.friend.test", ZM_DNS_A, 60, "192.0.2.10"},
    {"11.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "good.friend.test"},
    {"9.2.0.192.bad.zone.test", ZM_DNS_A, 60, "127.0.0.2"},
    {"9.2.0.192.bad.zone.test", ZM_DNS_TXT, 60, "seen sending junk"},
    {"9.2.0.192.bad.silent.zone.test", ZM_DNS_A, 60, "127.0.0.2"},
    {"9.2.0.192.dumb.zone.test", ZM_DNS_A, 60, "127.0.0.2"},
    {"9.2.0.192.gone.zone.test", ZM_DNS_A, 60, "192.0.2.1"},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad.zone.test", ZM_DNS_A, 60,
     "127.0.0.3"},
    {"mine.test", ZM_DNS_TXT, 60, "v=spf1 ip4:192.0.2.9 -all"},
    {"yours.test", ZM_DNS_TXT, 60, "v=spf1 ip4:192.0.2.10 -all"},
    {"why.test", ZM_DNS_TXT, 60, "v=spf1 exp=exp.why.test -all"},
    {"exp.why.test", ZM_DNS_TXT, 60, "%{c} is none of %{d}"},
    {"slow.test", ZM_DNS_TXT, 60, "v=spf1 exp=dead.silent.test -all"},
    {"soft.test", ZM_DNS_TXT, 60, "v=spf1 ~all"},
    {NULL, ZM_DNS_A, 0, NULL}};

/* The stock rules, with some more. */
static const char stock[] =
    ". = _default_dot\n[0.0.0.0]/0 = _default_ipaddr\n"
    "_default_dot relaytarget - senderokwithdns -\n_default_ipaddr # nothing\n"
    "[127.0.0.0]/8 = _full_rights\n[192.0.2.128]/25 = _full_rights\n"
    "postmaster@ relaytarget + rejectsource -\n"
    "_full_rights rejectnet - relaycustnet + relaytarget +\n"
    "_localnames rejectnet - relaycustnet - localdomain + relaytarget +\n"
    "_relaytarget relaytarget +\n"
    "local.test = _localnames\nbackup.test = _relaytarget\n";

static fake_dns_t *dns;

static void on_note(void *baton, zm_compile_note_t what, unsigned line, const char *text)
{
    (void)baton;
    (void)what;
    (void)line;
    (void)text;
}

static const char *compile(const char *source)
{
    static int number;
    zm_map_options_t options = {
        .file = apr_psprintf(zm_test_pool(), "%s/rules%d.sqlite", zm_test_directory(), ++number)};
    zm_compile_t how = {.form = ZM_COMPILE_POLICY, .append = true, .note = on_note};
    zm_error_t error;
    zm_map_t *map;
    ZM_ASSERT_OK(zm_map_create(&map, "sqlite", &options, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_compile(&how, zm_str(source), map, zm_test_pool(), &error));
    CU_ASSERT_EQUAL(how.errors, 0);
    ZM_ASSERT_OK(zm_map_flush(map));
    return options.file;
}

/* A client from that address of a server with that database. */
static client_t *client_of(const char *file, const char *config, const char *address)
{
    client_t *client = client_connect(config, HERE);
    server_t *server = &client->server;
    policy_database_t database = {"sqlite", file};
    policy_options_t options = {.percent_hack = true,
                                .accept_unknown = client->config->accept_unknown,
                                .databases = &database,
                                .database_count = 1};
    zm_dns_options_t dns_options = {0};
    zm_error_t error;
    dns = fake_dns_start(server->loop, records, zm_test_pool());
    dns_options.servers = fake_dns_address(dns);
    ZM_ASSERT_OK(zm_dns_create(&server->dns, server->loop, &dns_options, &error));
    options.dns = server->dns;
    options.loop = server->loop;
    ZM_ASSERT_OK(policy_create(&server->policy, &options, zm_test_pool()));
    (void)apr_socket_close(client->socket);
    client_again(client, address);
    return client;
}

static client_t *client_with(const char *source, const char *config, const char *address)
{
    return client_of(compile(source), config, address);
}

static void done(client_t *client)
{
    client_done(client);
    zm_dns_destroy(client->server.dns);
    fake_dns_stop(dns);
}

static const char *mail_from(client_t *client, const char *sender)
{
    (void)say(client, "RSET\r\n");
    return reply_to(client, apr_pstrcat(zm_test_pool(), "MAIL FROM:<", sender, ">\r\n", NULL));
}

static const char *rcpt_to(client_t *client, const char *recipient)
{
    return reply_to(client, apr_pstrcat(zm_test_pool(), "RCPT TO:<", recipient, ">\r\n", NULL));
}

/* -- clients ------------------------------------------------------------------------------ */

static void strangers_reach_what_the_rules_name(void)
{
    client_t *client = client_with(stock, "", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@far.test"), "250 2.1.0");
    ASSERT_HAS(rcpt_to(client, "bob@local.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@backup.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "550 5.7.1 [192.0.2.9] rcpt=<x@far.test>: relaying");
    ASSERT_HAS(rcpt_to(client, "x@sub.local.test"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "x%far.test@local.test"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "far.test!x@local.test"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "x%backup.test@local.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x%far.test%local.test@local.test"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "postmaster"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "postmaster@far.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "bob"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "x@[192.0.2.1]"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@[192.0.2.99]"), "550 5.7.1");
    done(client);
}

static void customers_reach_domains_that_exist(void)
{
    client_t *client = client_with(stock, "", "192.0.2.130");
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@local.test"), "250 2.1.0");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@bare.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@nosuch.test"), "550 5.1.2");
    ASSERT_HAS(rcpt_to(client, "x@null.test"), "550 5.1.10");
    ASSERT_HAS(rcpt_to(client, "x@inside.test"), "451 4.4.3");
    done(client);
}

static void customers_need_not_say_who_they_are_with_msa_mode(void)
{
    client_t *client = client_with(stock, "PARAM MSA-mode", "192.0.2.130");
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@local.test"), "250 2.1.0");
    done(client);
    client = client_with(stock, "PARAM MSA-mode", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@local.test"), "530 5.7.0");
    done(client);
}

static void networks_can_be_refused(void)
{
    client_t *client =
        client_with("[192.0.2.0]/24 message \"go away\" rejectnet +\n", "", STRANGER);
    ASSERT_HAS(reply_to(client, ""), "554 5.7.1 Hello [192.0.2.9]; go away\r\n");
    ASSERT_HAS(say(client, "EHLO peer.test\r\n"), "550 5.7.1");
    ASSERT_HAS(say(client, "QUIT\r\n"), "221");
    done(client);
    client = client_with("[192.0.2.0]/24 maxsameipsource 0\n", "", STRANGER);
    ASSERT_HAS(reply_to(client, ""), "554 5.7.1");
    done(client);
}

static void a_database_that_is_not_there_takes_nobody_in(void)
{
    client_t *client = client_of("/nonexistent/rules", "", STRANGER);
    ASSERT_HAS(reply_to(client, ""), "421 4.3.5");
    done(client);
}

static void greetings_can_be_refused(void)
{
    client_t *client = client_with(
        apr_pstrcat(zm_test_pool(), stock, ".evil.test message \"not you\" rejectnet +\n", NULL),
        "", STRANGER);
    ASSERT_HAS(reply_to(client, "EHLO x.evil.test\r\n"), "250 HELP");
    ASSERT_HAS(mail_from(client, "a@far.test"),
               "550 5.7.1 [192.0.2.9] mail from=<a@far.test>: not you");
    done(client);
}

static void names_of_clients_count_when_they_are_their_own(void)
{
    const char *rules = apr_pstrcat(zm_test_pool(), stock,
                                    ".isp.test message \"send through your provider\" rejectnet +\n"
                                    ".friend.test relaycustnet + relaytarget -\n",
                                    NULL);
    client_t *client = client_with(rules, "", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "bob@local.test"), "send through your provider");
    ASSERT_HAS(mail_from(client, "a@far.test"), "550 5.7.1");
    done(client);
    client = client_with(rules, "", "192.0.2.10");
    (void)reply_to(client, "EHLO peer.test\r\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "250 2.1.5");
    done(client);
    client = client_with(rules, "", "192.0.2.11"); /* says that it is that friend */
    (void)reply_to(client, "EHLO peer.test\r\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "550 5.7.1");
    done(client);
}

static void clients_may_have_limits_of_their_own(void)
{
    client_t *client = client_with(
        apr_pstrcat(zm_test_pool(), stock, "[192.0.2.9]/32 maxinsize 20 trustrecipients +\n", NULL),
        "PARAM maxsize 1000", STRANGER);
    ASSERT_HAS(reply_to(client, "EHLO peer.test\r\n"), "250-SIZE 20\r\n");
    ASSERT_HAS(reply_to(client, "MAIL FROM:<a@far.test> SIZE=21\r\n"), "552 5.3.4");
    ASSERT_HAS(mail_from(client, "a@far.test"), "250");
    ASSERT_HAS(rcpt_to(client, "x@nosuch.test"), "250 2.1.5");
    (void)say(client, "DATA\r\n");
    ASSERT_HAS(reply_to(client, "0123456789\r\n0123456789\r\n.\r\n"), "552 5.3.4");
    done(client);
}

static const char *letter_of(client_t *client, int recipients)
{
    const char *got = mail_from(client, "");
    if (strncmp(got, "250", 3) != 0)
        return got;
    while (recipients-- > 0) {
        got = rcpt_to(client, "bob@local.test");
        if (strncmp(got, "250", 3) != 0)
            return got;
    }
    (void)say(client, "DATA\r\n");
    return reply_to(client, ".\r\n");
}

static void customers_have_limits_within_the_hour(void)
{
    client_t *client =
        client_with("local.test relaytarget +\n[192.0.2.0]/28 relaycustnet + ratelimitmsgs 3,4\n"
                    "[192.0.2.128]/28 relaycustnet + ratelimitmsgs -1\n",
                    "", STRANGER);
    client->server.rates = apr_pcalloc(zm_test_pool(), sizeof *client->server.rates);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(letter_of(client, 1), "250 2.0.0");
    ASSERT_HAS(letter_of(client, 4), "451 4.7.1 [192.0.2.9] rcpt=<bob@local.test>: too much mail");
    ASSERT_HAS(letter_of(client, 1), "250 2.0.0");
    ASSERT_HAS(letter_of(client, 1), "250 2.0.0");
    ASSERT_HAS(letter_of(client, 1), "451 4.7.1 [192.0.2.9] mail from=<>: too much mail");
    (void)say(client, "QUIT\r\n");
    (void)hang_up(client);
    client_again(client, "192.0.2.10"); /* another address */
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(letter_of(client, 1), "250 2.0.0");
    (void)hang_up(client);
    client_again(client, "192.0.2.130");
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(letter_of(client, 1), "250 2.0.0");
    ASSERT_HAS(letter_of(client, 1), "550 5.7.1");
    (void)hang_up(client);
    zm_clock_advance(apr_time_from_sec(3600));
    client_again(client, STRANGER); /* an hour later */
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(letter_of(client, 1), "250 2.0.0");
    done(client);
}

/* -- lists in DNS -------------------------------------------------------------------------- */

static const char *banner(const char *rules, const char *address)
{
    client_t *client =
        client_with(apr_pstrcat(zm_test_pool(), ". relaytarget +\n", rules, NULL), "", address);
    const char *got = reply_to(client, "");
    done(client);
    return got;
}

static void clients_on_a_list_are_refused(void)
{
    ASSERT_HAS(banner("[0.0.0.0]/0 test-dns-rbl bad.zone.test\n", STRANGER),
               "554 5.7.1 Hello [192.0.2.9]; seen sending junk\r\n");
    ASSERT_HAS(banner("[0.0.0.0]/0 test-dns-rbl bad.zone.test\n", "2001:db8::1"),
               "your address is on the list bad.zone.test");
    ASSERT_HAS(banner("[0.0.0.0]/0 test-dns-rbl +:none.zone.test:gone.zone.test:dumb.zone.test\n",
                      STRANGER),
               "your address is on the list dumb.zone.test");
    ASSERT_HAS(banner("[0.0.0.0]/0 message \"not you\" test-dns-rbl dumb.zone.test\n", STRANGER),
               "554 5.7.1 Hello [192.0.2.9]; not you\r\n");
    ASSERT_HAS(banner("[0.0.0.0]/0 test-dns-rbl gone.zone.test:none.zone.test\n", STRANGER),
               "220 ");
    ASSERT_HAS(banner("[0.0.0.0]/0 test-dns-rbl -\n", STRANGER), "220 ");
    ASSERT_HAS(banner("[192.0.2.0]/24 relaycustnet + test-dns-rbl bad.zone.test\n", STRANGER),
               "220 ");
    ASSERT_HAS(banner("[0.0.0.0]/0 test-dns-rbl bad.zone.test\n", "192.0.2.10"), "220 ");
}

static void recipients_choose_whether_lists_count(void)
{
    static const char *const rules[] = {"[0.0.0.0]/0 rcpt-dns-rbl none.zone.test:bad.zone.test\n",
                                        "[0.0.0.0]/0 rcpt-dns-rbl \"_seen sending junk\"\n",
                                        ".isp.test rcpt-dns-rbl \"_seen sending junk\"\n"};
    apr_size_t i;
    for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        client_t *client =
            client_with(apr_pstrcat(zm_test_pool(), rules[i],
                                    ". relaytarget +\nstrict.test test-rcpt-dns-rbl + "
                                    "relaytarget +\njoe@ test-rcpt-dns-rbl +\n",
                                    NULL),
                        "", STRANGER);
        ASSERT_HAS(reply_to(client, ""), "220 ");
        (void)reply_to(client, "EHLO peer.test\r\n");
        ASSERT_HAS(mail_from(client, "a@far.test"), "250");
        ASSERT_HAS(rcpt_to(client, "x@far.test"), "250 2.1.5");
        ASSERT_HAS(rcpt_to(client, "x@strict.test"), "550 5.7.1 [192.0.2.9] rcpt=<x@strict.test>: "
                                                     "seen sending junk");
        ASSERT_HAS(rcpt_to(client, "joe@far.test"), "seen sending junk");
        done(client);
    }
}

/* And what the others say counts. */
static void lists_that_do_not_answer_keep_nobody_waiting(void)
{
    static const char *const rules[][2] = {
        {"[0.0.0.0]/0 test-dns-rbl silent.zone.test\n", "220 "},
        {"[0.0.0.0]/0 rcpt-dns-rbl silent.zone.test\n", "220 "},
        {"[0.0.0.0]/0 test-dns-rbl dead.silent.zone.test:none.zone.test:bad.silent.zone.test\n",
         "your address is on the list bad.silent.zone.test"}};
    apr_size_t i;
    for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        client_t *client = client_with(rules[i][0], "", STRANGER);
        CU_ASSERT_FALSE(has(reply_to(client, ""), rules[i][1]));
        ASSERT_HAS(later(client, 6), rules[i][1]);
        done(client);
    }
}

static void a_client_that_leaves_while_lists_are_asked_does_no_harm(void)
{
    client_t *client = client_with("[0.0.0.0]/0 test-dns-rbl silent.zone.test\n", "", STRANGER);
    (void)hang_up(client);
    (void)later(client, 60);
    CU_ASSERT_EQUAL(client->server.open, 0);
    done(client);
}

/* -- senders ------------------------------------------------------------------------------- */

static void senders_can_be_refused(void)
{
    client_t *client = client_with(
        apr_pstrcat(zm_test_pool(), stock,
                    "bad@far.test message \"not from you\" rejectsource +\n"
                    "spam.test rejectsource + relaytarget -\nfriend@spam.test rejectsource -\n",
                    NULL),
        "", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "Bad@FAR.test"), "not from you");
    ASSERT_HAS(say(client, "RCPT TO:<bob@local.test>\r\n"), "550 5.7.1");
    ASSERT_HAS(mail_from(client, "x@spam.test"), "550 5.7.1");
    ASSERT_HAS(mail_from(client, "friend@spam.test"), "250 2.1.0");
    ASSERT_HAS(mail_from(client, "nobody"), "550 5.7.1");
    ASSERT_HAS(mail_from(client, ""), "250 2.1.0");
    ASSERT_HAS(mail_from(client, "a@nosuch.test"), "550 5.1.8");
    ASSERT_HAS(mail_from(client, "a@null.test"), "550 5.7.27");
    ASSERT_HAS(mail_from(client, "a@inside.test"), "451 4.1.8");
    ASSERT_HAS(mail_from(client, "a@[192.0.2.9]"), "250 2.1.0");
    ASSERT_HAS(mail_from(client, "a@bare.test"), "250 2.1.0");
    done(client);
}

#define SPF "[0.0.0.0]/0 spf +\n[192.0.2.128]/25 relaycustnet + spf +\n. relaytarget +\n"

static void domains_say_who_may_send_in_their_name(void)
{
    client_t *client = client_with(SPF, "PARAM spf-received", STRANGER);
    (void)reply_to(client, "EHLO yours.test\r\n");
    ASSERT_HAS(mail_from(client, "a@yours.test"),
               "550 5.7.23 [192.0.2.9] mail from=<a@yours.test>:");
    ASSERT_HAS(mail_from(client, ""), "550 5.7.23");
    ASSERT_HAS(mail_from(client, "a@why.test"),
               "(SPF); it explains: 192.0.2.9 is none of why.test");
    ASSERT_HAS(mail_from(client, "a@nosuch.test"), "250 2.1.0");
    ASSERT_HAS(mail_from(client, "a@soft.test"), "250 2.1.0");
    ASSERT_HAS(mail_from(client, "a@mine.test"), "250 2.1.0");
    ASSERT_HAS(rcpt_to(client, "bob@local.test"), "250");
    (void)say(client, "DATA\r\n");
    ASSERT_HAS(reply_to(client, "A: b\r\n\r\n.\r\n"), "250 2.0.0");
    ASSERT_HAS(
        fake_spool.messages[0],
        "env-end\nReceived-SPF: pass (mx.local.test: sender and client) "
        "client-ip=192.0.2.9;\n\tenvelope-from=\"a@mine.test\"; helo=\"yours.test\"\nA: b\n");
    done(client);
    client = client_with(SPF, "PARAM spf-threshold none", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@soft.test"), "550 5.7.23");
    ASSERT_HAS(mail_from(client, "a@nosuch.test"), "250 2.1.0");
    done(client);
    client = client_with(SPF, "PARAM spf-threshold fail", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@yours.test"), "250 2.1.0");
    done(client);
    client = client_with(SPF, "", "192.0.2.130");
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@yours.test"), "250 2.1.0");
    done(client);
}

static void spf_that_gets_no_answer_keeps_nobody_waiting(void)
{
    client_t *client = client_with(SPF, "PARAM spf-threshold pass", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ZM_ASSERT_STR(mail_from(client, "a@dead.silent.test"), "");
    ASSERT_HAS(later(client, 21), "250 2.1.0");
    done(client);
    client = client_with(SPF, "", STRANGER); /* the result stands, the explanation lacks */
    (void)reply_to(client, "EHLO peer.test\r\n");
    ZM_ASSERT_STR(mail_from(client, "a@slow.test"), "");
    ASSERT_HAS(later(client, 21), "550 5.7.23");
    done(client);
}

static void messages_can_be_set_aside(void)
{
    client_t *client =
        client_with(apr_pstrcat(zm_test_pool(), stock,
                                "odd.test freezesource +\ntrap@local.test freeze +\n", NULL),
                    "", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    ASSERT_HAS(mail_from(client, "a@odd.test"), "250 2.1.0");
    ASSERT_HAS(rcpt_to(client, "bob@local.test"), "250 2.1.5");
    (void)say(client, "DATA\r\n");
    ASSERT_HAS(reply_to(client, ".\r\n"), "250 2.0.0 Message accepted");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    ASSERT_HAS(fake_spool.messages[0], "\ncomment policy: set aside\nenv-end\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "bob@local.test"), "250 2.1.5");
    (void)say(client, "DATA\r\n");
    ASSERT_HAS(reply_to(client, ".\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.frozen, 1);
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "trap@local.test"), "250 2.1.5");
    (void)say(client, "DATA\r\n");
    ASSERT_HAS(reply_to(client, ".\r\n"), "250 2.0.0");
    CU_ASSERT_EQUAL(fake_spool.frozen, 2);
    done(client);
}

/* -- recipients ---------------------------------------------------------------------------- */

static void backups_may_be_found_by_their_exchangers(void)
{
    client_t *client = client_with(". acceptifmx -\nsneak.test sendernorelay +\n", "", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "x@customer.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "550 5.7.1 [192.0.2.9] rcpt=<x@far.test>: relaying "
                                              "denied: this host is no exchanger");
    ASSERT_HAS(rcpt_to(client, "x@bare.test"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "x@mx.local.test"), "250 2.1.5");
    ASSERT_HAS(rcpt_to(client, "x@nosuch.test"), "550 5.1.2");
    done(client);
}

static void what_no_rule_covers_is_refused(void)
{
    client_t *client = client_with("local.test relaytarget +\n", "", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "550 5.7.1");
    ASSERT_HAS(rcpt_to(client, "x@local.test"), "250 2.1.5");
    done(client);
    client = client_with("local.test relaytarget +\n", "PARAM policy-default accept", STRANGER);
    (void)reply_to(client, "EHLO peer.test\r\n");
    (void)mail_from(client, "a@far.test");
    ASSERT_HAS(rcpt_to(client, "x@far.test"), "250 2.1.5");
    done(client);
}

static void a_client_that_leaves_during_a_question_does_no_harm(void)
{
    client_t *client = client_with(stock, "", STRANGER);
    (void)say(client, "EHLO peer.test\r\nMAIL FROM:<a@far.test>\r\n");
    (void)hang_up(client);
    (void)later(client, 20);
    CU_ASSERT_EQUAL(client->server.open, 0);
    done(client);
}

ZM_TESTS("smtpserver rules", ZM_TEST(strangers_reach_what_the_rules_name),
         ZM_TEST(customers_reach_domains_that_exist),
         ZM_TEST(customers_need_not_say_who_they_are_with_msa_mode),
         ZM_TEST(networks_can_be_refused), ZM_TEST(a_database_that_is_not_there_takes_nobody_in),
         ZM_TEST(greetings_can_be_refused), ZM_TEST(names_of_clients_count_when_they_are_their_own),
         ZM_TEST(clients_may_have_limits_of_their_own),
         ZM_TEST(customers_have_limits_within_the_hour), ZM_TEST(clients_on_a_list_are_refused),
         ZM_TEST(recipients_choose_whether_lists_count),
         ZM_TEST(lists_that_do_not_answer_keep_nobody_waiting),
         ZM_TEST(spf_that_gets_no_answer_keeps_nobody_waiting),
         ZM_TEST(a_client_that_leaves_while_lists_are_asked_does_no_harm),
         ZM_TEST(senders_can_be_refused), ZM_TEST(messages_can_be_set_aside),
         ZM_TEST(domains_say_who_may_send_in_their_name),
         ZM_TEST(backups_may_be_found_by_their_exchangers), ZM_TEST(what_no_rule_covers_is_refused),
         ZM_TEST(a_client_that_leaves_during_a_question_does_no_harm))
