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

#include "mta/admin/zmailer.h"

#include "mta/admin/auth_user.h"
#include "mta/admin/certificates.h"
#include "mta/admin/check.h"
#include "mta/admin/dkim.h"
#include "mta/admin/freezer.h"
#include "mta/admin/import_check.h"
#include "mta/admin/metrics.h"
#include "mta/admin/rehash.h"
#include "mta/admin/rotate.h"
#include "mta/admin/setup.h"
#include "mta/admin/spool_commands.h"
#include "mta/admin/upkeep.h"
#include "mta/conf/options.h"
#include "platform/exec.h"
#include "platform/log.h"
#include "platform/service.h"

enum { EXIT_FAILED = 1, EXIT_OS = 71, EXIT_NOTHING_YET = 72, EXIT_TEMPFAIL = 75 };

/* "WHAT WORD", for people. */
void zmailer_say(const zmailer_t *zmailer, const char *word, const char *what)
{
    if (!zmailer->quiet) {
        printf("%s %s\n", word, what);
        fflush(stdout);
    }
}

void zmailer_fail(zmailer_t *zmailer, int code, const char *text)
{
    fprintf(stderr, "zmailer: %s\n", text);
    if (zmailer->code == 0)
        zmailer->code = code;
}

/* -- other programs of ours ------------------------------------------------------------ */

/* The command line of a sibling of this program; null after a complaint. */
static apr_array_header_t *sibling(zmailer_t *zmailer, const char *name)
{
    apr_array_header_t *argv = apr_array_make(zmailer->pool, 8, sizeof(const char *));
    const char *self;
    if (zm_service_program(&self, zmailer->pool) != APR_SUCCESS) {
        zmailer_fail(zmailer, EXIT_OS, "cannot tell where this program is installed");
        return NULL;
    }
    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(zmailer->pool, "%.*s/%s", (int)(strrchr(self, '/') - self), self, name);
    APR_ARRAY_PUSH(argv, const char *) = "-Z";
    APR_ARRAY_PUSH(argv, const char *) = zm_zenv_file(zmailer->zenv);
    return argv;
}

/* Runs it to its end; the words behind it come next. */
static void run_program(zmailer_t *zmailer, const char *name, const char *const *words)
{
    apr_array_header_t *argv = sibling(zmailer, name);
    zm_error_t error = {0};
    int code;
    if (argv == NULL)
        return;
    for (; words != NULL && *words != NULL; words++)
        APR_ARRAY_PUSH(argv, const char *) = *words;
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    code = daemon_run(name, (const char *const *)argv->elts, zmailer->pool, &error);
    if (error.text[0] != '\0')
        zmailer_fail(zmailer, code, error.text);
    else if (code != 0 && zmailer->code == 0)
        zmailer->code = code; /* it has said why */
}

/* mailq, and what it does with messages and destinations: "hold A B" is "mailq --hold A --hold B".
 */
static int become_mailq(zmailer_t *zmailer, const char *option, const char *const *words, int count)
{
    apr_array_header_t *argv = sibling(zmailer, "mailq");
    zm_error_t error = {0};
    int i;
    if (option != NULL && count == 0)
        zmailer_fail(zmailer, ZM_EXIT_USAGE, "say which message (its number) or CHANNEL/HOST");
    if (argv == NULL || zmailer->code != 0)
        return zmailer->code;
    for (i = 0; i < count; i++) {
        if (option != NULL)
            APR_ARRAY_PUSH(argv, const char *) = option;
        APR_ARRAY_PUSH(argv, const char *) = words[i];
    }
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    zm_program_exec((const char *const *)argv->elts, &error);
    zmailer_fail(zmailer, 69, error.text);
    return zmailer->code;
}

/* -- operations -------------------------------------------------------------------------- */

static void do_resubmit(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    int count = 0, failures = 0;
    if (upkeep_resubmit(zmailer->zenv, &count, &failures, zmailer->pool, &error) != APR_SUCCESS)
        zmailer_fail(zmailer, 1, error.text);
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
            zmailer_fail(zmailer, 1, error.text);
        else
            done++;
    }
    if (!zmailer->quiet)
        printf("resubmitted %d\n", done);
}

/* What was deferred goes to the router, what waits in the queue to its agents. */
static void do_flush(zmailer_t *zmailer)
{
    static const char *const words[] = {"--flush", NULL};
    do_resubmit(zmailer);
    run_program(zmailer, "mailq", words);
}

