#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/emulated.h"

/*
 * Publishing a group: large bodies are made durable in their files first; then
 * all members become rows in one transaction; then the log is synced, outside of
 * it.  A crash before the commit leaves files that no row names, one after it and
 * before the end of the sync leaves all of the group's rows or none.
 */

#define NAME_TRIES 8

typedef struct member_t {
    zm_commit_t *commit;
    zm_emulated_object_t *object; /* null: the body is the commit's data */
    apr_status_t refused;         /* by the names that are there already */
    bool committed;
} member_t;

/* -- before the transaction -------------------------------------------------------------- */

static void fail(member_t *member, apr_status_t status)
{
    member->commit->status = status;
    if (member->object != NULL)
        zm_emulated_object_free(member->object, true);
    member->object = NULL;
}

/* A small object that reaches the engine here needs no handle; all else does. */
static apr_status_t prepare(zm_emulated_t *e, member_t *member)
{
    zm_commit_t *commit = member->commit;
    apr_status_t status = APR_SUCCESS;
    member->object = zm_emulated_object(commit->object);
    if (member->object == NULL) {
        zm_credentials_t own = zm_identity_own();
        apr_time_t now = zm_clock_wall();
        const zm_create_options_t *create = &commit->create;
        commit->info = (zm_object_info_t){
            .size = commit->length,
            .mtime_s = apr_time_sec(now),
            .mtime_ns = (uint32_t)apr_time_usec(now) * 1000,
            .ctime_s = apr_time_sec(now),
            .mode = create->mode != 0 ? create->mode : 0600,
            .uid = create->uid != ZM_UID_NONE ? create->uid : own.uid,
            .gid = create->gid != ZM_UID_NONE ? create->gid : own.gid,
        };
        return zm_emulated_take_id(e, &commit->info.id);
    }
    if (commit->length != 0)
        status = zm_emulated_object_add(member->object, commit->data, commit->length);
    if (status == APR_SUCCESS && member->object->file != NULL)
        status = zm_emulated_complete(member->object, !commit->target.unsynced);
    commit->info = member->object->info;
    if (status == APR_SUCCESS && commit->info.id == 0)
        status = zm_emulated_take_id(e, &commit->info.id);
    return status;
}

/* -- the transaction ------------------------------------------------------------------------ */

static apr_status_t add_name(zm_emulated_t *e, zm_commit_t *commit)
{
    const zm_target_t *target = &commit->target;
    uint64_t id = target->id != 0 ? target->id : commit->info.id;
    char prefix[ZM_HASH_PREFIX_SIZE];
    zm_layout_hash(prefix, id, target->hash_levels);
    snprintf(commit->name, sizeof commit->name, "%s/%s%llu%s", target->directory, prefix,
             (unsigned long long)id, target->suffix != NULL ? target->suffix : "");
    return zm_emulated_add_name(e, commit->name, commit->info.id);
}

/* Of a large body the row has the length that was made durable; its file may grow, but not shrink.
 */
static void bind_body(sqlite3_stmt *statement, const zm_emulated_object_t *object, const char *data,
                      apr_size_t length)
{
    if (object != NULL && object->side[0] != '\0') {
        sqlite3_bind_text(statement, 7, object->side, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 8, (sqlite3_int64)object->info.size);
        return;
    }
    if (object != NULL) {
        data = object->body.data;
        length = object->body.length;
    }
    sqlite3_bind_null(statement, 7);
    sqlite3_bind_blob64(statement, 8, data != NULL ? data : "", length, SQLITE_STATIC);
}

apr_status_t zm_emulated_add_row(zm_emulated_t *e, const zm_object_info_t *info,
                                 const zm_emulated_object_t *object, const char *data,
                                 apr_size_t length)
{
    sqlite3_stmt *statement = zm_connection_statement(&e->writer, ZM_SQL_ADD_OBJECT);
    apr_status_t status;
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)info->id);
        sqlite3_bind_int64(statement, 2, info->mtime_s);
        sqlite3_bind_int64(statement, 3, info->mtime_ns);
        sqlite3_bind_int64(statement, 4, info->mode);
        sqlite3_bind_int64(statement, 5, info->uid);
        sqlite3_bind_int64(statement, 6, info->gid);
        bind_body(statement, object, data, length);
    }
    status = zm_connection_run(&e->writer, statement);
    if (statement != NULL)
        sqlite3_clear_bindings(statement); /* their memory will be gone */
    return status;
}

/* In the same transaction; without it the object's name, which is there already, is taken back. */
static apr_status_t move_companion(zm_emulated_t *e, const zm_commit_t *commit)
{
    sqlite3_stmt *statement;
    apr_status_t dropped,
        status = zm_emulated_move(e, commit->target.companion, commit->target.companion_target);
    if (status == APR_SUCCESS)
        return APR_SUCCESS;
    statement = zm_connection_statement(&e->writer, ZM_SQL_DROP_NAME);
    if (statement != NULL)
        sqlite3_bind_text(statement, 1, commit->name, -1, SQLITE_STATIC);
    dropped = zm_connection_run(&e->writer, statement);
    return dropped != APR_SUCCESS ? dropped : status;
}

