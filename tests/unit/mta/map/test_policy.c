/* Records of policy databases, and what is found in them. */
#include "mta/map/policy.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_map_t *map;

static void add(const char *word, const char *const *pairs)
{
    zm_buf_t key = ZM_BUF_INIT, record = ZM_BUF_INIT;
    zm_error_t error;
    const char *problem = NULL;
    CU_ASSERT_TRUE_FATAL(zm_policy_add_key(&key, zm_str(word), &problem));
    for (; pairs[0] != NULL; pairs += 2)
        zm_policy_add_entry(&record, zm_policy_by_name(zm_str(pairs[0])), zm_str(pairs[1]));
    ZM_ASSERT_OK(zm_map_add(map, zm_buf_str(&key), zm_buf_str(&record), &error));
    zm_buf_free(&key);
    zm_buf_free(&record);
}

#define ADD(word, ...) add(word, (const char *const[]){__VA_ARGS__, NULL})

static void begin(void)
{
    zm_map_options_t options = {0};
    zm_error_t error;
    ZM_ASSERT_OK(zm_map_create(&map, "incore", &options, zm_test_pool(), &error));
}

/* "KEY: attribute=value(message) ...", "absent" or "failed". */
static const char *shown(zm_map_outcome_t outcome, const zm_policy_answer_t *answer)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *text;
    unsigned i;
    if (outcome != ZM_MAP_FOUND)
        return outcome == ZM_MAP_ABSENT ? "absent" : "failed";
    CU_ASSERT_TRUE(zm_policy_print(&out, answer->key, ZM_S("")));
    out.length -= 2; /* TAB, LF */
    zm_buf_add_byte(&out, ':');
    for (i = 0; i < ZM_POLICY_ATTRIBUTES; i++) {
        const zm_policy_found_t *found = &answer->of[i];
        if (found->value.data == NULL)
            continue;
        zm_buf_printf(&out, " %s=%.*s", zm_policy_name(i), (int)found->value.length,
                      found->value.data);
        if (found->message.data != NULL)
            zm_buf_printf(&out, "(%.*s)", (int)found->message.length, found->message.data);
    }
    text = apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_buf_free(&out);
    return text;
}

#define ALL (~(zm_policy_set_t)0)

static const char *domain(const char *name)
{
    zm_policy_answer_t answer;
    zm_map_outcome_t outcome = zm_policy_domain(&answer, map, ALL, zm_str(name), zm_test_pool());
    return shown(outcome, &answer);
}

static const char *user(const char *name)
{
    zm_policy_answer_t answer;
    zm_map_outcome_t outcome = zm_policy_user(&answer, map, ALL, zm_str(name), zm_test_pool());
    return shown(outcome, &answer);
}

static const char *address(const char *text)
{
    zm_policy_answer_t answer;
    zm_ip_t ip;
    ZM_ASSERT_OK(zm_ip_parse(&ip, zm_str(text)));
    return shown(zm_policy_ip(&answer, map, ALL, &ip, zm_test_pool()), &answer);
}

/* A source key, compiled and printed again; or what is wrong with it. */
static const char *key(const char *word)
{
    zm_buf_t compiled = ZM_BUF_INIT, out = ZM_BUF_INIT;
    const char *text = "accepted without a word";
    if (zm_policy_add_key(&compiled, zm_str(word), &text)) {
        CU_ASSERT_NOT_EQUAL(zm_policy_key_class(zm_buf_str(&compiled)), 0);
        CU_ASSERT_TRUE(zm_policy_print(&out, zm_buf_str(&compiled), ZM_S("")));
        text = apr_pstrmemdup(zm_test_pool(), out.data, out.length - 2);
    }
    zm_buf_free(&compiled);
    zm_buf_free(&out);
    return text;
}

static void keys_have_their_classes(void)
{
    ZM_ASSERT_STR(key("[10.1.2.3]/8"), "[10.0.0.0]/8");
    ZM_ASSERT_STR(key("192.0.2.255/25"), "[192.0.2.128]/25");
    ZM_ASSERT_STR(key("[IPv6.2001:DB8:ffff::]/33"), "[ipv6:2001:db8:8000::]/33");
    ZM_ASSERT_STR(key("[ipv6:::1]/128"), "[ipv6:::1]/128");
    ZM_ASSERT_STR(key("2001:db8::/0"), "[ipv6:::]/0");
    ZM_ASSERT_STR(key("::ffff:192.0.2.1/120"), "[192.0.2.0]/24");
    ZM_ASSERT_STR(key("User@Dom.Test"), "user@dom.test");
    ZM_ASSERT_STR(key("_Tag"), "_tag");
    ZM_ASSERT_STR(key(".Sub.Test"), ".sub.test");
    ZM_ASSERT_STR(key("[1.2.3.4/8"), "the address has no \"]\"");
    ZM_ASSERT_STR(key("1.2.3/8"), "this is no IPv4 address");
    ZM_ASSERT_STR(key("x:/8"), "this is no IPv6 address");
    ZM_ASSERT_STR(key("1.2.3.4/33"), "the width is not 0 to 32");
    ZM_ASSERT_STR(key("::1/129"), "the width is not 0 to 128");
    ZM_ASSERT_STR(key("1.2.3.4/"), "the width is not 0 to 32");
}

