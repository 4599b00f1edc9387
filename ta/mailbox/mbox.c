#include "ta/mailbox/mbox.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "ta/agent/lines.h"
#include "ta/mailbox/dotlock.h"

#define LOCK_WAIT apr_time_from_sec(180)
#define WRITE_SIZE 65536

static const char mmdf_mark[] = "\1\1\1\1\n";

/* -- opening --------------------------------------------------------------- */

static apr_status_t create(const zm_delivery_t *delivery, apr_pool_t *pool)
{
    uint32_t mode = delivery->shared ? 0660 : 0600;
    zm_file_t *file;
    apr_status_t status;
    if (delivery->make_parents) {
        char *directory = apr_pstrdup(pool, delivery->path);
        char *slash = strrchr(directory, '/');
        if (slash != NULL && slash != directory) {
            *slash = '\0';
            status = zm_dir_make_all(directory, 0700, pool);
            if (status != APR_SUCCESS)
                return status;
        }
    }
    status = zm_file_open(&file, NULL, delivery->path,
                          ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, mode, pool);
    if (status == APR_SUCCESS) {
        if (delivery->keep_read_time)
            zm_file_set_atime(file, 0, 0); /* nobody has read it */
        zm_file_close(file);
    }
    return APR_STATUS_IS_EEXIST(status) ? APR_SUCCESS : status;
}

/* What stands at the path must be a plain file that belongs to the right user. */
static bool examine(zm_delivered_t *result, const zm_delivery_t *delivery, zm_file_info_t *info,
                    apr_pool_t *pool)
{
    apr_status_t status = zm_path_info(info, NULL, delivery->path);
    if (APR_STATUS_IS_ENOENT(status)) {
        if (!delivery->create) {
            zm_delivered_set(result, ZM_RESULT_NOUSER, "5.1.1", "no mailbox %s", delivery->path);
            return false;
        }
        status = create(delivery, pool);
        if (status != APR_SUCCESS) {
            zm_delivered_error(result, delivery, status, "cannot create");
            return false;
        }
        status = zm_path_info(info, NULL, delivery->path);
    }
    if (status != APR_SUCCESS) {
        zm_delivered_error(result, delivery, status, "cannot look at");
        return false;
    }
    if (info->kind != ZM_FILE_REGULAR || info->links != 1) {
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.2.1", "%s is %s", delivery->path,
                         info->kind != ZM_FILE_REGULAR ? "not a regular file"
                                                       : "a file with several names");
        return false;
    }
    if (delivery->owner != ZM_UID_NONE && info->uid != delivery->owner && info->uid != 0) {
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.2.1", "%s belongs to somebody else",
                         delivery->path);
        return false;
    }
    return true;
}

static apr_status_t lock(zm_file_t *file, char kind)
{
    apr_time_t give_up = zm_clock_monotonic() + LOCK_WAIT;
    apr_interval_time_t pause = 10000;
    apr_status_t status;
    for (;;) {
        status =
            kind == 'F' ? zm_file_lock_bsd(file, false) : zm_file_lock_whole(file, true, false);
        if (status != ZM_E_BUSY || zm_clock_monotonic() >= give_up)
            return status;
        apr_sleep(pause);
        pause = pause < 640000 ? pause * 2 : 1000000;
    }
}

static bool open_locked(zm_delivered_t *result, const zm_delivery_t *delivery,
                        const zm_file_info_t *seen, zm_file_t **file, zm_file_info_t *info,
                        apr_pool_t *pool)
{
    apr_status_t status = zm_file_open(file, NULL, delivery->path,
                                       ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_APPEND, 0, pool);
    if (status != APR_SUCCESS) {
        zm_delivered_error(result, delivery, status, "cannot open");
        return false;
    }
    status = delivery->lock != 0 ? lock(*file, delivery->lock) : APR_SUCCESS;
    if (status != APR_SUCCESS) {
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.2.0", "cannot lock %s", delivery->path);
        return false;
    }
    status = zm_file_info(info, *file); /* after locking: the size shall stay */
    if (status != APR_SUCCESS || info->device != seen->device || info->id != seen->id ||
        info->links != 1) {
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.2.0", "%s was replaced meanwhile",
                         delivery->path);
        return false;
    }
    return true;
}

/* -- writing --------------------------------------------------------------- */

typedef struct writer_t {
    zm_file_t *file;
    zm_buf_t buffer;
    uint64_t written;
    char last[2]; /* the last two octets before the buffer */
} writer_t;

static apr_status_t flush(writer_t *writer)
{
    apr_size_t length = writer->buffer.length;
    apr_status_t status;
    if (length == 0)
        return APR_SUCCESS;
    status = zm_file_append(writer->file, writer->buffer.data, length);
    if (status != APR_SUCCESS)
        return status;
    writer->last[0] = length > 1 ? writer->buffer.data[length - 2] : writer->last[1];
    writer->last[1] = writer->buffer.data[length - 1];
    writer->written += length;
    zm_buf_clear(&writer->buffer);
    return APR_SUCCESS;
}

