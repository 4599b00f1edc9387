/*
 * manual-expirer, manual-rerouter: feed an administrative agent with every
 * control file of the queue, as the scheduler would.
 *
 * A scheduler that runs is asked to do it itself, if it can.  Else it may run
 * meanwhile, since agents claim what they work on, and is told which messages to
 * look at again.
 */
#include <apr_env.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "platform/child.h"
#include "spool/layout.h"
#include "ta/expirer/ask.h"

typedef struct manual_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    zm_loop_t *loop;
    zm_child_t *child;
    zm_watch_t *watch;
    apr_array_header_t *names; /* of control files, as they are fed */
    int fed;
    apr_array_header_t *changed; /* those of them in which recipients were done */
    zm_ask_t ask;
    const char *name;  /* of this program */
    const char *agent; /* "expirer" or "reroute" */
    zm_buf_t in, out;
    uint64_t done; /* recipients */
    bool hungry, ended;
    zm_child_end_t end;
} manual_t;

static int complain(const manual_t *manual, int code, const char *text)
{
    fprintf(stderr, "%s: %s\n", manual->name, text);
    return code;
}

/* -- talking to the agent ------------------------------------------------------------------ */

/* The next control file, or the end. */
static void feed(manual_t *manual)
{
    if (manual->fed < manual->names->nelts)
        zm_buf_add_c(&manual->out, APR_ARRAY_IDX(manual->names, manual->fed++, const char *));
    zm_buf_add_byte(&manual->out, '\n');
}

/* A recipient of the control file that was fed last is done. */
static void note_change(manual_t *manual)
{
    const char *name = APR_ARRAY_IDX(manual->names, manual->fed - 1, const char *);
    int count = manual->changed->nelts;
    manual->done++;
    if (count == 0 || APR_ARRAY_IDX(manual->changed, count - 1, const char *) != name)
        APR_ARRAY_PUSH(manual->changed, const char *) = name;
}

static void take_result(manual_t *manual, zm_str_t place, zm_str_t result)
{
    bool done = zm_str_starts(result, ZM_S("ok")) || zm_str_starts(result, ZM_S("error"));
    if (done && manual->fed > 0)
        note_change(manual);
    else
        printf("%.*s: %.*s\n", (int)place.length, place.data, (int)result.length, result.data);
}

static void take_line(manual_t *manual, zm_str_t line)
{
    zm_str_t place, notary, result, rest;

    if (zm_str_starts(line, ZM_S("#hungry"))) {
        manual->hungry = true;
        feed(manual);
    } else if (zm_str_starts(line, ZM_S("#resync"))) {
        return;
    } else if (zm_str_cut(line, '\t', &place, &rest) && zm_str_cut(rest, '\t', &notary, &result)) {
        take_result(manual, place, result);
    } else {
        printf("%.*s\n", (int)line.length, line.data);
    }
}

static void take_lines(manual_t *manual)
{
    apr_ssize_t at;
    while (manual->in.length > 0 && (at = zm_str_find(zm_buf_str(&manual->in), '\n')) >= 0) {
        take_line(manual, zm_str_of(manual->in.data, (apr_size_t)at));
        zm_buf_consume(&manual->in, (apr_size_t)at + 1);
    }
}

/* False at the end. */
static bool read_some(manual_t *manual)
{
    for (;;) {
        apr_size_t length = 65536;
        apr_status_t status;
        zm_buf_reserve(&manual->in, length);
        status = apr_socket_recv(zm_child_channel(manual->child),
                                 manual->in.data + manual->in.length, &length);
        if (APR_STATUS_IS_EAGAIN(status))
            return true;
        if (status != APR_SUCCESS || length == 0)
            return false;
        manual->in.length += length;
        take_lines(manual);
    }
}

static void write_some(manual_t *manual)
{
    while (manual->out.length > 0) {
        apr_size_t length = manual->out.length;
        if (apr_socket_send(zm_child_channel(manual->child), manual->out.data, &length) !=
                APR_SUCCESS ||
            length == 0)
            return;
        zm_buf_consume(&manual->out, length);
    }
}

static void on_channel(zm_watch_t *watch, int events, void *baton)
{
    manual_t *manual = baton;
    (void)events;
    if (!read_some(manual)) {
        zm_watch_close(watch);
        manual->watch = NULL;
        return;
    }
    write_some(manual);
    zm_watch_set(watch, manual->out.length > 0 ? ZM_READ | ZM_WRITE : ZM_READ);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    manual_t *manual = baton;
    (void)child;
    manual->end = *end;
    manual->ended = true;
}

/* -- the whole ----------------------------------------------------------------------------- */

/* All names at once: what is routed again meanwhile is not to be found again. */
static apr_status_t read_names(manual_t *manual)
{
    zm_listing_t *listing;
    zm_name_t parts;
    const char *name;
    apr_status_t status =
        zm_spool_list(&listing, manual->spool, ZM_DIR_TRANSPORT, false, manual->pool);

    if (status != APR_SUCCESS)
        return status;
    manual->names = apr_array_make(manual->pool, 1024, sizeof(const char *));
    manual->changed = apr_array_make(manual->pool, 64, sizeof(const char *));
    while (zm_listing_next(listing, &name) == APR_SUCCESS)
        if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric)
            APR_ARRAY_PUSH(manual->names, const char *) =
                apr_pstrcat(manual->pool, zm_str_c(manual->pool, parts.prefix),
                            zm_str_c(manual->pool, parts.leaf), NULL);
    zm_listing_close(listing);
    return APR_SUCCESS;
}

