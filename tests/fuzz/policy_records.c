/*
 * Records of policy databases that do not hold together: lines "KEY HEX" are put into a map as they
 * are, the key in the form of sources, or compiled in hexadecimal digits behind "=".
 *
 * Every lookup comes to an end, and what it gives lies within a record.
 */
#include <string.h>

#include "mta/map/policy.h"
#include "tests/fuzz/fuzz.h"

static int digit(char c)
{
    if (zm_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_hex(zm_buf_t *out, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i + 1 < text.length; i += 2)
        if (digit(text.data[i]) >= 0 && digit(text.data[i + 1]) >= 0)
            zm_buf_add_byte(out, (char)(digit(text.data[i]) << 4 | digit(text.data[i + 1])));
}

static void add_line(zm_map_t *map, zm_str_t line)
{
    zm_buf_t key = ZM_BUF_INIT, record = ZM_BUF_INIT, printed = ZM_BUF_INIT;
    zm_error_t error;
    const char *problem;
    zm_str_t word;
    if (!zm_str_word(&line, &word))
        return;
    if (word.data[0] == '=')
        add_hex(&key, zm_str_from(word, 1));
    else if (!zm_policy_add_key(&key, word, &problem))
        FUZZ_EXPECT(problem[0] != '\0');
    else
        FUZZ_EXPECT(zm_policy_key_class(zm_buf_str(&key)) != 0);
    add_hex(&record, zm_str_trim(line));
    (void)zm_policy_print(&printed, zm_buf_str(&key), zm_buf_str(&record));
    if (key.length > 0)
        (void)zm_map_add(map, zm_buf_str(&key), zm_buf_str(&record), &error);
    zm_buf_free(&key);
    zm_buf_free(&record);
    zm_buf_free(&printed);
}

static void check_answer(const zm_policy_answer_t *answer)
{
    int i;
    for (i = 0; i < ZM_POLICY_ATTRIBUTES; i++) {
        const zm_policy_found_t *found = &answer->of[i];
        FUZZ_EXPECT(found->value.length <= 253 && found->message.length <= 253);
        FUZZ_EXPECT(found->value.data == NULL ||
                    memchr(found->value.data, '\0', found->value.length) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const zm_ip_t four = {4, {10, 1, 2, 3}}, six = {6, {0x20, 1, 0xd, 0xb8}};
    const zm_policy_set_t all = ~(zm_policy_set_t)0;
    apr_pool_t *pool = fuzz_pool();
    zm_str_t text = zm_str_of((const char *)data, size), line;
    zm_map_options_t options = {0};
    zm_policy_answer_t answer;
    zm_error_t error;
    zm_map_t *map;
    bool more;
    FUZZ_EXPECT(zm_map_create(&map, "incore", &options, pool, &error) == APR_SUCCESS);
    do {
        more = zm_str_cut(text, '\n', &line, &text);
        add_line(map, line);
    } while (more);
    FUZZ_EXPECT(zm_policy_ip(&answer, map, all, &four, pool) != ZM_MAP_FAILED);
    check_answer(&answer);
    FUZZ_EXPECT(zm_policy_ip(&answer, map, all, &six, pool) != ZM_MAP_FAILED);
    check_answer(&answer);
    FUZZ_EXPECT(zm_policy_domain(&answer, map, all, ZM_S("a.b.test"), pool) != ZM_MAP_FAILED);
    check_answer(&answer);
    FUZZ_EXPECT(zm_policy_user(&answer, map, all, ZM_S("u@b.test"), pool) != ZM_MAP_FAILED);
    check_answer(&answer);
    return 0;
}
