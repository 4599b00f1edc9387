#include <apr_atomic.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/log.h"
#include "spool/native.h"

/*
 * Publishing a group, and what a crash after each step leaves on disk:
 *
 *   1. write   each member is a scratch file      swept from public/ after days;
 *   2. sync    its contents are durable           nobody was told success
 *   3. rename  it has its final name, in memory   whole file under the final name,
 *              or on disk if the system was quick or nothing
 *   4. sync    each directory that got a name     published
 *
 * Steps 1 and 2 run side by side for all members, so that their syncs meet in
 * one commit of the filesystem's journal; so do the syncs of step 4, with those
 * of the other group that may be under way.  A large group of new files is
 * synced by one call for the whole filesystem instead, as long as that is not
 * slowed by what other programs write there; decision record 0002 has figures.
 *
 * A failed sync is never repeated: the system may have thrown the data away and
 * would call the next one a success.
 */

#define WHOLE_LEAST 24 /* members from which one sync of the filesystem pays */
#define WHOLE_SLOW apr_time_from_msec(20)
#define WHOLE_SLOWER_THAN_TEAM 4
#define WHOLE_PAUSE apr_time_from_sec(30)
#define WHOLE_PAUSE_LIMIT apr_time_from_sec(3600)
#define NAME_TRIES 8

typedef struct member_t {
    zm_commit_t *commit;
    zm_native_object_t *object;
    zm_native_dir_t *dir; /* where its name stands; held until that is synced */
    bool whole;           /* the sync of the whole filesystem covers it */
} member_t;

typedef struct group_t {
    zm_native_t *native;
    member_t *members;
    int count;
    bool whole;
    uint64_t device; /* of the spool's root */
    zm_native_dir_t **dirs;
    apr_status_t *dir_status;
    int dir_count;
    volatile apr_uint32_t syncs;
} group_t;

static void fail(member_t *member, apr_status_t status)
{
    member->commit->status = status;
    if (member->object != NULL)
        zm_native_discard(member->object);
    member->object = NULL;
}

/* -- steps 1 and 2: contents --------------------------------------------------------- */

static apr_status_t write_member(group_t *group, member_t *member)
{
    zm_commit_t *commit = member->commit;
    zm_file_info_t info;
    apr_status_t status = APR_SUCCESS;
    bool fresh = member->object == NULL;
    if (fresh)
        status = zm_native_make(&member->object, group->native, &commit->create);
    if (status == APR_SUCCESS && commit->length != 0)
        status = zm_native_write(member->object, commit->data, commit->length);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, member->object->file);
    if (status != APR_SUCCESS)
        return status;
    zm_native_info_of(&commit->info, &info);
    /* An earlier write error of an older file would not show in a sync begun now. */
    member->whole =
        group->whole && fresh && info.device == group->device && !commit->target.unsynced;
    return APR_SUCCESS;
}

static apr_status_t sync_member(group_t *group, member_t *member)
{
    apr_atomic_inc32(&group->syncs);
    return zm_file_sync(member->object->file);
}

static void prepare_member(void *baton, int index)
{
    group_t *group = baton;
    member_t *member = &group->members[index];
    apr_status_t status = write_member(group, member);
    if (status == APR_SUCCESS && !member->commit->target.unsynced && !member->whole)
        status = sync_member(group, member);
    if (status != APR_SUCCESS)
        fail(member, status);
}

static void prepare_members(group_t *group)
{
    int i;
    for (i = 0; i < group->count; i++)
        if (!group->members[i].commit->target.unsynced)
            break;
    if (i < group->count)
        zm_native_team_run(group->native->team, prepare_member, group, group->count);
    else
        for (i = 0; i < group->count; i++)
            prepare_member(group, i);
}

/* -- step 2 for large groups ------------------------------------------------------------ */

static bool whole_is_promising(zm_native_t *native, int fresh)
{
    bool promising;
    apr_thread_mutex_lock(native->lock);
    promising = fresh >= WHOLE_LEAST && !native->whole.impossible &&
                zm_clock_monotonic() >= native->whole.not_before;
    apr_thread_mutex_unlock(native->lock);
    return promising;
}

