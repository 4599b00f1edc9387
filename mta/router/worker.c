#include "mta/router/worker.h"

#include <apr_env.h>
#include <apr_poll.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/map/map.h"
#include "mta/router/commands.h"
#include "mta/router/message.h"
#include "mta/router/record.h"
#include "mta/script/dialogue.h"
#include "platform/clock.h"
#include "platform/control.h"
#include "platform/log.h"
#include "platform/sandbox.h"

#define LINE_LIMIT 4096
#define ANSWERS_KEPT 4                      /* that may wait for more of them */
#define LONGEST_KEPT apr_time_from_msec(20) /* from the last that were sent */
#define MOST_LINES 10000                    /* of what scripts print, for one message */
#define MESSAGE_STEPS                                                                              \
    160000000 /* of the interpreter, for one message; an eighth for one address                    \
               */

/* What scripts print and complain about goes to the log, line by line. */
static void on_output(void *baton, int stream, const char *data, apr_size_t length)
{
    router_worker_t *worker = baton;
    const char *id = worker->message != NULL ? worker->message->spool_id : NULL;
    zm_str_t rest = zm_str_trim(zm_str_of(data, length)), line;
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        if (worker->lines++ >= MOST_LINES) {
            if (worker->lines == MOST_LINES + 1)
                zm_log(ZM_LOG_WARNING, id, "what the configuration says more is not logged");
            return;
        }
        if (stream == 1)
            router_log_text(ZM_LOG_NOTICE, id, line);
        else
            zm_log(ZM_LOG_NOTICE, id, "configuration complains", ZM_F_N("text", line));
    }
}

static void set_variable(void *baton, const char *name, const char *value)
{
    zm_script_set_str(baton, name, zm_str(value));
}

/* The relations that every configuration finds there. */
static apr_status_t add_relations(router_worker_t *worker, zm_error_t *error)
{
    int code;
    router_commands_headers(worker);
    return zm_script_run(worker->script,
                         ZM_S("relation -lt header headers\n"
                              "relation -t incore trusted\n"
                              "for u in root daemon daemons uucp\ndo db add trusted $u $u\ndone\n"
                              "relation -t incore pwuid\n"
                              "relation -t incore pwnam\n"
                              "relation -t incore fullname\n"),
                         "built-in", &code, error);
}

static void set_variables(router_worker_t *worker)
{
    zm_zenv_each(worker->zenv, set_variable, worker->script);
    set_variable(worker->script, "ZCONFIG", zm_zenv_file(worker->zenv));
    set_variable(worker->script, "MAILSHARE", zm_zenv_mailshare(worker->zenv));
    set_variable(worker->script, "MAILVAR", zm_zenv_mailvar(worker->zenv));
    set_variable(worker->script, "MAILBIN", zm_zenv_mailbin(worker->zenv));
    set_variable(worker->script, "POSTOFFICE", zm_zenv_postoffice(worker->zenv));
}

/* A configuration of which a part is missing is none. */
static apr_status_t check_configuration(const router_worker_t *worker, const char *config,
                                        zm_error_t *error)
{
    if (zm_script_syntax_error(worker->script) != NULL)
        return zm_error_set(error, ZM_E_CONFIG, "%s", zm_script_syntax_error(worker->script));
    if (worker->hostname == NULL)
        return zm_error_set(error, ZM_E_CONFIG,
                            "%s: nothing sets our host name; the command \"hostname NAME\" does",
                            config);
    if (!zm_script_has_function(worker->script, "router") ||
        !zm_script_has_function(worker->script, "crossbar"))
        return zm_error_set(error, ZM_E_CONFIG,
                            "%s: the functions router and crossbar must be defined", config);
    return APR_SUCCESS;
}

