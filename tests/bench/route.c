/*
 * zm-route: what it costs to route addresses and messages with the stock rules.
 *
 *     zm-route --root DIR [-n N] [--keys K] [--json] ADDRESS ...
 *
 * A worker with the configuration of the instance DIR runs in this process, with a
 * spool in memory, so that what is measured is the router and nothing else.  Each
 * address is routed N times, then a message of one recipient at it.  {n} in an
 * address becomes a number below K, another one each time, so that no cache helps.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mta/conf/options.h"
#include "mta/map/map.h"
#include "mta/router/routing.h"
#include "mta/router/worker.h"
#include "platform/log.h"
#include "spool/layout.h"

typedef struct bench_t {
    zm_zenv_options_t site;
    router_worker_t *worker;
    apr_pool_t *pool;
    int64_t count, keys;
    bool json;
    const char *only;
} bench_t;

static double cpu_us(void)
{
    return (double)clock() * 1e6 / CLOCKS_PER_SEC;
}

/* One address, with a scope of its own as a message would have. */
static int route(bench_t *bench, const char *address)
{
    zm_script_t *script = bench->worker->script;
    apr_array_header_t *quads;
    zm_value_t properties[4];
    int found;
    zm_map_look_again();
    zm_script_begin(script);
    quads = apr_array_make(zm_script_pool(script), 4, sizeof(router_quad_t));
    properties[0] = ZM_VALUE("privilege");
    properties[1] = zm_script_printf(script, "%d", (int)bench->worker->nobody);
    properties[2] = ZM_VALUE("type");
    properties[3] = ZM_VALUE("recipient");
    router_route(bench->worker, quads, zm_str(address),
                 zm_script_gensym(script, zm_script_list(script, properties, 4)));
    found = quads->nelts;
    zm_script_end(script);
    return found;
}

/* The address for round i; numbers come in an order without pattern. */
static const char *number(const bench_t *bench, const char *address, int64_t i, char *buffer,
                          apr_size_t size)
{
    const char *place = strstr(address, "{n}");
    if (place == NULL)
        return address;
    apr_snprintf(buffer, size, "%.*s%" APR_INT64_T_FMT "%s", (int)(place - address), address,
                 (apr_int64_t)((uint64_t)(i + bench->count) * 2654435761u % (uint64_t)bench->keys),
                 place + 3);
    return buffer;
}

static double measure_address(bench_t *bench, const char *address, int *recipients)
{
    char buffer[300];
    int64_t i;
    double start;
    for (i = -bench->count / 10; i <= 0; i++)
        *recipients = route(bench, number(bench, address, i, buffer, sizeof buffer));
    start = cpu_us();
    for (i = 0; i < bench->count; i++)
        route(bench, number(bench, address, i, buffer, sizeof buffer));
    return (cpu_us() - start) / (double)bench->count;
}

static const char *publish(bench_t *bench, zm_str_t text, apr_pool_t *pool)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = ZM_DIR_ROUTER};
    zm_published_t published = {0};
    zm_object_t *object;
    if (zm_object_create(&object, bench->worker->spool, &create) != APR_SUCCESS ||
        zm_object_write(object, text.data, text.length) != APR_SUCCESS ||
        zm_object_publish_wait(object, &target, &published, pool) != APR_SUCCESS)
        exit(71);
    return published.name;
}

/* Takes the routed message out again. */
static void forget(bench_t *bench, uint64_t id, apr_pool_t *pool)
{
    (void)zm_spool_unlink(bench->worker->spool,
                          zm_layout_name(pool, ZM_DIR_TRANSPORT, bench->worker->hash_levels, id));
    (void)zm_spool_unlink(bench->worker->spool,
                          zm_layout_name(pool, ZM_DIR_QUEUE, bench->worker->hash_levels, id));
}

