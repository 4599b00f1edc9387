/* SPF: what records say of an address. */
#include "mta/smtpserver/spf.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/mta/net/net_help.h"

#define TXT(name, text)                                                                            \
    {                                                                                              \
        name, ZM_DNS_TXT, 60, text                                                                 \
    }

static const fake_record_t records[] = {
    TXT("all.test", "v=spf1 -all"),
    TXT("soft.test", "v=spf1 ~all"),
    TXT("open.test", "v=spf1"),
    TXT("other.test", "v=spf10 -all"),
    TXT("other.test", "something else"),
    TXT("two.test", "v=spf1 -all"),
    TXT("two.test", "v=spf1 +all"),
    TXT("ip.test", "v=spf1 ip4:192.0.2.128/25 ip4:192.0.2.9 ip6:2001:db8::/32 -all"),
    TXT("a.test", "v=spf1 a -all"),
    {"a.test", ZM_DNS_A, 60, "192.0.2.9"},
    {"a.test", ZM_DNS_AAAA, 60, "2001:db8::9"},
    TXT("anet.test", "v=spf1 a:a.test/24//64 -all"),
    TXT("mx.test", "v=spf1 mx -all"),
    {"mx.test", ZM_DNS_MX, 60, "10 none.test"},
    {"mx.test", ZM_DNS_MX, 60, "20 a.test"},
    TXT("ptr.test", "v=spf1 ptr -all"),
    {"9.2.0.192.in-addr.arpa", ZM_DNS_PTR, 60, "x.ptr.test"},
    {"x.ptr.test", ZM_DNS_A, 60, "192.0.2.9"},
    TXT("in.test", "v=spf1 include:ip.test ?include:soft.test -all"),
    TXT("innone.test", "v=spf1 include:nothing.test -all"),
    TXT("to.test", "v=spf1 redirect=ip.test"),
    TXT("tonone.test", "v=spf1 redirect=nothing.test"),
    TXT("exists.test", "v=spf1 exists:%{ir}.%{l1r-}.%{d2}.list.test -all"),
    {"9.2.0.192.joe.exists.test.list.test", ZM_DNS_A, 60, "127.0.0.2"},
    TXT("loop.test", "v=spf1 include:loop.test -all"),
    TXT("circle.test", "v=spf1 redirect=circle.test"),
    TXT("bad1.test", "v=spf1 -all ip4:1.2.3.4.5"),
    TXT("bad2.test", "v=spf1 +all nonsense"),
    TXT("bad3.test", "v=spf1 a:%{x}.test -all"),
    TXT("bad4.test", "v=spf1 ip4:192.0.2.0/33 -all"),
    TXT("bad5.test", "v=spf1 redirect=a.test redirect=b.test"),
    TXT("bad6.test", "v=spf1 a:test/00 -all"),
    TXT("bad7.test", "v=spf1 include: -all"),
    TXT("void.test", "v=spf1 a:v1.test a:v2.test a:v3.test -all"),
    TXT("mod.test", "v=spf1 exp=why.test new-thing=%{x} -all"),
    TXT("many.test", "v=spf1 a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test "
                     "a:a.test a:a.test a:a.test a:a.test -all"),
    TXT("exp.test", "v=spf1 exp=why.test -all"),
    TXT("why.test", "%{i} may not be %{s}: see http://%{d}/why?from=%{S}&to=%{r}%_%{c}%%"),
    TXT("expto.test", "v=spf1 exp=nothing.test redirect=exp.test"),
    TXT("expin.test", "v=spf1 -include:exppass.test exp=own.test -all"),
    TXT("exppass.test", "v=spf1 +all exp=why.test"),
    TXT("own.test", "in %{d}'s words\r\n250 OK"),
    TXT("expin2.test", "v=spf1 -include:exppass.test exp=plain.test -all"),
    TXT("plain.test", "in %{d}'s words"),
    TXT("exptwo.test", "v=spf1 exp=two.test -all"),
    TXT("expbad.test", "v=spf1 exp=badwhy.test -all"),
    TXT("badwhy.test", "%{x}"),
    TXT("expwhere.test", "v=spf1 exp=%{c}.test -all"),
    TXT("expfails.test", "v=spf1 exp=servfail.test -all"),
    TXT("explong.test", "v=spf1 exp=long.test -all"),
    TXT("long.test", "%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}"),
    TXT("expsoft.test", "v=spf1 exp=why.test ~all"),
    TXT("bad8.test", "v=spf1 exp=a.test exp=b.test"),
    TXT("bad9.test", "v=spf1 exp= -all"),
    TXT("esc.test", "v=spf1 exists:%{L}.esc.test -all"),
    {"a%40b.esc.test", ZM_DNS_A, 60, "127.0.0.2"},
    TXT("fails.test", "v=spf1 a:servfail.test -all"),
    {NULL, ZM_DNS_A, 0, NULL}};

