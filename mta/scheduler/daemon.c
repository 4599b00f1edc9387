#include "mta/scheduler/daemon.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/scheduler/holds_file.h"
#include "mta/scheduler/ta.h"
#include "platform/fs.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "spool/layout.h"

/* Logs are opened again so often, so that renaming one is enough to start another, microseconds. */
#define REOPEN_PAUSE (25 * APR_USEC_PER_SEC)
/* Descriptors that are not for agents. */
#define DESCRIPTORS_KEPT 30
#define MOST_CHILDREN 10000
/* Names of a directory looked at in one go. */
#define SCAN_STEP 1000

static void settle(void *baton);

/* -- configuration ------------------------------------------------------------------------- */

static void tell_problems(const zm_buf_t *problems, bool to_log)
{
    zm_str_t rest = zm_buf_str(problems), line;
    while (rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        if (to_log)
            zm_log(ZM_LOG_ERROR, NULL, "configuration", ZM_F_N("problem", line));
        else
            fprintf(stderr, "scheduler: %.*s\n", (int)line.length, line.data);
        rest = after;
    }
}

static int most_children(void)
{
    uint32_t descriptors = zm_process_descriptors();
    if (descriptors == 0 || descriptors > MOST_CHILDREN + DESCRIPTORS_KEPT)
        return MOST_CHILDREN;
    return descriptors > 2 * DESCRIPTORS_KEPT ? (int)(descriptors - DESCRIPTORS_KEPT)
                                              : DESCRIPTORS_KEPT;
}

zm_config_t *zm_daemon_config(const zm_daemon_options_t *options, apr_pool_t *pool, bool to_log)
{
    zm_config_options_t wanted = {options->config, options->zenv, zm_identity_privileged(),
                                  most_children()};
    zm_buf_t problems = ZM_BUF_INIT;
    zm_config_t *config = NULL;

    if (zm_config_load(&config, &wanted, &problems, pool) != APR_SUCCESS)
        config = NULL;
    tell_problems(&problems, to_log);
    zm_buf_free(&problems);
    return config;
}

static const char *notify_path(zm_daemon_t *daemon, const zm_config_t *config)
{
    const char *path = config->notifysock;
    if (path == NULL)
        path = zm_site_path(daemon->options->zenv, "SCHEDULERNOTIFY", ".scheduler.notify",
                            daemon->pool);
    return strncmp(path, "UNIX:", 5) == 0 ? path + 5 : path;
}

