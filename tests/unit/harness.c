#include "tests/unit/harness.h"

#include <CUnit/Basic.h>
#include <apr_env.h>
#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <stdio.h>
#include <stdlib.h>

static apr_pool_t *root_pool, *test_pool;
static const char *test_directory;

apr_pool_t *zm_test_pool(void)
{
    return test_pool;
}

static void remove_tree(const char *path, apr_pool_t *pool)
{
    apr_dir_t *directory;
    apr_finfo_t info;
    if (apr_dir_open(&directory, path, pool) == APR_SUCCESS) {
        while (apr_dir_read(&info, APR_FINFO_NAME | APR_FINFO_TYPE, directory) == APR_SUCCESS ||
               info.name != NULL) {
            if (info.name == NULL)
                break;
            if (strcmp(info.name, ".") != 0 && strcmp(info.name, "..") != 0) {
                const char *below = apr_pstrcat(pool, path, "/", info.name, NULL);
                apr_finfo_t below_info = {0};
                apr_stat(&below_info, below, APR_FINFO_LINK | APR_FINFO_TYPE, pool);
                if (below_info.filetype == APR_DIR)
                    remove_tree(below, pool);
                else
                    apr_file_remove(below, pool);
            }
            info.name = NULL;
        }
        apr_dir_close(directory);
    }
    apr_dir_remove(path, pool);
}

const char *zm_test_directory(void)
{
    static unsigned count;
    const char *base;
    if (test_directory != NULL)
        return test_directory;
    if (apr_temp_dir_get(&base, root_pool) != APR_SUCCESS)
        base = "/tmp";
    for (;;) {
        const char *path = apr_psprintf(root_pool, "%s/zmtest-%" APR_INT64_T_FMT "-%u", base,
                                        (apr_int64_t)apr_time_now(), ++count);
        apr_status_t status = apr_dir_make(path, APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_UEXECUTE,
                                           root_pool);
        if (status == APR_SUCCESS) {
            char *slash;
            char *copy = apr_pstrdup(root_pool, path);
            for (slash = copy; *slash != '\0'; slash++)
                if (*slash == '\\')
                    *slash = '/';
            return test_directory = copy;
        }
        if (!APR_STATUS_IS_EEXIST(status)) {
            fprintf(stderr, "cannot make a test directory %s\n", path);
            exit(2);
        }
    }
}

int zm_test_on_windows(void)
{
#ifdef _WIN32
    return 1;
#else
    return 0;
#endif
}

int zm_test_on_wine(void)
{
#ifdef _WIN32
    return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
#else
    return 0;
#endif
}

void zm_test_assert_ok(apr_status_t status, const char *expression, const char *file, int line)
{
    char text[400], reason[200];
    if (status != APR_SUCCESS)
        snprintf(text, sizeof text, "%s is %d (%s)", expression, status,
                 apr_strerror(status, reason, sizeof reason));
    CU_assertImplementation(status == APR_SUCCESS, (unsigned)line, status == APR_SUCCESS ? expression : text,
                            file, "", CU_FALSE);
}

void zm_test_assert_string(const char *actual, const char *expected, const char *what, const char *file,
                           int line)
{
    char text[2000];
    int equal = actual != NULL && expected != NULL ? strcmp(actual, expected) == 0 : actual == expected;
    if (!equal)
        snprintf(text, sizeof text, "%s is \"%s\", expected \"%s\"", what, actual ? actual : "(null)",
                 expected ? expected : "(null)");
    CU_assertImplementation(equal, (unsigned)line, equal ? what : text, file, "", CU_FALSE);
}

static void set_up(void)
{
    apr_pool_create(&test_pool, root_pool);
    test_directory = NULL;
}

static void tear_down(void)
{
    apr_pool_destroy(test_pool);
    test_pool = NULL;
    if (test_directory != NULL)
        remove_tree(test_directory, root_pool);
}

#ifdef SIGPIPE
/* A handler and not SIG_IGN, which a program that a test starts would inherit. */
static void on_pipe(int number)
{
    (void)number;
}
#endif

int zm_tests_run(const char *suite, const zm_test_t *tests, int count, int argc, char **argv)
{
    CU_pSuite registered;
    unsigned failures;
    int i, j;

    apr_initialize();
#ifdef SIGPIPE
    apr_signal(SIGPIPE, on_pipe); /* daemons survive a peer that is gone, too */
#endif
    apr_pool_create(&root_pool, NULL);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    registered = CU_add_suite_with_setup_and_teardown(suite, NULL, NULL, set_up, tear_down);
    for (i = 0; i < count; i++) {
        int wanted = argc < 2;
        for (j = 1; j < argc; j++)
            wanted |= strcmp(argv[j], tests[i].name) == 0;
        if (wanted)
            CU_add_test(registered, tests[i].name, tests[i].run);
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    failures = CU_get_number_of_failures() + CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    apr_pool_destroy(root_pool);
    apr_terminate();
    return failures != 0;
}
