#include "mta/net/dns.h"

#include <apr_strings.h>

#include "mta/net/dns_trust.h"
#include "platform/clock.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/mta/net/net_help.h"

static const fake_record_t zone[] = {
    {"host.test", ZM_DNS_A, 300, "192.0.2.1"},
    {"host.test", ZM_DNS_A, 60, "192.0.2.2"},
    {"host.test", ZM_DNS_AAAA, 300, "2001:db8::1"},
    {"1.2.0.192.in-addr.arpa", ZM_DNS_PTR, 300, "host.test"},
    {"text.test", ZM_DNS_TXT, 300, "v=spf1 |ip4:192.0.2.0/24| -all"},
    {"mail.test", ZM_DNS_MX, 300, "20 late.test"},
    {"mail.test", ZM_DNS_MX, 300, "10 a.test"},
    {"mail.test", ZM_DNS_MX, 300, "10 b.test"},
    {"mail.test", ZM_DNS_MX, 300, "10 c.test"},
    {"none.test", ZM_DNS_MX, 300, "0 "},
    {"odd.test", ZM_DNS_MX, 300, "0 "},
    {"odd.test", ZM_DNS_MX, 300, "5 real.test"},
    {"alias.test", ZM_DNS_CNAME, 30, "middle.test"},
    {"middle.test", ZM_DNS_CNAME, 300, "end.test"},
    {"end.test", ZM_DNS_A, 300, "192.0.2.9"},
    {"away.test", ZM_DNS_CNAME, 20, "apart.test"},
    {"apart.test", ZM_DNS_A, 300, "192.0.2.10"},
    {"ring1.test", ZM_DNS_CNAME, 300, "apart2.test"},
    {"apart2.test", ZM_DNS_CNAME, 300, "apart3.test"},
    {"apart3.test", ZM_DNS_CNAME, 300, "apart2.test"},
    {"truncate.test", ZM_DNS_A, 300, "192.0.2.77"},
    {"short.test", ZM_DNS_A, 0, "192.0.2.5"},
    {"host.signed.test", ZM_DNS_A, 300, "192.0.2.20"},
    {"to.signed.test", ZM_DNS_CNAME, 300, "host.test"},
    {"away.signed.test", ZM_DNS_CNAME, 300, "apart.test"},
    {"_25._tcp.host.signed.test", ZM_DNS_TLSA, 300, "3 1 1 00ff10"},
    {"_26._tcp.host.signed.test", ZM_DNS_TLSA, 300, "3 1 1"},
    {"away2.test", ZM_DNS_CNAME, 300, "apart.signed.test"},
    {"apart.signed.test", ZM_DNS_A, 300, "192.0.2.21"},
    {NULL, ZM_DNS_A, 0, NULL}};

typedef struct asker_t {
    zm_loop_t *loop;
    fake_dns_t *server;
    zm_dns_t *dns;
    zm_dns_answer_t answer; /* the last one */
    int count;
} asker_t;

static void on_answer(const zm_dns_answer_t *answer, void *baton)
{
    asker_t *asker = baton;
    asker->answer = *answer;
    asker->count++;
}

static asker_t *start_with(const zm_dns_options_t *given)
{
    asker_t *asker = apr_pcalloc(zm_test_pool(), sizeof *asker);
    zm_dns_options_t options = *given;
    asker->loop = net_loop();
    asker->server = fake_dns_start(asker->loop, zone, zm_test_pool());
    options.servers = fake_dns_address(asker->server);
    ZM_ASSERT_OK(zm_dns_create(&asker->dns, asker->loop, &options, NULL));
    return asker;
}

static asker_t *start(void)
{
    return start_with(&(zm_dns_options_t){.timeout = apr_time_from_sec(5)});
}

/* For servers that do not answer: these tests wait for the real clock of the resolver library. */
static asker_t *start_impatient(void)
{
    return start_with(&(zm_dns_options_t){.timeout = apr_time_from_msec(20), .tries = 1});
}

static void stop(asker_t *asker)
{
    zm_dns_destroy(asker->dns);
    fake_dns_stop(asker->server);
}

