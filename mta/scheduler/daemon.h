/**
 * The scheduler as a program: the queue's core put together with the loop, the
 * spool, agents' processes, reports, logs and mailq.
 */
#ifndef ZM_SCHEDULER_DAEMON_H
#define ZM_SCHEDULER_DAEMON_H

#include "mta/scheduler/files.h"
#include "mta/scheduler/intake.h"
#include "mta/scheduler/mailqd.h"
#include "mta/scheduler/process.h"
#include "mta/scheduler/report.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/statlog.h"

typedef struct zm_daemon_options_t {
    zm_zenv_t *zenv;
    const char *config;     /**< scheduler.conf */
    const char *statistics; /**< statistics log, null: none */
    const char *rendezvous; /**< where the dump event writes the queue; null: nowhere */
    const char *only_channel, *only_host; /**< serve only this thread; null: any */
    int hash_levels;
    int mailq_version; /**< 1 or 2; a readable account file makes it 2 */
    int scan_entries;
    uint32_t fork_rate;
    uint32_t descriptors;   /**< of agents */
    bool frozen;            /**< start no agents */
    bool synchronous;       /**< read the whole spool before starting any */
    bool header_by_default; /**< return only the header when the sender did not say */
    bool summary_only;      /**< mailq version 1 shows no vertices */
} zm_daemon_options_t;

typedef struct zm_daemon_t {
    const zm_daemon_options_t *options;
    apr_pool_t *pool, *config_pool;
    zm_loop_t *loop;
    zm_config_t *config;
    zm_spool_t *spool;
    zm_submitter_t submitter;
    zm_scheduler_t *scheduler;
    zm_files_t files;
    zm_processes_t processes;
    zm_intake_t *intake;
    zm_reports_t *reports;
    zm_mailqd_t *mailqd;
    zm_statlog_t *statistics;
    zm_timer_t due, reopen;
    const char *postoffice;
    bool syslog; /**< classic lines are wanted */
    bool slow_stop;
} zm_daemon_t;

/** Reads the configuration, printing every problem to standard error or the log. Null on failure.
 */
zm_config_t *zm_daemon_config(const zm_daemon_options_t *options, apr_pool_t *pool, bool to_log);

/** Opens everything.  After it, zm_service_ready may be called. */
apr_status_t zm_daemon_open(zm_daemon_t **daemon, const zm_daemon_options_t *options,
                            apr_pool_t *pool, zm_error_t *error);
/** Serves until told to stop.  Returns the exit code. */
int zm_daemon_run(zm_daemon_t *daemon);
/** Takes the named control files, waits until no agent works any more, and returns. */
int zm_daemon_run_files(zm_daemon_t *daemon, char **names, int count);

/** The table of outside.h for a zm_daemon_t as baton. */
extern const zm_outside_t zm_daemon_outside;

#endif
