#include "mta/mail/address.h"

#include "tests/unit/harness.h"

/**
 * The items as one line: "[pure]" a mailbox or value, "{name}" a group, "}" its
 * end, and "!" with the problem for a bad item.
 */
static const char *items_of(zm_rule_t rule, const char *text)
{
    apr_pool_t *pool = zm_test_pool();
    zm_address_list_t *list = zm_address_parse(rule, zm_str(text), pool);
    zm_buf_t out = ZM_BUF_INIT;
    const zm_address_t *item;
    const char *result;
    unsigned bad = 0, good = 0;
    for (item = list->first; item != NULL; item = item->next) {
        apr_size_t offset;
        if (out.length > 0)
            zm_buf_add_byte(&out, ' ');
        bad += item->bad;
        good += !item->bad && item->kind != ZM_ADDRESS_GROUP && item->kind != ZM_ADDRESS_GROUP_END;
        if (item->bad) {
            const char *problem = zm_address_problem(list, item, &offset);
            zm_buf_printf(&out, "!%s@%u", problem, (unsigned)offset);
            continue;
        }
        zm_buf_add_byte(&out, item->kind == ZM_ADDRESS_GROUP       ? '{'
                              : item->kind == ZM_ADDRESS_GROUP_END ? '}'
                                                                   : '[');
        zm_buf_add_str(&out, item->pure);
        if (item->kind == ZM_ADDRESS_GROUP)
            zm_buf_add_str(&out, zm_address_display_name(item, pool));
        if (item->kind != ZM_ADDRESS_GROUP && item->kind != ZM_ADDRESS_GROUP_END)
            zm_buf_add_byte(&out, ']');
    }
    CU_ASSERT_EQUAL(bad, list->bad);
    CU_ASSERT_EQUAL(good, list->mailboxes);
    result = zm_str_c(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

#define ASSERT_ITEMS(rule, text, expected) ZM_ASSERT_STR(items_of(rule, text), expected)
#define LIST ZM_RULE_ADDRESS_LIST

static void plain_forms(void)
{
    ASSERT_ITEMS(LIST, "a", "[a]");
    ASSERT_ITEMS(LIST, "a@b.c, x!y%z@w", "[a@b.c] [x!y%z@w]");
    ASSERT_ITEMS(LIST, "node::user", "[node::user]");
    ASSERT_ITEMS(LIST, "\"q s\"@x.org", "[\"q s\"@x.org]");
    ASSERT_ITEMS(LIST, "user@[10.1.2.3]", "[user@[10.1.2.3]]");
    ASSERT_ITEMS(LIST, " a . b @ c . d ", "[a.b@c.d]");
    ASSERT_ITEMS(LIST, "a\\@b@c", "[a\\@b@c]");
    ASSERT_ITEMS(LIST, "\\root", "[\\root]");
}

static void phrases_comments_and_angles(void)
{
    ASSERT_ITEMS(LIST, "Joe User <joe@x>", "[joe@x]");
    ASSERT_ITEMS(LIST, "\"Joe, U.\" (x) <joe@x> (y), b", "[joe@x] [b]");
    ASSERT_ITEMS(LIST, "a (one) @ (two) b.c", "[a@b.c]");
    ASSERT_ITEMS(LIST, "<a>", "[a]");
}

static void encoded_words_with_specials_are_names_and_nothing_else(void)
{
    ASSERT_ITEMS(LIST, "=?utf-8?Q?J._R,_X?= U <a@b>, c", "[a@b] [c]");
    ASSERT_ITEMS(LIST, "=?utf-8?Q?J=2E?= <a@b>", "[a@b]");
    ASSERT_ITEMS(LIST, "=?utf-8?Q?J?=@b", "[=?utf-8?Q?J?=@b]");
    ASSERT_ITEMS(LIST, "=?utf-8?Q?a.c?=@b", "[=?utf-8?Q?a.c?=@b]");
    ASSERT_ITEMS(LIST, "=?utf-8?Q?a,c?=@b", "[=?utf-8?Q?a] [c?=@b]");
    ASSERT_ITEMS(LIST, "=?utf-8?Q?a(b?= c) <d>", "[d]");
    ASSERT_ITEMS(LIST, "=?x?Q?J._R <a@b>", "!expected a comma@11");
    ASSERT_ITEMS(LIST, "=?utf-8?Q?a,b?= c", "!expected < after the words@17");
}

static void source_routes(void)
{
    ASSERT_ITEMS(LIST, "<@a,@b:c@d>", "[@a,@b:c@d]");
    ASSERT_ITEMS(LIST, "@a:c@d, x", "[@a:c@d] [x]");
    ASSERT_ITEMS(LIST, "<@a c@d>", "!expected : after the source route@4");
}

static void groups(void)
{
    ASSERT_ITEMS(LIST, "list: a, b;, c", "{list [a] [b] } [c]");
    ASSERT_ITEMS(LIST, "unlisted-recipients:;", "{unlisted-recipients }");
    ASSERT_ITEMS(LIST, "my list: A <a@b>, , (x) ; (end), c", "{my list [a@b] } [c]");
    ASSERT_ITEMS(ZM_RULE_ADDRESS, "g: a, b;", "{g [a] [b] }");
    ASSERT_ITEMS(LIST, "g: a, b", "{g [a] [b] !expected ; at the end of the group@7");
    ASSERT_ITEMS(LIST, "g: h: a;;", "{g !expected a comma@4 !expected a comma after the group@8");
    ASSERT_ITEMS(ZM_RULE_MAILBOX_LIST, "g: a;", "!expected a comma@1");
}

static void plain_words_are_addresses_where_addresses_are_wanted(void)
{
    ASSERT_ITEMS(ZM_RULE_ADDRESS, "bob jane (j) \"jim\"", "[bob] [jane] [\"jim\"]");
    ASSERT_ITEMS(LIST, "bob jane", "[bob] [jane]");
    ASSERT_ITEMS(LIST, "bob jane, x", "!expected < after the words@8 [x]");
    ASSERT_ITEMS(LIST, "x, bob jane", "[x] !expected < after the words@11");
    ASSERT_ITEMS(ZM_RULE_MAILBOX, "bob jane", "!expected < after the words@8");
}

static void empty_elements_are_skipped(void)
{
    ASSERT_ITEMS(LIST, ", ,a,, b ,", "[a] [b]");
    ASSERT_ITEMS(ZM_RULE_ADDRESS, ",a", "[a]");
    ASSERT_ITEMS(LIST, "", "!expected an address@0");
    ASSERT_ITEMS(ZM_RULE_ADDRESSES, "", "");
    ASSERT_ITEMS(ZM_RULE_ADDRESSES, " (none) ", "");
    ASSERT_ITEMS(ZM_RULE_ADDRESSES, "(none", "!missing closing )@0");
    ASSERT_ITEMS(LIST, "(none)", "!expected an address@6");
}

static void null_address_only_in_from_fields(void)
{
    ASSERT_ITEMS(ZM_RULE_AMAILBOX_LIST, "<>", "[]");
    ASSERT_ITEMS(ZM_RULE_AMAILBOX_LIST, "a@b, Mailer <>", "[a@b] []");
    ASSERT_ITEMS(LIST, "<>", "!expected an address@1");
    ASSERT_ITEMS(ZM_RULE_MAILBOX, "<>", "!expected an address@1");
}

static void what_the_grammar_refuses(void)
{
    ASSERT_ITEMS(LIST, "a@b..c", "!expected a domain@4");
    ASSERT_ITEMS(LIST, "a@b.", "!expected a domain@4");
    ASSERT_ITEMS(LIST, "a.@b", "!expected a word@2");
    ASSERT_ITEMS(LIST, "J. Random <a@b>", "!expected a comma@10");
    ASSERT_ITEMS(LIST, "<a@b", "!expected >@4");
    ASSERT_ITEMS(LIST, "\"a <b@c>", "!missing closing \"@0");
    ASSERT_ITEMS(LIST, "a@b@c", "!expected a comma@3");
    ASSERT_ITEMS(LIST, "a@b c", "!expected a comma@4");
    ASSERT_ITEMS(LIST, "@", "!expected a domain@1");
    ASSERT_ITEMS(LIST, ")", "!expected an address@0");
    ASSERT_ITEMS(ZM_RULE_ADDRESS, "a, b", "!expected the end@1 [b]");
    ASSERT_ITEMS(LIST, "a\x01@b", "!control character@1");
}

static void a_bad_address_does_not_cost_its_neighbours(void)
{
    ASSERT_ITEMS(LIST, "a@b, c@@d, e@f", "[a@b] !expected a domain@7 [e@f]");
    ASSERT_ITEMS(LIST, "a@b; c@d", "!expected a comma@3 [c@d]");
    ASSERT_ITEMS(LIST, ";a", "!expected an address@1 [a]");
    ASSERT_ITEMS(LIST, "g: a b, c; , d", "{g !expected < after the words@6 [c] } [d]");
}

static void too_many_errors_end_the_field(void)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_address_list_t *list;
    int i;
    for (i = 0; i < 50; i++)
        zm_buf_add_c(&text, "@,good,");
    list = zm_address_parse(LIST, zm_buf_str(&text), zm_test_pool());
    CU_ASSERT_EQUAL(list->bad, ZM_ADDRESS_ERRORS);
    CU_ASSERT_EQUAL(list->mailboxes, ZM_ADDRESS_ERRORS - 1);
    zm_buf_free(&text);
}

static void list_lines_take_liberties(void)
{
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "\\user, \"\\x\"", "[user] [\"\\x\"]");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "|/bin/prog -a \"b, c\" d , joe",
                 "[|/bin/prog -a \"b, c\" d] [joe]");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "/var/mail/x.y z", "[/var/mail/x.y z]");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, ":include:/a/b.c, x", "[:include:/a/b.c] [x]");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "a, b,", "[a] [b]");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "", "");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "a b c", "[a] [b] [c]");
    ASSERT_ITEMS(ZM_RULE_LIST_LINE, "a@b c@d", "!expected a comma@4");
}