static const zm_dns_answer_t *ask(asker_t *asker, zm_dns_type_t type, const char *name)
{
    asker->count = 0;
    zm_dns_ask(NULL, asker->dns, type, zm_str(name), on_answer, asker, zm_test_pool());
    CU_ASSERT_EQUAL(asker->count, 0);
    net_run_until(asker->loop, &asker->count);
    return &asker->answer;
}

/* The whole answer in one readable line. */
static const char *show(const zm_dns_answer_t *answer)
{
    const char *text = zm_dns_outcome_name(answer->outcome);
    int i;
    for (i = 0; i < answer->count; i++) {
        const zm_dns_record_t *r = &answer->records[i];
        char ip[ZM_IP_TEXT];
        if (answer->type == ZM_DNS_A || answer->type == ZM_DNS_AAAA)
            text = apr_pstrcat(zm_test_pool(), text, " ", zm_ip_print(&r->ip, ip), NULL);
        else if (answer->type == ZM_DNS_TXT)
            text = apr_pstrcat(zm_test_pool(), text, " ", r->text.data, NULL);
        else if (answer->type == ZM_DNS_MX)
            text = apr_psprintf(zm_test_pool(), "%s %d:%s", text, r->preference, r->host);
        else
            text = apr_pstrcat(zm_test_pool(), text, " ", r->host, NULL);
    }
    return text;
}

static void each_type_is_found(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "host.test")), "found 192.0.2.1 192.0.2.2");
    CU_ASSERT_EQUAL(asker->answer.ttl, 60);
    CU_ASSERT_EQUAL(asker->answer.records[0].ttl, 300);
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_AAAA, "HOST.test.")), "found 2001:db8::1");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_PTR, "1.2.0.192.in-addr.arpa")), "found host.test");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_TXT, "text.test")), "found v=spf1 ip4:192.0.2.0/24 -all");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_CNAME, "alias.test")), "found middle.test");
    stop(asker);
}

static void absence_of_name_and_of_data_differ(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "nowhere.test")), "no such name");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_MX, "host.test")), "no data");
    stop(asker);
}

static void what_is_no_name_does_not_exist_and_is_not_asked(void)
{
    static const char *const bad[] = {
        "",
        ".",
        "a..b",
        ".a",
        "a b.test",
        "a\\.test",
        "\001.test",
        "\303\244.test",
        "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.test"};
    asker_t *asker = start();
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, bad[i])), "no such name");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 0);
    stop(asker);
}

static void exchangers_come_by_preference_and_equals_at_random(void)
{
    asker_t *asker = start();
    int i, b_first = 0, rounds = 64;
    for (i = 0; i < rounds; i++) {
        const zm_dns_answer_t *answer = ask(asker, ZM_DNS_MX, "mail.test");
        CU_ASSERT_EQUAL(answer->count, 4);
        ZM_ASSERT_STR(answer->records[3].host, "late.test");
        b_first += strcmp(answer->records[0].host, "b.test") == 0;
    }
    CU_ASSERT_TRUE(b_first > 0 && b_first < rounds); /* wrong once in 10^11 runs */
    stop(asker);
}

static void null_exchanger_says_that_no_mail_is_taken(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_MX, "none.test")), "no data");
    CU_ASSERT_TRUE(asker->answer.null_mx);
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_MX, "odd.test")), "found 5:real.test");
    CU_ASSERT_FALSE(asker->answer.null_mx);
    stop(asker);
}

static void aliases_are_followed_and_shorten_the_time(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "alias.test")), "found 192.0.2.9");
    ZM_ASSERT_STR(asker->answer.name, "alias.test");
    ZM_ASSERT_STR(asker->answer.canonical, "end.test");
    CU_ASSERT_EQUAL(asker->answer.ttl, 30);
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "away.test")), "found 192.0.2.10");
    ZM_ASSERT_STR(asker->answer.canonical, "apart.test");
    CU_ASSERT_EQUAL(asker->answer.ttl, 20);
    stop(asker);
}

static void ring_of_aliases_ends(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "ring1.test")), "no such name");
    CU_ASSERT_TRUE(asker->answer.alias_loop);
    stop(asker);
}

