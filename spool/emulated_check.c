#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "spool/emulated.h"
#include "spool/internal.h"
#include "spool/layout.h"

/*
 * What the database may say that cannot be.  Each question is asked anew for
 * every answer, from the last one on: no state of the database is kept alive, and
 * a remedy may change it meanwhile.
 */

apr_status_t zm_emulated_directories(zm_engine_t *engine, apr_array_header_t *names)
{
    zm_emulated_t *e = zm_emulated(engine);
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(e->reader.lock);
    statement = zm_connection_statement(&e->reader, ZM_SQL_DIRECTORIES);
    while ((status = zm_connection_row(&e->reader, statement)) == APR_SUCCESS)
        APR_ARRAY_PUSH(names, const char *) =
            apr_pstrdup(names->pool, (const char *)sqlite3_column_text(statement, 0));
    apr_thread_mutex_unlock(e->reader.lock);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* -- questions ---------------------------------------------------------------------------- */

#define PROGRESS_STEPS 10000 /* of SQLite's machine */

typedef struct question_t {
    zm_emulated_t *e;
    const zm_check_options_t *options;
    zm_check_report_t *report;
    /* the answer of the moment */
    bool sound; /* the database, as it is read now */
    uint64_t id;
    char name[ZM_ENGINE_NAME_SIZE], side[ZM_SIDE_SIZE];
    int64_t number, other;
} question_t;

static void take_text(char *to, apr_size_t size, sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    apr_cpystrn(to, text != NULL ? text : "", size);
}

/* The next row after `id`; which: ZM_SQL_LOST_OBJECTS or ZM_SQL_MISCOUNTED. */
static apr_status_t next_by_id(question_t *q, zm_statement_t which)
{
    zm_connection_t *reader = &q->e->reader;
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(reader->lock);
    statement = zm_connection_statement(reader, which);
    if (statement != NULL)
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)q->id);
    status = zm_connection_row(reader, statement);
    if (status == APR_SUCCESS) {
        q->id = (uint64_t)sqlite3_column_int64(statement, 0);
        if (which == ZM_SQL_MISCOUNTED) {
            q->number = sqlite3_column_int64(statement, 1);
            q->other = sqlite3_column_int64(statement, 2);
            take_text(q->name, sizeof q->name, statement, 3);
        }
        sqlite3_reset(statement);
    }
    apr_thread_mutex_unlock(reader->lock);
    return status;
}

static apr_status_t next_lost_name(question_t *q)
{
    zm_connection_t *reader = &q->e->reader;
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(reader->lock);
    statement = zm_connection_statement(reader, ZM_SQL_LOST_NAMES);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, q->name, -1, SQLITE_TRANSIENT);
    status = zm_connection_row(reader, statement);
    if (status == APR_SUCCESS) {
        take_text(q->name, sizeof q->name, statement, 0);
        sqlite3_reset(statement);
    }
    apr_thread_mutex_unlock(reader->lock);
    return status;
}

static apr_status_t next_large(question_t *q)
{
    zm_connection_t *reader = &q->e->reader;
    sqlite3_stmt *statement;
    apr_status_t status;
    apr_thread_mutex_lock(reader->lock);
    statement = zm_connection_statement(reader, ZM_SQL_LARGE);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, q->side, -1, SQLITE_TRANSIENT);
    status = zm_connection_row(reader, statement);
    if (status == APR_SUCCESS) {
        q->id = (uint64_t)sqlite3_column_int64(statement, 0);
        take_text(q->side, sizeof q->side, statement, 1);
        q->number = sqlite3_column_int64(statement, 2);
        take_text(q->name, sizeof q->name, statement, 3);
        sqlite3_reset(statement);
    }
    apr_thread_mutex_unlock(reader->lock);
    return status;
}

static apr_status_t ended(apr_status_t status)
{
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* -- remedies -------------------------------------------------------------------------------- */

static apr_status_t drop_lost_name(void *baton)
{
    question_t *q = baton;
    sqlite3_stmt *statement;
    apr_status_t status = zm_emulated_begin(q->e);
    if (status != APR_SUCCESS)
        return status;
    statement = zm_connection_statement(&q->e->writer, ZM_SQL_DROP_NAME);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, q->name, -1, SQLITE_STATIC);
    return zm_emulated_finish(q->e, zm_connection_run(&q->e->writer, statement));
}

/* The postmaster gets it; nothing tells where it was. */
static apr_status_t name_lost_object(void *baton)
{
    question_t *q = baton;
    char name[60];
    apr_status_t status = zm_emulated_begin(q->e);
    if (status != APR_SUCCESS)
        return status;
    apr_snprintf(name, sizeof name, ZM_DIR_POSTMAN "/%" APR_UINT64_T_FMT ":lost", q->id);
    return zm_emulated_finish(q->e, zm_emulated_add_name(q->e, name, q->id));
}

