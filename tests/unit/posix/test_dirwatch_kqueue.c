/* What watches through kqueue do beyond those of any kind. */
#include <apr_strings.h>
#include <sys/resource.h>

#include "platform/fs.h"
#include "tests/unit/harness.h"

typedef struct heard_t {
    int names, missed;
    char last[40];
} heard_t;

static void on_name(const char *name, void *baton)
{
    heard_t *heard = baton;
    if (name == NULL)
        heard->missed++;
    else
        apr_cpystrn(heard->last, name, sizeof heard->last);
    heard->names += name != NULL;
}

static void make(const char *name)
{
    zm_file_t *file;
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_close(file));
}

static zm_loop_t *watch_directory(zm_dirwatch_t **watch, heard_t *heard)
{
    zm_loop_t *loop;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_dirwatch_open(watch, loop, zm_test_directory(), on_name, heard));
    return loop;
}

static void new_names_are_told_once_each_and_no_others(void)
{
    heard_t heard = {0};
    zm_dirwatch_t *watch;
    zm_loop_t *loop;
    make("before");
    loop = watch_directory(&watch, &heard);
    make("first");
    while (heard.names < 1)
        ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(heard.last, "first");
    make("second"); /* so soon that the next look has to wait */
    while (heard.names < 2)
        ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(heard.last, "second");
    ZM_ASSERT_OK(
        zm_file_unlink(NULL, apr_pstrcat(zm_test_pool(), zm_test_directory(), "/before", NULL)));
    make("third");
    while (heard.names < 3)
        ZM_ASSERT_OK(zm_loop_once(loop, -1));
    ZM_ASSERT_STR(heard.last, "third");
    CU_ASSERT_EQUAL(heard.missed, 0);
    zm_dirwatch_close(watch);
}

static void crowded_directory_is_told_to_be_listed(void)
{
    heard_t heard = {0};
    zm_dirwatch_t *watch;
    zm_loop_t *loop;
    int i;
    for (i = 0; i < 8200; i++)
        make(apr_itoa(zm_test_pool(), i));
    loop = watch_directory(&watch, &heard);
    make("new");
    while (heard.missed == 0)
        ZM_ASSERT_OK(zm_loop_once(loop, -1));
    CU_ASSERT_EQUAL(heard.names, 0);
    zm_dirwatch_close(watch);
}

static void watches_leave_descriptors_for_others(void)
{
    heard_t heard = {0};
    zm_dirwatch_t *watch, *another;
    struct rlimit limit, low;
    zm_loop_t *loop;
    apr_status_t status = APR_SUCCESS;
    int count = 1;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 64;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &low), 0);
    loop = watch_directory(&watch, &heard);
    while (count < 64 && status == APR_SUCCESS) {
        status = zm_dirwatch_open(&another, loop, zm_test_directory(), on_name, &heard);
        count += status == APR_SUCCESS;
    }
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL(status, ZM_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(count, 16);
    zm_dirwatch_close(watch);
    ZM_ASSERT_OK(zm_dirwatch_open(&watch, loop, zm_test_directory(), on_name, &heard));
}

ZM_TESTS("dirwatch kqueue", ZM_TEST(new_names_are_told_once_each_and_no_others),
         ZM_TEST(crowded_directory_is_told_to_be_listed),
         ZM_TEST(watches_leave_descriptors_for_others))
