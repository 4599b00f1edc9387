#include "mta/conf/counters.h"
#include "mta/router/master.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/router/farm.h"
#include "mta/router/upkeep.h"
#include "platform/control.h"
#include "platform/log.h"
#include "platform/service.h"
#include "spool/layout.h"
#include "spool/notify.h"
#include "spool/recover.h"

/* The safety net behind hints and watch: scans take at most a twentieth of the time. */
#define LEAST_SCAN_INTERVAL apr_time_from_sec(5)
#define MOST_SCAN_INTERVAL apr_time_from_sec(120)
#define SCAN_SHARE 20
#define SCAN_STEP 500 /* names looked at before other events get their turn */
#define MOST_INPUTS 30
#define PUBLISH_INTERVAL apr_time_from_sec(5) /* of gauges in the shared counters */
#define MOST_MEASURED 1000                    /* messages whose size is asked for then */
#define PATIENCE apr_time_from_sec(900)
#define STOP_PATIENCE apr_time_from_sec(25)

typedef struct master_t master_t;

/* One input directory with its workers. */
typedef struct input_t {
    master_t *master;
    const char *directory;
    router_queue_t *queue;
    router_farm_t *farm;
    zm_spool_watch_t *watch;
    zm_listing_t *listing; /* a scan under way, */
    apr_time_t scan_began; /* since then */
    apr_pool_t *scan_pool;
    zm_timer_t scan, feed;
    bool scan_again; /* a name may have come where the scan under way has been already */
} input_t;

struct master_t {
    const router_master_options_t *options;
    zm_loop_t *loop;
    zm_spool_t *spool;
    zm_notify_t *notify;
    input_t inputs[MOST_INPUTS];
    int input_count;
    int farms; /* that still run */
    zm_timer_t give_up;
    zm_counters_t *counters;
    zm_timer_t publish;
    uint64_t starts, deaths; /* of workers, as far as they are in the counters */
    zm_child_t *pickup;
    zm_timer_t pickup_again;
    router_upkeep_t *upkeep;
    bool ready, stopping;
    int code;
    apr_pool_t *pool;
};

/* -- finding work -------------------------------------------------------------------- */

static void found(input_t *input, const char *name, apr_time_t arrived)
{
    zm_name_t parts;
    if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric)
        router_queue_add(input->queue, name, parts.id, arrived);
}

static apr_interval_time_t next_scan(const input_t *input)
{
    apr_interval_time_t pause = (apr_time_now() - input->scan_began) * SCAN_SHARE;
    if (pause > MOST_SCAN_INTERVAL)
        return MOST_SCAN_INTERVAL;
    return input->watch == NULL || pause < LEAST_SCAN_INTERVAL ? LEAST_SCAN_INTERVAL : pause;
}

static void start_scan(input_t *input)
{
    if (input->listing != NULL)
        input->scan_again = true;
    else
        zm_timer_set(&input->scan, 0);
}

/* A step of a scan, or the beginning of one.  Names that are known cost a look into a table. */
static void scan_step(zm_timer_t *timer, void *baton)
{
    input_t *input = baton;
    const char *name;
    apr_status_t status = APR_SUCCESS;
    int steps;
    if (input->master->stopping)
        return;
    if (input->listing == NULL) {
        apr_pool_clear(input->scan_pool);
        input->scan_began = apr_time_now();
        status = zm_spool_list(&input->listing, input->master->spool, input->directory, false,
                               input->scan_pool);
    }
    for (steps = 0; status == APR_SUCCESS && steps < SCAN_STEP; steps++) {
        zm_object_info_t info;
        zm_name_t parts;
        status = zm_listing_next(input->listing, &name);
        if (status != APR_SUCCESS || zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS ||
            !parts.numeric || router_queue_knows(input->queue, parts.id))
            continue;
        if (zm_spool_info(&info, input->master->spool, name) == APR_SUCCESS)
            found(input, name, apr_time_from_sec(info.mtime_s) + info.mtime_ns / 1000);
    }
    router_farm_feed(input->farm);
    if (status == APR_SUCCESS) {
        zm_timer_set(timer, 0);
        return;
    }
    if (input->listing != NULL)
        zm_listing_close(input->listing);
    input->listing = NULL;
    if (!APR_STATUS_IS_ENOENT(status))
        zm_log(ZM_LOG_ERROR, NULL, "cannot scan", ZM_F_S("directory", input->directory),
               ZM_F_E("reason", status));
    zm_timer_set(timer, input->scan_again ? 0 : next_scan(input));
    input->scan_again = false;
}

