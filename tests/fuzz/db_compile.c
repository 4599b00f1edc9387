/*
 * Sources of databases: alias files, plain ones and policy rules.  The first byte
 * chooses the form and the options.
 *
 * As many entries are told as the map has; keys are not empty and folded; lines
 * of notes ascend within the source; each value of an alias file is an address
 * list without errors, and reads the same again when it is written as a source; so do
 * policy records, and a lookup in them ends.
 */
#include "mta/db/compile.h"
#include "mta/mail/address.h"
#include "mta/mail/aliases.h"
#include "mta/map/policy.h"
#include "tests/fuzz/fuzz.h"

typedef struct check_t {
    zm_compile_t *compile;
    apr_pool_t *pool;
    unsigned lines, notes;
    uint64_t entries;
    zm_buf_t source; /* the aliases written again */
} check_t;

static void on_note(void *baton, zm_compile_note_t what, unsigned line, const char *text)
{
    check_t *check = baton;
    (void)what;
    FUZZ_EXPECT(line >= 1 && line <= check->lines);
    FUZZ_EXPECT(text[0] != '\0');
    check->notes++;
}

static bool on_entry(void *baton, zm_str_t key, zm_str_t value)
{
    check_t *check = baton;
    apr_size_t i;
    check->entries++;
    FUZZ_EXPECT(key.length > 0);
    FUZZ_EXPECT(check->compile->append || check->compile->form == ZM_COMPILE_POLICY ||
                zm_str_find(value, '\n') < 0);
    if (check->compile->form == ZM_COMPILE_POLICY) {
        FUZZ_EXPECT(zm_policy_key_class(key) != 0);
        FUZZ_EXPECT(zm_policy_print(&check->source, key, value));
    }
    if (check->compile->form == ZM_COMPILE_ALIASES) {
        for (i = 0; i < key.length; i++)
            FUZZ_EXPECT(!zm_is_upper(key.data[i]));
        if (!check->compile->append) {
            FUZZ_EXPECT(zm_address_parse(ZM_RULE_LIST_LINE, value, check->pool)->bad == 0);
            zm_buf_add_str(&check->source, key);
            zm_buf_add_c(&check->source, ": ");
            zm_buf_add_str(&check->source, value);
            zm_buf_add_byte(&check->source, '\n');
        }
    }
    return true;
}

/* Whatever the rules say, an answer comes. */
static void look(zm_map_t *map, apr_pool_t *pool)
{
    static const zm_ip_t four = {4, {10, 1, 2, 3}}, six = {6, {0x20, 1, 0xd, 0xb8}};
    const zm_policy_set_t all = ~(zm_policy_set_t)0;
    zm_policy_answer_t answer;
    FUZZ_EXPECT(zm_policy_ip(&answer, map, all, &four, pool) != ZM_MAP_FAILED);
    FUZZ_EXPECT(zm_policy_ip(&answer, map, all, &six, pool) != ZM_MAP_FAILED);
    FUZZ_EXPECT(zm_policy_domain(&answer, map, all, ZM_S("a.b.test"), pool) != ZM_MAP_FAILED);
    FUZZ_EXPECT(zm_policy_user(&answer, map, all, ZM_S("u@b.test"), pool) != ZM_MAP_FAILED);
}

static void compile(check_t *check, zm_str_t text)
{
    zm_map_options_t options = {0};
    zm_error_t error = {0};
    zm_map_t *map;
    apr_size_t i;
    check->lines = 1;
    for (i = 0; i < text.length; i++)
        check->lines += text.data[i] == '\n';
    check->notes = 0;
    check->entries = 0;
    FUZZ_EXPECT(zm_map_create(&map, "incore", &options, check->pool, &error) == APR_SUCCESS);
    FUZZ_EXPECT(zm_compile(check->compile, text, map, check->pool, &error) == APR_SUCCESS);
    FUZZ_EXPECT(check->notes ==
                check->compile->errors + check->compile->duplicates + check->compile->remarks);
    FUZZ_EXPECT(zm_map_each(map, on_entry, check, &error) == APR_SUCCESS);
    FUZZ_EXPECT(check->entries == check->compile->entries);
    if (check->compile->form == ZM_COMPILE_POLICY)
        look(map, check->pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_compile_t first = {.note = on_note}, again = {.note = on_note};
    check_t check = {.compile = &first, .pool = fuzz_pool(), .source = ZM_BUF_INIT};
    if (size == 0)
        return 0;
    first.form = data[0] & 1    ? ZM_COMPILE_ALIASES
                 : data[0] & 16 ? ZM_COMPILE_POLICY
                                : ZM_COMPILE_PLAIN;
    first.append = data[0] & 2;
    first.fold = data[0] & 4 ? 'l' : data[0] & 8 ? 'u' : 0;
    first.baton = again.baton = &check;
    compile(&check, zm_str_of((const char *)data + 1, size - 1));
    if (first.form == ZM_COMPILE_POLICY || (first.form == ZM_COMPILE_ALIASES && !first.append)) {
        zm_buf_t source = check.source;
        check.source = (zm_buf_t)ZM_BUF_INIT;
        again.form = first.form;
        check.compile = &again;
        compile(&check, zm_buf_str(&source));
        FUZZ_EXPECT(again.entries == first.entries && again.errors + again.duplicates == 0);
        zm_buf_free(&source);
    }
    zm_buf_free(&check.source);
    return 0;
}
