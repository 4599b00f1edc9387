/*
 * Labels of sifts: the first line is the label, the rest the subject.
 *
 * Tokens cover the subject without gaps; groups of a match are no longer than
 * the subject.
 */
#include <string.h>

#include "mta/script/regex.h"
#include "mta/script/sift_token.h"
#include "tests/fuzz/fuzz.h"

static void check_groups(const zm_str_t groups[10], unsigned count, zm_str_t subject)
{
    unsigned i;
    FUZZ_EXPECT(count >= 1 && count <= 10);
    FUZZ_EXPECT(groups[0].data != NULL);
    for (i = 0; i < 10; i++)
        FUZZ_EXPECT(groups[i].data == NULL || groups[i].length <= subject.length);
}

static void check_tokens(const zm_sift_tokens_t *tokens)
{
    uint32_t i, at = 0;
    FUZZ_EXPECT(tokens->count >= 1);
    for (i = 0; i < tokens->count; i++) {
        FUZZ_EXPECT(tokens->tokens[i].start == at);
        FUZZ_EXPECT(tokens->tokens[i].end >= at);
        at = tokens->tokens[i].end;
    }
    FUZZ_EXPECT(at == tokens->source.length);
}

static void match_both(const uint8_t *data, size_t size, apr_pool_t *pool)
{
    zm_regex_scratch_t *scratch = zm_regex_scratch(pool);
    zm_str_t label, subject, groups[10];
    zm_sift_pattern_t *pattern;
    zm_sift_tokens_t tokens;
    zm_regex_t *regex;
    zm_error_t error = {0};
    unsigned count = 0;
    apr_status_t status;
    zm_str_cut(zm_str_of((const char *)data, size), '\n', &label, &subject);
    if (subject.length > 4000)
        return;
    zm_sift_tokens_split(&tokens, subject, pool);
    check_tokens(&tokens);
    if (zm_regex_compile(&regex, label, pool, &error) == APR_SUCCESS &&
        zm_regex_match(regex, subject, groups, &count, scratch) == APR_SUCCESS)
        check_groups(groups, count, subject);
    if (zm_sift_pattern_compile(&pattern, label, pool, &error) != APR_SUCCESS) {
        FUZZ_EXPECT(error.text[0] != '\0');
        return;
    }
    status = zm_sift_pattern_match(pattern, &tokens, groups, &count, pool);
    if (status == APR_SUCCESS)
        check_groups(groups, count, subject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    match_both(data, size, fuzz_pool());
    fuzz_pool(); /* gives back what the expressions hold */
    return 0;
}
