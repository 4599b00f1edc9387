#include "mta/map/map.h"

#include <apr_strings.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "tests/unit/harness.h"

static const char *write_file(const char *name, const char *text)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
    return path;
}

static zm_map_t *map_of(const char *type, const char *file)
{
    zm_map_options_t options = {.file = file};
    zm_error_t error;
    zm_map_t *map = NULL;
    ZM_ASSERT_OK(zm_map_create(&map, type, &options, zm_test_pool(), &error));
    return map;
}

/* The value, "-" for absent, "!" for failed. */
static const char *lookup(zm_map_t *map, const char *key)
{
    zm_map_answer_t answer;
    switch (zm_map_lookup(map, zm_str(key), &answer, zm_test_pool())) {
    case ZM_MAP_FOUND:
        return zm_str_c(zm_test_pool(), answer.value);
    case ZM_MAP_ABSENT:
        return "-";
    default:
        return "!";
    }
}

static void in_memory_entries_come_and_go(void)
{
    zm_map_t *map = map_of("incore", NULL);
    zm_error_t error;
    uint64_t count;
    ZM_ASSERT_STR(lookup(map, "a"), "-");
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("a"), ZM_S("1"), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("a"), ZM_S("2"), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("b"), ZM_S(""), &error));
    ZM_ASSERT_STR(lookup(map, "a"), "2");
    ZM_ASSERT_STR(lookup(map, "b"), "");
    ZM_ASSERT_OK(zm_map_count(map, &count, &error));
    CU_ASSERT_EQUAL(count, 2);
    ZM_ASSERT_OK(zm_map_remove(map, ZM_S("a"), &error));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_map_remove(map, ZM_S("a"), &error)));
    ZM_ASSERT_OK(zm_map_flush(map));
    ZM_ASSERT_STR(lookup(map, "b"), "-");
}

static void text_lines_give_the_first_word_behind_the_key(void)
{
    zm_map_t *map =
        map_of("unordered", write_file("t", "a\t1 2\n\"x y\"@z  q\nkeyonly\nA 9\nb 3\r\nlast 5"));
    ZM_ASSERT_STR(lookup(map, "A"), "1");
    ZM_ASSERT_STR(lookup(map, "\"x y\"@z"), "q");
    ZM_ASSERT_STR(lookup(map, "keyonly"), "");
    ZM_ASSERT_STR(lookup(map, "b"), "3");
    ZM_ASSERT_STR(lookup(map, "last"), "5");
    ZM_ASSERT_STR(lookup(map, "2"), "-");
}

static void an_ordered_file_is_searched_at_every_place(void)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_map_t *map;
    char key[32], value[32];
    int i;
    for (i = 0; i < 3000; i++) /* lines of very different lengths */
        zm_buf_printf(&text, "k%05d %d%*s\n", i * 2, i, i % 97, "");
    map = map_of("ordered", write_file("o", zm_buf_c(&text)));
    for (i = 0; i < 3000; i += 7) {
        apr_snprintf(key, sizeof key, "K%05d", i * 2);
        apr_snprintf(value, sizeof value, "%d", i);
        ZM_ASSERT_STR(lookup(map, key), value);
        apr_snprintf(key, sizeof key, "k%05d", i * 2 + 1);
        ZM_ASSERT_STR(lookup(map, key), "-");
    }
    ZM_ASSERT_STR(lookup(map, "k00000"), "0");
    ZM_ASSERT_STR(lookup(map, "k05998"), "2999");
    ZM_ASSERT_STR(lookup(map, "a"), "-");
    ZM_ASSERT_STR(lookup(map, "z"), "-");
    zm_buf_free(&text);
}

static void an_ordered_file_of_one_or_no_line(void)
{
    ZM_ASSERT_STR(lookup(map_of("ordered", write_file("one", "b 1\n")), "b"), "1");
    ZM_ASSERT_STR(lookup(map_of("ordered", write_file("bare", "b 1")), "b"), "1");
    ZM_ASSERT_STR(lookup(map_of("ordered", write_file("none", "")), "b"), "-");
    ZM_ASSERT_STR(lookup(map_of("ordered", write_file("two", "a 1\nb 2\n")), "b"), "2");
}

static void a_database_keeps_what_was_added(void)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/d.sqlite", NULL);
    zm_map_t *map = map_of("btree", path), *reader;
    zm_error_t error;
    ZM_ASSERT_OK(zm_map_begin(map, &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("a"), ZM_S("1"), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("n\0l"), ZM_S("v\0w"), &error));
    ZM_ASSERT_OK(zm_map_commit(map, &error));
    ZM_ASSERT_OK(zm_map_flush(map));
    reader = map_of("sqlite", path);
    ZM_ASSERT_STR(lookup(reader, "a"), "1");
    ZM_ASSERT_STR(lookup(reader, "A"), "-");
}

