/*
 * The process of a desk (desk.h), started by the master with --desk, --filters or --verifiers.
 * Those of the routers and the filters run without rights, and so do they; that of the verifiers
 * keeps the master's, because those must read secrets that nobody else may read.  Its only visitors
 * are our own workers.
 *
 * It says "ready LF" or "fail TEXT LF" on its standard input and output, a socket, and ends
 * when that has ended and the last worker has gone.
 */
#include <apr_env.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "mta/net/socket.h"
#include "mta/smtpserver/desk.h"
#include "mta/smtpserver/program.h"
#include "platform/child.h"
#include "platform/control.h"
#include "platform/localsock.h"
#include "platform/log.h"

typedef struct reception_t {
    program_t *program;
    zm_loop_t *loop;
    desk_t *desk;
    apr_socket_t *channel, *listener;
    zm_watch_t *channel_watch, *door;
    zm_uid_t own; /* who we are: nobody else is let in, but root */
    bool closing;
} reception_t;

const char *program_desk_path(const program_t *program, clerk_kind_t kind)
{
    const char *pid_file = program->arguments.pid_file;
    return apr_pstrcat(program->pool, zm_zenv_postoffice(program->zenv), "/",
                       pid_file != NULL ? pid_file : ".pid.smtpserver",
                       kind == CLERK_FILTER     ? ".filter"
                       : kind == CLERK_VERIFIER ? ".auth"
                                                : ".router",
                       NULL);
}

