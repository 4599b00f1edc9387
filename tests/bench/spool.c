/*
 * zm-spool-bench: publishes a second, CPU time of each, and latency.
 *
 *     zm-spool-bench SPOOL|raw:DIR [--publishers N] [--size BYTES] [--messages N] [--consume]
 * [--unsynced]
 *
 * Publishers are asynchronous: each has one publish under way, and starts the
 * next when the loop tells it of the end.  raw:DIR is what the same machine can
 * do at best without us: as many threads, each with plain create, write, sync,
 * rename and directory sync.  --consume removes each object once it is
 * published, as a router would, so that the directory stays small.  --life takes
 * each through all that the daemons do with it: read, control file, queue/, claim,
 * delivery, removal; its CPU time is what the spool costs a message in all.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "spool/control.h"
#include "spool/layout.h"
#include "spool/message.h"
#include "spool/spool.h"

typedef struct bench_t {
    const char *where;
    int publishers, messages;
    apr_size_t size;
    bool consume, life, unsynced;
    char *text;
    zm_spool_t *spool;
    zm_loop_t *loop;
    int started, ended, failed;
    apr_interval_time_t *latency;
    apr_thread_mutex_t *lock;
    apr_pool_t *pool, *each;
} bench_t;

typedef struct publisher_t {
    bench_t *bench;
    apr_time_t since;
} publisher_t;

static void die(const char *what, apr_status_t status)
{
    char text[200];
    fprintf(stderr, "zm-spool-bench: %s: %s\n", what, zm_status_text(status, text, sizeof text));
    exit(1);
}

/* -- the life of a message --------------------------------------------------------- */

static void check(apr_status_t status)
{
    if (status != APR_SUCCESS)
        die("life", status);
}

static zm_str_t make_control(uint64_t id, apr_pool_t *pool)
{
    zm_control_writer_t *writer = zm_control_writer(pool);
    zm_quad_t sender = {ZM_S("smtp"), ZM_S("a@b.test"), ZM_S("a@b.test"), 0};
    zm_quad_t recipient = {ZM_S("smtp"), ZM_S("d.test"), ZM_S("user@d.test"), 65534};
    zm_str_t text;
    zm_control_message(writer, id, 400);
    zm_control_log_id(writer, ZM_S("<20260101@b.test>"));
    zm_control_sender(writer, &sender);
    zm_control_recipient(writer, &recipient, ZM_S("NOTIFY=FAILURE"), ZM_S(""), ZM_S(""));
    zm_control_header(writer,
                      ZM_S("Received: from x by y with SMTP id z; Thu, 1 Jan 2026 00:00:00 +0000\n"
                           "Subject: test\nFrom: a@b.test\nTo: user@d.test\n"));
    check(zm_control_finish(writer, &text));
    return text;
}

static void route(bench_t *bench, const char *name, uint64_t id, apr_pool_t *pool)
{
    char scratch[40], directory[40] = "transport/";
    zm_create_options_t create = {.directory = directory,
                                  .scratch = scratch,
                                  .uid = ZM_UID_NONE,
                                  .gid = ZM_UID_NONE,
                                  .mode = 0460};
    zm_target_t target = {
        .directory = "transport", .hash_levels = 2, .make_hash = true, .id = id, .unsynced = true};
    zm_object_t *object;
    zm_message_t *message;
    zm_str_t text = make_control(id, pool);
    check(zm_object_open(&object, bench->spool, name, ZM_OBJECT_UPDATE));
    check(zm_object_lock_whole(object, true));
    check(zm_message_read(&message, object, 1 << 20, pool));
    zm_layout_hash(directory + 10, id, 2);
    directory[13] = '\0';
    apr_snprintf(scratch, sizeof scratch, ".%" APR_UINT64_T_FMT, id);
    {
        zm_object_t *control;
        check(zm_object_create(&control, bench->spool, &create));
        check(zm_object_write(control, text.data, text.length));
        target.companion = name;
        target.companion_target = zm_layout_name(pool, "queue", 2, id);
        check(zm_object_publish_wait(control, &target, NULL, pool));
    }
    zm_object_close(object);
}

static zm_control_file_t *read_control(zm_object_t *control, apr_pool_t *pool)
{
    zm_control_file_t *file;
    char *data;
    apr_size_t length;
    check(zm_object_read_all(control, &data, &length, 1 << 20, pool));
    check(zm_control_parse(&file, data, length, pool, NULL));
    return file;
}

