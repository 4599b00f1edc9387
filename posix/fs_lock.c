/*
 * Byte-range locks.
 *
 * Open file description locks (Linux, recent macOS) belong to the open file:
 * two opens in one process exclude each other, and closing some other
 * descriptor of the file loses nothing.  Where they are missing, the classic
 * record locks are used, which belong to the process: they do not exclude a
 * second open of the same process, and closing any descriptor of the file drops
 * them.  Both kinds see each other, and those of lockf(3).
 */
#include "posix/file.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#ifdef F_OFD_SETLK
#define SET_LOCK F_OFD_SETLK
#define SET_LOCK_WAIT F_OFD_SETLKW
#define GET_LOCK F_OFD_GETLK
#else
#define SET_LOCK F_SETLK
#define SET_LOCK_WAIT F_SETLKW
#define GET_LOCK F_GETLK
#endif

static apr_status_t set_lock(zm_file_t *file, short type, uint64_t offset, uint64_t length,
                             bool wait)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)length};
    int result;
    do
        result = fcntl(file->descriptor, wait ? SET_LOCK_WAIT : SET_LOCK, &lock);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return APR_SUCCESS;
    return errno == EAGAIN || errno == EACCES ? ZM_E_BUSY : errno;
}

apr_status_t zm_file_lock(zm_file_t *file, uint64_t offset, uint64_t length, bool wait)
{
    return set_lock(file, F_WRLCK, offset, length, wait);
}

apr_status_t zm_file_unlock(zm_file_t *file, uint64_t offset, uint64_t length)
{
    return set_lock(file, F_UNLCK, offset, length, false);
}

apr_status_t zm_file_locked(bool *held, zm_file_t *file, uint64_t offset, uint64_t length)
{
    /* What a shared lock would be refused for: whoever may only read the file can hold shared ones.
     */
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)length};
    if (fcntl(file->descriptor, GET_LOCK, &lock) < 0)
        return errno;
    *held = lock.l_type != F_UNLCK;
    return APR_SUCCESS;
}

apr_status_t zm_file_lock_whole(zm_file_t *file, bool exclusive, bool wait)
{
    return set_lock(file, exclusive ? F_WRLCK : F_RDLCK, 0, 0, wait);
}

apr_status_t zm_file_lock_bsd(zm_file_t *file, bool wait)
{
    int result;
    do
        result = flock(file->descriptor, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return APR_SUCCESS;
    return errno == EWOULDBLOCK ? ZM_E_BUSY : errno;
}
