/* A transport agent whose deliveries go into letters.h; it works as all agents do (ta/agent). */
#include <apr_strings.h>
#include <string.h>

#include "platform/localsock.h"
#include "ta/agent/report.h"
#include "tests/crash/system.h"

static zm_agent_t *agent;
static unsigned turns; /* what "later" goes by */

static void nothing(zm_agent_t *a, const zm_job_line_t *line, void *baton)
{
    (void)a;
    (void)line;
    (void)baton;
}

/* It is never read from, and its output is taken from its buffer. */
bool agent_prepare(site_t *site, zm_error_t *error)
{
    static zm_spool_t *none;
    zm_agent_options_t options = {.name = "crash", .on_job = nothing, .jobs = 1};
    apr_socket_t *pair[2];
    options.zenv = site->zenv;
    options.loop = site->loop;
    options.spool = (zm_spool_t *)(void *)&none; /* set for each line of work */
    if (zm_localsock_pair(pair, site->pool) != APR_SUCCESS)
        return false;
    options.socket = pair[1];
    return zm_agent_open(&agent, &options, site->pool, error) == APR_SUCCESS;
}

void agent_end(void)
{
    (void)zm_agent_end(agent);
}

static zm_str_t body_of(zm_job_t *job)
{
    zm_buf_t whole = ZM_BUF_INIT;
    zm_str_t piece, copy;
    while (zm_body_at(&job->body, whole.length, &piece) == APR_SUCCESS)
        zm_buf_add_str(&whole, piece);
    copy = zm_str_copy(job->pool, zm_buf_str(&whole));
    zm_buf_free(&whole);
    return copy;
}

static void serve(zm_job_t *job, zm_recipient_t *recipient)
{
    zm_outcome_t outcome = {0};
    const char *user = zm_str_c(job->pool, recipient->user);
    char *at = strchr(user, '@');
    if (at != NULL)
        *at = '\0';
    if (strcmp(user, "fails") == 0) {
        outcome.result = ZM_RESULT_NOUSER;
        outcome.status = ZM_S("5.1.1");
        outcome.text = ZM_S("no such user");
    } else if (strcmp(user, "later") == 0 && turns++ % 2 == 0) {
        outcome.result = ZM_RESULT_TEMPFAIL;
        outcome.status = ZM_S("4.2.0");
        outcome.text = ZM_S("not now");
    } else {
        outcome.result = ZM_RESULT_OK;
        outcome.status = ZM_S("2.0.0");
        outcome.text = ZM_S("delivered");
        world_take(user, body_of(job));
    }
    zm_job_report(job, recipient, &outcome);
}

void agent_work(system_t *system, zm_str_t text, zm_buf_t *out)
{
    zm_job_line_t line = {0};
    zm_buf_t copy = ZM_BUF_INIT;
    zm_job_t *job;
    int i, k;
    zm_buf_add_str(&copy, text);
    line.with_host = zm_str_cut(zm_str(zm_buf_c(&copy)), '\t', &line.path, &line.host);
    if (line.with_host)
        copy.data[line.path.length] = '\0';
    agent->spool = system->deliver;
    agent->stopping = false;
    if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
        for (i = 0; i < job->group_count; i++)
            for (k = 0; k < job->groups[i].count; k++) {
                if (system->between != NULL)
                    system->between(system->baton);
                serve(job, job->groups[i].recipients[k]);
            }
        zm_job_close(job);
    }
    zm_timer_cancel(&agent->flush);
    zm_buf_add_str(out, zm_buf_str(zm_agent_output(agent)));
    zm_buf_clear(zm_agent_output(agent));
    zm_buf_free(&copy);
}
