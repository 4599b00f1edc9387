#include "ta/sm/sm.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/log.h"
#include "ta/agent/envelope.h"
#include "ta/agent/report.h"
#include "ta/agent/run.h"
#include "ta/sm/arguments.h"
#include "ta/sm/letter.h"

/* Who shares a process: systems limit what a command line holds. */
#define TOGETHER 500
#define TOGETHER_OCTETS 65536

/* Some recipients of a group on their way. */
typedef struct errand_t {
    const zm_sm_t *sm;
    zm_job_t *job;
    zm_group_t *group;
    zm_recipient_t **recipients;
    int count;
    apr_pool_t *pool;
    apr_time_t started;
} errand_t;

/* -- outcomes -------------------------------------------------------------- */

static void tell(const errand_t *errand, int result, const char *status, const char *text)
{
    zm_outcome_t outcome = {0};
    int i;
    outcome.result = result;
    outcome.action = result == ZM_RESULT_OK ? "relayed" : "failed";
    outcome.status = zm_str(status);
    outcome.diagnostic = result == ZM_RESULT_OK
                             ? ZM_S("smtp;250 (Delivered)")
                             : zm_str(apr_psprintf(errand->pool, "smtp; 500 (%s)", text));
    outcome.text = zm_str(text);
    outcome.spent = zm_clock_monotonic() - errand->started;
    for (i = 0; i < errand->count; i++)
        zm_job_report(errand->job, errand->recipients[i], &outcome);
}

typedef struct row_t {
    int code;
    zm_result_t result;
    const char *status, *meaning;
} row_t;

static row_t row_of(int code, bool strict)
{
    static const row_t rows[] = {
        {0, ZM_RESULT_OK, "2.5.0", "delivered"},
        {64, ZM_RESULT_TEMPFAIL, "4.3.0", "bad usage"},
        {65, ZM_RESULT_UNAVAILABLE, "5.3.0", "bad data"},
        {66, ZM_RESULT_TEMPFAIL, "4.3.0", "no input"},
        {67, ZM_RESULT_NOUSER, "5.1.1", "no such user"},
        {68, ZM_RESULT_NOHOST, "5.3.0", "no such host"},
        {69, ZM_RESULT_UNAVAILABLE, "5.3.0", "service unavailable"},
        {70, ZM_RESULT_TEMPFAIL, "4.3.0", "software error"},
        {71, ZM_RESULT_TEMPFAIL, "4.3.0", "system error"},
        {72, ZM_RESULT_TEMPFAIL, "4.3.0", "system file missing"},
        {73, ZM_RESULT_TEMPFAIL, "4.2.1", "cannot create"},
        {74, ZM_RESULT_TEMPFAIL, "4.2.2", "input or output error"},
        {75, ZM_RESULT_TEMPFAIL, "4.3.0", "temporary failure"},
        {76, ZM_RESULT_TEMPFAIL, "4.3.0", "protocol error"},
        {77, ZM_RESULT_NOPERM, "5.2.0", "permission denied"},
    };
    apr_size_t i;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i];
    if (strict)
        return (row_t){code, ZM_RESULT_UNAVAILABLE, "5.3.0", "unknown status"};
    return (row_t){code, ZM_RESULT_TEMPFAIL, "4.3.0", "unknown status"};
}

static void judge(const errand_t *errand, const zm_run_end_t *end)
{
    const char *line = zm_field_text(zm_str_trim(end->line), errand->pool).data;
    const char *blank = line[0] != '\0' ? " " : "";
    row_t row;
    switch (end->how) {
    case ZM_RUN_NO_LETTER:
        tell(errand, ZM_RESULT_IOERR, "4.3.0", "cannot read the message");
        return;
    case ZM_RUN_TOO_LONG:
        tell(errand, ZM_RESULT_TEMPFAIL, "4.4.7",
             apr_psprintf(errand->pool, "%s%s[time limit]", line, blank));
        return;
    case ZM_RUN_SIGNALLED:
        tell(errand, ZM_RESULT_TEMPFAIL, "4.3.0",
             apr_psprintf(errand->pool, "%s%s[signal %d]", line, blank, end->code));
        return;
    case ZM_RUN_EXITED:
        row = row_of(end->code, errand->sm->options->strict);
        tell(errand, row.result, row.status,
             apr_psprintf(errand->pool, "%s%s[exit status %d/%d (%s)]", line, blank, end->code,
                          row.result, row.meaning));
        return;
    }
}

/* -- one process ----------------------------------------------------------- */

static void warn(void *baton, const char *text)
{
    zm_agent_note(baton, "%s", text);
}

static void show(const errand_t *errand, const char *const *argv)
{
    zm_buf_t line = ZM_BUF_INIT;
    if (errand->sm->options->verbose == 0)
        return;
    for (; *argv != NULL; argv++) {
        zm_buf_add_byte(&line, ' ');
        zm_buf_add_c(&line, *argv);
    }
    zm_agent_note(errand->sm->agent, "%s:%s", errand->sm->mailer->program, zm_buf_c(&line));
    zm_buf_free(&line);
}

