/*
 * What can be said of files without knowing the system.
 */
#include "platform/fs.h"

#include <apr_strings.h>
#include <string.h>

/* "PATH/.": a link to a directory is as good as a directory. */
static apr_status_t need_directory(const char *path, apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_status_t status = zm_path_info(&info, NULL, apr_pstrcat(pool, path, "/.", NULL));
    if (status != APR_SUCCESS)
        return status;
    return info.kind == ZM_FILE_DIRECTORY ? APR_SUCCESS : APR_ENOTDIR;
}

/* Whatever mkdir said (an existing read-only mount answers EROFS, a drive EACCES), a directory that
 * is there will do. */
apr_status_t zm_dir_make_all(const char *path, uint32_t mode, apr_pool_t *pool)
{
    char *parent, *slash;
    apr_status_t status = zm_dir_make(NULL, path, mode);
    if (status == APR_SUCCESS || need_directory(path, pool) == APR_SUCCESS)
        return APR_SUCCESS;
    if (!APR_STATUS_IS_ENOENT(status))
        return status;

    parent = apr_pstrdup(pool, path);
    for (slash = parent + strlen(parent); slash > parent && slash[-1] == '/'; slash--)
        slash[-1] = '\0';
    slash = strrchr(parent, '/');
    if (slash == NULL || slash == parent)
        return status;
    *slash = '\0';
    status = zm_dir_make_all(parent, mode, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_dir_make(NULL, path, mode);
    return APR_STATUS_IS_EEXIST(status) ? need_directory(path, pool) : status;
}

/* The file may grow or shrink while it is read, so its size is only a first guess. */
apr_status_t zm_file_slurp_file(char **data, apr_size_t *length, zm_file_t *file, apr_size_t limit,
                                apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_size_t capacity, used = 0;
    char *bytes;
    apr_status_t status = zm_file_info(&info, file);
    if (status != APR_SUCCESS)
        return status;
    if (info.size > limit)
        return ZM_E_LIMIT;
    capacity = (apr_size_t)info.size + 1;
    bytes = apr_palloc(pool, capacity + 1);
    for (;;) {
        apr_size_t got = capacity - used;
        status = zm_file_read_at(file, used, bytes + used, &got);
        used += got;
        if (used > limit)
            return ZM_E_LIMIT;
        if (status == APR_EOF || (status == APR_SUCCESS && used < capacity))
            break;
        if (status != APR_SUCCESS)
            return status;
        bytes = memcpy(apr_palloc(pool, capacity * 2 + 1), bytes, used);
        capacity *= 2;
    }
    bytes[used] = '\0';
    *data = bytes;
    *length = used;
    return APR_SUCCESS;
}

apr_status_t zm_file_slurp(char **data, apr_size_t *length, const char *path, apr_size_t limit,
                           apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ, 0, pool), closed;
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_slurp_file(data, length, file, limit, pool);
    closed = zm_file_close(file);
    return status != APR_SUCCESS ? status : closed;
}
