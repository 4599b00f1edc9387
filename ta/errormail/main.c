/*
 * errormail: returns what could not be routed, with a canned explanation.
 */
#include <apr_general.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "ta/agent/outcome.h"
#include "ta/errormail/report.h"

static bool command_line(zm_agent_options_t *options, bool *strict, int argc, char **argv,
                         int *code)
{
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME", "serve this channel"},
        {'O', NULL, ZM_OPTION_CALL_ARG, strict, zm_agent_keyword, "WORD", "strict-3.0"},
    };
    const zm_command_line_t line = {
        "errormail", NULL, "return mail that could not be routed", table, 2, NULL, 0};
    return zm_options_parse(&line, &argc, argv, code);
}

static int serve(zm_agent_t *agent, bool strict)
{
    zm_errormail_t errormail = {0};
    zm_job_line_t line;
    zm_job_t *job;
    zm_errormail_open(&errormail, agent);
    errormail.name_first = strict;
    while (zm_agent_next(agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, agent, &line) != ZM_JOB_READY)
            continue;
        zm_errormail_job(&errormail, job);
        zm_job_close(job);
    }
    return zm_agent_end(agent);
}

int main(int argc, char **argv)
{
    zm_agent_options_t options = {0};
    zm_error_t error = {0};
    zm_agent_t *agent;
    apr_pool_t *pool;
    bool strict = false;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    options.name = "errormail";
    options.channel = "error";
    options.sticky = true;
    options.jobs = 1;
    if (!command_line(&options, &strict, argc, argv, &code))
        return code;
    if (zm_agent_open(&agent, &options, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "# errormail: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    return serve(agent, strict);
}
