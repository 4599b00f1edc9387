#include "tests/crash/disk.h"

#include <apr_general.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"

#define FIRST_NUMBER 1000 /* of files; the lowest that is free is taken, as many filesystems do */
#define ROOT_NUMBER 2
#define CHUNK (1 << 20)

/* -- memory --------------------------------------------------------------------------------- */

typedef struct chunk_t {
    struct chunk_t *next;
    size_t size, used;
    max_align_t bytes[];
} chunk_t;

struct disk_arena_t {
    chunk_t *first;
};

static chunk_t *spare; /* of disks that were freed */

static chunk_t *new_chunk(size_t least)
{
    chunk_t *chunk = spare;
    if (chunk != NULL && least <= chunk->size) {
        spare = chunk->next;
    } else {
        size_t size = least > CHUNK ? least : CHUNK;
        chunk = malloc(sizeof *chunk + size);
        if (chunk == NULL)
            abort();
        chunk->size = size;
    }
    chunk->used = 0;
    return chunk;
}

void *disk_alloc(disk_t *disk, size_t size)
{
    struct disk_arena_t *arena = disk->arena;
    chunk_t *chunk = arena->first;
    char *memory;
    size = (size + 15) & ~(size_t)15;
    if (chunk == NULL || chunk->used + size > chunk->size) {
        chunk = new_chunk(size);
        chunk->next = arena->first;
        arena->first = chunk;
    }
    memory = (char *)chunk->bytes + chunk->used;
    chunk->used += size;
    memset(memory, 0, size);
    return memory;
}

static void *grown(disk_t *disk, void *old, int count, int *room, size_t each)
{
    void *memory;
    if (count < *room)
        return old;
    *room = *room == 0 ? 16 : *room * 2;
    memory = disk_alloc(disk, (size_t)*room * each);
    if (count > 0)
        memcpy(memory, old, (size_t)count * each);
    return memory;
}

static const char *copied(disk_t *disk, const char *text)
{
    size_t length = strlen(text) + 1;
    return memcpy(disk_alloc(disk, length), text, length);
}

/* -- the disk ------------------------------------------------------------------------------- */

static disk_t *mounted;

static int new_inode(disk_t *disk, uint64_t number, bool directory, uint32_t mode)
{
    disk_inode_t *inode = disk_alloc(disk, sizeof *inode);
    disk->inodes = grown(disk, disk->inodes, disk->inode_count, &disk->inode_room, sizeof inode);
    disk->inodes[disk->inode_count] = inode;
    inode->number = number;
    inode->directory = directory;
    inode->mode = mode;
    inode->mtime = inode->ctime = zm_clock_wall() * 1000;
    inode->created = inode->last_name_op = -1;
    return disk->inode_count++;
}

disk_t *disk_make(disk_model_t model)
{
    disk_t *disk = calloc(1, sizeof *disk);
    if (disk == NULL || (disk->arena = calloc(1, sizeof *disk->arena)) == NULL)
        abort();
    disk->model = model;
    disk->fresh = model == DISK_LOOSE ? FIRST_NUMBER : 0;
    disk->postponed = -1;
    disk->space = 1u << 30;
    new_inode(disk, ROOT_NUMBER, true, 0755);
    disk->inodes[0]->links = 2;
    return disk;
}

void disk_free(disk_t *disk)
{
    chunk_t *chunk = disk->arena->first;
    if (mounted == disk)
        mounted = NULL;
    if (disk->base != NULL)
        disk_free(disk->base);
    while (chunk != NULL) {
        chunk_t *next = chunk->next;
        if (chunk->size == CHUNK) {
            chunk->next = spare;
            spare = chunk;
        } else {
            free(chunk);
        }
        chunk = next;
    }
    free(disk->arena);
    free(disk);
}

void disk_free_spare(void)
{
    while (spare != NULL) {
        chunk_t *next = spare->next;
        free(spare);
        spare = next;
    }
}

void disk_mount(disk_t *disk)
{
    mounted = disk;
}

disk_t *disk_mounted(void)
{
    return mounted;
}

void disk_record(disk_t *disk)
{
    int i, k;
    disk->recording = true;
    disk->op_count = 0;
    for (i = 0; i < disk->inode_count; i++) {
        disk_inode_t *inode = disk->inodes[i];
        inode->created = inode->last_name_op = -1;
        for (k = 0; k < inode->entry_count; k++)
            inode->entries[k].last_op = -1;
    }
    if (disk->base != NULL)
        disk_free(disk->base);
    disk->base = disk_copy(disk);
}

bool disk_fails(disk_t *disk, disk_fault_t kind)
{
    if (disk->fault != kind || disk->fault_for == 0)
        return false;
    if (disk->fault_in > 0) {
        disk->fault_in--;
        return false;
    }
    disk->fault_for--;
    return true;
}