static void a_changed_database_is_a_new_file(void)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/d.sqlite", NULL);
    zm_map_t *writer = map_of("sqlite", path), *reader = map_of("sqlite", path),
             *other = map_of("sqlite", path);
    zm_error_t error;
    ZM_ASSERT_OK(zm_map_add(writer, ZM_S("a"), ZM_S("1"), &error));
    ZM_ASSERT_STR(lookup(reader, "a"), "1");
    ZM_ASSERT_STR(lookup(reader, "b"), "-");
    ZM_ASSERT_OK(zm_map_add(other, ZM_S("b"), ZM_S("2"), &error));
    ZM_ASSERT_OK(zm_map_add(writer, ZM_S("c"), ZM_S(""), &error));
    ZM_ASSERT_STR(lookup(writer, "b"), "2");
    ZM_ASSERT_STR(lookup(reader, "b"), "-"); /* it reads the old one until it looks */
    CU_ASSERT(zm_map_changed(reader));
    ZM_ASSERT_STR(lookup(reader, "b"), "2");
    ZM_ASSERT_STR(lookup(reader, "c"), "");
    ZM_ASSERT_OK(zm_map_remove(other, ZM_S("a"), &error));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_map_remove(other, ZM_S("a"), &error)));
    CU_ASSERT(zm_map_changed(reader));
    ZM_ASSERT_STR(lookup(reader, "a"), "-");
    ZM_ASSERT_STR(lookup(other, "c"), "");
}

static bool note(void *baton, zm_str_t key, zm_str_t value)
{
    zm_buf_printf(baton, "%.*s=%u ", (int)key.length, key.data, (unsigned)value.length);
    return true;
}

static void a_database_holds_values_of_any_length(void)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/d.sqlite", NULL);
    zm_map_t *map = map_of("sqlite", path);
    char *large = apr_palloc(zm_test_pool(), 100001);
    zm_buf_t seen = ZM_BUF_INIT;
    zm_error_t error;
    uint64_t count;
    memset(large, 'x', 100000);
    large[100000] = '\0';
    ZM_ASSERT_OK(zm_map_begin(map, &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("a"), zm_str(large), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("b"), ZM_S("short"), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("c"), zm_str_of(large, 901), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("c"), zm_str_of(large, 902), &error));
    ZM_ASSERT_OK(zm_map_commit(map, &error));
    ZM_ASSERT_STR(lookup(map, "a"), large);
    ZM_ASSERT_STR(lookup(map, "b"), "short");
    ZM_ASSERT_STR(lookup(map, "c"), large + 100000 - 902);
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("a"), ZM_S("now short"), &error));
    ZM_ASSERT_OK(zm_map_add(map, ZM_S("b"), zm_str_of(large, 5000), &error));
    ZM_ASSERT_OK(zm_map_remove(map, ZM_S("c"), &error));
    ZM_ASSERT_STR(lookup(map, "a"), "now short");
    ZM_ASSERT_STR(lookup(map, "b"), large + 100000 - 5000);
    ZM_ASSERT_STR(lookup(map, "c"), "-");
    ZM_ASSERT_OK(zm_map_each(map, note, &seen, &error));
    ZM_ASSERT_STR(zm_buf_c(&seen), "a=9 b=5000 ");
    ZM_ASSERT_OK(zm_map_count(map, &count, &error));
    CU_ASSERT_EQUAL(count, 2);
    zm_buf_free(&seen);
}

static void a_missing_or_foreign_file_is_a_failure_and_not_an_absence(void)
{
    ZM_ASSERT_STR(lookup(map_of("unordered", "/nonexistent/x"), "a"), "!");
    ZM_ASSERT_STR(lookup(map_of("ordered", "/nonexistent/x"), "a"), "!");
    ZM_ASSERT_STR(lookup(map_of("sqlite", "/nonexistent/x"), "a"), "!");
    ZM_ASSERT_STR(
        lookup(map_of("sqlite", write_file("no.sqlite", "this is no database, not at all")), "a"),
        "!");
}

static void a_replaced_file_is_read_again(void)
{
    const char *path = write_file("r", "a 1\n");
    zm_map_t *map = map_of("unordered", path);
    zm_clock_freeze(apr_time_from_sec(1000), apr_time_from_sec(1000));
    ZM_ASSERT_STR(lookup(map, "a"), "1");
    write_file("r", "a 22\n");
    zm_clock_advance(apr_time_from_sec(2));
    CU_ASSERT_TRUE(zm_map_changed(map));
    ZM_ASSERT_STR(lookup(map, "a"), "22");
    zm_clock_advance(apr_time_from_sec(2));
    CU_ASSERT_FALSE(zm_map_changed(map));
    zm_clock_thaw();
}