static void values_that_are_no_addresses(void)
{
    ASSERT_ITEMS(ZM_RULE_MESSAGE_ID, " <1.2@x.y> (c)", "[<1.2@x.y>]");
    ASSERT_ITEMS(ZM_RULE_MESSAGE_ID, "1.2@x.y", "!expected <@0");
    ASSERT_ITEMS(ZM_RULE_MESSAGE_ID_LIST, "<a@b>, <c>", "[<a@b>] [<c>]");
    ASSERT_ITEMS(ZM_RULE_DOMAIN, "mail.x.org ([1.2.3.4] (hi))", "[mail.x.org]");
    ASSERT_ITEMS(ZM_RULE_DOMAIN, "[1.2.3.4] (x)", "[[1.2.3.4]]");
    ASSERT_ITEMS(ZM_RULE_DOMAIN, "a b", "!expected the end@2");
    ASSERT_ITEMS(ZM_RULE_WORD, "ESMTP", "[ESMTP]");
    ASSERT_ITEMS(ZM_RULE_WORD, "", "!expected a value@0");
    ASSERT_ITEMS(ZM_RULE_PHRASE, "Joe  (x) \"Q. U.\" User", "[Joe \"Q. U.\" User]");
    ASSERT_ITEMS(ZM_RULE_PHRASE, "J. User", "!expected the end@1");
    ASSERT_ITEMS(ZM_RULE_ENCRYPTED, "a b", "[a b]");
    ASSERT_ITEMS(ZM_RULE_ENCRYPTED, "a b c", "!expected the end@4");
    ASSERT_ITEMS(ZM_RULE_ROUTE_ADDRESS, "<a>", "!expected an address@0");
}

