/*
 * sendmail(8): the submitter that every mail program expects.
 *
 * It writes one spool object, makes it durable, and hints the router; it never
 * routes, looks up or delivers.  Exit 0 means that the message is safe.
 */
#include "mta/submit/sendmail.h"

#include <apr_general.h>
#include <apr_signal.h>
#include <stdio.h>
#include <string.h>

#include "mta/submit/sendmail_trace.h"
#include "platform/exec.h"
#include "platform/identity.h"
#include "platform/service.h"

volatile sig_atomic_t sendmail_interrupted;

static void on_signal(int number)
{
    sendmail_interrupted = number;
}

/* A signal that the caller ignores (nohup) stays ignored. */
static void catch_signal(int number)
{
    if (apr_signal(number, on_signal) == SIG_IGN)
        apr_signal(number, SIG_IGN);
}

void sendmail_default_signals(void)
{
    static const int numbers[] = {
        SIGINT,
        SIGTERM,
#ifdef SIGHUP
        SIGHUP,
#endif
    };
    apr_size_t i;
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (apr_signal(numbers[i], SIG_DFL) == SIG_IGN)
            apr_signal(numbers[i], SIG_IGN);
}

int sendmail_complain(const sendmail_t *sendmail, int code, const char *text)
{
    if (!sendmail->options->quiet)
        fprintf(stderr, "sendmail: %s\n", text);
    return code;
}

static int dispatch(sendmail_t *sendmail)
{
    sendmail_options_t *options = sendmail->options;
    zm_zenv_options_t where = {0};
    zm_error_t error = {0};
    if (zm_service_program(&sendmail->self, sendmail->pool) != APR_SUCCESS)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_CONFIG,
                                 "cannot tell where this program is installed");
    if (options->by_name)
        return sendmail_by_name(sendmail);
    where.file = options->zconfig;
    where.root = options->root;
    if (zm_zenv_load(&sendmail->zenv, &where, sendmail->pool, &error) != APR_SUCCESS)
        return sendmail_complain(sendmail, SENDMAIL_EXIT_CONFIG, error.text);
    if (options->postoffice != NULL)
        zm_zenv_set(sendmail->zenv, "POSTOFFICE", options->postoffice);
    return options->mode == SENDMAIL_SUBMIT ? sendmail_submit(sendmail)
                                            : sendmail_other_mode(sendmail);
}

/* What needs neither configuration nor input.  True: that was all. */
static bool told(const sendmail_options_t *options)
{
    if (options->mode == SENDMAIL_HELP)
        fputs(sendmail_usage, stdout);
    else if (options->mode == SENDMAIL_UNSUPPORTED)
        puts("not supported");
    else if (options->version)
        puts("sendmail (ZMailer) " ZM_VERSION);
    fflush(stdout);
    return options->mode == SENDMAIL_HELP || options->mode == SENDMAIL_VERSION ||
           options->mode == SENDMAIL_UNSUPPORTED || options->mode == SENDMAIL_NOTHING;
}

int main(int argc, const char *const *argv, const char *const *environ_)
{
    sendmail_t sendmail = {0};
    zm_error_t error = {0};
    int code;

    zm_program_fill_streams();
    if (zm_identity_give_back(&error) != APR_SUCCESS) {
        fprintf(stderr, "sendmail: %s\n", error.text);
        return SENDMAIL_EXIT_UNAVAILABLE;
    }
    apr_app_initialize(&argc, &argv, &environ_);
    apr_pool_create(&sendmail.pool, NULL);
    if (argc == 4 &&
        strcmp(argv[1], "--follow") == 0) { /* our own background half, see sendmail_submit.c */
        sendmail_trace_follow(argv[2], argv[3], 20, sendmail.pool);
        return 0;
    }
    if (sendmail_options_parse(&sendmail.options, argc, argv, sendmail.pool, &error) !=
        APR_SUCCESS) {
        fprintf(stderr, "sendmail: %s\n%s", error.text, sendmail_usage);
        return SENDMAIL_EXIT_USAGE;
    }
    if (told(sendmail.options))
        return 0;
    zm_program_binary_streams();
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
#ifdef SIGHUP
    catch_signal(SIGHUP);
#endif
    code = dispatch(&sendmail);
    apr_pool_destroy(sendmail.pool);
    apr_terminate();
    return code;
}
