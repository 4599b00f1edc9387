#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/disk.h"

/* -- what is durable ------------------------------------------------------------------------ */

static bool is_name_op(disk_kind_t kind)
{
    return kind <= DISK_RMDIR;
}

static bool is_data_op(disk_kind_t kind)
{
    return kind == DISK_WRITE || kind == DISK_TRUNCATE;
}

disk_past_t *disk_past(const disk_t *disk)
{
    disk_past_t *past = calloc(1, sizeof *past);
    size_t ops = (size_t)disk->op_count + 1;
    if (past == NULL || (past->forced = calloc(ops, sizeof *past->forced)) == NULL ||
        (past->lost = calloc(ops, sizeof *past->lost)) == NULL ||
        (past->pending = calloc(ops, sizeof *past->pending)) == NULL ||
        (past->synced = calloc((size_t)disk->inode_count + 1, sizeof *past->synced)) == NULL)
        abort();
    past->disk = disk;
    return past;
}

void disk_past_free(disk_past_t *past)
{
    free(past->forced);
    free(past->lost);
    free(past->pending);
    free(past->synced);
    free(past);
}

/* With all that it needs; those operations came before it. */
static void force_name(disk_past_t *past, int index)
{
    const disk_op_t *op;
    int i;
    if (index < 0 || past->forced[index])
        return;
    op = &past->disk->ops[index];
    past->forced[index] = true;
    for (i = 0; i < 4; i++)
        force_name(past, op->depends[i]);
}

static void settle_names(disk_past_t *past, const disk_op_t *sync)
{
    int i, kept = 0;
    for (i = 0; i < past->pending_count; i++) {
        int index = past->pending[i];
        const disk_op_t *op = &past->disk->ops[index];
        bool meant = sync->kind != DISK_SYNC_NAMES || op->from == sync->inode ||
                     op->to == sync->inode || past->disk->model == DISK_ORDERED;
        if (meant && sync->failed)
            past->lost[index] = true;
        else if (meant && !past->lost[index])
            force_name(past, index);
    }
    for (i = 0; i < past->pending_count; i++)
        if (!past->forced[past->pending[i]])
            past->pending[kept++] = past->pending[i];
    past->pending_count = kept;
}

static void settle_data(disk_past_t *past, const disk_op_t *sync)
{
    int i, from = sync->kind == DISK_SYNC ? past->synced[sync->inode] : 0;
    for (i = from; i < past->now; i++) {
        const disk_op_t *op = &past->disk->ops[i];
        if (!is_data_op(op->kind) || (sync->kind == DISK_SYNC && op->inode != sync->inode))
            continue;
        if (sync->failed)
            past->lost[i] = past->lost[i] || !past->forced[i];
        else if (!past->lost[i])
            past->forced[i] = true;
    }
    if (sync->kind == DISK_SYNC)
        past->synced[sync->inode] = past->now + 1;
}

void disk_past_step(disk_past_t *past)
{
    const disk_op_t *op = &past->disk->ops[past->now];
    if (is_name_op(op->kind))
        past->pending[past->pending_count++] = past->now;
    else if (op->kind == DISK_SYNC_NAMES || op->kind == DISK_SYNC_ALL ||
             (op->kind == DISK_SYNC && past->disk->model == DISK_ORDERED))
        settle_names(past, op);
    if (op->kind == DISK_SYNC || op->kind == DISK_SYNC_ALL)
        settle_data(past, op);
    past->now++;
}

/* -- copies --------------------------------------------------------------------------------- */

static void add_inode(disk_t *disk, const disk_inode_t *from, bool whole)
{
    disk_inode_t *inode = disk_alloc(disk, sizeof *inode);
    if (disk->inode_count == disk->inode_room) {
        disk_inode_t **old = disk->inodes;
        disk->inode_room = disk->inode_room * 2 + 64;
        disk->inodes = disk_alloc(disk, (size_t)disk->inode_room * sizeof inode);
        memcpy(disk->inodes, old, (size_t)disk->inode_count * sizeof inode);
    }
    disk->inodes[disk->inode_count++] = inode;
    *inode = *from;
    inode->created = inode->last_name_op = -1;
    inode->opens = inode->errors = 0;
    inode->shared = NULL;
    inode->entries = NULL;
    inode->entry_room = inode->entry_count = 0;
    inode->data = NULL;
    inode->room = inode->size = 0; /* until copy_data */
    if (!whole) {
        inode->links = 0;
        return;
    }
    if (from->entry_count > 0) {
        int i;
        inode->entry_room = from->entry_count + 8;
        inode->entries = disk_alloc(disk, (size_t)inode->entry_room * sizeof *inode->entries);
        for (i = 0; i < from->entry_count; i++)
            if (from->entries[i].inode >= 0) {
                disk_entry_t *entry = &inode->entries[inode->entry_count++];
                size_t length = strlen(from->entries[i].name) + 1;
                entry->name = memcpy(disk_alloc(disk, length), from->entries[i].name, length);
                entry->inode = from->entries[i].inode;
                entry->last_op = -1;
            }
    }
}

