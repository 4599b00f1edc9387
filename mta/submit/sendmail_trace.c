#include "mta/submit/sendmail_trace.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <stdio.h>

#include "platform/fs.h"
#include "platform/str.h"

#define FOLLOW_LIMIT apr_time_from_sec(260000)
#define POLL_INTERVAL apr_time_from_msec(250)

static const char *trace_path(const char *postoffice, const char *name, apr_pool_t *pool)
{
    return apr_pstrcat(pool, postoffice, "/public/", name, NULL);
}

apr_status_t sendmail_trace_create(const char **name, zm_spool_t *spool, zm_uid_t owner,
                                   apr_pool_t *pool, zm_error_t *error)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char random[6];
    apr_status_t status = APR_EEXIST;
    int tries, i;
    for (tries = 0; tries < 100 && APR_STATUS_IS_EEXIST(status); tries++) {
        char leaf[] = "v_XXXXXX";
        const char *path;
        zm_file_t *file;
        if ((status = apr_generate_random_bytes(random, sizeof random)) != APR_SUCCESS)
            break;
        for (i = 0; i < 6; i++)
            leaf[2 + i] = letters[random[i] % (sizeof letters - 1)];
        *name = apr_pstrdup(pool, leaf);
        status = zm_spool_native_path(&path, spool, apr_pstrcat(pool, "public/", leaf, NULL), pool);
        if (status == ZM_E_UNSUPPORTED)
            return zm_error_set(error, status,
                                "nothing to follow: a spool without a directory tree keeps no "
                                "traces; the message is submitted all the same");
        if (status != APR_SUCCESS)
            break;
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                              0600, pool);
        if (status != APR_SUCCESS)
            continue;
        if (owner != ZM_UID_NONE)
            status = zm_file_set_owner(file, owner, ZM_UID_NONE);
        zm_file_close(file);
        if (status == APR_SUCCESS)
            return APR_SUCCESS;
        break;
    }
    return zm_error_system(error, status, "cannot make a trace file in %s/public",
                           zm_spool_location(spool));
}

void sendmail_trace_remove(const char *postoffice, const char *name, apr_pool_t *pool)
{
    (void)zm_file_unlink(NULL, trace_path(postoffice, name, pool));
}

/* Copies what is new; true when a line that begins "scheduler done" went by. */
static bool copy_new(zm_file_t *file, uint64_t *offset, zm_buf_t *line)
{
    char buffer[8192];
    apr_size_t length = sizeof buffer, i;
    bool done = false;
    while (zm_file_read_at(file, *offset, buffer, &length) == APR_SUCCESS && length > 0) {
        fwrite(buffer, 1, length, stderr);
        *offset += length;
        for (i = 0; i < length; i++) {
            if (buffer[i] == '\n') {
                done |= zm_str_starts(zm_buf_str(line), ZM_S("scheduler done"));
                zm_buf_clear(line);
            } else if (line->length < 64) {
                zm_buf_add_byte(line, buffer[i]);
            }
        }
        length = sizeof buffer;
    }
    return done;
}

void sendmail_trace_follow(const char *postoffice, const char *name, int grace, apr_pool_t *pool)
{
    apr_time_t end = apr_time_now() + FOLLOW_LIMIT;
    zm_buf_t line = ZM_BUF_INIT;
    uint64_t offset = 0;
    bool done = false;
    zm_file_t *file;
    if (zm_file_open(&file, NULL, trace_path(postoffice, name, pool), ZM_OPEN_READ, 0, pool) !=
        APR_SUCCESS)
        return;
    while (apr_time_now() < end) {
        if (copy_new(file, &offset, &line) && !done) {
            done = true;
            end = apr_time_now() + apr_time_from_sec(grace);
        }
        apr_sleep(POLL_INTERVAL);
    }
    zm_file_close(file);
    zm_buf_free(&line);
    sendmail_trace_remove(postoffice, name, pool);
}
