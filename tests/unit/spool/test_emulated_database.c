/* The database and its log: cut, damaged, lost, foreign; syncs that failed. */
#include <apr_strings.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "spool/emulated.h"
#include "spool/emulated_vfs.h"
#include "spool/internal.h"
#include "tests/unit/harness.h"
#include "tests/unit/spool/emulated_spool.h"

#define LOG_MARK 64
#define DATABASE_MARK 65

/* As another process leaves it behind whose sync failed: of the log, or of the database. */
static void write_mark(uint64_t place, const char *state)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, emulated_path("spool", "turn"), ZM_OPEN_WRITE, 0,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, place, state, 1));
    zm_file_close(file);
}

static void set_mark(uint64_t place)
{
    write_mark(place, "\2");
}

static void *APR_THREAD_FUNC note_failure(apr_thread_t *thread, void *data)
{
    (void)thread;
    zm_emulated_note_failure(data, APR_EGENERAL);
    return NULL;
}

static bool is_marked(zm_emulated_t *e)
{
    zm_emulated_state_t state = ZM_STATE_SOUND;
    ZM_ASSERT_OK(zm_emulated_marked(e, ZM_MARK_LOG, &state));
    return state == ZM_STATE_FAILED;
}

/* Somebody else has the turn, and until it is ours others would believe their own syncs. */
static void failure_is_known_before_it_is_our_turn(void)
{
    zm_spool_t *first = emulated_make(), *second = NULL;
    apr_time_t end = zm_clock_monotonic() + apr_time_from_sec(30);
    apr_thread_t *thread;
    apr_status_t ignored;
    zm_error_t error = {0};
    bool marked;
    ZM_ASSERT_OK(emulated_open(&second, "spool", false, &error));
    ZM_ASSERT_OK(zm_emulated_begin(zm_emulated(second->engine)));
    ZM_ASSERT_OK(apr_thread_create(&thread, NULL, note_failure, first->engine, zm_test_pool()));
    while (!(marked = is_marked(zm_emulated(second->engine))) && zm_clock_monotonic() < end)
        apr_thread_yield();
    CU_ASSERT(marked);
    zm_emulated_abandon(zm_emulated(second->engine));
    apr_thread_join(&ignored, thread);
    emulated_publish(second, "router", 100);
    CU_ASSERT(!is_marked(zm_emulated(first->engine)));
    zm_spool_close(second);
    zm_spool_close(first);
}

/* Its process died before it had written all of it. */
static void log_that_was_being_mended_is_mended_by_who_writes_next(void)
{
    zm_spool_t *spool = emulated_make();
    emulated_publish(spool, "router", 100);
    write_mark(LOG_MARK, "\1");
    ZM_ASSERT_STR(emulated_check(spool, false), "unsynced=spool.db-wal ");
    emulated_publish(spool, "router", 100);
    ZM_ASSERT_STR(emulated_check(spool, false), "");
    zm_spool_close(spool);
}

static void log_whose_sync_failed_is_mended_by_who_writes_next(void)
{
    zm_spool_t *spool = emulated_make(), *second = NULL;
    const char *first = emulated_publish(spool, "router", 100);
    zm_object_info_t info;
    zm_error_t error = {0};
    ZM_ASSERT_OK(emulated_open(&second, "spool", false, &error));
    set_mark(LOG_MARK);
    ZM_ASSERT_STR(emulated_check(second, false), "unsynced=spool.db-wal ");
    ZM_ASSERT_OK(zm_spool_info(&info, second, emulated_publish(second, "router", 100)));
    ZM_ASSERT_OK(zm_spool_info(&info, second, first));
    ZM_ASSERT_STR(emulated_check(spool, false), "");
    zm_spool_close(second);
    zm_spool_close(spool);
}

static void failed_checkpoint_is_told_and_repaired(void)
{
    zm_spool_t *spool = emulated_make();
    zm_file_info_t info = {0};
    int i;
    for (i = 0; i < 40; i++)
        emulated_publish(spool, "deferred", 3000);
    set_mark(LOG_MARK);
    set_mark(DATABASE_MARK);
    ZM_ASSERT_STR(emulated_check(spool, false), "unsynced=spool.db-wal unsynced=spool.db ");
    ZM_ASSERT_STR(emulated_check(spool, true), "unsynced=spool.db-wal unsynced=spool.db ");
    ZM_ASSERT_STR(emulated_check(spool, false), "");
    ZM_ASSERT_OK(zm_path_info(&info, NULL, emulated_path("spool", "spool.db")));
    CU_ASSERT(info.size > 40 * 3000); /* all is there now */
    zm_spool_close(spool);
}