static apr_status_t count_again(void *baton)
{
    question_t *q = baton;
    sqlite3_stmt *statement;
    apr_status_t status = zm_emulated_begin(q->e);
    if (status != APR_SUCCESS)
        return status;
    statement = zm_connection_statement(&q->e->writer, ZM_SQL_ADD_LINK);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)q->id);
        sqlite3_bind_int64(statement, 2, q->other - q->number);
    }
    return zm_emulated_finish(q->e, zm_connection_run(&q->e->writer, statement));
}

static apr_status_t remove_stray(void *baton)
{
    question_t *q = baton;
    return zm_side_remove(q->e, q->side);
}

static apr_status_t park_stray(void *baton)
{
    question_t *q = baton;
    char name[60];
    apr_snprintf(name, sizeof name, ZM_DIR_POSTMAN "/%s:leftover", q->side + 2);
    return zm_side_adopt(q->e, q->side, name);
}

static apr_status_t write_anew(void *baton)
{
    question_t *q = baton;
    apr_status_t status = q->sound ? zm_emulated_sync(q->e) : ZM_E_CORRUPT;
    return status != APR_SUCCESS || q->number != ZM_MARK_DATABASE ? status
                                                                  : zm_emulated_checkpoint(q->e);
}

/* -- the parts of a check ---------------------------------------------------------------------- */

static void tell(question_t *q, const char *kind, const char *name, const char *detail,
                 const char *remedy, zm_remedy_fn *do_it)
{
    zm_finding_t finding = {.kind = kind, .name = name, .detail = detail, .remedy = remedy};
    zm_check_tell(q->options, q->report, &finding, do_it, q);
}

/* SQLite calls it now and then. */
static int go_on(void *baton)
{
    const zm_check_options_t *options = baton;
    options->progress(0, options->baton);
    return 0;
}

static void watch_progress(zm_connection_t *reader, const zm_check_options_t *options, bool begin)
{
    if (options->progress != NULL)
        sqlite3_progress_handler(reader->db, begin ? PROGRESS_STEPS : 0, begin ? go_on : NULL,
                                 (void *)options);
}

static apr_status_t check_integrity(question_t *q, apr_pool_t *pool)
{
    zm_connection_t *reader = &q->e->reader;
    apr_array_header_t *texts = apr_array_make(pool, 4, sizeof(const char *));
    sqlite3_stmt *statement;
    apr_status_t status;
    int i;
    apr_thread_mutex_lock(reader->lock);
    watch_progress(reader, q->options, true);
    statement = zm_connection_statement(reader, ZM_SQL_INTEGRITY);
    while ((status = zm_connection_row(reader, statement)) == APR_SUCCESS) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text != NULL && strcmp(text, "ok") != 0)
            APR_ARRAY_PUSH(texts, const char *) = apr_pstrdup(pool, text);
    }
    watch_progress(reader, q->options, false);
    apr_thread_mutex_unlock(reader->lock);
    q->sound = APR_STATUS_IS_ENOENT(status) && texts->nelts == 0;
    for (i = 0; i < texts->nelts; i++)
        tell(q, ZM_FINDING_DAMAGED, "spool.db",
             apr_psprintf(pool, "%s; convert it to a new spool, which takes what can be read",
                          APR_ARRAY_IDX(texts, i, const char *)),
             NULL, NULL);
    return ended(status);
}

/* The log is mended first, for a checkpoint moves from it. */
static apr_status_t check_marks(question_t *q)
{
    static const struct {
        zm_emulated_mark_t mark;
        const char *name, *detail, *remedy;
    } marks[] = {
        {ZM_MARK_LOG, "spool.db-wal",
         "the disk failed to take it (a sync gave an error); what waited for it was refused, and "
         "who writes next writes all of it anew",
         "write it anew"},
        {ZM_MARK_DATABASE, "spool.db",
         "the disk failed to take it (a checkpoint ended with an error); all mail is in "
         "spool.db-wal, which grows until a checkpoint succeeds",
         "write it anew from spool.db-wal"}};
    apr_size_t i;
    for (i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        zm_emulated_state_t state;
        apr_status_t status = zm_emulated_marked(q->e, marks[i].mark, &state);
        if (status != APR_SUCCESS)
            return status;
        q->number = marks[i].mark;
        if (state == ZM_STATE_FAILED || (marks[i].mark == ZM_MARK_LOG && state == ZM_STATE_BEGUN))
            tell(q, ZM_FINDING_UNSYNCED, marks[i].name, marks[i].detail, marks[i].remedy,
                 write_anew);
    }
    return APR_SUCCESS;
}

