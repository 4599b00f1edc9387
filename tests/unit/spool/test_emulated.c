/* What only rows and side files can suffer: cuts of the log, lost and stray files, foreign
 * databases. */
#include <apr_strings.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "platform/fs.h"
#include "spool/check.h"
#include "spool/layout.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "tests/unit/harness.h"

static const char *path(const char *directory, const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", directory, "/", name, NULL);
}

static apr_status_t open_at(zm_spool_t **spool, const char *directory, bool create,
                            zm_error_t *error)
{
    zm_spool_options_t options = {
        .location =
            apr_pstrcat(zm_test_pool(), "emulated:", zm_test_directory(), "/", directory, NULL),
        .create = create};
    return zm_spool_open(spool, &options, zm_test_pool(), error);
}

static zm_spool_t *make_spool(void)
{
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    ZM_ASSERT_OK(open_at(&spool, "spool", true, &error));
    return spool;
}

static const char *publish(zm_spool_t *spool, const char *directory, apr_size_t size)
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

static int side_files(const char *directory)
{
    char letter[] = "bodies/A";
    int count = 0;
    for (; letter[7] <= 'Z'; letter[7]++) {
        zm_dir_t *entries;
        const char *name;
        ZM_ASSERT_OK(zm_dir_open(&entries, NULL, path(directory, letter), zm_test_pool()));
        while (zm_dir_next(entries, &name, NULL) == APR_SUCCESS)
            count++;
        zm_dir_close(entries);
    }
    return count;
}

static void recover(zm_spool_t *spool)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    zm_error_t error;
    ZM_ASSERT_OK(zm_spool_recover(spool, &options, &report, zm_test_pool(), &error));
}

/* -- large bodies --------------------------------------------------------------------- */

static void large_body_stays_for_its_readers(void)
{
    zm_spool_t *spool = make_spool();
    const char *name = publish(spool, "router", 200000);
    zm_object_t *reader, *second;
    zm_object_info_t info;
    char byte;
    apr_size_t length = 1;
    CU_ASSERT_EQUAL(side_files("spool"), 1);
    ZM_ASSERT_OK(zm_object_open(&reader, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_open(&second, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_spool_unlink(spool, name));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_info(&info, spool, name)));
    ZM_ASSERT_OK(zm_object_read(reader, 199999, &byte, &length));
    ZM_ASSERT_OK(zm_object_info(&info, reader));
    CU_ASSERT_EQUAL(info.size, 200000);
    CU_ASSERT_EQUAL(info.links, 0);
    recover(spool);
    ZM_ASSERT_OK(zm_object_read(second, 199999, &byte, &length));
    zm_object_close(reader);
    zm_object_close(second);
    recover(spool);
    CU_ASSERT_EQUAL(side_files("spool"), 0);
    zm_spool_close(spool);
}

static void large_body_goes_with_its_last_name(void)
{
    zm_spool_t *spool = make_spool();
    const char *name = publish(spool, "router", 200000);
    ZM_ASSERT_OK(zm_spool_link(spool, name, "postman/1_copy"));
    ZM_ASSERT_OK(zm_spool_unlink(spool, name));
    CU_ASSERT_EQUAL(side_files("spool"), 1);
    ZM_ASSERT_OK(zm_spool_unlink(spool, "postman/1_copy"));
    zm_spool_close(spool); /* a thread removes it */
    CU_ASSERT_EQUAL(side_files("spool"), 0);
}