static void on_watch(const char *name, void *baton)
{
    input_t *input = baton;
    if (name == NULL) {
        start_scan(input);
        return;
    }
    found(input, name, apr_time_now());
    router_farm_feed(input->farm);
}

static void on_hint(zm_str_t directory, zm_str_t leaf, void *baton)
{
    master_t *master = baton;
    int i;
    for (i = 0; i < master->input_count; i++) {
        input_t *input = &master->inputs[i];
        char name[300];
        if (!zm_str_equal_c(directory, input->directory) ||
            directory.length + leaf.length + 2 > sizeof name)
            continue;
        snprintf(name, sizeof name, "%s/%.*s", input->directory, (int)leaf.length, leaf.data);
        found(input, name, apr_time_now());
        zm_timer_set(&input->feed, 0); /* when all hints that are there have been read */
    }
}

static void feed_due(zm_timer_t *timer, void *baton)
{
    const input_t *input = baton;
    (void)timer;
    router_farm_feed(input->farm);
}

/* -- the farms -------------------------------------------------------------------------- */

static void stop(master_t *master)
{
    int i;
    if (master->stopping)
        return;
    master->stopping = true;
    zm_timer_set(&master->give_up, STOP_PATIENCE);
    router_upkeep_stop(master->upkeep);
    for (i = 0; i < master->input_count; i++)
        router_farm_stop(master->inputs[i].farm);
}

static void on_started(bool ready, void *baton)
{
    input_t *input = baton;
    master_t *master = input->master;
    if (!ready) {
        if (!master->ready && input == &master->inputs[0]) {
            zm_service_fail(78,
                            "no worker could load the configuration; the reason stands in the log");
        }
        return;
    }
    if (input == &master->inputs[0] && !master->ready) {
        master->ready = true;
        zm_counters_started(master->counters, ZM_COUNT_SYS_RouterMasterPID);
        zm_timer_set(&master->publish, 0);
        zm_service_ready();
    }
    router_farm_feed(input->farm);
}

/* A message over which workers die is set aside, where the postmaster sees it. */
static void on_poison(const router_job_t *job, void *baton)
{
    input_t *input = baton;
    apr_pool_t *pool;
    apr_status_t status;
    apr_pool_create(&pool, NULL);
    status = zm_spool_rename(input->master->spool, job->name,
                             apr_psprintf(pool, ZM_DIR_POSTMAN "/%" APR_UINT64_T_FMT ".killsrouter",
                                          (apr_uint64_t)job->id));
    zm_log(ZM_LOG_ERROR, NULL, "message killed two workers and is parked in postman",
           ZM_F_S("name", job->name), ZM_F_E("status", status));
    apr_pool_destroy(pool);
}

static bool on_exists(const router_job_t *job, void *baton)
{
    const input_t *input = baton;
    zm_object_info_t info;
    return zm_spool_info(&info, input->master->spool, job->name) == APR_SUCCESS;
}

static void on_stopped(void *baton)
{
    input_t *input = baton;
    if (--input->master->farms > 0)
        return;
    if (input->master->pickup != NULL)
        (void)zm_child_half_close(input->master->pickup);
    zm_loop_stop(input->master->loop);
}

static void on_give_up(zm_timer_t *timer, void *baton)
{
    master_t *master = baton;
    (void)timer;
    zm_log(ZM_LOG_WARNING, NULL,
           "workers did not end in time; what they work on is routed after the next start");
    zm_loop_stop(master->loop);
}

