/*
 * reroute: gives recipients back to the router.
 */
#include <apr_general.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "ta/agent/outcome.h"
#include "ta/reroute/reroute.h"

static bool command_line(zm_agent_options_t *options, bool *strict, int argc, char **argv,
                         int *code)
{
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME",
         "recipients of this channel (reroute)"},
        {'h', "host", ZM_OPTION_TEXT, &options->host, NULL, "HOST", "only those of this host"},
        {'O', NULL, ZM_OPTION_CALL_ARG, strict, zm_agent_keyword, "WORD", "strict-3.0"},
    };
    const zm_command_line_t line = {"reroute", NULL, "give recipients back to the router", table, 3,
                                    NULL,      0};
    return zm_options_parse(&line, &argc, argv, code);
}

static int serve(zm_agent_t *agent, bool strict)
{
    zm_resubmitter_t resubmitter = {0};
    zm_job_line_t line;
    zm_job_t *job;

    zm_resubmitter_open(&resubmitter, agent, "reroute");
    resubmitter.trace_clause = true;
    resubmitter.name_first = strict;
    while (zm_agent_next(agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, agent, &line) != ZM_JOB_READY)
            continue;
        zm_reroute_job(&resubmitter, job);
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
    options.name = "reroute";
    options.channel = "reroute";
    options.jobs = 1;
    if (!command_line(&options, &strict, argc, argv, &code))
        return code;
    if (zm_agent_open(&agent, &options, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "# reroute: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    return serve(agent, strict);
}
