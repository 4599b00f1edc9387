#include "mta/scheduler/extra.h"

#include <apr_strings.h>

#include "platform/child.h"
#include "platform/log.h"

#define PATIENCE (10 * APR_USEC_PER_SEC)
#define MOST_SAID 65536
#define READ_SIZE 4096

struct zm_extra_t {
    apr_pool_t *pool;
    zm_child_t *child;
    zm_watch_t *watch;
    zm_timer_t patience;
    zm_extra_fn *done;
    void *baton;
    zm_buf_t said;
};

void zm_extra_cancel(zm_extra_t *extra)
{
    if (extra == NULL)
        return;
    zm_timer_cancel(&extra->patience);
    zm_watch_close(extra->watch);
    zm_child_kill(extra->child);
    zm_child_close(extra->child);
    zm_buf_free(&extra->said);
    apr_pool_destroy(extra->pool);
}

static void finish(zm_extra_t *extra)
{
    zm_buf_t said = extra->said;

    extra->said = (zm_buf_t)ZM_BUF_INIT;
    if (said.length > MOST_SAID)
        said.length = MOST_SAID;
    while (said.length > 0 && said.data[said.length - 1] != '\n')
        said.length--;
    extra->done(extra->baton, zm_buf_str(&said));
    zm_extra_cancel(extra);
    zm_buf_free(&said);
}

static void too_late(zm_timer_t *timer, void *baton)
{
    zm_extra_t *extra = baton;
    (void)timer;
    zm_log(ZM_LOG_WARNING, NULL, "the program of SCHEDULER_M_EXTRA did not end in time");
    finish(extra);
}

static void readable(zm_watch_t *watch, int events, void *baton)
{
    zm_extra_t *extra = baton;
    apr_size_t length = READ_SIZE;
    apr_status_t status;

    (void)watch;
    (void)events;
    zm_buf_reserve(&extra->said, READ_SIZE);
    status = apr_socket_recv(zm_child_channel(extra->child), extra->said.data + extra->said.length,
                             &length);
    if (APR_STATUS_IS_EAGAIN(status))
        return;
    if (status == APR_SUCCESS && length > 0)
        extra->said.length += length;
    if (status != APR_SUCCESS || length == 0 || extra->said.length > MOST_SAID)
        finish(extra);
}

/* What it wrote is read to its end first, so this is not when it is done. */
static void ended(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    (void)child;
    (void)end;
    (void)baton;
}

static apr_status_t start(zm_extra_t *extra, zm_loop_t *loop, const zm_zenv_t *zenv,
                          const char *program, zm_error_t *error)
{
    const char *const argv[] = {program, NULL};
    const char *environment[3] = {NULL, NULL, NULL};
    zm_credentials_t nobody = zm_identity_nobody(zm_zenv_get_or(zenv, "NOBODY", NULL), extra->pool);
    zm_child_spec_t spec = {.argv = argv, .environment = environment, .directory = "/"};
    apr_status_t status;

    environment[0] =
        apr_pstrcat(extra->pool, "PATH=", zm_zenv_get_or(zenv, "PATH", "/usr/bin:/bin"), NULL);
    environment[1] = apr_pstrcat(extra->pool, "ZCONFIG=", zm_zenv_file(zenv), NULL);
    spec.io = ZM_CHILD_CHANNEL;
    if (zm_identity_privileged())
        spec.as = &nobody;
    status = zm_child_start(&extra->child, &spec, loop, ended, extra, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_watch_open(&extra->watch, loop, zm_child_channel(extra->child), ZM_READ, readable,
                           extra);
    if (status == APR_SUCCESS)
        return APR_SUCCESS;
    zm_child_kill(extra->child);
    zm_child_close(extra->child);
    return zm_error_system(error, status, "cannot watch %s", program);
}

zm_extra_t *zm_extra_start(zm_loop_t *loop, const zm_zenv_t *zenv, zm_extra_fn *done, void *baton)
{
    const char *program = zm_zenv_get_or(zenv, "SCHEDULER_M_EXTRA", NULL);
    apr_pool_t *pool;
    zm_extra_t *extra;
    zm_error_t error;

    if (program == NULL || program[0] == '\0')
        return NULL;
    apr_pool_create(&pool, NULL);
    extra = apr_pcalloc(pool, sizeof *extra);
    extra->pool = pool;
    extra->done = done;
    extra->baton = baton;
    if (start(extra, loop, zenv, program, &error) != APR_SUCCESS) {
        zm_log(ZM_LOG_WARNING, NULL, "SCHEDULER_M_EXTRA", ZM_F_S("reason", error.text));
        apr_pool_destroy(pool);
        return NULL;
    }
    zm_timer_init(&extra->patience, loop, too_late, extra);
    zm_timer_set(&extra->patience, PATIENCE);
    return extra;
}
