#include "mta/admin/daemons.h"

#include <apr_env.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "platform/child.h"
#include "platform/log.h"
#include "platform/exec.h"
#include "platform/fs.h"
#include "platform/service.h"

static const char *pid_path(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    return apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/", daemon->pid_file, NULL);
}

apr_int64_t daemon_pid(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    apr_int64_t pid;
    return zm_pidfile_holder(&pid, pid_path(daemon, zenv, pool), pool) == APR_SUCCESS ? pid : 0;
}

#define OPTIONS_LIMIT (64u << 10)

/* The options of a ZENV variable as words: blanks separate, "..." and '...' hold together. */
static void add_words(apr_array_header_t *argv, const char *text)
{
    zm_buf_t word = ZM_BUF_INIT;
    bool any = false;
    char quote = '\0';
    for (;; text++) {
        if (*text != '\0' && quote == '\0' && (*text == '"' || *text == '\'')) {
            quote = *text;
            any = true;
        } else if (*text != '\0' && *text == quote) {
            quote = '\0';
        } else if (*text == '\0' || (quote == '\0' && zm_is_space((unsigned char)*text))) {
            if (any || word.length > 0)
                APR_ARRAY_PUSH(argv, const char *) = apr_pstrdup(argv->pool, zm_buf_c(&word));
            zm_buf_clear(&word);
            any = false;
            if (*text == '\0')
                break;
        } else {
            zm_buf_add_byte(&word, *text);
        }
    }
    zm_buf_free(&word);
}

/* A server with a configuration of its own may have options of its own beside it. */
static const char *options_of(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    const char *slash = daemon->config != NULL ? strrchr(daemon->config, '/') : NULL;
    char *text;
    apr_size_t length;
    if (slash != NULL && zm_file_slurp(&text, &length,
                                       apr_psprintf(pool, "%.*s/.%s", (int)(slash - daemon->config),
                                                    daemon->config, slash + 1),
                                       OPTIONS_LIMIT, pool) == APR_SUCCESS)
        return zm_zenv_expand(zenv, zm_str_of(text, length),
                              ZM_EXPAND_BRACES | ZM_EXPAND_NAMES | ZM_EXPAND_EMPTY, NULL, NULL,
                              pool)
            .data;
    return zm_zenv_get_or(zenv, daemon->variable, daemon->otherwise);
}

