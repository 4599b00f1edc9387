#include "mta/script/mail_check.h"

#include <apr_file_info.h>

#include "platform/clock.h"

#define MOST_FILES 20
#define USUAL_INTERVAL 600

struct zm_mail_check_t {
    zm_script_t *script;
    apr_pool_t *pool; /* cleared before each look */
    apr_time_t last;
    bool looked;
    zm_buf_t path;                /* that the times belong to */
    apr_time_t times[MOST_FILES]; /* 0: there was no file */
};

static apr_status_t destroy(void *data)
{
    zm_mail_check_t *check = data;
    zm_buf_free(&check->path);
    return APR_SUCCESS;
}

zm_mail_check_t *zm_mail_check_create(zm_script_t *script, apr_pool_t *pool)
{
    zm_mail_check_t *check = apr_pcalloc(pool, sizeof *check);
    check->script = script;
    apr_pool_create(&check->pool, pool);
    apr_pool_cleanup_register(pool, check, destroy, apr_pool_cleanup_null);
    return check;
}

static bool is_due(const zm_mail_check_t *check, apr_time_t now)
{
    int64_t seconds;
    if (zm_str_i64(zm_script_get_str(check->script, "MAILCHECK"), &seconds) != APR_SUCCESS ||
        seconds < 0)
        seconds = USUAL_INTERVAL;
    return !check->looked || now < check->last || now - check->last >= apr_time_from_sec(seconds);
}

/* One file, "NAME" or "NAME%MESSAGE". */
static void look_at(zm_mail_check_t *check, zm_str_t entry, apr_time_t *time, bool tell,
                    zm_buf_t *text)
{
    zm_str_t name, message = ZM_S("you have mail");
    apr_finfo_t info;
    if (!zm_str_cut(entry, '%', &name, &message))
        message = ZM_S("you have mail");
    if (name.length == 0 ||
        apr_stat(&info, zm_str_c(check->pool, name), APR_FINFO_MTIME | APR_FINFO_SIZE,
                 check->pool) != APR_SUCCESS) {
        *time = 0;
        return;
    }
    if (tell && info.size > 0 && info.mtime != *time) {
        zm_buf_add_str(text, message);
        zm_buf_add_byte(text, '\n');
    }
    *time = info.mtime;
}

void zm_mail_check(zm_mail_check_t *check, zm_buf_t *text)
{
    zm_str_t rest = zm_script_get_str(check->script, "MAILPATH"), entry;
    apr_time_t now = zm_clock_wall();
    bool more, same;
    int i;
    if (rest.length == 0)
        rest = zm_script_get_str(check->script, "MAIL");
    same = zm_str_equal(rest, zm_buf_str(&check->path));
    if (same && !is_due(check, now))
        return;
    apr_pool_clear(check->pool);
    if (!same) {
        zm_buf_clear(&check->path);
        zm_buf_add_str(&check->path, rest);
    }
    more = rest.length > 0;
    for (i = 0; more && i < MOST_FILES; i++) {
        more = zm_str_cut(rest, ':', &entry, &rest);
        look_at(check, entry, &check->times[i], same && check->looked, text);
    }
    check->looked = true;
    check->last = now;
}