/* Adds the LFs that are missing before an empty line ends the buffer. */
static apr_status_t end_with_empty_line(writer_t *writer)
{
    apr_status_t status = flush(writer);
    if (writer->last[1] != '\n')
        zm_buf_add_c(&writer->buffer, "\n\n");
    else if (writer->last[0] != '\n')
        zm_buf_add_byte(&writer->buffer, '\n');
    return status;
}

/* A file that a crash or another program left without a final empty line gets one, lest our From
 * line became part of that text. */
static apr_status_t start_on_empty_line(writer_t *writer, uint64_t size)
{
    apr_size_t length = size < 2 ? (apr_size_t)size : 2;
    char last[2] = {'\n', '\n'};
    apr_status_t status;
    if (size == 0)
        return APR_SUCCESS;
    status = zm_file_read_at(writer->file, size - length, last + 2 - length, &length);
    if (status != APR_SUCCESS)
        return status;
    memcpy(writer->last, last, sizeof last);
    return end_with_empty_line(writer);
}

static apr_status_t write_body(writer_t *writer, const zm_delivery_t *delivery)
{
    zm_lines_t lines;
    zm_str_t piece;
    apr_status_t status;
    zm_lines_init(&lines, delivery->escape ? ZM_LINES_FROM : 0);
    while ((status = delivery->body(delivery->baton, &piece)) == APR_SUCCESS) {
        zm_lines_put(&lines, piece.data, piece.length, &writer->buffer);
        if (writer->buffer.length >= WRITE_SIZE)
            status = flush(writer);
        if (status != APR_SUCCESS)
            return status;
    }
    zm_lines_end(&lines, &writer->buffer);
    return status == APR_EOF ? APR_SUCCESS : status;
}

static apr_status_t write_letter(writer_t *writer, const zm_delivery_t *delivery, uint64_t size)
{
    apr_status_t status = APR_SUCCESS;
    if (!delivery->mmdf)
        status = start_on_empty_line(writer, size);
    else
        zm_buf_add_c(&writer->buffer, mmdf_mark);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_add_str(&writer->buffer, delivery->separator);
    zm_buf_add_str(&writer->buffer, delivery->head);
    zm_buf_add_byte(&writer->buffer, '\n');
    status = write_body(writer, delivery);
    if (status == APR_SUCCESS && delivery->mmdf)
        zm_buf_add_c(&writer->buffer, mmdf_mark);
    else if (status == APR_SUCCESS)
        status = end_with_empty_line(writer);
    if (status == APR_SUCCESS)
        status = flush(writer);
    return status == APR_SUCCESS ? zm_file_sync(writer->file) : status;
}

static bool fits(zm_delivered_t *result, const zm_delivery_t *delivery, uint64_t size)
{
    if (delivery->quota <= 0 || size + (uint64_t)delivery->size <= (uint64_t)delivery->quota)
        return true;
    zm_delivered_set(result, delivery->quota_permanent ? ZM_RESULT_UNAVAILABLE : ZM_RESULT_IOERR,
                     delivery->quota_permanent ? "5.2.2" : "4.2.2",
                     "%s would be larger than its quota", delivery->path);
    return false;
}

static void append(zm_delivered_t *result, const zm_delivery_t *delivery, zm_file_t *file,
                   const zm_file_info_t *info)
{
    uint64_t size = info->size;
    writer_t writer = {file, ZM_BUF_INIT, 0, {'\n', '\n'}};
    apr_status_t status = write_letter(&writer, delivery, size);
    /* Looking at its end was no reading: programs tell from the times that there is new mail. */
    if (delivery->keep_read_time)
        zm_file_set_atime(file, info->atime_s, info->atime_ns);
    zm_buf_free(&writer.buffer);
    result->before = size;
    result->added = writer.written;
    if (status == APR_SUCCESS) {
        zm_delivered_set(result, ZM_RESULT_OK, "2.2.0", "delivered");
        return;
    }
    zm_delivered_error(result, delivery, status, "cannot write");
    status = zm_file_truncate(file, size);
    if (status == APR_SUCCESS)
        status = zm_file_sync(file);
    if (status != APR_SUCCESS)
        zm_delivered_error(result, delivery, status, "cannot cut back");
}

void zm_mbox_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, apr_pool_t *pool)
{
    zm_file_info_t seen, info;
    zm_dotlock_t *dotlock = NULL;
    zm_file_t *file = NULL;
    if (!examine(result, delivery, &seen, pool))
        return;
    if (delivery->dotlock) {
        apr_status_t status = zm_dotlock_take(&dotlock, delivery->path, pool);
        if (status != APR_SUCCESS) {
            zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.2.0",
                             "cannot make the lock %s.lock: %s", delivery->path,
                             zm_status_text(status, (char[160]){0}, 160));
            return;
        }
    }
    if (open_locked(result, delivery, &seen, &file, &info, pool) &&
        fits(result, delivery, info.size))
        append(result, delivery, file, &info);
    if (file != NULL)
        zm_file_close(file);
    zm_dotlock_release(dotlock);
}
