/* What only a directory tree can suffer: foreign files, links, permissions, and its mark. */
#include <apr_file_io.h>
#include <apr_strings.h>

#include "platform/fs.h"
#include "spool/layout.h"
#include "spool/mark.h"
#include "spool/native.h"
#include "spool/check.h"
#include "spool/internal.h"
#include "spool/probe.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "tests/unit/harness.h"

static const char *root(void)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/spool", NULL);
}

static const char *path(const char *name)
{
    return apr_pstrcat(zm_test_pool(), root(), "/", name, NULL);
}

static apr_status_t open_as(zm_spool_t **spool, const char *location, bool create,
                            zm_error_t *error)
{
    zm_spool_options_t options = {.location = location, .create = create};
    return zm_spool_open(spool, &options, zm_test_pool(), error);
}

static zm_spool_t *make_spool(void)
{
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    ZM_ASSERT_OK(open_as(&spool, root(), true, &error));
    return spool;
}

/* A command to the scheduler that is being made while a router starts, on a host named "1host". */
static void scratch_file_of_a_host_with_digits_is_not_swept(void)
{
    zm_spool_t *spool = make_spool();
    zm_create_options_t create = {.directory = "transport", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "transport", .suffix = "-etrn"};
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    zm_object_t *object;
    apr_cpystrn(zm_native(spool->engine)->scratch_head, "1host:55-", 20);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, "T example.org\n", 14));
    ZM_ASSERT_OK(zm_object_flush(object));
    ZM_ASSERT_OK(zm_spool_recover(spool, &options, &report, zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
    zm_spool_close(spool);
}

static void write_file(const char *at, const char *text)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, at, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    zm_file_close(file);
}

static bool has_mode_bits(void)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, path("public")) == APR_SUCCESS && (info.mode & 0002) != 0;
}

static void set_mode(const char *at, uint32_t mode)
{
    zm_file_t *directory;
    ZM_ASSERT_OK(zm_dir_handle(&directory, NULL, at, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_set_mode(directory, mode));
    zm_file_close(directory);
}

/* -- opening ----------------------------------------------------------------------- */

static void new_spool_has_its_directories_and_its_mark(void)
{
    zm_spool_t *spool = make_spool();
    const zm_layout_directory_t *entry;
    zm_file_info_t info;
    const char *engine;
    zm_error_t error;
    for (entry = zm_layout_directories; entry->name != NULL; entry++) {
        ZM_ASSERT_OK(zm_path_info(&info, NULL, path(entry->name)));
        if (has_mode_bits())
            CU_ASSERT_EQUAL(info.mode & 01777, entry->mode & 01777);
    }
    ZM_ASSERT_OK(zm_mark_read(&engine, root(), zm_test_pool(), &error));
    ZM_ASSERT_STR(engine, "native");
    zm_spool_close(spool);
    ZM_ASSERT_OK(
        open_as(&spool, apr_pstrcat(zm_test_pool(), "native:", root(), NULL), false, &error));
    zm_spool_close(spool);
}

static void missing_spool_is_named(void)
{
    zm_spool_t *spool;
    zm_error_t error = {0};
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, root()));
    CU_ASSERT_EQUAL(open_as(&spool, "nonsense:/tmp", false, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "nonsense"));
}

static void missing_directory_is_named(void)
{
    zm_spool_t *spool = make_spool();
    zm_error_t error = {0};
    zm_spool_close(spool);
    ZM_ASSERT_OK(zm_dir_remove(NULL, path("postman")));
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "postman"));
    ZM_ASSERT_OK(open_as(&spool, root(), true, &error)); /* made again */
    zm_spool_close(spool);
}

static void unsafe_permissions_are_refused(void)
{
    zm_spool_t *spool = make_spool();
    zm_error_t error = {0};
    zm_spool_close(spool);
    if (!has_mode_bits())
        return;
    set_mode(path("queue"), 0777);
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_UNSAFE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "queue"));
    set_mode(path("queue"), 02750);
    set_mode(path("router"), 0777);
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_UNSAFE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "sticky"));
    set_mode(path("router"), 03777);
    set_mode(root(), 0777);
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_UNSAFE);
}

static void mark_decides_the_engine(void)
{
    zm_spool_t *spool = make_spool();
    zm_error_t error = {0};
    zm_spool_close(spool);
    write_file(path(".engine"), "zmailer-spool 1\nengine holographic\n");
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "holographic"));
    CU_ASSERT_EQUAL(
        open_as(&spool, apr_pstrcat(zm_test_pool(), "native:", root(), NULL), false, &error),
        ZM_E_CONFIG);
    write_file(path(".engine"), "zmailer-spool 99\nengine native\n");
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "newer"));
    write_file(path(".engine"), "garbage");
    CU_ASSERT_EQUAL(open_as(&spool, root(), false, &error), ZM_E_CORRUPT);
}