/* -- counters --------------------------------------------------------------------------------- */

static uint64_t measure(const char *name, void *baton)
{
    const master_t *master = baton;
    zm_object_info_t info;
    return zm_spool_info(&info, master->spool, name) == APR_SUCCESS ? info.size : 0;
}

/* What workers count themselves is what they route (record.h). */
static void publish(zm_timer_t *timer, void *baton)
{
    master_t *master = baton;
    uint64_t starts = 0, deaths = 0, volume = 0, messages = 0;
    int i, workers = 0;
    for (i = 0; i < master->input_count; i++) {
        input_t *input = &master->inputs[i];
        router_figures_t figures;
        router_farm_figures(input->farm, &figures);
        workers += figures.workers;
        starts += figures.starts;
        deaths += figures.deaths;
        messages += router_queue_waiting(input->queue) + (uint64_t)figures.busy;
        volume += router_queue_volume(input->queue, measure, master, MOST_MEASURED);
    }
    zm_counter_set(master->counters, ZM_COUNT_RT_RouterProcesses_G, workers);
    zm_counter_add(master->counters, ZM_COUNT_RT_RouterProcessForks,
                   (int64_t)(starts - master->starts));
    zm_counter_add(master->counters, ZM_COUNT_RT_RouterProcessFaults,
                   (int64_t)(deaths - master->deaths));
    zm_counter_set(master->counters, ZM_COUNT_RT_StoredMessages_G, (int64_t)messages);
    zm_counter_set(master->counters, ZM_COUNT_RT_StoredVolume_kB_G,
                   (int64_t)((volume + 1023) / 1024));
    master->starts = starts;
    master->deaths = deaths;
    zm_timer_set(timer, PUBLISH_INTERVAL);
}

static void log_figures(const input_t *input)
{
    router_figures_t figures;
    router_farm_figures(input->farm, &figures);
    zm_log(ZM_LOG_NOTICE, NULL, "figures", ZM_F_S("directory", input->directory),
           ZM_F_I("waiting", router_queue_waiting(input->queue)),
           ZM_F_I("workers", figures.workers), ZM_F_I("given", figures.busy),
           ZM_F_I("routed", figures.routed), ZM_F_I("parked", figures.parked),
           ZM_F_I("starts", figures.starts), ZM_F_I("deaths", figures.deaths));
}

static void on_control(zm_control_t event, void *baton)
{
    master_t *master = baton;
    int i;
    for (i = 0; i < master->input_count; i++) {
        input_t *input = &master->inputs[i];
        if (event == ZM_CONTROL_RELOAD)
            router_farm_reload(input->farm);
        else if (event == ZM_CONTROL_DUMP)
            log_figures(input);
    }
    if (event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP)
        stop(master);
    else if (event == ZM_CONTROL_REOPEN)
        (void)zm_log_reopen();
}

/* -- start ---------------------------------------------------------------------------------- */

/* With ROUTERDIRHASH submitters put messages into A to Z, and make none of these themselves. */
static void make_hash_directories(const master_t *master, const char *directory)
{
    char name[300];
    int letter;
    if (zm_zenv_get_or(master->options->zenv, "ROUTERDIRHASH", "")[0] != '1')
        return;
    for (letter = 'A'; letter <= 'Z'; letter++) {
        apr_status_t status;
        snprintf(name, sizeof name, "%s/%c", directory, letter);
        status = zm_spool_make_directory(master->spool, name, 0);
        if (status != APR_SUCCESS && !APR_STATUS_IS_EEXIST(status))
            zm_log(ZM_LOG_ERROR, NULL, "cannot make a hash directory", ZM_F_S("name", name),
                   ZM_F_E("reason", status));
    }
}

