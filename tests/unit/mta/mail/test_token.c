#include "mta/mail/token.h"

#include "tests/unit/harness.h"

/** The tokens of a text as "kind:text kind:text ", kinds a s l c . _ ! */
static const char *lexed(zm_str_t text, int flags)
{
    static const char letters[] = "aslc._!";
    zm_tokens_t tokens = zm_tokenise(text, flags, zm_test_pool());
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    apr_size_t i;
    for (i = 0; i < tokens.count; i++) {
        zm_buf_printf(&out, "%s%c:", i > 0 ? " " : "", letters[tokens.items[i].kind]);
        zm_buf_add_str(&out, tokens.items[i].text);
        if (tokens.items[i].problem != NULL)
            zm_buf_add_byte(&out, '?');
    }
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

#define ASSERT_LEXED(text, expected) ZM_ASSERT_STR(lexed(ZM_S(text), 0), expected)

static void atoms_and_specials(void)
{
    ASSERT_LEXED("joe.user@x-y.org", "a:joe .:. a:user .:@ a:x-y .:. a:org");
    ASSERT_LEXED("a!b%c::d:e", "a:a .:! a:b .:% a:c .::: a:d .:: a:e");
    ASSERT_LEXED("  \t ", "");
    ASSERT_LEXED("|/bin/x", "a:|/bin/x");
}

static void backslash_with_a_special_is_one_special(void)
{
    ASSERT_LEXED("a\\@b\\c\\", "a:a .:\\@ a:b .:\\ a:c .:\\");
}

static void compounds_keep_backslash_pairs(void)
{
    ASSERT_LEXED("\"a \\\" b\"@[1.\\]2](c\\)d)", "s:\"a \\\" b\" .:@ l:[1.\\]2] c:(c\\)d)");
}

static void comments_nest(void)
{
    ASSERT_LEXED("a(b(c)d)e", "a:a c:(b(c)d) a:e");
}

static void fold_in_a_compound_becomes_one_space(void)
{
    ASSERT_LEXED("\"a \r\n\t b\" (x\n y)", "s:\"a b\" c:(x y)");
}

static void unterminated_compound_is_kept_with_a_problem(void)
{
    ASSERT_LEXED("a \"b c", "a:a s:\"b c?");
    ASSERT_LEXED("((x)", "c:((x)?");
    ZM_ASSERT_STR(lexed(ZM_S("a [b"), ZM_LEX_WHOLE), "a:a a:[b");
}

static void high_bytes_are_atoms(void)
{
    ASSERT_LEXED("\xc3\x96rjan M\xc3\xbcller", "a:\xc3\x96rjan a:M\xc3\xbcller");
    ASSERT_LEXED("\xd6", "a:\xd6");
}

static void control_bytes_are_errors_and_nul_is_data(void)
{
    zm_tokens_t tokens = zm_tokenise(ZM_S("a\0\1b\"\0\""), 0, zm_test_pool());
    CU_ASSERT_EQUAL(tokens.count, 4);
    CU_ASSERT_EQUAL(tokens.items[1].kind, ZM_TOKEN_ERROR);
    CU_ASSERT_EQUAL(tokens.items[1].text.length, 2);
    CU_ASSERT_EQUAL(tokens.items[3].text.length, 3);
}

static void spaces_are_tokens_on_request(void)
{
    ZM_ASSERT_STR(lexed(ZM_S("two \t words"), ZM_LEX_SPACES), "a:two _: \t  a:words");
}

static void offsets_count_in_the_input(void)
{
    zm_tokens_t tokens = zm_tokenise(ZM_S(" a \"b\n c\" d"), 0, zm_test_pool());
    CU_ASSERT_EQUAL(tokens.items[0].offset, 1);
    CU_ASSERT_EQUAL(tokens.items[1].offset, 3);
    CU_ASSERT_EQUAL(tokens.items[1].extent, 6);
    CU_ASSERT_EQUAL(tokens.items[2].offset, 10);
}

static void inside_and_unescape(void)
{
    zm_tokens_t tokens = zm_tokenise(ZM_S("\"a\\\"b\" \"open"), 0, zm_test_pool());
    CU_ASSERT_TRUE(zm_str_equal_c(zm_token_inside(&tokens.items[0]), "a\\\"b"));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_token_inside(&tokens.items[1]), "open"));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_unescape(ZM_S("a\\\"b\\"), zm_test_pool()), "a\"b\\"));
}

static const char *phrase_of(const char *text)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    zm_add_phrase(&out, zm_str(text));
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static void phrases_are_quoted_when_they_must_be(void)
{
    ZM_ASSERT_STR(phrase_of("Joe User"), "Joe User");
    ZM_ASSERT_STR(phrase_of("J. Random"), "\"J. Random\"");
    ZM_ASSERT_STR(phrase_of("say \"x\"\n\\"), "\"say \\\"x\\\" \\\\\"");
    ZM_ASSERT_STR(phrase_of(""), "\"\"");
}

static void depth_of_comments_costs_nothing(void)
{
    apr_size_t depth = 50000;
    char *text = apr_palloc(zm_test_pool(), 2 * depth);
    zm_tokens_t tokens;
    memset(text, '(', depth);
    memset(text + depth, ')', depth);
    tokens = zm_tokenise(zm_str_of(text, 2 * depth), 0, zm_test_pool());
    CU_ASSERT_EQUAL(tokens.count, 1);
    CU_ASSERT_PTR_NULL(tokens.items[0].problem);
    tokens = zm_tokenise(zm_str_of(text, 2 * depth - 1), 0, zm_test_pool());
    CU_ASSERT_EQUAL(tokens.count, 1);
    CU_ASSERT_PTR_NOT_NULL(tokens.items[0].problem);
}

ZM_TESTS("mail.token", ZM_TEST(atoms_and_specials),
         ZM_TEST(backslash_with_a_special_is_one_special), ZM_TEST(compounds_keep_backslash_pairs),
         ZM_TEST(comments_nest), ZM_TEST(fold_in_a_compound_becomes_one_space),
         ZM_TEST(unterminated_compound_is_kept_with_a_problem), ZM_TEST(high_bytes_are_atoms),
         ZM_TEST(control_bytes_are_errors_and_nul_is_data), ZM_TEST(spaces_are_tokens_on_request),
         ZM_TEST(offsets_count_in_the_input), ZM_TEST(inside_and_unescape),
         ZM_TEST(phrases_are_quoted_when_they_must_be), ZM_TEST(depth_of_comments_costs_nothing))
