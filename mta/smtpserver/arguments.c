/* The command line.  Letters are those that site configurations have used for decades; those that
 * have lost their meaning are still taken. */
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/smtpserver/program.h"

static apr_status_t ignore(void *target, const char *argument, zm_error_t *error)
{
    (void)target;
    (void)argument;
    (void)error;
    return APR_SUCCESS;
}

static apr_status_t set_session_log(void *target, const char *argument, zm_error_t *error)
{
    arguments_t *arguments = target;
    (void)error;
    if (strcmp(argument, "SYSLOG") == 0)
        arguments->session_syslog = true;
    else
        arguments->session_log = argument;
    return APR_SUCCESS;
}

static apr_status_t set_style(void *target, const char *argument, zm_error_t *error)
{
    arguments_t *arguments = target;
    char bad;
    int style = 0;
    if (strcmp(argument, "strict") == 0) {
        arguments->strictness = 1;
    } else if (strcmp(argument, "sloppy") == 0) {
        arguments->strictness = -1;
    } else if (pattern_flags(zm_str(argument), &style, &bad)) {
        arguments->style = style;
    } else {
        return zm_error_set(
            error, ZM_E_SYNTAX,
            "-s wants strict, sloppy, or letters out of R S F T f t v e h D, not %c", bad);
    }
    return APR_SUCCESS;
}

/* "[1.2.3.4]", "[ipv6 ::1]", "[ipv6:::1]", "[ipv6.::1]" */
static apr_status_t set_pretend(void *target, const char *argument, zm_error_t *error)
{
    arguments_t *arguments = target;
    zm_str_t text = zm_str(argument);
    if (text.length > 2 && text.data[0] == '[' && text.data[text.length - 1] == ']') {
        text = zm_str_of(text.data + 1, text.length - 2);
        if (zm_str_starts_nocase(text, ZM_S("ipv6")) && text.length > 5 &&
            strchr(" :.", text.data[4]) != NULL)
            text = zm_str_from(text, 5);
        arguments->pretend.port = 25;
        if (zm_ip_parse(&arguments->pretend.ip, text) == APR_SUCCESS)
            return APR_SUCCESS;
    }
    return zm_error_set(error, ZM_E_SYNTAX, "-T wants [ADDRESS], not %s", argument);
}

/* A log for each client was a name that everybody could choose; one log of all has the tags. */
static apr_status_t set_suffix(void *target, const char *argument, zm_error_t *error)
{
    arguments_t *arguments = target;
    if (strcmp(argument, "local") != 0 && strcmp(argument, "remote") != 0)
        return zm_error_set(error, ZM_E_SYNTAX, "-S wants local or remote, not %s", argument);
    arguments->suffix = argument;
    return APR_SUCCESS;
}

static bool check(const arguments_t *arguments, int *code)
{
    const char *problem = NULL;
    if (arguments->ipv4 && arguments->ipv6)
        problem = "-4 and -6 exclude each other";
    else if (arguments->port < 0 || arguments->port > 65535)
        problem = "-p wants a port number";
    else if (arguments->max_size < 0)
        problem = "-M wants a size in bytes";
    else if (arguments->tls && !arguments->inetd)
        problem = "-t goes with -n; in the configuration, PARAM BindSmtpS says it";
    else if (arguments->workers < 0 || arguments->workers > 64)
        problem = "--workers wants a number up to 64";
    if (problem == NULL)
        return true;
    fprintf(stderr, "smtpserver: %s\n", problem);
    *code = 1;
    return false;
}