static void run(errand_t *errand, const char *const *argv)
{
    const zm_sm_t *sm = errand->sm;
    zm_sm_letter_t letter = {.options = sm->options,
                             .mailer = sm->mailer,
                             .job = errand->job,
                             .group = errand->group,
                             .recipients = errand->recipients,
                             .count = errand->count};
    zm_run_spec_t spec = {.program = sm->mailer->program, .words = argv};
    zm_run_end_t *end = apr_palloc(errand->pool, sizeof *end);
    zm_buf_t beginning = ZM_BUF_INIT;
    zm_error_t error = {0};
    show(errand, argv);
    if (zm_sm_letter_begin(&letter, &beginning) != APR_SUCCESS)
        tell(errand, ZM_RESULT_IOERR, "4.3.0", "cannot read the message");
    else {
        spec.stall_limit = sm->options->stall_limit;
        spec.total_limit = sm->options->total_limit;
        spec.limits = &sm->options->limits;
        spec.beginning = zm_buf_str(&beginning);
        spec.body = zm_sm_letter_piece;
        spec.baton = &letter;
        if (zm_run(end, &spec, sm->agent->loop, &error) == APR_SUCCESS)
            judge(errand, end);
        else {
            if (sm->agent->log_style != 0)
                zm_log_syslog(ZM_LOG_ERROR, "sm", "mailer %s: %s", sm->mailer->name, error.text);
            tell(errand, ZM_RESULT_TEMPFAIL, "4.3.0", error.text);
        }
    }
    zm_sm_letter_free(&letter);
    zm_buf_free(&beginning);
}

/* Why the addresses cannot be given to the mailer: said of the sender, or null. */
static const char *fault_of(const errand_t *errand, bool *of_sender)
{
    const char *wrong = NULL;
    int i;
    *of_sender = false;
    if (!errand->sm->mailer->bsmtp)
        return NULL;
    wrong = zm_envelope_fault(errand->group->sender, true);
    *of_sender = wrong != NULL;
    for (i = 0; i < errand->count && wrong == NULL; i++)
        wrong = zm_envelope_fault(errand->recipients[i]->user, false);
    return wrong;
}

static void tell_fault(const errand_t *errand, bool of_sender, const char *wrong)
{
    tell(errand, ZM_RESULT_UNAVAILABLE, of_sender ? "5.1.7" : "5.1.3",
         apr_psprintf(errand->pool, "%s: %s", of_sender ? "sender address" : "address", wrong));
}

static zm_argument_fault_t arguments(const errand_t *errand, const char *const **argv,
                                     zm_mailer_warn_fn *warn_fn)
{
    const zm_sm_t *sm = errand->sm;
    zm_str_t sender = errand->group->sender;
    zm_arguments_t with = {.mailer = sm->mailer,
                           .zenv = sm->agent->zenv,
                           .sender = sender.length > 0 ? sender : ZM_S("<>"),
                           .host = errand->recipients[0]->host,
                           .warn = warn_fn,
                           .baton = sm->agent};
    zm_str_t *users = apr_palloc(errand->pool, sizeof *users * (apr_size_t)errand->count);
    int i;
    for (i = 0; i < errand->count; i++)
        users[i] = errand->recipients[i]->user;
    return zm_arguments(argv, &with, users, errand->count, errand->pool);
}

static void deliver(errand_t *errand)
{
    const char *const *argv;
    zm_argument_fault_t fault = arguments(errand, &argv, warn);
    bool of_sender;
    const char *wrong = fault_of(errand, &of_sender);
    if (wrong != NULL)
        tell_fault(errand, of_sender, wrong);
    else if (fault != ZM_ARGUMENTS_GOOD)
        tell_fault(errand, fault == ZM_ARGUMENTS_SENDER,
                   "the mailer could take it for something else");
    else
        run(errand, argv);
}

/* -- who shares a process -------------------------------------------------- */

static void be_silent(void *baton, const char *text)
{
    (void)baton;
    (void)text;
}

/* Whether a recipient alone is one that the mailer can be told of. */
static bool is_good(errand_t *errand, zm_recipient_t **recipient)
{
    errand_t alone = *errand;
    const char *const *argv;
    bool of_sender;
    alone.recipients = recipient;
    alone.count = 1;
    return arguments(&alone, &argv, be_silent) == ZM_ARGUMENTS_GOOD &&
           fault_of(&alone, &of_sender) == NULL;
}

/* How many recipients from this one on go together: one that cannot be told goes, and fails,
 * alone. */
static int together(errand_t *errand, int first)
{
    zm_recipient_t **recipients = errand->group->recipients;
    apr_size_t octets = recipients[first]->user.length;
    int next = first + 1;
    if (!errand->sm->mailer->many || !is_good(errand, recipients + first))
        return 1;
    while (next < errand->group->count && next - first < TOGETHER &&
           octets + recipients[next]->user.length <= TOGETHER_OCTETS &&
           zm_str_equal_nocase(recipients[next]->host, recipients[first]->host) &&
           is_good(errand, recipients + next))
        octets += recipients[next++]->user.length;
    return next - first;
}

void zm_sm_job(const zm_sm_t *sm, zm_job_t *job)
{
    int i, first;
    for (i = 0; i < job->group_count; i++) {
        zm_group_t *group = &job->groups[i];
        for (first = 0; first < group->count && !job->agent->stopping;) {
            errand_t errand = {.sm = sm, .job = job, .group = group};
            apr_pool_create(&errand.pool, job->pool);
            errand.started = zm_clock_monotonic();
            errand.recipients = group->recipients + first;
            errand.count = together(&errand, first);
            first += errand.count;
            deliver(&errand);
            apr_pool_destroy(errand.pool);
        }
    }
}

apr_status_t zm_sm_open(zm_sm_t *sm, zm_sm_options_t *options, zm_agent_t *agent, zm_error_t *error)
{
    zm_mailer_t *mailer;
    apr_status_t status = zm_sm_site(options, agent->zenv, agent->pool, error);
    *sm = (zm_sm_t){agent, options, NULL};
    if (status == APR_SUCCESS)
        status = zm_mailer_find(&mailer, options->table, options->mailer, agent->zenv,
                                options->allow_shell, warn, agent, agent->pool, error);
    if (status == APR_SUCCESS)
        sm->mailer = mailer;
    return status;
}
