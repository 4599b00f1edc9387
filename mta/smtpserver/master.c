/*
 * The master: binds, starts the workers, watches over them, and takes orders.
 *
 * It keeps the rights that it was started with, since only so can it bind a
 * privileged port again or open a log that was rotated away; it reads nothing that
 * comes from outside.  A reload starts a second crew with the new configuration
 * on the same sockets, and retires the first when the second serves.
 */
#include <apr_env.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/smtpserver/crew.h"
#include "mta/smtpserver/desk_keeper.h"
#include "mta/smtpserver/doors.h"
#include "mta/smtpserver/program.h"
#include "mta/smtpserver/worker.h"
#include "mta/conf/counters.h"
#include "platform/child.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "platform/machine.h"
#include "platform/service.h"

#define PREDECESSOR_PATIENCE apr_time_from_sec(5)
#define PORT_PATIENCE apr_time_from_sec(3)
#define CLOSING_PATIENCE apr_time_from_sec(5)
#define LOG_INTERVAL apr_time_from_sec(5)
#define VERIFIERS 8  /* at most, of those who know who clients are */
#define MOST_CREWS 8 /* that finish their sessions beside the serving one */

typedef struct master_t {
    program_t *program;
    crew_frame_t frame;
    doors_t doors;
    zm_pidfile_t *pidfile;
    zm_counters_t *counters;
    desk_keeper_t *desk, *filters, *verifiers;
    crew_t *serving, *next;
    crew_t *retired[MOST_CREWS];
    bool stopping, slowly;
    bool again; /* another reload was asked for while one was under way */
    zm_timer_t give_up;
    zm_timer_t look; /* at the names of the logs */
    zm_file_info_t session_log;
} master_t;

/* -- configuration ---------------------------------------------------------------------------- */

static void log_config(const config_t *config)
{
    int i;
    for (i = 0; i < config->notices->nelts; i++)
        zm_log(ZM_LOG_NOTICE, NULL, "configuration",
               ZM_F_S("note", APR_ARRAY_IDX(config->notices, i, const char *)));
    for (i = 0; i < config->warnings->nelts; i++)
        zm_log(ZM_LOG_WARNING, NULL, "configuration",
               ZM_F_S("warning", APR_ARRAY_IDX(config->warnings, i, const char *)));
    for (i = 0; i < config->errors->nelts; i++)
        zm_log(ZM_LOG_ERROR, NULL, "configuration",
               ZM_F_S("error", APR_ARRAY_IDX(config->errors, i, const char *)));
}

static int worker_count(const program_t *program)
{
    int64_t wanted = program->arguments.workers;
    int count = wanted > 0 ? (int)wanted : zm_machine_processors();
    return count > 64 ? 64 : count;
}

/* A crew for the configuration as it is in the file now. */
static apr_status_t make_crew(master_t *master, crew_t **crew, apr_interval_time_t patience,
                              zm_error_t *error)
{
    apr_socket_t *const *sockets;
    const char *groups;
    config_t *config;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, master->program->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot start");
    status = program_config(master->program, &config, pool);
    if (status != APR_SUCCESS)
        (void)zm_error_set(error, status, "%s", APR_ARRAY_IDX(config->errors, 0, const char *));
    else if ((status = tls_engine_check(config, error)) == APR_SUCCESS)
        status = doors_open(&master->doors, config, patience, error);
    log_config(config);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    sockets = doors_of(&master->doors, config, &groups, pool);
    return crew_start(crew, &master->frame, config, worker_count(master->program), sockets, groups,
                      pool, error);
}

static void reload(master_t *master)
{
    zm_error_t error;
    master->again = master->next != NULL;
    if (master->stopping || master->next != NULL)
        return;
    if (make_crew(master, &master->next, 0, &error) != APR_SUCCESS) {
        master->next = NULL;
        zm_log(ZM_LOG_ERROR, NULL, "reload failed; the old configuration stays in force",
               ZM_F_S("reason", error.text));
    }
}

/* -- crews ------------------------------------------------------------------------------------- */

static void retire(master_t *master, crew_t *crew, bool slowly)
{
    int i;
    for (i = 0; i < MOST_CREWS && master->retired[i] != NULL; i++)
        continue;
    if (i == MOST_CREWS) { /* the oldest has had its time */
        crew_close(master->retired[0]);
        for (i = 1; i < MOST_CREWS; i++)
            master->retired[i - 1] = master->retired[i];
        i--;
    }
    master->retired[i] = crew;
    crew_retire(crew, slowly);
}

static void forget(master_t *master, const crew_t *crew)
{
    int i, kept = 0;
    for (i = 0; i < MOST_CREWS; i++)
        if (master->retired[i] != NULL && master->retired[i] != crew)
            master->retired[kept++] = master->retired[i];
    for (; kept < MOST_CREWS; kept++)
        master->retired[kept] = NULL;
}

static void note_session_log(master_t *master)
{
    const char *file = program_session_log(master->program, master->program->pool);
    if (file == NULL || zm_path_info(&master->session_log, NULL, file) != APR_SUCCESS)
        master->session_log.id = 0;
}