static void large_object_is_changed_in_place(void)
{
    zm_spool_t *spool = make_spool();
    const char *name = publish(spool, "transport", 100000);
    zm_object_t *one, *two;
    zm_object_info_t info;
    char bytes[4];
    apr_size_t length = 4;
    ZM_ASSERT_OK(zm_object_open(&one, spool, name, ZM_OBJECT_UPDATE));
    ZM_ASSERT_OK(zm_object_open(&two, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_overwrite(one, 90000, "abcd", 4));
    ZM_ASSERT_OK(zm_object_append(one, "efgh", 4, true));
    ZM_ASSERT_OK(zm_object_read(two, 90000, bytes, &length));
    CU_ASSERT_EQUAL(memcmp(bytes, "abcd", 4), 0);
    ZM_ASSERT_OK(zm_object_read(two, 100000, bytes, &length));
    CU_ASSERT_EQUAL(memcmp(bytes, "efgh", 4), 0);
    ZM_ASSERT_OK(zm_spool_info(&info, spool, name));
    CU_ASSERT_EQUAL(info.size, 100004);
    zm_object_close(one);
    zm_object_close(two);
    zm_spool_close(spool);
}

static void discarded_large_object_leaves_no_file(void)
{
    zm_spool_t *spool = make_spool();
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t nowhere = {.directory = "nowhere"};
    zm_object_t *object;
    char *text = calloc(1, 200000);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, 200000));
    CU_ASSERT_EQUAL(side_files("spool"), 1);
    recover(spool); /* its maker is alive */
    CU_ASSERT_EQUAL(side_files("spool"), 1);
    zm_object_discard(object);
    CU_ASSERT_EQUAL(side_files("spool"), 0);
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, 200000));
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(object, &nowhere, NULL, zm_test_pool()),
                        APR_SUCCESS);
    CU_ASSERT_EQUAL(side_files("spool"), 0);
    free(text);
    zm_spool_close(spool);
}

static void write_file(const char *at, const char *text, apr_size_t length)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, at, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0660, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, length));
    zm_file_close(file);
}

static void stray_files_are_swept_and_foreign_ones_left(void)
{
    zm_spool_t *spool = make_spool();
    publish(spool, "router", 200000);
    write_file(path("spool", "bodies/A/26"), "left by a crash", 15);
    write_file(path("spool", "bodies/A/note"), "not ours", 8);
    CU_ASSERT_EQUAL(side_files("spool"), 3);
    recover(spool);
    CU_ASSERT_EQUAL(side_files("spool"), 2);
    zm_spool_close(spool);
}

static void lost_large_body_is_named_corrupt(void)
{
    zm_spool_t *spool = make_spool();
    const char *name = publish(spool, "router", 200000);
    zm_object_t *object;
    zm_object_info_t info;
    char letter[] = "bodies/A";
    for (; letter[7] <= 'Z'; letter[7]++) {
        zm_dir_t *entries;
        const char *leaf;
        ZM_ASSERT_OK(zm_dir_open(&entries, NULL, path("spool", letter), zm_test_pool()));
        while (zm_dir_next(entries, &leaf, NULL) == APR_SUCCESS)
            zm_file_unlink(NULL,
                           apr_pstrcat(zm_test_pool(), path("spool", letter), "/", leaf, NULL));
        zm_dir_close(entries);
    }
    CU_ASSERT_EQUAL(zm_object_open(&object, spool, name, ZM_OBJECT_READ), ZM_E_CORRUPT);
    CU_ASSERT_EQUAL(zm_spool_info(&info, spool, name), ZM_E_CORRUPT);
    ZM_ASSERT_OK(zm_spool_unlink(spool, name));
    zm_spool_close(spool);
}

/* The path of the only file of a large body. */
static const char *side_file(void)
{
    char letter[] = "bodies/A";
    const char *found = NULL;
    for (; letter[7] <= 'Z'; letter[7]++) {
        zm_dir_t *entries;
        const char *leaf;
        ZM_ASSERT_OK(zm_dir_open(&entries, NULL, path("spool", letter), zm_test_pool()));
        while (zm_dir_next(entries, &leaf, NULL) == APR_SUCCESS)
            found = apr_pstrcat(zm_test_pool(), path("spool", letter), "/", leaf, NULL);
        zm_dir_close(entries);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    return found;
}

static void note(const zm_finding_t *finding, void *baton)
{
    const char **text = baton;
    *text = apr_pstrcat(zm_test_pool(), *text, finding->kind, "=", finding->name, " ", NULL);
}

static const char *check(zm_spool_t *spool, bool repair)
{
    const char *text = "";
    zm_check_options_t options = {.repair = repair, .fn = note, .baton = &text};
    zm_check_report_t report;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_spool_check(spool, &options, &report, zm_test_pool(), &error));
    return text;
}

static void cut_large_body_is_named_corrupt(void)
{
    zm_spool_t *spool = make_spool();
    const char *name = publish(spool, "deferred", 200000);
    zm_object_t *object;
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, side_file(), ZM_OPEN_WRITE, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_truncate(file, 199999));
    zm_file_close(file);
    CU_ASSERT_EQUAL(zm_object_open(&object, spool, name, ZM_OBJECT_READ), ZM_E_CORRUPT);
    ZM_ASSERT_STR(check(spool, true), apr_pstrcat(zm_test_pool(), "lost-body=", name, " ", NULL));
    CU_ASSERT_EQUAL(side_files("spool"), 1); /* what is left of it stays */
    zm_spool_close(spool);
}

