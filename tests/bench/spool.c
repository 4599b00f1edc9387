/*
 * zm-spool-bench: publishes a second, CPU time of each, and latency.
 *
 *     zm-spool-bench SPOOL|raw:DIR|append:DIR|syncfs:DIR|uring:DIR [OPTION ...]
 *
 *     --publishers N   this many at a time (8)
 *     --messages N     so many in all (5000)
 *     --size BYTES     of each (4096)
 *     --rate N         not as fast as it can, but so many a second; latency then
 *                      counts from the moment when each was due, and how late the
 *                      generator was is told too
 *     --consume        remove each once it is published, so that the directory
 *                      stays small
 *     --life           take each through all that the daemons do with it: read,
 *                      control file, queue/, claim, delivery, removal
 *     --fill N         first put so many empty objects into queue/
 *     --unsynced       do not wait for the disk
 *     --json           the result as JSON
 *
 * Publishers are asynchronous: each has one publish under way, and starts the
 * next when the loop tells it of the end.  raw:DIR is what the same machine can
 * do at best without us: as many threads, each with plain create, write, sync,
 * rename and directory sync.  append:DIR is what a log could do: as many threads,
 * each appending to one file and syncing it.  syncfs:DIR and uring:DIR are other
 * ways to sync: the whole filesystem for all that wait, and one thread with as
 * many syncs in an io_uring.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/spool_bench.h"

typedef struct publisher_t {
    bench_t *bench;
    apr_time_t since;
} publisher_t;

void bench_die(const char *what, apr_status_t status)
{
    char text[200];
    fprintf(stderr, "zm-spool-bench: %s: %s\n", what, zm_status_text(status, text, sizeof text));
    exit(1);
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
        bench_life(bench, published->name, published->info.id);
    if (bench->rate == 0)
        publish(publisher);
}

static void start_publish(publisher_t *publisher, const zm_target_t *target, apr_size_t size,
                          zm_publish_fn *fn)
{
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    bench_t *bench = publisher->bench;
    zm_object_t *object;
    apr_size_t done = 0;
    apr_status_t status = zm_object_create(&object, bench->spool, &create);
    while (status == APR_SUCCESS && done < size) { /* a large one arrives in pieces */
        apr_size_t piece = size - done < 65536 ? size - done : 65536;
        status = zm_object_write(object, bench->text, piece);
        done += piece;
    }
    if (status != APR_SUCCESS)
        bench_die("cannot make an object", status);
    bench->started++;
    zm_object_publish(object, target, fn, publisher);
}

static void publish(publisher_t *publisher)
{
    bench_t *bench = publisher->bench;
    zm_target_t target = {.directory = "router", .unsynced = bench->unsynced};
    if (bench->started == bench->messages)
        return;
    publisher->since = zm_clock_monotonic();
    start_publish(publisher, &target, bench->size, on_published);
}

static void run_closed(bench_t *bench)
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

/* A thread of its own, which keeps time better than a loop that counts milliseconds. */
static void *APR_THREAD_FUNC pace(apr_thread_t *thread, void *data)
{
    bench_t *bench = data;
    zm_target_t target = {.directory = "router", .unsynced = bench->unsynced};
    publisher_t *publishers =
        apr_pcalloc(bench->each, (apr_size_t)bench->messages * sizeof *publishers);
    int i;
    for (i = 0; i < bench->messages; i++) {
        publishers[i].bench = bench;
        publishers[i].since = bench_wait_until_due(bench, i);
        start_publish(&publishers[i], &target, bench->size, on_published);
    }
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

static void run_at_rate(bench_t *bench)
{
    apr_thread_t *pacer;
    apr_status_t ignored;
    bench_start_clock(bench);
    if (apr_thread_create(&pacer, NULL, pace, bench, bench->pool) != APR_SUCCESS)
        bench_die("cannot start a thread", APR_EGENERAL);
    while (bench->ended < bench->messages)
        zm_loop_once(bench->loop, -1);
    apr_thread_join(&ignored, pacer);
}

static void on_filled(apr_status_t status, const zm_published_t *published, void *baton)
{
    publisher_t *publisher = baton;
    bench_t *bench = publisher->bench;
    zm_target_t target = {
        .directory = "queue", .hash_levels = 2, .make_hash = true, .unsynced = true};
    (void)published;
    if (status != APR_SUCCESS)
        bench_die("cannot fill the spool", status);
    bench->ended++;
    if (bench->started < bench->fill)
        start_publish(publisher, &target, 0, on_filled);
}

static void fill(bench_t *bench)
{
    publisher_t publisher = {.bench = bench};
    zm_target_t target = {
        .directory = "queue", .hash_levels = 2, .make_hash = true, .unsynced = true};
    while (bench->started < 64 && bench->started < bench->fill)
        start_publish(&publisher, &target, 0, on_filled);
    while (bench->ended < bench->fill)
        zm_loop_once(bench->loop, -1);
    bench->started = bench->ended = 0;
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
    zm_spool_figures_t figures = {0};
    double p50, p99, late = 0, rate = n * 1e6 / (double)took;
    qsort(bench->latency, (size_t)n, sizeof *bench->latency, by_size);
    if (bench->rate > 0) {
        qsort(bench->late, (size_t)n, sizeof *bench->late, by_size);
        late = (double)bench->late[n * 99 / 100] / 1000;
    }
    p50 = (double)bench->latency[n / 2] / 1000;
    p99 = (double)bench->latency[n * 99 / 100] / 1000;
    if (bench->spool != NULL)
        zm_spool_figures(&figures, bench->spool);
    if (bench->json) {
        printf("{\"publishers\":%d,\"size\":%lu,\"messages\":%d,\"rate\":%.1f,\"cpu_us\":%.1f,"
               "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"late_p99_ms\":%.3f,\"syncs\":%.3f,\"directory_"
               "syncs\":%.3f,"
               "\"largest_group\":%lu,\"failed\":%d}\n",
               bench->publishers, (unsigned long)bench->size, n, rate, cpu * 1e6 / n, p50, p99,
               late, (double)figures.syncs / n, (double)figures.directory_syncs / n,
               (unsigned long)figures.largest_group, bench->failed);
        return;
    }
    printf("%s publishers=%d size=%lu: %.0f/s, %.1f us CPU each, p50 %.2f ms, p99 %.2f ms",
           bench->where, bench->publishers, (unsigned long)bench->size, rate, cpu * 1e6 / n, p50,
           p99);
    if (bench->spool != NULL)
        printf(", syncs %.2f, directory syncs %.2f, largest group %lu", (double)figures.syncs / n,
               (double)figures.directory_syncs / n, (unsigned long)figures.largest_group);
    if (bench->rate > 0)
        printf(", started up to %.2f ms late", late);
    printf("%s\n", bench->failed != 0 ? ", SOME FAILED" : "");
}

static bool read_number(int *number, const char *name, int *i, int argc, const char *const *argv)
{
    if (strcmp(argv[*i], name) != 0 || *i + 1 >= argc)
        return false;
    *number = atoi(argv[++*i]);
    return true;
}

static void read_options(bench_t *bench, int argc, const char *const *argv)
{
    int i, size = 4096;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--consume") == 0)
            bench->consume = true;
        else if (strcmp(argv[i], "--life") == 0)
            bench->life = true;
        else if (strcmp(argv[i], "--unsynced") == 0)
            bench->unsynced = true;
        else if (strcmp(argv[i], "--json") == 0)
            bench->json = true;
        else if (argv[i][0] != '-')
            bench->where = argv[i];
        else if (!read_number(&bench->publishers, "--publishers", &i, argc, argv) &&
                 !read_number(&bench->messages, "--messages", &i, argc, argv) &&
                 !read_number(&bench->fill, "--fill", &i, argc, argv) &&
                 !read_number(&bench->rate, "--rate", &i, argc, argv) &&
                 !read_number(&size, "--size", &i, argc, argv))
            bench_die(argv[i], APR_EINVAL);
    }
    bench->size = (apr_size_t)size;
    if (bench->where == NULL || bench->publishers < 1 || bench->messages < 1 || size < 0)
        bench_die(
            "usage: zm-spool-bench SPOOL|raw:DIR|append:DIR|syncfs:DIR|uring:DIR [--publishers N] "
            "[--messages N] [--size BYTES] [--rate N] [--consume] [--life] [--fill N] [--unsynced] "
            "[--json]",
            APR_EINVAL);
}

