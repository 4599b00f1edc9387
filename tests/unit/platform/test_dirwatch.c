#include <apr_strings.h>

#include "platform/fs.h"
#include "tests/unit/harness.h"

typedef struct heard_t {
    char names[200]; /* each with a blank behind */
    int missed;
    zm_dirwatch_t **close_this;
} heard_t;

static void on_name(const char *name, void *baton)
{
    heard_t *heard = baton;
    if (name == NULL)
        heard->missed++;
    else if (strlen(heard->names) + strlen(name) + 2 < sizeof heard->names)
        strcat(strcat(heard->names, name), " ");
    if (heard->close_this != NULL && *heard->close_this != NULL) {
        zm_dirwatch_close(*heard->close_this);
        *heard->close_this = NULL;
    }
}

static const char *below(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void make(const char *name)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below(name), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_close(file));
}

/* Null where the system cannot watch: the test then has nothing to show. */
static zm_loop_t *open_watch(zm_dirwatch_t **watch, heard_t *heard)
{
    static zm_loop_t *loop;
    apr_status_t status;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    status = zm_dirwatch_open(watch, loop, zm_test_directory(), on_name, heard);
    if (status == ZM_E_UNSUPPORTED)
        return NULL;
    ZM_ASSERT_OK(status);
    return loop;
}

static void await(zm_loop_t *loop, heard_t *heard, const char *name)
{
    while (strstr(heard->names, name) == NULL && heard->missed == 0)
        ZM_ASSERT_OK(zm_loop_once(loop, apr_time_from_sec(20)));
}

static void created_linked_and_renamed_names_are_told(void)
{
    heard_t heard = {{0}, 0, NULL};
    zm_dirwatch_t *watch;
    zm_loop_t *loop;
    make("before");
    loop = open_watch(&watch, &heard);
    if (loop == NULL)
        return;
    make("created");
    await(loop, &heard, "created ");
    ZM_ASSERT_OK(zm_file_link(NULL, below("before"), NULL, below("linked")));
    await(loop, &heard, "linked ");
    ZM_ASSERT_OK(zm_file_rename(NULL, below("before"), NULL, below("renamed")));
    await(loop, &heard, "renamed ");
    CU_ASSERT_PTR_NULL(strstr(heard.names, "before "));
    zm_dirwatch_close(watch);
    zm_dirwatch_close(NULL);
}

static void closed_watch_is_silent(void)
{
    heard_t heard = {{0}, 0, NULL};
    zm_dirwatch_t *watch;
    zm_loop_t *loop = open_watch(&watch, &heard);
    if (loop == NULL)
        return;
    zm_dirwatch_close(watch);
    make("a");
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    ZM_ASSERT_STR(heard.names, "");
    CU_ASSERT_EQUAL(heard.missed, 0);
}

static void callback_may_close_its_own_and_other_watches(void)
{
    zm_dirwatch_t *one, *two;
    heard_t first = {{0}, 0, NULL}, second = {{0}, 0, NULL};
    zm_loop_t *loop = open_watch(&one, &first);
    if (loop == NULL)
        return;
    ZM_ASSERT_OK(zm_dirwatch_open(&two, loop, zm_test_directory(), on_name, &second));
    first.close_this = &two;
    second.close_this = &one;
    make("a");
    make("b");
    await(loop, one != NULL ? &first : &second, "a ");
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    CU_ASSERT_TRUE((one == NULL) != (two == NULL));
    CU_ASSERT_TRUE((first.names[0] == '\0') != (second.names[0] == '\0'));
    first.close_this = second.close_this = NULL;
    if (one != NULL)
        first.close_this = &one;
    else
        second.close_this = &two;
    make("c");
    while (one != NULL || two != NULL)
        ZM_ASSERT_OK(zm_loop_once(loop, apr_time_from_sec(20)));
    ZM_ASSERT_OK(zm_dirwatch_open(&one, loop, zm_test_directory(), on_name, &first));
    zm_dirwatch_close(one);
}

static void removed_directory_is_told_as_missed_names(void)
{
    heard_t heard = {{0}, 0, NULL};
    zm_dirwatch_t *watch;
    zm_loop_t *loop;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make(NULL, below("d"), 0755));
    if (zm_dirwatch_open(&watch, loop, below("d"), on_name, &heard) == ZM_E_UNSUPPORTED ||
        zm_test_on_wine())
        return;
    ZM_ASSERT_OK(zm_dir_remove(NULL, below("d")));
    while (heard.missed == 0)
        ZM_ASSERT_OK(zm_loop_once(loop, apr_time_from_sec(20)));
    zm_dirwatch_close(watch);
}

static void absent_directory_is_an_error(void)
{
    zm_dirwatch_t *watch;
    zm_loop_t *loop;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    CU_ASSERT_TRUE(zm_dirwatch_open(&watch, loop, below("none"), on_name, NULL) != APR_SUCCESS);
}

static void loop_that_ends_frees_its_watches(void)
{
    heard_t heard = {{0}, 0, NULL};
    zm_dirwatch_t *one, *two;
    zm_loop_t *loop = open_watch(&one, &heard);
    if (loop != NULL)
        ZM_ASSERT_OK(zm_dirwatch_open(&two, loop, zm_test_directory(), on_name, &heard));
}

ZM_TESTS("dirwatch", ZM_TEST(created_linked_and_renamed_names_are_told),
         ZM_TEST(closed_watch_is_silent), ZM_TEST(callback_may_close_its_own_and_other_watches),
         ZM_TEST(removed_directory_is_told_as_missed_names), ZM_TEST(absent_directory_is_an_error),
         ZM_TEST(loop_that_ends_frees_its_watches))
