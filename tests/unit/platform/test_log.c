#include "platform/log.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log_format.h"
#include "tests/unit/harness.h"

#define FIELDS(...)                                                                                \
    (const zm_log_field_t[]){__VA_ARGS__},                                                         \
        (int)(sizeof((zm_log_field_t[]){__VA_ARGS__}) / sizeof(zm_log_field_t))

static const char *formatted(void form(zm_buf_t *, const zm_log_record_t *), const char *id,
                             const char *event, const zm_log_field_t *fields, int count)
{
    zm_buf_t line = ZM_BUF_INIT;
    zm_log_record_t record = {.when = apr_time_from_sec(1795237187) + 42,
                              .level = ZM_LOG_INFO,
                              .program = "router",
                              .pid = 77,
                              .id = id,
                              .event = event,
                              .fields = fields,
                              .count = count};
    const char *copy;
    form(&line, &record);
    copy = zm_str_c(zm_test_pool(), zm_buf_str(&line));
    zm_buf_free(&line);
    return copy;
}

static const char *value(const char *data, apr_size_t length)
{
    return formatted(zm_log_format_tail, "1", "e", FIELDS(ZM_F_N("k", zm_str_of(data, length)))) +
           strlen("1: e k=");
}

#define VALUE(literal) value(literal, sizeof(literal) - 1)

static void line_has_time_level_program_and_id(void)
{
    ZM_ASSERT_STR(
        formatted(zm_log_format_text, "4711", "delivered",
                  FIELDS(ZM_F_S("to", "bob@example.org"), ZM_F_I("size", -12))),
        "2026-11-21T04:59:47.000042Z info router[77] 4711: delivered to=bob@example.org size=-12");
    ZM_ASSERT_STR(formatted(zm_log_format_text, NULL, "start", NULL, 0),
                  "2026-11-21T04:59:47.000042Z info router[77] -: start");
}

static void hostile_values_neither_end_a_line_nor_forge_a_key(void)
{
    ZM_ASSERT_STR(VALUE("x\nfake line"), "\"x\\nfake line\"");
    ZM_ASSERT_STR(VALUE("x status=ok"), "\"x status=ok\"");
    ZM_ASSERT_STR(VALUE("a\" b=\""), "\"a\\\" b=\\\"\"");
    ZM_ASSERT_STR(VALUE("a\\"), "\"a\\\\\"");
    ZM_ASSERT_STR(VALUE("\r\t\0\x1b[2J\x7f"), "\"\\r\\t\\x00\\x1b[2J\\x7f\"");
    ZM_ASSERT_STR(VALUE(""), "\"\"");
    ZM_ASSERT_STR(VALUE("a=b@c"), "a=b@c");
    CU_ASSERT_PTR_NULL(
        strchr(formatted(zm_log_format_text, "1\n2", "e\nvil", FIELDS(ZM_F_S("k", "\n"))), '\n'));
}