static const char *plain_of(const char *text)
{
    zm_address_list_t *list = zm_address_parse(LIST, zm_str(text), zm_test_pool());
    return zm_str_c(zm_test_pool(), zm_address_plain(list->first, zm_test_pool()));
}

static void a_lone_string_is_seen_without_quotes(void)
{
    ZM_ASSERT_STR(plain_of("\"|/bin/x \\\"y\\\"\""), "|/bin/x \"y\"");
    ZM_ASSERT_STR(plain_of("\"a b\"@c"), "\"a b\"@c");
    ZM_ASSERT_STR(plain_of("<\"a\">"), "a");
}

static const char *printed(zm_rule_t rule, const char *text)
{
    zm_address_list_t *list = zm_address_parse(rule, zm_str(text), zm_test_pool());
    return zm_address_list_text(list, zm_test_pool()).data;
}

static void text_keeps_phrases_comments_and_quotes(void)
{
    ZM_ASSERT_STR(printed(LIST, "Joe  \"Q.\" <joe @ x> (hi)"), "Joe \"Q.\" <joe@x> (hi)");
    ZM_ASSERT_STR(printed(LIST, "(a)b(c)@d(e)"), "(a) b@d (c) (e)");
    ZM_ASSERT_STR(printed(LIST, "list :a,b; ,c,(end)"), "list: a, b;, c (end)");
    ZM_ASSERT_STR(printed(LIST, "g:a,(c);"), "g: a (c);");
    ZM_ASSERT_STR(printed(LIST, "g:(c);(d)"), "g: (c); (d)");
    ZM_ASSERT_STR(printed(LIST, "g:;,h:x;"), "g:;, h: x;");
    ZM_ASSERT_STR(printed(ZM_RULE_AMAILBOX_LIST, "Null <>"), "Null <>");
    ZM_ASSERT_STR(printed(LIST, "a@@b , c"), "a@@b, c");
}

