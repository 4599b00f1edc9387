/*
 * Byte-range locks.
 *
 * A lock of LockFileEx belongs to the open file, as we want it, but it also
 * stops others from reading and writing the locked bytes.  So the lock of byte n
 * is taken on byte n + 2^62, where no data ever is.  The lock of the whole file
 * covers the shifted range of all bytes, thus the two kinds see each other.
 *
 * Deviation from Unix: a second lock of a range through the same open file
 * waits for the first instead of replacing it, and a range is unlocked as it
 * was locked.  Callers lock and unlock in pairs.
 */
#include "win32/file.h"

#include <string.h>

#define SHIFT (1ULL << 62)

static OVERLAPPED shifted(uint64_t offset)
{
    OVERLAPPED where = {0};
    where.Offset = (DWORD)(offset + SHIFT);
    where.OffsetHigh = (DWORD)((offset + SHIFT) >> 32);
    return where;
}

static uint64_t up_to_end(uint64_t offset, uint64_t length)
{
    return length != 0 ? length : SHIFT - offset;
}

static apr_status_t lock_range(zm_file_t *file, uint64_t offset, uint64_t length, DWORD flags)
{
    OVERLAPPED where = shifted(offset);
    length = up_to_end(offset, length);
    if (LockFileEx(file->handle, flags, 0, (DWORD)length, (DWORD)(length >> 32), &where))
        return APR_SUCCESS;
    return GetLastError() == ERROR_IO_PENDING ? ZM_E_BUSY : zm_last_status();
}

apr_status_t zm_file_lock(zm_file_t *file, uint64_t offset, uint64_t length, bool wait)
{
    return lock_range(file, offset, length,
                      LOCKFILE_EXCLUSIVE_LOCK | (wait ? 0 : LOCKFILE_FAIL_IMMEDIATELY));
}

apr_status_t zm_file_unlock(zm_file_t *file, uint64_t offset, uint64_t length)
{
    OVERLAPPED where = shifted(offset);
    length = up_to_end(offset, length);
    if (UnlockFileEx(file->handle, 0, (DWORD)length, (DWORD)(length >> 32), &where))
        return APR_SUCCESS;
    return GetLastError() == ERROR_NOT_LOCKED ? APR_SUCCESS : zm_last_status();
}

/* The system does not tell; so the lock is tried. */
apr_status_t zm_file_locked(bool *held, zm_file_t *file, uint64_t offset, uint64_t length)
{
    apr_status_t status = lock_range(file, offset, length, LOCKFILE_FAIL_IMMEDIATELY);
    *held = status == ZM_E_BUSY;
    if (status == APR_SUCCESS)
        return zm_file_unlock(file, offset, length);
    return *held ? APR_SUCCESS : status;
}

apr_status_t zm_file_lock_whole(zm_file_t *file, bool exclusive, bool wait)
{
    return lock_range(file, 0, 0,
                      (exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0) |
                          (wait ? 0 : LOCKFILE_FAIL_IMMEDIATELY));
}

apr_status_t zm_file_lock_bsd(zm_file_t *file, bool wait)
{
    (void)file;
    (void)wait;
    return ZM_E_UNSUPPORTED;
}