/* Learns from the time that a large group's contents took. */
static void note_time(zm_native_t *native, bool whole, apr_interval_time_t took)
{
    apr_interval_time_t slow;
    apr_thread_mutex_lock(native->lock);
    slow = native->whole.team_time * WHOLE_SLOWER_THAN_TEAM;
    if (slow < WHOLE_SLOW)
        slow = WHOLE_SLOW;
    if (!whole) {
        native->whole.team_time += (took - native->whole.team_time) / 8;
    } else if (took <= slow) {
        native->whole.pause = 0;
    } else {
        apr_interval_time_t pause = native->whole.pause * 2;
        native->whole.pause = pause < WHOLE_PAUSE         ? WHOLE_PAUSE
                              : pause > WHOLE_PAUSE_LIMIT ? WHOLE_PAUSE_LIMIT
                                                          : pause;
        native->whole.not_before = zm_clock_monotonic() + native->whole.pause;
    }
    apr_thread_mutex_unlock(native->lock);
}

/* A handle of the group's own: it reports each write error since it was opened, once. */
static zm_file_t *open_witness(group_t *group, apr_pool_t **pool)
{
    zm_file_t *witness;
    zm_file_info_t info;
    if (apr_pool_create_unmanaged_ex(pool, NULL, NULL) != APR_SUCCESS)
        return NULL;
    if (zm_dir_handle(&witness, group->native->root, ".", *pool) == APR_SUCCESS &&
        zm_file_info(&info, witness) == APR_SUCCESS) {
        group->device = info.device;
        return witness;
    }
    apr_pool_destroy(*pool);
    return NULL;
}

static void sync_remaining(void *baton, int index)
{
    group_t *group = baton;
    member_t *member = &group->members[index];
    apr_status_t status;
    if (member->object == NULL || !member->whole)
        return;
    status = sync_member(group, member);
    if (status != APR_SUCCESS)
        fail(member, status);
}

static void sync_whole(group_t *group, zm_file_t *witness)
{
    int i;
    apr_status_t status = zm_file_sync_all(witness);
    apr_atomic_inc32(&group->syncs);
    if (status == ZM_E_UNSUPPORTED) {
        apr_thread_mutex_lock(group->native->lock);
        group->native->whole.impossible = true;
        apr_thread_mutex_unlock(group->native->lock);
        zm_native_team_run(group->native->team, sync_remaining, group, group->count);
        return;
    }
    for (i = 0; i < group->count && status != APR_SUCCESS; i++)
        if (group->members[i].object != NULL && group->members[i].whole)
            fail(&group->members[i], status);
}

