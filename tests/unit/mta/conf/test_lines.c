#include "mta/conf/lines.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_conf_lines_t *lines_of(zm_str_t text)
{
    zm_conf_lines_t *lines = NULL;
    ZM_ASSERT_OK(zm_conf_lines_of(&lines, text, "x.conf", zm_test_pool(), NULL));
    return lines;
}

static void line_ends_and_last_line(void)
{
    zm_conf_lines_t *lines = lines_of(ZM_S("one\r\n\ntwo\nthree\r"));
    zm_str_t line;
    CU_ASSERT_TRUE(zm_conf_lines_next(lines, &line) && zm_str_equal_c(line, "one"));
    CU_ASSERT_TRUE(zm_conf_lines_next(lines, &line) && line.length == 0);
    CU_ASSERT_TRUE(zm_conf_lines_next(lines, &line) && zm_str_equal_c(line, "two"));
    CU_ASSERT_EQUAL(lines->number, 3);
    CU_ASSERT_TRUE(zm_conf_lines_next(lines, &line) && zm_str_equal_c(line, "three"));
    CU_ASSERT_FALSE(zm_conf_lines_next(lines, &line));
}

static void byte_order_mark_is_skipped(void)
{
    zm_conf_lines_t *lines = lines_of(ZM_S("\xef\xbb\xbfname"));
    zm_str_t line;
    CU_ASSERT_TRUE(zm_conf_lines_next(lines, &line) && zm_str_equal_c(line, "name"));
}

static void nul_byte_is_refused_with_its_line(void)
{
    zm_conf_lines_t *lines;
    zm_error_t error;
    CU_ASSERT_EQUAL(zm_conf_lines_of(&lines, ZM_S("a\nb\0c\n"), "x.conf", zm_test_pool(), &error),
                    ZM_E_SYNTAX);
    ZM_ASSERT_STR(error.text, "x.conf:2: the line has a NUL byte; expected text");
}

static void endless_line_is_refused(void)
{
    zm_conf_lines_t *lines;
    apr_size_t length = ZM_CONF_LINE_LIMIT + 1;
    char *text = apr_palloc(zm_test_pool(), length);
    memset(text, 'a', length);
    CU_ASSERT_EQUAL(
        zm_conf_lines_of(&lines, zm_str_of(text, length), "x.conf", zm_test_pool(), NULL),
        ZM_E_LIMIT);
}

static void file_is_read_and_errors_name_it(void)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/a.conf", NULL);
    zm_conf_lines_t *lines;
    zm_error_t error;
    zm_str_t line;
    apr_file_t *file;
    CU_ASSERT_NOT_EQUAL(zm_conf_lines_open(&lines, path, zm_test_pool(), &error), APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, path));
    ZM_ASSERT_OK(apr_file_open(&file, path, APR_FOPEN_CREATE | APR_FOPEN_WRITE,
                               APR_FPROT_UREAD | APR_FPROT_UWRITE, zm_test_pool()));
    apr_file_puts("first\nsecond\n", file);
    apr_file_close(file);
    ZM_ASSERT_OK(zm_conf_lines_open(&lines, path, zm_test_pool(), &error));
    CU_ASSERT_TRUE(zm_conf_lines_next(lines, &line) && zm_conf_lines_next(lines, &line));
    CU_ASSERT_TRUE(zm_str_equal_c(line, "second"));
    CU_ASSERT_EQUAL(zm_conf_lines_fail(lines, &error, "expected %s", "this"), ZM_E_CONFIG);
    ZM_ASSERT_STR(error.text, apr_pstrcat(zm_test_pool(), path, ":2: expected this", NULL));
}

static void directory_is_not_a_file(void)
{
    zm_conf_lines_t *lines;
    CU_ASSERT_NOT_EQUAL(zm_conf_lines_open(&lines, zm_test_directory(), zm_test_pool(), NULL),
                        APR_SUCCESS);
}

ZM_TESTS("conf.lines", ZM_TEST(line_ends_and_last_line), ZM_TEST(byte_order_mark_is_skipped),
         ZM_TEST(nul_byte_is_refused_with_its_line), ZM_TEST(endless_line_is_refused),
         ZM_TEST(file_is_read_and_errors_name_it), ZM_TEST(directory_is_not_a_file))