static void a_key_has_the_form_that_is_written_down(void)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *problem;
    CU_ASSERT_TRUE(zm_policy_add_key(&out, ZM_S("[10.1.2.3]/16"), &problem));
    CU_ASSERT_TRUE(zm_str_equal(zm_buf_str(&out), zm_str_of("\7\1\12\1\0\0\20", 7)));
    zm_buf_clear(&out);
    CU_ASSERT_TRUE(zm_policy_add_key(&out, ZM_S("a@b"), &problem));
    CU_ASSERT_TRUE(zm_str_equal(zm_buf_str(&out), zm_str_of("\6\5a@b\0", 6)));
    zm_buf_clear(&out);
    zm_policy_add_entry(&out, zm_policy_by_name(ZM_S("ratelimitmsgs")), ZM_S("9"));
    CU_ASSERT_TRUE(zm_str_equal(zm_buf_str(&out), zm_str_of("\4\34"
                                                            "9\0",
                                                            4)));
    zm_buf_free(&out);
}

static void domains_are_tried_from_the_whole_to_the_dot(void)
{
    begin();
    ADD("a.test", "relaytarget", "+");
    ADD(".a.test", "relaytarget", "-");
    ADD(".test", "freeze", "+");
    ZM_ASSERT_STR(domain("A.Test"), "a.test: relaytarget=+");
    ZM_ASSERT_STR(domain("x.y.a.test"), ".a.test: relaytarget=-");
    ZM_ASSERT_STR(domain("b.test"), ".test: freeze=+");
    ZM_ASSERT_STR(domain("test"), ".test: freeze=+");
    ZM_ASSERT_STR(domain("b.example"), "absent");
    ZM_ASSERT_STR(domain(""), "absent");
    ADD(".", "acceptifmx", "-");
    ZM_ASSERT_STR(domain("b.example"), ".: acceptifmx=-");
    ZM_ASSERT_STR(domain(""), ".: acceptifmx=-");
    ZM_ASSERT_STR(domain("x@a.test"), "absent");
}

static void a_key_that_is_there_ends_the_search(void)
{
    zm_policy_answer_t answer;
    begin();
    ADD("a.test", "relaytarget", "+");
    ADD(".", "freeze", "+");
    CU_ASSERT_EQUAL(zm_policy_domain(&answer, map, ZM_POLICY_SET(ZM_POLICY_FREEZE), ZM_S("a.test"),
                                     zm_test_pool()),
                    ZM_MAP_FOUND);
    CU_ASSERT_PTR_NULL(answer.of[ZM_POLICY_FREEZE].value.data);
    CU_ASSERT_PTR_NULL(answer.of[ZM_POLICY_RELAYTARGET].value.data);
}

static void users_are_tried_with_and_without_domain(void)
{
    begin();
    ADD("ann@a.test", "freeze", "+");
    ADD("spam@", "rejectsource", "+");
    ZM_ASSERT_STR(user("Ann@A.test"), "ann@a.test: freeze=+");
    ZM_ASSERT_STR(user("spam@anywhere.test"), "spam@: rejectsource=+");
    ZM_ASSERT_STR(user("ann@b.test"), "absent");
    ZM_ASSERT_STR(user("ann"), "absent");
    ZM_ASSERT_STR(user("\"spam@\"x@b.test"), "absent");
}

static void addresses_find_the_longest_prefix(void)
{
    begin();
    ADD("10.0.0.0/8", "rejectnet", "+");
    ADD("10.1.0.0/16", "rejectnet", "-");
    ADD("10.1.2.3/32", "filtering", "-");
    ADD("2001:db8::/32", "relaycustnet", "+");
    ZM_ASSERT_STR(address("10.9.9.9"), "[10.0.0.0]/8: rejectnet=+");
    ZM_ASSERT_STR(address("10.1.2.4"), "[10.1.0.0]/16: rejectnet=-");
    ZM_ASSERT_STR(address("10.1.2.3"), "[10.1.2.3]/32: filtering=-");
    ZM_ASSERT_STR(address("2001:db8:1::1"), "[ipv6:2001:db8::]/32: relaycustnet=+");
    ZM_ASSERT_STR(address("::ffff:10.9.9.9"), "[10.0.0.0]/8: rejectnet=+");
    ZM_ASSERT_STR(address("11.0.0.1"), "absent");
    ADD("0.0.0.0/0", "spf", "+");
    ZM_ASSERT_STR(address("11.0.0.1"), "[0.0.0.0]/0: spf=+");
    ZM_ASSERT_STR(address("2002::1"), "[0.0.0.0]/0: spf=+");
    ADD("::/0", "spf", "-");
    ZM_ASSERT_STR(address("2002::1"), "[ipv6:::]/0: spf=-");
    ZM_ASSERT_STR(domain("[10.9.9.9]"), "[10.0.0.0]/8: rejectnet=+");
    ZM_ASSERT_STR(domain("[ipv6:2001:db8::9]"), "[ipv6:2001:db8::]/32: relaycustnet=+");
    ZM_ASSERT_STR(domain("[nonsense"), "absent");
}