static void add_input(master_t *master, const char *directory, int workers)
{
    input_t *input = &master->inputs[master->input_count];
    router_farm_options_t farm = {0};
    if (master->input_count == MOST_INPUTS)
        return;
    master->input_count++;
    input->master = master;
    input->directory = directory;
    input->queue = router_queue_create();
    apr_pool_create(&input->scan_pool, master->pool);
    make_hash_directories(master, directory);
    zm_timer_init(&input->scan, master->loop, scan_step, input);
    zm_timer_init(&input->feed, master->loop, feed_due, input);
    if (zm_spool_watch(&input->watch, master->spool, directory, master->loop, on_watch, input) !=
        APR_SUCCESS)
        input->watch = NULL;
    farm.loop = master->loop;
    farm.queue = input->queue;
    farm.spec = master->options->worker;
    farm.workers = workers;
    farm.patience = PATIENCE;
    farm.started = on_started;
    farm.poison = on_poison;
    farm.exists = on_exists;
    farm.stopped = on_stopped;
    farm.baton = input;
    master->farms++;
    input->farm = router_farm_create(&farm, master->pool);
    start_scan(input);
}

/* The primary directory and those secondary ones that exist. */
static void add_inputs(master_t *master)
{
    zm_str_t rest, word;
    bool more = true;
    add_input(master, ZM_DIR_ROUTER, master->options->workers);
    rest = zm_str(
        zm_zenv_get_or(master->options->zenv, "ROUTERDIRS", "router1:router2:router3:router4"));
    while (more && rest.length > 0) {
        zm_listing_t *listing;
        const char *directory;
        more = zm_str_cut(rest, ':', &word, &rest);
        directory = zm_str_c(master->pool, word);
        if (word.length == 0 ||
            zm_spool_list(&listing, master->spool, directory, false, master->pool) != APR_SUCCESS)
            continue;
        zm_listing_close(listing);
        add_input(master, directory, 1);
    }
}

/* -- the pickup helper ------------------------------------------------------------------------ */

static void start_pickup(zm_timer_t *timer, void *baton);

static void on_pickup_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    master_t *master = baton;
    zm_child_close(child);
    master->pickup = NULL;
    if (master->stopping)
        return;
    zm_log(ZM_LOG_ERROR, NULL, "the pickup helper ended and is started again",
           ZM_F_I("code", end->code));
    zm_timer_set(&master->pickup_again, apr_time_from_sec(1));
}

static void start_pickup(zm_timer_t *timer, void *baton)
{
    master_t *master = baton;
    const router_master_options_t *options = master->options;
    zm_child_spec_t spec = {0};
    zm_error_t error = {0};
    apr_pool_t *pool;
    const char *argv[7];
    (void)timer;
    apr_pool_create(&pool, NULL);
    argv[0] = apr_pstrcat(pool, zm_zenv_mailbin(options->zenv), "/pickup", NULL);
    argv[1] = "-Z";
    argv[2] = zm_zenv_file(options->zenv);
    argv[3] = "--client";
    argv[4] = apr_psprintf(pool, "%" APR_INT64_T_FMT, (apr_int64_t)options->pickup_client);
    argv[5] = options->pickup_socket;
    argv[6] = NULL;
    spec.argv = argv;
    spec.io = ZM_CHILD_CHANNEL_01;
    if (zm_child_start(&master->pickup, &spec, master->loop, on_pickup_end, master, &error) !=
        APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "cannot start the pickup helper", ZM_F_S("reason", error.text));
        master->pickup = NULL;
        zm_timer_set(&master->pickup_again, apr_time_from_sec(10));
    }
    apr_pool_destroy(pool);
}

/* Waits until the helper serves, so that the first worker finds it. */
static void await_pickup(master_t *master)
{
    char line[64];
    apr_size_t length = sizeof line;
    apr_socket_t *channel;
    start_pickup(NULL, master);
    if (master->pickup == NULL)
        zm_service_fail(71, "the pickup helper cannot be started");
    channel = zm_child_channel(master->pickup);
    (void)apr_socket_timeout_set(channel, apr_time_from_sec(20));
    if (apr_socket_recv(channel, line, &length) != APR_SUCCESS || length == 0 || line[0] != '#')
        zm_service_fail(71, "the pickup helper does not answer");
    (void)apr_socket_timeout_set(channel, 0);
}