static void localhost_is_known_here(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "localhost")), "found 127.0.0.1");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_AAAA, "x.localhost")), "found ::1");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_MX, "localhost")), "no data");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 0);
    stop(asker);
}

/* -- hostile and broken servers ------------------------------------------------- */

static void truncated_reply_is_asked_again_over_tcp(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "truncate.test")), "found 192.0.2.77");
    CU_ASSERT_EQUAL(fake_dns_tcp_count(asker->server), 1);
    stop(asker);
}

static void refusals_and_failures_are_temporary(void)
{
    asker_t *asker = start();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "servfail.test")), "temporary failure");
    CU_ASSERT_PTR_NOT_NULL(asker->answer.reason);
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "refused.test")), "temporary failure");
    stop(asker);
}

static void unreadable_replies_are_temporary_and_not_remembered(void)
{
    static const char *const names[] = {"garbage.test", "badcount.test", "badpointer.test"};
    asker_t *asker = start();
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        int before = fake_dns_udp_count(asker->server);
        ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, names[i])), "temporary failure");
        ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, names[i])), "temporary failure");
        CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), before + 2);
    }
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_MX, "badlength.test")), "temporary failure");
    stop(asker);
}

static void silent_server_and_wrong_id_time_out(void)
{
    asker_t *asker = start_impatient();
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "silent.test")), "temporary failure");
    ZM_ASSERT_STR(asker->answer.reason, "timeout");
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "wrongid.test")), "temporary failure");
    stop(asker);
}

/* -- sharing and remembering ----------------------------------------------------- */

static void equal_questions_share_one_exchange(void)
{
    asker_t *asker = start();
    int i;
    for (i = 0; i < 10; i++)
        zm_dns_ask(NULL, asker->dns, ZM_DNS_A, zm_str(i % 2 != 0 ? "host.test" : "Host.Test"),
                   on_answer, asker, zm_test_pool());
    while (asker->count < 10)
        zm_loop_once(asker->loop, apr_time_from_msec(50));
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 1);
    ZM_ASSERT_STR(show(&asker->answer), "found 192.0.2.1 192.0.2.2");
    stop(asker);
}

static void answers_are_remembered_until_their_time_is_over(void)
{
    asker_t *asker = start();
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    ask(asker, ZM_DNS_A, "host.test");
    zm_clock_advance(apr_time_from_sec(59));
    ask(asker, ZM_DNS_A, "host.test");
    CU_ASSERT_EQUAL(asker->answer.ttl, 1);
    CU_ASSERT_EQUAL(asker->answer.records[0].ttl, 241);
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 1);
    zm_clock_advance(apr_time_from_sec(1));
    ask(asker, ZM_DNS_A, "host.test");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 2);
    zm_clock_thaw();
    stop(asker);
}

static void absence_is_remembered_as_its_zone_says(void)
{
    asker_t *asker = start();
    ask(asker, ZM_DNS_A, "nowhere.test");
    ask(asker, ZM_DNS_A, "nowhere.test");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 2); /* it did not say */
    fake_dns_negative_ttl(asker->server, 100);
    ask(asker, ZM_DNS_A, "nowhere.test");
    CU_ASSERT_EQUAL(asker->answer.ttl, 100);
    ZM_ASSERT_STR(show(ask(asker, ZM_DNS_A, "nowhere.test")), "no such name");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 3);
    stop(asker);
}

static void answer_without_time_to_live_is_not_remembered(void)
{
    asker_t *asker = start();
    ask(asker, ZM_DNS_A, "short.test");
    ask(asker, ZM_DNS_A, "short.test");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 2);
    stop(asker);
}

