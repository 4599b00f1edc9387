/*
 * hold: keeps recipients until a condition is met, then gives them back to the router.
 */
#include <apr_general.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "ta/agent/outcome.h"
#include "ta/hold/hold.h"

static bool command_line(zm_agent_options_t *options, int argc, char **argv, int *code)
{
    bool strict = false; /* there is nothing here that was done otherwise */
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME", "serve this channel"},
        {'O', NULL, ZM_OPTION_CALL_ARG, &strict, zm_agent_keyword, "WORD", "strict-3.0"},
    };
    const zm_command_line_t line = {
        "hold", NULL, "keep mail until a condition is met, then route it again", table, 2, NULL, 0};
    return zm_options_parse(&line, &argc, argv, code);
}

static int serve(zm_hold_t *hold)
{
    zm_job_line_t line;
    zm_job_t *job;
    while (zm_agent_next(hold->agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, hold->agent, &line) != ZM_JOB_READY)
            continue;
        zm_hold_job(hold, job);
        zm_job_close(job);
    }
    zm_hold_close(hold);
    return zm_agent_end(hold->agent);
}

int main(int argc, char **argv)
{
    zm_agent_options_t options = {0};
    zm_error_t error = {0};
    zm_hold_t hold = {0};
    zm_agent_t *agent;
    apr_pool_t *pool;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    options.name = "hold";
    options.channel = "hold";
    options.jobs = 1;
    if (!command_line(&options, argc, argv, &code))
        return code;
    if (zm_agent_open(&agent, &options, pool, &error) != APR_SUCCESS ||
        zm_hold_open(&hold, agent, &error) != APR_SUCCESS) {
        fprintf(stderr, "# hold: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    return serve(&hold);
}
