#include <stdio.h>

#include "mta/conf/options.h"
#include "tests/bench/load.h"

static bool wrong(int *code, const char *text)
{
    fprintf(stderr, "zm-load: %s\n", text);
    *code = ZM_EXIT_USAGE;
    return false;
}

static bool check(const load_options_t *o, int *code)
{
    if (o->sessions < 1 || o->sessions > 20000)
        return wrong(code, "--sessions is 1 to 20000");
    if (o->messages < 1 || o->messages > 10000000)
        return wrong(code, "--messages is 1 to 10000000");
    if (o->size < 0 || o->recipients < 1 || o->domains < 1 || o->users < 1 || o->timeout < 1 ||
        o->per_connection < 0)
        return wrong(code, "a number is out of its range; see zm-load --help");
    return true;
}

bool load_read_options(load_options_t *o, int argc, char **argv, int *code)
{
    const zm_option_t table[] = {
        {'s', "sessions", ZM_OPTION_NUMBER, &o->sessions, NULL, "N", "sessions at a time (20)"},
        {'m', "messages", ZM_OPTION_NUMBER, &o->messages, NULL, "N", "messages in all (1000)"},
        {'l', "size", ZM_OPTION_NUMBER, &o->size, NULL, "BYTES", "of each message (4096)"},
        {'r', "recipients", ZM_OPTION_NUMBER, &o->recipients, NULL, "N", "of each message (1)"},
        {'t', "recipient", ZM_OPTION_TEXT, &o->recipient, NULL, "ADDRESS",
         "with {n} and {d} for numbers (user{n}@d{d}.sink.test)"},
        {0, "users", ZM_OPTION_NUMBER, &o->users, NULL, "N", "how far {n} counts, from 001 (100)"},
        {0, "domains", ZM_OPTION_NUMBER, &o->domains, NULL, "N",
         "how far {d} counts, from 001 (1)"},
        {'f', "from", ZM_OPTION_TEXT, &o->sender, NULL, "ADDRESS", "the sender"},
        {'c', "per-connection", ZM_OPTION_NUMBER, &o->per_connection, NULL, "N",
         "messages on a connection (1; 0: all)"},
        {0, "no-pipelining", ZM_OPTION_FLAG, &o->no_pipelining, NULL, NULL,
         "wait for each reply, whatever the server offers"},
        {0, "timeout", ZM_OPTION_INTERVAL, &o->timeout, NULL, "TIME", "give up after (5m)"},
        {0, "json", ZM_OPTION_FLAG, &o->json, NULL, NULL, "print the result as JSON"},
    };
    const zm_command_line_t line = {"zm-load",
                                    "ADDRESS:PORT",
                                    "load an SMTP server of this machine",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    *o = (load_options_t){.sessions = 20,
                          .messages = 1000,
                          .size = 4096,
                          .recipients = 1,
                          .domains = 1,
                          .users = 100,
                          .per_connection = 1,
                          .timeout = 300,
                          .recipient = "user{n}@d{d}.sink.test",
                          .sender = "sender@load.test"};
    if (!zm_options_parse(&line, &argc, argv, code))
        return false;
    if (argc != 2 || zm_endpoint_parse(&o->target, zm_str(argv[1]), 25) != APR_SUCCESS)
        return wrong(code, "one ADDRESS:PORT is expected");
    if (!zm_ip_is_loopback(&o->target.ip))
        return wrong(code, "only a loopback address may be loaded");
    return check(o, code);
}