static zm_spool_t *make_damaged(void)
{
    zm_spool_t *spool = emulated_make();
    zm_error_t error = {0};
    char *data;
    apr_size_t length;
    int i;
    for (i = 0; i < 200; i++)
        emulated_publish(spool, "deferred", 3000);
    zm_spool_close(spool);
    emulated_run_sql(emulated_path("spool", "spool.db"), "PRAGMA wal_checkpoint(TRUNCATE)");
    ZM_ASSERT_OK(
        zm_file_slurp(&data, &length, emulated_path("spool", "spool.db"), 1 << 28, zm_test_pool()));
    memset(data + length / 2, 0xa5, 20000);
    emulated_write_file(emulated_path("spool", "spool.db"), data, length);
    ZM_ASSERT_OK(emulated_open(&spool, "spool", false, &error));
    return spool;
}

/* Nothing is moved from a log into a database that contradict each other. */
static void failed_checkpoint_of_a_damaged_database_is_left(void)
{
    zm_spool_t *spool = make_damaged();
    set_mark(DATABASE_MARK);
    emulated_check(spool, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(emulated_check(spool, false), "unsynced=spool.db "));
    zm_spool_close(spool);
}

static void copy_file(const char *from, const char *to, apr_size_t limit)
{
    char *data;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, from, 1 << 28, zm_test_pool()));
    emulated_write_file(to, data, length < limit ? length : limit);
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
    zm_spool_t *spool = emulated_make(), *crashed;
    zm_error_t error = {0};
    zm_file_info_t info;
    uint64_t cut;
    int i, last = 0;
    for (i = 1; i <= 8; i++)
        emulated_publish(spool, "router", (apr_size_t)i * 1000);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, emulated_path("spool", "spool.db-wal")));
    ZM_ASSERT_OK(zm_dir_make_all(emulated_path("crashed", "bodies"), 0700, zm_test_pool()));
    for (cut = 0; cut <= info.size; cut += 4127) {
        int count;
        zm_file_unlink(NULL, emulated_path("crashed", "spool.db-shm"));
        copy_file(emulated_path("spool", "spool.db"), emulated_path("crashed", "spool.db"),
                  (apr_size_t)-1);
        copy_file(emulated_path("spool", ".engine"), emulated_path("crashed", ".engine"),
                  (apr_size_t)-1);
        copy_file(emulated_path("spool", "spool.db-wal"), emulated_path("crashed", "spool.db-wal"),
                  (apr_size_t)cut);
        if (emulated_open(&crashed, "crashed", true, &error) != APR_SUCCESS) {
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
    zm_spool_t *spool = emulated_make();
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
    ZM_ASSERT_OK(zm_path_info(&info, NULL, emulated_path("spool", "spool.db")));
    CU_ASSERT(info.size < 40 << 20); /* 60 MB went through */
}

static const char *contents(zm_spool_t *spool, const char *name)
{
    zm_object_t *object;
    apr_size_t length;
    char *data;
    ZM_ASSERT_OK(zm_object_open(&object, spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 20, zm_test_pool()));
    zm_object_close(object);
    return data;
}

/* Frames of the log are remembered: not beyond the log, which begins anew now and then. */
static void reader_sees_what_others_wrote_last(void)
{
    enum { OBJECTS = 20, SIZE = 3000, ROUNDS = 400 };
    zm_spool_t *writer = emulated_make(), *reader;
    static char expected[OBJECTS][SIZE + 1];
    const char *names[OBJECTS];
    zm_error_t error = {0};
    int i;
    ZM_ASSERT_OK(emulated_open(&reader, "spool", false, &error));
    for (i = 0; i < OBJECTS; i++) {
        names[i] = emulated_publish(writer, "queue", SIZE);
        memset(expected[i], 'x', SIZE);
    }
    for (i = 0; i < ROUNDS; i++) {
        int which = i * 7 % OBJECTS, other = i * 3 % OBJECTS, place = i * 31 % SIZE;
        zm_object_t *object;
        ZM_ASSERT_OK(zm_object_open(&object, writer, names[which], ZM_OBJECT_UPDATE));
        expected[which][place] = (char)('a' + i % 26);
        ZM_ASSERT_OK(zm_object_overwrite(object, (uint64_t)place, &expected[which][place], 1));
        zm_object_close(object);
        ZM_ASSERT_STR(contents(reader, names[which]), expected[which]);
        ZM_ASSERT_STR(contents(reader, names[other]), expected[other]);
        if (i % 67 == 66)
            emulated_run_sql(emulated_path("spool", "spool.db"),
                             i % 2 == 0 ? "PRAGMA wal_checkpoint(TRUNCATE)"
                                        : "PRAGMA wal_checkpoint(RESTART)");
    }
    zm_spool_close(reader);
    zm_spool_close(writer);
}

static sqlite3 *open_table(void)
{
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open_v2(emulated_path("spool", "spool.db"), &db,
                                          SQLITE_OPEN_READWRITE, zm_emulated_vfs()),
                          SQLITE_OK);
    sqlite3_exec(db, "PRAGMA wal_autocheckpoint=0", NULL, NULL, NULL);
    return db;
}

