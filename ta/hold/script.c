#include "ta/hold/script.h"

#include <apr_strings.h>

#include "platform/child.h"
#include "platform/fs.h"

#define OUTPUT_KEPT 1024

typedef struct run_t {
    zm_child_t *child;
    zm_watch_t *watch;
    zm_timer_t limit;
    zm_buf_t output; /* its beginning */
    bool ended, timed_out;
    zm_child_end_t end;
} run_t;

/* -- what is run ----------------------------------------------------------- */

static bool is_script_name(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (!zm_is_alpha(c) && !zm_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return name.length > 0;
}

/* Why a file must not be run; null: it may. */
static const char *objection(const char *path)
{
    zm_file_info_t info;
    zm_uid_t own = zm_identity_own().uid;
    if (zm_path_info(&info, NULL, path) != APR_SUCCESS)
        return "is not there";
    if (info.kind != ZM_FILE_REGULAR)
        return "is not a regular file";
    if (info.uid != 0 && info.uid != own)
        return "belongs neither to root nor to the agent's account";
    return (info.mode & 022) != 0 ? "can be written by others" : NULL;
}

static const char *const *environment(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    const char **list = apr_pcalloc(pool, sizeof *list * 8);
    list[0] = "SHELL=/bin/sh";
    list[1] =
        apr_pstrcat(pool, "PATH=", zm_zenv_get_or(zenv, "PATH", "/usr/bin:/bin:/usr/ucb"), NULL);
    list[2] = "HOME=/tmp";
    list[3] = "USER=anonymous";
    list[4] = apr_pstrcat(pool, "ZCONFIG=", zm_zenv_file(zenv), NULL);
    list[5] = apr_pstrcat(pool, "MAILSHARE=", zm_zenv_mailshare(zenv), NULL);
    list[6] = apr_pstrcat(pool, "MAILBIN=", zm_zenv_mailbin(zenv), NULL);
    return list;
}

/* -- running --------------------------------------------------------------- */

static void on_limit(zm_timer_t *timer, void *baton)
{
    run_t *run = baton;
    (void)timer;
    run->timed_out = true;
    zm_control_kill(zm_child_pid(run->child), true);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    run_t *run = baton;
    (void)child;
    run->end = *end;
    run->ended = true;
}

/* False when there is nothing more to come. */
static bool drain(run_t *run)
{
    char buffer[4096];
    for (;;) {
        apr_size_t length = sizeof buffer, room = OUTPUT_KEPT - run->output.length;
        apr_status_t status = apr_socket_recv(zm_child_channel(run->child), buffer, &length);
        zm_buf_add(&run->output, buffer, length < room ? length : room);
        if (length > 0 || APR_STATUS_IS_EINTR(status))
            continue;
        return APR_STATUS_IS_EAGAIN(status);
    }
}

static void on_output(zm_watch_t *watch, int events, void *baton)
{
    run_t *run = baton;
    (void)events;
    if (!drain(run)) {
        zm_watch_close(watch);
        run->watch = NULL;
    }
}

static apr_status_t start(run_t *run, zm_hold_t *hold, const char *const *words, zm_error_t *error,
                          apr_pool_t *pool)
{
    zm_loop_t *loop = hold->agent->loop;
    zm_child_spec_t spec = {0};
    apr_status_t status;
    spec.argv = words;
    spec.environment = environment(hold->agent->zenv, pool);
    spec.io = ZM_CHILD_CHANNEL;
    spec.own_session = true;
    spec.private_files = true;
    status = zm_child_start(&run->child, &spec, loop, on_end, run, error);
    if (status != APR_SUCCESS)
        return status;
    zm_child_half_close(run->child);
    zm_timer_init(&run->limit, loop, on_limit, run);
    zm_timer_set(&run->limit, hold->script_limit);
    status =
        zm_watch_open(&run->watch, loop, zm_child_channel(run->child), ZM_READ, on_output, run);
    if (status != APR_SUCCESS) /* a script that nobody listens to is ended at once */
        zm_timer_set(&run->limit, 0);
    while (!run->ended && zm_loop_once(loop, -1) == APR_SUCCESS)
        ;
    zm_timer_cancel(&run->limit);
    if (run->watch != NULL)
        drain(run);
    zm_watch_close(run->watch);
    return status;
}

static zm_condition_state_t judge(const run_t *run, const char *name, const char **text,
                                  apr_pool_t *pool)
{
    zm_str_t line, rest;
    if (run->ended && !run->end.signalled && run->end.code == 0)
        return ZM_CONDITION_MET;
    zm_str_cut(zm_buf_str(&run->output), '\n', &line, &rest);
    line = zm_str_trim(line);
    if (line.length > 0)
        *text = zm_field_text(line, pool).data;
    else if (run->timed_out)
        *text = apr_psprintf(pool, "script %s took too long", name);
    else if (run->end.signalled)
        *text = apr_psprintf(pool, "script %s ended by signal %d", name, run->end.code);
    else
        *text = apr_psprintf(pool, "script %s ended with status %d", name, run->end.code);
    return ZM_CONDITION_WAITS;
}

zm_condition_state_t zm_hold_script(zm_hold_t *hold, zm_str_t parameter, const char **text,
                                    apr_pool_t *pool)
{
    const char *words[] = {"/bin/sh", NULL, NULL, NULL}, *against, *name;
    zm_condition_state_t state = ZM_CONDITION_WAITS;
    zm_error_t error = {0};
    zm_str_t leaf, word;
    run_t run = {0};
    if (zm_str_cut(parameter, '/', &leaf, &word))
        words[2] = zm_str_c(pool, word);
    if (!is_script_name(leaf)) {
        *text = "a script's name may have letters, digits, '-' and '_' only";
        return ZM_CONDITION_UNKNOWN;
    }
    name = zm_str_c(pool, leaf);
    words[1] = apr_pstrcat(pool, zm_zenv_mailbin(hold->agent->zenv), "/bin/", name, NULL);
    against = objection(words[1]);
    if (against != NULL)
        *text = apr_psprintf(pool, "script %s %s", words[1], against);
    else if (start(&run, hold, words, &error, pool) != APR_SUCCESS)
        *text = apr_psprintf(pool, "cannot run script %s: %s", name, error.text);
    else
        state = judge(&run, name, text, pool);
    if (run.child != NULL)
        zm_child_close(run.child);
    zm_buf_free(&run.output);
    return state;
}
