#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/native.h"

/*
 * Every call names its object by an open directory and a leaf, never by a path:
 * router/ is writable by everybody, so a path through it could be bent by a
 * symbolic link.  Directories are opened part by part from the root and a
 * bounded number is kept open.  The entries stand in a short table that is
 * searched by hash; one that is in use stays.
 */

#define DEFAULT_LIMIT 64
#define LEAST_LIMIT 8
#define ENDS 16

struct zm_native_dirs_t {
    zm_file_t *root;
    zm_file_info_t root_info;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *ends[ENDS]; /* of syncs; several may share one */
    unsigned next_end;
    zm_native_dir_t **slots;
    int limit;
    uint64_t clock;
};

apr_status_t zm_native_dirs_create(zm_native_dirs_t **result, zm_file_t *root, int limit,
                                   apr_pool_t *pool)
{
    zm_native_dirs_t *dirs = apr_pcalloc(pool, sizeof *dirs);
    apr_status_t status = zm_file_info(&dirs->root_info, root);
    int i;
    if (status == APR_SUCCESS)
        status = apr_thread_mutex_create(&dirs->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    for (i = 0; status == APR_SUCCESS && i < ENDS; i++)
        status = apr_thread_cond_create(&dirs->ends[i], pool);
    dirs->root = root;
    dirs->limit = limit <= 0 ? DEFAULT_LIMIT : limit < LEAST_LIMIT ? LEAST_LIMIT : limit;
    dirs->slots = apr_pcalloc(pool, (apr_size_t)dirs->limit * sizeof(zm_native_dir_t *));
    *result = dirs;
    return status;
}

static void free_dir(zm_native_dir_t *dir)
{
    apr_pool_destroy(dir->pool); /* closes the handle */
    free(dir);
}

void zm_native_dirs_destroy(zm_native_dirs_t *dirs)
{
    int i;
    for (i = 0; i < dirs->limit; i++)
        if (dirs->slots[i] != NULL)
            free_dir(dirs->slots[i]);
}

/* -- the table ------------------------------------------------------------------ */

static zm_native_dir_t *find_slot(zm_native_dirs_t *dirs, uint32_t key, zm_str_t path)
{
    int i;
    for (i = 0; i < dirs->limit; i++) {
        zm_native_dir_t *dir = dirs->slots[i];
        if (dir != NULL && dir->key == key && !dir->dead && zm_str_equal_c(path, dir->path))
            return dir;
    }
    return NULL;
}

static void drop_slot(zm_native_dirs_t *dirs, int i)
{
    free_dir(dirs->slots[i]);
    dirs->slots[i] = NULL;
}

/* Puts a directory in the place of the one unused for longest; when all are in use it goes without.
 */
static void insert(zm_native_dirs_t *dirs, zm_native_dir_t *dir)
{
    int i, oldest = -1;
    for (i = 0; i < dirs->limit; i++) {
        if (dirs->slots[i] == NULL) {
            oldest = i;
            break;
        }
        if (dirs->slots[i]->users == 0 &&
            (oldest < 0 || dirs->slots[i]->last_use < dirs->slots[oldest]->last_use))
            oldest = i;
    }
    dir->cached = oldest >= 0;
    if (oldest < 0)
        return;
    if (dirs->slots[oldest] != NULL)
        drop_slot(dirs, oldest);
    dirs->slots[oldest] = dir;
}

static void shrink(zm_native_dirs_t *dirs)
{
    int i;
    for (i = 0; i < dirs->limit; i++)
        if (dirs->slots[i] != NULL && dirs->slots[i]->users == 0)
            drop_slot(dirs, i);
}

static void put(zm_native_dirs_t *dirs, zm_native_dir_t *dir)
{
    int i;
    if (dir == NULL || --dir->users > 0)
        return;
    if (!dir->cached) {
        free_dir(dir);
        return;
    }
    if (dir->dead)
        for (i = 0; i < dirs->limit; i++)
            if (dirs->slots[i] == dir)
                drop_slot(dirs, i);
}

/* -- opening ----------------------------------------------------------------------- */

static apr_status_t new_dir(zm_native_dir_t **result, uint32_t key, zm_str_t path)
{
    zm_native_dir_t *dir = calloc(1, sizeof *dir);
    apr_status_t status;
    if (dir == NULL)
        return APR_ENOMEM;
    status = apr_pool_create_unmanaged_ex(&dir->pool, NULL, NULL);
    if (status != APR_SUCCESS) {
        free(dir);
        return status;
    }
    dir->key = key;
    memcpy(dir->path, path.data, path.length);
    *result = dir;
    return APR_SUCCESS;
}

/* Like its parent, whatever the umask; who is not privileged may not be able to give it away. */
static apr_status_t make_like(zm_file_t *parent, const zm_file_info_t *like, const char *leaf,
                              apr_pool_t *pool)
{
    zm_file_t *made;
    apr_status_t status = zm_dir_make(parent, leaf, like->mode);
    if (status == APR_SUCCESS)
        zm_dir_spread(parent, leaf);
    if (status == APR_SUCCESS && zm_identity_privileged() &&
        zm_dir_handle(&made, parent, leaf, pool) == APR_SUCCESS) {
        zm_file_set_owner(made, like->uid, like->gid);
        zm_file_close(made);
    }
    return APR_STATUS_IS_EEXIST(status) ? APR_SUCCESS : status;
}

/* Where one letter is needed the others soon will be: all are made, and one sync serves them. */
static apr_status_t make_hash_directories(zm_file_t *parent, const zm_file_info_t *like,
                                          const char *leaf)
{
    char letter[2] = "A";
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = make_like(parent, like, leaf, pool);
    for (; status == APR_SUCCESS && letter[0] <= 'Z'; letter[0]++)
        if (letter[0] != leaf[0])
            (void)make_like(parent, like, letter, pool); /* it is tried again when it is needed */
    apr_pool_destroy(pool);
    if (status == APR_SUCCESS)
        status = zm_dir_sync(parent);
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

static apr_status_t check_owner(const zm_file_info_t *info, const zm_file_info_t *parent)
{
    if ((parent->mode & 0002) == 0 || info->uid == parent->uid || info->uid == 0 ||
        info->uid == zm_identity_own().uid)
        return APR_SUCCESS;
    return ZM_E_UNSAFE;
}

/*
 * A link in the place of a directory of the spool itself is an administrator's choice, who alone
 * can make one there (mark.h); no other is followed.
 */
static apr_status_t behind_link(char target[ZM_ENGINE_NAME_SIZE + 2], zm_file_t *root,
                                const char *path)
{
    zm_file_info_t info;
    apr_status_t status = strchr(path, '/') != NULL ? APR_ENOENT : zm_path_info(&info, root, path);
    if (status == APR_SUCCESS && info.kind != ZM_FILE_SYMLINK)
        status = APR_ENOENT;
    apr_snprintf(target, ZM_ENGINE_NAME_SIZE + 2, "%s/.", path);
    return status;
}

static apr_status_t open_handle(zm_native_dirs_t *dirs, zm_native_dir_t *dir, zm_file_t *parent,
                                const char *leaf)
{
    char target[ZM_ENGINE_NAME_SIZE + 2];
    apr_status_t status = zm_dir_handle(&dir->handle, parent, leaf, dir->pool);
    if (status != APR_SUCCESS && behind_link(target, dirs->root, dir->path) == APR_SUCCESS)
        status = zm_dir_handle(&dir->handle, dirs->root, target, dir->pool);
    return status;
}

static apr_status_t open_below(zm_native_dirs_t *dirs, zm_native_dir_t *dir, zm_file_t *parent,
                               const zm_file_info_t *parent_info, const char *leaf, bool make)
{
    apr_status_t status = open_handle(dirs, dir, parent, leaf);
    if (APR_STATUS_IS_ENOENT(status) && make && strchr(dir->path, '/') != NULL) {
        status = make_hash_directories(parent, parent_info, leaf);
        if (status == APR_SUCCESS)
            status = open_handle(dirs, dir, parent, leaf);
    }
    if (APR_STATUS_IS_EMFILE(status)) {
        shrink(dirs);
        status = open_handle(dirs, dir, parent, leaf);
    }
    if (status == APR_SUCCESS)
        status = zm_file_info(&dir->info, dir->handle);
    if (status == APR_SUCCESS)
        status = check_owner(&dir->info, parent_info);
    return status;
}

/* With the lock held; the depth of the recursion is that of the name. */
static apr_status_t get(zm_native_dir_t **result, zm_native_dirs_t *dirs, zm_str_t path, bool make)
{
    uint32_t key = zm_hash(path.data, path.length);
    zm_native_dir_t *dir = find_slot(dirs, key, path), *parent = NULL;
    apr_status_t status = APR_SUCCESS;
    apr_size_t cut = path.length;
    if (dir == NULL) {
        while (cut > 0 && path.data[cut - 1] != '/')
            cut--;
        if (cut > 0)
            status = get(&parent, dirs, zm_str_of(path.data, cut - 1), make);
        if (status == APR_SUCCESS)
            status = new_dir(&dir, key, path);
        if (status == APR_SUCCESS) {
            status = open_below(dirs, dir, parent != NULL ? parent->handle : dirs->root,
                                parent != NULL ? &parent->info : &dirs->root_info, dir->path + cut,
                                make);
            if (status == APR_SUCCESS)
                insert(dirs, dir);
            else
                free_dir(dir);
        }
        put(dirs, parent);
        if (status != APR_SUCCESS)
            return status;
    }
    dir->users++;
    dir->last_use = ++dirs->clock;
    *result = dir;
    return APR_SUCCESS;
}

apr_status_t zm_native_dir_get(zm_native_dir_t **dir, zm_native_dirs_t *dirs, zm_str_t path,
                               bool make)
{
    apr_status_t status;
    if (path.length == 0 || path.length >= ZM_ENGINE_NAME_SIZE)
        return APR_ENAMETOOLONG;
    apr_thread_mutex_lock(dirs->lock);
    status = get(dir, dirs, path, make);
    apr_thread_mutex_unlock(dirs->lock);
    return status;
}

void zm_native_dir_put(zm_native_dirs_t *dirs, zm_native_dir_t *dir)
{
    apr_thread_mutex_lock(dirs->lock);
    put(dirs, dir);
    apr_thread_mutex_unlock(dirs->lock);
}

bool zm_native_dir_stale(zm_native_dirs_t *dirs, zm_native_dir_t *dir)
{
    char target[ZM_ENGINE_NAME_SIZE + 2];
    bool linked = behind_link(target, dirs->root, dir->path) == APR_SUCCESS, stale;
    zm_file_info_t now;
    stale = zm_path_info(&now, dirs->root, linked ? target : dir->path) != APR_SUCCESS ||
            now.id != dir->info.id || now.device != dir->info.device;
    if (stale) {
        apr_thread_mutex_lock(dirs->lock);
        dir->dead = true;
        apr_thread_mutex_unlock(dirs->lock);
    }
    return stale;
}

void zm_native_dirs_shrink(zm_native_dirs_t *dirs)
{
    apr_thread_mutex_lock(dirs->lock);
    shrink(dirs);
    apr_thread_mutex_unlock(dirs->lock);
}

/* -- syncing ------------------------------------------------------------------------- */

/*
 * A sync that has begun may miss a name made since, so who comes meanwhile waits
 * for the next, which one of those who come does for all of them.  Two may be
 * under way, and where a sync takes long more, begun one after the other.  What
 * came of a sync is told to each that it was for, and a failed one is not
 * repeated, but fails all whose names were made before its end.
 *
 * Some of those who wait sleep until then, others are called by the thread that
 * did the sync.  It goes on to the next sync until nobody is left who could.
 */
#define SYNCS_AT_ONCE 2
#define SYNCS_LIMIT 16
#define STAGGER 1000 /* microseconds between the beginnings of more syncs */

static bool may_sync(const zm_native_dir_t *dir)
{
    if (dir->waiting == NULL || dir->syncing >= SYNCS_LIMIT)
        return false;
    return dir->syncing < SYNCS_AT_ONCE || zm_clock_monotonic() - dir->sync_begun >= STAGGER;
}

apr_uint32_t zm_native_dir_failures(zm_native_dir_t *dir)
{
    return apr_atomic_read32(&dir->failures);
}

static void note_failure(zm_native_dir_t *dir, apr_status_t status)
{
    dir->failure = status;
    apr_atomic_inc32(&dir->failures);
}

void zm_native_dir_failed(zm_native_dirs_t *dirs, zm_native_dir_t *dir, apr_status_t status)
{
    apr_thread_mutex_lock(dirs->lock);
    note_failure(dir, status);
    apr_thread_mutex_unlock(dirs->lock);
}

/* With the lock held: tells what came of it to those who sleep; those to be called remain. */
static zm_native_sync_t *wake_sleepers(zm_native_dir_t *dir, zm_native_sync_t *list, int *served)
{
    apr_uint32_t failures = zm_native_dir_failures(dir);
    zm_native_sync_t *called = NULL, *next;
    apr_thread_cond_t *end = NULL;
    for (; list != NULL; list = next) {
        next = list->next; /* it may be gone as soon as it has ended */
        list->status = list->failures == failures ? APR_SUCCESS : dir->failure;
        (*served)++;
        if (list->done != NULL) {
            list->next = called;
            called = list;
        } else {
            end = list->end;
            list->ended = true;
        }
    }
    if (end != NULL)
        apr_thread_cond_broadcast(end);
    return called;
}

/* With the lock held, which is given up meanwhile. */
static void sync_for_all(zm_native_dirs_t *dirs, zm_native_dir_t *dir)
{
    zm_native_sync_t *list = dir->waiting, *next;
    apr_status_t status;
    int served = 0;
    dir->waiting = NULL;
    dir->syncing++;
    dir->sync_begun = zm_clock_monotonic();
    apr_thread_mutex_unlock(dirs->lock);
    status = zm_dir_sync(dir->handle);
    if (status == ZM_E_UNSUPPORTED)
        status = APR_SUCCESS;
    apr_thread_mutex_lock(dirs->lock);
    if (status != APR_SUCCESS)
        note_failure(dir, status);
    dir->syncing--;
    list = wake_sleepers(dir, list, &served);
    if (list == NULL)
        return;
    apr_thread_mutex_unlock(dirs->lock);
    for (; list != NULL; list = next, served = 0) {
        next = list->next;
        list->done(list->baton, list->status, served);
    }
    apr_thread_mutex_lock(dirs->lock);
}

static apr_thread_cond_t *sleeper(const zm_native_dir_t *dir)
{
    const zm_native_sync_t *sync = dir->waiting;
    while (sync != NULL && sync->done != NULL)
        sync = sync->next;
    return sync != NULL ? sync->end : NULL;
}

void zm_native_dir_sync_later(zm_native_dirs_t *dirs, zm_native_dir_t *dir, zm_native_sync_t *sync)
{
    apr_thread_mutex_lock(dirs->lock);
    sync->next = dir->waiting;
    dir->waiting = sync;
    dir->users++; /* for us: that of the caller may go with the first sync */
    while (may_sync(dir))
        sync_for_all(dirs, dir);
    put(dirs, dir);
    apr_thread_mutex_unlock(dirs->lock);
}

apr_status_t zm_native_dir_sync(zm_native_dirs_t *dirs, zm_native_dir_t *dir, apr_uint32_t failures,
                                bool *ours)
{
    zm_native_sync_t sync = {.failures = failures};
    *ours = false;
    apr_thread_mutex_lock(dirs->lock);
    sync.end = sleeper(dir);
    if (sync.end == NULL)
        sync.end = dirs->ends[dirs->next_end++ % ENDS];
    sync.next = dir->waiting;
    dir->waiting = &sync;
    while (!sync.ended)
        if (may_sync(dir)) {
            *ours = true;
            sync_for_all(dirs, dir);
        } else {
            apr_thread_cond_wait(sync.end, dirs->lock);
        }
    while (sleeper(dir) == NULL && may_sync(dir))
        sync_for_all(dirs, dir);
    if (may_sync(dir)) /* one of those who sleep does it */
        apr_thread_cond_signal(sleeper(dir));
    apr_thread_mutex_unlock(dirs->lock);
    return sync.status;
}
