#include "ta/smtp/options.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "platform/machine.h"
#include "ta/agent/agent.h"

#define PORT 25
#define JOBS 100
#define MESSAGES 100

void zm_smtp_defaults(zm_smtp_options_t *options)
{
    *options = (zm_smtp_options_t){0};
    options->channel = "smtp";
    options->port = PORT;
    options->prefer_ipv6 = true;
    options->jobs = JOBS;
    options->messages = MESSAGES;
    options->connect = apr_time_from_sec(180);
    options->write = apr_time_from_sec(300);
    options->command = apr_time_from_sec(300);
    options->data = apr_time_from_sec(300);
    options->dot = apr_time_from_sec(1200);
    options->idle = apr_time_from_sec(60);
    options->tls_wait = apr_time_from_sec(60);
}

/* -- options that need more than a switch ---------------------------------- */

/* "conn=3m", "90" (cmd) */
static apr_status_t timeout(void *target, const char *argument, zm_error_t *error)
{
    zm_smtp_options_t *options = target;
    zm_str_t word = zm_str(argument), value;
    apr_interval_time_t *which = &options->command;
    int64_t seconds, minimum = 5;
    if (!zm_str_cut(word, '=', &word, &value)) {
        value = word;
        word = ZM_S("cmd");
    }
    if (zm_str_equal_c(word, "conn"))
        which = &options->connect, minimum = 10;
    else if (zm_str_equal_c(word, "tcpw"))
        which = &options->write, minimum = 10;
    else if (zm_str_equal_c(word, "data"))
        which = &options->data, minimum = 10;
    else if (zm_str_equal_c(word, "dot"))
        which = &options->dot, minimum = 10;
    else if (zm_str_equal_c(word, "idle"))
        which = &options->idle, minimum = 0;
    else if (!zm_str_equal_c(word, "cmd"))
        return zm_error_set(error, ZM_E_SYNTAX,
                            "-T %s: expected conn=, tcpw=, cmd=, data=, dot= or idle=", argument);
    if (zm_interval_parse(value, &seconds) != APR_SUCCESS || seconds < minimum)
        return zm_error_set(error, ZM_E_SYNTAX, "-T %s: expected an interval of at least %d s",
                            argument, (int)minimum);
    *which = apr_time_from_sec(seconds);
    return APR_SUCCESS;
}

static apr_status_t keyword(void *target, const char *argument, zm_error_t *error)
{
    zm_smtp_options_t *options = target;
    if (strcmp(argument, "ignore-ezmlm") == 0)
        options->ignore_ezmlm = true;
    else if (strcmp(argument, "canon-rcpt") == 0)
        options->canon_rcpt = true;
    else if (strcmp(argument, "raw-cr") == 0)
        options->raw_cr = true;
    else if (strcmp(argument, "no-tls") == 0)
        options->no_tls = true;
    else if (strncmp(argument, "dkim=", 5) == 0)
        options->dkim_file = argument + 5;
    else if (strncmp(argument, "arc=", 4) == 0)
        options->arc_file = argument + 4;
    else if (strcmp(argument, "auth-clear") == 0)
        options->auth_clear = true;
    else
        return zm_agent_keyword(&options->strict, argument, error);
    return APR_SUCCESS;
}

static apr_status_t port(void *target, const char *argument, zm_error_t *error)
{
    zm_smtp_options_t *options = target;
    uint64_t number;
    if (zm_str_u64(zm_str(argument), &number) != APR_SUCCESS || number < 1 || number > 65535)
        return zm_error_set(error, ZM_E_SYNTAX, "-p %s: expected a port, 1 to 65535", argument);
    options->port = (uint16_t)number;
    return APR_SUCCESS;
}

static void set_source(zm_smtp_options_t *options, const zm_ip_t *ip)
{
    zm_endpoint_t *source = &options->source[ip->family == 6];
    if (source->ip.family == 0)
        source->ip = *ip;
}

