#include "ta/errormail/report.h"

#include <apr_strings.h>

#include "mta/conf/site.h"
#include "mta/mail/dsn_address.h"
#include "ta/agent/report.h"
#include "ta/errormail/compose.h"

void zm_errormail_open(zm_errormail_t *errormail, zm_agent_t *agent)
{
    zm_site_submitter(&errormail->submitter, agent->zenv, agent->spool, agent->pool);
    errormail->owner = zm_site_trusted(agent->zenv, agent->pool);
    errormail->domain = zm_zenv_get_or(agent->zenv, "ORGDOMAIN", NULL);
    if (errormail->domain == NULL)
        errormail->domain = zm_site_hostname(agent->zenv, agent->pool);
}

/* -- outcomes -------------------------------------------------------------- */

static void tell(const zm_errata_t *errata, zm_recipient_t *recipient, zm_result_t result,
                 const char *status, const char *text)
{
    zm_outcome_t outcome = {0};
    outcome.result = result;
    outcome.status = zm_str(status);
    outcome.diagnostic = zm_str(apr_psprintf(errata->job->pool, "x-local; %s (%s)",
                                             result == ZM_RESULT_OK ? "250" : "500", text));
    outcome.text = zm_str(text);
    zm_job_report(errata->job, recipient, &outcome);
}

static void tell_all(const zm_errata_t *errata, zm_result_t result, const char *status,
                     const char *text)
{
    int i;
    for (i = 0; i < errata->count; i++)
        tell(errata, errata->recipients[i], result, status, text);
}

/* -- the envelope ---------------------------------------------------------- */

/* Whether the letter must not be seen by others: then neither may the report (RFC 8689, 5). */
static bool requires_tls(const zm_errata_t *errata)
{
    int i;
    for (i = 0; i < errata->count; i++)
        if (errata->recipients[i]->dsn.require_tls)
            return true;
    return false;
}

static apr_status_t add_receiver(zm_submission_t *submission, const zm_errata_t *errata,
                                 zm_str_t address, apr_pool_t *pool)
{
    zm_buf_t dsn = ZM_BUF_INIT;
    zm_str_t plain = zm_field_text(address, pool);
    apr_status_t status;
    zm_buf_add_c(&dsn, "NOTIFY=NEVER ORCPT=");
    zm_dsn_add_orcpt(&dsn, plain);
    if (requires_tls(errata))
        zm_buf_add_c(&dsn, " REQUIRETLS=YES");
    status = zm_submit_line(submission, "todsn", zm_buf_str(&dsn));
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "to", plain);
    zm_buf_free(&dsn);
    return status;
}

/* The address in the value of a copy's field: inside <...>, else all of it. */
static zm_str_t copy_address(zm_str_t field)
{
    zm_str_t value = zm_str_trim(zm_form_field_value(field)), before, inside;
    if (zm_str_cut(value, '<', &before, &inside)) {
        zm_str_t address, rest;
        if (zm_str_cut(inside, '>', &address, &rest))
            return address;
    }
    return value;
}

static apr_status_t add_envelope(zm_submission_t *submission, const zm_errata_t *errata,
                                 apr_pool_t *pool)
{
    apr_status_t status = zm_submit_line(submission, "channel", ZM_S("error"));
    int i;
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "errormsg", ZM_S(""));
    if (status == APR_SUCCESS)
        status = add_receiver(submission, errata, zm_dsn_reader(errata->sender), pool);
    if (status == APR_SUCCESS && errata->form == NULL)
        status = add_receiver(submission, errata, ZM_S("postmaster"), pool);
    for (i = 0; errata->form != NULL && i < errata->form->copy_count && status == APR_SUCCESS;
         i++) {
        zm_str_t address = copy_address(errata->form->copies[i]);
        if (address.length > 0 && !zm_str_equal_nocase(address, errata->sender))
            status = add_receiver(submission, errata, address, pool);
    }
    return status == APR_SUCCESS ? zm_submit_env_end(submission) : status;
}

/* -- one report ------------------------------------------------------------ */