static apr_status_t check_rows(question_t *q)
{
    char detail[160], label[40];
    apr_status_t status;
    q->name[0] = '\0';
    while ((status = next_lost_name(q)) == APR_SUCCESS)
        tell(q, ZM_FINDING_DAMAGED, q->name, "names an object that does not exist",
             "remove the name", drop_lost_name);
    for (q->id = 0; ended(status) == APR_SUCCESS &&
                    (status = next_by_id(q, ZM_SQL_LOST_OBJECTS)) == APR_SUCCESS;) {
        apr_snprintf(label, sizeof label, "#%" APR_UINT64_T_FMT, q->id);
        tell(q, ZM_FINDING_DAMAGED, label, "is an object without a name",
             "name it in " ZM_DIR_POSTMAN, name_lost_object);
    }
    for (q->id = 0; ended(status) == APR_SUCCESS &&
                    (status = next_by_id(q, ZM_SQL_MISCOUNTED)) == APR_SUCCESS;) {
        apr_snprintf(detail, sizeof detail, "is said to have %d names and has %d", (int)q->number,
                     (int)q->other);
        tell(q, ZM_FINDING_DAMAGED, q->name, detail, "count them again", count_again);
    }
    return ended(status);
}

static apr_status_t check_large(question_t *q)
{
    char path[ZM_SIDE_SIZE + 8], detail[200];
    apr_status_t status;
    q->side[0] = '\0';
    while ((status = next_large(q)) == APR_SUCCESS) {
        zm_file_info_t found = {0};
        apr_status_t there;
        apr_snprintf(path, sizeof path, "bodies/%s", q->side);
        there = zm_path_info(&found, q->e->root, path);
        if (APR_STATUS_IS_ENOENT(there))
            apr_snprintf(detail, sizeof detail,
                         "its body was in %s, which is gone: restore that, or remove the name",
                         path);
        else if (there == APR_SUCCESS && (int64_t)found.size < q->number)
            apr_snprintf(detail, sizeof detail,
                         "its body, %s, has %" APR_UINT64_T_FMT " bytes of %" APR_INT64_T_FMT
                         ": restore that, or remove the name",
                         path, found.size, (apr_int64_t)q->number);
        else
            continue;
        tell(q, ZM_FINDING_LOST_BODY, q->name, detail, NULL, NULL);
    }
    return ended(status);
}

static void check_stray(const char *side, void *baton)
{
    question_t *q = baton;
    char path[ZM_SIDE_SIZE + 8];
    bool dead = zm_side_dead(q->e, side);
    if (zm_side_used(q->e, side))
        return;
    apr_cpystrn(q->side, side, sizeof q->side);
    apr_snprintf(path, sizeof path, "bodies/%s", side);
    if (dead || zm_side_unfinished(q->e, side))
        tell(q, ZM_FINDING_STRAY_BODY, path,
             dead ? "belongs to an object that was removed"
                  : "was being written, and never published",
             "remove it, unless somebody has it open", remove_stray);
    else
        tell(q, ZM_FINDING_STRAY_BODY, path,
             "belongs to no object: it was never published, or the database is older than it",
             "park it in " ZM_DIR_POSTMAN ", unless somebody has it open", park_stray);
}

/* -- what is not the engine's ----------------------------------------------------------------- */

static void tell_foreign(question_t *q, const char *path, const char *detail)
{
    tell(q, ZM_FINDING_FOREIGN, path, detail, NULL, NULL);
}

static bool is_ours(const char *leaf)
{
    static const char *const files[] = {
        "spool.db", "spool.db-wal", "spool.db-shm", "spool.db-journal", "turn", "locks", "bodies"};
    apr_size_t i;
    for (i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strcmp(leaf, files[i]) == 0)
            return true;
    return leaf[0] == '.'; /* the daemons' */
}

static bool is_of_a_tree(const char *leaf)
{
    const zm_layout_directory_t *directory = zm_layout_directories;
    while (directory->name != NULL && strcmp(directory->name, leaf) != 0)
        directory++;
    return directory->name != NULL;
}

static void check_root_entry(question_t *q, const char *leaf, zm_file_kind_t kind)
{
    if (is_ours(leaf))
        return;
    if (is_of_a_tree(leaf))
        tell_foreign(q, leaf,
                     "belongs to a native spool, but the spool is emulated: nobody looks into it");
    else if (kind != ZM_FILE_DIRECTORY)
        tell_foreign(q, leaf, "stands beside the spool's files; nobody looks at it");
}

