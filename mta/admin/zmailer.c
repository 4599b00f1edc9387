/*
 * zmailer(8): starts, stops and looks after the daemons of one instance.
 *
 * Operations are words, done from left to right.  "kill" and "stop" turn the
 * daemon names behind them into things to stop; "start" turns them back.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/admin/daemons.h"
#include "mta/admin/instance.h"
#include "mta/admin/metrics.h"
#include "mta/admin/spool_commands.h"
#include "mta/admin/upkeep.h"
#include "mta/conf/options.h"
#include "platform/log.h"
#include "platform/exec.h"
#include "platform/service.h"

#define STOP_SECONDS 30
enum { EXIT_FROZEN = 2, EXIT_NOT_RUNNING = 3, EXIT_PARTLY = 4, EXIT_NOTHING_YET = 72 };

typedef enum manner_t { START, STOP, NUKE } manner_t;

typedef struct zmailer_t {
    zm_zenv_t *zenv;
    zm_zenv_options_t where;
    instance_options_t instance;
    apr_pool_t *pool;
    bool quiet, json, foreground;
    manner_t manner;
    int code; /* the first failure's exit code */
} zmailer_t;

/* "WHAT WORD", for people. */
static void say(const zmailer_t *zmailer, const char *word, const char *what)
{
    if (!zmailer->quiet) {
        printf("%s %s\n", word, what);
        fflush(stdout);
    }
}

static void fail(zmailer_t *zmailer, int code, const char *text)
{
    fprintf(stderr, "zmailer: %s\n", text);
    if (zmailer->code == 0)
        zmailer->code = code;
}

/* -- daemons ------------------------------------------------------------------------- */

static void start_one(zmailer_t *zmailer, const daemon_t *daemon)
{
    zm_error_t error = {0};
    int code;
    if (upkeep_frozen(zmailer->zenv, zmailer->pool)) {
        fail(zmailer, EXIT_FROZEN,
             apr_psprintf(
                 zmailer->pool,
                 "%s is not started: the spool is frozen; after maintenance say \"zmailer thaw\"",
                 daemon->name));
        return;
    }
    if (zmailer->foreground) {
        daemon_become(daemon, zmailer->zenv, zmailer->pool, &error);
        fail(zmailer, 69, error.text);
        return;
    }
    (void)daemon_stop(daemon, false, STOP_SECONDS, zmailer->zenv, zmailer->pool);
    code = daemon_start(daemon, zmailer->zenv, zmailer->pool, &error);
    if (code != 0)
        fail(zmailer, code,
             error.text[0] ? error.text
                           : apr_psprintf(zmailer->pool,
                                          "%s did not start (exit status %d); "
                                          "its reason stands above or in %s",
                                          daemon->name, code, zm_zenv_logdir(zmailer->zenv)));
    else
        say(zmailer, daemon->name, "started");
}

static void stop_one(zmailer_t *zmailer, const daemon_t *daemon)
{
    char reason[200];
    apr_status_t status =
        daemon_stop(daemon, zmailer->manner == NUKE, STOP_SECONDS, zmailer->zenv, zmailer->pool);
    if (status == APR_SUCCESS)
        say(zmailer, daemon->name, "stopped");
    else if (APR_STATUS_IS_ENOENT(status))
        say(zmailer, daemon->name, "was not running");
    else if (APR_STATUS_IS_TIMEUP(status))
        fail(zmailer, 1,
             apr_psprintf(zmailer->pool,
                          "%s is still running after %d s; \"zmailer nuke %s\" ends it at once",
                          daemon->name, STOP_SECONDS, daemon->name));
    else
        fail(zmailer, 1,
             apr_psprintf(zmailer->pool, "cannot stop %s: %s", daemon->name,
                          zm_status_text(status, reason, sizeof reason)));
}

static void all_daemons(zmailer_t *zmailer)
{
    const daemon_t *list[8];
    int count = 0;
    const daemon_t *daemon;
    for (daemon = daemons; daemon->name != NULL; daemon++)
        list[count++] = daemon;
    if (zmailer->manner == START && zmailer->foreground) {
        int code;
        if (upkeep_frozen(zmailer->zenv, zmailer->pool)) {
            fail(zmailer, EXIT_FROZEN,
                 "the spool is frozen; after maintenance say \"zmailer thaw\"");
            return;
        }
        code = daemons_supervise(list, count, zmailer->zenv, zmailer->pool);
        if (code != 0)
            fail(zmailer, code, "the daemons cannot be supervised");
        return;
    }
    for (int i = 0; i < count; i++) /* receivers stop first, so that nothing new arrives */
        if (zmailer->manner == START)
            start_one(zmailer, list[i]);
        else
            stop_one(zmailer, list[count - 1 - i]);
}

