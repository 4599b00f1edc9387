#include "mta/router/worker.h"

#include <apr_env.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/router/commands.h"
#include "mta/router/message.h"
#include "platform/log.h"

#define LINE_LIMIT 4096

/* What scripts complain about goes to the log. */
static void on_output(void *baton, int stream, const char *data, apr_size_t length)
{
    zm_str_t text = zm_str_trim(zm_str_of(data, length));
    (void)baton;
    (void)stream;
    if (text.length > 0)
        zm_log(ZM_LOG_NOTICE, NULL, "configuration prints", ZM_F_N("text", text));
}

static void set_variable(void *baton, const char *name, const char *value)
{
    zm_script_set_str(baton, name, zm_str(value));
}

static apr_status_t load_script(router_worker_t *worker, const router_worker_options_t *options,
                                zm_error_t *error)
{
    zm_script_options_t settings = {0};
    apr_status_t status;
    int code;
    settings.name = "router";
    settings.flags = options->script_flags;
    if ((status = zm_script_create(&worker->script, &settings, worker->pool)) != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make an interpreter");
    zm_script_set_output(worker->script, 1, on_output, worker);
    zm_script_set_output(worker->script, 2, on_output, worker);
    router_commands_users(worker);
    router_commands_files(worker);
    router_commands_lists(worker);
    router_commands_message(worker);
    if (!zm_script_has_command(worker->script, "trusted") &&
        (status =
             zm_script_run(worker->script,
                           ZM_S("relation -t incore trusted\nfor u in root daemon daemons uucp\n"
                                "do db add trusted $u $u\ndone\n"),
                           "built-in", &code, error)) != APR_SUCCESS)
        return status;
    zm_zenv_each(worker->zenv, set_variable, worker->script);
    set_variable(worker->script, "ZCONFIG", zm_zenv_file(worker->zenv));
    set_variable(worker->script, "MAILSHARE", zm_zenv_mailshare(worker->zenv));
    set_variable(worker->script, "MAILVAR", zm_zenv_mailvar(worker->zenv));
    set_variable(worker->script, "MAILBIN", zm_zenv_mailbin(worker->zenv));
    set_variable(worker->script, "POSTOFFICE", zm_zenv_postoffice(worker->zenv));
    status = zm_script_source(worker->script, options->config, &code, error);
    if (status != APR_SUCCESS)
        return status;
    if (worker->hostname == NULL)
        return zm_error_set(error, ZM_E_CONFIG,
                            "%s: nothing sets our host name; the command \"hostname NAME\" does",
                            options->config);
    if (!zm_script_has_function(worker->script, "router") ||
        !zm_script_has_function(worker->script, "crossbar"))
        return zm_error_set(error, ZM_E_CONFIG,
                            "%s: the functions router and crossbar must be defined",
                            options->config);
    return APR_SUCCESS;
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
    if (options->pickup_socket != NULL)
        worker->own = ZM_UID_NONE; /* an unprivileged part of a router of root */
    worker->illegal_object = options->illegal_object;
    worker->no_fromto = options->no_fromto;
    worker->hash_levels = zm_zenv_get_or(options->zenv, "SCHEDULERDIRHASH", "2")[0] - '0';
    if (worker->hash_levels < 0 || worker->hash_levels > 2)
        worker->hash_levels = 0;
    worker->scheduler_notify =
        zm_site_path(options->zenv, "SCHEDULERNOTIFY", ".scheduler.notify", pool);
    worker->syslog = strpbrk(zm_zenv_get_or(options->zenv, "SYSLOGFLG", "R"), "Rr") != NULL;
    worker->header_table = zm_header_table_create(pool);
    if ((status = zm_site_spool(&worker->spool, options->zenv, NULL, pool, error)) != APR_SUCCESS ||
        (status = router_opener_create(&worker->opener, worker->spool, options->pickup_socket, pool,
                                       error)) != APR_SUCCESS ||
        (status = zm_accounts_open(&worker->accounts, options->zenv, pool, error)) != APR_SUCCESS)
        return status;
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
    zm_script_begin(worker->script);
    argument = zm_script_string_c(worker->script, script_name(worker, name));
    status = zm_script_call(worker->script, "process", &argument, 1, &result, &error);
    if (status != APR_SUCCESS) {
        worker->message = NULL;
        zm_log(ZM_LOG_ERROR, NULL, "message is left where it is", ZM_F_S("name", name),
               ZM_F_S("error", error.text));
    }
    zm_script_end(worker->script);
    zm_script_run_traps(worker->script);
}

int router_worker_serve(router_worker_t *worker)
{
    char line[LINE_LIMIT];
    fputs("#hungry\n", stdout);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        apr_size_t length = strlen(line);
        if (length < 2 || line[length - 1] != '\n')
            break;
        line[length - 1] = '\0';
        router_worker_process(worker, line);
        fputs("#hungry\n", stdout);
        fflush(stdout);
    }
    zm_spool_close(worker->spool);
    return 0;
}