static disk_op_t *note(disk_t *disk, disk_kind_t kind, int inode)
{
    static disk_op_t nowhere;
    disk_op_t *op = &nowhere;
    if (disk->recording) {
        disk->ops = grown(disk, disk->ops, disk->op_count, &disk->op_room, sizeof *disk->ops);
        op = &disk->ops[disk->op_count++];
    }
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->inode = inode;
    op->from = op->to = -1;
    op->depends[0] = op->depends[1] = op->depends[2] = op->depends[3] = -1;
    op->mtime = zm_clock_wall() * 1000;
    return op;
}

/* -- names ---------------------------------------------------------------------------------- */

static disk_entry_t *entry_of(const disk_inode_t *directory, const char *name)
{
    int i;
    for (i = 0; i < directory->entry_count; i++)
        if (directory->entries[i].name != NULL && strcmp(directory->entries[i].name, name) == 0)
            return &directory->entries[i];
    return NULL;
}

/* The entry of a name, free or new: it stays to remember which operation touched the name last. */
static disk_entry_t *entry_for(disk_t *disk, int at, const char *name)
{
    disk_inode_t *directory = disk->inodes[at];
    disk_entry_t *entry = entry_of(directory, name);
    if (entry != NULL)
        return entry;
    directory->entries = grown(disk, directory->entries, directory->entry_count,
                               &directory->entry_room, sizeof *entry);
    entry = &directory->entries[directory->entry_count++];
    entry->name = copied(disk, name);
    entry->inode = -1;
    entry->last_op = -1;
    return entry;
}

apr_status_t disk_find(disk_t *disk, int at, const char *path, int *parent, const char **leaf,
                       int *inode)
{
    static char part[DISK_NAME_LIMIT];
    *parent = *inode = at;
    *leaf = ".";
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        const disk_entry_t *entry;
        if (length >= sizeof part)
            return APR_ENAMETOOLONG;
        if (*inode < 0)
            return APR_ENOENT;
        if (!disk->inodes[*inode]->directory)
            return APR_ENOTDIR;
        if (length > 0 && !(length == 1 && path[0] == '.')) {
            memcpy(part, path, length);
            part[length] = '\0';
            *leaf = part;
            *parent = *inode;
            entry = entry_of(disk->inodes[*parent], part);
            *inode = entry != NULL ? entry->inode : -1;
        }
        path += length;
        while (*path == '/')
            path++;
    }
    return APR_SUCCESS;
}

static bool number_taken(const disk_t *disk, uint64_t number)
{
    int i;
    for (i = 0; i < disk->inode_count; i++)
        if (disk->inodes[i]->number == number &&
            (disk->inodes[i]->links > 0 || disk->inodes[i]->opens > 0))
            return true;
    return false;
}

/* What freed the number; a disk that gives it out again has that on its journal first. */
static int freed_by(const disk_t *disk, uint64_t number)
{
    int i, last = -1;
    for (i = 0; i < disk->inode_count; i++)
        if (disk->inodes[i]->number == number && disk->inodes[i]->last_name_op > last)
            last = disk->inodes[i]->last_name_op;
    return last;
}

static void touch(disk_t *disk, disk_op_t *op, disk_entry_t *entry, int slot)
{
    op->depends[slot] = entry->last_op;
    if (disk->recording)
        entry->last_op = disk->op_count - 1;
}

static void touch_inode(disk_t *disk, disk_op_t *op, int inode)
{
    op->depends[2] = disk->inodes[inode]->last_name_op;
    if (disk->recording)
        disk->inodes[inode]->last_name_op = disk->op_count - 1;
}

/* A name in a directory needs that directory. */
static int maker_of(const disk_t *disk, int directory)
{
    return disk->inodes[directory]->created;
}

apr_status_t disk_create(disk_t *disk, int *inode, int directory, const char *name, uint32_t mode,
                         bool is_directory)
{
    disk_entry_t *entry = entry_for(disk, directory, name);
    uint64_t number = disk->fresh != 0 ? disk->fresh : FIRST_NUMBER;
    disk_op_t *op;
    int freed;
    if (entry->inode >= 0)
        return APR_EEXIST;
    if (disk_fails(disk, DISK_FAULT_NAMES))
        return APR_ENOSPC;
    while (number_taken(disk, number))
        number++;
    if (disk->fresh != 0)
        disk->fresh = number + 1;
    freed = freed_by(disk, number);
    *inode = new_inode(disk, number, is_directory, mode);
    op = note(disk, is_directory ? DISK_MKDIR : DISK_CREATE, *inode);
    op->to = directory;
    op->new_name = entry->name;
    touch(disk, op, entry, 0);
    op->depends[1] = freed;
    op->depends[3] = maker_of(disk, directory);
    entry->inode = *inode;
    disk->inodes[*inode]->links = is_directory ? 2 : 1;
    disk->inodes[*inode]->created = disk->inodes[*inode]->last_name_op =
        disk->recording ? disk->op_count - 1 : -1;
    return APR_SUCCESS;
}