static void deliver(bench_t *bench, uint64_t id, apr_pool_t *pool)
{
    zm_object_t *control, *message;
    zm_control_file_t *file;
    char *data;
    apr_size_t length;
    check(zm_object_open(&control, bench->spool, zm_layout_name(pool, "transport", 2, id),
                         ZM_OBJECT_READ));
    read_control(control, pool); /* the scheduler */
    zm_object_close(control);
    check(zm_object_open(&control, bench->spool, zm_layout_name(pool, "transport", 2, id),
                         ZM_OBJECT_UPDATE));
    file = read_control(control, pool); /* the agent */
    check(zm_control_claim(control, file->recipients[0].offset));
    check(zm_object_open(&message, bench->spool, zm_layout_name(pool, "queue", 2, id),
                         ZM_OBJECT_READ));
    check(zm_object_read_all(message, &data, &length, 1 << 26, pool));
    zm_object_close(message);
    check(zm_control_release(control, file->recipients[0].offset, '+'));
    zm_object_close(control);
    check(zm_spool_unlink_pair(bench->spool, zm_layout_name(pool, "queue", 2, id),
                               zm_layout_name(pool, "transport", 2, id)));
}

static void live(bench_t *bench, const char *name, uint64_t id)
{
    apr_pool_clear(bench->each);
    route(bench, name, id, bench->each);
    deliver(bench, id, bench->each);
}

/* -- through the spool ---------------------------------------------------------- */

static void publish(publisher_t *publisher);

static void on_published(apr_status_t status, const zm_published_t *published, void *baton)
{
    publisher_t *publisher = baton;
    bench_t *bench = publisher->bench;
    bench->latency[bench->ended++] = zm_clock_monotonic() - publisher->since;
    if (status != APR_SUCCESS)
        bench->failed++;
    else if (bench->consume)
        zm_spool_unlink(bench->spool, published->name);
    else if (bench->life)
        live(bench, published->name, published->info.id);
    publish(publisher);
}

static void publish(publisher_t *publisher)
{
    bench_t *bench = publisher->bench;
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = "router", .unsynced = bench->unsynced};
    zm_object_t *object;
    apr_status_t status;
    if (bench->started == bench->messages)
        return;
    bench->started++;
    publisher->since = zm_clock_monotonic();
    status = zm_object_create(&object, bench->spool, &create);
    if (status == APR_SUCCESS)
        status = zm_object_write(object, bench->text, bench->size);
    if (status != APR_SUCCESS)
        die("cannot make an object", status);
    zm_object_publish(object, &target, on_published, publisher);
}

static void run_spool(bench_t *bench)
{
    publisher_t *publishers =
        apr_pcalloc(bench->pool, (apr_size_t)bench->publishers * sizeof *publishers);
    int i;
    for (i = 0; i < bench->publishers; i++) {
        publishers[i].bench = bench;
        publish(&publishers[i]);
    }
    while (bench->ended < bench->messages)
        zm_loop_once(bench->loop, -1);
}

/* -- without it --------------------------------------------------------------------- */

static void raw_one(bench_t *bench, int number, zm_file_t *from, zm_file_t *to, apr_pool_t *pool)
{
    zm_file_t *file;
    zm_file_info_t info;
    char scratch[40], name[40];
    apr_status_t status;
    apr_snprintf(scratch, sizeof scratch, "raw-%d", number);
    status =
        zm_file_open(&file, from, scratch,
                     ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, pool);
    if (status == APR_SUCCESS)
        status = zm_file_write_at(file, 0, bench->text, bench->size);
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, file);
    if (status == APR_SUCCESS && !bench->unsynced)
        status = zm_file_sync(file);
    if (status != APR_SUCCESS)
        die("raw", status);
    apr_snprintf(name, sizeof name, "%" APR_UINT64_T_FMT, info.id);
    status = zm_file_rename(from, scratch, to, name);
    if (status == APR_SUCCESS && !bench->unsynced)
        status = zm_dir_sync(to);
    if (status == APR_SUCCESS)
        status = zm_file_close(file);
    if (status != APR_SUCCESS)
        die("raw", status);
    if (bench->consume)
        zm_file_unlink(to, name);
}

static void *APR_THREAD_FUNC raw_thread(apr_thread_t *thread, void *baton)
{
    bench_t *bench = baton;
    zm_file_t *from, *to;
    apr_pool_t *pool, *each;
    apr_status_t status = apr_pool_create(&pool, NULL);
    (void)thread;
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&from, NULL, apr_pstrcat(pool, bench->where, "/public", NULL), pool);
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&to, NULL, apr_pstrcat(pool, bench->where, "/router", NULL), pool);
    if (status == APR_SUCCESS)
        status = apr_pool_create_unmanaged_ex(&each, NULL, NULL);
    if (status != APR_SUCCESS)
        die(bench->where, status);
    for (;;) {
        apr_time_t since = zm_clock_monotonic();
        int number;
        apr_thread_mutex_lock(bench->lock);
        number = bench->started < bench->messages ? bench->started++ : -1;
        apr_thread_mutex_unlock(bench->lock);
        if (number < 0)
            break;
        raw_one(bench, number, from, to, each);
        apr_pool_clear(each);
        bench->latency[number] = zm_clock_monotonic() - since;
    }
    apr_pool_destroy(each);
    apr_pool_destroy(pool);
    return NULL;
}