static void probe_finds_all_guarantees_here(void)
{
    zm_probe_t probe;
    zm_error_t error;
    zm_dir_t *entries;
    const char *name;
    int i;
    ZM_ASSERT_OK(zm_probe(&probe, zm_test_directory(), zm_test_pool(), &error));
    for (i = 0; i < ZM_GUARANTEE_COUNT; i++) {
        if (!probe.holds[i])
            CU_FAIL(probe.evidence[i]);
        CU_ASSERT(probe.evidence[i][0] != '\0');
    }
    ZM_ASSERT_OK(zm_dir_open(&entries, NULL, zm_test_directory(), zm_test_pool()));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_dir_next(entries, &name, NULL)));
    zm_dir_close(entries);
    CU_ASSERT_NOT_EQUAL(zm_probe(&probe, path("nowhere"), zm_test_pool(), &error), APR_SUCCESS);
}

/* -- planted files --------------------------------------------------------------------- */

static apr_status_t open_name(zm_spool_t *spool, const char *name)
{
    zm_object_t *object;
    apr_status_t status = zm_object_open(&object, spool, name, ZM_OBJECT_READ);
    if (status == APR_SUCCESS)
        zm_object_close(object);
    return status;
}

static void hard_link_into_a_public_directory_is_refused(void)
{
    zm_spool_t *spool = make_spool();
    zm_file_info_t info;
    const char *name, *kept;
    write_file(path("secret"), "to me\n");
    ZM_ASSERT_OK(zm_file_link(NULL, path("secret"), NULL, path("router/4711")));
    if (has_mode_bits())
        CU_ASSERT_EQUAL(open_name(spool, "router/4711"), ZM_E_UNSAFE);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path("secret")));
    /* A copy that we linked for the postmaster is no offence. */
    kept = apr_psprintf(zm_test_pool(), "postman/%" APR_UINT64_T_FMT "_looped", info.id);
    ZM_ASSERT_OK(zm_spool_link(spool, "router/4711", kept));
    if (has_mode_bits())
        CU_ASSERT_EQUAL(open_name(spool, "router/4711"), ZM_E_UNSAFE);
    ZM_ASSERT_OK(zm_file_unlink(NULL, path("secret")));
    ZM_ASSERT_OK(open_name(spool, "router/4711"));
    /* In queue/ nobody else can make names. */
    name = "queue/4711";
    ZM_ASSERT_OK(zm_spool_rename(spool, "router/4711", name));
    ZM_ASSERT_OK(zm_spool_link(spool, name, "queue/4712"));
    ZM_ASSERT_OK(open_name(spool, name));
    zm_spool_close(spool);
}

static void note(const zm_finding_t *finding, void *baton)
{
    const char **text = baton;
    *text = apr_pstrcat(zm_test_pool(), *text, finding->kind, "=", finding->name, " ", NULL);
}

static void what_is_no_object_is_found_and_left_alone(void)
{
    static const char *const planted[] = {"queue/not-a-hash", "queue/A/B/deep"};
    zm_spool_t *spool = make_spool();
    const char *found = "";
    zm_check_options_t options = {.repair = true, .fn = note, .baton = &found};
    zm_check_report_t report;
    zm_error_t error = {0};
    zm_file_info_t info;
    apr_size_t i;
    ZM_ASSERT_OK(zm_dir_make_all(path("queue/A/B"), 02750, zm_test_pool()));
    for (i = 0; i < 2; i++)
        ZM_ASSERT_OK(zm_dir_make(NULL, path(planted[i]), 02750));
    write_file(path("note"), "beside the spool\n");
    write_file(path("secret"), "to me\n");
    ZM_ASSERT_OK(zm_file_link(NULL, path("secret"), NULL, path("router/4711")));
    ZM_ASSERT_OK(zm_spool_check(spool, &options, &report, zm_test_pool(), &error));
    CU_ASSERT_EQUAL(report.repaired, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=queue/not-a-hash "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=queue/A/B/deep "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=note "));
    if (has_mode_bits())
        CU_ASSERT_PTR_NOT_NULL(strstr(found, "planted-link=router/4711 "));
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path("router/4711")));
    CU_ASSERT_EQUAL(info.links, 2);
    zm_spool_close(spool);
}

static void directories_where_files_should_be_are_refused(void)
{
    zm_spool_t *spool = make_spool();
    zm_object_info_t info;
    ZM_ASSERT_OK(zm_dir_make(NULL, path("router/4711"), 0700));
    CU_ASSERT_NOT_EQUAL(open_name(spool, "router/4711"), APR_SUCCESS);
    CU_ASSERT_EQUAL(zm_spool_info(&info, spool, "router/4711"), ZM_E_UNSAFE);
    zm_spool_close(spool);
}