static void copy_data(disk_t *disk, disk_inode_t *to, const disk_inode_t *from, uint64_t room)
{
    to->room = room < 1024 ? 1024 : room;
    to->data = disk_alloc(disk, to->room);
    if (from->size > 0)
        memcpy(to->data, from->data, from->size);
    to->size = from->size;
}

static disk_t *copy_names(const disk_t *disk)
{
    disk_t *copy = disk_make(disk->model);
    int i;
    copy->inode_count = 0;
    copy->fresh = disk->fresh;
    for (i = 0; i < disk->inode_count; i++)
        add_inode(copy, disk->inodes[i], true);
    return copy;
}

disk_t *disk_copy(const disk_t *disk)
{
    disk_t *copy = copy_names(disk);
    int i;
    for (i = 0; i < disk->inode_count; i++)
        if (disk->inodes[i]->size > 0)
            copy_data(copy, copy->inodes[i], disk->inodes[i], disk->inodes[i]->size);
    return copy;
}

/* -- names of an image ---------------------------------------------------------------------- */

static disk_entry_t *find(disk_inode_t *directory, const char *name)
{
    int i;
    for (i = 0; i < directory->entry_count; i++)
        if (strcmp(directory->entries[i].name, name) == 0)
            return &directory->entries[i];
    return NULL;
}

static void put(disk_t *disk, int at, const char *name, int inode)
{
    disk_inode_t *directory = disk->inodes[at];
    disk_entry_t *entry = find(directory, name);
    if (entry == NULL) {
        if (directory->entry_count == directory->entry_room) {
            disk_entry_t *old = directory->entries;
            directory->entry_room = directory->entry_room * 2 + 8;
            directory->entries =
                disk_alloc(disk, (size_t)directory->entry_room * sizeof *directory->entries);
            if (old != NULL)
                memcpy(directory->entries, old, (size_t)directory->entry_count * sizeof *old);
        }
        entry = &directory->entries[directory->entry_count++];
        entry->name = name; /* of the record, which outlives its images */
        entry->inode = -1;
        entry->last_op = -1;
    }
    if (entry->inode >= 0)
        disk->inodes[entry->inode]->links--;
    entry->inode = inode;
    disk->inodes[inode]->links++;
}

static void take(disk_t *disk, int at, const char *name)
{
    disk_entry_t *entry = find(disk->inodes[at], name);
    if (entry == NULL || entry->inode < 0) {
        fprintf(stderr, "the model is wrong: %s is not there\n", name);
        abort();
    }
    disk->inodes[entry->inode]->links--;
    entry->inode = -1;
}

static void apply_name(disk_t *disk, const disk_op_t *op)
{
    if (op->kind == DISK_RENAME || op->kind == DISK_REPLACE || op->kind == DISK_UNLINK ||
        op->kind == DISK_RMDIR)
        take(disk, op->from, op->name);
    if (op->kind != DISK_UNLINK && op->kind != DISK_RMDIR)
        put(disk, op->to, op->new_name, op->inode);
    else if (op->kind == DISK_RMDIR)
        disk->inodes[op->inode]->links = 0;
}

static void apply_names(disk_t *image, const disk_past_t *past, int survivors)
{
    int i, next = 0;
    for (i = 0; i < past->now; i++) {
        const disk_op_t *op = &past->disk->ops[i];
        if (!is_name_op(op->kind))
            continue;
        if (next < past->pending_count && past->pending[next] == i) {
            if (next++ < survivors)
                apply_name(image, op);
        } else {
            apply_name(image, op);
        }
    }
}

/* -- contents of an image ------------------------------------------------------------------- */

typedef struct fate_t {
    uint64_t extent;             /* largest size it ever had */
    int first_unsure, last_sure; /* data operations; -1: none */
    int *sure;                   /* by sector: number after the last durable operation on it */
    bool touched;
} fate_t;