static void tell_master(const reception_t *reception, const char *text)
{
    apr_size_t length = strlen(text);
    (void)apr_socket_send(reception->channel, text, &length);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void end_if_done(reception_t *reception)
{
    if (reception->closing && desk_workers(reception->desk) == 0)
        zm_loop_stop(reception->loop);
}

static void on_left(void *baton)
{
    end_if_done(baton);
}

static void close_door(reception_t *reception)
{
    if (reception->closing)
        return;
    reception->closing = true;
    zm_watch_close(reception->door);
    (void)apr_socket_close(reception->listener);
    end_if_done(reception);
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    reception_t *reception = baton;
    char bytes[64];
    apr_size_t length = sizeof bytes;
    apr_status_t status = apr_socket_recv(reception->channel, bytes, &length);
    (void)events;
    if (status == APR_SUCCESS || APR_STATUS_IS_EAGAIN(status))
        return;
    zm_watch_close(watch);
    reception->channel_watch = NULL;
    close_door(reception);
}

/* The master says when to end, by its end. */
static void on_control(zm_control_t event, void *baton)
{
    (void)baton;
    if (event == ZM_CONTROL_REOPEN)
        (void)zm_log_reopen();
}

/* -- workers ----------------------------------------------------------------------------------- */

static bool is_ours(const reception_t *reception, apr_socket_t *socket)
{
    zm_credentials_t who;
    apr_int64_t pid;
    apr_status_t status = zm_identity_peer(&who, &pid, socket);
    if (status == ZM_E_UNSUPPORTED || APR_STATUS_IS_ENOTIMPL(status))
        return true;
    return status == APR_SUCCESS && (who.uid == reception->own || who.uid == 0);
}

static void on_door(zm_watch_t *watch, int events, void *baton)
{
    reception_t *reception = baton;
    apr_pool_t *pool;
    apr_socket_t *socket;
    (void)watch;
    (void)events;
    if (apr_pool_create(&pool, reception->program->pool) != APR_SUCCESS)
        return;
    if (zm_localsock_accept(&socket, reception->listener, pool) != APR_SUCCESS ||
        !is_ours(reception, socket) || desk_admit(reception->desk, socket, pool) != APR_SUCCESS)
        apr_pool_destroy(pool);
}

/* -- starting ---------------------------------------------------------------------------------- */

static const char *const *router_command(const reception_t *reception, const char *log)
{
    const program_t *program = reception->program;
    const arguments_t *arguments = &program->arguments;
    apr_pool_t *pool = program->pool;
    apr_array_header_t *argv = apr_array_make(pool, 12, sizeof(const char *));
    APR_ARRAY_PUSH(argv, const char *) =
        arguments->router != NULL
            ? arguments->router
            : apr_pstrcat(pool, zm_zenv_mailbin(program->zenv), "/router", NULL);
    APR_ARRAY_PUSH(argv, const char *) = "-Z";
    APR_ARRAY_PUSH(argv, const char *) = zm_zenv_file(program->zenv);
    if (arguments->postoffice != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-P";
        APR_ARRAY_PUSH(argv, const char *) = arguments->postoffice;
    }
    if (log != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-L";
        APR_ARRAY_PUSH(argv, const char *) = log;
    }
    APR_ARRAY_PUSH(argv, const char *) = "-i";
    APR_ARRAY_PUSH(argv, const char *) = "-I";
    APR_ARRAY_PUSH(argv, const char *) = "smtpserver";
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

/* The filter of the configuration. */
static const char *const *filter_command(const reception_t *reception, zm_error_t *error)
{
    const program_t *program = reception->program;
    apr_pool_t *pool = program->pool;
    const char **argv = apr_pcalloc(pool, 4 * sizeof *argv);
    config_t *config;
    if (program_config(program, &config, pool) != APR_SUCCESS || config->filter.program == NULL) {
        (void)zm_error_set(error, ZM_E_CONFIG, "the configuration has changed meanwhile");
        return NULL;
    }
    argv[0] = config->filter.program;
    argv[1] = "-Z";
    argv[2] = zm_zenv_file(program->zenv);
    return argv;
}

/* What we were started with, up to where it says that we are a desk. */
static const char *const *verifier_command(const program_t *program)
{
    program_t self = *program;
    while (self.arguments.argc > 1 &&
           strcmp(self.arguments.argv[self.arguments.argc - 1], "--verifiers") != 0)
        self.arguments.argc--;
    self.arguments.argc--;
    return program_command(&self, "--verify", NULL, program->pool);
}

/* The log of the routers, which must be able to write it; null: standard error. */
static const char *make_log(const program_t *program)
{
    zm_log_options_t options = {.program = "smtpserver", .level = ZM_LOG_INFO};
    zm_error_t error;
    if (program_log_file(program) == NULL)
        return NULL;
    options.file =
        apr_pstrcat(program->pool, zm_zenv_logdir(program->zenv), "/smtpserver.router.log", NULL);
    if (zm_identity_privileged())
        options.owner = program_account(program).uid;
    zm_log_close();
    if (zm_log_open(&options, &error) == APR_SUCCESS)
        return options.file;
    (void)program_open_log(program, &error);
    return NULL;
}

static apr_status_t open_door(reception_t *reception, zm_error_t *error)
{
    program_t *program = reception->program;
    bool verifying = program->arguments.verifiers > 0;
    /* who may come in is decided when they come */
    clerk_kind_t kind = program->arguments.filters > 0 ? CLERK_FILTER
                        : verifying                    ? CLERK_VERIFIER
                                                       : CLERK_ROUTER;
    apr_status_t status = zm_localsock_listen(
        &reception->listener, program_desk_path(program, kind), 0666, program->pool, error);
    if (status == APR_SUCCESS && !verifying)
        status = program_drop_rights(program, error);
    if (status != APR_SUCCESS)
        return status;
    reception->own = verifying && zm_identity_privileged() ? program_account(program).uid
                                                           : zm_identity_own().uid;
    return APR_SUCCESS;
}

static apr_status_t start(reception_t *reception, zm_error_t *error)
{
    program_t *program = reception->program;
    desk_options_t options = {.left = on_left, .baton = reception};
    apr_pool_t *pool = program->pool;
    apr_status_t status;
    options.counters = zm_counters_open(program->zenv, true, pool);
    if (program->arguments.verifiers > 0) {
        options.kind = CLERK_VERIFIER;
        options.counters = NULL;
        options.clerks = (int)program->arguments.verifiers;
        options.argv = verifier_command(program);
    } else if (program->arguments.filters > 0) {
        options.kind = CLERK_FILTER;
        options.argv = filter_command(reception, error);
        options.directory = zm_zenv_postoffice(program->zenv);
        options.clerks = (int)program->arguments.filters;
        if (options.argv == NULL)
            return ZM_E_CONFIG;
    } else {
        options.argv = router_command(reception, make_log(program));
        options.clerks = (int)program->arguments.desk;
    }
    status = open_door(reception, error);
    if (status != APR_SUCCESS)
        return status;
    (void)apr_env_set("SMTPSERVER", "y", pool);
    status = zm_loop_create(&reception->loop, pool);
    if (status == APR_SUCCESS)
        status = zm_control_listen(reception->loop, on_control, reception);
    if (status == APR_SUCCESS)
        status = desk_create(&reception->desk, reception->loop, &options, pool);
    if (status == APR_SUCCESS)
        status = zm_watch_open(&reception->channel_watch, reception->loop, reception->channel,
                               ZM_READ, on_channel, reception);
    if (status == APR_SUCCESS)
        status = zm_watch_open(&reception->door, reception->loop, reception->listener, ZM_READ,
                               on_door, reception);
    return status == APR_SUCCESS ? status
                                 : zm_error_system(error, status, "cannot set up the event loop");
}

int desk_run(program_t *program)
{
    reception_t reception = {.program = program};
    zm_error_t error = {0};
    apr_status_t status = zm_child_own_channel(&reception.channel, program->pool);
    if (status != APR_SUCCESS)
        return 1;
    if (start(&reception, &error) != APR_SUCCESS) {
        tell_master(&reception, apr_pstrcat(program->pool, "fail ", error.text, "\n", NULL));
        return error.status == ZM_E_CONFIG ? ZM_EXIT_CONFIG : 71;
    }
    tell_master(&reception, "ready\n");
    status = zm_loop_run(reception.loop);
    desk_close(reception.desk);
    return status == APR_SUCCESS ? 0 : 71;
}