static void do_rehash(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    int count = 0;
    apr_status_t status = rehash_spool(zmailer->zenv, &count, zmailer->pool, &error);
    if (status != APR_SUCCESS)
        zmailer_fail(zmailer,
                     status == ZM_E_BUSY     ? EXIT_TEMPFAIL
                     : status == ZM_E_CONFIG ? ZM_EXIT_CONFIG
                                             : EXIT_FAILED,
                     error.text);
    if (!zmailer->quiet)
        printf("moved %d\n", count);
}

static void do_cleanup(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    int count = 0;
    if (upkeep_cleanup(zmailer->zenv, &count, zmailer->pool, &error) != APR_SUCCESS)
        zmailer_fail(zmailer, 1, error.text);
    if (!zmailer->quiet)
        printf("removed %d\n", count);
}

static void do_bootclean(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (upkeep_bootclean(zmailer->zenv, zmailer->pool, &error) != APR_SUCCESS)
        zmailer_fail(zmailer, 1, error.text);
}

static void do_freeze(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (upkeep_freeze(zmailer->zenv, true, zmailer->pool, &error) != APR_SUCCESS)
        zmailer_fail(zmailer, 1, error.text);
}

static void do_thaw(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (upkeep_freeze(zmailer->zenv, false, zmailer->pool, &error) != APR_SUCCESS)
        zmailer_fail(zmailer, 1, error.text);
}

static void do_start(zmailer_t *zmailer)
{
    zmailer->manner = ZMAILER_START;
}

static void do_stop(zmailer_t *zmailer)
{
    zmailer->manner = ZMAILER_STOP;
}

static void do_nuke(zmailer_t *zmailer)
{
    zmailer->manner = ZMAILER_NUKE;
}

static void do_reload(zmailer_t *zmailer)
{
    zmailer_control(zmailer, ZM_CONTROL_RELOAD);
}

static void do_logsync(zmailer_t *zmailer)
{
    zmailer_control(zmailer, ZM_CONTROL_REOPEN);
}

/* logrotate: the daemons open new logs by themselves, but not at once. */
static void do_logrotate(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    int count = 0, failures = 0;
    if (rotate_logs(zmailer->zenv, &count, &failures, zmailer->pool, &error) != APR_SUCCESS)
        zmailer_fail(zmailer, EXIT_FAILED, error.text);
    if (failures > 0 && zmailer->code == 0)
        zmailer->code = EXIT_FAILED;
    if (!zmailer->quiet)
        printf("rotated %d\n", count);
    do_logsync(zmailer);
}

static void do_version(zmailer_t *zmailer)
{
    (void)zmailer;
    puts("zmailer (ZMailer) " ZM_VERSION);
}

static void do_check(zmailer_t *zmailer)
{
    zmailer->check.json = zmailer->json;
    if (check_all(zmailer->zenv, &zmailer->check, zmailer->pool) > 0 && zmailer->code == 0)
        zmailer->code = 1;
}

/* The SMTP server knows best what its parameters mean. */
static void do_import_check(zmailer_t *zmailer)
{
    const char *argv[] = {
        apr_pstrcat(zmailer->pool, zm_zenv_mailbin(zmailer->zenv), "/smtpserver", NULL), "-Z",
        zm_zenv_file(zmailer->zenv), "-N", NULL};
    zm_error_t error = {0};
    int found = import_check(zmailer->zenv, zmailer->json, zmailer->pool);
    if (!zmailer->json && daemon_run("smtpserver", argv, zmailer->pool, &error) != 0)
        found++;
    if (found > 0 && zmailer->code == 0)
        zmailer->code = EXIT_FAILED;
    else if (!zmailer->json && found == 0)
        zmailer_say(zmailer, "nothing", "is obsolete");
}

static void do_tls_check(zmailer_t *zmailer)
{
    if (certificates_check(zmailer->zenv, zmailer->json, zmailer->pool) > 0 && zmailer->code == 0)
        zmailer->code = EXIT_FAILED;
}

static void do_metrics(zmailer_t *zmailer)
{
    zm_buf_t text = ZM_BUF_INIT;
    if (metrics_print(&text, zmailer->zenv, zmailer->json, zmailer->pool) != APR_SUCCESS)
        zmailer_fail(zmailer, EXIT_NOTHING_YET,
                     "the counters cannot be read; no daemon has run yet");
    else
        fwrite(text.data, 1, text.length, stdout);
    zm_buf_free(&text);
}

static void do_newaliases(zmailer_t *zmailer)
{
    run_program(zmailer, "newaliases", NULL);
}

