#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "spool/emulated_vfs.h"

/*
 * SQLite writes a transaction to its log frame by frame, two writes each: 24
 * bytes of header and a page.  Here they are gathered, and go to the system in
 * one write when the frame arrives that ends the transaction, whose header says
 * so; that write's failure is the failure of SQLite's last one.  Nobody looks at
 * the frames before: others go by the index, which SQLite changes afterwards,
 * and what it reads back itself is written first.
 *
 *     frame: page number (4), pages in the database after the transaction (4; 0: not
 *     its last frame), salt (8), sums (8), page
 */

#define LOG_HEADER 32
#define FRAME_HEADER 24
#define PAGE 4096
#define SLOTS 64
#define COMMIT_FIELD 4
#define SYNC_STEP (1 << 20) /* between two syncs of the database, unless they are too long */
#define LEAST_STEP (1 << 17)
#define ROOM (31 * (FRAME_HEADER + 4096)) /* SQLite's writes on Unix must stay below 2^17 bytes */

typedef struct frames_t frames_t;

typedef struct file_t {
    sqlite3_file base;
    sqlite3_file *real;      /* lies behind this */
    unsigned char *gathered; /* null: not a log, everything passes through */
    int length;
    sqlite3_int64 offset;         /* of its first byte */
    bool database;                /* which is synced every few pages while it is written */
    int step, unsynced;           /* bytes: between syncs, and written to it since the last */
    apr_interval_time_t patience; /* how long such a sync may take; 0: as long as it likes */
    volatile void *index;         /* the first part of the log's index, while it is mapped */
    struct file_t *log_of;        /* of a log: its database; null: not known */
    frames_t *frames;             /* of a log: what was read of it; null: nothing yet */
    unsigned exclusive;           /* bit n: has lock n of the index for itself */
} file_t;

/* Frames of the log as they were read. */
struct frames_t {
    uint32_t commits; /* as the index counted them at the last look */
    struct {
        uint32_t number, salts[2];
        unsigned char page[PAGE];
    } slots[SLOTS];
};

