#include "ta/mailbox/dotlock.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/identity.h"
#include "platform/str.h"

#define STALE 300 /* seconds */
#define TRIES 5

struct zm_dotlock_t {
    const char *name;
};

/* What a lock of this process says: its number and host. */
static const char *signature(apr_int64_t pid, apr_pool_t *pool)
{
    char host[256] = "localhost";
    (void)zm_identity_hostname(host, sizeof host);
    return apr_psprintf(pool, "%" APR_INT64_T_FMT " %s\n", pid, host);
}

/* Makes the unique file, remembering the file server's idea of now. */
static apr_status_t make_unique(const char *unique, int64_t *now, apr_pool_t *pool)
{
    const char *text = signature(zm_process_own(), pool);
    zm_file_info_t info;
    zm_file_t *file;
    apr_status_t status = zm_file_open(
        &file, NULL, unique, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0644, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text, strlen(text));
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, file);
    if (status == APR_SUCCESS)
        *now = info.ctime_s;
    zm_file_close(file);
    if (status != APR_SUCCESS)
        zm_file_unlink(NULL, unique);
    return status;
}

/* Whether the lock was made on this host by a process that is no more. */
static bool maker_is_dead(const char *name, apr_pool_t *pool)
{
    apr_size_t length;
    zm_str_t text, word;
    char *data;
    int64_t pid;
    if (zm_file_slurp(&data, &length, name, 512, pool) != APR_SUCCESS)
        return false;
    text = zm_str_of(data, length);
    return zm_str_word(&text, &word) && zm_str_i64(word, &pid) == APR_SUCCESS && pid > 0 &&
           strcmp(data, signature(pid, pool)) == 0 && !zm_process_alive(pid);
}

static apr_status_t try_once(const char *unique, const char *name, apr_pool_t *pool)
{
    zm_file_info_t info;
    int64_t now = 0;
    apr_status_t status = make_unique(unique, &now, pool);
    if (status != APR_SUCCESS)
        return status;
    /* What link reports is not to be trusted over a network; the link count is. */
    zm_file_link(NULL, unique, NULL, name);
    status = zm_path_info(&info, NULL, unique);
    zm_file_unlink(NULL, unique);
    if (status != APR_SUCCESS)
        return status;
    if (info.links == 2)
        return APR_SUCCESS;
    if (zm_path_info(&info, NULL, name) == APR_SUCCESS &&
        (info.ctime_s + STALE < now || maker_is_dead(name, pool)) &&
        zm_file_unlink(NULL, name) == APR_SUCCESS)
        return APR_EAGAIN;
    return ZM_E_BUSY;
}

apr_status_t zm_dotlock_take(zm_dotlock_t **lock, const char *mailbox, apr_pool_t *pool)
{
    const char *name = apr_pstrcat(pool, mailbox, ".lock", NULL);
    const char *unique =
        apr_psprintf(pool, "%s.L%" APR_UINT64_T_HEX_FMT ".%" APR_UINT64_T_HEX_FMT, mailbox,
                     (apr_uint64_t)zm_process_own(), (apr_uint64_t)zm_clock_wall());
    int tries;
    for (tries = 0;; tries++) {
        apr_status_t status = try_once(unique, name, pool);
        if (status == APR_SUCCESS) {
            *lock = apr_palloc(pool, sizeof **lock);
            (*lock)->name = name;
            return APR_SUCCESS;
        }
        if (tries == TRIES || (status != ZM_E_BUSY && status != APR_EAGAIN))
            return status == APR_EAGAIN ? ZM_E_BUSY : status;
        if (status == ZM_E_BUSY)
            apr_sleep(apr_time_from_sec(1));
    }
}

void zm_dotlock_release(zm_dotlock_t *lock)
{
    if (lock != NULL)
        zm_file_unlink(NULL, lock->name);
}
