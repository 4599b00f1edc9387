/* The scheduler: its core, control files, intake and reports; agents are called instead of started.
 */
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/scheduler/files.h"
#include "mta/scheduler/intake.h"
#include "mta/scheduler/report.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/ta.h"
#include "platform/clock.h"
#include "tests/crash/system.h"

#define ROUNDS 200

static const char configuration[] =
    "*/* interval=1m retries=\"1\" expiry=30d maxta=4 maxchannel=10 maxring=5\n"
    "local/* command=agent\nsmtp/* command=agent\nerror/* command=agent\nhold/* command=agent\n";

/* What was sent to an agent and is not done yet. */
typedef struct process_t {
    zm_ta_t *ta;
    zm_buf_t input;
    bool closed, greeted;
    struct process_t *next;
} process_t;

struct schedule_t {
    system_t *system;
    apr_pool_t *pool;
    zm_scheduler_t *scheduler;
    zm_files_t files;
    zm_intake_t *intake;
    zm_reports_t *reports;
    process_t *processes;
    bool over; /* its programs were killed */
};

/* -- agents --------------------------------------------------------------------------------- */

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    schedule_t *schedule = baton;
    process_t *made = calloc(1, sizeof *made);
    (void)thread;
    if (made == NULL)
        return zm_error_set(error, APR_ENOMEM, "no memory");
    made->ta = ta;
    made->next = schedule->processes;
    schedule->processes = made;
    *process = made;
    return APR_SUCCESS;
}

static bool send_line(void *baton, zm_ta_t *ta, const char *data, apr_size_t length)
{
    process_t *process = ta->process;
    (void)baton;
    zm_buf_add(&process->input, data, length);
    return true;
}

static void half_close(void *baton, zm_ta_t *ta, bool quit)
{
    (void)baton;
    (void)quit;
    ((process_t *)ta->process)->closed = true;
}

static void kill_agent(void *baton, zm_ta_t *ta)
{
    half_close(baton, ta, true);
}

static void say(schedule_t *schedule, zm_ta_t *ta, zm_str_t text)
{
    zm_str_t line, rest = text;
    while (rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        zm_ta_line(schedule->scheduler, ta, line);
        rest = after;
    }
}

/* One line of work of one agent, or its greeting or end; false when none has anything to do. */
static bool turn(schedule_t *schedule)
{
    process_t **link;
    for (link = &schedule->processes; *link != NULL; link = &(*link)->next) {
        process_t *process = *link;
        zm_buf_t said = ZM_BUF_INIT;
        zm_str_t line, rest;
        if (!process->greeted) {
            process->greeted = true;
            say(schedule, process->ta, ZM_S("#hungry\n"));
            return true;
        }
        if (process->input.length > 0) {
            apr_size_t whole = process->input.length;
            zm_str_cut(zm_buf_str(&process->input), '\n', &line, &rest);
            if (line.length == 0) { /* it is to end */
                zm_buf_clear(&process->input);
                process->closed = true;
                return true;
            }
            if (!zm_str_equal(line, ZM_S("#idle")))
                agent_work(schedule->system, line, &said);
            zm_buf_consume(&process->input, line.length + 1 < whole ? line.length + 1 : whole);
            zm_buf_add_c(&said, "#hungry\n");
            say(schedule, process->ta, zm_buf_str(&said));
            zm_buf_free(&said);
            return true;
        }
        if (process->closed) {
            *link = process->next;
            zm_ta_gone(schedule->scheduler, process->ta, false);
            zm_buf_free(&process->input);
            free(process);
            return true;
        }
    }
    return false;
}

/* -- control files -------------------------------------------------------------------------- */

static apr_status_t record(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text)
{
    schedule_t *schedule = baton;
    return zm_files_record(&schedule->files, job, offset, failed, notary, text);
}

static apr_status_t expire(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text)
{
    schedule_t *schedule = baton;
    return zm_files_expire(&schedule->files, job, offset, notary, text);
}

static apr_status_t delayed(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text)
{
    schedule_t *schedule = baton;
    return zm_files_delayed(&schedule->files, job, offset, number, notary, text);
}

static void complete(void *baton, zm_job_t *job)
{
    schedule_t *schedule = baton;
    if (schedule->over)
        zm_job_free(schedule->scheduler, job);
    else
        zm_reports_complete(schedule->reports, job);
}

static void reportable(void *baton, zm_job_t *job)
{
    schedule_t *schedule = baton;
    if (!schedule->over)
        zm_reports_interim(schedule->reports, job);
}

static void reread(void *baton, zm_job_t *job)
{
    schedule_t *schedule = baton;
    if (schedule->over)
        zm_job_forget(schedule->scheduler, job);
    else
        zm_files_reread(&schedule->files, schedule->scheduler, job);
}

static void finished(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state)
{
    (void)baton;
    (void)job;
    (void)thread;
    (void)state;
}