static void make_contents_durable(group_t *group)
{
    apr_time_t started = zm_clock_monotonic();
    zm_file_t *witness = NULL;
    apr_pool_t *pool;
    int i, fresh = 0;
    for (i = 0; i < group->count; i++)
        fresh += group->members[i].object == NULL && !group->members[i].commit->target.unsynced;
    if (whole_is_promising(group->native, fresh))
        witness = open_witness(group, &pool);
    group->whole = witness != NULL;
    prepare_members(group);
    if (witness != NULL) {
        sync_whole(group, witness);
        apr_pool_destroy(pool);
    }
    if (fresh >= WHOLE_LEAST)
        note_time(group->native, witness != NULL, zm_clock_monotonic() - started);
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

static apr_status_t rename_member(group_t *group, member_t *member)
{
    zm_native_t *native = group->native;
    zm_commit_t *commit = member->commit;
    zm_native_place_t from, to;
    apr_status_t status;
    bool again;
    make_name(commit);
    do {
        status = zm_native_place(&from, native, member->object->name, false);
        if (status != APR_SUCCESS)
            return status;
        status = zm_native_place(&to, native, commit->name, commit->target.make_hash);
        if (status != APR_SUCCESS) {
            zm_native_leave(&from, native);
            return status;
        }
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
static apr_status_t renumber(group_t *group, member_t *member)
{
    zm_native_object_t *copy;
    zm_file_info_t info;
    zm_commit_t *commit = member->commit;
    apr_status_t status = zm_native_make(&copy, group->native, &commit->create);
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

static apr_status_t name_object(group_t *group, member_t *member)
{
    int tries;
    apr_status_t status = rename_member(group, member);
    for (tries = 0;
         APR_STATUS_IS_EEXIST(status) && member->commit->target.id == 0 && tries < NAME_TRIES;
         tries++) {
        status = renumber(group, member);
        if (status == APR_SUCCESS)
            status = rename_member(group, member);
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
static bool is_taken(group_t *group, const char *name)
{
    zm_native_place_t place;
    zm_file_info_t info;
    apr_status_t status = zm_native_place_of_name(&place, group->native, name, true);
    if (status != APR_SUCCESS)
        return false;
    status = zm_path_info(&info, place.dir->handle, place.leaf);
    zm_native_leave(&place, group->native);
    return status == APR_SUCCESS;
}

static void name_member(group_t *group, member_t *member)
{
    const zm_target_t *target = &member->commit->target;
    zm_engine_t *engine = (zm_engine_t *)group->native;
    apr_status_t status = APR_SUCCESS, undone;
    if (target->companion != NULL) {
        make_name(member->commit);
        status = is_taken(group, member->commit->name)
                     ? APR_EEXIST
                     : zm_native_rename(engine, target->companion, target->companion_target);
        if (status != APR_SUCCESS) {
            fail(member, status);
            return;
        }
    }
    status = name_object(group, member);
    if (status == APR_SUCCESS)
        return;
    fail(member, status);
    if (target->companion == NULL)
        return;
    undone = zm_native_rename(engine, target->companion_target, target->companion);
    if (undone != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "a message stays in the queue without a control file",
               ZM_F_S("name", target->companion_target), ZM_F_E("status", undone));
}

/* -- step 4: directories ------------------------------------------------------------------------
 */

static void sync_directory(void *baton, int index)
{
    group_t *group = baton;
    apr_status_t status = zm_dir_sync(group->dirs[index]->handle);
    group->dir_status[index] = status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

/* Success cannot be told any more, so the name is taken back. */
static void take_back(group_t *group, member_t *member, apr_status_t status)
{
    zm_native_place_t place;
    if (zm_native_place_of_name(&place, group->native, member->commit->name, false) ==
        APR_SUCCESS) {
        zm_file_unlink(place.dir->handle, place.leaf);
        zm_native_leave(&place, group->native);
    }
    zm_native_give_back(member->object);
    member->object = NULL;
    member->commit->status = status;
}

static int directory_index(const group_t *group, const zm_native_dir_t *dir)
{
    int i;
    for (i = 0; i < group->dir_count; i++)
        if (group->dirs[i] == dir)
            return i;
    return -1;
}

static void make_names_durable(group_t *group)
{
    int i;
    for (i = 0; i < group->count; i++) {
        member_t *member = &group->members[i];
        if (member->dir != NULL && !member->commit->target.unsynced &&
            directory_index(group, member->dir) < 0)
            group->dirs[group->dir_count++] = member->dir;
    }
    zm_native_team_run(group->native->team, sync_directory, group, group->dir_count);
    for (i = 0; i < group->count; i++) {
        member_t *member = &group->members[i];
        int at = member->dir != NULL ? directory_index(group, member->dir) : -1;
        if (at >= 0 && !member->commit->target.unsynced && group->dir_status[at] != APR_SUCCESS)
            take_back(group, member, group->dir_status[at]);
    }
    for (i = 0; i < group->count; i++)
        zm_native_dir_put(group->native->dirs, group->members[i].dir);
}

void zm_native_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count,
                            zm_engine_figures_t *figures)
{
    member_t few[8], *members = few;
    zm_native_dir_t *few_dirs[8], **dirs = few_dirs;
    apr_status_t few_status[8], *dir_status = few_status;
    group_t group = {.native = zm_native(engine), .count = count};
    int i;
    if (count > 8) {
        members = malloc((apr_size_t)count * (sizeof *members + sizeof *dirs + sizeof *dir_status));
        if (members == NULL) {
            for (i = 0; i < count; i++) /* one by one needs no memory */
                zm_native_commit_group(engine, commits + i, 1, figures);
            return;
        }
        dirs = (zm_native_dir_t **)(members + count);
        dir_status = (apr_status_t *)(dirs + count);
    }
    group.members = members;
    group.dirs = dirs;
    group.dir_status = dir_status;
    for (i = 0; i < count; i++) {
        commits[i]->status = APR_SUCCESS;
        members[i] =
            (member_t){.commit = commits[i], .object = zm_native_object(commits[i]->object)};
    }
    make_contents_durable(&group);
    for (i = 0; i < count; i++)
        if (members[i].object != NULL)
            name_member(&group, &members[i]);
    make_names_durable(&group);
    for (i = 0; i < count; i++)
        if (members[i].object != NULL)
            zm_native_give_back(members[i].object);
    figures->syncs += group.syncs;
    figures->directory_syncs += (uint64_t)group.dir_count;
    if (members != few)
        free(members);
}