/* What is printed parses again to the same addresses and prints the same. */
static void printing_is_a_round_trip(void)
{
    static const char *const values[] = {
        "a, b@c, \"x y\"@z, <@a,@b:c@d>, P <q>, list: m, n (c);, e:;, \\r",
        "\"A. B\" (x (y) \\) z) <\"q\\\"r\"@[1.2.3.4]>, (lead) k@l (tail)",
        "one two three",
        "=?utf-8?Q?J._R,_X?= <a@b>",
        "\xc3\x96rjan <\xc3\xb6@\xc3\xa4.se>",
    };
    unsigned i;
    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        const char *once = printed(LIST, values[i]);
        ZM_ASSERT_STR(items_of(LIST, once), items_of(LIST, values[i]));
        ZM_ASSERT_STR(printed(LIST, once), once);
    }
}

static const char *replaced(zm_rule_t rule, const char *text, const char *by, apr_status_t expected)
{
    zm_address_list_t *list = zm_address_parse(rule, zm_str(text), zm_test_pool());
    CU_ASSERT_EQUAL(zm_address_replace(list->first, zm_str(by), zm_test_pool()), expected);
    return zm_address_list_text(list, zm_test_pool()).data;
}

static void replacing_touches_the_pure_address_only(void)
{
    ZM_ASSERT_STR(replaced(LIST, "Joe (j) <joe> (x), b", "joe@x.org", APR_SUCCESS),
                  "Joe (j) <joe@x.org> (x), b");
    ZM_ASSERT_STR(replaced(LIST, "joe (j)", "<joe@x.org>", APR_SUCCESS), "joe@x.org (j)");
    ZM_ASSERT_STR(replaced(LIST, "\"a b\"", "a b", APR_SUCCESS), "\"a b\"");
    ZM_ASSERT_STR(replaced(LIST, "joe", "a b@c", ZM_E_SYNTAX), "joe");
    ZM_ASSERT_STR(replaced(LIST, "joe", "", ZM_E_SYNTAX), "joe");
    ZM_ASSERT_STR(replaced(LIST, "<joe>", "<>", APR_SUCCESS), "<>");
    ZM_ASSERT_STR(replaced(ZM_RULE_AMAILBOX_LIST, "<>", "a@b", APR_SUCCESS), "<a@b>");
}

static const char *made(const char *phrase, const char *address)
{
    zm_address_list_t *list = zm_address_make(zm_str(phrase), zm_str(address), zm_test_pool());
    CU_ASSERT_EQUAL(list->bad, 0);
    return zm_address_list_text(list, zm_test_pool()).data;
}

static void made_addresses_are_always_good(void)
{
    ZM_ASSERT_STR(made("Joe User", "joe"), "Joe User <joe>");
    ZM_ASSERT_STR(made("J. \"X\" User", "joe@x"), "\"J. \\\"X\\\" User\" <joe@x>");
    ZM_ASSERT_STR(made("", "joe"), "joe");
    ZM_ASSERT_STR(made("", ""), "<>");
    ZM_ASSERT_STR(made("", "first last"), "\"first last\"");
    ZM_ASSERT_STR(made("A\nB", "x\r\ny"), "\"A B\" <\"x  y\">");
}

