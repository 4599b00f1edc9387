/*
 * The address parser.  The first byte chooses the rule, the rest is the value.
 *
 * Every token of an item lies inside the value; the counts agree; a list that is
 * good is printed to text that is good, has the same addresses and prints the
 * same again.
 */
#include "mta/mail/address.h"
#include "mta/mail/illegal.h"
#include "tests/fuzz/fuzz.h"

static void check_items(const zm_address_list_t *list, apr_pool_t *pool)
{
    const zm_address_t *item;
    unsigned bad = 0, good = 0;
    for (item = list->first; item != NULL; item = item->next) {
        apr_size_t i, at = 0;
        zm_str_t local, domain;
        for (i = 0; i < item->count; i++) {
            FUZZ_EXPECT(item->tokens[i].offset >= at);
            at = (apr_size_t)item->tokens[i].offset + item->tokens[i].extent;
            FUZZ_EXPECT(at <= list->text.length);
        }
        bad += item->bad;
        good += !item->bad && zm_address_good((zm_address_t *)item) == item;
        if (item->bad) {
            apr_size_t offset;
            FUZZ_EXPECT(zm_address_problem(list, item, &offset) != NULL);
            FUZZ_EXPECT(offset <= list->text.length);
        }
        zm_address_split(item->pure, &local, &domain);
        FUZZ_EXPECT(local.length + domain.length <= item->pure.length);
        zm_address_plain(item, pool);
        zm_address_display_name(item, pool);
    }
    FUZZ_EXPECT(bad == list->bad && good == list->mailboxes);
}

static void check_round_trip(const zm_address_list_t *list, apr_pool_t *pool)
{
    zm_str_t once = zm_address_list_text(list, pool);
    zm_rule_t rule = list->rule == ZM_RULE_ADDRESS ? ZM_RULE_ADDRESS_LIST : list->rule;
    zm_address_list_t *again = zm_address_parse(rule, once, pool); /* "a b" is two addresses */
    const zm_address_t *a = zm_address_good(list->first), *b = zm_address_good(again->first);
    FUZZ_EXPECT(again->bad == 0);
    for (; a != NULL && b != NULL; a = zm_address_good(a->next), b = zm_address_good(b->next))
        FUZZ_EXPECT(zm_str_equal(a->pure, b->pure));
    FUZZ_EXPECT(a == NULL && b == NULL);
    FUZZ_EXPECT(zm_str_equal(zm_address_list_text(again, pool), once));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_address_list_t *list;
    zm_buf_t text = ZM_BUF_INIT;
    if (size == 0)
        return 0;
    list = zm_address_parse((zm_rule_t)(1 + data[0] % (ZM_RULE_END - 1)),
                            zm_str_of((const char *)data + 1, size - 1), pool);
    check_items(list, pool);
    zm_add_problems(&text, list, "\t");
    zm_buf_free(&text);
    if (list->bad == 0 && list->rule != ZM_RULE_LIST_LINE)
        check_round_trip(list, pool);
    return 0;
}
