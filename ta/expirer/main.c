/*
 * expirer: ends the attempts for chosen recipients.
 */
#include <apr_file_io.h>
#include <apr_general.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "platform/fs.h"
#include "platform/identity.h"
#include "ta/agent/outcome.h"
#include "ta/expirer/expirer.h"

static const char *log_path;

static bool command_line(zm_agent_options_t *options, zm_expirer_t *expirer, int argc, char **argv,
                         int *code)
{
    bool strict = false; /* there is nothing here that was done otherwise */
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME",
         "recipients of this channel (any)"},
        {'h', "host", ZM_OPTION_TEXT, &options->host, NULL, "HOST", "only those of this host"},
        {'u', "user", ZM_OPTION_TEXT, &expirer->user, NULL, "ADDRESS", "only this recipient"},
        {'m', "message", ZM_OPTION_TEXT, &expirer->text, NULL, "TEXT", "what the report says"},
        {'s', "silent", ZM_OPTION_FLAG, &expirer->silent, NULL, NULL, "drop them without a report"},
        {'n', "dry-run", ZM_OPTION_FLAG, &expirer->dry, NULL, NULL, "only say which they would be"},
        {'l', "log", ZM_OPTION_TEXT, &log_path, NULL, "FILE", "write a line for each to this file"},
        {'O', NULL, ZM_OPTION_CALL_ARG, &strict, zm_agent_keyword, "WORD", "strict-3.0"},
    };
    const zm_command_line_t line = {
        "expirer", NULL, "end the attempts for chosen recipients", table, 8, NULL, 0};
    return zm_options_parse(&line, &argc, argv, code);
}

/* An administrator, or whose private instance it is. */
static bool may(const zm_agent_t *agent)
{
    zm_file_info_t info;
    if (zm_identity_privileged())
        return true;
    return zm_path_info(&info, NULL, zm_zenv_postoffice(agent->zenv)) == APR_SUCCESS &&
           info.uid == zm_identity_own().uid;
}

static void write_log(zm_expirer_t *expirer, apr_file_t *log)
{
    if (log != NULL && expirer->log->length > 0)
        apr_file_write_full(log, expirer->log->data, expirer->log->length, NULL);
    zm_buf_clear(expirer->log);
}

static int serve(zm_agent_t *agent, zm_expirer_t *expirer)
{
    zm_buf_t lines = ZM_BUF_INIT;
    apr_file_t *log = NULL;
    zm_job_line_t line;
    zm_job_t *job;

    if (log_path != NULL &&
        apr_file_open(&log, log_path, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_APPEND,
                      APR_FPROT_UREAD | APR_FPROT_UWRITE, agent->pool) != APR_SUCCESS) {
        fprintf(stderr, "# expirer: cannot write %s\n", log_path);
        return ZM_RESULT_CANTCREAT;
    }
    expirer->log = &lines;
    while (zm_agent_next(agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, agent, &line) != ZM_JOB_READY)
            continue;
        zm_expirer_job(expirer, job);
        zm_job_close(job);
        write_log(expirer, log);
    }
    expirer->log = NULL;
    zm_buf_free(&lines);
    return zm_agent_end(agent);
}

int main(int argc, char **argv)
{
    zm_agent_options_t options = {0};
    zm_expirer_t expirer = {0};
    zm_error_t error = {0};
    zm_agent_t *agent;
    apr_pool_t *pool;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    if (!command_line(&options, &expirer, argc, argv, &code))
        return code;
    options.name = "expirer";
    options.jobs = 1;
    options.wanted = zm_expirer_wants;
    options.baton = &expirer;
    options.look_only = expirer.dry;
    if (zm_agent_open(&agent, &options, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "# expirer: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    if (!may(agent)) {
        fprintf(stderr, "# expirer: only root, or the owner of the spool, may do this\n");
        return ZM_RESULT_NOPERM;
    }
    return serve(agent, &expirer);
}