static spf_result_t result, decided;
static const char *explanation;
static int told;

static void on_result(spf_result_t given, zm_str_t text, void *baton)
{
    (void)baton;
    result = given;
    explanation = zm_str_c(zm_test_pool(), text);
    told++;
}

static const char *ask_as(const char *address, const char *local, const char *domain)
{
    zm_loop_t *loop = net_loop();
    fake_dns_t *server = fake_dns_start(loop, records, zm_test_pool());
    zm_dns_options_t options = {.servers = fake_dns_address(server), .tries = 1};
    spf_question_t question = {.local = zm_str(local),
                               .domain = zm_str(domain),
                               .helo = ZM_S("ip.test"),
                               .explain = true,
                               .receiver = ZM_S("mx.here.test"),
                               .decided = &decided};
    zm_error_t error;
    told = 0;
    decided = SPF_TEMPERROR;
    ZM_ASSERT_OK(zm_ip_parse(&question.ip, zm_str(address)));
    ZM_ASSERT_OK(zm_dns_create(&question.dns, loop, &options, &error));
    spf_ask(&question, on_result, NULL, zm_test_pool());
    CU_ASSERT_EQUAL(told, 0);
    net_run_until(loop, &told);
    zm_dns_destroy(question.dns);
    fake_dns_stop(server);
    return spf_name(result);
}

static const char *ask(const char *address, const char *domain)
{
    return ask_as(address, "joe", domain);
}

#define HERE4 "192.0.2.9"
#define AWAY4 "198.51.100.1"

static void records_say_who_may_send(void)
{
    ZM_ASSERT_STR(ask(HERE4, "nothing.test"), "none");
    ZM_ASSERT_STR(ask(HERE4, "other.test"), "none");
    ZM_ASSERT_STR(ask(HERE4, "[192.0.2.9]"), "none");
    ZM_ASSERT_STR(ask(HERE4, "all.test"), "fail");
    ZM_ASSERT_STR(ask(HERE4, "soft.test"), "softfail");
    ZM_ASSERT_STR(ask(HERE4, "open.test"), "neutral");
    ZM_ASSERT_STR(ask(HERE4, "ip.test"), "pass");
    ZM_ASSERT_STR(ask("192.0.2.200", "ip.test"), "pass");
    ZM_ASSERT_STR(ask("192.0.2.10", "ip.test"), "fail");
    ZM_ASSERT_STR(ask("2001:db8::5", "ip.test"), "pass");
    ZM_ASSERT_STR(ask("2001:db9::5", "ip.test"), "fail");
    ZM_ASSERT_STR(ask(HERE4, "mod.test"), "fail");
}

static void records_may_name_hosts(void)
{
    ZM_ASSERT_STR(ask(HERE4, "a.test"), "pass");
    ZM_ASSERT_STR(ask(AWAY4, "a.test"), "fail");
    ZM_ASSERT_STR(ask("2001:db8::9", "a.test"), "pass");
    ZM_ASSERT_STR(ask("192.0.2.77", "anet.test"), "pass");
    ZM_ASSERT_STR(ask("2001:db8::77", "anet.test"), "pass");
    ZM_ASSERT_STR(ask("2001:db8:1::77", "anet.test"), "fail");
    ZM_ASSERT_STR(ask(HERE4, "mx.test"), "pass");
    ZM_ASSERT_STR(ask(AWAY4, "mx.test"), "fail");
    ZM_ASSERT_STR(ask(HERE4, "ptr.test"), "pass");
    ZM_ASSERT_STR(ask(AWAY4, "ptr.test"), "fail");
    ZM_ASSERT_STR(ask_as(HERE4, "joe-x", "exists.test"), "pass");
    ZM_ASSERT_STR(ask_as(HERE4, "ann-x", "exists.test"), "fail");
}

