#include "ta/expirer/expirer.h"

#include <apr_strings.h>

#include "ta/agent/report.h"

#define FAILED_TEXT "x-local; 500 (Administrative deletion)"
#define DROPPED_TEXT "x-local; 250 (Administrative deletion)"

bool zm_expirer_wants(const zm_agent_t *agent, zm_str_t user, void *baton)
{
    const zm_expirer_t *expirer = baton;
    (void)agent;
    return expirer->user == NULL || zm_str_equal_nocase(user, zm_str(expirer->user));
}

static void note(const zm_expirer_t *expirer, const zm_job_t *job, const zm_recipient_t *recipient)
{
    zm_str_t user = zm_field_text(recipient->user, job->pool);
    if (expirer->dry)
        zm_agent_note(job->agent, "would end %s %.*s", job->spool_id, (int)user.length, user.data);
    if (expirer->log != NULL)
        zm_buf_printf(expirer->log, "%s %.*s %s\n", job->spool_id, (int)user.length, user.data,
                      expirer->dry      ? "dry run"
                      : expirer->silent ? "dropped"
                                        : "failed");
}

static void end(const zm_expirer_t *expirer, zm_job_t *job, zm_recipient_t *recipient)
{
    zm_outcome_t outcome = {0};
    if (expirer->silent) {
        outcome.result = ZM_RESULT_OK;
        outcome.action = "delivered";
        outcome.status = ZM_S("2.0.0");
    } else {
        outcome.result = ZM_RESULT_UNAVAILABLE;
        outcome.action = "failed";
        outcome.status = ZM_S("5.7.0");
    }
    outcome.diagnostic = zm_str(expirer->text != NULL ? expirer->text
                                : expirer->silent     ? DROPPED_TEXT
                                                      : FAILED_TEXT);
    outcome.text = outcome.diagnostic;
    zm_job_report(job, recipient, &outcome);
}

void zm_expirer_job(zm_expirer_t *expirer, zm_job_t *job)
{
    int i;
    for (i = 0; i < job->count; i++) {
        if (!expirer->dry && !job->recipients[i].claimed)
            continue;
        note(expirer, job, &job->recipients[i]);
        if (!expirer->dry)
            end(expirer, job, &job->recipients[i]);
    }
}