uint64_t disk_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Operations of a sector, or of the size, before this one have reached the disk. */
static int cut_of(const disk_past_t *past, const disk_choice_t *choice, const fate_t *fate,
                  int inode, uint64_t sector)
{
    uint64_t h;
    if (choice->data == 0)
        return 0;
    if (choice->data == 1)
        return past->now;
    h = disk_mix(choice->data * 0x9e3779b97f4a7c15u + (uint64_t)inode * 1000003 + sector);
    if (h % 3 == 0)
        return 0;
    if (h % 3 == 1)
        return past->now;
    return fate->first_unsure + (int)((h >> 8) % (uint64_t)(past->now - fate->first_unsure + 1));
}

static void gather(fate_t *fates, disk_t *image, const disk_past_t *past)
{
    int i;
    for (i = 0; i < image->inode_count; i++)
        fates[i] = (fate_t){
            .extent = i < past->disk->base->inode_count ? past->disk->base->inodes[i]->size : 0,
            .first_unsure = -1,
            .last_sure = -1};
    for (i = 0; i < past->now; i++) {
        const disk_op_t *op = &past->disk->ops[i];
        fate_t *fate;
        if (!is_data_op(op->kind))
            continue;
        fate = &fates[op->inode];
        fate->touched = true;
        image->inodes[op->inode]->mtime = op->mtime;
        if (op->offset + op->length > fate->extent)
            fate->extent = op->offset + op->length;
        if (past->forced[i])
            fate->last_sure = i;
        else if (fate->first_unsure < 0)
            fate->first_unsure = i;
    }
    for (i = 0; i < image->inode_count; i++)
        if (fates[i].first_unsure >= 0)
            fates[i].sure =
                disk_alloc(image, (size_t)(fates[i].extent / DISK_SECTOR + 1) * sizeof(int));
    for (i = 0; i < past->now; i++) {
        const disk_op_t *op = &past->disk->ops[i];
        uint64_t sector;
        if (op->kind != DISK_WRITE || !past->forced[i] || op->length == 0 ||
            fates[op->inode].sure == NULL)
            continue;
        for (sector = op->offset / DISK_SECTOR;
             sector <= (op->offset + op->length - 1) / DISK_SECTOR; sector++)
            fates[op->inode].sure[sector] = i + 1;
    }
}

static void write_sectors(disk_inode_t *inode, const disk_past_t *past, const disk_choice_t *choice,
                          const fate_t *fate, int index)
{
    const disk_op_t *op = &past->disk->ops[index];
    uint64_t at = op->offset, end = op->offset + op->length;
    if (fate->first_unsure < 0 || choice->data == 1) {
        memcpy(inode->data + at, op->data, op->length);
        return;
    }
    while (at < end) {
        uint64_t sector = at / DISK_SECTOR, next = (sector + 1) * DISK_SECTOR;
        if (next > end)
            next = end;
        if (index < fate->sure[sector] || past->forced[index] ||
            index < cut_of(past, choice, fate, op->inode, sector))
            memcpy(inode->data + at, op->data + (at - op->offset), next - at);
        at = next;
    }
}

static void apply_data(disk_t *image, const disk_past_t *past, const disk_choice_t *choice,
                       const fate_t *fates)
{
    int i;
    for (i = 0; i < past->now; i++) {
        const disk_op_t *op = &past->disk->ops[i];
        disk_inode_t *inode = is_data_op(op->kind) ? image->inodes[op->inode] : NULL;
        const fate_t *fate;
        bool sized;
        if (inode == NULL || inode->links == 0)
            continue;
        fate = &fates[op->inode];
        sized = fate->first_unsure < 0 || i <= fate->last_sure ||
                i < cut_of(past, choice, fate, op->inode, UINT64_MAX);
        if (op->kind == DISK_WRITE && op->length > 0) {
            write_sectors(inode, past, choice, fate, i);
            if (sized && op->offset + op->length > inode->size)
                inode->size = op->offset + op->length;
        } else if (op->kind == DISK_TRUNCATE && sized) {
            if (op->offset < inode->room)
                memset(inode->data + op->offset, 0, inode->room - op->offset);
            inode->size = op->offset;
        }
    }
}