static void expressions_fill_in_their_groups(void)
{
    zm_map_t *map =
        map_of("regex", write_file("x", "# c\n^(.+)-list@(.+)$ $1@lists.$2\n^any no\n"));
    ZM_ASSERT_STR(lookup(map, "Dev-List@a.test"), "Dev@lists.a.test");
    ZM_ASSERT_STR(lookup(map, "anything"), "no");
    ZM_ASSERT_STR(lookup(map, "other"), "-");
    ZM_ASSERT_STR(lookup(map_of("regex", write_file("bad", "(\n")), "a"), "!");
}

static void our_own_addresses_are_known(void)
{
    zm_map_t *map = map_of("selfmatch", NULL);
    ZM_ASSERT_STR(lookup(map, "127.0.0.1"), "2");
    ZM_ASSERT_STR(lookup(map, "127.8.9.1"), "2");
    ZM_ASSERT_STR(lookup(map, "0.1.2.3"), "3");
    if (!zm_test_on_wine()) /* binds to strange addresses, too */
        ZM_ASSERT_STR(lookup(map, "192.0.2.99"), "-");
    ZM_ASSERT_STR(lookup(map, "nonsense"), "-");
}

typedef struct listing_t {
    bool loopback;
    uint64_t count;
} listing_t;

static bool note_address(void *baton, zm_str_t key, zm_str_t value)
{
    listing_t *listing = baton;
    listing->count++;
    if (zm_str_equal_c(key, "127.0.0.1"))
        listing->loopback = zm_str_equal_c(value, "2");
    return true;
}

static void our_own_addresses_can_be_listed_and_counted(void)
{
    zm_map_t *map = map_of("selfmatch", NULL);
    listing_t listing = {0};
    uint64_t count = 0;
    zm_error_t error;
    ZM_ASSERT_OK(zm_map_each(map, note_address, &listing, &error));
    ZM_ASSERT_OK(zm_map_count(map, &count, &error));
    CU_ASSERT_EQUAL(count, listing.count);
    CU_ASSERT_TRUE(listing.loopback || zm_test_on_wine());
    CU_ASSERT_EQUAL(zm_map_flush(map), ZM_E_UNSUPPORTED);
}

static void services_have_nothing_to_add_remove_or_flush(void)
{
    static const char *const types[] = {"hostsfile", "selfmatch"};
    zm_error_t error;
    apr_size_t i;
    for (i = 0; i < 2; i++) {
        zm_map_t *map = map_of(types[i], NULL);
        zm_uid_t owner;
        CU_ASSERT_EQUAL(zm_map_add(map, ZM_S("k"), ZM_S("v"), &error), ZM_E_UNSUPPORTED);
        CU_ASSERT_EQUAL(zm_map_remove(map, ZM_S("k"), &error), ZM_E_UNSUPPORTED);
        CU_ASSERT_EQUAL(zm_map_owner(map, &owner, &error), ZM_E_UNSUPPORTED);
        CU_ASSERT_EQUAL(zm_map_flush(map), ZM_E_UNSUPPORTED);
    }
}

static void an_unknown_type_or_a_missing_file_name_is_refused(void)
{
    zm_map_options_t options = {0};
    zm_error_t error;
    zm_map_t *map;
    CU_ASSERT_EQUAL(zm_map_create(&map, "oracle", &options, zm_test_pool(), &error),
                    ZM_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(zm_map_create(&map, "ordered", &options, zm_test_pool(), &error), ZM_E_CONFIG);
    CU_ASSERT_FALSE(zm_map_type_exists("oracle"));
    CU_ASSERT_TRUE(zm_map_type_exists("gdbm"));
}

ZM_TESTS("map types", ZM_TEST(in_memory_entries_come_and_go),
         ZM_TEST(text_lines_give_the_first_word_behind_the_key),
         ZM_TEST(an_ordered_file_is_searched_at_every_place),
         ZM_TEST(an_ordered_file_of_one_or_no_line), ZM_TEST(a_database_keeps_what_was_added),
         ZM_TEST(a_changed_database_is_a_new_file), ZM_TEST(a_database_holds_values_of_any_length),
         ZM_TEST(a_missing_or_foreign_file_is_a_failure_and_not_an_absence),
         ZM_TEST(a_replaced_file_is_read_again), ZM_TEST(expressions_fill_in_their_groups),
         ZM_TEST(our_own_addresses_are_known), ZM_TEST(our_own_addresses_can_be_listed_and_counted),
         ZM_TEST(services_have_nothing_to_add_remove_or_flush),
         ZM_TEST(an_unknown_type_or_a_missing_file_name_is_refused))