static void check_body_entry(question_t *q, const char *path, const char *leaf, zm_file_kind_t kind)
{
    uint64_t id;
    if (kind != ZM_FILE_REGULAR)
        tell_foreign(q, path, "is no plain file; nobody opens it");
    else if (zm_str_u64(zm_str(leaf), &id) != APR_SUCCESS)
        tell_foreign(q, path, "has a name that no body can have; nobody looks at it");
}

/* Of the root (path empty), or of a directory of bodies. */
static apr_status_t check_entries(question_t *q, const char *path, apr_pool_t *pool)
{
    zm_dir_t *entries;
    zm_file_kind_t kind;
    const char *leaf;
    apr_status_t status = zm_dir_open(&entries, q->e->root, path[0] != '\0' ? path : ".", pool);
    if (status != APR_SUCCESS)
        return ended(status);
    while ((status = zm_dir_next(entries, &leaf, &kind)) == APR_SUCCESS)
        if (path[0] == '\0')
            check_root_entry(q, leaf, kind);
        else
            check_body_entry(q, apr_pstrcat(pool, path, "/", leaf, NULL), leaf, kind);
    zm_dir_close(entries);
    return ended(status);
}

static apr_status_t check_foreign(question_t *q, apr_pool_t *parent)
{
    char path[] = "bodies/A";
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status == APR_SUCCESS)
        status = check_entries(q, "", pool);
    for (; path[7] <= 'Z' && status == APR_SUCCESS; path[7]++) {
        apr_pool_clear(pool);
        status = check_entries(q, path, pool);
    }
    return status;
}

/* What cannot be asked because pages are damaged is told; the next question may be answered. */
static apr_status_t survive(question_t *q, apr_status_t status)
{
    if (status != ZM_E_CORRUPT)
        return status;
    tell(q, ZM_FINDING_DAMAGED, "spool.db",
         "cannot be read to its end; convert it to a new spool, which takes what can be read", NULL,
         NULL);
    return APR_SUCCESS;
}

apr_status_t zm_emulated_check(zm_engine_t *engine, const zm_check_options_t *options,
                               zm_check_report_t *report, apr_pool_t *pool)
{
    question_t q = {.e = zm_emulated(engine), .options = options, .report = report};
    apr_status_t status = survive(&q, check_integrity(&q, pool));
    if (status == APR_SUCCESS)
        status = check_marks(&q);
    if (status == APR_SUCCESS)
        status = survive(&q, check_rows(&q));
    if (status == APR_SUCCESS)
        status = survive(&q, check_large(&q));
    if (status == APR_SUCCESS)
        status = check_foreign(&q, pool);
    if (status == APR_SUCCESS && !options->running) /* else somebody may be writing it */
        status = zm_side_each(q.e, check_stray, &q, pool);
    return status;
}

/* -- from another spool ------------------------------------------------------------------------ */

#define KEPT_ID_LIMIT ((uint64_t)INT64_MAX / 2) /* there shall be numbers left above it */
#define ID_TRIES 4

static apr_status_t add_import(zm_emulated_object_t *object, const char *name,
                               const zm_object_info_t *as)
{
    zm_emulated_t *e = object->engine;
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    status = zm_emulated_add_name(e, name, as->id);
    if (status == APR_SUCCESS)
        status = zm_emulated_add_row(e, as, object, NULL, 0);
    if (status == APR_SUCCESS) {
        sqlite3_stmt *statement = zm_connection_statement(&e->writer, ZM_SQL_RESERVE_ID);
        if (statement != NULL)
            sqlite3_bind_int64(statement, 1, (sqlite3_int64)as->id);
        status = zm_connection_run(&e->writer, statement);
    }
    return zm_emulated_finish(e, status);
}

apr_status_t zm_emulated_import(zm_engine_object_t *handle, const char *name,
                                const zm_object_info_t *info)
{
    zm_emulated_object_t *object = zm_emulated_object(handle);
    zm_emulated_t *e = object->engine;
    zm_object_info_t as = *info;
    int tries;
    apr_status_t status = APR_SUCCESS;
    if (object->file != NULL)
        status = zm_emulated_complete(object, true);
    if (status == APR_SUCCESS)
        status = as.id == 0 || as.id > KEPT_ID_LIMIT ? APR_EEXIST : add_import(object, name, &as);
    for (tries = 0; APR_STATUS_IS_EEXIST(status) && tries < ID_TRIES;
         tries++) { /* or the name is */
        status = zm_emulated_take_id(e, &as.id);
        if (status == APR_SUCCESS)
            status = add_import(object, name, &as);
    }
    zm_emulated_object_free(object, status != APR_SUCCESS);
    return status;
}

apr_status_t zm_emulated_settle(zm_engine_t *engine)
{
    return zm_emulated_sync(zm_emulated(engine));
}