/* What concerns the member's names fails it alone; they come first, so that nothing has to be taken
 * back. */
static apr_status_t add_member(zm_emulated_t *e, member_t *member)
{
    zm_commit_t *commit = member->commit;
    apr_status_t status = add_name(e, commit);
    if (status == APR_SUCCESS && commit->target.companion != NULL)
        status = move_companion(e, commit);
    if (APR_STATUS_IS_EEXIST(status) || APR_STATUS_IS_ENOENT(status)) {
        member->refused = status;
        return APR_SUCCESS;
    }
    if (status == APR_SUCCESS)
        status =
            zm_emulated_add_row(e, &commit->info, member->object, commit->data, commit->length);
    commit->info.links = 1;
    return APR_STATUS_IS_EEXIST(status) ? ZM_E_CORRUPT : status; /* a number that was used before */
}

static bool is_waiting(const member_t *member)
{
    return member->commit->status == APR_SUCCESS && member->refused == APR_SUCCESS &&
           !member->committed;
}

/* All members that wait, or none. */
static apr_status_t commit_members(zm_emulated_t *e, member_t *members, int count)
{
    int i;
    apr_status_t status = zm_emulated_begin(e);
    if (status != APR_SUCCESS)
        return status;
    for (i = 0; i < count && status == APR_SUCCESS; i++)
        if (is_waiting(&members[i]))
            status = add_member(e, &members[i]);
    status = zm_emulated_finish(e, status);
    for (i = 0; i < count; i++)
        if (is_waiting(&members[i]))
            members[i].committed = status == APR_SUCCESS;
    return status;
}

/* When the group fails as a whole, e.g. for one that does not fit on the disk, each gets its own
 * chance. */
static void commit_each(zm_emulated_t *e, member_t *members, int count, apr_status_t why)
{
    int i;
    for (i = 0; i < count; i++)
        if (is_waiting(&members[i])) {
            apr_status_t status = count > 1 ? commit_members(e, &members[i], 1) : why;
            if (status != APR_SUCCESS)
                fail(&members[i], status);
        }
}

/*
 * A message whose own number is taken as a name, which came from elsewhere by
 * hand or by import, gets another number; all else that was refused has failed.
 */
static void settle_refused(zm_emulated_t *e, member_t *member)
{
    zm_commit_t *commit = member->commit;
    int tries;
    for (tries = 0;
         APR_STATUS_IS_EEXIST(member->refused) && commit->target.id == 0 && tries < NAME_TRIES;
         tries++) {
        apr_status_t status = zm_emulated_take_id(e, &commit->info.id);
        member->refused = APR_SUCCESS;
        if (status == APR_SUCCESS)
            status = commit_members(e, member, 1);
        if (status != APR_SUCCESS)
            fail(member, status);
    }
    if (member->refused != APR_SUCCESS)
        fail(member, member->refused);
}

/* -- after it ---------------------------------------------------------------------------------- */

static void take_back(zm_emulated_t *e, member_t *member, apr_status_t status)
{
    zm_emulated_unlink((zm_engine_t *)e, member->commit->name);
    member->commit->status = status;
    if (member->object != NULL) /* its row may come back, so its body stays until that cannot be */
        zm_emulated_object_free(member->object, false);
    member->object = NULL;
}

static bool needs_sync(const member_t *members, int count)
{
    int i;
    for (i = 0; i < count; i++)
        if (members[i].committed && !members[i].commit->target.unsynced)
            return true;
    return false;
}

static void make_durable(zm_emulated_t *e, member_t *members, int count,
                         zm_engine_figures_t *figures)
{
    apr_status_t status;
    int i;
    if (!needs_sync(members, count))
        return;
    figures->syncs++;
    status = zm_emulated_sync(e);
    for (i = 0; i < count && status != APR_SUCCESS; i++)
        if (members[i].committed && !members[i].commit->target.unsynced)
            take_back(e, &members[i], status);
}

bool zm_emulated_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                              zm_engine_figures_t *figures)
{
    zm_emulated_t *e = zm_emulated(engine);
    member_t few[8], *members = few;
    apr_status_t status;
    int i;
    if (count > 8 && (members = malloc((apr_size_t)count * sizeof *members)) == NULL) {
        for (i = 0; i < count; i++)
            (void)zm_emulated_commit_group(engine, commits + i, 1, figures);
        return true;
    }
    for (i = 0; i < count; i++) {
        members[i] = (member_t){.commit = commits[i]};
        commits[i]->status = APR_SUCCESS;
        status = prepare(e, &members[i]);
        if (status != APR_SUCCESS)
            fail(&members[i], status);
    }
    status = commit_members(e, members, count);
    if (status != APR_SUCCESS)
        commit_each(e, members, count, status);
    for (i = 0; i < count; i++)
        if (members[i].refused != APR_SUCCESS)
            settle_refused(e, &members[i]);
    make_durable(e, members, count, figures);
    for (i = 0; i < count; i++)
        if (members[i].object != NULL)
            zm_emulated_object_free(members[i].object, false);
    if (members != few)
        free(members);
    return true;
}