static const char *const *command(const daemon_t *daemon, bool foreground, bool log,
                                  const zm_zenv_t *zenv, apr_pool_t *pool)
{
    apr_array_header_t *argv = apr_array_make(pool, 16, sizeof(const char *));
    APR_ARRAY_PUSH(argv, const char *) =
        apr_pstrcat(pool, zm_zenv_mailbin(zenv), "/", daemon->program, NULL);
    APR_ARRAY_PUSH(argv, const char *) = "-Z";
    APR_ARRAY_PUSH(argv, const char *) = zm_zenv_file(zenv);
    add_words(argv, options_of(daemon, zenv, pool));
    if (daemon->config != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-C";
        APR_ARRAY_PUSH(argv, const char *) = daemon->config;
        APR_ARRAY_PUSH(argv, const char *) = "-I";
        APR_ARRAY_PUSH(argv, const char *) = daemon->pid_file;
    }
    if (foreground)
        APR_ARRAY_PUSH(argv, const char *) = "--foreground";
    if (log) {
        APR_ARRAY_PUSH(argv, const char *) = "--log";
        APR_ARRAY_PUSH(argv, const char *) =
            apr_pstrcat(pool, zm_zenv_logdir(zenv), "/", daemon->log, NULL);
    }
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

/* -- starting ---------------------------------------------------------------------- */

typedef struct wait_t {
    zm_loop_t *loop;
    zm_child_end_t end;
} wait_t;

static void on_started(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    wait_t *wait = baton;
    (void)child;
    wait->end = *end;
    zm_loop_stop(wait->loop);
}

int daemon_run(const char *name, const char *const *argv, apr_pool_t *pool, zm_error_t *error)
{
    zm_child_spec_t spec = {0};
    zm_child_t *child;
    wait_t wait = {0};
    apr_status_t status;

    error->text[0] = '\0';
    spec.argv = argv;
    spec.io = ZM_CHILD_INHERIT;
    if ((status = zm_loop_create(&wait.loop, pool)) != APR_SUCCESS) {
        zm_error_system(error, status, "cannot wait for %s", name);
        return 71;
    }
    if (zm_child_start(&child, &spec, wait.loop, on_started, &wait, error) != APR_SUCCESS)
        return 71;
    status = zm_loop_run(wait.loop);
    zm_child_close(child);
    if (status != APR_SUCCESS) {
        zm_error_system(error, status, "cannot wait for %s", name);
        return 71;
    }
    if (wait.end.signalled) {
        zm_error_set(error, APR_EGENERAL, "%s was killed by signal %d while it started", name,
                     wait.end.code);
        return 70;
    }
    return wait.end.code;
}

/* The router reads compiled databases: what has a newer source is compiled first. */
static void prepare(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    const char *conf = apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/db/dbases.conf", NULL);
    const char *argv[6], *self;
    zm_file_info_t info;
    zm_error_t error;
    if (daemon->config != NULL) /* its pid file goes where those of its siblings are */
        (void)zm_dir_make_all(apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/.pid.smtpserver", NULL),
                              0755, pool);
    if (strcmp(daemon->name, "router") != 0 || zm_service_program(&self, pool) != APR_SUCCESS)
        return;
    argv[0] = apr_psprintf(pool, "%.*s/newaliases", (int)(strrchr(self, '/') - self), self);
    argv[1] = "-Z";
    argv[2] = zm_zenv_file(zenv);
    argv[3] = "--quiet";
    argv[4] = "--if-needed";
    argv[5] = NULL;
    (void)daemon_run("newaliases", argv, pool,
                     &error); /* it says itself what is wrong, and the old aliases stay */
    if (zm_path_info(&info, NULL, conf) != APR_SUCCESS)
        return;
    argv[0] = apr_psprintf(pool, "%.*s/newdbprocessor", (int)(strrchr(self, '/') - self), self);
    argv[3] = "--silent";
    argv[4] = NULL;
    (void)daemon_run("newdbprocessor", argv, pool, &error);
}

int daemon_start(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    (void)apr_env_set("ZCONFIG", zm_zenv_file(zenv), pool);
    prepare(daemon, zenv, pool);
    return daemon_run(daemon->name, command(daemon, false, false, zenv, pool), pool, error);
}

apr_status_t daemon_become(const daemon_t *daemon, const zm_zenv_t *zenv, apr_pool_t *pool,
                           zm_error_t *error)
{
    (void)apr_env_set("ZCONFIG", zm_zenv_file(zenv), pool);
    prepare(daemon, zenv, pool);
    return zm_program_exec(command(daemon, true, false, zenv, pool), error);
}

/* -- supervising -------------------------------------------------------------------- */

typedef struct supervisor_t supervisor_t;

typedef struct ward_t {
    supervisor_t *supervisor;
    const daemon_t *daemon;
    zm_child_t *child;
    zm_timer_t again;
    apr_interval_time_t delay; /* before the next start, grows while it keeps failing */
    apr_time_t started;
} ward_t;

struct supervisor_t {
    zm_loop_t *loop;
    const zm_zenv_t *zenv;
    ward_t *wards;
    int count;
    bool as_service;
    bool stopping;
    zm_timer_t enough; /* of waiting for those that are to end */
};

#define FIRST_DELAY apr_time_from_sec(1)
#define LAST_DELAY apr_time_from_sec(60)
#define STOP_PATIENCE apr_time_from_sec(20)

static void ward_start(zm_timer_t *timer, void *baton);

static void stop_when_empty(supervisor_t *supervisor)
{
    int i;
    for (i = 0; i < supervisor->count; i++)
        if (supervisor->wards[i].child != NULL)
            return;
    zm_loop_stop(supervisor->loop);
}

static void on_ward_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    ward_t *ward = baton;
    zm_child_close(child);
    ward->child = NULL;
    if (ward->supervisor->stopping) {
        stop_when_empty(ward->supervisor);
        return;
    }
    if (apr_time_now() - ward->started > LAST_DELAY)
        ward->delay = FIRST_DELAY;
    zm_log(ZM_LOG_ERROR, NULL, "daemon ended", ZM_F_S("name", ward->daemon->name),
           ZM_F_I("code", end->code), ZM_F_I("again_in", apr_time_sec(ward->delay)));
    zm_timer_set(&ward->again, ward->delay);
    ward->delay = ward->delay * 2 > LAST_DELAY ? LAST_DELAY : ward->delay * 2;
}