static void do_newfqdnaliases(zmailer_t *zmailer)
{
    run_program(zmailer, "newfqdnaliases", NULL);
}

static void do_newdb(zmailer_t *zmailer)
{
    run_program(zmailer, "newdbprocessor", NULL);
}

/* Compiles $MAILVAR/db/NAME, which has plain lines. */
static void compile_plain(zmailer_t *zmailer, const char *name)
{
    const char *words[3] = {
        "-l", apr_pstrcat(zmailer->pool, zm_zenv_mailvar(zmailer->zenv), "/db/", name, NULL), NULL};
    run_program(zmailer, "newdb", words);
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
    int least; /* so many letters are enough, and what follows them does not matter; 0: all */
    void (*run)(zmailer_t *zmailer);
    bool manner; /* changes what daemon names mean; as the last word it means all of them */
} operation_t;

static const operation_t operations[] = {
    {"start", 4, do_start, true},
    {"stop", 0, do_stop, true},
    {"kill", 0, do_stop, true},
    {"kills", 0, do_stop, true},
    {"killr", 0, do_stop, true},
    {"nuke", 0, do_nuke, true},
    {"status", 0, zmailer_status, false},
    {"reload", 0, do_reload, false},
    {"logsync", 0, do_logsync, false},
    {"logrotate", 0, do_logrotate, false},
    {"resubmit", 0, do_resubmit, false},
    {"flush", 0, do_flush, false},
    {"rehash", 0, do_rehash, false},
    {"cleanup", 0, do_cleanup, false},
    {"bootclean", 0, do_bootclean, false},
    {"freeze", 0, do_freeze, false},
    {"thaw", 0, do_thaw, false},
    {"unfreeze", 4, do_thaw, false},
    {"check", 0, do_check, false},
    {"import-check", 0, do_import_check, false},
    {"tls-check", 0, do_tls_check, false},
    {"metrics", 0, do_metrics, false},
    {"version", 0, do_version, false},
    {"newdb", 0, do_newdb, false},
    {"newaliases", 5, do_newaliases, false},
    {"newfqdnroutes", 8, do_newfqdnroutes, false},
    {"newfqdnaliases", 4, do_newfqdnaliases, false},
    {"new-routes", 9, do_newroutes, false},
    {"new-localnames", 9, do_newlocalnames, false},
};

static bool is_word(const operation_t *operation, const char *word)
{
    return strcmp(word, operation->word) == 0 ||
           (operation->least > 0 &&
            strncmp(word, operation->word, (apr_size_t)operation->least) == 0);
}

/* Does one word. False: nobody knows it. */
static bool run_word(zmailer_t *zmailer, const char *word, bool last)
{
    apr_size_t i;
    if (zmailer_daemon(zmailer, word))
        return true;
    for (i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (!is_word(&operations[i], word))
            continue;
        operations[i].run(zmailer);
        if (operations[i].manner && last)
            zmailer_all_daemons(zmailer);
        return true;
    }
    return false;
}

/* Without a root: the spool of the installation, as its zmailer.conf says. */
static int init_spool(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    if (zm_zenv_load(&zmailer->zenv, &zmailer->where, zmailer->pool, &error) != APR_SUCCESS) {
        zmailer_fail(zmailer, ZM_EXIT_CONFIG, error.text);
        return zmailer->code;
    }
    if (upkeep_make_spool(zmailer->zenv, zmailer->pool, &error) != APR_SUCCESS) {
        zmailer_fail(zmailer, 1, error.text);
        return zmailer->code;
    }
    zmailer_say(zmailer, "made the spool", zm_zenv_postoffice(zmailer->zenv));
    return 0;
}

static int run_init(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    zmailer->instance.root = zmailer->where.root;
    if (zmailer->instance.root == NULL)
        return init_spool(zmailer);
    if (instance_init(&zmailer->instance, zmailer->pool, &error) != APR_SUCCESS) {
        zmailer_fail(zmailer, 1, error.text);
        return zmailer->code;
    }
    zmailer_say(zmailer, "made the instance", zmailer->instance.root);
    return 0;
}