/* Control files are not synced, so a large one may have a row and nothing else. */
static void large_control_file_without_body_is_made_again(void)
{
    zm_spool_t *spool = make_spool();
    const char *message = publish(spool, "queue", 100),
               *control = publish(spool, "transport", 70000);
    const char *digits = strchr(message, '/');
    zm_object_info_t info;
    ZM_ASSERT_OK(
        zm_spool_rename(spool, control, apr_pstrcat(zm_test_pool(), "transport", digits, NULL)));
    ZM_ASSERT_OK(zm_file_unlink(NULL, side_file()));
    recover(spool);
    ZM_ASSERT_OK(zm_spool_info(&info, spool, apr_pstrcat(zm_test_pool(), "router", digits, NULL)));
    CU_ASSERT(APR_STATUS_IS_ENOENT(
        zm_spool_info(&info, spool, apr_pstrcat(zm_test_pool(), "transport", digits, NULL))));
    zm_spool_close(spool);
}

static void run_sql(const char *at, const char *statement)
{
    sqlite3 *db;
    CU_ASSERT_EQUAL(sqlite3_open(at, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* As another process leaves it behind whose sync failed: of the log, or of the database. */
static void set_mark(uint64_t place)
{
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path("spool", "turn"), ZM_OPEN_WRITE, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, place, "\2", 1));
    zm_file_close(file);
}

#define LOG_MARK 64
#define DATABASE_MARK 65

static void log_whose_sync_failed_is_mended_by_who_writes_next(void)
{
    zm_spool_t *spool = make_spool(), *second = NULL;
    const char *first = publish(spool, "router", 100);
    zm_object_info_t info;
    zm_error_t error = {0};
    ZM_ASSERT_OK(open_at(&second, "spool", false, &error));
    set_mark(LOG_MARK);
    ZM_ASSERT_STR(check(second, false), "unsynced=spool.db-wal ");
    ZM_ASSERT_OK(zm_spool_info(&info, second, publish(second, "router", 100)));
    ZM_ASSERT_OK(zm_spool_info(&info, second, first));
    ZM_ASSERT_STR(check(spool, false), "");
    zm_spool_close(second);
    zm_spool_close(spool);
}

static void failed_checkpoint_is_told_and_repaired(void)
{
    zm_spool_t *spool = make_spool();
    zm_file_info_t info = {0};
    int i;
    for (i = 0; i < 40; i++)
        publish(spool, "deferred", 3000);
    set_mark(LOG_MARK);
    set_mark(DATABASE_MARK);
    ZM_ASSERT_STR(check(spool, false), "unsynced=spool.db-wal unsynced=spool.db ");
    ZM_ASSERT_STR(check(spool, true), "unsynced=spool.db-wal unsynced=spool.db ");
    ZM_ASSERT_STR(check(spool, false), "");
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path("spool", "spool.db")));
    CU_ASSERT(info.size > 40 * 3000); /* all is there now */
    zm_spool_close(spool);
}

static zm_spool_t *make_damaged(void)
{
    zm_spool_t *spool = make_spool();
    zm_error_t error = {0};
    char *data;
    apr_size_t length;
    int i;
    for (i = 0; i < 200; i++)
        publish(spool, "deferred", 3000);
    zm_spool_close(spool);
    run_sql(path("spool", "spool.db"), "PRAGMA wal_checkpoint(TRUNCATE)");
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, path("spool", "spool.db"), 1 << 28, zm_test_pool()));
    memset(data + length / 2, 0xa5, 20000);
    write_file(path("spool", "spool.db"), data, length);
    ZM_ASSERT_OK(open_at(&spool, "spool", false, &error));
    return spool;
}

/* Nothing is moved from a log into a database that contradict each other. */
static void failed_checkpoint_of_a_damaged_database_is_left(void)
{
    zm_spool_t *spool = make_damaged();
    set_mark(DATABASE_MARK);
    check(spool, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(check(spool, false), "unsynced=spool.db "));
    zm_spool_close(spool);
}

