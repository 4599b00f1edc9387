#include "mta/map/relation.h"

#include <apr_strings.h>

#include "platform/clock.h"
#include "platform/fs.h"
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

#define BUECHER                                                                                    \
    "b\xc3\xbc"                                                                                    \
    "cher.test"

static void domains_beyond_ascii_have_two_forms(void)
{
    define((zm_relation_options_t){.fold = 'l', .driver = ZM_DRIVER_PATHALIAS});
    add(".", "rest");
    add("." BUECHER, "u");
    add("xn--mller-kva.test", "a");
    ZM_ASSERT_STR(ask("h.XN--bcher-kva.test", NULL, NULL), "u");
    ZM_ASSERT_STR(ask("h." BUECHER, NULL, NULL), "u");
    ZM_ASSERT_STR(ask("M\xc3\xbcller.test", NULL, NULL), "a");
    ZM_ASSERT_STR(ask("xn--zzzzzz99.test", NULL, NULL), "rest");
    define((zm_relation_options_t){.fold = 'l'});
    add("bob@" BUECHER, "bob");
    add("xn--mller-kva", "no domain");
    ZM_ASSERT_STR(ask("bob@xn--bcher-kva.test", NULL, NULL), "bob");
    ZM_ASSERT_STR(ask("m\xc3\xbcller", NULL, NULL), "-");
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
    ZM_ASSERT_STR(ask("\"a@b\"@d.test", NULL, NULL), "domain");
    ZM_ASSERT_STR(ask("\"a@b\"@", NULL, NULL), "local");
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

static const char *path_of(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void write_file(const char *name, const char *text)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path_of(name),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
}

static void an_indirect_value_is_a_record_of_any_length(void)
{
    zm_buf_t text = ZM_BUF_INIT, expected = ZM_BUF_INIT;
    int i;
    zm_buf_add_c(&text, "bob: x\nteam: m\n");
    zm_buf_add_c(&expected, "team: m");
    for (i = 0; i < 10000; i++) {
        zm_buf_printf(&text, "\tmember%d,\n", i);
        zm_buf_printf(&expected, " member%d,", i);
    }
    zm_buf_add_c(&text, "last: y\n");
    write_file("data", zm_buf_c(&text));
    write_file("index", "bob 0\nteam 7\nlast 99999999\n");
    define((zm_relation_options_t){.type = "ordered",
                                   .post = ZM_POST_INDIRECT,
                                   .map = {.file = path_of("index"), .subtype = path_of("data")}});
    ZM_ASSERT_STR(ask("bob", NULL, NULL), "bob: x");
    ZM_ASSERT_STR(ask("team", NULL, NULL), zm_buf_c(&expected));
    ZM_ASSERT_STR(ask("last", NULL, NULL), "-");
    zm_buf_free(&text);
    zm_buf_free(&expected);
}

static void a_change_of_either_file_of_indirect_values_is_seen(void)
{
    write_file("data", "bob: x\n");
    write_file("index", "bob 0\n");
    define((zm_relation_options_t){.type = "unordered",
                                   .post = ZM_POST_INDIRECT,
                                   .cache = 10,
                                   .check = true,
                                   .map = {.file = path_of("index"), .subtype = path_of("data")}});
    ZM_ASSERT_STR(ask("bob", NULL, NULL), "bob: x");
    write_file("data", "bob: changed\n");
    ZM_ASSERT_STR(ask("bob", NULL, NULL), "bob: changed");
}

typedef struct appearance_t {
    const char *name, *text; /* null: nothing appears */
    int waited;
} appearance_t;

static void appear(void *baton)
{
    appearance_t *appearance = baton;
    if (++appearance->waited == 2 && appearance->text != NULL)
        write_file(appearance->name, appearance->text);
    zm_clock_advance(apr_time_from_sec(1));
}

static void a_file_that_is_away_for_a_moment_is_waited_for(void)
{
    appearance_t appearance = {"moment", "key back\n", 0};
    zm_file_info_t info;
    zm_clock_freeze(apr_time_from_sec(1000), apr_time_from_sec(1000));
    write_file("moment", "key before\n");
    define((zm_relation_options_t){
        .type = "unordered", .check = true, .map = {.file = path_of("moment")}});
    ZM_ASSERT_STR(ask("key", NULL, NULL), "before");
    ZM_ASSERT_OK(zm_file_unlink(NULL, path_of("moment")));
    CU_ASSERT_NOT_EQUAL(zm_path_info(&info, NULL, path_of("moment")), APR_SUCCESS);
    zm_map_set_waiting(appear, &appearance);
    ZM_ASSERT_STR(ask("key", NULL, NULL), "back");
    CU_ASSERT_EQUAL(appearance.waited, 2);
    zm_map_set_waiting(NULL, NULL);
    zm_clock_thaw();
}

static void a_file_that_stays_away_is_waited_for_once(void)
{
    appearance_t appearance = {0};
    zm_clock_freeze(apr_time_from_sec(1000), apr_time_from_sec(1000));
    zm_map_set_waiting(appear, &appearance);
    define((zm_relation_options_t){.type = "sqlite", .map = {.file = path_of("away.sqlite")}});
    ZM_ASSERT_STR(ask("key", NULL, NULL), "-");
    CU_ASSERT_EQUAL(appearance.waited, 3);
    ZM_ASSERT_STR(ask("key", NULL, NULL), "-");
    CU_ASSERT_EQUAL(appearance.waited, 3);
    add("key", "now");
    ZM_ASSERT_STR(ask("key", NULL, NULL), "now");
    zm_map_set_waiting(NULL, NULL);
    zm_clock_thaw();
}

/* A map whose file cannot be read when it is told so. */
static const char *flaky_value; /* null: it cannot be read */

static apr_status_t flaky_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    (void)options;
    (void)error;
    *state = pool;
    return APR_SUCCESS;
}

