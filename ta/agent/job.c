#include "ta/agent/job.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/clock.h"
#include "ta/agent/report.h"
#include "ta/agent/trace.h"

#define CONTROL_LIMIT (512u * 1024 * 1024)

/* -- the control file ------------------------------------------------------ */

static zm_job_t *make_job(zm_agent_t *agent, const zm_job_line_t *line)
{
    apr_pool_t *pool;
    zm_job_t *job;
    apr_pool_create(&pool, agent->pool);
    job = apr_pcalloc(pool, sizeof *job);
    job->pool = pool;
    job->agent = agent;
    job->path = zm_str_copy(pool, line->path);
    job->host = zm_str_copy(pool, line->host);
    job->with_host = line->with_host;
    job->started = zm_clock_monotonic();
    return job;
}

static void free_job(zm_job_t *job)
{
    zm_object_close(job->control);
    zm_object_close(job->message);
    zm_object_close(job->trace);
    apr_pool_destroy(job->pool);
}

/* Opens and parses; false when there is nothing to be had from this file. */
static bool read_control(zm_job_t *job, zm_name_t *name)
{
    const char *path = apr_pstrcat(job->pool, "transport/", job->path.data, NULL);
    zm_control_file_t *file;
    zm_error_t error = {0};
    apr_status_t status;
    apr_size_t length;
    char *data;
    if (job->path.length != strlen(job->path.data) || !zm_spool_name_valid(zm_str(path)) ||
        zm_layout_parse(name, zm_str(path)) != APR_SUCCESS || !name->numeric) {
        zm_agent_note(job->agent, "not the name of a control file: %s", job->path.data);
        return false;
    }
    job->id = name->id;
    status = zm_object_open(&job->control, job->agent->spool, path, ZM_OBJECT_UPDATE);
    if (APR_STATUS_IS_ENOENT(status))
        return false;
    if (status == APR_SUCCESS)
        status = zm_object_read_all(job->control, &data, &length, CONTROL_LIMIT, job->pool);
    if (status != APR_SUCCESS) {
        char text[120];
        zm_agent_note(job->agent, "cannot read %s: %s", path,
                      zm_status_text(status, text, sizeof text));
        return false;
    }
    status = zm_control_parse(&file, data, length, job->pool, &error);
    if (status == ZM_E_UNSUPPORTED)
        zm_agent_fail(job->agent, ZM_RESULT_SOFTWARE);
    else if (status == APR_SUCCESS && file->unit_count < 4) {
        if (length > 0 && data[0] == 'T')
            return false; /* a command to the scheduler, not a message */
        zm_error_set(&error, status = ZM_E_CORRUPT, "it has too few lines");
    } else if (status == APR_SUCCESS && !file->complete)
        zm_error_set(&error, status = ZM_E_CORRUPT, "it is incomplete");
    if (status != APR_SUCCESS)
        zm_agent_note(job->agent, "%s: %s", path, error.text);
    job->file = file;
    return status == APR_SUCCESS;
}

/* -- selection ------------------------------------------------------------- */

typedef struct selector_t {
    zm_str_t host; /* empty: any, unless it stuck */
    bool sticky, stuck;
} selector_t;

static bool selects(selector_t *selector, const zm_job_t *job, const zm_control_recipient_t *line,
                    zm_str_t host)
{
    if (line->tag != ' ' || line->header < 0 || line->sender < 0)
        return false;
    if (job->agent->channel != NULL && !zm_str_equal_c(line->quad.channel, job->agent->channel))
        return false;
    if (job->agent->options.wanted != NULL &&
        !job->agent->options.wanted(job->agent, zm_quad_unquote(job->pool, line->quad.user),
                                    job->agent->options.baton))
        return false;
    if (selector->host.length == 0 && !selector->stuck)
        return true;
    return zm_str_equal_nocase(host, selector->host) ||
           zm_str_equal_nocase(line->quad.host, selector->host);
}

static void take_recipient(zm_job_t *job, zm_recipient_t *recipient,
                           const zm_control_recipient_t *line, zm_str_t host)
{
    recipient->line = line;
    recipient->host = host;
    recipient->user = zm_quad_unquote(job->pool, line->quad.user);
    recipient->privilege = line->quad.privilege;
    recipient->claimed = !job->agent->options.look_only;
    zm_dsn_parse(&recipient->dsn, line->dsn);
}

