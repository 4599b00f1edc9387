/* The real world: what the scheduler's core asks for, done with files, processes and logs. */
#include <apr_strings.h>

#include "mta/scheduler/daemon.h"
#include "mta/scheduler/ta.h"
#include "platform/clock.h"
#include "spool/layout.h"

/* Malformed lines of one agent that are logged; more are counted only. */
#define MALFORMED_LOGGED 20
#define COMMENT_LOGGED 500

static const char *id_of(char id[ZM_SPOOL_ID_SIZE], const zm_job_t *job)
{
    if (job == NULL)
        return NULL;
    zm_layout_spool_id(id, job->id, job->arrived, job->arrived_ns);
    return id;
}

/* -- agents -------------------------------------------------------------------------------- */

static apr_status_t start_agent(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                                zm_error_t *error)
{
    zm_daemon_t *daemon = baton;
    zm_process_t *started;
    apr_status_t status = zm_process_start(&daemon->processes, ta, thread, &started, error);

    if (status != APR_SUCCESS)
        return status;
    *process = started;
    zm_log(ZM_LOG_DEBUG, NULL, "agent started", ZM_F_I("pid", ta->pid),
           ZM_F_S("channel", thread->ring->channel->name->data),
           ZM_F_S("host", thread->host->data));
    return APR_SUCCESS;
}

static bool send_agent(void *baton, zm_ta_t *ta, const char *data, apr_size_t length)
{
    (void)baton;
    return zm_process_send(ta->process, data, length);
}

static void half_close_agent(void *baton, zm_ta_t *ta, bool quit)
{
    (void)baton;
    zm_process_half_close(ta->process, quit);
}

static void kill_agent(void *baton, zm_ta_t *ta)
{
    (void)baton;
    zm_log_syslog(ZM_LOG_ERROR, "scheduler", "agent %ld of channel %s is killed", (long)ta->pid,
                  ta->ring->channel->name->data);
    zm_process_kill(ta->process);
}

static void comment(void *baton, zm_ta_t *ta, zm_str_t line, bool malformed)
{
    (void)baton;
    zm_process_said(ta->process, line);
    if (malformed && ta->malformed > MALFORMED_LOGGED)
        return;
    if (line.length > COMMENT_LOGGED)
        line.length = COMMENT_LOGGED;
    zm_log(malformed ? ZM_LOG_WARNING : ZM_LOG_DEBUG, NULL,
           malformed ? "agent said something else" : "agent says", ZM_F_I("pid", ta->pid),
           ZM_F_S("channel", ta->ring->channel->name->data), ZM_F_N("line", line));
}

/* -- control files ------------------------------------------------------------------------- */

static apr_status_t record(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text)
{
    zm_daemon_t *daemon = baton;
    return zm_files_record(&daemon->files, job, offset, failed, notary, text);
}

static apr_status_t expire(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text)
{
    zm_daemon_t *daemon = baton;
    return zm_files_expire(&daemon->files, job, offset, notary, text);
}

static apr_status_t discard(void *baton, zm_job_t *job, uint32_t offset)
{
    zm_daemon_t *daemon = baton;
    return zm_files_discard(&daemon->files, job, offset);
}

static apr_status_t delayed(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text)
{
    zm_daemon_t *daemon = baton;
    return zm_files_delayed(&daemon->files, job, offset, number, notary, text);
}

static apr_status_t deadline(void *baton, const zm_job_t *job, uint32_t offset, int64_t *by,
                             char *mode)
{
    zm_daemon_t *daemon = baton;
    return zm_files_deadline(&daemon->files, job, offset, by, mode);
}

static bool has_log_id(void *baton, const zm_job_t *job, zm_str_t log_id)
{
    zm_daemon_t *daemon = baton;
    return zm_files_has_log_id(&daemon->files, job, log_id);
}

static void reread(void *baton, zm_job_t *job)
{
    zm_daemon_t *daemon = baton;
    zm_files_reread(&daemon->files, daemon->scheduler, job);
}

static void complete(void *baton, zm_job_t *job)
{
    zm_daemon_t *daemon = baton;
    zm_reports_complete(daemon->reports, job);
}

static void reportable(void *baton, zm_job_t *job)
{
    zm_daemon_t *daemon = baton;
    zm_reports_interim(daemon->reports, job);
}

/* -- logs -------------------------------------------------------------------------------------- */

static void finished(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state)
{
    zm_daemon_t *daemon = baton;
    char id[ZM_SPOOL_ID_SIZE];

    if (daemon->statistics != NULL)
        zm_statlog_line(daemon->statistics, job, thread, state, daemon->scheduler->wall);
    zm_log(state == ZM_STATE_OK || state == ZM_STATE_OK2 || state == ZM_STATE_OK3 ? ZM_LOG_DEBUG
                                                                                  : ZM_LOG_INFO,
           id_of(id, job), "finished", ZM_F_S("state", zm_state_name(state)),
           ZM_F_S("channel", thread->ring->channel->name->data),
           ZM_F_S("host", thread->host->data));
}

static void fed(void *baton, zm_ta_t *ta, zm_vertex_t *vertex, zm_str_t line)
{
    zm_daemon_t *daemon = baton;
    zm_buf_t text = ZM_BUF_INIT;

    if (vertex->job->rare == NULL || vertex->job->rare->verbose == NULL)
        return;
    zm_buf_printf(&text, "Feeding to child; ce.argv = \"%s\" chan = '%s' cmd: ",
                  zm_process_words(ta->process), ta->ring->channel->name->data);
    zm_buf_add_str(&text, line);
    zm_trace(daemon->spool, vertex->job, zm_buf_str(&text));
    zm_buf_free(&text);
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    char id[ZM_SPOOL_ID_SIZE];
    (void)baton;
    zm_log(level, id_of(id, job), text);
}

const zm_outside_t zm_daemon_outside = {
    .start = start_agent,
    .send = send_agent,
    .half_close = half_close_agent,
    .kill = kill_agent,
    .record = record,
    .expire = expire,
    .discard = discard,
    .delayed = delayed,
    .deadline = deadline,
    .has_log_id = has_log_id,
    .complete = complete,
    .reportable = reportable,
    .reread = reread,
    .finished = finished,
    .comment = comment,
    .fed = fed,
    .event = event,
};
