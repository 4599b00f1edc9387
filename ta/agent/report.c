#include "ta/agent/report.h"

#include <string.h>

#include "platform/clock.h"
#include "platform/log.h"
#include "ta/agent/trace.h"

typedef struct report_t {
    zm_job_t *job;
    zm_recipient_t *recipient;
    const zm_outcome_t *outcome;
    zm_verdict_t verdict;
    zm_buf_t notary, text;
} report_t;

/* -- the control file ------------------------------------------------------ */

static bool record(report_t *report)
{
    const zm_control_recipient_t *line = report->recipient->line;
    const zm_control_header_t *header = &report->job->file->headers[line->header];
    char text[120];
    apr_status_t status;
    if (!report->verdict.recorded)
        return true;
    status = zm_control_diagnose(report->job->control, line->offset, (int64_t)header->offset,
                                 line->dsn_offset, zm_clock_wall(), zm_buf_str(&report->notary),
                                 zm_buf_str(&report->text));
    if (status == APR_SUCCESS)
        return true;
    zm_agent_note(report->job->agent, "cannot record the outcome in %s: %s", report->job->path.data,
                  zm_status_text(status, text, sizeof text));
    zm_agent_fail(report->job->agent, ZM_RESULT_DATAERR);
    return false;
}

static void release(report_t *report)
{
    apr_status_t status = zm_control_release(report->job->control, report->recipient->line->offset,
                                             report->verdict.tag);
    char text[120];
    if (status != APR_SUCCESS)
        zm_agent_note(report->job->agent, "cannot mark %s/%llu: %s", report->job->path.data,
                      (unsigned long long)report->recipient->line->offset,
                      zm_status_text(status, text, sizeof text));
}

/* -- the scheduler --------------------------------------------------------- */

static void tell_scheduler(report_t *report)
{
    zm_buf_t *out = zm_agent_output(report->job->agent);
    zm_buf_printf(out, "%llu/%llu\t", (unsigned long long)report->job->id,
                  (unsigned long long)report->recipient->line->offset);
    if (report->verdict.with_notary)
        zm_buf_add(out, report->notary.data, report->notary.length);
    zm_buf_add_byte(out, '\t');
    zm_outcome_words(report->outcome, &report->verdict, out);
    zm_buf_add_byte(out, '\n');
    zm_agent_flush(report->job->agent);
}

/* -- logs ------------------------------------------------------------------ */

static void tell_submitter(report_t *report)
{
    zm_buf_t line = ZM_BUF_INIT;
    if (report->job->trace == NULL)
        return;
    zm_buf_add_str(&line, report->recipient->user);
    zm_buf_add_c(&line, ": ");
    zm_outcome_words(report->outcome, &report->verdict, &line);
    zm_trace_line(report->job->trace, zm_buf_str(&line));
    zm_buf_free(&line);
}

static void add_interval(zm_buf_t *out, int64_t seconds)
{
    if (seconds < 0)
        seconds = 0;
    zm_buf_printf(out, "%02lld:%02d:%02d", (long long)(seconds / 3600), (int)(seconds / 60 % 60),
                  (int)(seconds % 60));
}

/* A remote name without its "type; ". */
static zm_str_t bare(zm_str_t remote)
{
    zm_str_t type, rest;
    return zm_str_cut(remote, ';', &type, &rest) ? zm_str_trim(rest) : remote;
}

static void add_relay(zm_buf_t *out, const zm_outcome_t *outcome, const char *between)
{
    if (outcome->remote.length == 0)
        return;
    zm_buf_add_c(out, between);
    zm_buf_add_c(out, "relay=");
    zm_buf_add_str(out, bare(outcome->remote));
    if (outcome->remote_ip.length > 0) {
        zm_buf_add_c(out, " ([");
        zm_buf_add_str(out, outcome->remote_ip);
        zm_buf_add_c(out, "])");
    }
}