static void records_may_lead_to_others(void)
{
    ZM_ASSERT_STR(ask(HERE4, "in.test"), "pass");
    ZM_ASSERT_STR(ask(AWAY4, "in.test"), "fail");
    ZM_ASSERT_STR(ask(HERE4, "innone.test"), "permerror");
    ZM_ASSERT_STR(ask(HERE4, "to.test"), "pass");
    ZM_ASSERT_STR(ask(AWAY4, "to.test"), "fail");
    ZM_ASSERT_STR(ask(HERE4, "tonone.test"), "permerror");
    ZM_ASSERT_STR(ask_as(HERE4, "", ""), "pass"); /* the greeting counts */
}

static void what_is_wrong_with_a_record_is_told(void)
{
    static const char *const bad[] = {"two.test",  "bad1.test",   "bad2.test", "bad3.test",
                                      "bad4.test", "bad5.test",   "bad6.test", "bad7.test",
                                      "loop.test", "circle.test", "void.test", "many.test",
                                      "bad8.test", "bad9.test"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ZM_ASSERT_STR(ask(AWAY4, bad[i]), "permerror");
    ZM_ASSERT_STR(ask(HERE4, "many.test"), "pass");
    ZM_ASSERT_STR(ask(HERE4, "fails.test"), "temperror");
}

static const char *explained(const char *local, const char *domain)
{
    ZM_ASSERT_STR(ask_as(HERE4, local, domain), "fail");
    return explanation;
}

static void domains_explain_why_they_say_no(void)
{
    static const char *const without[] = {"all.test",    "expin.test",    "exptwo.test",
                                          "expbad.test", "expwhere.test", "expfails.test"};
    apr_size_t i;
    ZM_ASSERT_STR(explained("a+b", "exp.test"),
                  "192.0.2.9 may not be a+b@exp.test: see "
                  "http://exp.test/why?from=a%2Bb%40exp.test&to=mx.here.test 192.0.2.9%");
    CU_ASSERT_EQUAL(decided, SPF_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(explained("joe", "expto.test"), "http://exp.test/why"));
    ZM_ASSERT_STR(explained("joe", "expin2.test"), "in expin2.test's words");
    for (i = 0; i < sizeof without / sizeof without[0]; i++)
        ZM_ASSERT_STR(explained("joe", without[i]), "");
    ZM_ASSERT_STR(ask(HERE4, "expsoft.test"), "softfail");
    ZM_ASSERT_STR(explanation, "");
    CU_ASSERT_EQUAL(decided, SPF_TEMPERROR);
}

static void explanations_carry_nothing_strange(void)
{
    char local[61] = "";
    ZM_ASSERT_STR(explained("a\r\n250 b\xe9", "exp.test"),
                  "192.0.2.9 may not be a??250 b?@exp.test: see "
                  "http://exp.test/why?from=a%0D%0A250%20b%E9%40exp.test&to=mx.here.test "
                  "192.0.2.9%");
    memset(local, 'x', 60);
    CU_ASSERT_EQUAL(strlen(explained(local, "explong.test")), 400);
}

static void values_may_be_escaped(void)
{
    ZM_ASSERT_STR(ask_as(HERE4, "a@b", "esc.test"), "pass");
}

ZM_TESTS("smtpserver spf", ZM_TEST(domains_explain_why_they_say_no),
         ZM_TEST(explanations_carry_nothing_strange), ZM_TEST(values_may_be_escaped),
         ZM_TEST(records_say_who_may_send), ZM_TEST(records_may_name_hosts),
         ZM_TEST(records_may_lead_to_others), ZM_TEST(what_is_wrong_with_a_record_is_told))