/* The first addresses of an interface; of one family, or of either. */
static apr_status_t interface(zm_smtp_options_t *options, const char *name, zm_error_t *error)
{
    const char *const *addresses;
    apr_pool_t *pool;
    int family = strncmp(name, "v4:", 3) == 0 ? 4 : strncmp(name, "v6:", 3) == 0 ? 6 : 0;
    bool found = false;
    zm_ip_t ip;
    apr_pool_create(&pool, NULL);
    if (zm_machine_interface(&addresses, name + (family != 0 ? 3 : 0), pool) == APR_SUCCESS)
        for (; *addresses != NULL; addresses++)
            if (zm_ip_parse(&ip, zm_str(*addresses)) == APR_SUCCESS &&
                (family == 0 || ip.family == family)) {
                set_source(options, &ip);
                found = true;
            }
    apr_pool_destroy(pool);
    return found ? APR_SUCCESS
                 : zm_error_set(error, ZM_E_SYNTAX, "-L iface:%s: it has no address", name);
}

static apr_status_t source(void *target, const char *argument, zm_error_t *error)
{
    zm_smtp_options_t *options = target;
    zm_ip_t ip;
    if (strcmp(argument, "any") == 0 || strcmp(argument, "any6") == 0)
        return APR_SUCCESS;
    if (strncmp(argument, "iface:", 6) == 0)
        return interface(options, argument + 6, error);
    if (zm_ip_parse_literal(&ip, zm_str(argument)) != APR_SUCCESS &&
        zm_ip_parse(&ip, zm_str(argument)) != APR_SUCCESS)
        return zm_error_set(error, ZM_E_SYNTAX,
                            "-L %s: expected an address such as [192.0.2.1], or iface:NAME",
                            argument);
    set_source(options, &ip);
    return APR_SUCCESS;
}

static apr_status_t turn_off(void *target, const char *argument, zm_error_t *error)
{
    (void)argument;
    (void)error;
    *(bool *)target = !*(bool *)target;
    return APR_SUCCESS;
}

/* -- the command line ------------------------------------------------------ */

static bool read_command_line(zm_smtp_options_t *options, int *argc, char **argv, int *code)
{
    int ignored = 0;
    int64_t jobs = options->jobs;
    const char *unused;
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME", "serve this channel"},
        {'F', "punt", ZM_OPTION_TEXT, &options->punt, NULL, "HOST", "connect to HOST, always"},
        {'x', NULL, ZM_OPTION_FLAG, &options->no_mx, NULL, NULL, "do not look for MX records"},
        {'X', NULL, ZM_OPTION_FLAG, &options->allow_self, NULL, NULL,
         "with -x: allow our own addresses"},
        {'p', "port", ZM_OPTION_CALL_ARG, options, port, "PORT", "connect to this port"},
        {'h', "helo", ZM_OPTION_TEXT, &options->helo, NULL, "NAME", "greet with this name"},
        {'L', "local", ZM_OPTION_CALL_ARG, options, source, "[ADDRESS]",
         "connect from ADDRESS, or from iface:NAME"},
        {'D', "try", ZM_OPTION_FLAG, &options->try_only, NULL, NULL,
         "only try whether HOST takes connections"},
        {'T', "timeout", ZM_OPTION_CALL_ARG, options, timeout, "WHICH=TIME",
         "conn, tcpw, cmd, data, dot or idle"},
        {'l', "log", ZM_OPTION_TEXT, &options->log, NULL, "FILE", "append the protocol to FILE"},
        {'E', NULL, ZM_OPTION_FLAG, &options->ehlo_if_offered, NULL, NULL,
         "EHLO only when the greeting says ESMTP"},
        {'7', NULL, ZM_OPTION_COUNT, &options->seven_bit, NULL, NULL,
         "do not use 8BITMIME; twice: no extension at all"},
        {'8', NULL, ZM_OPTION_FLAG, &options->eight_bit, NULL, NULL,
         "the peer is 8-bit clean; decode quoted-printable text"},
        {'H', NULL, ZM_OPTION_FLAG, &options->keep_eight_bit, NULL, NULL,
         "leave 8-bit header bytes alone"},
        {'P', NULL, ZM_OPTION_FLAG, &options->no_pipelining, NULL, NULL, "no PIPELINING"},
        {'1', NULL, ZM_OPTION_FLAG, &options->one, NULL, NULL, "one message a connection"},
        {'6', NULL, ZM_OPTION_CALL, &options->prefer_ipv6, turn_off, NULL,
         "do not prefer IPv6 addresses"},
        {'M', "lmtp", ZM_OPTION_FLAG, &options->lmtp, NULL, NULL, "speak LMTP"},
        {'O', NULL, ZM_OPTION_CALL_ARG, options, keyword, "WORD",
         "dkim=FILE, arc=FILE, canon-rcpt, ignore-ezmlm, raw-cr, no-tls, auth-clear, strict-3.0"},
        {'A', "auth", ZM_OPTION_TEXT, &options->secrets, NULL, "FILE",
         "users and secrets for other servers"},
        {'S', "tls", ZM_OPTION_TEXT, &options->tls_file, NULL, "FILE", "settings of TLS"},
        {'w', NULL, ZM_OPTION_NUMBER, &options->send_buffer, NULL, "BYTES", "socket send buffer"},
        {0, "jobs", ZM_OPTION_NUMBER, &jobs, NULL, "N", "serve up to N threads at once"},
        {0, "max-msgs", ZM_OPTION_NUMBER, &options->messages, NULL, "N", "messages a connection"},
        {'e', NULL, ZM_OPTION_COUNT, &ignored, NULL, NULL, NULL},
        {'r', NULL, ZM_OPTION_COUNT, &ignored, NULL, NULL, NULL},
        {'s', NULL, ZM_OPTION_COUNT, &ignored, NULL, NULL, NULL},
        {'W', NULL, ZM_OPTION_COUNT, &ignored, NULL, NULL, NULL},
        {'d', NULL, ZM_OPTION_COUNT, &ignored, NULL, NULL, NULL},
        {'v', NULL, ZM_OPTION_COUNT, &ignored, NULL, NULL, NULL},
        {'Z', NULL, ZM_OPTION_TEXT, &unused, NULL, "TEXT", NULL},
    };
    const zm_command_line_t line = {"smtp",
                                    "[HOST]",
                                    "relay mail over SMTP or LMTP",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    if (!zm_options_parse(&line, argc, argv, code))
        return false;
    options->allow_self |= options->strict;
    options->jobs = jobs < 1 ? 1 : jobs > 1000 ? 1000 : (int)jobs;
    return true;
}