static void status(zmailer_t *zmailer)
{
    const daemon_t *daemon;
    int running = 0, count = 0;
    if (zmailer->json)
        printf("{");
    for (daemon = daemons; daemon->name != NULL; daemon++, count++) {
        apr_int64_t pid = daemon_pid(daemon, zmailer->zenv, zmailer->pool);
        running += pid != 0;
        if (zmailer->json)
            printf("%s\"%s\":{\"running\":%s,\"pid\":%" APR_INT64_T_FMT "}", count ? "," : "",
                   daemon->name, pid ? "true" : "false", pid);
        else if (pid != 0)
            printf("%-12s running (pid %" APR_INT64_T_FMT ")\n", daemon->name, pid);
        else
            printf("%-12s not running\n", daemon->name);
    }
    if (zmailer->json)
        printf("}\n");
    if (upkeep_frozen(zmailer->zenv, zmailer->pool) && !zmailer->json)
        printf("the spool is frozen: no daemon starts until \"zmailer thaw\"\n");
    if (running < count && zmailer->code == 0)
        zmailer->code = running == 0 ? EXIT_NOT_RUNNING : EXIT_PARTLY;
}

static void control_all(zmailer_t *zmailer, zm_control_t event)
{
    const daemon_t *daemon;
    char reason[200];
    for (daemon = daemons; daemon->name != NULL; daemon++) {
        apr_status_t result = daemon_control(daemon, event, zmailer->zenv, zmailer->pool);
        if (result == APR_SUCCESS)
            say(zmailer, daemon->name, "told");
        else if (!APR_STATUS_IS_ENOENT(result))
            fail(zmailer, 1,
                 apr_psprintf(zmailer->pool, "cannot reach %s: %s", daemon->name,
                              zm_status_text(result, reason, sizeof reason)));
    }
}

/* -- other programs of ours ------------------------------------------------------------ */

static void become(zmailer_t *zmailer, const char *name, const char *const *words, int count)
{
    apr_array_header_t *argv = apr_array_make(zmailer->pool, count + 4, sizeof(const char *));
    zm_error_t error = {0};
    const char *self;
    int i;
    if (zm_service_program(&self, zmailer->pool) != APR_SUCCESS) {
        fail(zmailer, 71, "cannot tell where this program is installed");
        return;
    }
    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(zmailer->pool, "%.*s/%s", (int)(strrchr(self, '/') - self), self, name);
    APR_ARRAY_PUSH(argv, const char *) = "-Z";
    APR_ARRAY_PUSH(argv, const char *) = zm_zenv_file(zmailer->zenv);
    for (i = 0; i < count; i++)
        APR_ARRAY_PUSH(argv, const char *) = words[i];
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    zm_program_exec((const char *const *)argv->elts, &error);
    fail(zmailer, 69, error.text);
}

/* -- operations -------------------------------------------------------------------------- */

static void do_resubmit(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    int count = 0, failures = 0;
    if (upkeep_resubmit(zmailer->zenv, &count, &failures, zmailer->pool, &error) != APR_SUCCESS)
        fail(zmailer, 1, error.text);
    if (!zmailer->quiet)
        printf("resubmitted %d\n", count);
    if (failures > 0)
        zmailer->code = 1;
}

/* Messages by name, also those that were parked or frozen. */
static void resubmit_named(zmailer_t *zmailer, const char *const *names, int count)
{
    int i, done = 0;
    for (i = 0; i < count; i++) {
        zm_error_t error = {0};
        if (upkeep_resubmit_one(zmailer->zenv, names[i], zmailer->pool, &error) != APR_SUCCESS)
            fail(zmailer, 1, error.text);
        else
            done++;
    }
    if (!zmailer->quiet)
        printf("resubmitted %d\n", done);
}

static void do_cleanup(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    int count = 0;
    if (upkeep_cleanup(zmailer->zenv, &count, zmailer->pool, &error) != APR_SUCCESS)
        fail(zmailer, 1, error.text);
    if (!zmailer->quiet)
        printf("removed %d\n", count);
}

static void do_bootclean(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (upkeep_bootclean(zmailer->zenv, zmailer->pool, &error) != APR_SUCCESS)
        fail(zmailer, 1, error.text);
}

static void do_freeze(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (upkeep_freeze(zmailer->zenv, true, zmailer->pool, &error) != APR_SUCCESS)
        fail(zmailer, 1, error.text);
}

static void do_thaw(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (upkeep_freeze(zmailer->zenv, false, zmailer->pool, &error) != APR_SUCCESS)
        fail(zmailer, 1, error.text);
}