static int run(manual_t *manual, char **words)
{
    zm_child_spec_t spec = {0};
    zm_error_t error = {0};
    const char **argv;
    int count = 0, i;

    while (words[count] != NULL)
        count++;
    argv = apr_pcalloc(manual->pool, ((apr_size_t)count + 2) * sizeof *argv);
    argv[0] = apr_pstrcat(manual->pool, zm_zenv_mailbin(manual->zenv), "/ta/", manual->agent, NULL);
    for (i = 0; i < count; i++)
        argv[i + 1] = words[i];
    spec.argv = argv;
    spec.io = ZM_CHILD_CHANNEL_01;
    if (read_names(manual) != APR_SUCCESS)
        return complain(manual, 77, "the queue cannot be read");
    if (zm_child_start(&manual->child, &spec, manual->loop, on_end, manual, &error) != APR_SUCCESS)
        return complain(manual, 69, error.text);
    if (zm_watch_open(&manual->watch, manual->loop, zm_child_channel(manual->child), ZM_READ,
                      on_channel, manual) != APR_SUCCESS)
        return complain(manual, 71, "cannot watch the agent");
    while (!manual->ended || manual->watch != NULL)
        if (zm_loop_once(manual->loop, -1) != APR_SUCCESS)
            break;
    zm_child_close(manual->child);
    if (manual->end.signalled)
        return complain(manual, 70, "the agent was ended by a signal");
    if (manual->changed->nelts > 0 && zm_ask_can(&manual->ask) &&
        !zm_ask_resync(&manual->ask, manual->changed))
        complain(manual, 0, "the scheduler could not be told; it learns of it in its own time");
    if (manual->end.code == 0 && manual->hungry)
        printf("%llu recipient%s done\n", (unsigned long long)manual->done,
               manual->done == 1 ? "" : "s");
    return manual->end.code;
}

static void usage(const manual_t *manual, FILE *out)
{
    fprintf(
        out,
        "usage: %s [--root DIR | -Z FILE] [-U NAME/PASSWORD] OPTION...\n"
        "Runs the agent %s over the whole queue; the options are those of %s(8).  Before them:\n\n"
        "  --root DIR        the private instance below DIR\n"
        "  -Z FILE           use this zmailer.conf\n"
        "  -U NAME/PASSWORD  account for asking a running scheduler\n",
        manual->name, manual->agent, manual->agent);
}

/* Takes the options that are ours; returns the first of the agent's. */
static int own_options(manual_t *manual, zm_zenv_options_t *site, int argc, char **argv)
{
    int i = 1;
    while (i + 1 < argc) {
        if (strcmp(argv[i], "--root") == 0)
            site->root = argv[i + 1];
        else if (strcmp(argv[i], "-Z") == 0)
            site->file = argv[i + 1];
        else if (strcmp(argv[i], "-U") == 0)
            manual->ask.account = argv[i + 1];
        else
            break;
        i += 2;
    }
    return i;
}

int main(int argc, char **argv)
{
    manual_t manual = {0};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    const char *base = argc > 0 ? argv[0] : "";
    int first, code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&manual.pool, NULL) != APR_SUCCESS)
        return 71;
    atexit(apr_terminate);
    manual.name = strstr(base, "manual-rerouter") != NULL ? "manual-rerouter" : "manual-expirer";
    manual.agent = strcmp(manual.name, "manual-rerouter") == 0 ? "reroute" : "expirer";
    first = own_options(&manual, &site, argc, argv);
    if (first >= argc) {
        usage(&manual, stderr);
        return ZM_EXIT_USAGE;
    }
    if (strcmp(argv[first], "--help") == 0) {
        usage(&manual, stdout);
        return 0;
    }
    if (zm_zenv_load(&manual.zenv, &site, manual.pool, &error) != APR_SUCCESS)
        return complain(&manual, ZM_EXIT_CONFIG, error.text);
    apr_env_set("ZCONFIG", zm_zenv_file(manual.zenv), manual.pool);
    if (zm_loop_create(&manual.loop, manual.pool) != APR_SUCCESS ||
        zm_site_spool(&manual.spool, manual.zenv, manual.loop, manual.pool, &error) != APR_SUCCESS)
        return complain(&manual, 72, "the spool cannot be opened");
    manual.ask.pool = manual.pool;
    manual.ask.zenv = manual.zenv;
    manual.ask.loop = manual.loop;
    manual.ask.reroute = strcmp(manual.agent, "reroute") == 0;
    if (zm_ask_can(&manual.ask) && zm_ask_first(&manual.ask, argv + first))
        code = 0;
    else
        code = run(&manual, argv + first);
    zm_spool_close(manual.spool);
    zm_buf_free(&manual.in);
    zm_buf_free(&manual.out);
    return code;
}
