/*
 * mailbox: delivers to mailboxes, files and programs.
 *
 * Started as root it forks workers that become the recipients; started by
 * anybody else it delivers as itself.
 */
#include <apr_general.h>
#include <stdio.h>
#include <string.h>

#include "platform/service.h"
#include "ta/agent/agent.h"
#include "ta/agent/job.h"
#include "ta/agent/outcome.h"
#include "ta/mailbox/deliver.h"

static int serve(zm_agent_t *agent, const zm_mailbox_options_t *options)
{
    zm_workers_t *workers = NULL;
    zm_job_line_t line;
    zm_job_t *job;
    if (options->privileged) {
        const char *program;
        if (zm_service_program(&program, agent->pool) != APR_SUCCESS) {
            zm_agent_note(agent, "cannot find out the path of this program");
            return ZM_RESULT_OSERR;
        }
        workers = zm_workers_create(program, agent->loop, agent->pool);
    }
    while (zm_agent_next(agent, &line) == APR_SUCCESS) {
        if (zm_job_open(&job, agent, &line) != ZM_JOB_READY)
            continue;
        zm_mailbox_job(job, options, workers);
        zm_job_close(job);
    }
    if (workers != NULL)
        zm_workers_close(workers);
    return zm_agent_end(agent);
}

int main(int argc, char **argv)
{
    zm_mailbox_options_t options;
    zm_agent_options_t agent_options = {0};
    zm_error_t error = {0};
    zm_agent_t *agent;
    apr_pool_t *pool;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    if (argc == 2 && strcmp(argv[1], ZM_WORKER_ARGUMENT) == 0)
        return zm_worker_main(pool);
    if (!zm_mailbox_command_line(&options, argc, argv, &code))
        return code;
    agent_options.name = "mailbox";
    agent_options.channel = options.channel;
    agent_options.host = options.host;
    agent_options.jobs = 1;
    if (zm_agent_open(&agent, &agent_options, pool, &error) != APR_SUCCESS ||
        zm_mailbox_site(&options, agent->zenv, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "# mailbox: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    return serve(agent, &options);
}