static void number_of_a_stray_body_is_passed_over(void)
{
    zm_spool_t *spool = make_spool();
    zm_object_info_t info = {0};
    uint64_t id;
    ZM_ASSERT_OK(zm_spool_info(&info, spool, publish(spool, "deferred", 10)));
    for (id = info.id + 1; id < info.id + 5; id++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        zm_layout_hash(prefix, id, 1);
        write_file(
            path("spool", apr_psprintf(zm_test_pool(), "bodies/%s%" APR_UINT64_T_FMT, prefix, id)),
            "left by a crash", 15);
    }
    ZM_ASSERT_OK(zm_spool_info(&info, spool, publish(spool, "router", 200000)));
    CU_ASSERT_EQUAL(info.size, 200000);
    CU_ASSERT_EQUAL(side_files("spool"), 5);
    recover(spool);
    CU_ASSERT_EQUAL(side_files("spool"), 1);
    zm_spool_close(spool);
}

/* It may be a message, if the database was taken from an older copy. */
static void stray_body_is_found_and_parked(void)
{
    zm_spool_t *spool = make_spool();
    zm_object_t *object;
    char *data;
    apr_size_t length;
    publish(spool, "deferred", 200000);
    write_file(path("spool", "bodies/A/26"), "left by a crash", 15);
    ZM_ASSERT_STR(check(spool, false), "stray-body=bodies/A/26 ");
    CU_ASSERT_EQUAL(side_files("spool"), 2);
    check(spool, true);
    CU_ASSERT_EQUAL(side_files("spool"), 2);
    ZM_ASSERT_STR(check(spool, false), "");
    ZM_ASSERT_OK(zm_object_open(&object, spool, "postman/26:leftover", ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1000, zm_test_pool()));
    ZM_ASSERT_STR(data, "left by a crash");
    zm_object_close(object);
    recover(spool);
    CU_ASSERT_EQUAL(side_files("spool"), 2);
    zm_spool_close(spool);
}

/* -- crashes ---------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to, apr_size_t limit)
{
    char *data;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, from, 1 << 28, zm_test_pool()));
    write_file(to, data, length < limit ? length : limit);
}

/* Names in order of their numbers, each with its body whole. */
static int whole_objects(zm_spool_t *spool)
{
    zm_listing_t *listing;
    const char *name;
    int count = 0;
    ZM_ASSERT_OK(zm_spool_list(&listing, spool, "router", true, zm_test_pool()));
    while (zm_listing_next(listing, &name) == APR_SUCCESS) {
        zm_object_t *object;
        zm_object_info_t info = {0};
        char *data;
        apr_size_t length, i;
        ZM_ASSERT_OK(zm_object_open(&object, spool, name, ZM_OBJECT_READ));
        ZM_ASSERT_OK(zm_object_info(&info, object));
        CU_ASSERT_EQUAL(info.size, (apr_size_t)(count + 1) * 1000);
        ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 20, zm_test_pool()));
        for (i = 0; i < length && data[i] == 'x'; i++)
            ;
        CU_ASSERT_EQUAL(i, info.size);
        zm_object_close(object);
        count++;
    }
    zm_listing_close(listing);
    return count;
}

/* Whatever of the log reaches the disk, the first publishes are whole and the others are not there.
 */
static void log_cut_anywhere_keeps_the_first_publishes(void)
{
    zm_spool_t *spool = make_spool(), *crashed;
    zm_error_t error = {0};
    zm_file_info_t info;
    uint64_t cut;
    int i, last = 0;
    for (i = 1; i <= 8; i++)
        publish(spool, "router", (apr_size_t)i * 1000);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path("spool", "spool.db-wal")));
    ZM_ASSERT_OK(zm_dir_make_all(path("crashed", "bodies"), 0700, zm_test_pool()));
    for (cut = 0; cut <= info.size; cut += 4127) {
        int count;
        zm_file_unlink(NULL, path("crashed", "spool.db-shm"));
        copy_file(path("spool", "spool.db"), path("crashed", "spool.db"), (apr_size_t)-1);
        copy_file(path("spool", ".engine"), path("crashed", ".engine"), (apr_size_t)-1);
        copy_file(path("spool", "spool.db-wal"), path("crashed", "spool.db-wal"), (apr_size_t)cut);
        if (open_at(&crashed, "crashed", true, &error) != APR_SUCCESS) {
            CU_FAIL(error.text);
            continue;
        }
        count = whole_objects(crashed);
        CU_ASSERT(count >= last);
        last = count;
        zm_spool_close(crashed);
    }
    CU_ASSERT(last >= 7);
    zm_spool_close(spool);
}