/* The files first, then what is compiled from them. */
static int run_setup(zmailer_t *zmailer)
{
    static const char *const silently[] = {"--silent", NULL};
    setup_options_t options = {.instance = &zmailer->instance,
                               .postmaster = zmailer->postmaster,
                               .variables = zmailer->variables,
                               .dry_run = zmailer->dry_run,
                               .ask = !zmailer->yes && !zmailer->json,
                               .json = zmailer->json,
                               .quiet = zmailer->quiet};
    zm_error_t error = {0};
    int code = setup_run(&options, &zmailer->where, zmailer->pool);
    if (code != 0 || zmailer->dry_run)
        return code;
    if (zm_zenv_load(&zmailer->zenv, &zmailer->where, zmailer->pool, &error) != APR_SUCCESS) {
        zmailer_fail(zmailer, ZM_EXIT_CONFIG, error.text);
        return zmailer->code;
    }
    run_program(zmailer, "newdbprocessor", silently);
    return zmailer->code;
}

#define CERTIFICATE_DAYS 3650

static int tls_init(zmailer_t *zmailer, const char *const *names, int count)
{
    zm_error_t error = {0};
    const char *path;
    apr_status_t status = certificates_make(zmailer->zenv, names, count, CERTIFICATE_DAYS, &path,
                                            zmailer->pool, &error);
    if (status != APR_SUCCESS)
        zmailer_fail(zmailer, status == ZM_E_SYNTAX ? ZM_EXIT_USAGE : EXIT_FAILED, error.text);
    else if (!zmailer->quiet)
        printf("made %s and its key\nto use them, in smtpserver.conf:\n"
               "PARAM use-tls\nPARAM tls-cert-file %s\n"
               "PARAM tls-key-file %s/db/smtpserver-key.pem\n",
               path, path, zm_zenv_mailvar(zmailer->zenv));
    return zmailer->code;
}

static apr_status_t add_variable(void *target, const char *argument, zm_error_t *error)
{
    zmailer_t *zmailer = target;
    (void)error;
    APR_ARRAY_PUSH(zmailer->variables, const char *) = argument;
    return APR_SUCCESS;
}

/* Commands that take all words behind them.  False: this is none. */
static bool run_command(zmailer_t *zmailer, const char *const *words, int count, int *code)
{
    static const char *const options[][2] = {
        {"mailq", NULL}, {"hold", "--hold"}, {"release", "--release"}, {"retry", "--retry"}};
    const char *word = count > 0 ? words[0] : "";
    apr_size_t i;
    for (i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(word, options[i][0]) == 0) {
            *code = become_mailq(zmailer, options[i][1], words + 1, count - 1);
            return true;
        }
    }
    if (strcmp(word, "service") == 0) {
        *code = zmailer_service(zmailer, words + 1, count - 1);
        return true;
    }
    if (strcmp(word, "freezer") == 0) {
        *code = freezer_command(words + 1, count - 1, zmailer->zenv, zmailer->json, zmailer->quiet,
                                zmailer->pool);
        return true;
    }
    if (strcmp(word, "auth-user") == 0) {
        *code =
            auth_user_command(words + 1, count - 1, zmailer->zenv, zmailer->quiet, zmailer->pool);
        return true;
    }
    if (strcmp(word, "tls-init") == 0) {
        *code = tls_init(zmailer, words + 1, count - 1);
        return true;
    }
    if (strcmp(word, "dkim") == 0) {
        *code = dkim_command(words + 1, count - 1, zmailer->pool);
        return true;
    }
    if (strcmp(word, "resubmit") == 0 && count > 1) {
        resubmit_named(zmailer, words + 1, count - 1);
        *code = zmailer->code;
        return true;
    }
    return false;
}

static int run_words(zmailer_t *zmailer, const char *const *words, int count)
{
    int i, first = count > 0 && strcmp(words[0], "restart") == 0;
    if (count == first)
        zmailer_all_daemons(zmailer);
    for (i = first; i < count; i++)
        if (!run_word(zmailer, words[i], i == count - 1))
            zmailer_fail(
                zmailer, EXIT_FAILED,
                apr_psprintf(zmailer->pool, "unknown word \"%s\"; see zmailer --help", words[i]));
    return zmailer->code;
}

static void on_warning(void *baton, const char *text)
{
    const zmailer_t *zmailer = baton;
    if (!zmailer->quiet)
        fprintf(stderr, "zmailer: %s\n", text);
}