static int number_in_table(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int number = -1;
    sqlite3_prepare_v2(db, "SELECT number FROM kept", -1, &statement, NULL);
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* As a bad disk and the death of a writer would leave them: the end of the log, and its index. */
static void damage_last_frame_and_index(sqlite3 *db)
{
    enum { PART = 32768, SUM = 40, BYTES = 16 };
    sqlite3_file *base = NULL, *log = NULL;
    sqlite3_int64 size = 0;
    void volatile *index = NULL;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &base);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    CU_ASSERT_EQUAL_FATAL(log->pMethods->xFileSize(log, &size), SQLITE_OK);
    CU_ASSERT_EQUAL(log->pMethods->xWrite(log, "damaged, damaged", BYTES, size - BYTES), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(base->pMethods->xShmMap(base, 0, PART, 0, &index), SQLITE_OK);
    ((volatile unsigned char *)index)[SUM] ^= 1;
}

/* Another frame is in the place of one that is remembered, with the salts that it had. */
static void frames_behind_a_damaged_one_are_forgotten(void)
{
    zm_spool_t *spool = emulated_make();
    sqlite3 *reader, *writer;
    zm_spool_close(spool);
    writer = open_table();
    CU_ASSERT_EQUAL(sqlite3_exec(writer,
                                 "CREATE TABLE kept(number INTEGER); INSERT INTO kept VALUES(1);"
                                 "UPDATE kept SET number = 2; UPDATE kept SET number = 3;",
                                 NULL, NULL, NULL),
                    SQLITE_OK);
    reader = open_table();
    CU_ASSERT_EQUAL(number_in_table(reader), 3);
    damage_last_frame_and_index(writer);
    CU_ASSERT_EQUAL(number_in_table(writer), 2);
    CU_ASSERT_EQUAL(sqlite3_exec(writer, "UPDATE kept SET number = 40", NULL, NULL, NULL),
                    SQLITE_OK);
    CU_ASSERT_EQUAL(number_in_table(reader), 40);
    sqlite3_close(reader);
    sqlite3_close(writer);
}

static void rows_that_contradict_each_other_are_mended(void)
{
    zm_spool_t *spool = emulated_make();
    const char *kept = emulated_publish(spool, "deferred", 100),
               *unnamed = emulated_publish(spool, "deferred", 200);
    zm_object_info_t info = {0};
    const char *found;
    ZM_ASSERT_OK(zm_spool_info(&info, spool, unnamed));
    zm_spool_close(spool);
    emulated_run_sql(
        emulated_path("spool", "spool.db"),
        apr_psprintf(zm_test_pool(),
                     "INSERT INTO names VALUES('deferred/1', 1); UPDATE objects SET links = 7"
                     " WHERE length(body) = 100; DELETE FROM names WHERE name = '%s'",
                     unnamed));
    ZM_ASSERT_OK(emulated_open(&spool, "spool", false, NULL));
    found = emulated_check(spool, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "damaged=deferred/1 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, kept));
    ZM_ASSERT_STR(emulated_check(spool, false), "");
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
    CU_ASSERT_PTR_NOT_NULL(strstr(emulated_check(spool, true), "damaged=spool.db "));
    zm_spool_close(spool);
}

static void newer_and_foreign_databases_are_refused(void)
{
    zm_spool_t *spool = emulated_make();
    zm_error_t error = {0};
    zm_spool_close(spool);
    emulated_run_sql(emulated_path("spool", "spool.db"), "PRAGMA user_version=99");
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", false, &error), ZM_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "newer"));
    emulated_run_sql(emulated_path("spool", "spool.db"),
                     "PRAGMA user_version=1; PRAGMA application_id=77");
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", true, &error), ZM_E_CORRUPT);
    zm_file_unlink(NULL, emulated_path("spool", "spool.db-wal"));
    zm_file_unlink(NULL, emulated_path("spool", "spool.db-shm"));
    emulated_write_file(emulated_path("spool", "spool.db"),
                        "This is not a database, though it is long enough to be one.", 60);
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", false, &error), ZM_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "spool.db"));
}

static void remove_database(void)
{
    ZM_ASSERT_OK(zm_file_unlink(NULL, emulated_path("spool", "spool.db")));
    (void)zm_file_unlink(NULL, emulated_path("spool", "spool.db-wal"));
    (void)zm_file_unlink(NULL, emulated_path("spool", "spool.db-shm"));
}

/* A new one would take the old one's bodies for strays. */
static void lost_database_is_never_made_anew(void)
{
    zm_spool_t *spool = emulated_make();
    zm_error_t error = {0};
    emulated_publish(spool, "router", 200000);
    zm_spool_close(spool);
    remove_database();
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", false, &error), ZM_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "missing"));
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", true, &error), ZM_E_CORRUPT);
    ZM_ASSERT_OK(zm_file_unlink(NULL, emulated_path("spool", ".engine")));
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", true, &error), ZM_E_CORRUPT);
    emulated_write_file(emulated_path("spool", "spool.db"), "", 0);
    CU_ASSERT_EQUAL(emulated_open(&spool, "spool", true, &error), ZM_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "empty"));
    CU_ASSERT_EQUAL(emulated_bodies("spool"), 1);
}

static void lost_mark_is_written_again_when_asked_for(void)
{
    zm_spool_t *spool = emulated_make();
    zm_spool_options_t options = {
        .location = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/spool", NULL)};
    const char *name = emulated_publish(spool, "router", 10);
    zm_object_info_t info;
    zm_error_t error = {0};
    zm_spool_close(spool);
    ZM_ASSERT_OK(zm_file_unlink(NULL, emulated_path("spool", ".engine")));
    CU_ASSERT_EQUAL(zm_spool_open(&spool, &options, zm_test_pool(), &error), ZM_E_CONFIG);
    options.create = true; /* no native spool is made beside it */
    CU_ASSERT_EQUAL(zm_spool_open(&spool, &options, zm_test_pool(), &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "zmailer spool init"));
    ZM_ASSERT_OK(emulated_open(&spool, "spool", true, &error));
    ZM_ASSERT_OK(zm_spool_info(&info, spool, name));
    zm_spool_close(spool);
    options.create = false;
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, zm_test_pool(), &error));
    zm_spool_close(spool);
}

