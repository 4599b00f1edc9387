#include "ta/expirer/ask.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "platform/child.h"
#include "platform/service.h"

/* Messages that one mailq tells of. */
#define TOLD_AT_ONCE 200
/* Of what mailq says, so much is kept. */
#define SAID_LIMIT 65536

/* -- running mailq --------------------------------------------------------------------------- */

typedef struct talk_t {
    zm_child_t *child;
    zm_watch_t *watch;
    zm_buf_t *said; /* on either channel */
    bool ended;
    zm_child_end_t end;
} talk_t;

static void on_said(zm_watch_t *watch, int events, void *baton)
{
    talk_t *talk = baton;
    char buffer[4096];
    apr_size_t length = sizeof buffer;
    apr_status_t status = apr_socket_recv(zm_child_channel(talk->child), buffer, &length);

    (void)events;
    if (APR_STATUS_IS_EAGAIN(status))
        return;
    if (status != APR_SUCCESS || length == 0) {
        zm_watch_close(watch);
        talk->watch = NULL;
    } else if (talk->said->length < SAID_LIMIT) {
        zm_buf_add(talk->said, buffer, length);
    }
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    talk_t *talk = baton;
    (void)child;
    talk->end = *end;
    talk->ended = true;
}

static apr_array_header_t *command_line(const zm_ask_t *ask)
{
    apr_array_header_t *argv = apr_array_make(ask->pool, 16, sizeof(const char *));
    const char *self;

    if (zm_service_program(&self, ask->pool) != APR_SUCCESS || strrchr(self, '/') == NULL)
        return NULL;
    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(ask->pool, "%.*s/mailq", (int)(strrchr(self, '/') - self), self);
    APR_ARRAY_PUSH(argv, const char *) = "-Z";
    APR_ARRAY_PUSH(argv, const char *) = zm_zenv_file(ask->zenv);
    if (ask->account != NULL) {
        APR_ARRAY_PUSH(argv, const char *) = "-U";
        APR_ARRAY_PUSH(argv, const char *) = ask->account;
    }
    return argv;
}

/* Whether mailq could do what it was told. */
static bool run(const zm_ask_t *ask, apr_array_header_t *argv, zm_buf_t *said)
{
    zm_child_spec_t spec = {.io = ZM_CHILD_CHANNEL};
    talk_t talk = {.said = said};
    zm_error_t error = {0};

    APR_ARRAY_PUSH(argv, const char *) = NULL;
    spec.argv = (const char *const *)argv->elts;
    if (zm_child_start(&talk.child, &spec, ask->loop, on_end, &talk, &error) != APR_SUCCESS) {
        zm_buf_printf(said, "%s\n", error.text);
        return false;
    }
    if (zm_watch_open(&talk.watch, ask->loop, zm_child_channel(talk.child), ZM_READ, on_said,
                      &talk) != APR_SUCCESS)
        talk.watch = NULL;
    while (!talk.ended || talk.watch != NULL)
        if (zm_loop_once(ask->loop, -1) != APR_SUCCESS)
            break;
    zm_child_close(talk.child);
    return talk.ended && !talk.end.signalled && talk.end.code == 0;
}

/* -- what it is asked ------------------------------------------------------------------------ */

/* The destination that the options name, "CHANNEL/HOST"; null: they say more, or less. */
static const char *destination(const zm_ask_t *ask, char **words, bool *silent)
{
    const char *channel = ask->reroute ? "reroute" : NULL, *host = NULL;
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &channel, NULL, "NAME", NULL},
        {'h', "host", ZM_OPTION_TEXT, &host, NULL, "HOST", NULL},
        {'s', "silent", ZM_OPTION_FLAG, silent, NULL, NULL, NULL},
    };
    const zm_command_line_t line = {"", NULL, NULL, table, ask->reroute ? 2 : 3, NULL, 0};
    apr_array_header_t *argv = apr_array_make(ask->pool, 8, sizeof(char *));
    zm_error_t error = {0};
    int argc;

    APR_ARRAY_PUSH(argv, const char *) = "";
    for (; *words != NULL; words++)
        APR_ARRAY_PUSH(argv, const char *) = *words;
    argc = argv->nelts;
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    if (zm_options_read(&line, &argc, (char **)argv->elts, &error) != ZM_OPTIONS_RUN ||
        channel == NULL || host == NULL)
        return NULL;
    return apr_pstrcat(ask->pool, channel, "/", host, NULL);
}

bool zm_ask_can(const zm_ask_t *ask)
{
    const char *pid_file =
        apr_pstrcat(ask->pool, zm_zenv_postoffice(ask->zenv), "/.pid.scheduler", NULL);
    apr_int64_t pid;
    return zm_pidfile_holder(&pid, pid_file, ask->pool) == APR_SUCCESS;
}

bool zm_ask_first(const zm_ask_t *ask, char **words)
{
    bool silent = false, done;
    const char *where = destination(ask, words, &silent);
    apr_array_header_t *argv = where != NULL ? command_line(ask) : NULL;
    zm_buf_t said = ZM_BUF_INIT;

    if (argv == NULL)
        return false;
    APR_ARRAY_PUSH(argv, const char *) = ask->reroute ? "--reroute"
                                         : silent     ? "--kill"
                                                      : "--return";
    APR_ARRAY_PUSH(argv, const char *) = where;
    done = run(ask, argv, &said);
    if (done || ask->account != NULL)
        fwrite(said.data, 1, said.length, done ? stdout : stderr);
    zm_buf_free(&said);
    return done;
}

bool zm_ask_resync(const zm_ask_t *ask, const apr_array_header_t *names)
{
    bool told = true;
    int i = 0, end;

    while (i < names->nelts && told) {
        apr_array_header_t *argv = command_line(ask);
        zm_buf_t said = ZM_BUF_INIT;
        if (argv == NULL)
            return false;
        for (end = i + TOLD_AT_ONCE; i < end && i < names->nelts; i++) {
            APR_ARRAY_PUSH(argv, const char *) = "--resync";
            APR_ARRAY_PUSH(argv, const char *) = APR_ARRAY_IDX(names, i, const char *);
        }
        told = run(ask, argv, &said);
        zm_buf_free(&said);
    }
    return told;
}