static void longest_unused_answer_makes_room(void)
{
    asker_t *asker =
        start_with(&(zm_dns_options_t){.timeout = apr_time_from_sec(5), .cache_entries = 2});
    ask(asker, ZM_DNS_A, "host.test");
    ask(asker, ZM_DNS_A, "end.test");
    ask(asker, ZM_DNS_A, "host.test");
    ask(asker, ZM_DNS_A, "apart.test"); /* end.test goes */
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 3);
    ask(asker, ZM_DNS_A, "host.test");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 3);
    ask(asker, ZM_DNS_A, "end.test");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 4);
    zm_dns_flush(asker->dns);
    ask(asker, ZM_DNS_A, "end.test");
    CU_ASSERT_EQUAL(fake_dns_udp_count(asker->server), 5);
    stop(asker);
}

/* -- giving up -------------------------------------------------------------------- */

static void cancelled_query_is_not_heard_of(void)
{
    asker_t *asker = start();
    zm_dns_query_t *query, *early;
    zm_dns_ask(&query, asker->dns, ZM_DNS_A, zm_str("host.test"), on_answer, asker, zm_test_pool());
    zm_dns_ask(&early, asker->dns, ZM_DNS_A, zm_str("localhost"), on_answer, asker, zm_test_pool());
    zm_dns_cancel(query);
    zm_dns_cancel(early);
    ask(asker, ZM_DNS_AAAA, "host.test");
    CU_ASSERT_EQUAL(asker->count, 1);
    stop(asker);
}

static void clearing_the_pool_cancels(void)
{
    asker_t *asker = start();
    apr_pool_t *pool;
    apr_pool_create(&pool, zm_test_pool());
    zm_dns_ask(NULL, asker->dns, ZM_DNS_A, zm_str("host.test"), on_answer, asker, pool);
    apr_pool_destroy(pool);
    ask(asker, ZM_DNS_AAAA, "host.test");
    CU_ASSERT_EQUAL(asker->count, 1);
    stop(asker);
}

static void resolver_may_end_with_queries_outstanding(void)
{
    asker_t *asker = start();
    zm_dns_ask(NULL, asker->dns, ZM_DNS_A, zm_str("silent.test"), on_answer, asker, zm_test_pool());
    zm_dns_ask(NULL, asker->dns, ZM_DNS_A, zm_str("localhost"), on_answer, asker, zm_test_pool());
    stop(asker);
    CU_ASSERT_EQUAL(asker->count, 0);
}

static void bad_server_list_is_named(void)
{
    static const char *const bad[] = {"", "127.0.0.1,", "ns.test", "1.2.3.4:x", "*:53"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zm_dns_options_t options = {.servers = bad[i]};
        zm_error_t error;
        zm_dns_t *dns;
        CU_ASSERT_EQUAL(zm_dns_create(&dns, net_loop(), &options, &error), ZM_E_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "list of name servers"));
    }
}

/* -- what is proved ---------------------------------------------------------------- */

static void what_is_proved_is_told_to_who_asks(void)
{
    asker_t *asker =
        start_with(&(zm_dns_options_t){.timeout = apr_time_from_sec(5), .dnssec = true});
    CU_ASSERT_TRUE(zm_dns_trusted(asker->dns));
    CU_ASSERT_TRUE(ask(asker, ZM_DNS_A, "host.signed.test")->secure);
    ZM_ASSERT_STR(show(&asker->answer), "found 192.0.2.20");
    CU_ASSERT_TRUE(ask(asker, ZM_DNS_A, "host.signed.test")->secure); /* remembered */
    CU_ASSERT_TRUE(ask(asker, ZM_DNS_AAAA, "host.signed.test")->secure);
    CU_ASSERT_EQUAL(asker->answer.outcome, ZM_DNS_NO_DATA);
    CU_ASSERT_TRUE(ask(asker, ZM_DNS_A, "nobody.signed.test")->secure);
    CU_ASSERT_EQUAL(asker->answer.outcome, ZM_DNS_NO_NAME);
    CU_ASSERT_FALSE(ask(asker, ZM_DNS_A, "host.test")->secure);
    CU_ASSERT_FALSE(ask(asker, ZM_DNS_A, "servfail.signed.test")->secure);
    CU_ASSERT_FALSE(ask(asker, ZM_DNS_A, "localhost")->secure);
    stop(asker);
}

