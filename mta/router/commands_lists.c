/*
 * listexpand: reads address lists and routes their members.
 */
#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/mail/address.h"
#include "mta/mail/xtext.h"
#include "mta/net/idn.h"
#include "mta/router/commands.h"
#include "mta/router/exits.h"
#include "spool/control.h"

typedef struct expansion_t {
    zm_call_t *call;
    router_worker_t *worker;
    zm_str_t comment, error_address, errors_to, notary;
    bool inherit; /* -N -: members keep the attributes as they are */
    zm_str_t attributes, local, original, tail, domain;
    apr_array_header_t *groups; /* of zm_value_t: all that came of members so far */
    int good, bad;
    zm_buf_t complaints;
} expansion_t;

/* Options take the next word. */
static bool read_arguments(expansion_t *expansion)
{
    zm_call_t *call = expansion->call;
    zm_str_t *const slots[5] = {&expansion->comment, &expansion->error_address,
                                &expansion->errors_to, NULL, &expansion->notary};
    static const char letters[] = "ceEpN";
    apr_size_t next = 0, left;
    while (next < call->count && zm_call_arg(call, next).length == 2 &&
           zm_call_arg(call, next).data[0] == '-') {
        const char *letter = strchr(letters, zm_call_arg(call, next).data[1]);
        if (letter == NULL || next + 1 >= call->count ||
            zm_str_find(zm_call_arg(call, next + 1), '\n') >= 0)
            return false;
        if (slots[letter - letters] != NULL)
            *slots[letter - letters] = zm_call_arg(call, next + 1);
        next += 2;
    }
    left = call->count - next;
    if (left < 3 || left > 5)
        return false;
    expansion->inherit = zm_str_equal_c(expansion->notary, "-");
    expansion->attributes = zm_call_arg(call, next);
    expansion->local = zm_call_arg(call, next + 1);
    expansion->original = zm_call_arg(call, next + 2);
    expansion->tail = zm_call_arg(call, next + 3);
    expansion->domain = zm_call_arg(call, next + 4);
    return true;
}

/* Whether what goes to the list must not be seen by others (RFC 8689). */
static bool requires_tls(zm_value_t properties)
{
    zm_value_t dsn;
    zm_dsn_t parsed;
    if (!zm_value_property(properties, ZM_S("DSN"), &dsn))
        return false;
    zm_dsn_parse(&parsed, zm_value_str(dsn));
    return parsed.require_tls;
}

/* The attributes of a member: those of the list, with DSN parameters of its own. */
static zm_value_t member_attributes(expansion_t *expansion, zm_str_t address)
{
    zm_script_t *script = expansion->worker->script;
    zm_value_t properties = ZM_VALUE_NIL;
    zm_buf_t dsn = ZM_BUF_INIT;
    if (expansion->inherit && expansion->errors_to.length == 0)
        return zm_value_of(expansion->attributes);
    zm_script_get(script, expansion->attributes, &properties);
    if (!expansion->inherit) {
        zm_buf_add_str(&dsn, expansion->notary);
        if (expansion->notary.length > 0)
            zm_buf_add_byte(&dsn, ' ');
        zm_buf_add_c(&dsn, "ORCPT=rfc822;");
        zm_xtext_add(&dsn, address);
        if (requires_tls(properties))
            zm_buf_add_c(&dsn, " REQUIRETLS=YES");
        properties = zm_script_with_property(script, properties, ZM_S("DSN"),
                                             zm_script_string(script, zm_buf_str(&dsn)));
        zm_buf_free(&dsn);
    }
    if (expansion->errors_to.length > 0)
        properties = zm_script_with_property(script, properties, ZM_S("ERR"),
                                             zm_value_of(expansion->errors_to));
    return zm_script_gensym(script, properties);
}

/* What rrouter gave is one quad, or a tree of them. */
static void add_result(expansion_t *expansion, zm_value_t result)
{
    apr_size_t i;
    if (zm_value_count(result) == 0)
        return;
    if (!zm_value_is_list(zm_value_item(result, 0))) { /* a bare quad */
        APR_ARRAY_PUSH(expansion->groups, zm_value_t) =
            zm_script_list(expansion->worker->script, &result, 1);
        return;
    }
    for (i = 0; i < zm_value_count(result); i++)
        APR_ARRAY_PUSH(expansion->groups, zm_value_t) = zm_value_item(result, i);
}

static bool is_held(zm_value_t quad)
{
    return zm_value_count(quad) == 4 && zm_str_equal_c(zm_value_item_str(quad, 0), "hold");
}

/* Whether all that came of a member waits already. */
static bool all_held(zm_value_t result)
{
    apr_size_t i, k;
    if (is_held(result))
        return true;
    for (i = 0; i < zm_value_count(result); i++)
        for (k = 0; k < zm_value_count(zm_value_item(result, i)); k++)
            if (!is_held(zm_value_item(zm_value_item(result, i), k)))
                return false;
    return zm_value_count(result) > 0;
}

/* Programs, files and includes mean something in lists only: alone they could not come back. */
static bool stands_alone(zm_str_t address)
{
    return address.length > 0 && strchr("\"|/:\\", address.data[0]) == NULL;
}

/* A member of whom something cannot be told now waits, and the others do not; one that cannot wait
 * alone lets the whole list wait.  What was deferred before stays so. */
