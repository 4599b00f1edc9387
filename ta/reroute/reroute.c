#include "ta/reroute/reroute.h"

#include <apr_strings.h>

#include "ta/agent/report.h"

static void tell(zm_job_t *job, zm_recipient_t *recipient, zm_result_t result, const char *status,
                 const char *text)
{
    zm_outcome_t outcome = {0};
    /* Whoever wants to know of success hears it from the last hop. */
    recipient->dsn.never = true;
    recipient->dsn.success = false;
    outcome.result = result;
    outcome.action = result == ZM_RESULT_OK ? "relayed" : NULL;
    outcome.status = zm_str(status);
    outcome.diagnostic = zm_str(
        apr_psprintf(job->pool, "x-local; %d (%s)", result == ZM_RESULT_OK ? 250 : 450, text));
    outcome.text = zm_str(text);
    zm_job_report(job, recipient, &outcome);
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

/* A file or a program, quoted or not. */
static bool is_local_place(zm_str_t user)
{
    apr_size_t at = 0;
    while (at < user.length && (user.data[at] == '"' || user.data[at] == '\\'))
        at++;
    return user.length > at && (user.data[at] == '|' || user.data[at] == '/');
}

void zm_reroute_job(zm_resubmitter_t *resubmitter, zm_job_t *job)
{
    int i, j;
    for (i = 0; i < job->group_count; i++) {
        zm_group_t *group = &job->groups[i];
        zm_recipient_t **those =
            apr_palloc(job->pool, sizeof *those * (apr_size_t)(group->count + 1));
        int count = 0;
        for (j = 0; j < group->count; j++) {
            zm_recipient_t *recipient = group->recipients[j];
            if (!recipient->claimed)
                continue;
            if (is_local_place(recipient->user))
                tell(job, recipient, ZM_RESULT_TEMPFAIL, "4.3.5",
                     "a file or program cannot be routed again");
            else
                those[count++] = recipient;
        }
        zm_resubmit(resubmitter, job, group, those, count, resubmitted);
    }
}