/* Claims what is ours, in file order. */
static void select_recipients(zm_job_t *job)
{
    selector_t selector = {job->host, job->agent->sticky && job->host.length == 0, false};
    const zm_control_file_t *file = job->file;
    int wanted = 0, i;
    bool *ours = apr_pcalloc(job->pool, sizeof *ours * (apr_size_t)(file->recipient_count + 1));
    for (i = 0; i < file->recipient_count; i++) {
        const zm_control_recipient_t *line = &file->recipients[i];
        zm_str_t host = zm_quad_unquote(job->pool, line->quad.host);
        ours[i] = selects(&selector, job, line, host);
        if (ours[i] && selector.sticky && !selector.stuck) {
            selector.host = host; /* which may be empty, and is no less a host then */
            selector.stuck = true;
        }
        wanted += ours[i];
    }
    job->recipients = apr_pcalloc(job->pool, sizeof *job->recipients * (apr_size_t)(wanted + 1));
    for (i = 0; i < file->recipient_count; i++) {
        const zm_control_recipient_t *line = &file->recipients[i];
        apr_status_t status;
        if (!ours[i])
            continue;
        status = job->agent->options.look_only ? APR_SUCCESS
                                               : zm_control_claim(job->control, line->offset);
        if (status == APR_SUCCESS)
            take_recipient(job, &job->recipients[job->count++], line,
                           zm_quad_unquote(job->pool, line->quad.host));
        else {
            char text[120];
            zm_agent_note(job->agent, "%s/%llu is not free: %s", job->path.data,
                          (unsigned long long)line->offset,
                          zm_status_text(status, text, sizeof text));
        }
    }
}

/* -- groups ---------------------------------------------------------------- */

static void start_group(zm_job_t *job, zm_group_t *group, const zm_control_recipient_t *line)
{
    const zm_control_sender_t *sender = &job->file->senders[line->sender];
    group->sender_line = sender;
    group->header = &job->file->headers[line->header];
    group->sender_channel = zm_quad_unquote(job->pool, sender->quad.channel);
    group->sender_privilege = sender->quad.privilege;
    if (!zm_str_equal(group->sender_channel, ZM_S("error")))
        group->sender = zm_quad_unquote(job->pool, sender->quad.user);
    zm_fields_parse(&group->fields, group->header->text, job->pool);
}

static zm_group_t *group_of(zm_job_t *job, const zm_control_recipient_t *line)
{
    int i;
    for (i = job->group_count - 1; i >= 0; i--)
        if (job->groups[i].sender_line == &job->file->senders[line->sender] &&
            job->groups[i].header == &job->file->headers[line->header])
            return &job->groups[i];
    return NULL;
}

static void make_groups(zm_job_t *job)
{
    int i;
    apr_size_t most = (apr_size_t)job->count;
    job->groups = apr_pcalloc(job->pool, sizeof *job->groups * most);
    for (i = 0; i < job->count; i++) {
        const zm_control_recipient_t *line = job->recipients[i].line;
        zm_group_t *group = group_of(job, line);
        if (group == NULL) {
            group = &job->groups[job->group_count++];
            start_group(job, group, line);
        }
        group->count++;
    }
    for (i = 0; i < job->group_count; i++) {
        zm_group_t *group = &job->groups[i];
        group->recipients =
            apr_palloc(job->pool, sizeof *group->recipients * (apr_size_t)group->count);
        group->count = 0;
    }
    for (i = 0; i < job->count; i++) {
        zm_group_t *group = group_of(job, job->recipients[i].line);
        group->recipients[group->count++] = &job->recipients[i];
    }
}

/* -- the message ----------------------------------------------------------- */