static zm_map_outcome_t flaky_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                     apr_pool_t *pool)
{
    (void)state;
    (void)key;
    (void)pool;
    answer->value = zm_str(flaky_value);
    return flaky_value != NULL ? ZM_MAP_FOUND : ZM_MAP_FAILED;
}

static const zm_map_type_t flaky_type = {
    .name = "flaky", .reads_file = true, .open = flaky_open, .lookup = flaky_lookup};

static void what_was_known_of_a_file_before_it_failed_is_forgotten(void)
{
    appearance_t appearance = {0};
    zm_clock_freeze(apr_time_from_sec(1000), apr_time_from_sec(1000));
    zm_map_set_waiting(appear, &appearance);
    zm_map_type_add(&flaky_type);
    define((zm_relation_options_t){.type = "flaky", .check = true, .cache = 10});
    flaky_value = "before";
    ZM_ASSERT_STR(ask("a", NULL, NULL), "before");
    flaky_value = NULL;
    ZM_ASSERT_STR(ask("b", NULL, NULL), "-");
    flaky_value = "after";
    ZM_ASSERT_STR(ask("a", NULL, NULL), "after");
    zm_map_set_waiting(NULL, NULL);
    zm_clock_thaw();
}

ZM_TESTS("relation", ZM_TEST(case_of_keys_is_mapped), ZM_TEST(pathalias_walks_up_the_domain),
         ZM_TEST(domains_beyond_ascii_have_two_forms), ZM_TEST(nodot_and_at_variants),
         ZM_TEST(longestmatch_knows_networks), ZM_TEST(boolean_and_nonnull_values),
         ZM_TEST(the_cache_tells_defaults_apart_and_forgets_in_time),
         ZM_TEST(a_cached_suffix_match_substitutes_like_the_first),
         ZM_TEST(an_indirect_value_is_a_record_of_any_length),
         ZM_TEST(a_change_of_either_file_of_indirect_values_is_seen),
         ZM_TEST(a_file_that_is_away_for_a_moment_is_waited_for),
         ZM_TEST(a_file_that_stays_away_is_waited_for_once),
         ZM_TEST(what_was_known_of_a_file_before_it_failed_is_forgotten))