static void ward_start(zm_timer_t *timer, void *baton)
{
    ward_t *ward = baton;
    zm_child_spec_t spec = {0};
    zm_error_t error = {0};
    apr_pool_t *pool;
    (void)timer;
    apr_pool_create(&pool, NULL);
    spec.argv =
        command(ward->daemon, true, ward->supervisor->as_service, ward->supervisor->zenv, pool);
    spec.io = ZM_CHILD_INHERIT;
    spec.new_group = true;
    ward->started = apr_time_now();
    if (zm_child_start(&ward->child, &spec, ward->supervisor->loop, on_ward_end, ward, &error) !=
        APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "daemon cannot start", ZM_F_S("name", ward->daemon->name),
               ZM_F_S("reason", error.text));
        ward->child = NULL;
        zm_timer_set(&ward->again, LAST_DELAY);
    }
    apr_pool_destroy(pool);
}

static void on_enough(zm_timer_t *timer, void *baton)
{
    supervisor_t *supervisor = baton;
    int i;
    (void)timer;
    for (i = 0; i < supervisor->count; i++)
        if (supervisor->wards[i].child != NULL) {
            zm_log(ZM_LOG_WARNING, NULL, "daemon does not end, killed",
                   ZM_F_S("name", supervisor->wards[i].daemon->name));
            (void)zm_control_kill(zm_child_pid(supervisor->wards[i].child), true);
        }
}

static void on_control(zm_control_t event, void *baton)
{
    supervisor_t *supervisor = baton;
    int i;
    if (event == ZM_CONTROL_REOPEN)
        (void)zm_log_reopen();
    if (event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP)
        supervisor->stopping = true;
    if (event == ZM_CONTROL_STOP && supervisor->as_service)
        zm_timer_set(&supervisor->enough, STOP_PATIENCE);
    for (i = 0; i < supervisor->count; i++) {
        if (supervisor->stopping)
            zm_timer_cancel(&supervisor->wards[i].again);
        if (supervisor->wards[i].child != NULL)
            (void)zm_child_control(supervisor->wards[i].child, event);
    }
    if (supervisor->stopping)
        stop_when_empty(supervisor);
}

int daemons_supervise(const daemon_t *const *list, int count, bool as_service,
                      const zm_zenv_t *zenv, apr_pool_t *pool)
{
    supervisor_t supervisor = {.zenv = zenv,
                               .wards = apr_pcalloc(pool, (apr_size_t)count * sizeof(ward_t)),
                               .count = count,
                               .as_service = as_service};
    int i;
    if (zm_loop_create(&supervisor.loop, pool) != APR_SUCCESS ||
        zm_control_listen(supervisor.loop, on_control, &supervisor) != APR_SUCCESS)
        return 71;
    (void)apr_env_set("ZCONFIG", zm_zenv_file(zenv), pool);
    zm_timer_init(&supervisor.enough, supervisor.loop, on_enough, &supervisor);
    for (i = 0; i < count; i++) {
        ward_t *ward = &supervisor.wards[i];
        ward->supervisor = &supervisor;
        ward->daemon = list[i];
        ward->delay = FIRST_DELAY;
        prepare(list[i], zenv, pool);
        zm_timer_init(&ward->again, supervisor.loop, ward_start, ward);
        ward_start(&ward->again, ward);
    }
    zm_service_ready();
    return zm_loop_run(supervisor.loop) == APR_SUCCESS ? 0 : 70;
}

/* -- stopping ------------------------------------------------------------------------ */

apr_status_t daemon_control(const daemon_t *daemon, zm_control_t event, const zm_zenv_t *zenv,
                            apr_pool_t *pool)
{
    apr_int64_t pid = daemon_pid(daemon, zenv, pool);
    if (pid == 0)
        return APR_ENOENT;
    return zm_control_send(pid, false, event);
}

apr_status_t daemon_stop(const daemon_t *daemon, bool kill, int seconds, const zm_zenv_t *zenv,
                         apr_pool_t *pool)
{
    apr_int64_t pid = daemon_pid(daemon, zenv, pool);
    apr_time_t end = apr_time_now() + apr_time_from_sec(seconds);
    apr_status_t status;
    if (pid == 0)
        return APR_ENOENT;
    status = kill ? zm_control_kill(pid, daemon->group)
                  : zm_control_send(pid, daemon->group, ZM_CONTROL_STOP);
    if (status != APR_SUCCESS)
        return status;
    /* Its lock on the pid file tells, not its number: that lives on until somebody reaps it. */
    while (daemon_pid(daemon, zenv, pool) == pid) {
        if (apr_time_now() > end)
            return APR_TIMEUP;
        apr_sleep(apr_time_from_msec(10));
    }
    return APR_SUCCESS;
}