static void foreign_files_are_told_and_left(void)
{
    zm_spool_t *spool = emulated_make();
    const char *found;
    emulated_write_file(emulated_path("spool", "note"), "x", 1);
    emulated_write_file(emulated_path("spool", "bodies/A/evil"), "x", 1);
    ZM_ASSERT_OK(zm_dir_make(NULL, emulated_path("spool", "queue"), 0755));
    found = emulated_check(spool, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=note "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=bodies/A/evil "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found, "foreign=queue "));
    ZM_ASSERT_STR(emulated_check(spool, false), found);
    zm_spool_close(spool);
}

static void two_engines_are_never_pointed_at_one_directory(void)
{
    zm_spool_t *spool = emulated_make();
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

ZM_TESTS("spool emulated database", ZM_TEST(log_whose_sync_failed_is_mended_by_who_writes_next),
         ZM_TEST(failure_is_known_before_it_is_our_turn),
         ZM_TEST(log_that_was_being_mended_is_mended_by_who_writes_next),
         ZM_TEST(failed_checkpoint_is_told_and_repaired),
         ZM_TEST(failed_checkpoint_of_a_damaged_database_is_left),
         ZM_TEST(log_cut_anywhere_keeps_the_first_publishes),
         ZM_TEST(log_stays_short_while_messages_flow), ZM_TEST(reader_sees_what_others_wrote_last),
         ZM_TEST(frames_behind_a_damaged_one_are_forgotten),
         ZM_TEST(rows_that_contradict_each_other_are_mended), ZM_TEST(damaged_pages_are_told),
         ZM_TEST(newer_and_foreign_databases_are_refused),
         ZM_TEST(lost_database_is_never_made_anew),
         ZM_TEST(lost_mark_is_written_again_when_asked_for),
         ZM_TEST(foreign_files_are_told_and_left),
         ZM_TEST(two_engines_are_never_pointed_at_one_directory))