/* Keyword and the last line of the text, cut to what a log line bears. */
static void add_stat(zm_buf_t *out, report_t *report, apr_size_t limit)
{
    zm_str_t text = zm_buf_str(&report->text);
    apr_size_t start = text.length;
    while (start > 0 && text.data[start - 1] != '\r')
        start--;
    text = zm_str_from(text, start);
    if (text.length > limit)
        text.length = limit;
    zm_buf_add_c(out, "stat=");
    zm_buf_add_c(out, report->verdict.keyword);
    zm_buf_add_byte(out, ' ');
    zm_buf_add_str(out, text);
}

static void tell_log(report_t *report)
{
    const zm_job_t *job = report->job;
    const zm_outcome_t *outcome = report->outcome;
    bool tabs = job->agent->log_style == 't';
    const char *between = tabs ? "\t" : ", ";
    zm_buf_t line = ZM_BUF_INIT;
    if (job->agent->log_style == 0)
        return;
    zm_buf_add_c(&line, job->spool_id);
    zm_buf_add_c(&line, tabs ? ":\tto=" : ": to=");
    zm_buf_add_str(&line, report->recipient->user);
    zm_buf_add_c(&line, between);
    zm_buf_add_c(&line, "delay=");
    add_interval(&line, job->message == NULL
                            ? 0
                            : (int64_t)apr_time_sec(zm_clock_wall()) - job->info.mtime_s);
    zm_buf_add_c(&line, between);
    zm_buf_add_c(&line, "xdelay=");
    add_interval(&line, (int64_t)apr_time_sec(outcome->spent));
    zm_buf_add_c(&line, between);
    zm_buf_add_c(&line, "mailer=");
    zm_buf_add_str(&line, report->recipient->line->quad.channel);
    add_relay(&line, outcome, between);
    zm_buf_add_c(&line, between);
    add_stat(&line, report, outcome->remote.length > 0 ? 400 : 200);
    if (outcome->conversion != NULL)
        zm_buf_printf(&line, " cvt=%s", outcome->conversion);
    zm_log_syslog(ZM_LOG_INFO, job->agent->name, "%s", zm_buf_c(&line));
    zm_buf_free(&line);
}

static void count(const report_t *report)
{
    zm_agent_counter_t which = report->verdict.tag == '+'   ? ZM_AGENT_RECIPIENTS_OK
                               : report->verdict.tag == '-' ? ZM_AGENT_RECIPIENTS_FAIL
                                                            : ZM_AGENT_RECIPIENTS_RETRY;
    zm_agent_count(report->job->agent, which, 1);
}

/* -- the interface --------------------------------------------------------- */

void zm_job_report(zm_job_t *job, zm_recipient_t *recipient, const zm_outcome_t *outcome)
{
    report_t report = {job, recipient, outcome, {0}, ZM_BUF_INIT, ZM_BUF_INIT};
    if (!recipient->claimed)
        return;
    recipient->claimed = false;
    report.verdict = zm_outcome_verdict(outcome, recipient->dsn.success && !recipient->dsn.never);
    if (report.verdict.recorded || report.verdict.with_notary)
        zm_outcome_notary(outcome, recipient->user, &report.notary);
    zm_outcome_text(outcome, &report.text);
    if (record(&report)) {
        tell_submitter(&report);
        release(&report);
        tell_scheduler(&report);
        count(&report);
        tell_log(&report);
    }
    zm_buf_free(&report.notary);
    zm_buf_free(&report.text);
}

void zm_group_report(zm_job_t *job, zm_group_t *group, const zm_outcome_t *outcome)
{
    int i;
    for (i = 0; i < group->count; i++)
        zm_job_report(job, group->recipients[i], outcome);
}

void zm_job_report_all(zm_job_t *job, const zm_outcome_t *outcome)
{
    int i;
    for (i = 0; i < job->count; i++)
        zm_job_report(job, &job->recipients[i], outcome);
}