static void route_member(expansion_t *expansion, zm_str_t address)
{
    zm_script_t *script = expansion->worker->script;
    apr_pool_t *pool = zm_script_pool(script);
    const char *before = zm_str_c(pool, zm_script_deferred(script)), *now;
    zm_value_t arguments[5];
    zm_script_result_t result = {0};
    bool routed;
    address = zm_idn_address(address, pool);
    arguments[0] = zm_value_of(address);
    arguments[1] = zm_value_of(expansion->original);
    arguments[2] = member_attributes(expansion, address);
    arguments[3] = zm_value_of(expansion->tail);
    arguments[4] = zm_value_of(expansion->domain);
    expansion->good++;
    zm_script_defer_clear(script);
    routed = zm_call_call(expansion->call, "rrouter", arguments, 5, &result) == APR_SUCCESS &&
             result.has_value;
    now = zm_str_c(pool, zm_script_deferred(script));
    if (now[0] != '\0' && !(routed && all_held(result.value)) && !stands_alone(address)) {
        before = now;
    } else if (now[0] != '\0' && !(routed && all_held(result.value))) {
        zm_value_t quad[4] = {ZM_VALUE("hold"), zm_value_of(zm_str(now)), arguments[0],
                              arguments[2]};
        add_result(expansion, zm_script_list(script, quad, 4));
    } else if (routed) {
        add_result(expansion, result.value);
    }
    zm_script_defer_clear(script);
    if (before[0] != '\0')
        zm_script_defer(script, before);
}

/* What is wrong with a line; null: nothing. */
static const char *line_problem(const zm_address_list_t *list)
{
    const zm_address_t *item = list->first;
    apr_size_t offset;
    if (zm_str_find(list->text, '\0') >= 0)
        return "a NUL byte stands in the line";
    if (list->bad == 0)
        return NULL;
    while (item != NULL && !item->bad)
        item = item->next;
    return item != NULL ? zm_address_problem(list, item, &offset) : "not understood";
}

static void expand_line(expansion_t *expansion, zm_str_t line, unsigned number)
{
    apr_pool_t *pool = zm_script_pool(expansion->worker->script);
    zm_address_list_t *list;
    zm_address_t *item;
    const char *problem;
    apr_size_t i;
    if (line.length == 0 || line.data[0] == '#')
        return;
    list = zm_address_parse(ZM_RULE_LIST_LINE, line, pool);
    problem = line_problem(list);
    if (problem != NULL) { /* one slip costs the line, and is told to who keeps the list */
        expansion->bad++;
        zm_buf_printf(&expansion->complaints, "line %u: %s: ", number, problem);
        for (i = 0; i < line.length; i++)
            zm_buf_add_byte(&expansion->complaints, line.data[i] != '\0' ? line.data[i] : '?');
        zm_buf_add_byte(&expansion->complaints, '\n');
        return;
    }
    for (item = zm_address_good(list->first); item != NULL; item = zm_address_good(item->next))
        route_member(expansion, item->pure);
}

static int listexpand(zm_call_t *call)
{
    expansion_t expansion = {0};
    zm_str_t rest, line;
    unsigned number = 0;
    bool more = true, unread;
    expansion.call = call;
    expansion.worker = call->baton;
    expansion.groups =
        apr_array_make(zm_script_pool(expansion.worker->script), 16, sizeof(zm_value_t));
    if (!read_arguments(&expansion)) {
        zm_call_complain(
            call, "usage: listexpand [-c COMMENT] [-e ERRADDR] [-E ERRORSTO] [-p PRIV] [-N NOTARY] "
                  "ATTR LOCALPART ORIGADDR [PLUSTAIL [DOMAIN]] < LIST");
        return 1;
    }
    for (rest = zm_call_read_all(call); more;) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        expand_line(&expansion, zm_str_trim(line), ++number);
    }
    unread = expansion.good == 0 && zm_script_deferred(expansion.worker->script).length > 0;
    if (unread) /* whoever feeds us could not read it now: nothing is wrong with the list */
        zm_buf_clear(&expansion.complaints);
    else if (expansion.good == 0 && !router_message_is_error(expansion.worker)) {
        if (expansion.error_address.length == 0)
            expansion.error_address = ZM_S("postmaster");
        zm_buf_add_c(&expansion.complaints, "no valid recipients\n");
        route_member(&expansion, expansion.error_address);
    }
    if (expansion.complaints.length > 0) {
        zm_call_complain(call, "%.*s: %s", (int)expansion.comment.length, expansion.comment.data,
                         zm_buf_c(&expansion.complaints));
        if (expansion.error_address.length > 0 && !router_message_is_error(expansion.worker))
            router_report_list(expansion.worker, expansion.error_address, expansion.comment,
                               zm_buf_str(&expansion.complaints));
    }
    zm_buf_free(&expansion.complaints);
    zm_call_return(call, zm_script_list(expansion.worker->script,
                                        (const zm_value_t *)(void *)expansion.groups->elts,
                                        (apr_size_t)expansion.groups->nelts));
    return 0;
}

void router_commands_lists(router_worker_t *worker)
{
    zm_script_define(worker->script, "listexpand", ZM_BUILTIN_LIST, listexpand, worker);
}