static apr_status_t put(void *baton, const void *data, apr_size_t length)
{
    return zm_submit_write(baton, data, length);
}

static apr_status_t submit(zm_errormail_t *errormail, const zm_errata_t *errata,
                           zm_published_t *published, apr_pool_t *pool)
{
    zm_submit_options_t options = {0, errormail->owner.uid, errormail->owner.gid};
    zm_submission_t *submission;
    apr_status_t status = zm_submit_begin(&submission, &errormail->submitter, &options);
    if (status != APR_SUCCESS)
        return status;
    status = add_envelope(submission, errata, pool);
    if (status == APR_SUCCESS)
        status = zm_errata_write(errata, put, submission, pool);
    if (status != APR_SUCCESS) {
        zm_submit_abort(submission);
        return status;
    }
    return zm_submit_commit_wait(submission, published, pool);
}

static void report(zm_errormail_t *errormail, zm_errata_t *errata)
{
    char id[ZM_SPOOL_ID_SIZE], reason[160];
    zm_published_t published = {0};
    apr_status_t status;
    zm_form_t *form = NULL;
    apr_pool_t *pool = errata->job->pool;
    status = zm_form_read(&form, zm_zenv_mailshare(errata->job->agent->zenv),
                          zm_str(errata->form_name), pool);
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status) && status != ZM_E_UNSAFE) {
        tell_all(errata, ZM_RESULT_TEMPFAIL, "4.3.5",
                 apr_psprintf(pool, "cannot read the form %s: %s", errata->form_name,
                              zm_status_text(status, reason, sizeof reason)));
        return;
    }
    errata->form = form;
    status = submit(errormail, errata, &published, pool);
    if (status != APR_SUCCESS) {
        tell_all(errata, ZM_RESULT_IOERR, "4.3.0",
                 apr_psprintf(pool, "cannot submit the report: %s",
                              zm_status_text(status, reason, sizeof reason)));
        return;
    }
    zm_layout_spool_id(id, published.info.id, published.info.mtime_s, published.info.mtime_ns);
    tell_all(errata, ZM_RESULT_OK, "2.0.0", id);
}

/* -- a job ----------------------------------------------------------------- */

/* Collects what one sender is to be told about one form; those who want no report are done. */
static void collect(zm_errata_t *errata, const zm_group_t *first, const char *form)
{
    zm_job_t *job = errata->job;
    int i, j;
    errata->group = first;
    errata->sender = first->sender;
    errata->form_name = form;
    errata->count = 0;
    for (i = 0; i < job->group_count; i++) {
        zm_group_t *group = &job->groups[i];
        if (!zm_str_equal(group->sender, first->sender))
            continue;
        for (j = 0; j < group->count; j++) {
            zm_recipient_t *recipient = group->recipients[j];
            if (!recipient->claimed || !zm_str_equal_c(recipient->host, form))
                continue;
            if (errata->sender.length == 0)
                tell(errata, recipient, ZM_RESULT_OK, "2.0.0", "error bounce dropped");
            else if (recipient->dsn.never || !recipient->dsn.failure)
                tell(errata, recipient, ZM_RESULT_OK, "2.0.0", "no report is wanted");
            else
                errata->recipients[errata->count++] = recipient;
        }
    }
}

void zm_errormail_job(zm_errormail_t *errormail, zm_job_t *job)
{
    zm_errata_t errata = {0};
    int i, j;
    errata.job = job;
    errata.domain = errormail->domain;
    errata.name_first = errormail->name_first;
    errata.recipients = apr_palloc(job->pool, sizeof *errata.recipients * (apr_size_t)job->count);
    for (i = 0; i < job->group_count; i++)
        for (j = 0; j < job->groups[i].count; j++) {
            zm_recipient_t *recipient = job->groups[i].recipients[j];
            if (!recipient->claimed || job->agent->stopping)
                continue;
            collect(&errata, &job->groups[i], zm_str_c(job->pool, recipient->host));
            if (errata.count > 0)
                report(errormail, &errata);
        }
}