static void log_stays_short_while_messages_flow(void)
{
    zm_spool_t *spool = make_spool();
    zm_file_info_t info;
    const char *names[16];
    int i;
    for (i = 0; i < 16; i++)
        names[i] = NULL;
    for (i = 0; i < 3000; i++) {
        const char **name = &names[i % 16];
        zm_create_options_t create = {
            .directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
        zm_target_t target = {.directory = "router", .unsynced = true};
        zm_published_t published;
        zm_object_t *object;
        static char text[20000];
        if (*name != NULL)
            ZM_ASSERT_OK(zm_spool_unlink(spool, *name));
        ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
        ZM_ASSERT_OK(zm_object_write(object, text, sizeof text));
        ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
        *name = published.name;
    }
    zm_spool_close(spool);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path("spool", "spool.db")));
    CU_ASSERT(info.size < 40 << 20); /* 60 MB went through */
}

/* -- foreign databases -------------------------------------------------------------------- */

static void rows_that_contradict_each_other_are_mended(void)
{
    zm_spool_t *spool = make_spool();
    const char *kept = publish(spool, "deferred", 100), *unnamed = publish(spool, "deferred", 200);
    zm_object_info_t info = {0};
    const char *found;
    ZM_ASSERT_OK(zm_spool_info(&info, spool, unnamed));
    zm_spool_close(spool);
    run_sql(path("spool", "spool.db"),
            apr_psprintf(zm_test_pool(),
                         "INSERT INTO names VALUES('deferred/1', 1); UPDATE objects SET links = 7"
                         " WHERE length(body) = 100; DELETE FROM names WHERE name = '%s'",
                         unnamed));
    ZM_ASSERT_OK(open_at(&spool, "spool", false, NULL));
    found = check(spool, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "damaged=deferred/1 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, kept));
    ZM_ASSERT_STR(check(spool, false), "");
    ZM_ASSERT_OK(zm_spool_info(&info, spool, kept));
    CU_ASSERT_EQUAL(info.links, 1);
    ZM_ASSERT_OK(zm_spool_info(
        &info, spool,
        apr_psprintf(zm_test_pool(), "postman/%" APR_UINT64_T_FMT ":lost", info.id + 1)));
    CU_ASSERT_EQUAL(info.size, 200);
    zm_spool_close(spool);
}

static void damaged_pages_are_told(void)
{
    zm_spool_t *spool = make_damaged();
    CU_ASSERT_PTR_NOT_NULL(strstr(check(spool, true), "damaged=spool.db "));
    zm_spool_close(spool);
}

static void newer_and_foreign_databases_are_refused(void)
{
    zm_spool_t *spool = make_spool();
    zm_error_t error = {0};
    zm_spool_close(spool);
    run_sql(path("spool", "spool.db"), "PRAGMA user_version=99");
    CU_ASSERT_EQUAL(open_at(&spool, "spool", false, &error), ZM_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "newer"));
    run_sql(path("spool", "spool.db"), "PRAGMA user_version=1; PRAGMA application_id=77");
    CU_ASSERT_EQUAL(open_at(&spool, "spool", true, &error), ZM_E_CORRUPT);
    zm_file_unlink(NULL, path("spool", "spool.db-wal"));
    zm_file_unlink(NULL, path("spool", "spool.db-shm"));
    write_file(path("spool", "spool.db"),
               "This is not a database, though it is long enough to be one.", 60);
    CU_ASSERT_EQUAL(open_at(&spool, "spool", false, &error), ZM_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "spool.db"));
}

static void remove_database(void)
{
    ZM_ASSERT_OK(zm_file_unlink(NULL, path("spool", "spool.db")));
    (void)zm_file_unlink(NULL, path("spool", "spool.db-wal"));
    (void)zm_file_unlink(NULL, path("spool", "spool.db-shm"));
}