apr_status_t disk_rename(disk_t *disk, int from, const char *name, int to, const char *new_name,
                         bool replace)
{
    disk_entry_t *source, *target = entry_for(disk, to, new_name);
    disk_op_t *op;
    int inode;
    source = entry_of(disk->inodes[from], name);
    if (source == NULL || source->inode < 0)
        return APR_ENOENT;
    if (target->inode >= 0 && !replace)
        return APR_EEXIST;
    inode = source->inode;
    if (target->inode == inode)
        return APR_SUCCESS;
    if (disk_fails(disk, DISK_FAULT_NAMES))
        return APR_ENOSPC;
    op = note(disk, replace ? DISK_REPLACE : DISK_RENAME, inode);
    op->from = from;
    op->to = to;
    op->name = source->name;
    op->new_name = target->name;
    touch(disk, op, source, 0);
    touch(disk, op, target, 1);
    touch_inode(disk, op, inode);
    op->depends[3] = maker_of(disk, to);
    if (target->inode >= 0) {
        disk_inode_t *gone = disk->inodes[target->inode];
        gone->links--;
        gone->last_name_op = disk->recording ? disk->op_count - 1 : -1;
    }
    source->inode = -1;
    target->inode = inode;
    return APR_SUCCESS;
}

apr_status_t disk_link(disk_t *disk, int inode, int to, const char *new_name)
{
    disk_entry_t *target = entry_for(disk, to, new_name);
    disk_op_t *op;
    if (target->inode >= 0)
        return APR_EEXIST;
    if (disk_fails(disk, DISK_FAULT_NAMES))
        return APR_ENOSPC;
    op = note(disk, DISK_LINK, inode);
    op->to = to;
    op->new_name = target->name;
    touch(disk, op, target, 1);
    touch_inode(disk, op, inode);
    op->depends[3] = maker_of(disk, to);
    target->inode = inode;
    disk->inodes[inode]->links++;
    return APR_SUCCESS;
}

apr_status_t disk_unlink(disk_t *disk, int directory, const char *name, bool is_directory)
{
    disk_entry_t *entry = entry_of(disk->inodes[directory], name);
    disk_op_t *op;
    int inode, i;
    if (entry == NULL || entry->inode < 0)
        return APR_ENOENT;
    inode = entry->inode;
    if (disk->inodes[inode]->directory != is_directory)
        return is_directory ? APR_ENOTDIR : APR_EACCES;
    for (i = 0; is_directory && i < disk->inodes[inode]->entry_count; i++)
        if (disk->inodes[inode]->entries[i].inode >= 0)
            return APR_ENOTEMPTY;
    op = note(disk, is_directory ? DISK_RMDIR : DISK_UNLINK, inode);
    op->from = directory;
    op->name = entry->name;
    touch(disk, op, entry, 0);
    touch_inode(disk, op, inode);
    entry->inode = -1;
    disk->inodes[inode]->links = is_directory ? 0 : disk->inodes[inode]->links - 1;
    return APR_SUCCESS;
}

/* -- contents ------------------------------------------------------------------------------- */

static void make_room(disk_t *disk, disk_inode_t *inode, uint64_t size)
{
    unsigned char *data;
    uint64_t room = inode->room == 0 ? 1024 : inode->room;
    if (size <= inode->room)
        return;
    while (room < size)
        room *= 2;
    data = disk_alloc(disk, room);
    if (inode->size > 0)
        memcpy(data, inode->data, inode->size);
    inode->data = data;
    inode->room = room;
}

static void store(disk_t *disk, int index, uint64_t offset, const void *data, size_t length)
{
    disk_inode_t *inode = disk->inodes[index];
    disk_op_t *op = note(disk, DISK_WRITE, index);
    make_room(disk, inode, offset + length);
    memcpy(inode->data + offset, data, length);
    if (offset + length > inode->size)
        inode->size = offset + length;
    inode->mtime = op->mtime;
    op->offset = offset;
    op->length = (uint32_t)length;
    if (disk->recording)
        op->data = memcpy(disk_alloc(disk, length), data, length);
}

apr_status_t disk_write(disk_t *disk, int inode, uint64_t offset, const void *data, size_t length)
{
    if (length == 0)
        return APR_SUCCESS;
    if (disk_fails(disk, DISK_FAULT_SPACE)) {
        if (length > 1)
            store(disk, inode, offset, data, length / 2);
        return APR_ENOSPC;
    }
    if (disk_fails(disk, DISK_FAULT_WRITE)) {
        if (length > 1)
            store(disk, inode, offset, data, length / 2);
        return APR_FROM_OS_ERROR(5);
    }
    store(disk, inode, offset, data, length);
    return APR_SUCCESS;
}

