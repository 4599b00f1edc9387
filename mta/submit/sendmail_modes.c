/* sendmail(8) as another program: the SMTP server, the router's tests, mailq and so on. */
#include <apr_env.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/submit/sendmail.h"
#include "mta/submit/sendmail_envelope.h"
#include "platform/child.h"
#include "platform/exec.h"
#include "platform/fs.h"

static int run(const sendmail_t *sendmail, const char *program, const apr_array_header_t *words)
{
    apr_array_header_t *argv = apr_array_make(sendmail->pool, words->nelts + 2, sizeof(char *));
    zm_error_t error = {0};
    APR_ARRAY_PUSH(argv, const char *) = program;
    apr_array_cat(argv, words);
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    if (sendmail->zenv != NULL)
        (void)apr_env_set("ZCONFIG", zm_zenv_file(sendmail->zenv), sendmail->pool);
    zm_program_exec((const char *const *)argv->elts, &error);
    return sendmail_complain(sendmail, SENDMAIL_EXIT_UNAVAILABLE, error.text);
}

static const char *libexec(const sendmail_t *sendmail, const char *name)
{
    return apr_pstrcat(sendmail->pool, zm_zenv_mailbin(sendmail->zenv), "/", name, NULL);
}

/* A sibling of this program: mailq, newaliases, zmailer. */
static const char *sibling(const sendmail_t *sendmail, const char *name)
{
    const char *slash = strrchr(sendmail->self, '/');
    return apr_psprintf(sendmail->pool, "%.*s/%s", (int)(slash ? slash - sendmail->self : 0),
                        sendmail->self, name);
}

static apr_array_header_t *words_of(const sendmail_t *sendmail, const char *first)
{
    apr_array_header_t *words = apr_array_make(sendmail->pool, 8, sizeof(const char *));
    if (first != NULL)
        APR_ARRAY_PUSH(words, const char *) = first;
    return words;
}

/* The option of the router for another spool. */
static void add_postoffice(apr_array_header_t *words, const sendmail_t *sendmail)
{
    if (sendmail->options->postoffice == NULL)
        return;
    APR_ARRAY_PUSH(words, const char *) = "-P";
    APR_ARRAY_PUSH(words, const char *) = sendmail->options->postoffice;
}

#define OWN_CONFIG "sendmail-smtp-in.conf"

/* The server of this mode may have a configuration of its own. */
static void add_config(apr_array_header_t *words, const sendmail_t *sendmail)
{
    const char *config =
        apr_pstrcat(sendmail->pool, zm_zenv_mailshare(sendmail->zenv), "/" OWN_CONFIG, NULL);
    zm_file_info_t info;
    int i;
    for (i = 0; i < words->nelts; i++)
        if (zm_str_starts(zm_str(APR_ARRAY_IDX(words, i, const char *)), ZM_S("-C")))
            return;
    if (zm_path_info(&info, NULL, config) != APR_SUCCESS)
        return;
    APR_ARRAY_PUSH(words, const char *) = "-C";
    APR_ARRAY_PUSH(words, const char *) = config;
}

/* -bs: the server's options without those that make it listen. */
static int run_smtp(const sendmail_t *sendmail)
{
    const char *options = zm_zenv_get_or(sendmail->zenv, "SMTPOPTIONS", "");
    apr_array_header_t *words = words_of(sendmail, "-i");
    char *copy = apr_pstrdup(sendmail->pool, options), *last, *word;
    for (word = apr_strtok(copy, " \t\"'", &last); word != NULL;
         word = apr_strtok(NULL, " \t\"'", &last)) {
        if (word[0] != '-' || word[1] == '\0' || strchr("pId", word[1]) == NULL)
            APR_ARRAY_PUSH(words, const char *) = word;
        else if (word[2] == '\0' && apr_strtok(NULL, " \t\"'", &last) == NULL) /* its value */
            break;
    }
    add_config(words, sendmail);
    return run(sendmail, libexec(sendmail, "smtpserver"), words);
}

static int run_test(const sendmail_t *sendmail)
{
    apr_array_header_t *words = words_of(sendmail, "-i");
    if (sendmail->options->router_cf != NULL) {
        APR_ARRAY_PUSH(words, const char *) = "-f";
        APR_ARRAY_PUSH(words, const char *) = sendmail->options->router_cf;
    }
    add_postoffice(words, sendmail);
    return run(sendmail, libexec(sendmail, "router"), words);
}

static int run_verify(const sendmail_t *sendmail)
{
    const sendmail_options_t *options = sendmail->options;
    apr_array_header_t *words = words_of(sendmail, "--explain");
    zm_error_t error = {0};
    int i;
    if (options->recipients->nelts == 0)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_USAGE, "-bv needs addresses");
    add_postoffice(words, sendmail);
    APR_ARRAY_PUSH(words, const char *) = "--";
    for (i = 0; i < options->recipients->nelts; i++)
        if (sendmail_addresses(words, APR_ARRAY_IDX(options->recipients, i, const char *),
                               &error) != APR_SUCCESS)
            return sendmail_complain(sendmail, SENDMAIL_EXIT_DATA, error.text);
    return run(sendmail, libexec(sendmail, "router"), words);
}

int sendmail_by_name(const sendmail_t *sendmail)
{
    bool queue = sendmail->options->mode == SENDMAIL_QUEUE;
    return run(sendmail, sibling(sendmail, queue ? "mailq" : "newaliases"),
               sendmail->options->rest);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    (void)child;
    (void)end;
    zm_loop_stop(baton);
}

/* -q: that somebody may not ask, or no scheduler runs, is not told: it tries by itself, and
 * programs call this by the clock. */
static int run_flush(const sendmail_t *sendmail)
{
    const sendmail_options_t *options = sendmail->options;
    bool choice = options->flush_option != NULL && strcmp(options->flush_option, "--retry") != 0;
    const char *argv[7] = {sibling(sendmail, "mailq"), "-Z", zm_zenv_file(sendmail->zenv),
                           options->flush_option != NULL ? options->flush_option : "--flush"};
    zm_child_spec_t spec = {.argv = argv, .io = ZM_CHILD_CHANNEL}; /* nobody reads what it says */
    zm_error_t error = {0};
    zm_loop_t *loop;
    zm_child_t *child;
    if (options->flush_option != NULL)
        argv[4] = options->flush_value;
    if (choice)
        argv[5] = "--flush";
    if (zm_loop_create(&loop, sendmail->pool) != APR_SUCCESS)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_UNAVAILABLE, "cannot make an event loop");
    if (zm_child_start(&child, &spec, loop, on_end, loop, &error) != APR_SUCCESS)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_UNAVAILABLE, error.text);
    (void)zm_loop_run(loop);
    zm_child_close(child);
    return 0;
}

int sendmail_other_mode(const sendmail_t *sendmail)
{
    switch (sendmail->options->mode) {
    case SENDMAIL_SMTP:
        return run_smtp(sendmail);
    case SENDMAIL_DAEMON:
        return run(sendmail, sibling(sendmail, "zmailer"), words_of(sendmail, "start"));
    case SENDMAIL_TEST:
        return run_test(sendmail);
    case SENDMAIL_ALIASES:
        return run(sendmail, sibling(sendmail, "newaliases"), words_of(sendmail, NULL));
    case SENDMAIL_VERIFY:
        return run_verify(sendmail);
    case SENDMAIL_FLUSH:
        return run_flush(sendmail);
    case SENDMAIL_QUEUE:
    default:
        return run(sendmail, sibling(sendmail, "mailq"), words_of(sendmail, NULL));
    }
}