static void only_wellformed_printable_utf8_is_text(void)
{
    ZM_ASSERT_STR(VALUE("J\xc3\xb6rg"), "J\xc3\xb6rg");
    ZM_ASSERT_STR(VALUE("\xf0\x9f\x93\xa7"), "\xf0\x9f\x93\xa7");
    ZM_ASSERT_STR(VALUE("\xff"), "\"\\xff\"");
    ZM_ASSERT_STR(VALUE("\xc3"), "\"\\xc3\"");
    ZM_ASSERT_STR(VALUE("\xc0\x8a"), "\"\\xc0\\x8a\"");          /* overlong LF */
    ZM_ASSERT_STR(VALUE("\xe0\x80\x8a"), "\"\\xe0\\x80\\x8a\""); /* the same in three octets */
    ZM_ASSERT_STR(VALUE("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\""); /* half a surrogate pair */
    ZM_ASSERT_STR(VALUE("\xc2\x9b"), "\"\\xc2\\x9b\""); /* C1 control sequence introducer */
    ZM_ASSERT_STR(VALUE("\xe2\x80\xae"), "\"\\xe2\\x80\\xae\""); /* right-to-left override */
    ZM_ASSERT_STR(VALUE("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\""); /* beyond Unicode */
}

static void null_and_status_values_are_readable(void)
{
    ZM_ASSERT_STR(formatted(zm_log_format_tail, "1", "e",
                            FIELDS(ZM_F_S("k", NULL), ZM_F_E("why", ZM_E_BUSY))),
                  "1: e k=- why=\"in use by another process\"");
}

static void json_is_one_object_a_line(void)
{
    ZM_ASSERT_STR(
        formatted(zm_log_format_json, "4711", "got \"x\"",
                  FIELDS(ZM_F_S("a", "1\n2\x01"), ZM_F_I("n", 5), ZM_F_S("z", NULL),
                         ZM_F_N("u", ZM_S("\xff\xc3\xb6")))),
        "{\"time\":\"2026-11-21T04:59:47.000042Z\",\"level\":\"info\",\"program\":\"router\","
        "\"pid\":77,\"id\":\"4711\",\"event\":\"got \\\"x\\\"\",\"a\":\"1\\n2\\u0001\",\"n\":5,"
        "\"z\":null,\"u\":\"\\u00ff\xc3\xb6\"}");
}

/* -- sinks -------------------------------------------------------------------- */

static const char *below(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static const char *contents(const char *path)
{
    char *data = NULL;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, path, 1000000, zm_test_pool()));
    return data;
}

static void levels_below_the_limit_are_left_out(void)
{
    zm_log_options_t options = {.program = "t", .file = below("log"), .level = ZM_LOG_INFO};
    ZM_ASSERT_OK(zm_log_open(&options, NULL));
    CU_ASSERT_TRUE(zm_log_on(ZM_LOG_ERROR));
    CU_ASSERT_TRUE(zm_log_on(ZM_LOG_INFO));
    CU_ASSERT_FALSE(zm_log_on(ZM_LOG_DEBUG));
    zm_log(ZM_LOG_DEBUG, NULL, "hidden");
    zm_log(ZM_LOG_INFO, NULL, "shown", ZM_F_I("n", 1));
    zm_log_event(ZM_LOG_DEBUG, NULL, "hidden", NULL, 0);
    zm_log_close();
    CU_ASSERT_PTR_NOT_NULL(strstr(contents(options.file), " -: shown n=1\n"));
    CU_ASSERT_PTR_NULL(strstr(contents(options.file), "hidden"));
}

static void renamed_file_is_opened_anew(void)
{
    zm_log_options_t options = {.program = "t", .file = below("log"), .level = ZM_LOG_INFO};
    zm_clock_freeze(0, 0);
    ZM_ASSERT_OK(zm_log_open(&options, NULL));
    zm_log(ZM_LOG_INFO, NULL, "one");
    ZM_ASSERT_OK(zm_file_rename(NULL, options.file, NULL, below("log.1")));
    zm_log(ZM_LOG_INFO, NULL, "two");
    zm_clock_advance(apr_time_from_sec(2));
    zm_log(ZM_LOG_INFO, NULL, "three");
    zm_clock_thaw();
    zm_log_close();
    CU_ASSERT_PTR_NOT_NULL(strstr(contents(below("log.1")), "two\n"));
    CU_ASSERT_PTR_NULL(strstr(contents(options.file), "two\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(contents(options.file), "three\n"));
}

static void reopen_starts_a_new_file(void)
{
    zm_log_options_t options = {
        .program = "t", .file = below("log"), .level = ZM_LOG_INFO, .json = true};
    ZM_ASSERT_OK(zm_log_open(&options, NULL));
    zm_log(ZM_LOG_INFO, NULL, "one");
    ZM_ASSERT_OK(zm_file_rename(NULL, options.file, NULL, below("log.1")));
    ZM_ASSERT_OK(zm_log_reopen());
    zm_log(ZM_LOG_INFO, NULL, "two");
    zm_log_close();
    CU_ASSERT_PTR_NULL(strstr(contents(options.file), "one"));
    CU_ASSERT_EQUAL(contents(options.file)[0], '{');
}

enum { WRITERS = 4, LINES = 300 };

static void *APR_THREAD_FUNC write_lines(apr_thread_t *thread, void *baton)
{
    int i;
    for (i = 0; i < LINES; i++)
        zm_log(ZM_LOG_INFO, "4711", "event", ZM_F_I("writer", *(int *)baton),
               ZM_F_S("end", "here"));
    apr_thread_exit(thread, APR_SUCCESS); /* on Windows a mere return makes the join fail */
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void)
{
    zm_log_options_t options = {.program = "t", .file = below("log"), .level = ZM_LOG_INFO};
    apr_thread_t *threads[WRITERS];
    int numbers[WRITERS], i, lines = 0, good = 0;
    apr_status_t result;
    zm_str_t rest, line;
    ZM_ASSERT_OK(zm_log_open(&options, NULL));
    for (i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        ZM_ASSERT_OK(
            apr_thread_create(&threads[i], NULL, write_lines, &numbers[i], zm_test_pool()));
    }
    ZM_ASSERT_OK(zm_log_reopen());
    for (i = 0; i < WRITERS; i++)
        ZM_ASSERT_OK(apr_thread_join(&result, threads[i]));
    zm_log_close();
    for (rest = zm_str(contents(options.file)); zm_str_cut(rest, '\n', &line, &rest); lines++)
        good += zm_str_starts(line, ZM_S("20")) && zm_str_ends_nocase(line, ZM_S(" end=here"));
    CU_ASSERT_EQUAL(lines, WRITERS * LINES);
    CU_ASSERT_EQUAL(good, WRITERS * LINES);
}

static void unusable_file_is_an_error_that_names_it(void)
{
    zm_log_options_t options = {.program = "t", .file = below("none/log"), .level = ZM_LOG_INFO};
    zm_error_t error;
    CU_ASSERT_TRUE(zm_log_open(&options, &error) != APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, options.file));
}

static void syslog_without_a_daemon_is_harmless(void)
{
    zm_log_syslog(ZM_LOG_DEBUG, "zmtest", "one %s", "line\nonly");
    zm_log_syslog(ZM_LOG_DEBUG, "zmtest2", "%d", 1);
}

ZM_TESTS("log", ZM_TEST(line_has_time_level_program_and_id),
         ZM_TEST(hostile_values_neither_end_a_line_nor_forge_a_key),
         ZM_TEST(only_wellformed_printable_utf8_is_text),
         ZM_TEST(null_and_status_values_are_readable), ZM_TEST(json_is_one_object_a_line),
         ZM_TEST(levels_below_the_limit_are_left_out), ZM_TEST(renamed_file_is_opened_anew),
         ZM_TEST(reopen_starts_a_new_file), ZM_TEST(lines_of_several_threads_do_not_mix),
         ZM_TEST(unusable_file_is_an_error_that_names_it),
         ZM_TEST(syslog_without_a_daemon_is_harmless))