int main(int argc, char **argv)
{
    static const char operands[] =
        "[init | setup | start | stop | restart | nuke | status | reload | check | import-check | "
        "tls-check | "
        "metrics |\n"
        "       flush | resubmit | cleanup | rehash | bootclean | freeze | thaw | logsync | "
        "logrotate | version |\n"
        "       newaliases | newfqdnaliases | newdb | newfqdnroutes | new-routes |\n"
        "       new-localnames | router | scheduler | smtpserver] ...\n"
        "       zmailer [OPTION ...] mailq ... | hold WHAT ... | release WHAT ... | retry WHAT "
        "...\n"
        "       zmailer [OPTION ...] service install [ACCOUNT] | remove | run\n"
        "       zmailer [OPTION ...] tls-init [NAME ...]\n"
        "       zmailer [OPTION ...] freezer COMMAND ...\n"
        "       zmailer [OPTION ...] dkim COMMAND ...\n"
        "       zmailer [OPTION ...] auth-user COMMAND ...\n"
        "       zmailer [OPTION ...] spool COMMAND ...";
    zmailer_t zmailer = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'q', "quiet", ZM_OPTION_FLAG, &zmailer.quiet, NULL, NULL, "say nothing but errors"},
        {0, "json", ZM_OPTION_FLAG, &zmailer.json, NULL, NULL,
         "status, check, import-check, tls-check, setup, freezer list and metrics as JSON"},
        {0, "foreground", ZM_OPTION_FLAG, &zmailer.foreground, NULL, NULL,
         "start: stay, and restart daemons that end"},
        {0, "dns", ZM_OPTION_FLAG, &zmailer.check.dns, NULL, NULL,
         "check: ask DNS about our name and addresses too"},
        {0, "dnsbl", ZM_OPTION_TEXT, &zmailer.check.zones, NULL, "ZONE,...",
         "check: and these DNS lists"},
        {'n', "dry-run", ZM_OPTION_FLAG, &zmailer.dry_run, NULL, NULL,
         "setup: tell what would be done"},
        {'y', "yes", ZM_OPTION_FLAG, &zmailer.yes, NULL, NULL, "setup: ask nothing"},
        {0, "hostname", ZM_OPTION_TEXT, &zmailer.instance.hostname, NULL, "NAME",
         "init, setup: our host name"},
        {0, "smtp-port", ZM_OPTION_NUMBER, &zmailer.instance.smtp_port, NULL, "PORT",
         "init: listen here (2525)"},
        {0, "smart-host", ZM_OPTION_TEXT, &zmailer.instance.smart_host, NULL, "HOST",
         "init, setup: send all remote mail there, a name or [ADDRESS]:PORT"},
        {0, "local-domains", ZM_OPTION_TEXT, &zmailer.instance.local_domains, NULL, "A,B",
         "init, setup: further domains of ours"},
        {0, "postmaster", ZM_OPTION_TEXT, &zmailer.postmaster, NULL, "ADDRESS",
         "setup: who gets the postmaster's mail"},
        {0, "set", ZM_OPTION_CALL_ARG, &zmailer, add_variable, "NAME=VALUE",
         "setup: a variable of zmailer.conf"},
        {0, "users", ZM_OPTION_TEXT, &zmailer.instance.users, NULL, "A,B",
         "init: mailboxes without an account"},
        {0, "mailbox", ZM_OPTION_TEXT, &zmailer.instance.mailbox_form, NULL, "mbox|maildir",
         "init: form of mailboxes"},
        {0, "spool", ZM_OPTION_TEXT, &zmailer.instance.engine, NULL, "native|emulated",
         "init, setup: how the spool is kept"},
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
    zmailer.variables = apr_array_make(zmailer.pool, 4, sizeof(const char *));
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc > 1 && strcmp(argv[1], "spool") == 0) /* what follows has options of its own */
        return spool_command(argc - 1, argv + 1, &zmailer.where, zmailer.quiet, zmailer.json,
                             zmailer.pool);
    if (argc < 2 || strcmp(argv[1], "mailq") != 0) {
        line.flags = 0;
        if (!zm_options_parse(&line, &argc, argv, &code))
            return code;
    }
    zm_program_umask(022);
    zmailer.where.ignore_environment = zmailer.where.root == NULL;
    zmailer.where.warn = on_warning;
    zmailer.where.baton = &zmailer;
    if (argc > 1 && strcmp(argv[1], "init") == 0)
        return run_init(&zmailer);
    if (argc > 1 && strcmp(argv[1], "setup") == 0)
        return run_setup(&zmailer);
    if (zm_zenv_load(&zmailer.zenv, &zmailer.where, zmailer.pool, &error) != APR_SUCCESS) {
        zmailer_fail(&zmailer, ZM_EXIT_CONFIG, error.text);
        return zmailer.code;
    }
    if (run_command(&zmailer, (const char *const *)argv + 1, argc - 1, &code))
        return code;
    return run_words(&zmailer, (const char *const *)argv + 1, argc - 1);
}