static void split_finds_the_last_at_outside_quotes(void)
{
    zm_str_t local, domain;
    zm_address_split(ZM_S("\"a@b\"@c.d"), &local, &domain);
    CU_ASSERT_TRUE(zm_str_equal_c(local, "\"a@b\"") && zm_str_equal_c(domain, "c.d"));
    zm_address_split(ZM_S("@x,@[IPv6:1::2]:a@b"), &local, &domain);
    CU_ASSERT_TRUE(zm_str_equal_c(local, "a") && zm_str_equal_c(domain, "b"));
    zm_address_split(ZM_S("joe"), &local, &domain);
    CU_ASSERT_TRUE(zm_str_equal_c(local, "joe") && domain.length == 0);
    zm_address_split(ZM_S("a\\"), &local, &domain);
    CU_ASSERT_TRUE(zm_str_equal_c(local, "a\\") && domain.length == 0);
}

static void display_names(void)
{
    zm_address_list_t *list =
        zm_address_parse(LIST, ZM_S("\"A \\\"B\\\"\" C <d>, e (F g)"), zm_test_pool());
    ZM_ASSERT_STR(zm_address_display_name(list->first, zm_test_pool()).data, "A \"B\" C");
    ZM_ASSERT_STR(zm_address_display_name(list->first->next, zm_test_pool()).data, "F g");
}

static void long_values_take_linear_time(void)
{
    apr_size_t length = 100000, i;
    char *text = apr_palloc(zm_test_pool(), length);
    zm_address_list_t *list;
    for (i = 0; i < length; i++)
        text[i] = i % 2 == 0 ? 'a' : '.';
    list = zm_address_parse(LIST, zm_str_of(text, length - 1), zm_test_pool());
    CU_ASSERT_EQUAL(list->mailboxes, 1);
    CU_ASSERT_EQUAL(list->first->pure.length, length - 1);
    memset(text, '<', length);
    list = zm_address_parse(LIST, zm_str_of(text, length), zm_test_pool());
    CU_ASSERT_EQUAL(list->bad, 1);
    for (i = 0; i < length; i++)
        text[i] = i % 2 == 0 ? 'a' : ' ';
    list = zm_address_parse(LIST, zm_str_of(text, length), zm_test_pool());
    CU_ASSERT_EQUAL(list->mailboxes, length / 2);
    for (i = 0; i < length; i++)
        text[i] = "(),"[i % 3];
    list = zm_address_parse(LIST, zm_str_of(text, length), zm_test_pool());
    CU_ASSERT_EQUAL(list->bad, 1);
    text[0] = 'a';
    text[1] = ' ';
    list = zm_address_parse(LIST, zm_str_of(text, length - 1), zm_test_pool());
    CU_ASSERT_EQUAL(list->mailboxes, 1);
    CU_ASSERT_EQUAL(list->bad, 0);
}

static void rules_have_names(void)
{
    CU_ASSERT_EQUAL(zm_rule_by_name(ZM_S("amailboxlist")), ZM_RULE_AMAILBOX_LIST);
    CU_ASSERT_EQUAL(zm_rule_by_name(ZM_S("-")), ZM_RULE_NONE);
    CU_ASSERT_EQUAL(zm_rule_by_name(ZM_S("nonsense")), ZM_RULE_END);
    ZM_ASSERT_STR(zm_rule_name(ZM_RULE_ADDRESS_LIST), "AddressList");
}

ZM_TESTS("mail.address", ZM_TEST(plain_forms), ZM_TEST(phrases_comments_and_angles),
         ZM_TEST(encoded_words_with_specials_are_names_and_nothing_else), ZM_TEST(source_routes),
         ZM_TEST(groups), ZM_TEST(plain_words_are_addresses_where_addresses_are_wanted),
         ZM_TEST(empty_elements_are_skipped), ZM_TEST(null_address_only_in_from_fields),
         ZM_TEST(what_the_grammar_refuses), ZM_TEST(a_bad_address_does_not_cost_its_neighbours),
         ZM_TEST(too_many_errors_end_the_field), ZM_TEST(list_lines_take_liberties),
         ZM_TEST(values_that_are_no_addresses), ZM_TEST(a_lone_string_is_seen_without_quotes),
         ZM_TEST(text_keeps_phrases_comments_and_quotes), ZM_TEST(printing_is_a_round_trip),
         ZM_TEST(replacing_touches_the_pure_address_only), ZM_TEST(made_addresses_are_always_good),
         ZM_TEST(split_finds_the_last_at_outside_quotes), ZM_TEST(display_names),
         ZM_TEST(long_values_take_linear_time), ZM_TEST(rules_have_names))