static void no_message(zm_job_t *job, apr_status_t status)
{
    char text[120];
    zm_outcome_t outcome = {0};
    bool gone = APR_STATUS_IS_ENOENT(status) || status == ZM_E_UNSAFE;
    zm_status_text(status, text, sizeof text);
    outcome.result = gone ? ZM_RESULT_UNAVAILABLE : ZM_RESULT_TEMPFAIL;
    outcome.status = gone ? ZM_S("5.3.0") : ZM_S("4.3.0");
    outcome.diagnostic = ZM_S("x-local; 500 (message file unavailable)");
    outcome.text =
        zm_str(apr_psprintf(job->pool, "message file %.*s: %s", (int)job->file->message.length,
                            job->file->message.data, text));
    zm_job_report_all(job, &outcome);
}

static bool open_message(zm_job_t *job, const zm_name_t *name)
{
    char *path = apr_pstrcat(job->pool, "queue/", zm_str_c(job->pool, name->prefix),
                             zm_str_c(job->pool, job->file->message), NULL);
    apr_status_t status = ZM_E_UNSAFE;
    if (zm_str_find(job->file->message, '/') < 0 && zm_spool_name_valid(zm_str(path)))
        status = zm_object_open(&job->message, job->agent->spool, path,
                                ZM_OBJECT_READ | ZM_OBJECT_STEADY);
    if (status == APR_SUCCESS)
        status = zm_object_info(&job->info, job->message);
    if (status != APR_SUCCESS) {
        no_message(job, status);
        return false;
    }
    zm_layout_spool_id(job->spool_id, job->info.id, job->info.mtime_s, job->info.mtime_ns);
    zm_body_init(&job->body, job->message, job->file->body_offset, job->info.size, job->pool);
    if (job->file->verbose.length > 0)
        job->trace = zm_trace_open(job->agent->spool, job->file->verbose, job->info.uid);
    return true;
}

/* -- the interface --------------------------------------------------------- */

zm_job_state_t zm_job_open(zm_job_t **result, zm_agent_t *agent, const zm_job_line_t *line)
{
    zm_job_t *job = make_job(agent, line);
    zm_name_t name = {0};
    *result = NULL;
    if (read_control(job, &name))
        select_recipients(job);
    if (job->count == 0) {
        zm_agent_resync(agent, job->path);
        free_job(job);
        return ZM_JOB_NOTHING;
    }
    make_groups(job);
    if (!open_message(job, &name)) {
        free_job(job);
        return ZM_JOB_NOTHING;
    }
    zm_agent_count(agent, ZM_AGENT_DELIVERY_STARTS, 1);
    *result = job;
    return ZM_JOB_READY;
}

void zm_job_close(zm_job_t *job)
{
    zm_outcome_t left = {0};
    left.result = ZM_RESULT_TEMPFAIL;
    left.status = ZM_S("4.3.0");
    left.text = ZM_S("the address was left locked");
    zm_job_report_all(job, &left);
    free_job(job);
}

apr_status_t zm_group_convert(const zm_converted_t **converted, zm_job_t *job, zm_group_t *group,
                              const zm_carrier_t *carrier)
{
    zm_conversion_t conversion;
    zm_body_facts_t facts;
    apr_status_t status = zm_body_facts(&job->body, &facts);
    *converted = NULL;
    if (status != APR_SUCCESS ||
        (!facts.eight_bit && !facts.long_lines && !carrier->decode && carrier->eight_bit))
        return status;
    conversion = zm_conversion_choose(&group->fields, &facts, carrier, job->pool);
    if (conversion == ZM_CONVERT_NONE)
        return APR_SUCCESS;
    if (conversion == ZM_CONVERT_IMPOSSIBLE)
        return ZM_E_UNSUPPORTED;
    if (group->converted == NULL || group->converted->conversion != conversion) {
        group->converted = apr_pcalloc(job->pool, sizeof *group->converted);
        status = zm_conversion_apply(group->converted, conversion, &group->fields, &job->body,
                                     carrier, job->pool);
        if (status != APR_SUCCESS)
            group->converted = NULL;
    }
    *converted = group->converted;
    return status;
}

uint64_t zm_job_size_estimate(const zm_job_t *job)
{
    uint64_t size = job->body.size, largest = 80;
    int i;
    for (i = 0; i < job->group_count; i++)
        if (job->groups[i].header->text.length > largest)
            largest = job->groups[i].header->text.length;
    size += largest;
    return size + size * 3 / 100;
}