static void on_recovered(const char *what, const char *name, void *baton)
{
    (void)baton;
    zm_log(ZM_LOG_NOTICE, NULL, "recovered", ZM_F_S("what", what), ZM_F_S("name", name));
}

static apr_status_t recover(master_t *master, zm_error_t *error)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    apr_int64_t scheduler;
    apr_status_t status;
    options.scheduler_running =
        zm_pidfile_holder(&scheduler,
                          zm_site_path(master->options->zenv, "-", ".pid.scheduler", master->pool),
                          master->pool) == APR_SUCCESS;
    options.fn = on_recovered;
    status = zm_spool_recover(master->spool, &options, &report, master->pool, error);
    if (status == APR_SUCCESS)
        zm_log(ZM_LOG_INFO, NULL, "spool recovered", ZM_F_I("examined", report.examined),
               ZM_F_I("rerouted", report.rerouted), ZM_F_I("leftovers", report.leftovers),
               ZM_F_I("orphans", report.orphans));
    return status;
}

int router_master_run(const router_master_options_t *options, apr_pool_t *pool)
{
    master_t *master = apr_pcalloc(pool, sizeof *master);
    zm_error_t error = {0};
    apr_status_t status;
    int i;

    master->options = options;
    master->pool = pool;
    if (zm_loop_create(&master->loop, pool) != APR_SUCCESS)
        zm_service_fail(71, "cannot make an event loop");
    if (zm_site_spool(&master->spool, options->zenv, master->loop, pool, &error) != APR_SUCCESS)
        zm_service_fail(78, error.text);
    if (recover(master, &error) != APR_SUCCESS)
        zm_service_fail(70, error.text);
    if (zm_control_listen(master->loop, on_control, master) != APR_SUCCESS)
        zm_service_fail(71, "cannot listen for control events");
    status = zm_notify_listen(&master->notify,
                              zm_site_path(options->zenv, "ROUTERNOTIFY", ".router.notify", pool),
                              0222, master->loop, on_hint, master, &error);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, NULL, "no hints: mail waits for the next scan",
               ZM_F_S("reason", error.text));
    master->counters = zm_counters_open(options->zenv, true, pool);
    zm_timer_init(&master->give_up, master->loop, on_give_up, master);
    zm_timer_init(&master->publish, master->loop, publish, master);
    zm_timer_init(&master->pickup_again, master->loop, start_pickup, master);
    if (router_upkeep_start(&master->upkeep, master->spool, master->loop, options->zenv,
                            master->counters, pool, &error) != APR_SUCCESS)
        zm_service_fail(78, error.text);
    if (options->pickup_socket != NULL)
        await_pickup(master);
    zm_log(ZM_LOG_NOTICE, NULL, "router daemon started", ZM_F_S("version", ZM_VERSION),
           ZM_F_I("workers", options->workers), ZM_F_S("spool", zm_spool_location(master->spool)));
    add_inputs(master);
    status = zm_loop_run(master->loop);
    publish(&master->publish, master);
    zm_timer_cancel(&master->publish);
    router_upkeep_stop(master->upkeep);
    for (i = 0; i < master->input_count; i++) {
        log_figures(&master->inputs[i]);
        zm_spool_watch_close(master->inputs[i].watch);
        zm_timer_cancel(&master->inputs[i].scan);
        zm_timer_cancel(&master->inputs[i].feed);
        router_queue_destroy(master->inputs[i].queue);
    }
    if (master->notify != NULL)
        zm_notify_close(master->notify);
    zm_spool_close(master->spool);
    zm_log(ZM_LOG_NOTICE, NULL, "router daemon ended");
    return status == APR_SUCCESS ? 0 : 70;
}
