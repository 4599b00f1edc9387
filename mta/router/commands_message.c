/*
 * Commands about the message in hand, and switches of the router.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/net/idn.h"
#include "mta/router/commands.h"
#include "mta/router/exits.h"
#include "platform/child.h"
#include "platform/exec.h"
#include "platform/log.h"

/* hostname [NAME]: our official name, or the system's */
static int hostname(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    zm_str_t name = zm_call_arg(call, 0);
    if (call->count == 0) {
        zm_call_print(call, "%s\n", zm_site_hostname(worker->zenv, zm_script_pool(call->script)));
        return 0;
    }
    if (call->count != 1 || name.length == 0) {
        zm_call_complain(call, "usage: hostname [NAME]");
        return 64;
    }
    worker->hostname = zm_str_c(worker->pool, name);
    return 0;
}

static int iserrormsg(zm_call_t *call)
{
    const router_worker_t *worker = call->baton;
    return worker->message != NULL && worker->message->error_message ? 0 : 1;
}

/* Whether the SMTP server asks. */
static int isinteractive(zm_call_t *call)
{
    const router_worker_t *worker = call->baton;
    return worker->assisting ? 0 : 1;
}

static int rewriting_class(zm_call_t *call, zm_header_class_t class)
{
    const router_worker_t *worker = call->baton;
    if (worker->message == NULL || worker->message->rewriting == NULL) {
        zm_call_complain(call, "no header address is being rewritten");
        return 1;
    }
    return worker->message->rewriting->rule->class == class ? 0 : 1;
}

static int is_sender(zm_call_t *call)
{
    return rewriting_class(call, ZM_HEADER_SENDER);
}

static int is_recipient(zm_call_t *call)
{
    return rewriting_class(call, ZM_HEADER_RECIPIENT);
}

/* squirrel [-]EVENT...: which messages a copy is kept of */
static int squirrel(zm_call_t *call)
{
    static const struct {
        const char *name;
        unsigned bit;
    } events[] = {{"breakin", ROUTER_SQUIRREL_BREAKIN},
                  {"badheader", ROUTER_SQUIRREL_BADHEADER},
                  {"illheader", ROUTER_SQUIRREL_ILLHEADER},
                  {"nochannel", ROUTER_SQUIRREL_NOCHANNEL},
                  {"nosender", ROUTER_SQUIRREL_NOSENDER}};
    router_worker_t *worker = call->baton;
    apr_size_t i, k;
    for (i = 0; i < call->count; i++) {
        const char *word = zm_call_arg_c(call, i);
        bool off = word[0] == '-';
        for (k = 0; k < sizeof events / sizeof events[0] && strcmp(events[k].name, word + off) != 0;
             k++)
            ;
        if (k == sizeof events / sizeof events[0]) {
            zm_call_complain(
                call, "unknown event \"%s\": breakin, badheader, illheader, nochannel or nosender",
                word);
            return 64;
        }
        if (off)
            worker->squirrel &= ~events[k].bit;
        else
            worker->squirrel |= events[k].bit;
    }
    if (call->count == 0)
        for (k = 0; k < sizeof events / sizeof events[0]; k++)
            zm_call_print(call, "%s%s\n", worker->squirrel & events[k].bit ? "" : "-",
                          events[k].name);
    return 0;
}

/* The argument of process and rfc822 as a spool name: "B/4711" in router/, "../router1/4711"
 * elsewhere. */
static const char *spool_name(zm_call_t *call)
{
    zm_str_t name = zm_call_arg(call, 0);
    if (zm_str_starts(name, ZM_S("../")))
        return zm_str_c(zm_script_pool(call->script), zm_str_from(name, 3));
    return apr_pstrcat(zm_script_pool(call->script), ZM_DIR_ROUTER "/", zm_call_arg_c(call, 0),
                       NULL);
}

/* rfc822 FILE: routes a message file */
static int rfc822(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    if (call->count != 1 || zm_call_arg(call, 0).length == 0 || worker->message != NULL) {
        zm_call_complain(call, worker->message != NULL ? "a message is being routed already"
                                                       : "usage: rfc822 FILE");
        return ROUTER_USAGE;
    }
    return (int)router_message_route(worker, spool_name(call), zm_call_arg_c(call, 0));
}