static void do_start(zmailer_t *zmailer)
{
    zmailer->manner = START;
}

static void do_stop(zmailer_t *zmailer)
{
    zmailer->manner = STOP;
}

static void do_nuke(zmailer_t *zmailer)
{
    zmailer->manner = NUKE;
}

static void do_reload(zmailer_t *zmailer)
{
    control_all(zmailer, ZM_CONTROL_RELOAD);
}

static void do_logsync(zmailer_t *zmailer)
{
    control_all(zmailer, ZM_CONTROL_REOPEN);
}

static void do_check(zmailer_t *zmailer)
{
    if (upkeep_check(zmailer->zenv, zmailer->pool) > 0 && zmailer->code == 0)
        zmailer->code = 1;
}

static void do_metrics(zmailer_t *zmailer)
{
    zm_buf_t text = ZM_BUF_INIT;
    if (metrics_print(&text, zmailer->zenv, zmailer->json, zmailer->pool) != APR_SUCCESS)
        fail(zmailer, EXIT_NOTHING_YET, "the counters cannot be read; no daemon has run yet");
    else
        fwrite(text.data, 1, text.length, stdout);
    zm_buf_free(&text);
}

static void do_newaliases(zmailer_t *zmailer)
{
    become(zmailer, "newaliases", NULL, 0);
}

static void do_newfqdnaliases(zmailer_t *zmailer)
{
    become(zmailer, "newfqdnaliases", NULL, 0);
}

static void do_newdb(zmailer_t *zmailer)
{
    become(zmailer, "newdbprocessor", NULL, 0);
}

/* Compiles $MAILVAR/db/NAME, which has plain lines. */
static void compile_plain(zmailer_t *zmailer, const char *name)
{
    const char *words[2] = {
        "-l", apr_pstrcat(zmailer->pool, zm_zenv_mailvar(zmailer->zenv), "/db/", name, NULL)};
    become(zmailer, "newdb", words, 2);
}

static void do_newfqdnroutes(zmailer_t *zmailer)
{
    compile_plain(zmailer, "fqdnroutes");
}

static void do_newroutes(zmailer_t *zmailer)
{
    compile_plain(zmailer, "routes");
}

static void do_newlocalnames(zmailer_t *zmailer)
{
    compile_plain(zmailer, "localnames");
}

typedef struct operation_t {
    const char *word;
    void (*run)(zmailer_t *zmailer);
    bool manner; /* changes what daemon names mean; as the last word it means all of them */
} operation_t;

static const operation_t operations[] = {
    {"start", do_start, true},
    {"stop", do_stop, true},
    {"kill", do_stop, true},
    {"nuke", do_nuke, true},
    {"status", status, false},
    {"reload", do_reload, false},
    {"logsync", do_logsync, false},
    {"resubmit", do_resubmit, false},
    {"cleanup", do_cleanup, false},
    {"bootclean", do_bootclean, false},
    {"freeze", do_freeze, false},
    {"thaw", do_thaw, false},
    {"unfreeze", do_thaw, false},
    {"check", do_check, false},
    {"metrics", do_metrics, false},
    {"newaliases", do_newaliases, false},
    {"newfqdnaliases", do_newfqdnaliases, false},
    {"newdb", do_newdb, false},
    {"newfqdnroutes", do_newfqdnroutes, false},
    {"new-routes", do_newroutes, false},
    {"new-localnames", do_newlocalnames, false},
};

static void run_daemon_word(zmailer_t *zmailer, const daemon_t *daemon)
{
    if (zmailer->manner == START)
        start_one(zmailer, daemon);
    else
        stop_one(zmailer, daemon);
}

/* Does one word. False: nobody knows it. */
static bool run_word(zmailer_t *zmailer, const char *word, bool last)
{
    const daemon_t *daemon = daemon_find(word);
    apr_size_t i;
    if (daemon != NULL) {
        run_daemon_word(zmailer, daemon);
        return true;
    }
    for (i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(word, operations[i].word) != 0)
            continue;
        operations[i].run(zmailer);
        if (operations[i].manner && last)
            all_daemons(zmailer);
        return true;
    }
    return false;
}

/* Without a root: the spool of the installation, as its zmailer.conf says. */
static int init_spool(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (zm_zenv_load(&zmailer->zenv, &zmailer->where, zmailer->pool, &error) != APR_SUCCESS) {
        fail(zmailer, ZM_EXIT_CONFIG, error.text);
        return zmailer->code;
    }
    if (upkeep_make_spool(zmailer->zenv, zmailer->pool, &error) != APR_SUCCESS) {
        fail(zmailer, 1, error.text);
        return zmailer->code;
    }
    say(zmailer, "made the spool", zm_zenv_postoffice(zmailer->zenv));
    return 0;
}