static file_t *file_of(sqlite3_file *file)
{
    return (file_t *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return file_of(file)->real;
}

/* -- the log's index ------------------------------------------------------------------------ */

/*
 * Its first part, as https://sqlite.org/walformat.html has it, numbers in the machine's order:
 * 0 version (4) ... 8 commits (4) ... 16 frames (4) ... 32 salts (8) ... 48 the same again ... 96
 * how many frames of the log were moved (4).  Nobody lowers that but who begins the log anew, and
 * only when all were moved; recovery sets it to 0 as is done here, under the same locks.
 */
#define INDEX_VERSION 3007000
#define INDEX_COMMITS 8 /* since the index was made, or made anew from the log */
#define INDEX_FRAMES 16 /* of the log, that count */
#define INDEX_SALTS 32  /* of them */
#define INDEX_COPY 48
#define INDEX_MOVED 96
#define WRITE_AND_CHECKPOINT_LOCKS 0, 2

static volatile uint32_t *index_number(const file_t *file, int offset)
{
    return (volatile uint32_t *)((volatile char *)file->index + offset);
}

/* -- gathering ------------------------------------------------------------------------- */

static int flush(file_t *file)
{
    int length = file->length;
    if (length == 0)
        return SQLITE_OK;
    file->length = 0;
    return file->real->pMethods->xWrite(file->real, file->gathered, length, file->offset);
}

static bool ends_transaction(const file_t *file, int page)
{
    static const unsigned char none[4] = {0};
    const unsigned char *header = file->gathered + file->length - page - FRAME_HEADER;
    return file->length >= page + FRAME_HEADER &&
           memcmp(header + COMMIT_FIELD, none, sizeof none) != 0;
}

static int sync_step(file_t *file)
{
    apr_time_t began = zm_clock_monotonic();
    int code = file->real->pMethods->xSync(file->real, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    apr_interval_time_t took = zm_clock_monotonic() - began;
    file->unsynced = 0;
    if (file->patience > 0 && took > file->patience && file->step > LEAST_STEP)
        file->step /= 2;
    else if (took < file->patience / 2 && file->step < SYNC_STEP)
        file->step *= 2;
    return code;
}

/* In small steps, so that others who wait for the same disk wait for one of them only. */
static int pass_on(file_t *file, const void *data, int length, sqlite3_int64 offset)
{
    int code = file->real->pMethods->xWrite(file->real, data, length, offset);
    if (code != SQLITE_OK || !file->database || (file->unsynced += length) < file->step)
        return code;
    return sync_step(file);
}

static int file_write(sqlite3_file *base, const void *data, int length, sqlite3_int64 offset)
{
    file_t *file = file_of(base);
    int code;
    if (file->gathered == NULL)
        return pass_on(file, data, length, offset);
    if (file->length > 0 &&
        (offset != file->offset + file->length || file->length + length > ROOM)) {
        code = flush(file);
        if (code != SQLITE_OK)
            return code;
    }
    /* Gathering begins with the header of a frame; the log's own is rare, and longer. */
    if (file->length == 0 && length != FRAME_HEADER)
        return file->real->pMethods->xWrite(file->real, data, length, offset);
    if (file->length == 0)
        file->offset = offset;
    memcpy(file->gathered + file->length, data, (size_t)length);
    file->length += length;
    return length != FRAME_HEADER && ends_transaction(file, length) ? flush(file) : SQLITE_OK;
}

/* -- frames that were read before ------------------------------------------------------- */

/*
 * SQLite forgets all pages whenever another process has committed something, and reads again what
 * did not change.  A frame of a committed transaction stays what it is until the log begins anew,
 * which gives it other salts; and nobody begins it anew while somebody reads from it.
 */
static bool is_committed_frame(const file_t *file, int length, sqlite3_int64 offset,
                               uint32_t *number, uint32_t salts[2])
{
    const file_t *database = file->log_of;
    sqlite3_int64 frame = offset - LOG_HEADER - FRAME_HEADER;
    if (database == NULL || length != PAGE || frame < 0 || frame % (FRAME_HEADER + PAGE) != 0 ||
        database->index == NULL || *index_number(database, 0) != INDEX_VERSION)
        return false;
    frame = frame / (FRAME_HEADER + PAGE) + 1;
    if (frame > *index_number(database, INDEX_FRAMES))
        return false; /* of a transaction that is being written: it may be taken back */
    *number = (uint32_t)frame;
    salts[0] = *index_number(database, INDEX_SALTS);
    salts[1] = *index_number(database, INDEX_SALTS + 4);
    return true;
}

/*
 * Recovery makes the index from the log, and counts commits from 0 again.  It ends the log before a
 * frame that was damaged, and then others take the places of those behind it, with the same salts.
 */
static void forget_after_recovery(file_t *file)
{
    uint32_t commits = *index_number(file->log_of, INDEX_COMMITS);
    if (file->frames == NULL)
        return;
    if (commits < file->frames->commits)
        memset(file->frames->slots, 0, sizeof file->frames->slots);
    file->frames->commits = commits;
}

static bool recall(const file_t *file, void *page, uint32_t number, const uint32_t salts[2])
{
    uint32_t i = number % SLOTS;
    if (file->frames == NULL || file->frames->slots[i].number != number ||
        memcmp(file->frames->slots[i].salts, salts, sizeof file->frames->slots[i].salts) != 0)
        return false;
    memcpy(page, file->frames->slots[i].page, PAGE);
    return true;
}

/* Without memory for it, each is read again. */
static void remember(file_t *file, const void *page, uint32_t number, const uint32_t salts[2])
{
    uint32_t i = number % SLOTS;
    if (file->frames == NULL && (file->frames = calloc(1, sizeof *file->frames)) == NULL)
        return;
    file->frames->slots[i].number = number;
    memcpy(file->frames->slots[i].salts, salts, sizeof file->frames->slots[i].salts);
    memcpy(file->frames->slots[i].page, page, PAGE);
}

/* -- what needs the file as SQLite believes it to be ----------------------------------- */

static int file_read(sqlite3_file *base, void *data, int length, sqlite3_int64 offset)
{
    file_t *file = file_of(base);
    uint32_t number, salts[2];
    int code = flush(file);
    if (code == SQLITE_OK && is_committed_frame(file, length, offset, &number, salts)) {
        forget_after_recovery(file);
        if (recall(file, data, number, salts))
            return SQLITE_OK;
        code = file->real->pMethods->xRead(file->real, data, length, offset);
        if (code == SQLITE_OK)
            remember(file, data, number, salts);
        return code;
    }
    return code != SQLITE_OK ? code : file->real->pMethods->xRead(file->real, data, length, offset);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int code = flush(file_of(base));
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xTruncate(real_of(base), size);
}

static int file_sync(sqlite3_file *base, int flags)
{
    int code = flush(file_of(base));
    file_of(base)->unsynced = 0;
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xSync(real_of(base), flags);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    int code = flush(file_of(base));
    return code != SQLITE_OK ? code : real_of(base)->pMethods->xFileSize(real_of(base), size);
}

/* What is gathered now belongs to a transaction that was never finished. */
static int file_close(sqlite3_file *base)
{
    free(file_of(base)->gathered);
    free(file_of(base)->frames);
    return real_of(base)->pMethods->xClose(real_of(base));
}

/* -- what passes through ------------------------------------------------------------------ */

static int file_lock(sqlite3_file *base, int level)
{
    return real_of(base)->pMethods->xLock(real_of(base), level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    return real_of(base)->pMethods->xUnlock(real_of(base), level);
}

static int file_check_reserved(sqlite3_file *base, int *held)
{
    return real_of(base)->pMethods->xCheckReservedLock(real_of(base), held);
}

static int file_control(sqlite3_file *base, int operation, void *argument)
{
    return real_of(base)->pMethods->xFileControl(real_of(base), operation, argument);
}

static int file_sector_size(sqlite3_file *base)
{
    return real_of(base)->pMethods->xSectorSize(real_of(base));
}

static int file_characteristics(sqlite3_file *base)
{
    return real_of(base)->pMethods->xDeviceCharacteristics(real_of(base));
}

static int file_map(sqlite3_file *base, int region, int size, int extend, void volatile **memory)
{
    int code = real_of(base)->pMethods->xShmMap(real_of(base), region, size, extend, memory);
    if (code == SQLITE_OK && region == 0)
        file_of(base)->index = *memory;
    return (code & 0xff) == SQLITE_READONLY ? SQLITE_CANTOPEN : code; /* as for files, below */
}

static bool need_not_mark(const file_t *file, int lock, int count, int flags);

static int file_map_lock(sqlite3_file *base, int offset, int count, int flags)
{
    file_t *file = file_of(base);
    unsigned locks = ((1u << count) - 1) << offset;
    int code;
    if (need_not_mark(file, offset, count, flags))
        return SQLITE_BUSY;
    code = file->real->pMethods->xShmLock(file->real, offset, count, flags);
    if ((flags & SQLITE_SHM_UNLOCK) != 0)
        file->exclusive &= ~locks;
    else if (code == SQLITE_OK && (flags & SQLITE_SHM_EXCLUSIVE) != 0)
        file->exclusive |= locks;
    return code;
}

static void file_barrier(sqlite3_file *base)
{
    real_of(base)->pMethods->xShmBarrier(real_of(base));
}

static int file_unmap(sqlite3_file *base, int remove)
{
    file_of(base)->index = NULL;
    return real_of(base)->pMethods->xShmUnmap(real_of(base), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_map,
    .xShmLock = file_map_lock,
    .xShmBarrier = file_barrier,
    .xShmUnmap = file_unmap,
};

/* Null: it was not opened by us. */
static file_t *database_of(sqlite3 *db)
{
    sqlite3_file *base = NULL;
    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &base);
    return code == SQLITE_OK && base != NULL && base->pMethods == &methods ? file_of(base) : NULL;
}

void zm_emulated_vfs_set_patience(sqlite3 *db, apr_interval_time_t patience)
{
    file_t *file = database_of(db);
    if (file != NULL)
        file->patience = patience;
}

/* -- states and marks ----------------------------------------------------------------------- */

/* The index has its header twice, and SQLite writes the first copy last. */
void zm_emulated_vfs_stamp(sqlite3 *db, zm_emulated_stamp_t *stamp)
{
    const file_t *file = database_of(db);
    int i;
    stamp->valid = file != NULL && file->index != NULL && *index_number(file, 0) == INDEX_VERSION;
    for (i = 0; stamp->valid && i < INDEX_COPY / (int)sizeof(uint32_t); i++)
        stamp->header[i] = *index_number(file, i * (int)sizeof(uint32_t));
    atomic_thread_fence(memory_order_acquire);
}

/*
 * Who begins to read takes a mark that is not above his state of the log, and locks it, shared with
 * others: the checkpoint moves nothing above it.  If none says exactly that state SQLite makes one
 * say it, with two system calls more, and others who begin at that moment find it locked, and
 * sleep.  Where it finds that all are in use it takes the best there is, which may be lower; so it
 * is told here, as long as one is not much lower, and the log not so long that a checkpoint is due,
 * which then finds the marks as high as they may be.
 */
#define INDEX_MARKS 100 /* the first is not one that this is about */
#define FIRST_MARK 4    /* its lock */
#define LAST_MARK 7
#define MARK_DISTANCE 256 /* frames */

static bool need_not_mark(const file_t *file, int lock, int count, int flags)
{
    uint32_t frames, best = 0;
    bool found = false;
    int i;
    if (flags != (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) || count != 1 || lock < FIRST_MARK ||
        file->exclusive != 0 || file->index == NULL || *index_number(file, 0) != INDEX_VERSION)
        return false; /* recovery and checkpoints have another lock by then */
    frames = *index_number(file, INDEX_FRAMES);
    for (i = 1; i <= LAST_MARK - FIRST_MARK + 1; i++) {
        uint32_t mark = *index_number(file, INDEX_MARKS + i * (int)sizeof(uint32_t));
        if (mark <= frames && mark >= best) {
            found = true;
            best = mark;
        }
    }
    return found && frames < ZM_EMULATED_LOG_LIMIT && frames - best < MARK_DISTANCE;
}

int zm_emulated_vfs_forget_moved(sqlite3 *db)
{
    file_t *file = database_of(db);
    sqlite3_file *base = (sqlite3_file *)file;
    int code;
    if (file == NULL || file->index == NULL || *index_number(file, 0) != INDEX_VERSION ||
        *index_number(file, INDEX_COPY) != INDEX_VERSION)
        return SQLITE_MISUSE;
    code = file_map_lock(base, WRITE_AND_CHECKPOINT_LOCKS, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
    if (code != SQLITE_OK)
        return code;
    *index_number(file, INDEX_MOVED) = 0;
    file_barrier(base);
    return file_map_lock(base, WRITE_AND_CHECKPOINT_LOCKS,
                         SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
}

/* -- the table of the system ------------------------------------------------------------------ */

static sqlite3_vfs *system_vfs(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/*
 * A file that cannot be opened for writing just now SQLite opens for reading, and all writing fails
 * until the connection is closed: better that it fails to open, and is tried again.
 */
static int refuse_reading(file_t *file)
{
    file->real->pMethods->xClose(file->real);
    file->real->pMethods = NULL;
    return SQLITE_CANTOPEN; /* why the first attempt failed is still what the system said last */
}

/* The database whose log has this name, which SQLite gave us; null: it was not opened by us. */
static file_t *database_behind(sqlite3_filename log)
{
    sqlite3_file *base = sqlite3_database_file_object(log);
    return base != NULL && base->pMethods == &methods ? file_of(base) : NULL;
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags,
                     int *out)
{
    file_t *file = file_of(base);
    int code, got = flags;
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(file + 1);
    code = system_vfs(vfs)->xOpen(system_vfs(vfs), name, file->real, flags, &got);
    if (out != NULL)
        *out = got;
    if (code == SQLITE_OK && (got & SQLITE_OPEN_READONLY) > (flags & SQLITE_OPEN_READONLY))
        code = refuse_reading(file);
    if (file->real->pMethods == NULL)
        return code;
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0)
        file->gathered = malloc(ROOM); /* without memory for it, it works as before */
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0)
        file->log_of = database_behind(name);
    file->database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    file->step = SYNC_STEP;
    file->base.pMethods = &methods;
    return code;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
    return system_vfs(vfs)->xDelete(system_vfs(vfs), name, sync);
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    return system_vfs(vfs)->xAccess(system_vfs(vfs), name, flags, result);
}

static int full_path(sqlite3_vfs *vfs, const char *name, int size, char *path)
{
    return system_vfs(vfs)->xFullPathname(system_vfs(vfs), name, size, path);
}

static int randomness(sqlite3_vfs *vfs, int length, char *bytes)
{
    return system_vfs(vfs)->xRandomness(system_vfs(vfs), length, bytes);
}

static int wait_for(sqlite3_vfs *vfs, int microseconds)
{
    return system_vfs(vfs)->xSleep(system_vfs(vfs), microseconds);
}

static int current_time(sqlite3_vfs *vfs, double *days)
{
    return system_vfs(vfs)->xCurrentTime(system_vfs(vfs), days);
}

static int last_error(sqlite3_vfs *vfs, int size, char *text)
{
    return system_vfs(vfs)->xGetLastError(system_vfs(vfs), size, text);
}

static sqlite3_vfs gathering = {
    .iVersion = 1,
    .zName = ZM_EMULATED_VFS,
    .xOpen = open_file,
    .xDelete = delete_file,
    .xAccess = access_file,
    .xFullPathname = full_path,
    .xRandomness = randomness,
    .xSleep = wait_for,
    .xCurrentTime = current_time,
    .xGetLastError = last_error,
};

/* Registering it again changes nothing. */
const char *zm_emulated_vfs(void)
{
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    if (system == NULL || sqlite3_vfs_find(ZM_EMULATED_VFS) != NULL)
        return system == NULL ? NULL : ZM_EMULATED_VFS;
    gathering.szOsFile = (int)sizeof(file_t) + system->szOsFile;
    gathering.mxPathname = system->mxPathname;
    gathering.pAppData = system;
    return sqlite3_vfs_register(&gathering, 0) == SQLITE_OK ? ZM_EMULATED_VFS : NULL;
}