static void run_raw(bench_t *bench)
{
    apr_thread_t **threads =
        apr_pcalloc(bench->pool, (apr_size_t)bench->publishers * sizeof *threads);
    apr_status_t ignored;
    int i;
    zm_dir_make_all(apr_pstrcat(bench->pool, bench->where, "/public", NULL), 0700, bench->pool);
    zm_dir_make_all(apr_pstrcat(bench->pool, bench->where, "/router", NULL), 0700, bench->pool);
    apr_thread_mutex_create(&bench->lock, APR_THREAD_MUTEX_DEFAULT, bench->pool);
    for (i = 0; i < bench->publishers; i++)
        if (apr_thread_create(&threads[i], NULL, raw_thread, bench, bench->pool) != APR_SUCCESS)
            die("cannot start a thread", APR_EGENERAL);
    for (i = 0; i < bench->publishers; i++)
        apr_thread_join(&ignored, threads[i]);
}

/* -- the program ---------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    apr_interval_time_t x = *(const apr_interval_time_t *)a, y = *(const apr_interval_time_t *)b;
    return x < y ? -1 : x > y;
}

static void report(bench_t *bench, apr_interval_time_t took, double cpu)
{
    int n = bench->messages;
    qsort(bench->latency, (size_t)n, sizeof *bench->latency, by_size);
    printf("%s publishers=%d size=%lu: %.0f/s, %.1f us CPU each, p50 %.2f ms, p99 %.2f ms",
           bench->where, bench->publishers, (unsigned long)bench->size, n * 1e6 / (double)took,
           cpu * 1e6 / n, (double)bench->latency[n / 2] / 1000,
           (double)bench->latency[n * 99 / 100] / 1000);
    if (bench->spool != NULL) {
        zm_spool_figures_t figures;
        zm_spool_figures(&figures, bench->spool);
        printf(", syncs %.2f, directory syncs %.2f, largest group %lu", (double)figures.syncs / n,
               (double)figures.directory_syncs / n, (unsigned long)figures.largest_group);
    }
    printf("%s\n", bench->failed != 0 ? ", SOME FAILED" : "");
}

static void read_options(bench_t *bench, int argc, const char *const *argv)
{
    int i;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--consume") == 0)
            bench->consume = true;
        else if (strcmp(argv[i], "--life") == 0)
            bench->life = true;
        else if (strcmp(argv[i], "--unsynced") == 0)
            bench->unsynced = true;
        else if (strcmp(argv[i], "--publishers") == 0 && i + 1 < argc)
            bench->publishers = atoi(argv[++i]);
        else if (strcmp(argv[i], "--messages") == 0 && i + 1 < argc)
            bench->messages = atoi(argv[++i]);
        else if (strcmp(argv[i], "--size") == 0 && i + 1 < argc)
            bench->size = (apr_size_t)atol(argv[++i]);
        else if (argv[i][0] != '-')
            bench->where = argv[i];
        else
            die(argv[i], APR_EINVAL);
    }
    if (bench->where == NULL || bench->publishers < 1 || bench->messages < 1)
        die("usage: zm-spool-bench SPOOL|raw:DIR [--publishers N] [--size BYTES] [--messages N] "
            "[--consume] "
            "[--unsynced]",
            APR_EINVAL);
}

static void open_spool(bench_t *bench)
{
    zm_spool_options_t options = {.location = bench->where, .create = true};
    zm_error_t error;
    apr_status_t status = zm_loop_create(&bench->loop, bench->pool);
    if (status != APR_SUCCESS)
        die("cannot make a loop", status);
    options.loop = bench->loop;
    if (zm_spool_open(&bench->spool, &options, bench->pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "zm-spool-bench: %s\n", error.text);
        exit(1);
    }
}

int main(int argc, const char *const *argv)
{
    bench_t bench = {.publishers = 8, .messages = 5000, .size = 4096};
    apr_time_t started;
    clock_t cpu;
    apr_initialize();
    apr_pool_create(&bench.pool, NULL);
    apr_pool_create(&bench.each, bench.pool);
    read_options(&bench, argc, argv);
    bench.latency = apr_pcalloc(bench.pool, (apr_size_t)bench.messages * sizeof *bench.latency);
    bench.text = apr_palloc(bench.pool, bench.size + 1);
    memset(bench.text, 'x', bench.size);
    if (bench.size > 100) /* a message that the reader understands */
        memcpy(bench.text, "external\nfrom a@b.test\nto user@d.test\nenv-end\nSubject: test\n\n",
               62);
    if (strncmp(bench.where, "raw:", 4) != 0)
        open_spool(&bench);
    else
        bench.where += 4;
    started = zm_clock_monotonic();
    cpu = clock();
    if (bench.spool != NULL)
        run_spool(&bench);
    else
        run_raw(&bench);
    report(&bench, zm_clock_monotonic() - started, (double)(clock() - cpu) / CLOCKS_PER_SEC);
    if (bench.spool != NULL)
        zm_spool_close(bench.spool);
    apr_pool_destroy(bench.pool);
    apr_terminate();
    return bench.failed != 0;
}
