#include "mta/map/relation.h"

#include <apr_strings.h>

#include "platform/clock.h"
#include "tests/unit/harness.h"

static zm_relation_t *relation;

static void define(zm_relation_options_t options)
{
    zm_error_t error;
    if (options.type == NULL)
        options.type = "incore";
    ZM_ASSERT_OK(zm_relation_create(&relation, &options, zm_test_pool(), &error));
}

static void add(const char *key, const char *value)
{
    zm_error_t error;
    ZM_ASSERT_OK(zm_map_add(zm_relation_map(relation),
                            zm_relation_fold(relation, zm_str(key), zm_test_pool()), zm_str(value),
                            &error));
}

/* Asks with up to one default and one argument; "-" for absent. */
static const char *ask(const char *key, const char *otherwise, const char *argument)
{
    zm_str_t defaults = zm_str(otherwise), arguments = zm_str(argument);
    zm_relation_query_t query = {zm_str(key), &defaults, otherwise != NULL, &arguments,
                                 argument != NULL};
    zm_map_answer_t answer;
    if (zm_relation_lookup(relation, &query, &answer, zm_test_pool()) != ZM_MAP_FOUND)
        return "-";
    return zm_str_c(zm_test_pool(), answer.value);
}

static void case_of_keys_is_mapped(void)
{
    define((zm_relation_options_t){.fold = 'l'});
    add("Key", "1");
    ZM_ASSERT_STR(ask("KEY", NULL, NULL), "1");
    define((zm_relation_options_t){.fold = 'u'});
    add("Key", "1");
    ZM_ASSERT_STR(ask("key", NULL, NULL), "1");
    ZM_ASSERT_STR(ask("", NULL, NULL), "-");
}

static void pathalias_walks_up_the_domain(void)
{
    define((zm_relation_options_t){.driver = ZM_DRIVER_PATHALIAS, .percent = true});
    add(".sub.test", "%0|%1");
    add("exact.sub.test", "exact");
    add("dflt", "D%0");
    ZM_ASSERT_STR(ask("h.sub.test", NULL, "U"), ".h|U");
    ZM_ASSERT_STR(ask("a.h.sub.test", NULL, "U"), ".a.h|U");
    ZM_ASSERT_STR(ask("sub.test", NULL, "U"), "|U");
    ZM_ASSERT_STR(ask("exact.sub.test", NULL, NULL), "exact");
    ZM_ASSERT_STR(ask("other", "dflt", NULL), "Dother");
    ZM_ASSERT_STR(ask("other", NULL, NULL), "-");
    add(".", "all");
    ZM_ASSERT_STR(ask("other", NULL, NULL), "all");
    ZM_ASSERT_STR(ask("other", "absent", NULL), "-");
}

static void nodot_and_at_variants(void)
{
    define((zm_relation_options_t){.driver = ZM_DRIVER_PATHALIAS_NODOT, .percent = true});
    add("sub.test", "%0");
    add("h.sub.test", "self");
    ZM_ASSERT_STR(ask("h.sub.test", NULL, NULL), "h.");
    ZM_ASSERT_STR(ask("sub.test", NULL, NULL), "-");
    define((zm_relation_options_t){.driver = ZM_DRIVER_PATHALIAS_AT, .fold = 'l'});
    add("u@d.test", "both");
    add(".test", "domain");
    add("@local@", "local");
    ZM_ASSERT_STR(ask("U@D.test", NULL, NULL), "both");
    ZM_ASSERT_STR(ask("x@d.test", NULL, NULL), "domain");
    ZM_ASSERT_STR(ask("x@", NULL, NULL), "local");
}

static void longestmatch_knows_networks(void)
{
    define((zm_relation_options_t){.driver = ZM_DRIVER_LONGESTMATCH});
    add("10.0.0.0/8", "ten");
    add("10.1.0.0/16", "sixteen");
    add("0.0.0.0/0", "all");
    ZM_ASSERT_STR(ask("10.1.2.3", NULL, NULL), "sixteen");
    ZM_ASSERT_STR(ask("[10.2.2.3]", NULL, NULL), "ten");
    ZM_ASSERT_STR(ask("192.0.2.1", NULL, NULL), "all");
    ZM_ASSERT_STR(ask("1.2.3", NULL, NULL), "-");
}

static void boolean_and_nonnull_values(void)
{
    define((zm_relation_options_t){.post = ZM_POST_BOOLEAN, .fold = 'l'});
    add("a", "x");
    ZM_ASSERT_STR(ask("A", NULL, NULL), "a");
    define((zm_relation_options_t){.post = ZM_POST_NONNULL});
    add("a", "");
    ZM_ASSERT_STR(ask("a", NULL, NULL), "a");
    ZM_ASSERT_STR(ask("b", NULL, NULL), "b");
}

static void the_cache_tells_defaults_apart_and_forgets_in_time(void)
{
    zm_clock_freeze(apr_time_from_sec(1000), apr_time_from_sec(1000));
    define((zm_relation_options_t){
        .driver = ZM_DRIVER_PATHALIAS, .cache = 2, .ttl = 10, .negative = true});
    add("one", "1");
    add("two", "2");
    ZM_ASSERT_STR(ask("k", "one", NULL), "1");
    ZM_ASSERT_STR(ask("k", "two", NULL), "2");
    add("one", "changed");
    ZM_ASSERT_STR(ask("k", "one", NULL), "1");
    ZM_ASSERT_STR(ask("absent", "none", NULL), "-");
    CU_ASSERT_EQUAL(zm_relation_cached(relation), 2);
    zm_clock_advance(apr_time_from_sec(11));
    ZM_ASSERT_STR(ask("k", "one", NULL), "changed");
    zm_relation_flush(relation);
    CU_ASSERT_EQUAL(zm_relation_cached(relation), 0);
    zm_clock_thaw();
}

static void a_cached_suffix_match_substitutes_like_the_first(void)
{
    define((zm_relation_options_t){.driver = ZM_DRIVER_PATHALIAS, .cache = 10, .percent = true});
    add(".dom", "x!%0!%1");
    ZM_ASSERT_STR(ask("a.dom", NULL, "U"), "x!.a!U");
    ZM_ASSERT_STR(ask("a.dom", NULL, "V"), "x!.a!V");
}

ZM_TESTS("relation", ZM_TEST(case_of_keys_is_mapped), ZM_TEST(pathalias_walks_up_the_domain),
         ZM_TEST(nodot_and_at_variants), ZM_TEST(longestmatch_knows_networks),
         ZM_TEST(boolean_and_nonnull_values),
         ZM_TEST(the_cache_tells_defaults_apart_and_forgets_in_time),
         ZM_TEST(a_cached_suffix_match_substitutes_like_the_first))