static void comment(void *baton, zm_ta_t *ta, zm_str_t line, bool malformed)
{
    (void)baton;
    (void)ta;
    /* A result of a job that could not be read again, and is forgotten, is not expected. */
    if (malformed && (line.length == 0 || !zm_is_digit((unsigned char)line.data[0])))
        world_trouble("the scheduler does not understand an agent: %.*s", (int)line.length,
                      line.data);
}

static void fed(void *baton, zm_ta_t *ta, zm_vertex_t *vertex, zm_str_t line)
{
    (void)baton;
    (void)ta;
    (void)vertex;
    (void)line;
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    (void)baton;
    (void)job;
    zm_log(level, NULL, text);
}

static const zm_outside_t outside = {
    .start = start,
    .send = send_line,
    .half_close = half_close,
    .kill = kill_agent,
    .record = record,
    .expire = expire,
    .delayed = delayed,
    .complete = complete,
    .reportable = reportable,
    .reread = reread,
    .finished = finished,
    .comment = comment,
    .fed = fed,
    .event = event,
};

/* -- the whole ------------------------------------------------------------------------------ */

static void settle(void *baton)
{
    schedule_t *schedule = baton;
    if (!schedule->over)
        zm_scheduler_settle(schedule->scheduler);
}

static void opened(void *baton)
{
    schedule_t *schedule = baton;
    zm_scheduler_tick(schedule->scheduler);
    zm_scheduler_open(schedule->scheduler);
}

static void removed(void *baton, const zm_job_t *job)
{
    (void)baton;
    (void)job;
}

static zm_config_t *read_configuration(site_t *site)
{
    zm_config_options_t options = {"scheduler.conf", site->zenv, false, 100};
    zm_buf_t problems = ZM_BUF_INIT;
    if (site->scheduler == NULL && zm_config_parse(&site->scheduler, zm_str(configuration),
                                                   &options, &problems, site->pool) != APR_SUCCESS)
        world_trouble("scheduler.conf: %s", zm_buf_c(&problems));
    zm_buf_free(&problems);
    return site->scheduler;
}

static void open_reports(schedule_t *schedule)
{
    zm_reports_options_t options = {0};
    options.loop = schedule->system->site->loop;
    options.scheduler = schedule->scheduler;
    options.files = &schedule->files;
    options.submitter = &schedule->system->submitter;
    options.zenv = schedule->system->site->zenv;
    options.domain = "mail.test";
    options.owner.uid = options.owner.gid = ZM_UID_NONE;
    options.full_by_default = true;
    options.settle = settle;
    options.removed = removed;
    options.baton = schedule;
    zm_reports_open(&schedule->reports, &options, schedule->pool);
}

bool schedule_open(system_t *system, zm_error_t *error)
{
    schedule_t *schedule = apr_pcalloc(system->pool, sizeof *schedule);
    zm_scheduler_options_t core = {.fork_rate = 1000000, .seed = 1};
    zm_intake_options_t intake = {0};
    zm_config_t *config = read_configuration(system->site);
    if (config == NULL)
        return false;
    schedule->system = system;
    schedule->pool = system->pool;
    schedule->files.spool = system->deliver;
    zm_scheduler_create(&schedule->scheduler, config, &core, &outside, schedule, system->pool);
    open_reports(schedule);
    intake.loop = system->site->loop;
    intake.scheduler = schedule->scheduler;
    intake.files = &schedule->files;
    intake.hash_levels = 2;
    intake.scan_entries = 1000;
    intake.opened = opened;
    intake.settle = settle;
    intake.baton = schedule;
    system->schedule = schedule;
    return zm_intake_open(&schedule->intake, &intake, system->pool, error) == APR_SUCCESS;
}

void schedule_close(schedule_t *schedule)
{
    schedule->over = true;
    zm_intake_close(schedule->intake);
    zm_reports_close(schedule->reports);
    zm_files_release(&schedule->files, 0);
    while (schedule->processes != NULL) {
        process_t *process = schedule->processes;
        schedule->processes = process->next;
        zm_ta_gone(schedule->scheduler, process->ta, false);
        zm_buf_free(&process->input);
        free(process);
    }
    zm_scheduler_destroy(schedule->scheduler);
}

/* The loop has timers and finished publishes; a round without either finds nothing. */
static void pump(schedule_t *schedule)
{
    int i;
    for (i = 0; i < 6; i++)
        zm_loop_once(schedule->system->site->loop, 0);
}

void schedule_run(schedule_t *schedule)
{
    int rounds;
    zm_intake_scan(schedule->intake);
    pump(schedule);
    zm_scheduler_tick(schedule->scheduler);
    zm_scheduler_due(schedule->scheduler);
    zm_scheduler_settle(schedule->scheduler);
    for (rounds = 0; rounds < ROUNDS && turn(schedule); rounds++) {
        zm_scheduler_settle(schedule->scheduler);
        pump(schedule);
    }
    if (rounds == ROUNDS)
        world_trouble("the scheduler and its agents do not come to rest");
}
