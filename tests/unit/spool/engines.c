#include "tests/unit/spool/engines.h"

#include <apr_strings.h>
#include <stdio.h>

#include "tests/unit/harness.h"

const char *const zm_test_engine = ZM_TEST_ENGINE;

static const char *new_location(void)
{
    static unsigned count;
    if (strcmp(zm_test_engine, "memory") == 0)
        return apr_psprintf(zm_test_pool(), "memory:test%u", ++count);
    return apr_pstrcat(zm_test_pool(), zm_test_engine, ":", zm_test_directory(), "/spool", NULL);
}

static zm_spool_t *open_at(const char *location, zm_loop_t *loop, bool create)
{
    zm_spool_options_t options = {.location = location, .loop = loop, .create = create};
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    apr_status_t status = zm_spool_open(&spool, &options, zm_test_pool(), &error);
    if (status != APR_SUCCESS) {
        fprintf(stderr, "%s\n", error.text);
        CU_FAIL_FATAL("cannot open the spool");
    }
    return spool;
}

zm_test_spool_t zm_test_spool_begin(void)
{
    zm_test_spool_t test = {.location = new_location()};
    ZM_ASSERT_OK(zm_loop_create(&test.loop, zm_test_pool()));
    test.spool = open_at(test.location, test.loop, true);
    return test;
}

void zm_test_spool_end(zm_test_spool_t *test)
{
    zm_spool_close(test->spool);
    test->spool = NULL;
}

zm_spool_t *zm_test_spool_again(const zm_test_spool_t *test)
{
    return open_at(test->location, test->loop, false);
}

zm_object_t *zm_test_create(zm_spool_t *spool, const char *directory, const char *scratch)
{
    zm_create_options_t options = {
        .directory = directory, .scratch = scratch, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_object_t *object = NULL;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &options));
    return object;
}

int zm_test_count(zm_spool_t *spool, const char *directory, bool hidden)
{
    zm_listing_t *listing;
    const char *name;
    int count = 0;
    ZM_ASSERT_OK(zm_spool_list(&listing, spool, directory, hidden, zm_test_pool()));
    while (zm_listing_next(listing, &name) == APR_SUCCESS)
        count++;
    zm_listing_close(listing);
    return count;
}

const char *zm_test_publish(zm_spool_t *spool, const char *directory, int levels, const char *text)
{
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = directory, .hash_levels = levels, .make_hash = true};
    zm_published_t published = {0};
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, strlen(text)));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    return published.name;
}

const char *zm_test_contents(zm_spool_t *spool, const char *name)
{
    zm_object_t *object;
    char *data = NULL;
    apr_size_t length;
    if (zm_object_open(&object, spool, name, ZM_OBJECT_READ) != APR_SUCCESS)
        return NULL;
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 26, zm_test_pool()));
    zm_object_close(object);
    return data;
}
