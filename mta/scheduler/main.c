/*
 * scheduler(8): delivers what the router has routed, by transport agents.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "mta/scheduler/daemon.h"
#include "mta/scheduler/explain.h"
#include "platform/child.h"
#include "platform/control.h"
#include "platform/log.h"
#include "platform/service.h"

#define EXIT_OS 71
#define DEFAULT_FORK_RATE 30
#define DEFAULT_DESCRIPTORS 32
/* An smtp agent that serves many threads has a socket for each, and files. */
#define MULTI_DESCRIPTORS 4096

typedef struct command_t {
    zm_daemon_options_t daemon;
    zm_zenv_options_t site;
    apr_pool_t *pool;
    int verbose, hash;
    bool detach, foreground, quiet_start;
    int64_t descriptors, fork_rate, mailq_version;
    const char *config, *log, *postoffice, *only, *check;
} command_t;

static int complain(int code, const char *text)
{
    fprintf(stderr, "scheduler: %s\n", text);
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

static apr_status_t verbose(void *target, const char *argument, zm_error_t *error)
{
    command_t *command = target;
    (void)argument;
    (void)error;
    command->verbose++;
    command->foreground = true;
    return APR_SUCCESS;
}

static apr_status_t detach(void *target, const char *argument, zm_error_t *error)
{
    command_t *command = target;
    (void)argument;
    (void)error;
    command->foreground = false;
    return APR_SUCCESS;
}

/* "n[,t]": names a scan step looks at; the time is bounded by other means. */
static apr_status_t scan_budget(void *target, const char *argument, zm_error_t *error)
{
    command_t *command = target;
    zm_str_t count, time;
    uint64_t number;

    zm_str_cut(zm_str(argument), ',', &count, &time);
    if (zm_str_u64(count, &number) != APR_SUCCESS)
        return zm_error_set(error, ZM_E_SYNTAX, "wants a number of names");
    command->daemon.scan_entries = number < 10 ? 10 : number > 1000000 ? 1000000 : (int)number;
    return APR_SUCCESS;
}

static bool split_only(command_t *command)
{
    zm_str_t channel, host;
    if (command->only == NULL)
        return true;
    if (!zm_str_cut(zm_str(command->only), '/', &channel, &host))
        return false;
    if (!zm_str_equal_c(channel, "*"))
        command->daemon.only_channel = zm_str_c(command->pool, channel);
    if (!zm_str_equal_c(host, "*"))
        command->daemon.only_host = zm_str_c(command->pool, host);
    return true;
}

static int hash_levels(const command_t *command)
{
    const char *variable = zm_zenv_get_or(command->daemon.zenv, "SCHEDULERDIRHASH", "");
    if (strcmp(variable, "1") == 0 || strcmp(variable, "2") == 0)
        return variable[0] - '0';
    return command->hash > 2 ? 2 : command->hash;
}

/* Fills in what options and site variables decide. Null: all is well. */
static const char *complete(command_t *command)
{
    zm_daemon_options_t *daemon = &command->daemon;

    if (command->postoffice != NULL)
        zm_zenv_set(daemon->zenv, "POSTOFFICE", command->postoffice);
    if (command->mailq_version != 0 && command->mailq_version != 1 && command->mailq_version != 2)
        return "-M takes 1 or 2";
    if (!split_only(command))
        return "-p takes CHANNEL/HOST";
    daemon->config = command->config;
    if (daemon->config == NULL)
        daemon->config =
            apr_pstrcat(command->pool, zm_zenv_mailshare(daemon->zenv), "/scheduler.conf", NULL);
    daemon->hash_levels = hash_levels(command);
    daemon->mailq_version = command->mailq_version == 2 ? 2 : 1;
    daemon->fork_rate = command->fork_rate > 0 ? (uint32_t)command->fork_rate : DEFAULT_FORK_RATE;
    daemon->descriptors =
        command->descriptors >= 10 ? (uint32_t)command->descriptors : MULTI_DESCRIPTORS;
    if (daemon->rendezvous == NULL)
        daemon->rendezvous = zm_zenv_get_or(daemon->zenv, "RENDEZVOUS", NULL);
    if (daemon->rendezvous == NULL)
        daemon->rendezvous =
            apr_pstrcat(command->pool, zm_zenv_postoffice(daemon->zenv), "/.mailq.text", NULL);
    return NULL;
}

static apr_status_t open_log(const command_t *command, zm_error_t *error)
{
    zm_log_options_t options = {0};
    options.program = "scheduler";
    options.level = command->verbose > 0 ? ZM_LOG_DEBUG : ZM_LOG_INFO;
    options.file = command->log;
    if (options.file == NULL && !command->foreground)
        options.file =
            apr_pstrcat(command->pool, zm_zenv_logdir(command->daemon.zenv), "/scheduler", NULL);
    return zm_log_open(&options, error);
}

/* A scheduler that runs already is asked to stop, and gets five seconds. */
static void stop_previous(const char *pid_file, apr_pool_t *pool)
{
    apr_int64_t pid;
    int tries;
    if (zm_pidfile_holder(&pid, pid_file, pool) != APR_SUCCESS)
        return;
    (void)zm_control_send(pid, false, ZM_CONTROL_STOP);
    for (tries = 0; tries < 500 && zm_process_alive(pid); tries++)
        apr_sleep(apr_time_from_msec(10));
}

static int run_daemon(command_t *command, int argc, char **argv)
{
    const char *pid_file = zm_site_path(command->daemon.zenv, "-", ".pid.scheduler", command->pool);
    zm_pidfile_t *pidfile;
    zm_daemon_t *daemon;
    zm_error_t error = {0};
    apr_pool_t *scratch;
    bool valid;
    int code;

    apr_pool_create(&scratch, command->pool); /* problems are told before we detach */
    valid = zm_daemon_config(&command->daemon, scratch, false) != NULL;
    apr_pool_destroy(scratch);
    if (!valid)
        return complain(ZM_EXIT_CONFIG, "the configuration has errors; nothing was started");
    if (!command->foreground && argc < 2 && zm_service_detach(&error) != APR_SUCCESS)
        return complain(EXIT_OS, error.text);
    stop_previous(pid_file, command->pool);
    if (zm_pidfile_take(&pidfile, pid_file, command->pool, &error) != APR_SUCCESS)
        zm_service_fail(1, error.text);
    if (open_log(command, &error) != APR_SUCCESS ||
        zm_daemon_open(&daemon, &command->daemon, command->pool, &error) != APR_SUCCESS) {
        zm_pidfile_release(pidfile);
        zm_service_fail(1, error.text);
    }
    zm_log(ZM_LOG_NOTICE, NULL, "started", ZM_F_S("version", ZM_VERSION));
    zm_service_ready();
    if (argc > 1)
        code = zm_daemon_run_files(daemon, argv + 1, argc - 1);
    else
        code = zm_daemon_run(daemon);
    zm_pidfile_release(pidfile);
    return code;
}

static apr_status_t ignore(void *target, const char *argument, zm_error_t *error)
{
    (void)target;
    (void)argument;
    (void)error;
    return APR_SUCCESS;
}

int main(int argc, char **argv)
{
    command_t command = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'d', "daemon", ZM_OPTION_CALL, &command, detach, NULL, "run as a daemon (the default)"},
        {'i', "foreground", ZM_OPTION_FLAG, &command.foreground, NULL, NULL, "do not detach"},
        {'v', "verbose", ZM_OPTION_CALL, &command, verbose, NULL, "log more, in the foreground"},
        {'f', "config", ZM_OPTION_TEXT, &command.config, NULL, "FILE",
         "configuration ($MAILSHARE/scheduler.conf)"},
        {'F', "freeze", ZM_OPTION_FLAG, &command.daemon.frozen, NULL, NULL,
         "read the spool, start no agents"},
        {'S', "synchronous", ZM_OPTION_FLAG, &command.daemon.synchronous, NULL, NULL,
         "read the whole spool before starting any agent"},
        {'H', "hash", ZM_OPTION_COUNT, &command.hash, NULL, NULL,
         "hash directories; twice: two levels"},
        {'l', "statistics", ZM_OPTION_TEXT, &command.daemon.statistics, NULL, "FILE",
         "append a line for each finished recipient to FILE"},
        {'L', "log", ZM_OPTION_TEXT, &command.log, NULL, "FILE", "append the log to FILE"},
        {'M', "mailq-version", ZM_OPTION_NUMBER, &command.mailq_version, NULL, "1|2",
         "protocol of mailq (1; 2 with an account file)"},
        {'n', NULL, ZM_OPTION_CALL, &command.daemon.header_by_default, toggle, NULL,
         "reports return only the header when the sender did not say"},
        {'N', "descriptors", ZM_OPTION_NUMBER, &command.descriptors, NULL, "N",
         "open files that an agent may have"},
        {'p', "only", ZM_OPTION_TEXT, &command.only, NULL, "CHANNEL/HOST",
         "serve only this thread, report nothing, keep all files"},
        {'P', "postoffice", ZM_OPTION_TEXT, &command.postoffice, NULL, "DIR", "use this spool"},
        {'q', "rendezvous", ZM_OPTION_TEXT, &command.daemon.rendezvous, NULL, "FILE",
         "where the dump event writes the queue"},
        {'Q', NULL, ZM_OPTION_FLAG, &command.daemon.summary_only, NULL, NULL,
         "mailq version 1 shows the summary only"},
        {'R', "fork-rate", ZM_OPTION_NUMBER, &command.fork_rate, NULL, "N",
         "most agents started in a second (30)"},
        {'E', NULL, ZM_OPTION_CALL_ARG, &command, scan_budget, "N[,T]",
         "names that a scan looks at in one step"},
        {0, "check", ZM_OPTION_TEXT, &command.check, NULL, "CHANNEL/HOST",
         "explain which clauses and limits a destination gets"},
        {'W', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
    };
    const zm_command_line_t line = {"scheduler",
                                    "[CONTROLFILE ...]",
                                    "deliver routed messages by transport agents",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &command.site,
                                    0};
    const char *problem;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&command.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (zm_zenv_load(&command.daemon.zenv, &command.site, command.pool, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    problem = complete(&command);
    if (problem != NULL)
        return complain(ZM_EXIT_USAGE, problem);
    if (command.check != NULL)
        return zm_explain_destination(&command.daemon, command.check, command.pool);
    return run_daemon(&command, argc, argv);
}
