#include "ta/hold/hold.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "ta/agent/report.h"
#include "ta/hold/condition.h"

#define SCRIPT_LIMIT apr_time_from_sec(60)

static bool by_chance(unsigned of)
{
    unsigned char random[4];
    uint32_t number;
    if (apr_generate_random_bytes(random, sizeof random) != APR_SUCCESS)
        return false;
    memcpy(&number, random, sizeof number);
    return number % of == 0;
}

apr_status_t zm_hold_open(zm_hold_t *hold, zm_agent_t *agent, zm_error_t *error)
{
    hold->agent = agent;
    zm_resubmitter_open(&hold->resubmitter, agent, "suspension");
    hold->script_limit = SCRIPT_LIMIT;
    hold->chance = by_chance;
    return zm_accounts_open(&hold->accounts, agent->zenv, agent->pool, error);
}

void zm_hold_close(zm_hold_t *hold)
{
    if (hold->dns != NULL)
        zm_dns_destroy(hold->dns);
    hold->dns = NULL;
}

/* -- outcomes -------------------------------------------------------------- */

static void tell(zm_job_t *job, zm_recipient_t *recipient, zm_result_t result, const char *status,
                 const char *text)
{
    zm_outcome_t outcome = {0};
    int reply = result == ZM_RESULT_OK ? 250 : zm_result_temporary(result) ? 450 : 550;
    outcome.result = result;
    outcome.action = result == ZM_RESULT_OK ? "relayed" : NULL;
    outcome.status = zm_str(status);
    outcome.diagnostic = zm_str(apr_psprintf(job->pool, "x-local; %d (%s)", reply, text));
    outcome.text = zm_str(text);
    zm_job_report(job, recipient, &outcome);
}

static void tell_unmet(zm_job_t *job, zm_recipient_t *recipient, zm_condition_state_t state,
                       const char *text)
{
    if (state == ZM_CONDITION_NONE)
        tell(job, recipient, ZM_RESULT_PROTOCOL, "5.3.5", text);
    else if (state == ZM_CONDITION_UNKNOWN)
        tell(job, recipient, ZM_RESULT_SOFTWARE, "4.3.5", text);
    else
        tell(job, recipient, ZM_RESULT_TEMPFAIL, "4.4.3", text);
}

/* -- a job ----------------------------------------------------------------- */

/* The last condition that was tried: usually all recipients of a job have the same. */
typedef struct tried_t {
    bool any;
    zm_str_t condition;
    zm_condition_state_t state;
    const char *text;
} tried_t;

static bool is_met(zm_hold_t *hold, zm_job_t *job, zm_recipient_t *recipient, tried_t *tried)
{
    if (!tried->any || !zm_str_equal(tried->condition, recipient->host)) {
        tried->any = true;
        tried->condition = recipient->host;
        tried->text = "";
        tried->state =
            zm_condition_try(hold, recipient->host, job->info.mtime_s, &tried->text, job->pool);
    }
    if (tried->state != ZM_CONDITION_MET)
        tell_unmet(job, recipient, tried->state, tried->text);
    return tried->state == ZM_CONDITION_MET;
}

static void resubmitted(zm_job_t *job, zm_recipient_t *recipient, apr_status_t status,
                        const char *text)
{
    if (status == APR_SUCCESS)
        tell(job, recipient, ZM_RESULT_OK, "2.2.0",
             apr_pstrcat(job->pool, "routed again as ", text, NULL));
    else
        tell(job, recipient, ZM_RESULT_TEMPFAIL, "4.3.1",
             apr_pstrcat(job->pool, "cannot submit the message again: ", text, NULL));
}

void zm_hold_job(zm_hold_t *hold, zm_job_t *job)
{
    tried_t tried = {0};
    int i, j;
    for (i = 0; i < job->group_count; i++) {
        zm_group_t *group = &job->groups[i];
        zm_recipient_t **ready =
            apr_palloc(job->pool, sizeof *ready * (apr_size_t)(group->count + 1));
        int count = 0;
        for (j = 0; j < group->count; j++)
            if (group->recipients[j]->claimed && is_met(hold, job, group->recipients[j], &tried))
                ready[count++] = group->recipients[j];
        zm_resubmit(&hold->resubmitter, job, group, ready, count, resubmitted);
    }
}