/* A new one would take the old one's bodies for strays. */
static void lost_database_is_never_made_anew(void)
{
    zm_spool_t *spool = make_spool();
    zm_error_t error = {0};
    publish(spool, "router", 200000);
    zm_spool_close(spool);
    remove_database();
    CU_ASSERT_EQUAL(open_at(&spool, "spool", false, &error), ZM_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "missing"));
    CU_ASSERT_EQUAL(open_at(&spool, "spool", true, &error), ZM_E_CORRUPT);
    ZM_ASSERT_OK(zm_file_unlink(NULL, path("spool", ".engine")));
    CU_ASSERT_EQUAL(open_at(&spool, "spool", true, &error), ZM_E_CORRUPT);
    write_file(path("spool", "spool.db"), "", 0);
    CU_ASSERT_EQUAL(open_at(&spool, "spool", true, &error), ZM_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "empty"));
    CU_ASSERT_EQUAL(side_files("spool"), 1);
}

static void lost_mark_is_written_again_when_asked_for(void)
{
    zm_spool_t *spool = make_spool();
    zm_spool_options_t options = {
        .location = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/spool", NULL)};
    const char *name = publish(spool, "router", 10);
    zm_object_info_t info;
    zm_error_t error = {0};
    zm_spool_close(spool);
    ZM_ASSERT_OK(zm_file_unlink(NULL, path("spool", ".engine")));
    CU_ASSERT_EQUAL(zm_spool_open(&spool, &options, zm_test_pool(), &error), ZM_E_CONFIG);
    options.create = true; /* no native spool is made beside it */
    CU_ASSERT_EQUAL(zm_spool_open(&spool, &options, zm_test_pool(), &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "zmailer spool init"));
    ZM_ASSERT_OK(open_at(&spool, "spool", true, &error));
    ZM_ASSERT_OK(zm_spool_info(&info, spool, name));
    zm_spool_close(spool);
    options.create = false;
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, zm_test_pool(), &error));
    zm_spool_close(spool);
}

static void foreign_files_are_told_and_left(void)
{
    zm_spool_t *spool = make_spool();
    const char *found;
    write_file(path("spool", "note"), "x", 1);
    write_file(path("spool", "bodies/A/evil"), "x", 1);
    ZM_ASSERT_OK(zm_dir_make(NULL, path("spool", "queue"), 0755));
    found = check(spool, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=note "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=bodies/A/evil "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=queue "));
    ZM_ASSERT_STR(check(spool, false), found);
    zm_spool_close(spool);
}

static void two_engines_are_never_pointed_at_one_directory(void)
{
    zm_spool_t *spool = make_spool();
    zm_spool_options_t options = {
        .location = apr_pstrcat(zm_test_pool(), "native:", zm_test_directory(), "/spool", NULL),
        .create = true};
    zm_error_t error = {0};
    zm_spool_close(spool);
    CU_ASSERT_EQUAL(zm_spool_open(&spool, &options, zm_test_pool(), &error), ZM_E_CONFIG);
    options.location = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/spool", NULL);
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, zm_test_pool(), &error));
    ZM_ASSERT_STR(zm_spool_engine_name(spool), "emulated");
    zm_spool_close(spool);
}

ZM_TESTS("spool emulated", ZM_TEST(large_body_stays_for_its_readers),
         ZM_TEST(large_body_goes_with_its_last_name), ZM_TEST(large_object_is_changed_in_place),
         ZM_TEST(discarded_large_object_leaves_no_file),
         ZM_TEST(stray_files_are_swept_and_foreign_ones_left),
         ZM_TEST(lost_large_body_is_named_corrupt), ZM_TEST(cut_large_body_is_named_corrupt),
         ZM_TEST(large_control_file_without_body_is_made_again),
         ZM_TEST(log_whose_sync_failed_is_mended_by_who_writes_next),
         ZM_TEST(failed_checkpoint_is_told_and_repaired),
         ZM_TEST(failed_checkpoint_of_a_damaged_database_is_left),
         ZM_TEST(number_of_a_stray_body_is_passed_over), ZM_TEST(stray_body_is_found_and_parked),
         ZM_TEST(rows_that_contradict_each_other_are_mended), ZM_TEST(damaged_pages_are_told),
         ZM_TEST(log_cut_anywhere_keeps_the_first_publishes),
         ZM_TEST(log_stays_short_while_messages_flow),
         ZM_TEST(newer_and_foreign_databases_are_refused),
         ZM_TEST(two_engines_are_never_pointed_at_one_directory),
         ZM_TEST(lost_database_is_never_made_anew),
         ZM_TEST(lost_mark_is_written_again_when_asked_for),
         ZM_TEST(foreign_files_are_told_and_left))