static bool usage(const char *text, int *code)
{
    fprintf(stderr, "# smtp: %s\n", text);
    *code = ZM_EXIT_USAGE;
    return false;
}

bool zm_smtp_command_line(zm_smtp_options_t *options, int argc, char **argv, int *code)
{
    zm_smtp_defaults(options);
    if (!read_command_line(options, &argc, argv, code))
        return false;
    if (argc > 2)
        return usage("more than one host", code);
    if (argc == 2)
        options->host = argv[1];
    if (options->try_only && options->host == NULL && options->punt == NULL)
        return usage("-D: which host?", code);
    if (options->lmtp && options->port == PORT &&
        (options->punt == NULL || strncmp(options->punt, "UNIX:", 5) != 0))
        return usage("-M needs -p PORT other than 25, or -F UNIX:/PATH", code);
    return true;
}

/* -- the site -------------------------------------------------------------- */

/* SELFADDRESSES: literals and names, separated by commas. */
static void read_self(zm_smtp_options_t *options, const char *text, apr_pool_t *pool)
{
    apr_size_t room = strlen(text) / 2 + 2;
    zm_ip_t *ips = apr_pcalloc(pool, sizeof *ips * room);
    const char **names = apr_pcalloc(pool, sizeof *names * room);
    zm_str_t rest = zm_str(text), word;
    int name_count = 0;
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        word = zm_str_trim(word);
        if (word.length == 0)
            continue;
        if (zm_ip_parse_literal(&ips[options->self_ip_count], word) == APR_SUCCESS)
            options->self_ip_count++;
        else
            names[name_count++] = zm_str_c(pool, word);
    }
    options->self_ips = ips;
    options->self_names = names;
}

apr_status_t zm_smtp_site(zm_smtp_options_t *options, const zm_zenv_t *zenv, apr_pool_t *pool,
                          zm_error_t *error)
{
    const char *bind = zm_zenv_get_or(zenv, "BINDADDR", NULL);
    options->hostname = zm_site_hostname(zenv, pool);
    if (options->helo == NULL)
        options->helo = options->hostname;
    options->default_charset = zm_zenv_get_or(zenv, "DEFCHARSET", NULL);
    read_self(options, zm_zenv_get_or(zenv, "SELFADDRESSES", ""), pool);
    if (bind != NULL && options->source[0].ip.family == 0 && options->source[1].ip.family == 0)
        return source(options, bind, error);
    return APR_SUCCESS;
}