static void open_spool(bench_t *bench)
{
    zm_spool_options_t options = {.location = bench->where, .create = true};
    zm_error_t error;
    apr_status_t status = zm_loop_create(&bench->loop, bench->pool);
    if (status != APR_SUCCESS)
        bench_die("cannot make a loop", status);
    options.loop = bench->loop;
    if (zm_spool_open(&bench->spool, &options, bench->pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "zm-spool-bench: %s\n", error.text);
        exit(1);
    }
}

typedef void run_fn(bench_t *bench);

typedef struct plain_t {
    const char *prefix;
    run_fn *run;
} plain_t;

/* The ways without a spool. */
static const plain_t *find_plain(const char *where)
{
    static const plain_t table[] = {{"raw:", bench_raw},
                                    {"append:", bench_append},
                                    {"syncfs:", bench_syncfs},
                                    {"uring:", bench_uring}};
    apr_size_t i;
    for (i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strncmp(where, table[i].prefix, strlen(table[i].prefix)) == 0)
            return &table[i];
    return NULL;
}

static void make_text(bench_t *bench)
{
    static const char head[] =
        "external\nfrom a@b.test\nto user@d.test\nenv-end\nSubject: test\n\n";
    bool plain = find_plain(bench->where) != NULL;
    apr_size_t room = plain || bench->size < 65536 ? bench->size : 65536; /* the rest repeats it */
    bench->text = apr_palloc(bench->pool, room + 1);
    memset(bench->text, 'x', room);
    if (bench->size > 100) /* a message that the reader understands */
        memcpy(bench->text, head, sizeof head - 1);
}

static run_fn *choose(bench_t *bench)
{
    const plain_t *plain = find_plain(bench->where);
    if (plain != NULL) {
        bench->where += strlen(plain->prefix);
        return plain->run;
    }
    open_spool(bench);
    fill(bench);
    return bench->rate > 0 ? run_at_rate : run_closed;
}

int main(int argc, const char *const *argv)
{
    bench_t bench = {.publishers = 8, .messages = 5000};
    apr_time_t started;
    clock_t cpu;
    run_fn *run;
    apr_initialize();
    apr_pool_create(&bench.pool, NULL);
    apr_pool_create(&bench.each, bench.pool);
    read_options(&bench, argc, argv);
    bench.latency = apr_pcalloc(bench.pool, (apr_size_t)bench.messages * sizeof *bench.latency);
    bench.late = apr_pcalloc(bench.pool, (apr_size_t)bench.messages * sizeof *bench.late);
    make_text(&bench);
    run = choose(&bench);
    started = zm_clock_monotonic();
    cpu = clock();
    run(&bench);
    report(&bench, zm_clock_monotonic() - started, (double)(clock() - cpu) / CLOCKS_PER_SEC);
    if (bench.spool != NULL)
        zm_spool_close(bench.spool);
    apr_pool_destroy(bench.pool);
    apr_terminate();
    return bench.failed != 0;
}