apr_status_t disk_truncate(disk_t *disk, int index, uint64_t size)
{
    disk_inode_t *inode = disk->inodes[index];
    disk_op_t *op = note(disk, DISK_TRUNCATE, index);
    op->offset = size;
    make_room(disk, inode, size);
    if (size < inode->size)
        memset(inode->data + size, 0, inode->size - size);
    inode->size = size;
    inode->mtime = op->mtime;
    return APR_SUCCESS;
}

void disk_set_mtime(disk_t *disk, int inode, int64_t mtime)
{
    note(disk, DISK_WRITE, inode)->mtime = mtime;
    disk->inodes[inode]->mtime = mtime;
}

/* -- durability -------------------------------------------------------------------------------- */

static apr_status_t sync_now(disk_t *disk, disk_kind_t kind, int inode, disk_fault_t fault)
{
    bool failed = disk_fails(disk, fault);
    note(disk, kind, inode)->failed = failed;
    if (failed && inode >= 0)
        disk->inodes[inode]->errors++;
    return failed && disk->plant != DISK_PLANT_IGNORE_EIO ? APR_FROM_OS_ERROR(5) : APR_SUCCESS;
}

static apr_status_t sync_postponed(disk_t *disk)
{
    int inode = disk->postponed;
    disk->postponed = -1;
    return inode < 0 ? APR_SUCCESS : sync_now(disk, DISK_SYNC, inode, DISK_FAULT_SYNC);
}

apr_status_t disk_sync(disk_t *disk, int inode, uint32_t *told)
{
    apr_status_t status;
    if (*told != disk->inodes[inode]->errors && disk->plant != DISK_PLANT_IGNORE_EIO) {
        *told = disk->inodes[inode]->errors;
        return APR_FROM_OS_ERROR(5);
    }
    if (disk->plant == DISK_PLANT_RENAME_BEFORE_SYNC && disk->postponed < 0) {
        disk->postponed = inode;
        return APR_SUCCESS;
    }
    status = sync_now(disk, DISK_SYNC, inode, DISK_FAULT_SYNC);
    *told = disk->inodes[inode]->errors;
    return status != APR_SUCCESS ? status : sync_postponed(disk);
}

apr_status_t disk_sync_names(disk_t *disk, int directory)
{
    apr_status_t status;
    if (disk->plant == DISK_PLANT_NO_DIR_SYNC)
        return APR_SUCCESS;
    status = sync_now(disk, DISK_SYNC_NAMES, directory, DISK_FAULT_SYNC_NAMES);
    return status != APR_SUCCESS ? status : sync_postponed(disk);
}

apr_status_t disk_sync_all(disk_t *disk)
{
    return sync_now(disk, DISK_SYNC_ALL, -1, DISK_FAULT_SYNC);
}

/* -- locks ------------------------------------------------------------------------------------- */

static uint64_t end_of(uint64_t start, uint64_t length)
{
    return length == 0 ? UINT64_MAX : start + length;
}

static bool conflicts(const disk_t *disk, int inode, const void *owner, uint64_t start,
                      uint64_t end, bool exclusive)
{
    int i;
    for (i = 0; i < disk->lock_count; i++) {
        const disk_lock_t *lock = &disk->locks[i];
        if (lock->inode == inode && lock->owner != owner && lock->start < end &&
            start < lock->end && (exclusive || lock->exclusive))
            return true;
    }
    return false;
}

bool disk_lock(disk_t *disk, int inode, const void *owner, uint64_t start, uint64_t length,
               bool exclusive)
{
    disk_lock_t lock = {inode, owner, start, end_of(start, length), exclusive};
    if (conflicts(disk, inode, owner, start, lock.end, exclusive))
        return false;
    disk_unlock(disk, inode, owner, start, length);
    disk->locks = grown(disk, disk->locks, disk->lock_count, &disk->lock_room, sizeof *disk->locks);
    disk->locks[disk->lock_count++] = lock;
    return true;
}

/* Ranges are locked and unlocked whole by what is tested here. */
void disk_unlock(disk_t *disk, int inode, const void *owner, uint64_t start, uint64_t length)
{
    uint64_t end = end_of(start, length);
    int i, kept = 0;
    for (i = 0; i < disk->lock_count; i++) {
        const disk_lock_t *lock = &disk->locks[i];
        if (lock->inode != inode || lock->owner != owner || lock->start < start || lock->end > end)
            disk->locks[kept++] = *lock;
    }
    disk->lock_count = kept;
}

bool disk_locked(const disk_t *disk, int inode, const void *owner, uint64_t start, uint64_t length)
{
    return conflicts(disk, inode, owner, start, end_of(start, length), true);
}