/* Without mailq the mail still flows, so a port that is taken is no reason not to run. */
static void open_mailqd(zm_daemon_t *daemon)
{
    zm_mailqd_options_t options = {0};
    zm_error_t error;

    options.loop = daemon->loop;
    options.scheduler = daemon->scheduler;
    options.socket = daemon->config->mailqsock;
    options.bind = zm_zenv_get_or(daemon->options->zenv, "BINDADDR", NULL);
    options.authfile = daemon->config->authfile;
    options.version = daemon->options->mailq_version;
    options.summary = daemon->options->summary_only;
    options.zenv = daemon->options->zenv;
    options.syslog = daemon->syslog;
    options.settle = settle;
    options.baton = daemon;
    if (zm_mailqd_open(&daemon->mailqd, &options, daemon->pool, &error) == APR_SUCCESS)
        return;
    daemon->mailqd = NULL;
    zm_log(ZM_LOG_ERROR, NULL, "mailq is not served", ZM_F_S("reason", error.text));
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Sockets are opened again when they are others now, or could not be opened before. */
static void reopen_sockets(zm_daemon_t *daemon, const zm_config_t *old)
{
    const zm_config_t *config = daemon->config;
    zm_error_t error;

    if (!same_text(notify_path(daemon, old), notify_path(daemon, config)) &&
        zm_intake_listen(daemon->intake, notify_path(daemon, config), &error) != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "no hints are taken", ZM_F_S("reason", error.text));
    if (daemon->mailqd != NULL && same_text(old->mailqsock, config->mailqsock) &&
        same_text(old->authfile, config->authfile)) {
        zm_mailqd_reload(daemon->mailqd);
        return;
    }
    if (daemon->mailqd != NULL)
        zm_mailqd_close(daemon->mailqd);
    open_mailqd(daemon);
}

static void reload(zm_daemon_t *daemon)
{
    apr_pool_t *pool, *old = daemon->config_pool;
    const zm_config_t *previous = daemon->config;
    zm_config_t *config;

    apr_pool_create(&pool, daemon->pool);
    config = zm_daemon_config(daemon->options, pool, true);
    if (config == NULL) {
        zm_log(ZM_LOG_ERROR, NULL, "the configuration has errors; the old one stays in force");
        apr_pool_destroy(pool);
        return;
    }
    zm_scheduler_tick(daemon->scheduler);
    zm_scheduler_reload(daemon->scheduler, config);
    daemon->config = config;
    daemon->config_pool = pool;
    reopen_sockets(daemon, previous);
    apr_pool_destroy(old);
    zm_log(ZM_LOG_NOTICE, NULL, "configuration reloaded");
}

/* -- events -------------------------------------------------------------------------------- */

static void arm(zm_daemon_t *daemon)
{
    zm_scheduler_t *scheduler = daemon->scheduler;
    uint32_t next = zm_scheduler_next(scheduler);
    apr_interval_time_t after =
        next > scheduler->now ? apr_time_from_sec(next - scheduler->now) : 0;

    if (after > 5 * APR_USEC_PER_SEC)
        after = 5 * APR_USEC_PER_SEC; /* the clock may be set meanwhile */
    zm_timer_set(&daemon->due, after);
}

static void settle(void *baton)
{
    zm_daemon_t *daemon = baton;
    zm_scheduler_settle(daemon->scheduler);
    zm_scheduler_publish(daemon->scheduler);
    zm_holds_save(daemon->scheduler, daemon->postoffice, daemon->pool);
    arm(daemon);
    if (daemon->slow_stop && daemon->scheduler->tas == NULL)
        zm_loop_stop(daemon->loop);
}

static void due(zm_timer_t *timer, void *baton)
{
    zm_daemon_t *daemon = baton;
    (void)timer;
    zm_scheduler_tick(daemon->scheduler);
    zm_scheduler_due(daemon->scheduler);
    settle(daemon);
}

static void reopen_logs(zm_daemon_t *daemon)
{
    zm_log_reopen();
    if (daemon->statistics != NULL)
        zm_statlog_reopen(daemon->statistics);
}

/* Room in the spool and for the logs, for those who watch the counters. */
static void count_space(zm_daemon_t *daemon)
{
    zm_counters_t *shared = daemon->scheduler->shared;
    const char *logs = zm_zenv_get_or(daemon->options->zenv, "LOGDIR", NULL);
    uint64_t bytes, files;

    if (zm_spool_free_space(daemon->spool, &bytes, &files) == APR_SUCCESS) {
        zm_counter_set(shared, ZM_COUNT_SYS_SpoolFreeSpace_kB_G, (int64_t)(bytes / 1024));
        zm_counter_set(shared, ZM_COUNT_SYS_SpoolFreeFiles_G, (int64_t)files);
        zm_counter_set(shared, ZM_COUNT_SYS_TportSpoolFreeSpace_kB_G, (int64_t)(bytes / 1024));
        zm_counter_set(shared, ZM_COUNT_SYS_TportSpoolFreeFiles_G, (int64_t)files);
    }
    if (logs != NULL && zm_fs_free_space(&bytes, &files, logs) == APR_SUCCESS) {
        zm_counter_set(shared, ZM_COUNT_SYS_LogFreeSpace_kB_G, (int64_t)(bytes / 1024));
        zm_counter_set(shared, ZM_COUNT_SYS_LogFreeFiles_G, (int64_t)files);
    }
}

static void reopen_due(zm_timer_t *timer, void *baton)
{
    reopen_logs(baton);
    count_space(baton);
    zm_timer_set(timer, REOPEN_PAUSE);
}

static void opened(void *baton)
{
    zm_daemon_t *daemon = baton;
    zm_log(ZM_LOG_NOTICE, NULL, "spool read", ZM_F_I("messages", daemon->scheduler->job_count),
           ZM_F_I("recipients", daemon->scheduler->recipient_count));
    zm_scheduler_tick(daemon->scheduler);
    zm_holds_prune(daemon->scheduler);
    zm_scheduler_open(daemon->scheduler);
}

static void taken(void *baton, zm_job_t *job)
{
    zm_daemon_t *daemon = baton;
    char path[ZM_JOB_PATH_SIZE], line[ZM_JOB_PATH_SIZE + 40];

    if (job->rare == NULL || job->rare->verbose == NULL)
        return;
    apr_snprintf(line, sizeof line, "scheduler processing %s", zm_job_path(path, job));
    zm_trace(daemon->spool, job, zm_str(line));
}

static void removed(void *baton, const zm_job_t *job)
{
    zm_daemon_t *daemon = baton;
    char id[ZM_SPOOL_ID_SIZE], path[ZM_JOB_PATH_SIZE], line[ZM_JOB_PATH_SIZE + 40];

    zm_layout_spool_id(id, job->id, job->arrived, job->arrived_ns);
    zm_log(ZM_LOG_INFO, id, "complete", ZM_F_I("recipients", job->total),
           ZM_F_I("failed", job->failed));
    if (daemon->syslog)
        zm_log_syslog(ZM_LOG_INFO, "scheduler", "%s: complete (total %u recipients, %u failed)", id,
                      job->total, job->failed);
    if (job->rare == NULL || job->rare->verbose == NULL)
        return;
    apr_snprintf(line, sizeof line, "scheduler done processing %s", zm_job_path(path, job));
    zm_trace(daemon->spool, job, zm_str(line));
}

static void control(zm_control_t event, void *baton)
{
    zm_daemon_t *daemon = baton;
    zm_error_t error;

    zm_log(ZM_LOG_NOTICE, NULL, "asked to", ZM_F_S("do", zm_control_name(event)));
    zm_scheduler_tick(daemon->scheduler);
    switch (event) {
    case ZM_CONTROL_STOP:
        zm_loop_stop(daemon->loop);
        return;
    case ZM_CONTROL_SLOW_STOP:
        daemon->slow_stop = true;
        zm_scheduler_slow_stop(daemon->scheduler);
        break;
    case ZM_CONTROL_REOPEN:
        reopen_logs(daemon);
        break;
    case ZM_CONTROL_RELOAD:
        reload(daemon);
        break;
    case ZM_CONTROL_DUMP:
        if (daemon->options->rendezvous != NULL &&
            zm_mailqd_dump(daemon->scheduler, daemon->options->rendezvous, daemon->pool, &error) !=
                APR_SUCCESS)
            zm_log(ZM_LOG_ERROR, NULL, "no dump", ZM_F_S("reason", error.text));
        break;
    case ZM_CONTROL_COUNT:
        break;
    }
    settle(daemon);
}

/* -- putting it together ----------------------------------------------------------------------- */

static void open_core(zm_daemon_t *daemon)
{
    const zm_daemon_options_t *options = daemon->options;
    zm_scheduler_options_t core = {0};
    zm_file_info_t info;

    core.fork_rate = options->fork_rate;
    core.frozen = options->frozen;
    core.starting = options->synchronous;
    core.only_channel = options->only_channel;
    core.only_host = options->only_host;
    core.seed = (uint64_t)zm_clock_wall() ^ (uint64_t)zm_process_own() << 40;
    zm_scheduler_create(&daemon->scheduler, daemon->config, &core, &zm_daemon_outside, daemon,
                        daemon->pool);
    daemon->scheduler->shared = zm_counters_open(options->zenv, true, daemon->pool);
    zm_scheduler_publish_start(daemon->scheduler);
    zm_holds_load(daemon->scheduler, daemon->postoffice, daemon->pool);
    daemon->files.spool = daemon->spool;
    daemon->processes.loop = daemon->loop;
    daemon->processes.scheduler = daemon->scheduler;
    daemon->processes.zenv = options->zenv;
    daemon->processes.directory =
        apr_pstrcat(daemon->pool, daemon->postoffice, "/" ZM_DIR_TRANSPORT, NULL);
    if (zm_path_info(&info, NULL, daemon->processes.directory) != APR_SUCCESS)
        daemon->processes.directory = daemon->postoffice; /* a spool that is no directory tree */
    daemon->processes.descriptors = options->descriptors;
    daemon->processes.privileged = zm_identity_privileged();
    daemon->processes.settle = settle;
    daemon->processes.baton = daemon;
}

static void open_reports(zm_daemon_t *daemon)
{
    zm_reports_options_t options = {0};
    const char *hostname = zm_site_hostname(daemon->options->zenv, daemon->pool);

    options.loop = daemon->loop;
    options.scheduler = daemon->scheduler;
    options.files = &daemon->files;
    options.submitter = &daemon->submitter;
    options.zenv = daemon->options->zenv;
    options.domain = zm_zenv_get_or(daemon->options->zenv, "ORGDOMAIN", hostname);
    options.owner = zm_site_trusted(daemon->options->zenv, daemon->pool);
    options.full_by_default = !daemon->options->header_by_default;
    options.keep_files =
        daemon->options->only_channel != NULL || daemon->options->only_host != NULL;
    options.settle = settle;
    options.syslog = daemon->syslog;
    options.removed = removed;
    options.baton = daemon;
    zm_reports_open(&daemon->reports, &options, daemon->pool);
}

static apr_status_t open_intake(zm_daemon_t *daemon, zm_error_t *error)
{
    zm_intake_options_t options = {0};

    options.loop = daemon->loop;
    options.scheduler = daemon->scheduler;
    options.files = &daemon->files;
    options.hash_levels = daemon->options->hash_levels;
    options.syslog = daemon->syslog;
    options.scan_entries = daemon->options->scan_entries;
    if (options.scan_entries == 0 || options.scan_entries > SCAN_STEP)
        options.scan_entries = SCAN_STEP;
    options.notify_path = notify_path(daemon, daemon->config);
    options.watch = zm_zenv_get_or(daemon->options->zenv, "SCHEDULERNOTIFY", NULL) == NULL;
    options.opened = opened;
    options.settle = settle;
    options.taken = taken;
    options.baton = daemon;
    return zm_intake_open(&daemon->intake, &options, daemon->pool, error);
}

static apr_status_t open_base(zm_daemon_t *daemon, zm_error_t *error)
{
    const zm_daemon_options_t *options = daemon->options;
    const char *flags = zm_zenv_get_or(options->zenv, "SYSLOGFLG", "");
    apr_status_t status;

    daemon->postoffice = zm_zenv_postoffice(options->zenv);
    daemon->syslog = strpbrk(flags, "cC") != NULL;
    apr_pool_create(&daemon->config_pool, daemon->pool);
    daemon->config = zm_daemon_config(options, daemon->config_pool, false);
    if (daemon->config == NULL)
        return zm_error_set(error, ZM_E_CONFIG, "%s has errors; the scheduler does not start",
                            options->config);
    if (daemon->config->own_nice != 0 || daemon->config->own_priority)
        (void)zm_process_nice((int)daemon->config->own_nice, daemon->config->own_priority);
    status = zm_loop_create(&daemon->loop, daemon->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot make an event loop");
    status = zm_control_listen(daemon->loop, control, daemon);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot listen for control events");
    status = zm_site_spool(&daemon->spool, options->zenv, daemon->loop, daemon->pool, error);
    if (status != APR_SUCCESS)
        return status;
    zm_site_submitter(&daemon->submitter, options->zenv, daemon->spool, daemon->pool);
    if (options->statistics != NULL)
        status = zm_statlog_open(&daemon->statistics, options->statistics, daemon->pool, error);
    return status;
}

apr_status_t zm_daemon_open(zm_daemon_t **made, const zm_daemon_options_t *options,
                            apr_pool_t *pool, zm_error_t *error)
{
    zm_daemon_t *daemon = apr_pcalloc(pool, sizeof *daemon);
    apr_status_t status;

    daemon->options = options;
    daemon->pool = pool;
    status = open_base(daemon, error);
    if (status != APR_SUCCESS)
        return status;
    open_core(daemon);
    open_reports(daemon);
    zm_timer_init(&daemon->due, daemon->loop, due, daemon);
    zm_timer_init(&daemon->reopen, daemon->loop, reopen_due, daemon);
    zm_timer_set(&daemon->reopen, REOPEN_PAUSE);
    count_space(daemon);
    status = open_intake(daemon, error);
    if (status != APR_SUCCESS)
        return status;
    open_mailqd(daemon);
    arm(daemon);
    *made = daemon;
    return APR_SUCCESS;
}

/* -- running ------------------------------------------------------------------------------- */

/* Agents are left alone: they see the end of their input, finish, and record what they did. */
static void close_daemon(zm_daemon_t *daemon)
{
    zm_ta_t *ta;

    if (daemon->mailqd != NULL)
        zm_mailqd_close(daemon->mailqd);
    zm_intake_close(daemon->intake);
    zm_reports_close(daemon->reports);
    for (ta = daemon->scheduler->tas; ta != NULL; ta = ta->next)
        zm_process_leave(ta->process);
    zm_files_release(&daemon->files, 0);
    zm_spool_close(daemon->spool);
    zm_log(ZM_LOG_NOTICE, NULL, "stopped");
}

int zm_daemon_run(zm_daemon_t *daemon)
{
    apr_status_t status = zm_loop_run(daemon->loop);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "the event loop failed", ZM_F_E("status", status));
    close_daemon(daemon);
    return status == APR_SUCCESS ? 0 : 71;
}

int zm_daemon_run_files(zm_daemon_t *daemon, char **names, int count)
{
    int i;
    for (i = 0; i < count; i++)
        zm_intake_name(daemon->intake, zm_str(names[i]));
    zm_intake_drain(daemon->intake);
    zm_scheduler_open(daemon->scheduler);
    settle(daemon);
    while (daemon->scheduler->ta_count > daemon->scheduler->idle_count)
        if (zm_loop_once(daemon->loop, -1) != APR_SUCCESS)
            break;
    close_daemon(daemon);
    return 0;
}
