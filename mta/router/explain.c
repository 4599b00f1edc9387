#include "mta/router/explain.h"

#include <apr_strings.h>
#include <stdio.h>

#include "mta/router/routing.h"

typedef struct explanation_t {
    bool json;
    bool any; /* something has been printed in the list of steps */
} explanation_t;

/* A string in JSON. */
static void print_json(zm_str_t text)
{
    apr_size_t i;
    putchar('"');
    for (i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ' || c == 127)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_value(zm_value_t value)
{
    apr_size_t i;
    if (!zm_value_is_list(value)) {
        zm_str_t text = zm_value_str(value);
        if (text.length == 0)
            fputs("''", stdout);
        else
            fwrite(text.data, 1, text.length, stdout);
        return;
    }
    putchar('(');
    for (i = 0; i < zm_value_count(value); i++) {
        if (i > 0)
            putchar(' ');
        print_value(zm_value_item(value, i));
    }
    putchar(')');
}

/* Strings and, for lists, arrays of them. */
static void print_json_value(zm_value_t value)
{
    apr_size_t i;
    if (!zm_value_is_list(value)) {
        print_json(zm_value_str(value));
        return;
    }
    putchar('[');
    for (i = 0; i < zm_value_count(value); i++) {
        if (i > 0)
            putchar(',');
        print_json_value(zm_value_item(value, i));
    }
    putchar(']');
}

/* A lookup's (key answer) or (key nil reason). */
static void print_lookup(zm_value_t lookup, bool json)
{
    zm_value_t answer = zm_value_item(lookup, 1);
    bool failed = zm_value_count(lookup) > 2;
    if (json) {
        fputs(",\"key\":", stdout);
        print_json_value(zm_value_item(lookup, 0));
        printf(",\"outcome\":\"%s\"", failed                    ? "failed"
                                      : zm_value_is_nil(answer) ? "absent"
                                                                : "found");
        if (failed || !zm_value_is_nil(answer))
            fputs(failed ? ",\"reason\":" : ",\"answer\":", stdout);
        if (failed || !zm_value_is_nil(answer))
            print_json_value(failed ? zm_value_item(lookup, 2) : answer);
        return;
    }
    print_value(zm_value_item(lookup, 0));
    if (failed) {
        fputs(" failed: ", stdout);
        print_value(zm_value_item(lookup, 2));
    } else if (zm_value_is_nil(answer)) {
        fputs(" absent", stdout);
    } else {
        fputs(" = ", stdout);
        print_value(answer);
    }
}

static const char *step_name(zm_trace_t what)
{
    return what == ZM_TRACE_CALL ? "call" : what == ZM_TRACE_RETURN ? "return" : "lookup";
}

static void on_trace(void *baton, zm_trace_t what, unsigned depth, zm_str_t name, zm_value_t value)
{
    explanation_t *explanation = baton;
    if (explanation->json) {
        printf("%s{\"step\":\"%s\",\"depth\":%u,\"name\":", explanation->any ? "," : "",
               step_name(what), depth);
        print_json(name);
        if (what == ZM_TRACE_LOOKUP) {
            print_lookup(value, true);
        } else {
            fputs(what == ZM_TRACE_CALL ? ",\"arguments\":" : ",\"value\":", stdout);
            print_json_value(value);
        }
        putchar('}');
    } else {
        printf("%*s%-6s %.*s ", (int)(2 * (depth + (what == ZM_TRACE_RETURN))), "", step_name(what),
               (int)name.length, name.data);
        if (what == ZM_TRACE_LOOKUP)
            print_lookup(value, false);
        else
            print_value(value);
        putchar('\n');
    }
    explanation->any = true;
}

static void print_quad(const router_quad_t *quad, int64_t privilege, bool json, bool first)
{
    if (json) {
        printf("%s{\"channel\":", first ? "" : ",");
        print_json(quad->channel);
        fputs(",\"host\":", stdout);
        print_json(quad->host);
        fputs(",\"user\":", stdout);
        print_json(quad->user);
        printf(",\"privilege\":%" APR_INT64_T_FMT "}", (apr_int64_t)privilege);
        return;
    }
    printf("  => channel %.*s  host %.*s  user %.*s  privilege %" APR_INT64_T_FMT "\n",
           (int)quad->channel.length, quad->channel.data,
           quad->host.length ? (int)quad->host.length : 1,
           quad->host.length ? quad->host.data : "-", (int)quad->user.length, quad->user.data,
           (apr_int64_t)privilege);
}

int router_explain(router_worker_t *worker, zm_str_t address, bool json)
{
    explanation_t explanation = {json, false};
    zm_value_t properties[4];
    apr_array_header_t *quads;
    zm_value_t attributes;
    int i, code = 0;
    zm_script_begin(worker->script);
    properties[0] = ZM_VALUE("privilege");
    properties[1] =
        zm_script_printf(worker->script, "%" APR_INT64_T_FMT, (apr_int64_t)worker->nobody);
    properties[2] = ZM_VALUE("type");
    properties[3] = ZM_VALUE("recipient");
    attributes = zm_script_gensym(worker->script, zm_script_list(worker->script, properties, 4));
    quads = apr_array_make(zm_script_pool(worker->script), 4, sizeof(router_quad_t));
    if (json) {
        fputs("{\"address\":", stdout);
        print_json(address);
        fputs(",\"steps\":[", stdout);
    } else {
        printf("%.*s\n", (int)address.length, address.data);
    }
    zm_script_set_trace(worker->script, ZM_TRACE_CALL | ZM_TRACE_RETURN | ZM_TRACE_LOOKUP, on_trace,
                        &explanation);
    router_route(worker, quads, address, attributes);
    zm_script_set_trace(worker->script, 0, NULL, NULL);
    if (json)
        fputs("],\"result\":[", stdout);
    for (i = 0; i < quads->nelts; i++) {
        const router_quad_t *quad = &APR_ARRAY_IDX(quads, i, router_quad_t);
        int64_t privilege = -1;
        (void)router_privilege(worker, quad, &privilege);
        print_quad(quad, privilege, json, i == 0);
        if (zm_str_equal_c(quad->channel, "error"))
            code = 67;
    }
    if (json)
        fputs("]}\n", stdout);
    zm_script_end(worker->script);
    return code;
}
