/*
 * mailq(1): what waits in the queue, and why.
 */
#include "mta/admin/mailq.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/options.h"

int mailq_complain(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "mailq: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return code;
}

static int one_command(mailq_t *mailq, const char *command)
{
    zm_str_t reply;
    bool done = mailq_command(mailq, command, &reply, mailq->pool);
    fprintf(done ? stdout : stderr, "%.*s\n", (int)reply.length - 1, reply.data + 1);
    return done ? 0 : EXIT_NOPERM;
}

static int ask(mailq_t *mailq)
{
    static const char *const reports[] = {"SHOW QUEUE THREADS", "SHOW QUEUE SHORT", "SHOW SNMP",
                                          "SHOW COUNTERS"};
    if (mailq->kill != NULL)
        return one_command(mailq, apr_pstrcat(mailq->pool, "KILL MSG ", mailq->kill, NULL));
    if (mailq->etrn != NULL)
        return one_command(mailq, apr_pstrcat(mailq->pool, "ETRN ", mailq->etrn, NULL));
    if (mailq->summary > 0)
        return mailq_report(mailq, reports[mailq->summary > 4 ? 3 : mailq->summary - 1]);
    return mailq->json ? mailq_list_json(mailq) : mailq_list(mailq);
}

static int run(mailq_t *mailq)
{
    zm_str_t reply;
    int code;

    if (mailq->status > 0) {
        code = mailq_status(mailq);
        if (code != 0 || mailq->status > 1)
            return code;
    }
    code = mailq_connect(mailq);
    if (code != 0)
        return code;
    if (!mailq->version2) {
        if (mailq->kill != NULL || mailq->etrn != NULL)
            return mailq_complain(EXIT_UNAVAILABLE,
                                  "this scheduler answers version 1, which has only the listing");
        return mailq_list_v1(mailq);
    }
    code = ask(mailq);
    mailq_command(mailq, "QUIT", &reply, mailq->pool);
    return code;
}

int main(int argc, char **argv)
{
    mailq_t mailq = {0};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'4', NULL, ZM_OPTION_FLAG, &mailq.four, NULL, NULL, "try IPv4 first"},
        {'6', NULL, ZM_OPTION_FLAG, &mailq.six, NULL, NULL, "try IPv6 first (the default)"},
        {'Q', "queue", ZM_OPTION_COUNT, &mailq.summary, NULL, NULL,
         "threads; twice: rings, three times: totals, four times: counters"},
        {'s', "status", ZM_OPTION_COUNT, &mailq.status, NULL, NULL,
         "first count what lies in the spool; twice: nothing else"},
        {'c', "channel", ZM_OPTION_TEXT, &mailq.channel, NULL, "CHANNEL",
         "only this thread, with -h"},
        {'h', "host", ZM_OPTION_TEXT, &mailq.host, NULL, "HOST",
         "only the thread of this host (channel smtp)"},
        {'t', "terse", ZM_OPTION_FLAG, &mailq.terse, NULL, NULL, "without addresses"},
        {'v', "verbose", ZM_OPTION_COUNT, &mailq.verbose, NULL, NULL,
         "with ids, sizes, senders and all diagnostics"},
        {0, "json", ZM_OPTION_FLAG, &mailq.json, NULL, NULL, "the whole queue as JSON"},
        {'p', "port", ZM_OPTION_TEXT, &mailq.port, NULL, "PORT|/PATH",
         "where the scheduler answers"},
        {'U', "account", ZM_OPTION_TEXT, &mailq.account, NULL, "NAME/PASSWORD",
         "log in as (nobody/nobody)"},
        {'K', "kill", ZM_OPTION_TEXT, &mailq.kill, NULL, "ID", "remove a message from the queue"},
        {0, "etrn", ZM_OPTION_TEXT, &mailq.etrn, NULL, "HOST", "start delivery to a host now"},
        {'d', "debug", ZM_OPTION_COUNT, &mailq.debug, NULL, NULL, "show what the server says"},
    };
    const zm_command_line_t line = {
        "mailq", "[SERVER]", "show the mail queue", table, (int)(sizeof table / sizeof table[0]),
        &site,   0};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&mailq.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc > 2)
        return mailq_complain(ZM_EXIT_USAGE, "one server at a time");
    if (zm_zenv_load(&mailq.zenv, &site, mailq.pool, &error) != APR_SUCCESS)
        return mailq_complain(ZM_EXIT_CONFIG, "%s", error.text);
    mailq.server = argc == 2 ? argv[1] : NULL;
    if (mailq.host != NULL && mailq.channel == NULL)
        mailq.channel = "smtp";
    if (mailq.channel != NULL && mailq.host == NULL)
        return mailq_complain(ZM_EXIT_USAGE, "-c CHANNEL wants -h HOST too");
    code = run(&mailq);
    if (mailq.spool != NULL)
        zm_spool_close(mailq.spool);
    zm_buf_free(&mailq.input);
    return code;
}
