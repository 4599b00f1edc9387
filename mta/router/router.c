/*
 * router(8): decides what becomes of each submitted message.
 *
 * One program in several roles: the daemon's master (-d), its workers
 * (--worker, started by the master), routing of given files, and --explain,
 * which shows how addresses would be routed.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "mta/map/map.h"
#include "mta/router/explain.h"
#include "mta/router/interactive.h"
#include "mta/router/master.h"
#include "mta/router/worker.h"
#include "platform/control.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "platform/service.h"

typedef struct router_t {
    zm_zenv_options_t site;
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    bool daemon, kill_previous, foreground, worker, explain, json, no_fromto, order;
    bool illegal_object, debug, interactive, fromto_syslog, old_sift, script;
    int64_t workers;
    const char *config, *log, *postoffice, *script_flags, *pickup, *service, *old_ways;
    const char *const *environment;
    apr_array_header_t *traces;    /* of const char *: words of -t */
    apr_array_header_t *explained; /* of const char *: addresses of -t */
} router_t;

static int complain(int code, const char *text)
{
    fprintf(stderr, "router: %s\n", text);
    return code;
}

static apr_status_t toggle(void *target, const char *argument, zm_error_t *error)
{
    bool *flag = target;
    (void)argument;
    (void)error;
    *flag = !*flag;
    return APR_SUCCESS;
}

static apr_status_t ignore(void *target, const char *argument, zm_error_t *error)
{
    (void)target;
    (void)argument;
    (void)error;
    return APR_SUCCESS;
}

/* What is no word to trace is an address to explain. */
static apr_status_t add_trace(void *target, const char *argument, zm_error_t *error)
{
    router_t *router = target;
    (void)error;
    if (zm_script_trace_word(zm_str(argument))) {
        APR_ARRAY_PUSH(router->traces, const char *) = argument;
    } else {
        APR_ARRAY_PUSH(router->explained, const char *) = argument;
        router->explain = true;
    }
    return APR_SUCCESS;
}

/* --old-ways=WORD,WORD: what the original did otherwise (router.8). */
static apr_status_t add_old_ways(void *target, const char *argument, zm_error_t *error)
{
    router_t *router = target;
    zm_str_t rest = zm_str(argument), word;
    unsigned maps = 0;
    bool more = true;
    while (more) {
        bool all;
        more = zm_str_cut(rest, ',', &word, &rest);
        all = zm_str_equal_c(word, "all");
        if (!all && !zm_str_equal_c(word, "sift") && !zm_str_equal_c(word, "keys") &&
            !zm_str_equal_c(word, "covered"))
            return zm_error_set(error, ZM_E_CONFIG,
                                "unknown old way \"%.*s\": sift, keys, covered or all",
                                (int)word.length, word.data);
        router->old_sift |= all || zm_str_equal_c(word, "sift");
        maps |= all || zm_str_equal_c(word, "keys") ? ZM_MAP_OLD_KEYS : 0u;
        maps |= all || zm_str_equal_c(word, "covered") ? ZM_MAP_OLD_COVERED : 0u;
    }
    zm_map_set_old(maps);
    router->old_ways = argument;
    return APR_SUCCESS;
}

static const char *config_path(const router_t *router)
{
    return router->config
               ? router->config
               : apr_pstrcat(router->pool, zm_zenv_mailshare(router->zenv), "/router.cf", NULL);
}

/* The account of the workers: ROUTERUSER, else who owns the input directory.  None: they stay what
 * we are. */
static bool worker_account(const router_t *router, zm_credentials_t *who)
{
    const char *name = zm_zenv_get_or(router->zenv, "ROUTERUSER", NULL);
    const char *input =
        apr_pstrcat(router->pool, zm_zenv_postoffice(router->zenv), "/router/.", NULL);
    zm_file_info_t info;
    zm_user_t *user;
    if (!zm_identity_privileged())
        return false;
    if (name != NULL && zm_user_by_name(&user, name, router->pool) == APR_SUCCESS) {
        who->uid = user->uid;
        who->gid = user->gid;
        return user->uid != 0;
    }
    if (zm_path_info(&info, NULL, input) != APR_SUCCESS || info.uid == 0)
        return false;
    who->uid = info.uid;
    who->gid = info.gid;
    return true;
}