static void what_aliases_lead_to_is_proved_as_far_as_each_of_them(void)
{
    asker_t *asker =
        start_with(&(zm_dns_options_t){.timeout = apr_time_from_sec(5), .dnssec = true});
    CU_ASSERT_FALSE(ask(asker, ZM_DNS_A, "away.signed.test")->secure);
    ZM_ASSERT_STR(show(&asker->answer), "found 192.0.2.10");
    CU_ASSERT_TRUE(ask(asker, ZM_DNS_CNAME, "away.signed.test")->secure);
    CU_ASSERT_FALSE(ask(asker, ZM_DNS_A, "away2.test")->secure);
    ZM_ASSERT_STR(show(&asker->answer), "found 192.0.2.21");
    stop(asker);
}

static void nothing_is_proved_to_who_does_not_ask(void)
{
    asker_t *asker = start();
    CU_ASSERT_FALSE(zm_dns_trusted(asker->dns));
    CU_ASSERT_FALSE(ask(asker, ZM_DNS_A, "host.signed.test")->secure);
    stop(asker);
}

static void records_of_certificates_come_as_they_are(void)
{
    asker_t *asker =
        start_with(&(zm_dns_options_t){.timeout = apr_time_from_sec(5), .dnssec = true});
    const zm_dns_answer_t *answer = ask(asker, ZM_DNS_TLSA, "_25._tcp.host.signed.test");
    CU_ASSERT_EQUAL(answer->outcome, ZM_DNS_FOUND);
    CU_ASSERT_TRUE(zm_str_equal(answer->records[0].text, zm_str_of("\3\1\1\0\377\20", 6)));
    ask(asker, ZM_DNS_TLSA, "_26._tcp.host.signed.test"); /* without data */
    CU_ASSERT_EQUAL(asker->answer.outcome, ZM_DNS_TEMPORARY);
    stop(asker);
}

static void system_may_vouch_for_its_servers(void)
{
    CU_ASSERT_TRUE(zm_dns_text_trusts(
        zm_str("nameserver 192.0.2.1\noptions edns0 trust-ad\noptions timeout:1\n")));
    CU_ASSERT_FALSE(zm_dns_text_trusts(zm_str("# options trust-ad\noptions edns0\n")));
    CU_ASSERT_FALSE(zm_dns_text_trusts(zm_str("options no-trust-ad trust-adx\n")));
    CU_ASSERT_FALSE(zm_dns_text_trusts(zm_str("")));
}

ZM_TESTS("net dns", ZM_TEST(each_type_is_found), ZM_TEST(absence_of_name_and_of_data_differ),
         ZM_TEST(what_is_no_name_does_not_exist_and_is_not_asked),
         ZM_TEST(exchangers_come_by_preference_and_equals_at_random),
         ZM_TEST(null_exchanger_says_that_no_mail_is_taken),
         ZM_TEST(aliases_are_followed_and_shorten_the_time), ZM_TEST(ring_of_aliases_ends),
         ZM_TEST(localhost_is_known_here), ZM_TEST(truncated_reply_is_asked_again_over_tcp),
         ZM_TEST(refusals_and_failures_are_temporary),
         ZM_TEST(unreadable_replies_are_temporary_and_not_remembered),
         ZM_TEST(silent_server_and_wrong_id_time_out), ZM_TEST(equal_questions_share_one_exchange),
         ZM_TEST(answers_are_remembered_until_their_time_is_over),
         ZM_TEST(absence_is_remembered_as_its_zone_says),
         ZM_TEST(answer_without_time_to_live_is_not_remembered),
         ZM_TEST(longest_unused_answer_makes_room), ZM_TEST(cancelled_query_is_not_heard_of),
         ZM_TEST(clearing_the_pool_cancels), ZM_TEST(resolver_may_end_with_queries_outstanding),
         ZM_TEST(bad_server_list_is_named), ZM_TEST(what_is_proved_is_told_to_who_asks),
         ZM_TEST(what_aliases_lead_to_is_proved_as_far_as_each_of_them),
         ZM_TEST(nothing_is_proved_to_who_does_not_ask),
         ZM_TEST(records_of_certificates_come_as_they_are),
         ZM_TEST(system_may_vouch_for_its_servers))
