/* Runs tests/data/zmsh/NAME.zm and compares with NAME.expected. */

#include "tests/unit/harness.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/script/script.h"
#include "platform/fs.h"

typedef struct printed_t {
    zm_buf_t text;
    int last;        /* stream written last */
    bool line_start; /* of standard error */
} printed_t;

/* Lines of standard error begin with "! ". */
static void collect(void *baton, int stream, const char *data, apr_size_t length)
{
    printed_t *printed = baton;
    apr_size_t i;
    if (stream == 1) {
        zm_buf_add(&printed->text, data, length);
        return;
    }
    for (i = 0; i < length; i++) {
        if (printed->line_start)
            zm_buf_add_c(&printed->text, "! ");
        printed->line_start = data[i] == '\n';
        zm_buf_add_byte(&printed->text, data[i]);
    }
}

static const char *run_file(const char *path)
{
    printed_t printed = {ZM_BUF_INIT, 0, true};
    zm_script_options_t options = {.name = "zmsh"};
    zm_script_t *script;
    zm_error_t error = {0};
    const char *result;
    char *text;
    apr_size_t length;
    ZM_ASSERT_OK(zm_script_create(&script, &options, zm_test_pool()));
    zm_script_set_output(script, 1, collect, &printed);
    zm_script_set_output(script, 2, collect, &printed);
    zm_script_set_input(script, NULL, 0);
    zm_script_set_str(script, "T", zm_str(zm_test_directory()));
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, path, 1 << 20, zm_test_pool()));
    zm_script_run(script, zm_str_of(text, length), "test", NULL, &error);
    result = apr_pstrdup(zm_test_pool(), zm_buf_c(&printed.text));
    zm_buf_free(&printed.text);
    return result;
}

static void show_difference(const char *name, const char *actual, const char *expected)
{
    unsigned line = 1;
    const char *a = actual, *e = expected;
    for (; *actual != '\0' && *actual == *expected; actual++, expected++)
        if (*actual == '\n') {
            line++;
            a = actual + 1;
            e = expected + 1;
        }
    printf("%s, line %u: printed \"%.*s\", expected \"%.*s\"\n", name, line, (int)strcspn(a, "\n"),
           a, (int)strcspn(e, "\n"), e);
}

static void compare(const char *name)
{
    apr_pool_t *pool = zm_test_pool();
    const char *base = apr_pstrcat(pool, ZM_TEST_DATA "/zmsh/", name, NULL), *actual;
    char *expected;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&expected, &length, apr_pstrcat(pool, base, ".expected", NULL),
                               1 << 20, pool));
    actual = run_file(apr_pstrcat(pool, base, ".zm", NULL));
    if (strcmp(actual, expected) != 0)
        show_difference(name, actual, expected);
    if (getenv("ZM_PRINT") != NULL)
        printf("%s", actual);
    CU_ASSERT(strcmp(actual, expected) == 0);
}

static bool has_unix_programs(void)
{
    apr_finfo_t info;
    return apr_stat(&info, "/bin/sh", APR_FINFO_TYPE, zm_test_pool()) == APR_SUCCESS;
}

static void values(void)
{
    compare("values");
}

static void words(void)
{
    compare("words");
}

static void functions(void)
{
    compare("functions");
}

static void control(void)
{
    compare("control");
}

static void sift(void)
{
    compare("sift");
}

static void io(void)
{
    compare("io");
}

static void builtins(void)
{
    compare("builtins");
}

static void relations(void)
{
    if (!zm_test_on_wine()) /* where every address can be bound, and so is one of ours */
        compare("relations");
}

static void errors(void)
{
    compare("errors");
}

static void unix_programs(void)
{
    if (has_unix_programs() && !zm_test_on_wine())
        compare("unix_programs");
}

static void vectors(void)
{
    compare("vectors");
}

ZM_TESTS("script_conformance", ZM_TEST(vectors), ZM_TEST(values), ZM_TEST(words), ZM_TEST(functions),
         ZM_TEST(control), ZM_TEST(sift), ZM_TEST(io), ZM_TEST(builtins), ZM_TEST(relations),
         ZM_TEST(errors), ZM_TEST(unix_programs))
