#include "tests/bench/load.h"

#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform/clock.h"
#include "platform/control.h"

#define FILLER_SIZE 32768

static void on_limit(zm_timer_t *timer, void *baton)
{
    load_t *load = baton;
    (void)timer;
    load->timed_out = true;
    load_complain(load, "gave up", zm_str("the time is over"));
    zm_loop_stop(load->loop);
}

static void on_control(zm_control_t event, void *baton)
{
    if (event == ZM_CONTROL_STOP)
        on_limit(NULL, baton);
}

/* Lines of 78 characters, none of which begins with a dot. */
static void fill(zm_buf_t *filler)
{
    while (filler->length < FILLER_SIZE)
        zm_buf_printf(filler, "%078d\r\n", (int)(filler->length / 80));
}

/* -- telling ------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Milliseconds below which that share of the messages stayed. */
static double percentile(const load_t *load, double share)
{
    apr_size_t last = (apr_size_t)load->accepted;
    if (last == 0)
        return 0;
    return load->latency[(apr_size_t)(share * (double)(last - 1))] / 1000.0;
}

static void tell_json(const load_t *load, double seconds)
{
    const char *at;
    printf("{\"messages\": %lld, \"accepted\": %lld, \"refused\": %lld, \"lost\": %lld, "
           "\"recipients_accepted\": %lld, \"recipients_refused\": %lld, \"connections\": %lld, "
           "\"failed_connections\": %lld, \"seconds\": %.6f, \"messages_per_second\": %.1f, "
           "\"latency_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, \"complaint\": \"",
           (long long)load->options.messages, (long long)load->accepted, (long long)load->refused,
           (long long)load->lost, (long long)load->recipients_accepted,
           (long long)load->recipients_refused, (long long)load->connections,
           (long long)load->failed_connections, seconds, (double)load->accepted / seconds,
           percentile(load, 0.5), percentile(load, 0.99), percentile(load, 1));
    for (at = load->complaint; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < ' ' || c > '~')
            putchar('?');
        else
            printf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    printf("\"}\n");
}

static void tell_person(const load_t *load, double seconds)
{
    printf("%lld of %lld messages accepted in %.2f s: %.1f a second, on %lld connections\n",
           (long long)load->accepted, (long long)load->options.messages, seconds,
           (double)load->accepted / seconds, (long long)load->connections);
    printf("time to acceptance: half below %.2f ms, 99 %% below %.2f ms, longest %.2f ms\n",
           percentile(load, 0.5), percentile(load, 0.99), percentile(load, 1));
    if (load->refused + load->lost + load->failed_connections + load->recipients_refused != 0)
        printf("refused %lld, lost %lld, recipients refused %lld, connections failed %lld; first: "
               "%s\n",
               (long long)load->refused, (long long)load->lost, (long long)load->recipients_refused,
               (long long)load->failed_connections, load->complaint);
}

static bool start_sessions(load_t *load, apr_pool_t *pool)
{
    int64_t i;
    for (i = 0; i < load->options.sessions && i < load->options.messages; i++) {
        apr_pool_t *own;
        if (apr_pool_create(&own, pool) != APR_SUCCESS)
            return false;
        load_session_start(load, own);
    }
    return true;
}

int main(int argc, char **argv)
{
    load_t load = {0};
    apr_pool_t *pool;
    apr_time_t began;
    double seconds;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (!load_read_options(&load.options, argc, argv, &code))
        return code;
    load.latency = calloc((apr_size_t)load.options.messages, sizeof *load.latency);
    fill(&load.filler);
    if (load.latency == NULL || zm_loop_create(&load.loop, pool) != APR_SUCCESS ||
        zm_control_listen(load.loop, on_control, &load) != APR_SUCCESS) {
        fprintf(stderr, "zm-load: cannot start\n");
        return 2;
    }
    zm_timer_init(&load.limit, load.loop, on_limit, &load);
    zm_timer_set(&load.limit, apr_time_from_sec(load.options.timeout));
    began = zm_clock_monotonic();
    if (start_sessions(&load, pool))
        (void)zm_loop_run(load.loop);
    seconds = (double)(zm_clock_monotonic() - began) / 1e6;
    if (seconds <= 0)
        seconds = 1e-6;
    qsort(load.latency, (apr_size_t)load.accepted, sizeof *load.latency, by_value);
    if (load.options.json)
        tell_json(&load, seconds);
    else
        tell_person(&load, seconds);
    free(load.latency);
    zm_buf_free(&load.filler);
    return load.accepted == load.options.messages ? 0 : 1;
}
