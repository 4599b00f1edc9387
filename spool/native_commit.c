#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "platform/log.h"
#include "spool/native.h"

/*
 * Publishing one object, and what a crash after each step leaves on disk:
 *
 *   1. write   it is a scratch file               swept from public/ after days;
 *   2. sync    its contents are durable           nobody was told success
 *   3. rename  it has its final name, in memory   whole file under the final name,
 *              or on disk if the system was quick or nothing
 *   4. sync    the directory that got the name    published
 *
 * The publisher runs many of these at a time, each in a thread of its own, so that
 * their syncs meet in one commit of the filesystem's journal, and none waits for
 * the slowest of a group.  Step 4 is shared: one sync of a directory serves all
 * whose names were there when it began (native_dirs.c), and the thread that does
 * it answers for them, while theirs have long taken up other work; decision record
 * 0002 has figures.
 *
 * A failed sync is never repeated: the system may have thrown the data away and
 * would call the next one a success.  So when that of a directory fails, all fail
 * whose names were there by then, also those who wait for the next.
 */

#define NAME_TRIES 8

typedef struct member_t {
    zm_native_t *native;
    zm_commit_t *commit;
    zm_native_object_t *object;
    zm_native_dir_t *dir;  /* where its name stands; held until that is synced */
    apr_uint32_t failures; /* of that directory's syncs, before the name was made */
    zm_native_sync_t sync; /* of that, when it is answered later */
} member_t;

/* -- steps 1 and 2: contents --------------------------------------------------------- */

static apr_status_t write_member(member_t *member, zm_engine_figures_t *figures)
{
    zm_commit_t *commit = member->commit;
    zm_file_info_t info;
    apr_status_t status = APR_SUCCESS;
    if (member->object == NULL)
        status = zm_native_make(&member->object, member->native, &commit->create);
    if (status == APR_SUCCESS && commit->length != 0)
        status = zm_native_write(member->object, commit->data, commit->length);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, member->object->file);
    if (status != APR_SUCCESS)
        return status;
    zm_native_info_of(&commit->info, &info);
    if (commit->target.unsynced)
        return APR_SUCCESS;
    figures->syncs++;
    return zm_file_sync(member->object->file);
}

/* -- step 3: names --------------------------------------------------------------------------- */

static void make_name(zm_commit_t *commit)
{
    const zm_target_t *target = &commit->target;
    uint64_t id = target->id != 0 ? target->id : commit->info.id;
    char prefix[ZM_HASH_PREFIX_SIZE];
    zm_layout_hash(prefix, id, target->hash_levels);
    apr_snprintf(commit->name, sizeof commit->name, "%s/%s%" APR_UINT64_T_FMT "%s",
                 target->directory, prefix, id, target->suffix != NULL ? target->suffix : "");
}

/* Only where a directory is to be synced is it needed itself. */
static apr_status_t find_place(zm_native_place_t *place, const member_t *member, const char *name,
                               bool make)
{
    return member->commit->target.unsynced
               ? zm_native_place_of_name(place, member->native, name, make)
               : zm_native_place(place, member->native, name, make);
}

static apr_status_t rename_member(member_t *member)
{
    zm_native_t *native = member->native;
    zm_commit_t *commit = member->commit;
    zm_native_place_t from, to;
    apr_status_t status;
    bool again;
    make_name(commit);
    do {
        status = find_place(&from, member, member->object->name, false);
        if (status != APR_SUCCESS)
            return status;
        status = find_place(&to, member, commit->name, commit->target.make_hash);
        if (status != APR_SUCCESS) {
            zm_native_leave(&from, native);
            return status;
        }
        member->failures = zm_native_dir_failures(to.dir);
        status = zm_file_rename(from.dir->handle, from.leaf, to.dir->handle, to.leaf);
        again = zm_native_leave_again(&from, native, status);
        if (status != APR_SUCCESS)
            again = zm_native_leave_again(&to, native, status) || again;
    } while (again);
    if (status == APR_SUCCESS)
        member->dir = to.dir;
    return status;
}

static apr_status_t copy_contents(zm_native_object_t *to, zm_native_object_t *from)
{
    char *piece = malloc(65536);
    apr_status_t status = piece != NULL ? APR_SUCCESS : APR_ENOMEM;
    while (status == APR_SUCCESS) {
        apr_size_t length = 65536;
        status = zm_file_read_at(from->file, to->length, piece, &length);
        if (status == APR_SUCCESS)
            status = zm_native_write(to, piece, length);
    }
    free(piece);
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : status;
}

/*
 * The name made of our number is taken: a spool that was copied from elsewhere
 * has names that are not the numbers of their files.  A copy has another number.
 * The old file stays until then, or the copy might get its number again.
 */
