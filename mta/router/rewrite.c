#include "mta/router/rewrite.h"

#include <string.h>

#include "mta/mail/print.h"

typedef struct rewriting_t {
    router_message_t *message;
    const char *addresses, *fields; /* functions; null: none */
    zm_headers_t *headers;
} rewriting_t;

/* -- addresses -------------------------------------------------------------------------------- */

static bool is_text(apr_status_t status, const zm_script_result_t *result)
{
    return status == APR_SUCCESS && result->status == 0 && result->has_value &&
           zm_value_str(result->value).length > 0;
}

static bool rewrite_address(void *baton, const zm_header_t *header, zm_str_t plain, zm_str_t *text)
{
    const rewriting_t *rewriting = baton;
    zm_script_t *script = rewriting->message->worker->script;
    zm_value_t arguments[2] = {zm_value_of(plain), zm_value_of(header->name)};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    apr_status_t status;
    rewriting->message->rewriting = header;
    zm_script_defer_clear(script);
    status = zm_script_call(script, rewriting->addresses, arguments, 2, &result, &error);
    if (!is_text(status, &result) && zm_script_deferred(script).length > 0 &&
        zm_script_has_function(script, "header_defer"))
        status = zm_script_call(script, "header_defer", arguments, 2, &result, &error);
    rewriting->message->rewriting = NULL;
    if (!is_text(status, &result))
        return false;
    *text = zm_value_str(result.value);
    zm_script_trace_text(script, "rewrite", "%.*s: %.*s is %.*s", (int)header->name.length,
                         header->name.data, (int)plain.length, plain.data, (int)text->length,
                         text->data);
    return true;
}

/* -- whole fields ------------------------------------------------------------------------------ */

static bool is_field_name(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == ':')
            return false;
    return name.length > 0;
}

static bool switched_on(router_message_t *message, const char *variable)
{
    int64_t number;
    return zm_str_i64(zm_script_get_str(message->worker->script, variable), &number) ==
               APR_SUCCESS &&
           number != 0;
}

/* A value that cannot end the header: no NUL, and every further line begins with a blank. */
static zm_str_t field_value(router_message_t *message, zm_str_t given)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t value = given, result;
    apr_size_t i;
    if (!switched_on(message, "hrr_unvis_disable"))
        value = router_unvis(given, message->pool);
    while (value.length > 0 && zm_is_space(value.data[value.length - 1]))
        value.length--;
    if (value.length > 0 && !zm_is_blank(value.data[0]))
        zm_buf_add_byte(&out, ' ');
    for (i = 0; i < value.length; i++) {
        if (value.data[i] != '\0')
            zm_buf_add_byte(&out, value.data[i]);
        if (value.data[i] == '\n' && i + 1 < value.length && !zm_is_blank(value.data[i + 1]))
            zm_buf_add_byte(&out, '\t');
    }
    result = zm_str_copy(message->pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

/* Puts the pairs of a list before a field (null: at the end). */
static void add_pairs(rewriting_t *rewriting, zm_header_t *before, zm_value_t pairs)
{
    apr_size_t i;
    for (i = 0; i < zm_value_count(pairs); i++) {
        zm_value_t pair = zm_value_item(pairs, i);
        zm_str_t name = zm_value_item_str(pair, 0);
        if (zm_value_count(pair) == 2 && is_field_name(name))
            zm_headers_insert(rewriting->headers, before, name,
                              field_value(rewriting->message, zm_value_item_str(pair, 1)));
    }
}

/* False: the function has nothing to say. */
static bool ask(const rewriting_t *rewriting, const char *stage, zm_str_t name, zm_str_t value,
                zm_value_t *answer)
{
    zm_script_t *script = rewriting->message->worker->script;
    zm_value_t arguments[3] = {zm_value_of(zm_str(stage)), zm_value_of(name), zm_value_of(value)};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    if (zm_script_call(script, rewriting->fields, arguments, 3, &result, &error) != APR_SUCCESS ||
        result.status != 0 || !result.has_value || !zm_value_is_list(result.value))
        return false;
    *answer = result.value;
    return true;
}

static void rewrite_fields(rewriting_t *rewriting)
{
    router_message_t *message = rewriting->message;
    bool plain = switched_on(message, "hrr_vis_disable");
    zm_header_t *header, *next, *first = rewriting->headers->first;
    zm_value_t answer;
    if (ask(rewriting, "hrr_ab", ZM_S(""), ZM_S(""), &answer))
        add_pairs(rewriting, first, answer);
    for (header = first; header != NULL; header = next) {
        next = header->next;
        if (header->generated || header->rule->class == ZM_HEADER_SENDER ||
            header->rule->class == ZM_HEADER_RECIPIENT)
            continue;
        if (ask(rewriting, "hrr_rr", header->name,
                plain ? header->value : router_vis(header->value, message->pool), &answer)) {
            add_pairs(rewriting, header, answer);
            zm_headers_remove(rewriting->headers, header);
        }
    }
    if (ask(rewriting, "hrr_ae", ZM_S(""), ZM_S(""), &answer))
        add_pairs(rewriting, NULL, answer);
}

/* -- both -------------------------------------------------------------------------------------- */

static const char *function_name(router_message_t *message, zm_value_t value)
{
    zm_str_t name = zm_value_str(value);
    return name.length > 0 ? zm_str_c(message->pool, name) : NULL;
}

zm_str_t router_rewrite_header(router_message_t *message, zm_value_t rewrite)
{
    bool pair = zm_value_is_list(rewrite);
    rewriting_t rewriting = {message, NULL, NULL, NULL};
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t text;
    rewriting.addresses = function_name(message, pair ? zm_value_item(rewrite, 0) : rewrite);
    rewriting.fields = function_name(message, pair ? zm_value_item(rewrite, 1) : ZM_VALUE_NIL);
    rewriting.headers = zm_headers_copy(message->headers, message->pool);
    if (rewriting.addresses != NULL)
        zm_headers_rewrite(rewriting.headers, rewrite_address, &rewriting);
    if (rewriting.fields != NULL)
        rewrite_fields(&rewriting);
    zm_headers_print(&out, rewriting.headers,
                     zm_headers_signed(rewriting.headers) ? ZM_PRINT_KEEP : 0);
    text = zm_str_copy(message->pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return text;
}