static int run_init(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    zmailer->instance.root = zmailer->where.root;
    if (zmailer->instance.root == NULL)
        return init_spool(zmailer);
    if (instance_init(&zmailer->instance, zmailer->pool, &error) != APR_SUCCESS) {
        fail(zmailer, 1, error.text);
        return zmailer->code;
    }
    say(zmailer, "made the instance", zmailer->instance.root);
    return 0;
}

static int run_words(zmailer_t *zmailer, int argc, char **argv)
{
    int i;
    if (argc > 1 && strcmp(argv[1], "mailq") == 0) {
        become(zmailer, "mailq", (const char *const *)argv + 2, argc - 2);
        return zmailer->code;
    }
    if (argc > 2 && strcmp(argv[1], "resubmit") == 0) {
        resubmit_named(zmailer, (const char *const *)argv + 2, argc - 2);
        return zmailer->code;
    }
    if (argc > 1 && strcmp(argv[1], "restart") == 0) {
        for (i = 2; i < argc || i == 2; i++)
            if (!run_word(zmailer, i < argc ? argv[i] : "start", true))
                fail(zmailer, ZM_EXIT_USAGE,
                     apr_psprintf(zmailer->pool, "unknown word \"%s\"", argv[i]));
        return zmailer->code;
    }
    if (argc < 2)
        all_daemons(zmailer);
    for (i = 1; i < argc; i++)
        if (!run_word(zmailer, argv[i], i == argc - 1))
            fail(zmailer, 1,
                 apr_psprintf(zmailer->pool, "unknown word \"%s\"; see zmailer --help", argv[i]));
    return zmailer->code;
}

int main(int argc, char **argv)
{
    static const char operands[] =
        "[init | start | stop | restart | nuke | status | reload | check | metrics | mailq |\n"
        "       resubmit | cleanup | bootclean | freeze | thaw | logsync | newaliases |\n"
        "       newfqdnaliases | newdb | newfqdnroutes | new-routes | new-localnames |\n"
        "       router | scheduler | smtpserver] ...\n"
        "       spool COMMAND ...";
    zmailer_t zmailer = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'q', "quiet", ZM_OPTION_FLAG, &zmailer.quiet, NULL, NULL, "say nothing but errors"},
        {0, "json", ZM_OPTION_FLAG, &zmailer.json, NULL, NULL, "status and metrics as JSON"},
        {0, "foreground", ZM_OPTION_FLAG, &zmailer.foreground, NULL, NULL,
         "start: stay, and restart daemons that end"},
        {0, "hostname", ZM_OPTION_TEXT, &zmailer.instance.hostname, NULL, "NAME",
         "init: our host name"},
        {0, "smtp-port", ZM_OPTION_NUMBER, &zmailer.instance.smtp_port, NULL, "PORT",
         "init: listen here (2525)"},
        {0, "smart-host", ZM_OPTION_TEXT, &zmailer.instance.smart_host, NULL, "HOST",
         "init: send all remote mail there, a name or [ADDRESS]:PORT"},
        {0, "local-domains", ZM_OPTION_TEXT, &zmailer.instance.local_domains, NULL, "A,B",
         "init: further domains of ours"},
        {0, "users", ZM_OPTION_TEXT, &zmailer.instance.users, NULL, "A,B",
         "init: mailboxes without an account"},
        {0, "mailbox", ZM_OPTION_TEXT, &zmailer.instance.mailbox_form, NULL, "mbox|maildir",
         "init: form of mailboxes"},
        {0, "spool", ZM_OPTION_TEXT, &zmailer.instance.engine, NULL, "native|emulated",
         "init: how the spool is kept"},
    };
    zm_command_line_t line = {"zmailer",
                              operands,
                              "start, stop and look after ZMailer's daemons",
                              table,
                              (int)(sizeof table / sizeof table[0]),
                              &zmailer.where,
                              ZM_OPTIONS_STOP};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&zmailer.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc > 1 && strcmp(argv[1], "spool") == 0) /* what follows has options of its own */
        return spool_command(argc - 1, argv + 1, &zmailer.where, zmailer.quiet, zmailer.json,
                             zmailer.pool);
    line.flags = 0;
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    zmailer.where.ignore_environment = zmailer.where.root == NULL;
    if (argc > 1 && strcmp(argv[1], "init") == 0)
        return run_init(&zmailer);
    if (zm_zenv_load(&zmailer.zenv, &zmailer.where, zmailer.pool, &error) != APR_SUCCESS) {
        fail(&zmailer, ZM_EXIT_CONFIG, error.text);
        return zmailer.code;
    }
    return run_words(&zmailer, argc, argv);
}