static zm_str_t letter(const char *address, apr_pool_t *pool)
{
    return zm_str(apr_psprintf(
        pool,
        "external\nrcvdfrom mx.a.test ([192.0.2.1])\nwith ESMTP\nfrom <ann@a.test>\n"
        "todsn NOTIFY=FAILURE,DELAY ORCPT=rfc822;%s INRCPT=rfc822;%s\nto <%s>\nenv-end\n"
        "Received: from x by y; Sat, 21 Nov 2026 00:00:00 +0000\nFrom: Ann <ann@a.test>\n"
        "To: %s\nSubject: A message of the usual kind\nMessage-Id: <1234567890@a.test>\n"
        "Date: Sat, 21 Nov 2026 00:00:00 +0000\nMIME-Version: 1.0\n"
        "Content-Type: text/plain\n\nHello.\n",
        address, address, address, address));
}

static double measure_message(bench_t *bench, const char *address)
{
    double total = 0;
    apr_pool_t *pool;
    int64_t i;
    apr_pool_create(&pool, bench->pool);
    for (i = -bench->count / 10; i < bench->count; i++) {
        char buffer[300];
        zm_name_t parts;
        const char *name;
        double start;
        apr_pool_clear(pool);
        name = publish(bench, letter(number(bench, address, i, buffer, sizeof buffer), pool), pool);
        (void)zm_layout_parse(&parts, zm_str(name));
        start = cpu_us();
        router_worker_process(bench->worker, name);
        if (i >= 0)
            total += cpu_us() - start;
        forget(bench, parts.id, pool);
    }
    apr_pool_destroy(pool);
    return total / (double)bench->count;
}

static void measure(bench_t *bench, const char *address, bool last)
{
    int recipients = 0;
    double alone = bench->only != NULL && strcmp(bench->only, "message") == 0
                       ? 0
                       : measure_address(bench, address, &recipients),
           whole = bench->only != NULL && strcmp(bench->only, "address") == 0
                       ? 0
                       : measure_message(bench, address);
    if (bench->json)
        printf("  {\"address\": \"%s\", \"recipients\": %d, \"address_us\": %.1f, "
               "\"message_us\": %.1f}%s\n",
               address, recipients, alone, whole, last ? "" : ",");
    else
        printf("%-24s %6d recipients %9.1f us (%7.0f/s) an address %9.1f us (%7.0f/s) a message\n",
               address, recipients, alone, alone > 0 ? 1e6 / alone : 0, whole,
               whole > 0 ? 1e6 / whole : 0);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bench_t bench = {.count = 10000, .keys = 1000000};
    const zm_option_t table[] = {
        {'n', "count", ZM_OPTION_NUMBER, &bench.count, NULL, "N", "times (10000)"},
        {0, "keys", ZM_OPTION_NUMBER, &bench.keys, NULL, "K", "numbers for {n} (1000000)"},
        {0, "only", ZM_OPTION_TEXT, &bench.only, NULL, "WHAT", "address or message"},
        {0, "json", ZM_OPTION_FLAG, &bench.json, NULL, NULL, "print JSON"},
    };
    const zm_command_line_t line = {
        "zm-route", "ADDRESS ...", "measure routing", table, 4, &bench.site, 0};
    router_worker_options_t options = {0};
    zm_log_options_t log = {.program = "zm-route", .level = ZM_LOG_ERROR};
    zm_error_t error = {0};
    zm_zenv_t *zenv;
    int code, i;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&bench.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    (void)zm_log_open(&log, NULL);
    if (bench.keys < 1 || bench.count < 1)
        return ZM_EXIT_USAGE;
    if (zm_zenv_load(&zenv, &bench.site, bench.pool, &error) != APR_SUCCESS)
        goto failed;
    zm_zenv_set(zenv, "POSTOFFICE", "memory:/zm-route");
    options.zenv = zenv;
    options.config = apr_pstrcat(bench.pool, zm_zenv_mailshare(zenv), "/router.cf", NULL);
    if (router_worker_open(&bench.worker, &options, bench.pool, &error) != APR_SUCCESS)
        goto failed;
    if (bench.json)
        puts("[");
    for (i = 1; i < argc; i++)
        measure(&bench, argv[i], i + 1 == argc);
    if (bench.json)
        puts("]");
    zm_spool_close(bench.worker->spool);
    return 0;
failed:
    fprintf(stderr, "zm-route: %s\n", error.text);
    return 1;
}
