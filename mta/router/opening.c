/*
 * How files of others are opened, by the pickup helper or by a router that
 * needs none.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/router/pickup.h"
#include "platform/borrow.h"
#include "spool/layout.h"
#include "spool/trace.h"

bool router_is_plain_path(zm_str_t path)
{
    zm_str_t rest = path, part;
    bool more = true;
    if (path.length == 0 || path.data[0] != '/')
        return false;
    while (more) {
        more = zm_str_cut(rest, '/', &part, &rest);
        if (zm_str_equal_c(part, ".."))
            return false;
    }
    return true;
}

/* One name, and a file: a further name would let its maker hand in a file of somebody else. */
static apr_status_t check(zm_file_t *file, zm_file_info_t *info)
{
    apr_status_t status = zm_file_info(info, file);
    if (status == APR_SUCCESS && (info->kind != ZM_FILE_REGULAR || info->links != 1))
        status = ZM_E_UNSAFE;
    return status;
}

/* -- messages ------------------------------------------------------------------------------- */

/* Only input directories: what the router takes from them. */
static bool is_input(const char *name)
{
    zm_name_t parts;
    return zm_spool_name_valid(zm_str(name)) &&
           zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric &&
           zm_str_starts(parts.directory, ZM_S(ZM_DIR_ROUTER));
}

/* The group of the queue, for which routed messages are readable. */
static zm_uid_t files_group(zm_spool_t *spool, apr_pool_t *pool)
{
    const char *queue;
    zm_file_info_t info;
    if (zm_spool_native_path(&queue, spool, ZM_DIR_QUEUE "/0", pool) != APR_SUCCESS ||
        zm_path_info(&info, NULL, apr_pstrmemdup(pool, queue, strlen(queue) - 2)) != APR_SUCCESS)
        return ZM_UID_NONE;
    return info.gid;
}

apr_status_t router_opening_message(zm_file_t **file, zm_spool_t *spool, const char *name,
                                    apr_pool_t *pool)
{
    zm_file_info_t info;
    const char *path;
    apr_status_t status;
    if (!is_input(name))
        return ZM_E_UNSAFE;
    if ((status = zm_spool_native_path(&path, spool, name, pool)) != APR_SUCCESS ||
        (status = zm_file_open(file, NULL, path, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, pool)) !=
            APR_SUCCESS)
        return status;
    status = check(*file, &info);
    if (status == APR_SUCCESS)
        status = zm_file_set_owner(*file, ZM_UID_NONE, files_group(spool, pool));
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(*file, (0440 | info.mode) & 0660);
    if (status != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}

/* -- files of users --------------------------------------------------------------------------- */

static apr_status_t act_as(zm_uid_t uid, apr_pool_t *pool)
{
    zm_credentials_t who = {uid, zm_identity_nobody(NULL, pool).gid};
    zm_user_t *user;
    if (uid == 0)
        return APR_SUCCESS;
    if (uid < 0)
        who.uid = zm_identity_nobody(NULL, pool).uid;
    else if (zm_user_by_uid(&user, uid, pool) == APR_SUCCESS)
        who.gid = user->gid;
    return zm_identity_borrow(&who);
}

static void look_at_folder(router_folder_t *folder, const char *path, apr_pool_t *pool)
{
    const char *slash = strrchr(path, '/');
    zm_file_info_t info;
    memset(folder, 0, sizeof *folder);
    if (slash != NULL &&
        zm_path_info(&info, NULL,
                     apr_pstrcat(pool, apr_pstrmemdup(pool, path, (apr_size_t)(slash - path)), "/.",
                                 NULL)) == APR_SUCCESS &&
        info.kind == ZM_FILE_DIRECTORY) {
        folder->mode = 040000 | info.mode;
        folder->uid = info.uid;
    }
}

apr_status_t router_opening_file(zm_file_t **file, router_folder_t *folder, zm_uid_t uid,
                                 const char *path, apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_status_t status = act_as(uid, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_open(file, NULL, path, ZM_OPEN_READ, 0, pool);
    if (status == APR_SUCCESS && folder != NULL)
        look_at_folder(folder, path, pool);
    zm_identity_return();
    if (status == APR_SUCCESS && (status = check(*file, &info)) != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}

/* -- traces ----------------------------------------------------------------------------------- */

apr_status_t router_opening_trace(zm_file_t **file, zm_spool_t *spool, zm_uid_t uid,
                                  const char *leaf, apr_pool_t *pool)
{
    zm_file_info_t info;
    const char *path;
    apr_status_t status;
    if (!zm_str_equal_c(zm_spool_trace_leaf(zm_str(leaf)), leaf))
        return ZM_E_UNSAFE;
    if ((status = zm_spool_native_path(&path, spool,
                                       apr_pstrcat(pool, ZM_DIR_PUBLIC "/", leaf, NULL), pool)) !=
            APR_SUCCESS ||
        (status = act_as(uid, pool)) != APR_SUCCESS)
        return status;
    status = zm_file_open(file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_APPEND, 0, pool);
    zm_identity_return();
    if (status != APR_SUCCESS)
        return status;
    status = check(*file, &info);
    if (status == APR_SUCCESS && info.uid != uid)
        status = ZM_E_UNSAFE;
    if (status != APR_SUCCESS)
        zm_file_close(*file);
    return status;
}