static void on_complete(master_t *master, crew_t *crew)
{
    bool first = master->serving == NULL;
    if (!first)
        retire(master, master->serving, false);
    master->serving = crew;
    master->next = NULL;
    doors_close_others(&master->doors, crew_config(crew));
    note_session_log(master);
    zm_log(ZM_LOG_NOTICE, NULL, first ? "serving" : "reloaded",
           ZM_F_I("workers", worker_count(master->program)),
           ZM_F_I("listeners", crew_config(crew)->binds->nelts));
    if (first)
        zm_counters_started(master->counters, ZM_COUNT_SYS_SmtpServerMasterPID);
    desk_keeper_set(master->desk, crew_config(crew)->router ? (int)crew_config(crew)->routers : 0);
    desk_keeper_set(master->filters, crew_config(crew)->filter.program != NULL
                                         ? (int)crew_config(crew)->filter.most
                                         : 0);
    desk_keeper_set(master->verifiers, config_wants_auth(crew_config(crew)) ? VERIFIERS : 0);
    if (first)
        zm_service_ready();
    if (master->again)
        reload(master);
}

static void on_failed(master_t *master, crew_t *crew)
{
    if (master->serving == NULL) {
        zm_pidfile_release(master->pidfile);
        zm_service_fail(crew_code(crew), crew_reason(crew));
    }
    zm_log(ZM_LOG_ERROR, NULL, "reload failed; the old configuration stays in force",
           ZM_F_S("reason", crew_reason(crew)));
    crew_close(crew);
    master->next = NULL;
    doors_close_others(&master->doors, crew_config(master->serving));
    if (master->again)
        reload(master);
}

static void on_crew(crew_t *crew, crew_event_t event, void *baton)
{
    master_t *master = baton;
    switch (event) {
    case CREW_COMPLETE:
        on_complete(master, crew);
        break;
    case CREW_FAILED:
        on_failed(master, crew);
        break;
    case CREW_CLOSED:
        if (master->stopping && crew == master->serving)
            zm_loop_stop(master->frame.loop);
        break;
    case CREW_ENDED:
        if (crew == master->serving)
            break;
        forget(master, crew);
        crew_close(crew);
        break;
    }
}

/* -- orders ------------------------------------------------------------------------------------ */

static void on_give_up(zm_timer_t *timer, void *baton)
{
    master_t *master = baton;
    (void)timer;
    zm_log(ZM_LOG_WARNING, NULL, "workers do not answer");
    zm_loop_stop(master->frame.loop);
}

/*
 * We end when no worker accepts connections any more, so that a successor finds the
 * ports free; the workers go on until their last session has ended.
 */
static void stop(master_t *master, bool slowly)
{
    int i;
    if (slowly)
        for (i = 0; i < MOST_CREWS; i++)
            if (master->retired[i] != NULL)
                crew_control(master->retired[i], ZM_CONTROL_SLOW_STOP);
    if (master->stopping)
        return;
    master->stopping = true;
    zm_timer_cancel(&master->look);
    doors_close(&master->doors);
    if (master->next != NULL)
        crew_close(master->next);
    master->next = NULL;
    if (master->serving == NULL) {
        zm_loop_stop(master->frame.loop);
        return;
    }
    crew_retire(master->serving, slowly);
    zm_timer_set(&master->give_up, CLOSING_PATIENCE);
}

static void dump(master_t *master)
{
    int i;
    if (master->serving != NULL)
        crew_control(master->serving, ZM_CONTROL_DUMP);
    for (i = 0; i < MOST_CREWS; i++)
        if (master->retired[i] != NULL)
            crew_control(master->retired[i], ZM_CONTROL_DUMP);
}

static void on_control(zm_control_t event, void *baton)
{
    master_t *master = baton;
    zm_log(ZM_LOG_NOTICE, NULL, "control", ZM_F_S("event", zm_control_name(event)));
    switch (event) {
    case ZM_CONTROL_STOP:
    case ZM_CONTROL_SLOW_STOP:
        stop(master, event == ZM_CONTROL_SLOW_STOP);
        break;
    case ZM_CONTROL_REOPEN:
        (void)zm_log_reopen();
        reload(master);
        break;
    case ZM_CONTROL_RELOAD:
        reload(master);
        break;
    case ZM_CONTROL_DUMP:
        dump(master);
        break;
    case ZM_CONTROL_COUNT:
        break;
    }
}

/* Workers without rights cannot open a log that was rotated away: new ones can, before they give
 * their rights up. */
static void on_look(zm_timer_t *timer, void *baton)
{
    master_t *master = baton;
    const char *file = program_session_log(master->program, master->program->pool);
    zm_file_info_t now;
    zm_timer_set(timer, LOG_INTERVAL);
    if (file == NULL || master->session_log.id == 0)
        return;
    if (zm_path_info(&now, NULL, file) == APR_SUCCESS && now.id == master->session_log.id)
        return;
    master->session_log.id = 0; /* once, until the new crew is there */
    reload(master);
}

/* -- the run ----------------------------------------------------------------------------------- */

