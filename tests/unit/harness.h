/**
 * The frame of a unit test program: a table of named tests, run with CUnit,
 * each with a pool of its own and, on request, an empty directory of its own.
 *
 *     static void rename_keeps_identity(void) { ... CU_ASSERT_EQUAL(a, b); ... }
 *     ZM_TESTS("fs", ZM_TEST(rename_keeps_identity), ...)
 */
#ifndef ZM_TESTS_UNIT_HARNESS_H
#define ZM_TESTS_UNIT_HARNESS_H

#include <CUnit/CUnit.h>
#include <apr_pools.h>
#include <string.h>

typedef struct zm_test_t {
    const char *name;
    void (*run)(void);
} zm_test_t;

#define ZM_TEST(function) {#function, function}

/** Defines main: runs the tests named on the command line, or all; exits 1 when any fails. */
#define ZM_TESTS(suite, ...)                                                                       \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const zm_test_t tests[] = {__VA_ARGS__};                                                   \
        return zm_tests_run(suite, tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);      \
    }

int zm_tests_run(const char *suite, const zm_test_t *tests, int count, int argc, char **argv);

/** The pool of the running test, destroyed after it. */
apr_pool_t *zm_test_pool(void);

/** A fresh directory for the running test, removed with all it holds afterwards. */
const char *zm_test_directory(void);

/** What an absolute path starts with before its first slash. */
#ifdef _WIN32
#define ZM_TEST_DRIVE "C:"
#else
#define ZM_TEST_DRIVE ""
#endif

/** Whether the tests run on Windows; there is no shell and no Unix account then. */
int zm_test_on_windows(void);

/** Whether the tests run on Windows under Wine, which leaves some things out. */
int zm_test_on_wine(void);

/** Asserts success of an apr_status_t expression and prints the status text when it fails. */
#define ZM_ASSERT_OK(expression) zm_test_assert_ok((expression), #expression, __FILE__, __LINE__)
void zm_test_assert_ok(apr_status_t status, const char *expression, const char *file, int line);

#define ZM_ASSERT_STR(actual, expected) zm_test_assert_string((actual), (expected), #actual, __FILE__, __LINE__)
void zm_test_assert_string(const char *actual, const char *expected, const char *what, const char *file, int line);

#endif