static void replaced_hash_directory_is_found_again(void)
{
    zm_spool_t *spool = make_spool();
    write_file(path("secret"), "x");
    ZM_ASSERT_OK(zm_dir_make(NULL, path("queue/A"), 02750));
    ZM_ASSERT_OK(zm_file_rename(NULL, path("secret"), NULL, path("queue/A/1")));
    ZM_ASSERT_OK(open_name(spool, "queue/A/1")); /* keeps the directory open */
    ZM_ASSERT_OK(zm_file_rename(NULL, path("queue/A/1"), NULL, path("secret")));
    ZM_ASSERT_OK(zm_dir_remove(NULL, path("queue/A")));
    CU_ASSERT(APR_STATUS_IS_ENOENT(open_name(spool, "queue/A/1")));
    ZM_ASSERT_OK(zm_dir_make(NULL, path("queue/A"), 02750));
    ZM_ASSERT_OK(zm_file_rename(NULL, path("secret"), NULL, path("queue/A/1")));
    ZM_ASSERT_OK(open_name(spool, "queue/A/1"));
    ZM_ASSERT_OK(zm_spool_unlink(spool, "queue/A/1"));
    ZM_ASSERT_OK(zm_dir_remove(NULL, path("queue/A")));
    zm_spool_close(spool);
}

static void more_hash_directories_than_handles_work(void)
{
    zm_spool_options_t options = {.location = root(), .create = true, .directory_handles = 1};
    zm_spool_t *spool;
    zm_error_t error;
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    uint64_t id;
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, zm_test_pool(), &error));
    for (id = 1; id <= 100; id++) {
        zm_target_t target = {.directory = "transport",
                              .hash_levels = 2,
                              .make_hash = true,
                              .id = id,
                              .unsynced = true};
        zm_object_t *object;
        ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
        ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
    }
    for (id = 1; id <= 100; id++)
        ZM_ASSERT_OK(open_name(spool, zm_layout_name(zm_test_pool(), "transport", 2, id)));
    zm_spool_close(spool);
}

static void missing_input_hash_directory_is_a_failure(void)
{
    zm_spool_t *spool = make_spool();
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router", .hash_levels = 1};
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_object_publish_wait(object, &target, NULL, zm_test_pool())));
    zm_spool_close(spool);
}

static void many_publishes_are_synced_by_few_calls(void)
{
    zm_spool_t *spool = make_spool();
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router"};
    zm_spool_figures_t figures;
    zm_object_t *object;
    int i;
    for (i = 0; i < 3; i++) {
        ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
        ZM_ASSERT_OK(zm_object_write(object, "x", 1));
        ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
    }
    target = (zm_target_t){.directory = "transport", .unsynced = true};
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, NULL, zm_test_pool()));
    zm_spool_figures(&figures, spool);
    CU_ASSERT_EQUAL(figures.publishes, 4);
    CU_ASSERT_EQUAL(figures.syncs, 3);
    CU_ASSERT_EQUAL(figures.directory_syncs, 3);
    CU_ASSERT_EQUAL(figures.largest_group, 1);
    zm_spool_close(spool);
}

/* The system tells of a failed write once, so a later sync that succeeds says nothing of it. */
static void a_failed_sync_fails_all_whose_names_were_there(void)
{
    zm_spool_t *spool = make_spool();
    zm_native_dirs_t *dirs;
    zm_native_dir_t *dir;
    zm_file_t *top;
    apr_uint32_t before, after;
    bool ours;
    ZM_ASSERT_OK(zm_dir_handle(&top, NULL, root(), zm_test_pool()));
    ZM_ASSERT_OK(zm_native_dirs_create(&dirs, top, 4, zm_test_pool()));
    ZM_ASSERT_OK(zm_native_dir_get(&dir, dirs, ZM_S("router"), false));
    before = zm_native_dir_failures(dir);
    ZM_ASSERT_OK(zm_native_dir_sync(dirs, dir, before, &ours));
    zm_native_dir_failed(dirs, dir, APR_ENOSPC);
    after = zm_native_dir_failures(dir);
    CU_ASSERT_EQUAL(zm_native_dir_sync(dirs, dir, before, &ours), APR_ENOSPC);
    ZM_ASSERT_OK(zm_native_dir_sync(dirs, dir, after, &ours));
    zm_native_dir_put(dirs, dir);
    zm_native_dirs_destroy(dirs);
    zm_file_close(top);
    zm_spool_close(spool);
}

ZM_TESTS("spool native tree", ZM_TEST(scratch_file_of_a_host_with_digits_is_not_swept),
         ZM_TEST(new_spool_has_its_directories_and_its_mark), ZM_TEST(missing_spool_is_named),
         ZM_TEST(missing_directory_is_named), ZM_TEST(unsafe_permissions_are_refused),
         ZM_TEST(mark_decides_the_engine), ZM_TEST(probe_finds_all_guarantees_here),
         ZM_TEST(hard_link_into_a_public_directory_is_refused),
         ZM_TEST(what_is_no_object_is_found_and_left_alone),
         ZM_TEST(directories_where_files_should_be_are_refused),
         ZM_TEST(replaced_hash_directory_is_found_again),
         ZM_TEST(more_hash_directories_than_handles_work),
         ZM_TEST(missing_input_hash_directory_is_a_failure),
         ZM_TEST(many_publishes_are_synced_by_few_calls),
         ZM_TEST(a_failed_sync_fails_all_whose_names_were_there))