static apr_status_t open_log(router_t *router, zm_error_t *error)
{
    zm_log_options_t options = {0};
    zm_credentials_t account;
    options.program = "router";
    options.level = router->debug ? ZM_LOG_DEBUG : ZM_LOG_INFO;
    options.file = router->log;
    if (router->daemon && !router->worker && worker_account(router, &account))
        options.owner = account.uid; /* the workers write it too */
    if (options.file == NULL && (router->daemon || router->worker) && !router->foreground)
        options.file = apr_pstrcat(router->pool, zm_zenv_logdir(router->zenv), "/router", NULL);
    return zm_log_open(&options, error);
}

/* -- workers ------------------------------------------------------------------------------ */

static apr_status_t open_worker(router_t *router, router_worker_t **worker, zm_error_t *error)
{
    router_worker_options_t options = {0};
    options.zenv = router->zenv;
    options.config = router->script ? NULL : config_path(router);
    options.pickup_socket = router->pickup;
    options.script_flags = router->script_flags;
    options.environment = router->environment;
    if (router->interactive && router->service == NULL) /* unfinished commands can be told */
        options.script_flags =
            apr_pstrcat(router->pool, router->script_flags ? router->script_flags : "", "s", NULL);
    options.illegal_object = router->illegal_object;
    options.no_fromto = router->no_fromto;
    options.fromto_syslog = router->fromto_syslog;
    options.traces = (const char *const *)(void *)router->traces->elts;
    options.trace_count = router->traces->nelts;
    options.old_sift = router->old_sift;
    options.served = router->worker;
    return router_worker_open(worker, &options, router->pool, error);
}

static int run_worker(router_t *router)
{
    router_worker_t *worker;
    zm_error_t error = {0};
    if (open_worker(router, &worker, &error) == APR_SUCCESS &&
        router_worker_confine(worker, router->log, &error) == APR_SUCCESS)
        return router_worker_serve(worker);
    zm_log(ZM_LOG_ERROR, NULL, "the configuration does not load", ZM_F_S("error", error.text));
    printf("%s\n", error.text);
    return ZM_EXIT_CONFIG;
}

/* Whether a file begins with a line "#!.../router -f": not rules, but a script that wants our
 * commands. */
static bool is_script(const char *path, apr_pool_t *pool)
{
    char start[256];
    apr_size_t length = sizeof start;
    zm_str_t line, rest;
    zm_file_t *file;
    bool read;
    if (zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool) != APR_SUCCESS)
        return false;
    read = zm_file_read_at(file, 0, start, &length) == APR_SUCCESS;
    zm_file_close(file);
    if (!read || !zm_str_cut(zm_str_of(start, length), '\n', &line, &rest))
        return false;
    line = zm_str_trim(line);
    return line.length > 5 && zm_str_starts(line, ZM_S("#!")) &&
           zm_str_equal_c(zm_str_from(line, line.length - 3), " -f");
}

