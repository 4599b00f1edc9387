/*
 * mailq(1): what waits in the queue, and why.
 */
#include "mta/admin/mailq.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/admin/metrics.h"
#include "mta/conf/counters.h"
#include "mta/conf/options.h"
#include "platform/identity.h"

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

/* -- what to do ---------------------------------------------------------------------------- */

static int etrn(mailq_t *mailq)
{
    zm_str_t reply;
    bool done = mailq_command(mailq, apr_pstrcat(mailq->pool, "ETRN ", mailq->etrn, NULL), &reply,
                              mailq->pool);
    fprintf(done ? stdout : stderr, "%.*s\n", (int)reply.length - 1, reply.data + 1);
    return done ? 0 : EXIT_NOPERM;
}

static int ask(mailq_t *mailq)
{
    static const char *const reports[] = {"SHOW QUEUE THREADS", "SHOW QUEUE SHORT", "SHOW SNMP",
                                          "SHOW COUNTERS"};
    if (mailq->actions->nelts > 0)
        return mailq_act(mailq);
    if (mailq->flush)
        return mailq_flush(mailq);
    if (mailq->etrn != NULL)
        return etrn(mailq);
    if (mailq->explain != NULL)
        return mailq_explain(mailq, mailq->explain);
    if (mailq->follow)
        return mailq_follow(mailq);
    if (mailq->summary > 0)
        return mailq_report(mailq, reports[mailq->summary > 4 ? 3 : mailq->summary - 1]);
    return mailq->json ? mailq_list_json(mailq) : mailq_list(mailq);
}

/* -M: what all programs of this host have counted. */
static int print_counters(mailq_t *mailq)
{
    zm_counters_t *counters = zm_counters_read(mailq->zenv, mailq->pool);
    zm_buf_t text = ZM_BUF_INIT;

    if (counters == NULL)
        return mailq_complain(EXIT_OSFILE,
                              "the counters cannot be read; no scheduler has run on %s",
                              zm_zenv_postoffice(mailq->zenv));
    if (mailq->json)
        (void)metrics_print(&text, mailq->zenv, true, mailq->pool);
    else
        zm_counters_print(&text, counters);
    fwrite(text.data, 1, text.length, stdout);
    zm_buf_free(&text);
    return 0;
}

static int told_all(const mailq_t *mailq, int code)
{
    if (code != 0 || mailq_unread(mailq) == 0)
        return code;
    return mailq_complain(EXIT_OSFILE,
                          "the files of the messages cannot be read, so nothing can be "
                          "chosen by owner, age or address");
}

static int run(mailq_t *mailq)
{
    zm_str_t reply;
    int code;

    if (mailq->counters)
        return print_counters(mailq);

    if (mailq->status > 0) {
        code = mailq_status(mailq);
        if (code != 0 || (mailq->status > 1 && mailq->sizes == 0))
            return code;
    }
    code = mailq_connect(mailq);
    if (code != 0)
        return code;
    if (!mailq->version2) {
        if (mailq->actions->nelts > 0 || mailq->etrn != NULL || mailq->explain != NULL ||
            mailq->follow || mailq->flush)
            return mailq_complain(EXIT_UNAVAILABLE,
                                  "this scheduler answers version 1, which has only the listing");
        return told_all(mailq, mailq_list_v1(mailq));
    }
    code = told_all(mailq, ask(mailq));
    if (mailq->at_end && code == 0)
        return mailq_complain(EXIT_UNAVAILABLE,
                              "the scheduler ended the connection; this is not all");
    mailq_command(mailq, "QUIT", &reply, mailq->pool);
    return code;
}

/* -- the command line ---------------------------------------------------------------------- */

static apr_status_t add_action(void *target, const char *verb, const char *what)
{
    mailq_action_t action = {verb, what};
    APR_ARRAY_PUSH((apr_array_header_t *)target, mailq_action_t) = action;
    return APR_SUCCESS;
}

#define ACTION(name, verb)                                                                         \
    static apr_status_t name(void *target, const char *argument, zm_error_t *error)                \
    {                                                                                              \
        (void)error;                                                                               \
        return add_action(target, verb, argument);                                                 \
    }
ACTION(act_kill, "KILL")
ACTION(act_hold, "HOLD")
ACTION(act_release, "RELEASE")
ACTION(act_retry, "RETRY")
ACTION(act_reroute, "REROUTE")
ACTION(act_return, "RETURN")
ACTION(act_resync, "RESYNC")

static int find_owner(mailq_t *mailq)
{
    zm_user_t *user;

    if (mailq->own || mailq->user != NULL) {
        mailq->filter.owned = true;
        if (mailq->verbose == 0)
            mailq->verbose = 1;
    }
    if (mailq->own)
        mailq->filter.owner = zm_identity_own().uid;
    if (mailq->user == NULL)
        return 0;
    if (zm_user_by_name(&user, mailq->user, mailq->pool) != APR_SUCCESS)
        return mailq_complain(ZM_EXIT_USAGE, "there is no user %s", mailq->user);
    mailq->filter.owner = user->uid;
    return 0;
}

/* The thread that -c and -h name, and whose mail -i and -u want. */
static int complete(mailq_t *mailq)
{
    if (mailq->host != NULL && mailq->channel == NULL)
        mailq->channel = "smtp";
    return find_owner(mailq);
}