static apr_status_t renumber(member_t *member)
{
    zm_native_object_t *copy;
    zm_file_info_t info;
    zm_commit_t *commit = member->commit;
    apr_status_t status = zm_native_make(&copy, member->native, &commit->create);
    if (status != APR_SUCCESS)
        return status;
    status = copy_contents(copy, member->object);
    if (status == APR_SUCCESS) /* the arrival time is that of the message, not of the copy */
        status = zm_file_set_mtime(copy->file, commit->info.mtime_s, commit->info.mtime_ns);
    if (status == APR_SUCCESS && !commit->target.unsynced)
        status = zm_file_sync(copy->file);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, copy->file);
    if (status != APR_SUCCESS) {
        zm_native_discard(copy);
        return status;
    }
    zm_native_info_of(&commit->info, &info);
    zm_native_discard(member->object);
    member->object = copy;
    return APR_SUCCESS;
}

static apr_status_t name_object(member_t *member)
{
    int tries;
    apr_status_t status = rename_member(member);
    for (tries = 0;
         APR_STATUS_IS_EEXIST(status) && member->commit->target.id == 0 && tries < NAME_TRIES;
         tries++) {
        status = renumber(member);
        if (status == APR_SUCCESS)
            status = rename_member(member);
    }
    return status;
}

/*
 * The companion goes first: a scheduler destroys a control file whose message is
 * not in queue/.  A crash between the two leaves the message there without one,
 * and recovery takes it back; so does a companion that cannot be moved back.
 *
 * A name that is taken is seen before: the message of a control file that was
 * left by a crash is gone, and ours must not stand beside it for a moment.
 */
static bool is_taken(member_t *member, const char *name)
{
    zm_native_place_t place;
    zm_file_info_t info;
    apr_status_t status = zm_native_place_of_name(&place, member->native, name, false);
    if (status != APR_SUCCESS)
        return false;
    status = zm_path_info(&info, place.dir->handle, place.leaf);
    zm_native_leave(&place, member->native);
    return status == APR_SUCCESS;
}

static apr_status_t name_member(member_t *member)
{
    const zm_target_t *target = &member->commit->target;
    zm_engine_t *engine = (zm_engine_t *)member->native;
    apr_status_t status = APR_SUCCESS, undone;
    if (target->companion != NULL) {
        make_name(member->commit);
        if (is_taken(member, member->commit->name))
            return APR_EEXIST;
        status = zm_native_rename(engine, target->companion, target->companion_target);
    }
    if (status != APR_SUCCESS)
        return status;
    status = name_object(member);
    if (status == APR_SUCCESS || target->companion == NULL)
        return status;
    undone = zm_native_rename(engine, target->companion_target, target->companion);
    if (undone != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "a message stays in the queue without a control file",
               ZM_F_S("name", target->companion_target), ZM_F_E("status", undone));
    return status;
}

/* -- step 4: the directory ----------------------------------------------------------------- */

/* Success cannot be told any more, so the name is taken back. */
static void take_back(member_t *member)
{
    zm_native_place_t place;
    if (zm_native_place_of_name(&place, member->native, member->commit->name, false) ==
        APR_SUCCESS) {
        zm_file_unlink(place.dir->handle, place.leaf);
        zm_native_leave(&place, member->native);
    }
}

static void finish(member_t *member, apr_status_t status, bool named)
{
    if (named && status != APR_SUCCESS)
        take_back(member);
    zm_native_dir_put(member->native->dirs, member->dir);
    if (member->object != NULL && named)
        zm_native_give_back(member->object);
    else if (member->object != NULL)
        zm_native_discard(member->object);
    member->commit->status = status;
}

/* Whoever did the sync of the directory answers for all that it was for. */
static void on_synced(void *data, apr_status_t status, int served)
{
    member_t *member = data;
    zm_commit_t *commit = member->commit;
    zm_engine_figures_t figures = {.directory_syncs = served > 0,
                                   .largest_group = (uint64_t)served};
    finish(member, status, true);
    free(member);
    commit->done(commit, &figures);
}

/* False: it is answered later; without memory for that the thread waits. */
static bool make_name_durable(const member_t *member, apr_status_t *status,
                              zm_engine_figures_t *figures)
{
    bool ours = false;
    member_t *kept = member->commit->done != NULL ? malloc(sizeof *kept) : NULL;
    if (kept != NULL) {
        *kept = *member;
        kept->sync =
            (zm_native_sync_t){.done = on_synced, .baton = kept, .failures = member->failures};
        zm_native_dir_sync_later(kept->native->dirs, kept->dir, &kept->sync);
        return false;
    }
    *status = zm_native_dir_sync(member->native->dirs, member->dir, member->failures, &ours);
    figures->directory_syncs += ours;
    return true;
}

static bool commit_one(zm_native_t *native, zm_commit_t *commit, zm_engine_figures_t *figures)
{
    member_t member = {
        .native = native, .commit = commit, .object = zm_native_object(commit->object)};
    bool named = false;
    apr_status_t status = write_member(&member, figures);
    if (status == APR_SUCCESS) {
        status = name_member(&member);
        named = status == APR_SUCCESS;
    }
    if (named && !commit->target.unsynced && !make_name_durable(&member, &status, figures))
        return false;
    finish(&member, status, named);
    return true;
}

/* One member, as the engine's table says. */
bool zm_native_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                            zm_engine_figures_t *figures)
{
    return count == 0 || commit_one(zm_native(engine), commits[0], figures);
}
