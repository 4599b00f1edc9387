#include "ta/mailbox/maildir.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"

#define WRITE_SIZE 65536

/* -- the directory --------------------------------------------------------- */

static apr_status_t make_below(zm_file_t *at, const char *name)
{
    zm_file_info_t info;
    apr_status_t status = zm_path_info(&info, at, name);
    if (status == APR_SUCCESS)
        return info.kind == ZM_FILE_DIRECTORY ? APR_SUCCESS : ZM_E_UNSAFE;
    if (!APR_STATUS_IS_ENOENT(status))
        return status;
    status = zm_dir_make(at, name, 0700);
    return APR_STATUS_IS_EEXIST(status) ? APR_SUCCESS : status;
}

/* "+detail" goes to the folder .detail when the user has made one. */
static const char *folder_of(const zm_delivery_t *delivery, zm_file_t *top, apr_pool_t *pool)
{
    const char *folder = apr_pstrcat(pool, ".", delivery->detail, NULL);
    zm_file_info_t info;
    if (delivery->detail == NULL || delivery->detail[0] == '\0' || delivery->detail[0] == '.' ||
        strpbrk(delivery->detail, "/\\:") != NULL)
        return NULL;
    if (zm_path_info(&info, top, folder) != APR_SUCCESS || info.kind != ZM_FILE_DIRECTORY)
        return NULL;
    return folder;
}

static apr_status_t open_maildir(zm_file_t **maildir, const zm_delivery_t *delivery,
                                 apr_pool_t *pool)
{
    char *path = apr_pstrdup(pool, delivery->path);
    const char *folder;
    apr_status_t status;
    path[strlen(path) - 1] = '\0';
    status = zm_dir_handle(maildir, NULL, path, pool);
    if (APR_STATUS_IS_ENOENT(status) && delivery->create) {
        status = delivery->make_parents ? zm_dir_make_all(path, 0700, pool)
                                        : zm_dir_make(NULL, path, 0700);
        if (status == APR_SUCCESS || APR_STATUS_IS_EEXIST(status))
            status = zm_dir_handle(maildir, NULL, path, pool);
    }
    if (status != APR_SUCCESS)
        return status;
    folder = folder_of(delivery, *maildir, pool);
    if (folder != NULL) {
        status = zm_dir_handle(maildir, *maildir, folder, pool);
        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

static apr_status_t open_part(zm_file_t **directory, zm_file_t *maildir, const char *name,
                              apr_pool_t *pool)
{
    apr_status_t status = zm_dir_handle(directory, maildir, name, pool);
    if (!APR_STATUS_IS_ENOENT(status))
        return status;
    status = make_below(maildir, "tmp");
    if (status == APR_SUCCESS)
        status = make_below(maildir, "new");
    if (status == APR_SUCCESS)
        status = make_below(maildir, "cur");
    if (status == APR_SUCCESS)
        status = zm_dir_sync(maildir);
    return status == APR_SUCCESS ? zm_dir_handle(directory, maildir, name, pool) : status;
}

/* -- the letter ------------------------------------------------------------ */

static apr_status_t write_letter(zm_file_t *file, const zm_delivery_t *delivery, uint64_t *added)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    apr_status_t status;
    zm_str_t piece;
    zm_buf_add_str(&buffer, delivery->head);
    zm_buf_add_byte(&buffer, '\n');
    do {
        status = delivery->body(delivery->baton, &piece);
        if (status == APR_SUCCESS)
            zm_buf_add_str(&buffer, piece);
        if (status == APR_EOF && buffer.length > 0 && buffer.data[buffer.length - 1] != '\n')
            zm_buf_add_byte(&buffer, '\n');
        if (buffer.length >= WRITE_SIZE || status == APR_EOF) {
            apr_status_t written = zm_file_write_at(file, *added, buffer.data, buffer.length);
            *added += buffer.length;
            if (written != APR_SUCCESS)
                status = written;
            zm_buf_clear(&buffer);
        }
    } while (status == APR_SUCCESS);
    zm_buf_free(&buffer);
    return status == APR_EOF ? zm_file_sync(file) : status;
}

static const char *host_name(apr_pool_t *pool)
{
    char *name = apr_palloc(pool, 256), *at;
    if (zm_identity_hostname(name, 256) != APR_SUCCESS)
        return "localhost";
    for (at = name; *at != '\0'; at++) /* "/" and ":" mean something in a Maildir */
        if (!apr_isalnum(*at) && *at != '-' && *at != '.')
            *at = '_';
    return name;
}

static apr_status_t deliver_into(zm_file_t *tmp, zm_file_t *new_directory,
                                 const zm_delivery_t *delivery, uint64_t *added, apr_pool_t *pool)
{
    static unsigned serial;
    apr_time_t now = zm_clock_wall();
    const char *scratch = apr_psprintf(pool, "%" APR_INT64_T_FMT ".M%dP%" APR_INT64_T_FMT "Q%u.%s",
                                       (apr_int64_t)apr_time_sec(now), (int)apr_time_usec(now),
                                       zm_process_own(), ++serial, host_name(pool));
    const char *name = scratch;
    zm_file_info_t info;
    zm_file_t *file;
    apr_status_t status = zm_file_open(
        &file, tmp, scratch, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, pool);
    if (status != APR_SUCCESS)
        return status;
    status = write_letter(file, delivery, added);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, file);
    if (status == APR_SUCCESS) {
        name =
            apr_psprintf(pool,
                         "%" APR_INT64_T_FMT ".M%dP%" APR_INT64_T_FMT "V%" APR_UINT64_T_HEX_FMT
                         "I%" APR_UINT64_T_HEX_FMT ".%s",
                         (apr_int64_t)apr_time_sec(now), (int)apr_time_usec(now), zm_process_own(),
                         (apr_uint64_t)info.device, (apr_uint64_t)info.id, host_name(pool));
        status = zm_file_rename(tmp, scratch, new_directory, name);
    }
    zm_file_close(file);
    if (status != APR_SUCCESS)
        zm_file_unlink(tmp, scratch);
    else if ((status = zm_dir_sync(new_directory)) != APR_SUCCESS)
        zm_file_unlink(new_directory, name);
    return status;
}

void zm_maildir_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, apr_pool_t *pool)
{
    zm_file_t *maildir, *tmp, *new_directory;
    apr_status_t status = open_maildir(&maildir, delivery, pool);
    if (status == APR_SUCCESS)
        status = open_part(&tmp, maildir, "tmp", pool);
    if (status == APR_SUCCESS)
        status = open_part(&new_directory, maildir, "new", pool);
    if (status != APR_SUCCESS) {
        zm_delivered_error(result, delivery, status, "cannot use the Maildir");
        return;
    }
    status = deliver_into(tmp, new_directory, delivery, &result->added, pool);
    if (status != APR_SUCCESS)
        zm_delivered_error(result, delivery, status, "cannot write into the Maildir");
    else
        zm_delivered_set(result, ZM_RESULT_OK, "2.2.0", "delivered");
}