static bool parse(mailq_t *mailq, zm_zenv_options_t *site, int *argc, char **argv, int *code)
{
    apr_array_header_t *actions = mailq->actions;
    mailq_filter_t *filter = &mailq->filter;
    const zm_option_t table[] = {
        {'4', NULL, ZM_OPTION_FLAG, &mailq->four, NULL, NULL, "try IPv4 first"},
        {'6', NULL, ZM_OPTION_FLAG, &mailq->six, NULL, NULL, "try IPv6 first (the default)"},
        {'Q', "queue", ZM_OPTION_COUNT, &mailq->summary, NULL, NULL,
         "threads; twice: rings, three times: totals, four times: counters"},
        {'s', "status", ZM_OPTION_COUNT, &mailq->status, NULL, NULL,
         "first count what lies in the spool; twice: nothing else"},
        {'M', "counters", ZM_OPTION_FLAG, &mailq->counters, NULL, NULL,
         "what all programs of this host have counted"},
        {'S', "sizes", ZM_OPTION_COUNT, &mailq->sizes, NULL, NULL,
         "numbers and sizes instead of messages; twice: only numbers"},
        {'c', "channel", ZM_OPTION_TEXT, &mailq->channel, NULL, "CHANNEL", "only this channel"},
        {'h', "host", ZM_OPTION_TEXT, &mailq->host, NULL, "HOST",
         "only this host (of the channel smtp, without -c)"},
        {'i', "own", ZM_OPTION_FLAG, &mailq->own, NULL, NULL, "only messages of your own"},
        {'u', "user", ZM_OPTION_TEXT, &mailq->user, NULL, "USER", "only messages of this user"},
        {0, "from", ZM_OPTION_TEXT, &filter->from, NULL, "TEXT",
         "only with this in the sender's address; empty: without sender"},
        {0, "to", ZM_OPTION_TEXT, &filter->to, NULL, "TEXT",
         "only with this in the recipient's address"},
        {0, "domain", ZM_OPTION_TEXT, &filter->domain, NULL, "DOMAIN",
         "only to recipients in this domain, or below it"},
        {0, "error", ZM_OPTION_TEXT, &filter->error, NULL, "TEXT",
         "only with this in the last result"},
        {0, "older", ZM_OPTION_INTERVAL, &filter->older, NULL, "AGE", "only messages this old"},
        {0, "younger", ZM_OPTION_INTERVAL, &filter->younger, NULL, "AGE", "only messages no older"},
        {'t', "terse", ZM_OPTION_FLAG, &mailq->terse, NULL, NULL, "without addresses"},
        {'v', "verbose", ZM_OPTION_COUNT, &mailq->verbose, NULL, NULL,
         "with ids, sizes, senders and all diagnostics"},
        {0, "json", ZM_OPTION_FLAG, &mailq->json, NULL, NULL, "as JSON"},
        {0, "follow", ZM_OPTION_FLAG, &mailq->follow, NULL, NULL,
         "tell what changes, until interrupted"},
        {0, "explain", ZM_OPTION_TEXT, &mailq->explain, NULL, "WHAT", "say why it waits"},
        {'K', "kill", ZM_OPTION_CALL_ARG, actions, act_kill, "WHAT",
         "remove it from the queue and tell nobody"},
        {0, "return", ZM_OPTION_CALL_ARG, actions, act_return, "WHAT", "return it to its sender"},
        {0, "hold", ZM_OPTION_CALL_ARG, actions, act_hold, "WHAT",
         "do not deliver it until it is released"},
        {0, "release", ZM_OPTION_CALL_ARG, actions, act_release, "WHAT", "let it go on"},
        {0, "retry", ZM_OPTION_CALL_ARG, actions, act_retry, "WHAT", "try to deliver it now"},
        {0, "reroute", ZM_OPTION_CALL_ARG, actions, act_reroute, "WHAT",
         "give it back to the router"},
        {0, "flush", ZM_OPTION_FLAG, &mailq->flush, NULL, NULL,
         "try to deliver all now, or what the options above choose"},
        {0, "resync", ZM_OPTION_CALL_ARG, actions, act_resync, "ID",
         "have its control file read again"},
        {0, "etrn", ZM_OPTION_TEXT, &mailq->etrn, NULL, "HOST", "start delivery to a host now"},
        {'p', "port", ZM_OPTION_TEXT, &mailq->port, NULL, "PORT|/PATH",
         "where the scheduler answers"},
        {'U', "account", ZM_OPTION_TEXT, &mailq->account, NULL, "NAME/PASSWORD",
         "log in as (nobody/nobody)"},
        {'d', "debug", ZM_OPTION_COUNT, &mailq->debug, NULL, NULL, "show what the server says"},
    };
    const zm_command_line_t line = {"mailq",
                                    "[SERVER]",
                                    "show the mail queue; WHAT is ID or CHANNEL/HOST",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    site,
                                    0};
    return zm_options_parse(&line, argc, argv, code);
}

int main(int argc, char **argv)
{
    mailq_t mailq = {.filter = {.older = -1, .younger = -1}};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&mailq.pool, NULL);
    mailq.actions = apr_array_make(mailq.pool, 4, sizeof(mailq_action_t));
    if (!parse(&mailq, &site, &argc, argv, &code))
        return code;
    if (argc > 2)
        return mailq_complain(ZM_EXIT_USAGE, "one server at a time");
    if (zm_zenv_load(&mailq.zenv, &site, mailq.pool, &error) != APR_SUCCESS)
        return mailq_complain(ZM_EXIT_CONFIG, "%s", error.text);
    mailq.server = argc == 2 ? argv[1] : NULL;
    if (mailq.json && mailq.status == 1)
        return mailq_complain(ZM_EXIT_USAGE, "--json prints one thing: the queue, or with -ss what "
                                             "lies in the spool");
    code = complete(&mailq);
    if (code == 0)
        code = run(&mailq);
    if (mailq.spool != NULL)
        zm_spool_close(mailq.spool);
    zm_buf_free(&mailq.input);
    return code;
}
