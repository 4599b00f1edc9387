#include "tests/unit/spool/emulated_spool.h"

#include <apr_strings.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "platform/fs.h"
#include "spool/check.h"
#include "spool/recover.h"
#include "tests/unit/harness.h"

const char *emulated_path(const char *directory, const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", directory, "/", name, NULL);
}

apr_status_t emulated_open(zm_spool_t **spool, const char *directory, bool create,
                           zm_error_t *error)
{
    zm_spool_options_t options = {
        .location =
            apr_pstrcat(zm_test_pool(), "emulated:", zm_test_directory(), "/", directory, NULL),
        .create = create};
    return zm_spool_open(spool, &options, zm_test_pool(), error);
}

zm_spool_t *emulated_make(void)
{
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    ZM_ASSERT_OK(emulated_open(&spool, "spool", true, &error));
    return spool;
}

const char *emulated_publish(zm_spool_t *spool, const char *directory, apr_size_t size)
{
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = directory};
    zm_published_t published = {0};
    zm_object_t *object;
    char *text = malloc(size);
    memset(text, 'x', size);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, size));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    free(text);
    return published.name;
}

int emulated_bodies(const char *directory)
{
    char letter[] = "bodies/A";
    int count = 0;
    for (; letter[7] <= 'Z'; letter[7]++) {
        zm_dir_t *entries;
        const char *name;
        ZM_ASSERT_OK(zm_dir_open(&entries, NULL, emulated_path(directory, letter), zm_test_pool()));
        while (zm_dir_next(entries, &name, NULL) == APR_SUCCESS)
            count++;
        zm_dir_close(entries);
    }
    return count;
}

void emulated_recover(zm_spool_t *spool)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    zm_error_t error;
    ZM_ASSERT_OK(zm_spool_recover(spool, &options, &report, zm_test_pool(), &error));
}

void emulated_write_file(const char *at, const char *text, apr_size_t length)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, at, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0660, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, length));
    zm_file_close(file);
}

static void note(const zm_finding_t *finding, void *baton)
{
    const char **text = baton;
    *text = apr_pstrcat(zm_test_pool(), *text, finding->kind, "=", finding->name, " ", NULL);
}

const char *emulated_check(zm_spool_t *spool, bool repair)
{
    const char *text = "";
    zm_check_options_t options = {.repair = repair, .fn = note, .baton = &text};
    zm_check_report_t report;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_spool_check(spool, &options, &report, zm_test_pool(), &error));
    return text;
}

void emulated_run_sql(const char *at, const char *statement)
{
    sqlite3 *db;
    CU_ASSERT_EQUAL(sqlite3_open(at, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}
