/*
 * sm: gives mail to programs, by a table of mailers.
 */
#include <apr_general.h>
#include <stdio.h>

#include "platform/log.h"
#include "ta/agent/agent.h"
#include "ta/agent/outcome.h"
#include "ta/sm/sm.h"

#define EXIT_OSFILE 72

static int serve(const zm_sm_t *sm)
{
    zm_job_line_t line;
    zm_job_t *job;
    while (zm_agent_next(sm->agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, sm->agent, &line) != ZM_JOB_READY)
            continue;
        zm_sm_job(sm, job);
        zm_job_close(job);
    }
    return zm_agent_end(sm->agent);
}

int main(int argc, char **argv)
{
    zm_agent_options_t agent_options = {0};
    zm_sm_options_t options;
    zm_error_t error = {0};
    zm_agent_t *agent;
    apr_pool_t *pool;
    zm_sm_t sm;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    if (!zm_sm_command_line(&options, argc, argv, &code))
        return code;
    agent_options.name = "sm";
    agent_options.channel = options.channel;
    agent_options.host = options.host;
    agent_options.sticky = true;
    agent_options.jobs = 1;
    if (zm_agent_open(&agent, &agent_options, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "# sm: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    if (zm_sm_open(&sm, &options, agent, &error) != APR_SUCCESS) {
        fprintf(stderr, "# sm: %s\n", error.text);
        zm_log_syslog(ZM_LOG_ERROR, "sm", "%s", error.text); /* somebody has to act */
        zm_agent_fail(agent, EXIT_OSFILE);
        return zm_agent_end(agent);
    }
    return serve(&sm);
}