static void tags_stand_for_their_attributes_in_their_place(void)
{
    begin();
    ADD("a.test", "relaytarget", "-", "=", "_local", "freeze", "+");
    ADD("_local", "relaytarget", "+", "message", "go away", "freeze", "-", "=", "_more");
    ADD("_more", "localdomain", "+", "freeze", "+");
    ZM_ASSERT_STR(domain("a.test"), "a.test: relaytarget=- freeze=-(go away) localdomain=+");
    ADD("b.test", "message", "kept over the tag", "=", "_none", "rejectnet", "+", "spf", "+");
    ZM_ASSERT_STR(domain("b.test"), "b.test: rejectnet=+(kept over the tag) spf=+");
}

static void tags_that_name_each_other_end(void)
{
    begin();
    ADD("a.test", "=", "_0", "spf", "+");
    ADD("_0", "=", "_1", "=", "_0", "=", "_0");
    ADD("_1", "=", "_2", "maxinsize", "1");
    ADD("_2", "=", "_3", "=", "_2", "=", "_2", "=", "_1");
    ADD("_3", "=", "_4");
    ADD("_4", "=", "_5", "rejectnet", "+");
    ADD("_5", "freezenet", "+");
    ZM_ASSERT_STR(domain("a.test"), "a.test: rejectnet=+ maxinsize=1 spf=+");
}

static void broken_records_end_where_they_break(void)
{
    zm_buf_t compiled = ZM_BUF_INIT;
    zm_error_t error;
    const char *problem;
    begin();
    CU_ASSERT_TRUE(zm_policy_add_key(&compiled, ZM_S("a.test"), &problem));
    ZM_ASSERT_OK(zm_map_add(map, zm_buf_str(&compiled), zm_str_of("\4\10+\0\4\2+", 7), &error));
    ZM_ASSERT_STR(domain("a.test"), "a.test: relaytarget=+");
    ZM_ASSERT_OK(zm_map_add(map, zm_buf_str(&compiled), zm_str_of("\4\10+\0\0\0\0\0", 8), &error));
    ZM_ASSERT_STR(domain("a.test"), "a.test: relaytarget=+");
    ZM_ASSERT_OK(zm_map_add(map, zm_buf_str(&compiled), zm_str_of("\4\377+\0\4\2+\0", 8), &error));
    ZM_ASSERT_STR(domain("a.test"), "a.test: rejectnet=+");
    CU_ASSERT_EQUAL(zm_policy_key_class(ZM_S("plain text")), 0);
    zm_buf_free(&compiled);
}

static void a_database_that_fails_is_no_absence(void)
{
    zm_map_options_t options = {
        .file = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/none/at/all", NULL)};
    zm_policy_answer_t answer;
    zm_error_t error;
    zm_ip_t ip = {.family = 4};
    ZM_ASSERT_OK(zm_map_create(&map, "sqlite", &options, zm_test_pool(), &error));
    CU_ASSERT_EQUAL(zm_policy_ip(&answer, map, ALL, &ip, zm_test_pool()), ZM_MAP_FAILED);
    CU_ASSERT_PTR_NOT_NULL(answer.reason);
    ZM_ASSERT_STR(domain("a.test"), "failed");
    ZM_ASSERT_STR(user("u@a.test"), "failed");
}

ZM_TESTS("policy", ZM_TEST(keys_have_their_classes),
         ZM_TEST(a_key_has_the_form_that_is_written_down),
         ZM_TEST(domains_are_tried_from_the_whole_to_the_dot),
         ZM_TEST(a_key_that_is_there_ends_the_search),
         ZM_TEST(users_are_tried_with_and_without_domain),
         ZM_TEST(addresses_find_the_longest_prefix),
         ZM_TEST(tags_stand_for_their_attributes_in_their_place),
         ZM_TEST(tags_that_name_each_other_end), ZM_TEST(broken_records_end_where_they_break),
         ZM_TEST(a_database_that_fails_is_no_absence))