bool arguments_read(arguments_t *arguments, int argc, char **argv, apr_pool_t *pool, int *code)
{
    const zm_option_t table[] = {
        {'4', "ipv4", ZM_OPTION_FLAG, &arguments->ipv4, NULL, NULL, "listen on IPv4 only"},
        {'6', "ipv6", ZM_OPTION_FLAG, &arguments->ipv6, NULL, NULL, "listen on IPv6 only"},
        {'B', "batch", ZM_OPTION_FLAG, &arguments->batch, NULL, NULL, "call the protocol BSMTP"},
        {'C', "config", ZM_OPTION_TEXT, &arguments->config, NULL, "FILE",
         "configuration ($MAILSHARE/smtpserver.conf)"},
        {'d', "debug", ZM_OPTION_NUMBER, &arguments->debug, NULL, "N",
         "log more; from 2 on stay in the foreground"},
        {0, "foreground", ZM_OPTION_FLAG, &arguments->foreground, NULL, NULL,
         "stay in the foreground"},
        {'g', "gullible", ZM_OPTION_FLAG, &arguments->gullible, NULL, NULL,
         "let every HELO name pass"},
        {'h', "check-helo", ZM_OPTION_FLAG, &arguments->helo_check, NULL, NULL,
         "refuse malformed HELO names"},
        {'i', "interactive", ZM_OPTION_FLAG, &arguments->interactive, NULL, NULL,
         "speak SMTP on standard input and output"},
        {'I', "pid-file", ZM_OPTION_TEXT, &arguments->pid_file, NULL, "FILE",
         "pid file, below $POSTOFFICE (.pid.smtpserver)"},
        {'l', "session-log", ZM_OPTION_CALL_ARG, arguments, set_session_log, "FILE",
         "append the session log to FILE; SYSLOG: send it to syslog"},
        {0, "log", ZM_OPTION_TEXT, &arguments->log, NULL, "FILE",
         "append the log to FILE ($LOGDIR/smtpserver.log)"},
        {'L', "max-load", ZM_OPTION_NUMBER, &arguments->max_load, NULL, "N",
         "put clients off while the load average is higher"},
        {'M', "max-size", ZM_OPTION_NUMBER, &arguments->max_size, NULL, "BYTES", "largest message"},
        {'n', "inetd", ZM_OPTION_FLAG, &arguments->inetd, NULL, NULL,
         "standard input is the client's connection"},
        {'N', "check", ZM_OPTION_FLAG, &arguments->check, NULL, NULL,
         "only check the configuration"},
        {'p', "port", ZM_OPTION_NUMBER, &arguments->port, NULL, "PORT",
         "listen there where the configuration names no port"},
        {'P', "postoffice", ZM_OPTION_TEXT, &arguments->postoffice, NULL, "DIR", "use this spool"},
        {'s', "style", ZM_OPTION_CALL_ARG, arguments, set_style, "STYLE",
         "strict, sloppy, or flags of clients that no pattern matches"},
        {'S', "log-suffix", ZM_OPTION_CALL_ARG, arguments, set_suffix, "local",
         "append the host name to the name of the session log"},
        {'T', "pretend", ZM_OPTION_CALL_ARG, arguments, set_pretend, "[ADDRESS]",
         "with -i: as if connected from there"},
        {0, "workers", ZM_OPTION_NUMBER, &arguments->workers, NULL, "N",
         "worker processes (one a processor)"},
        {'R', "router", ZM_OPTION_TEXT, &arguments->router, NULL, "PROGRAM",
         "the router that is asked about addresses ($MAILBIN/router)"},
        {0, "worker", ZM_OPTION_TEXT, &arguments->worker, NULL, NULL, NULL},
        {0, "desk", ZM_OPTION_NUMBER, &arguments->desk, NULL, NULL, NULL},
        {0, "filters", ZM_OPTION_NUMBER, &arguments->filters, NULL, NULL, NULL},
        {0, "verifiers", ZM_OPTION_NUMBER, &arguments->verifiers, NULL, NULL, NULL},
        {0, "verify", ZM_OPTION_FLAG, &arguments->verify, NULL, NULL, NULL},
        {'a', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
        {'t', "tls", ZM_OPTION_FLAG, &arguments->tls, NULL, NULL,
         "with -n: the client begins with TLS, as on port 465"},
        {'v', "verbose", ZM_OPTION_FLAG, &arguments->echo, NULL, NULL,
         "with -i: show the commands among the replies"},
        {'w', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
        {'X', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
        {'8', NULL, ZM_OPTION_CALL, NULL, ignore, NULL, NULL},
    };
    const zm_command_line_t line = {"smtpserver",
                                    NULL,
                                    "receive mail over SMTP",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &arguments->site,
                                    0};
    arguments->style = PATTERN_VERIFY | PATTERN_EXPAND;
    arguments->max_load = PATTERN_NO_LOAD;
    arguments->argv = apr_pmemdup(pool, argv, (apr_size_t)argc * sizeof *argv);
    arguments->argc = argc;
    if (!zm_options_parse(&line, &argc, argv, code)) {
        if (*code == ZM_EXIT_USAGE)
            *code = 1;
        return false;
    }
    if (arguments->max_load < 1)
        arguments->max_load = 10;
    return check(arguments, code);
}