/* process FILE: what is no message by its name is set aside */
static int process(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    const char *name = zm_call_arg_c(call, 0), *slash = strrchr(name, '/'), *to;
    const char *leaf = slash != NULL ? slash + 1 : name;
    apr_status_t status;
    if (call->count != 1 || zm_is_digit(leaf[0]))
        return rfc822(call);
    to = apr_psprintf(zm_script_pool(worker->script), ZM_DIR_POSTMAN "/rtr.%s.%" APR_INT64_T_FMT,
                      leaf, zm_process_own());
    status = zm_spool_rename(worker->spool, spool_name(call), to);
    zm_log(ZM_LOG_ERROR, NULL, "what is no message by its name is set aside", ZM_F_S("name", name),
           ZM_F_S("to", to), ZM_F_E("status", status));
    return 0;
}

/* stableprocess FILE: the configuration's process */
static int stableprocess(zm_call_t *call)
{
    zm_script_result_t result = {0};
    if (call->count != 1)
        return ROUTER_USAGE;
    return zm_call_call(call, "process", call->args, 1, &result) == APR_SUCCESS ? result.status
                                                                                : ROUTER_DEFERRED;
}

/* rfc822syntax ADDRESS: whether it is one address without brackets, phrase and comments */
static int rfc822syntax(zm_call_t *call)
{
    zm_address_list_t *list;
    apr_size_t offset;
    if (call->count != 1) {
        zm_call_complain(call, "usage: rfc822syntax ADDRESS");
        return 64;
    }
    if (zm_call_arg(call, 0).length == 0)
        return 1;
    list =
        zm_address_parse(ZM_RULE_ROUTE_ADDRESS, zm_call_arg(call, 0), zm_script_pool(call->script));
    if (list->bad == 0 && list->mailboxes == 1 && list->first->next == NULL &&
        zm_str_equal(list->first->pure, zm_call_arg(call, 0)))
        return 0;
    if (list->bad > 0 && zm_program_is_terminal(0))
        zm_call_complain(call, "%s", zm_address_problem(list, list->first, &offset));
    return 1;
}

/* daemon: once the command line or file that says it has been run, route what comes */
static int daemon_loop(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    if (call->count > 0) {
        zm_call_complain(call, "usage: daemon");
        return 64;
    }
    if (worker->served || worker->assisting || worker->message != NULL) {
        zm_call_complain(call, "is for router -i only");
        return 1;
    }
    worker->alone = true;
    return 0;
}

/* stability [on|off]: messages are taken in order of their arrival; they are anyway */
static int stability(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    bool off = zm_str_equal_c(zm_call_arg(call, 0), "off");
    if (call->count > 1 ||
        (call->count == 1 && !off && !zm_str_equal_c(zm_call_arg(call, 0), "on"))) {
        zm_call_complain(call, "usage: stability [on|off]");
        return 64;
    }
    if (call->count == 1)
        worker->unstable = off;
    else
        zm_call_print(call, "stability %s\n", worker->unstable ? "off" : "on");
    return 0;
}

/* erraddron [PATH]: addresses in headers that cannot be parsed are noted there */
static int erraddron(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    if (call->count > 1) {
        zm_call_complain(call, "usage: erraddron [PATH]");
        return 64;
    }
    worker->bad_address_file =
        call->count == 1 ? zm_str_c(worker->pool, zm_call_arg(call, 0)) : NULL;
    return 0;
}

static int idn(zm_call_t *call)
{
    if (call->count != 1) {
        zm_call_complain(call, "usage: idn TEXT");
        return 64;
    }
    zm_call_write(call, zm_idn_ascii(zm_call_arg(call, 0), zm_script_pool(call->script)));
    return 0;
}

void router_commands_message(router_worker_t *worker)
{
    static const struct {
        const char *name;
        zm_builtin_fn *fn;
    } commands[] = {
        {"hostname", hostname},
        {"iserrormsg", iserrormsg},
        {"isinteractive", isinteractive},
        {"sender", is_sender},
        {"recipient", is_recipient},
        {"squirrel", squirrel},
        {"rfc822", rfc822},
        {"rfc822syntax", rfc822syntax},
        {"process", process},
        {"stableprocess", stableprocess},
        {"daemon", daemon_loop},
        {"stability", stability},
        {"erraddron", erraddron},
        {"idn", idn},
    };
    apr_size_t i;
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        zm_script_define(worker->script, commands[i].name, ZM_BUILTIN_ARGV, commands[i].fn, worker);
}
