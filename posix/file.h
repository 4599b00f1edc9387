/** The inside of zm_file_t, shared by the fs sources of this folder. */
#ifndef ZM_POSIX_FILE_H
#define ZM_POSIX_FILE_H

#include <fcntl.h>
#include <sys/stat.h>

#include "platform/fs.h"

struct zm_file_t {
    int descriptor;
    bool append; /**< opened with O_APPEND: writes at an offset would go astray */
    apr_pool_t *pool;
};

/** The directory descriptor that an `at` argument means. */
static inline int zm_at(const zm_file_t *at)
{
    return at != NULL ? at->descriptor : AT_FDCWD;
}

static inline zm_file_kind_t zm_kind_of_mode(mode_t mode)
{
    return S_ISREG(mode)   ? ZM_FILE_REGULAR
           : S_ISDIR(mode) ? ZM_FILE_DIRECTORY
           : S_ISLNK(mode) ? ZM_FILE_SYMLINK
                           : ZM_FILE_OTHER;
}

/** Opens with what every open of ours has; APR status. errno ELOOP (a link in the last place)
 * becomes ZM_E_UNSAFE. */
apr_status_t zm_open_descriptor(int *descriptor, const zm_file_t *at, const char *path,
                                int os_flags, mode_t mode);

#endif