static int run_script(router_t *router, int argc, char **argv)
{
    router_worker_t *worker;
    zm_error_t error = {0};
    int code;
    router->script = true;
    if (open_worker(router, &worker, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    code = router_script(worker, router->config, (const char *const *)(void *)(argv + 1), argc - 1);
    zm_spool_close(worker->spool);
    return code;
}

static int run_files(router_t *router, int argc, char **argv)
{
    router_worker_t *worker;
    zm_error_t error = {0};
    int i;
    if (open_worker(router, &worker, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    for (i = 1; i < argc; i++)
        router_worker_process(worker, strchr(argv[i], '/')
                                          ? argv[i]
                                          : apr_pstrcat(router->pool, "router/", argv[i], NULL));
    zm_spool_close(worker->spool);
    return 0;
}

static int run_explain(router_t *router, int argc, char **argv)
{
    router_worker_t *worker;
    zm_error_t error = {0};
    int i, code = 0;
    for (i = 1; i < argc; i++)
        APR_ARRAY_PUSH(router->explained, const char *) = argv[i];
    if (router->explained->nelts == 0)
        return complain(ZM_EXIT_USAGE, "--explain needs addresses");
    if (open_worker(router, &worker, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    for (i = 0; i < router->explained->nelts; i++)
        code |= router_explain(worker, zm_str(APR_ARRAY_IDX(router->explained, i, const char *)),
                               router->json);
    zm_spool_close(worker->spool);
    return code;
}

static int run_interactive(router_t *router)
{
    router_worker_t *worker;
    zm_error_t error = {0};
    int code;
    if (open_worker(router, &worker, &error) != APR_SUCCESS ||
        (router->service != NULL &&
         router_worker_confine(worker, router->log, &error) != APR_SUCCESS)) {
        if (router->service != NULL)
            zm_log(ZM_LOG_ERROR, NULL, "the configuration does not load",
                   ZM_F_S("error", error.text));
        return complain(ZM_EXIT_CONFIG, error.text);
    }
    code = router->service != NULL ? router_assist(worker) : router_interactive(worker);
    zm_spool_close(worker->spool);
    return code;
}

/* -- the daemon ------------------------------------------------------------------------------ */

static const char *const *worker_command(router_t *router, const char *pickup)
{
    apr_array_header_t *argv = apr_array_make(router->pool, 16, sizeof(const char *));
    const char *self;
    int i;
    if (zm_service_program(&self, router->pool) != APR_SUCCESS)
        zm_service_fail(71, "cannot tell where this program is installed");
    APR_ARRAY_PUSH(argv, const char *) = self;
    APR_ARRAY_PUSH(argv, const char *) = "--worker";
    APR_ARRAY_PUSH(argv, const char *) = "-Z";
    APR_ARRAY_PUSH(argv, const char *) = zm_zenv_file(router->zenv);
    APR_ARRAY_PUSH(argv, const char *) = "-f";
    APR_ARRAY_PUSH(argv, const char *) = config_path(router);
    if (router->illegal_object)
        APR_ARRAY_PUSH(argv, const char *) = "-W";
    if (router->no_fromto)
        APR_ARRAY_PUSH(argv, const char *) = "-l";
    if (router->fromto_syslog)
        APR_ARRAY_PUSH(argv, const char *) = "-S";
    for (i = 0; i < router->traces->nelts; i++) {
        APR_ARRAY_PUSH(argv, const char *) = "-t";
        APR_ARRAY_PUSH(argv, const char *) = APR_ARRAY_IDX(router->traces, i, const char *);
    }
    if (router->postoffice != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-P";
        APR_ARRAY_PUSH(argv, const char *) = router->postoffice;
    }
    if (router->old_ways != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "--old-ways";
        APR_ARRAY_PUSH(argv, const char *) = router->old_ways;
    }
    if (router->script_flags != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-o";
        APR_ARRAY_PUSH(argv, const char *) = router->script_flags;
    }
    if (router->log != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-L";
        APR_ARRAY_PUSH(argv, const char *) = router->log;
    }
    if (router->foreground)
        APR_ARRAY_PUSH(argv, const char *) = "--foreground";
    if (pickup != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "--pickup";
        APR_ARRAY_PUSH(argv, const char *) = pickup;
    }
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

static void kill_previous(const router_t *router, const char *pid_file)
{
    apr_int64_t pid;
    int tries;
    if (zm_pidfile_holder(&pid, pid_file, router->pool) != APR_SUCCESS)
        return;
    (void)zm_control_send(pid, true, ZM_CONTROL_STOP);
    for (tries = 0; tries < 2500 && zm_pidfile_holder(&pid, pid_file, router->pool) == APR_SUCCESS;
         tries++)
        apr_sleep(apr_time_from_msec(10));
}

static int run_daemon(router_t *router)
{
    const char *pid_file = zm_site_path(router->zenv, "-", ".pid.router", router->pool);
    router_master_options_t options = {0};
    zm_child_spec_t spec = {0};
    zm_credentials_t account;
    zm_pidfile_t *pidfile;
    zm_error_t error = {0};
    const char *pickup = NULL;
    int code;

    if (router->kill_previous)
        kill_previous(router, pid_file);
    if (!router->daemon)
        return 0;
    if (!router->foreground && zm_service_detach(&error) != APR_SUCCESS)
        return complain(71, error.text);
    if (zm_pidfile_take(&pidfile, pid_file, router->pool, &error) != APR_SUCCESS)
        zm_service_fail(2, error.text);
    if (worker_account(router, &account)) {
        pickup = apr_pstrcat(router->pool, zm_zenv_postoffice(router->zenv), "/.pickup", NULL);
        spec.as = &account;
    }
    spec.argv = worker_command(router, pickup);
    spec.io = ZM_CHILD_CHANNEL_01;
    options.zenv = router->zenv;
    options.worker = &spec;
    options.workers = (int)router->workers;
    options.pickup_socket = pickup;
    options.pickup_client = pickup != NULL ? account.uid : ZM_UID_NONE;
    code = router_master_run(&options, router->pool);
    zm_pidfile_release(pidfile);
    return code;
}

/* What the options ask for. */
static int run(router_t *router, int argc, char **argv)
{
    if (router->worker) {
        (void)zm_control_decline(); /* the master says when to end */
        return run_worker(router);
    }
    if (router->explain)
        return run_explain(router, argc, argv);
    if (router->interactive && router->daemon)
        return complain(ZM_EXIT_USAGE, "-i and -d exclude each other");
    if (router->service != NULL &&
        (!router->interactive || strcmp(router->service, "smtpserver") != 0))
        return complain(ZM_EXIT_USAGE, "-I needs -i, and knows the service smtpserver only");
    if (router->interactive)
        return run_interactive(router);
    if (router->daemon || router->kill_previous)
        return run_daemon(router);
    if (router->config != NULL && is_script(router->config, router->pool))
        return run_script(router, argc, argv);
    if (argc > 1)
        return run_files(router, argc, argv);
    return complain(ZM_EXIT_USAGE,
                    "nothing to do: say -d, --explain ADDRESS or message files; see --help");
}

int main(int argc, char **argv, char **environment)
{
    router_t router = {.environment = (const char *const *)environment};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'d', "daemon", ZM_OPTION_FLAG, &router.daemon, NULL, NULL, "run as a daemon"},
        {0, "foreground", ZM_OPTION_FLAG, &router.foreground, NULL, NULL, "with -d: do not detach"},
        {'k', "kill", ZM_OPTION_FLAG, &router.kill_previous, NULL, NULL,
         "stop the running router first"},
        {'n', "workers", ZM_OPTION_NUMBER, &router.workers, NULL, "N",
         "worker processes, 1 to 40 (1)"},
        {'f', "config", ZM_OPTION_TEXT, &router.config, NULL, "FILE",
         "configuration ($MAILSHARE/router.cf)"},
        {'L', "log", ZM_OPTION_TEXT, &router.log, NULL, "FILE", "append the log to FILE"},
        {'P', "postoffice", ZM_OPTION_TEXT, &router.postoffice, NULL, "DIR", "use this spool"},
        {'W', "illegal-object", ZM_OPTION_CALL, &router.illegal_object, toggle, NULL,
         "show bad header fields as Illegal-Object"},
        {'l', "no-fromto", ZM_OPTION_FLAG, &router.no_fromto, NULL, NULL, "log no addresses"},
        {'o', "script-options", ZM_OPTION_TEXT, &router.script_flags, NULL, "LETTERS",
         "options of the interpreter"},
        {'S', "fromto-syslog", ZM_OPTION_FLAG, &router.fromto_syslog, NULL, NULL,
         "tell the system's log who writes to whom"},
        {'i', "interactive", ZM_OPTION_FLAG, &router.interactive, NULL, NULL,
         "read commands of the configuration language"},
        {'I', "service", ZM_OPTION_TEXT, &router.service, NULL, "NAME",
         "with -i: answer questions; NAME is smtpserver"},
        {'t', "trace", ZM_OPTION_CALL_ARG, &router, add_trace, "WORD",
         "trace functions, assign, rewrite, ..., all; another word: explain that address"},
        {0, "old-ways", ZM_OPTION_CALL_ARG, &router, add_old_ways, "WORD,...",
         "do as ZMailer 3 did: sift, keys, covered, or all"},
        {0, "debug", ZM_OPTION_FLAG, &router.debug, NULL, NULL, "log more"},
        {0, "explain", ZM_OPTION_FLAG, &router.explain, NULL, NULL,
         "show how the given addresses are routed"},
        {0, "json", ZM_OPTION_FLAG, &router.json, NULL, NULL, "explain as JSON"},
        {0, "worker", ZM_OPTION_FLAG, &router.worker, NULL, NULL, NULL},
        {0, "pickup", ZM_OPTION_TEXT, &router.pickup, NULL, NULL, NULL},
        {'s', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL}, /* oldest first is how it is */
        {'w', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
        {'r', NULL, ZM_OPTION_CALL_ARG, NULL, ignore, NULL, NULL},
    };
    const zm_command_line_t line = {"router",
                                    "[MESSAGE ...]",
                                    "route submitted messages",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &router.site,
                                    0};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&router.pool, NULL);
    router.traces = apr_array_make(router.pool, 2, sizeof(const char *));
    router.explained = apr_array_make(router.pool, 4, sizeof(const char *));
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (zm_zenv_load(&router.zenv, &router.site, router.pool, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    router.foreground = router.foreground || router.traces->nelts > 0; /* traces are to be seen */
    if (router.postoffice != NULL)
        zm_zenv_set(router.zenv, "POSTOFFICE", router.postoffice);
    if (router.workers < 1 || router.workers > 40)
        router.workers = router.workers < 1 ? 1 : 40;
    if (open_log(&router, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    return run(&router, argc, argv);
}