disk_t *disk_image(const disk_past_t *past, const disk_choice_t *choice)
{
    const disk_t *record = past->disk;
    disk_t *image = copy_names(record->base);
    fate_t *fates;
    int i;
    image->fresh = record->fresh;
    for (i = image->inode_count; i < record->inode_count && record->inodes[i]->created < past->now;
         i++)
        add_inode(image, record->inodes[i], false);
    apply_names(image, past, choice->names);
    fates = calloc((size_t)image->inode_count, sizeof *fates);
    if (fates == NULL)
        abort();
    gather(fates, image, past);
    for (i = 0; i < image->inode_count; i++) {
        disk_inode_t *inode = image->inodes[i];
        static const disk_inode_t nothing;
        if (inode->links > 0 && !inode->directory)
            copy_data(image, inode,
                      i < record->base->inode_count ? record->base->inodes[i] : &nothing,
                      fates[i].extent);
    }
    apply_data(image, past, choice, fates);
    for (i = 0; i < image->inode_count; i++) {
        disk_inode_t *inode = image->inodes[i];
        if (inode->data != NULL && inode->size < inode->room)
            memset(inode->data + inode->size, 0, inode->room - inode->size);
    }
    free(fates);
    return image;
}

/* -- telling images apart, and operations --------------------------------------------------- */

static uint64_t hash_bytes(uint64_t h, const unsigned char *data, uint64_t length)
{
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        h = (h ^ word) * 0x9fb21c651e98df25u;
        h ^= h >> 29;
        data += 8;
        length -= 8;
    }
    while (length-- > 0)
        h = (h ^ *data++) * 0x100000001b3u;
    return h;
}

static uint64_t fingerprint(const disk_t *disk, int at, uint64_t path)
{
    const disk_inode_t *inode = disk->inodes[at];
    uint64_t sum = 0;
    int i;
    if (!inode->directory)
        return disk_mix(
            hash_bytes(path ^ inode->number * 31 ^ inode->size, inode->data, inode->size));
    for (i = 0; i < inode->entry_count; i++) {
        const disk_entry_t *entry = &inode->entries[i];
        if (entry->inode >= 0)
            sum +=
                fingerprint(disk, entry->inode,
                            disk_mix(hash_bytes(path * 31 + 7, (const unsigned char *)entry->name,
                                                strlen(entry->name))));
    }
    return disk_mix(sum + path);
}

uint64_t disk_fingerprint(const disk_t *disk)
{
    return fingerprint(disk, 0, 1);
}

/* A path in the live disk is enough to know what is meant: directories keep their names here. */
static const char *path_of(const disk_t *disk, int inode, char *buffer, size_t size)
{
    int i, k;
    if (inode == 0)
        return strcpy(buffer, "");
    for (i = 0; i < disk->inode_count; i++)
        for (k = 0; k < disk->inodes[i]->entry_count; k++)
            if (disk->inodes[i]->entries[k].inode == inode) {
                char parent[512];
                snprintf(buffer, size, "%s/%s", path_of(disk, i, parent, sizeof parent),
                         disk->inodes[i]->entries[k].name);
                return buffer;
            }
    snprintf(buffer, size, "(file %d)", inode);
    return buffer;
}

const char *disk_op_text(const disk_t *disk, int index, char *buffer, size_t size)
{
    static const char *const names[] = {"create",   "mkdir",  "rename",        "replace",
                                        "link",     "unlink", "rmdir",         "write",
                                        "truncate", "sync",   "sync names of", "sync all"};
    const disk_op_t *op = &disk->ops[index];
    char from[512] = "", to[512] = "", what[512] = "";
    if (op->from >= 0)
        path_of(disk, op->from, from, sizeof from);
    if (op->to >= 0)
        path_of(disk, op->to, to, sizeof to);
    if (op->inode >= 0)
        snprintf(what, sizeof what, "#%llu", (unsigned long long)disk->inodes[op->inode]->number);
    if (op->kind == DISK_SYNC_NAMES)
        path_of(disk, op->inode, what, sizeof what);
    snprintf(buffer, size, "%s%s %s%s%s%s%s%s%s", op->failed ? "FAILED " : "", names[op->kind],
             what, op->name != NULL ? " " : "", op->name != NULL ? from : "",
             op->name != NULL ? "/" : "", op->name != NULL ? op->name : "",
             op->new_name != NULL ? " -> " : "", "");
    if (op->new_name != NULL)
        snprintf(buffer + strlen(buffer), size - strlen(buffer), "%s/%s", to, op->new_name);
    if (is_data_op(op->kind))
        snprintf(buffer + strlen(buffer), size - strlen(buffer), " at %llu, %u bytes",
                 (unsigned long long)op->offset, op->length);
    return buffer;
}