static apr_status_t begin_traces(router_worker_t *worker, const router_worker_options_t *options,
                                 zm_error_t *error)
{
    int i;
    for (i = 0; i < options->trace_count; i++) {
        zm_value_t word = zm_value_of(zm_str(options->traces[i]));
        zm_script_result_t result = {0};
        apr_status_t status = zm_script_call(worker->script, "trace", &word, 1, &result, error);
        if (status == APR_SUCCESS && result.status != 0)
            status = zm_error_set(error, ZM_E_CONFIG, "-t %s: there is no such trace",
                                  options->traces[i]);
        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

/* -- signals ---------------------------------------------------------------------------------- */

static zm_script_t *signalled;

static void note_signal(int number)
{
    zm_script_signal(signalled, number);
}

static void on_trap(void *baton, int number, zm_trap_t what)
{
    (void)baton;
    (void)zm_control_catch(number, what == ZM_TRAP_CATCH ? note_signal : NULL);
}

/* The master says when to end, by the end of our input; signals are for the traps of scripts. */
static void decline_signals(router_worker_t *worker)
{
    (void)zm_control_decline();
    signalled = worker->script;
    zm_script_hold_trap(worker->script, 1, true);
    zm_script_on_trap(worker->script, on_trap, NULL);
}

static apr_status_t load_script(router_worker_t *worker, const router_worker_options_t *options,
                                zm_error_t *error)
{
    zm_script_options_t settings = {0};
    apr_status_t status;
    int code;
    settings.name = "router";
    settings.flags = options->script_flags;
    settings.environment = options->environment;
    settings.limits.steps = options->config != NULL ? MESSAGE_STEPS : ~(uint64_t)0;
    settings.old_sift = options->old_sift;
    if ((status = zm_script_create(&worker->script, &settings, worker->pool)) != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make an interpreter");
    if (options->served)
        decline_signals(worker);
    zm_script_set_output(worker->script, 1, on_output, worker);
    zm_script_set_output(worker->script, 2, on_output, worker);
    router_commands_users(worker);
    router_commands_files(worker);
    router_commands_lists(worker);
    router_commands_message(worker);
    router_commands_srs(worker);
    if ((status = add_relations(worker, error)) != APR_SUCCESS)
        return status;
    set_variables(worker);
    zm_dialogue_defaults(worker->script);
    if (options->config != NULL &&
        ((status = zm_script_source(worker->script, options->config, &code, error)) !=
             APR_SUCCESS ||
         (status = check_configuration(worker, options->config, error)) != APR_SUCCESS))
        return status;
    return begin_traces(worker, options, error);
}

apr_status_t router_worker_open(router_worker_t **result, const router_worker_options_t *options,
                                apr_pool_t *pool, zm_error_t *error)
{
    router_worker_t *worker = apr_pcalloc(pool, sizeof *worker);
    apr_status_t status;
    *result = worker;
    worker->zenv = options->zenv;
    worker->pool = pool;
    worker->nobody = zm_identity_nobody(zm_zenv_get_or(options->zenv, "NOBODY", NULL), pool).uid;
    worker->own = zm_identity_privileged() ? ZM_UID_NONE : zm_identity_own().uid;
    worker->served = options->served;
    worker->illegal_object = options->illegal_object;
    worker->no_fromto = options->no_fromto;
    worker->hash_levels = zm_zenv_get_or(options->zenv, "SCHEDULERDIRHASH", "2")[0] - '0';
    if (worker->hash_levels < 0 || worker->hash_levels > 2)
        worker->hash_levels = 0;
    worker->scheduler_notify =
        zm_site_path(options->zenv, "SCHEDULERNOTIFY", ".scheduler.notify", pool);
    worker->syslog = strpbrk(zm_zenv_get_or(options->zenv, "SYSLOGFLG", "R"), "Rr");
    worker->fromto_syslog = options->fromto_syslog;
    worker->header_table = zm_header_table_create(pool);
    if ((status = zm_site_spool(&worker->spool, options->zenv, NULL, pool, error)) != APR_SUCCESS ||
        (status = router_opener_create(&worker->opener, worker->spool, options->pickup_socket, pool,
                                       error)) != APR_SUCCESS ||
        (status = zm_accounts_open(&worker->accounts, options->zenv, pool, error)) != APR_SUCCESS)
        return status;
    worker->counters = zm_counters_open(options->zenv, false, pool);
    zm_site_submitter(&worker->submitter, options->zenv, worker->spool, pool);
    return load_script(worker, options, error);
}

/* The name as scripts know it: relative to router/. */
static const char *script_name(router_worker_t *worker, const char *name)
{
    if (strncmp(name, ZM_DIR_ROUTER "/", sizeof ZM_DIR_ROUTER) == 0)
        return name + sizeof ZM_DIR_ROUTER;
    return apr_pstrcat(zm_script_pool(worker->script), "../", name, NULL);
}

void router_worker_process(router_worker_t *worker, const char *name)
{
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    zm_value_t argument;
    apr_status_t status;
    zm_map_look_again();
    worker->lines = 0;
    zm_script_run_traps(worker->script);
    zm_script_begin(worker->script);
    argument = zm_script_string_c(worker->script, script_name(worker, name));
    status = zm_script_call(worker->script, "process", &argument, 1, &result, &error);
    if (status != APR_SUCCESS) {
        worker->message = NULL;
        zm_log(ZM_LOG_ERROR, NULL, "message is left where it is", ZM_F_S("name", name),
               ZM_F_S("error", error.text));
    }
    router_commands_forget(worker);
    zm_script_end(worker->script);
    zm_script_run_traps(worker->script);
}

apr_status_t router_worker_confine(router_worker_t *worker, const char *log, zm_error_t *error)
{
    apr_pool_t *pool = worker->pool;
    const char *slash = log != NULL ? strrchr(log, '/') : NULL;
    const char *logs = slash != NULL && slash > log
                           ? apr_pstrmemdup(pool, log, (apr_size_t)(slash - log))
                           : zm_zenv_logdir(worker->zenv);
    const char *const everything[] = {"/", NULL};
    const char *const write[] = {zm_zenv_postoffice(worker->zenv),
                                 zm_zenv_mailvar(worker->zenv),
                                 logs,
                                 "/tmp",
                                 "/dev/null",
                                 NULL};
    zm_sandbox_t allowed = {everything, write, everything, true, true};
    apr_status_t status;
    if (zm_identity_privileged())
        return APR_SUCCESS;
    status = zm_sandbox_enter(&allowed, error);
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

/* -- serving ---------------------------------------------------------------------------------- */

/* -- the channel to the master --------------------------------------------------------------- */

typedef struct channel_t {
    apr_file_t *in;
    zm_buf_t input; /* what has come and is not taken yet */
    int kept;       /* answers that are not sent yet */
    apr_time_t sent;
    apr_pool_t *pool;
} channel_t;

static void send_answers(channel_t *channel)
{
    fflush(stdout);
    channel->kept = 0;
    channel->sent = zm_clock_monotonic();
}

/* Reads what there is; waits for it if need be.  False: there will be nothing more. */
static bool read_more(channel_t *channel)
{
    apr_size_t length = LINE_LIMIT;
    apr_status_t status;
    if (channel->input.length > LINE_LIMIT)
        return false;
    zm_buf_reserve(&channel->input, length);
    status = apr_file_read(channel->in, channel->input.data + channel->input.length, &length);
    if (status == APR_SUCCESS)
        channel->input.length += length;
    return status == APR_SUCCESS;
}

/* The next name; null: there is no whole one. */
static const char *take_name(channel_t *channel, apr_pool_t *pool)
{
    zm_str_t line, rest;
    const char *name;
    if (!zm_str_cut(zm_buf_str(&channel->input), '\n', &line, &rest))
        return NULL;
    name = zm_str_c(pool, line);
    zm_buf_consume(&channel->input, line.length + 1);
    return name;
}

/* The message in hand has to wait: those behind it go to others. */
static void give_back(void *baton)
{
    channel_t *channel = baton;
    apr_pollfd_t wanted = {.desc_type = APR_POLL_FILE, .reqevents = APR_POLLIN};
    const char *name;
    apr_int32_t ready;
    apr_pool_t *pool;
    if (apr_pool_create(&pool, channel->pool) != APR_SUCCESS)
        return;
    wanted.p = pool;
    wanted.desc.f = channel->in;
    if (apr_poll(&wanted, 1, &ready, 0) == APR_SUCCESS && ready == 1)
        (void)read_more(channel);
    printf("#waiting\n");
    while ((name = take_name(channel, pool)) != NULL)
        printf("#return %s\n", name);
    send_answers(channel);
    apr_pool_destroy(pool);
}

/* One more is done.  Several are told at once, since each wakes the master, but before we wait. */
static void answer(channel_t *channel)
{
    fputs("#hungry\n", stdout);
    if (++channel->kept >= ANSWERS_KEPT || zm_clock_monotonic() - channel->sent >= LONGEST_KEPT)
        send_answers(channel);
}

int router_worker_serve(router_worker_t *worker)
{
    channel_t channel = {.pool = worker->pool};
    apr_pool_t *pool;
    bool going = apr_file_open_stdin(&channel.in, worker->pool) == APR_SUCCESS &&
                 apr_pool_create(&pool, worker->pool) == APR_SUCCESS;
    zm_map_set_waiting(give_back, &channel);
    fputs("#hungry\n", stdout);
    while (going) {
        const char *name = take_name(&channel, pool);
        if (name == NULL) {
            send_answers(&channel);
            going = read_more(&channel);
            continue;
        }
        router_worker_process(worker, name);
        apr_pool_clear(pool);
        answer(&channel);
    }
    zm_map_set_waiting(NULL, NULL);
    zm_buf_free(&channel.input);
    zm_spool_close(worker->spool);
    return 0;
}