static const char *pid_path(const program_t *program)
{
    const char *name = program->arguments.pid_file;
    return apr_pstrcat(program->pool, zm_zenv_postoffice(program->zenv), "/",
                       name != NULL ? name : ".pid.smtpserver", NULL);
}

/* Takes the place of a server that runs already: it is told to stop. */
static apr_status_t take_place(master_t *master, zm_error_t *error)
{
    const char *path = pid_path(master->program);
    apr_pool_t *pool = master->program->pool;
    apr_time_t until = apr_time_now() + PREDECESSOR_PATIENCE;
    apr_status_t status = zm_pidfile_take(&master->pidfile, path, pool, error);
    apr_int64_t pid;
    if (status != ZM_E_BUSY || zm_pidfile_holder(&pid, path, pool) != APR_SUCCESS)
        return status;
    zm_log(ZM_LOG_NOTICE, NULL, "stopping the server that runs", ZM_F_I("pid", pid));
    (void)zm_control_send(pid, false, ZM_CONTROL_STOP);
    do {
        apr_sleep(apr_time_from_msec(20));
        status = zm_pidfile_take(&master->pidfile, path, pool, error);
    } while (status == ZM_E_BUSY && apr_time_now() < until);
    return status;
}

static apr_status_t start(master_t *master, zm_error_t *error)
{
    program_t *program = master->program;
    apr_status_t status = zm_loop_create(&master->frame.loop, program->pool);
    if (status == APR_SUCCESS)
        status = zm_control_listen(master->frame.loop, on_control, master);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot set up the event loop");
    zm_timer_init(&master->give_up, master->frame.loop, on_give_up, master);
    zm_timer_init(&master->look, master->frame.loop, on_look, master);
    if (zm_identity_privileged())
        zm_timer_set(&master->look, LOG_INTERVAL);
    status = tally_create(&master->frame.tally, worker_tally_path(program), program->pool, error);
    if (status != APR_SUCCESS)
        return status;
    master->counters = zm_counters_open(program->zenv, true, program->pool);
    master->desk = desk_keeper_create(program, CLERK_ROUTER, master->frame.loop, master->counters);
    master->filters =
        desk_keeper_create(program, CLERK_FILTER, master->frame.loop, master->counters);
    master->verifiers = desk_keeper_create(program, CLERK_VERIFIER, master->frame.loop, NULL);
    master->frame.counters = master->counters;
    master->frame.program = program;
    master->frame.fn = on_crew;
    master->frame.baton = master;
    doors_init(&master->doors, program->pool);
    program_give_freezer(program);
    program_make_inspection(program);
    return make_crew(master, &master->next, PORT_PATIENCE, error);
}

/* Errors that the terminal should see are found before it is left. */
static bool check_config(const program_t *program)
{
    const char *suffix = program->arguments.suffix;
    config_t *config;
    zm_error_t error;
    bool good;
    int i;
    if (suffix != NULL && strcmp(suffix, "remote") == 0)
        fprintf(stderr, "smtpserver: -S remote has no effect: all clients share one session log\n");
    good = program_config(program, &config, program->pool) == APR_SUCCESS;
    if (good && tls_engine_check(config, &error) != APR_SUCCESS) {
        fprintf(stderr, "smtpserver: %s\n", error.text);
        good = false;
    }
    for (i = 0; i < config->warnings->nelts; i++)
        fprintf(stderr, "smtpserver: warning: %s\n",
                APR_ARRAY_IDX(config->warnings, i, const char *));
    for (i = 0; i < config->groups->nelts; i++) {
        const char *problem = program_database_problem(program, config, i);
        if (problem != NULL)
            fprintf(stderr, "smtpserver: warning: %s\n", problem);
    }
    for (i = 0; i < config->errors->nelts; i++)
        fprintf(stderr, "smtpserver: %s\n", APR_ARRAY_IDX(config->errors, i, const char *));
    return good;
}

static int code_of(const zm_error_t *error)
{
    return error->status == ZM_E_CONFIG ? ZM_EXIT_CONFIG : 71;
}

int master_run(program_t *program)
{
    master_t master = {.program = program};
    const arguments_t *arguments = &program->arguments;
    zm_error_t error = {0};
    apr_status_t status;
    if (!check_config(program))
        return ZM_EXIT_CONFIG;
    (void)apr_env_set("ZCONFIG", zm_zenv_file(program->zenv), program->pool);
    if (!arguments->foreground && arguments->debug < 2 && zm_service_detach(&error) != APR_SUCCESS)
        zm_service_fail(71, error.text);
    if (take_place(&master, &error) != APR_SUCCESS)
        zm_service_fail(2, error.text);
    if (start(&master, &error) != APR_SUCCESS) {
        zm_pidfile_release(master.pidfile);
        zm_service_fail(code_of(&error), error.text);
    }
    status = zm_loop_run(master.frame.loop);
    desk_keeper_close(master.desk);
    desk_keeper_close(master.filters);
    desk_keeper_close(master.verifiers);
    zm_counter_set(master.counters, ZM_COUNT_SS_Processes_G, 0);
    zm_log(ZM_LOG_NOTICE, NULL, "stopped");
    zm_pidfile_release(master.pidfile);
    return status == APR_SUCCESS ? 0 : 71;
}
