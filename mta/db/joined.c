#include "mta/db/joined.h"

#include <apr_strings.h>

#include "platform/identity.h"

#define SOURCE_LIMIT (1u << 30)

apr_status_t zm_joined_read(char **text, apr_size_t *length, zm_file_info_t *info, const char *path,
                            apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(info, file);
    if (status == APR_SUCCESS)
        status = zm_file_slurp_file(text, length, file, SOURCE_LIMIT, pool);
    zm_file_close(file);
    return status;
}

static bool is_there(const char *path, zm_str_t text, const zm_file_info_t *owner, uint32_t mode,
                     apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_size_t length;
    char *old;
    return zm_joined_read(&old, &length, &info, path, pool) == APR_SUCCESS &&
           info.uid == owner->uid && (info.mode & 0777) == mode &&
           zm_str_equal(zm_str_of(old, length), text);
}

apr_status_t zm_joined_write(const char *path, zm_str_t text, const zm_file_info_t *owner,
                             uint32_t mode, apr_pool_t *pool)
{
    const char *made = apr_pstrcat(pool, path, ".new", NULL);
    zm_file_t *file;
    apr_status_t status;
    if (is_there(path, text, owner, mode, pool))
        return APR_SUCCESS;
    (void)zm_file_unlink(NULL, made);
    status =
        zm_file_open(&file, NULL, made,
                     ZM_OPEN_WRITE | ZM_OPEN_READ | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text.data, text.length);
    if (status == APR_SUCCESS && zm_identity_privileged())
        status = zm_file_set_owner(file, owner->uid, owner->gid);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(file, mode);
    zm_file_close(file);
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, made, NULL, path);
    return status;
}
