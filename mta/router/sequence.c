/*
 * The header's way through the router: what is added, what goes, what is wrong
 * with it; and who the recipients are.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/complete.h"
#include "mta/mail/illegal.h"
#include "mta/mail/msgid.h"
#include "mta/mail/received.h"
#include "mta/mail/recipients.h"
#include "mta/router/exits.h"
#include "mta/router/message.h"
#include "mta/router/record.h"
#include "mta/router/trace.h"

#define MOST_HOPS 50

static void add_received(router_message_t *message)
{
    zm_received_t received = {0};
    zm_buf_t value = ZM_BUF_INIT;
    received.peer = message->peer;
    received.host = message->worker->hostname;
    received.via = message->via;
    received.with = message->with;
    received.id = zm_str(message->spool_id);
    received.arrived = message->arrived;
    zm_received_add(&value, &received);
    zm_headers_add_received(message->headers, zm_str_copy(message->pool, zm_buf_str(&value)));
    zm_buf_free(&value);
    if (message->external || !message->trusted) /* also where nothing was asked: that proves none */
        zm_headers_drop_authentication_results(message->headers, message->worker->hostname);
    if (message->authres.length > 0)
        zm_headers_add_authentication_results(message->headers, message->authres,
                                              message->worker->hostname);
}

static void add_message_id(router_message_t *message)
{
    if (zm_message_id_find(message->headers, message->resent) == NULL)
        zm_headers_complete_message_id(message->headers, message->resent,
                                       zm_message_id_make(zm_str(message->spool_id), apr_time_now(),
                                                          ++message->worker->message_ids,
                                                          message->worker->hostname,
                                                          message->pool));
    message->message_id = zm_message_id_raw(message->headers, message->resent, message->pool);
}

/* A NUL has no place in a header and would end it for some who read it later. */
static zm_str_t without_nul(zm_str_t value, apr_pool_t *pool)
{
    char *copy;
    apr_size_t i, length = 0;
    if (value.length == 0 || memchr(value.data, '\0', value.length) == NULL)
        return value;
    copy = apr_palloc(pool, value.length);
    for (i = 0; i < value.length; i++)
        if (value.data[i] != '\0')
            copy[length++] = value.data[i];
    return zm_str_of(copy, length);
}

router_outcome_t router_read_header(router_message_t *message)
{
    int i;
    message->headers = zm_headers_create(message->worker->header_table, message->pool);
    for (i = 0; i < message->file->field_count; i++)
        zm_headers_append(message->headers, message->file->fields[i].name,
                          without_nul(message->file->fields[i].value, message->pool));
    message->resent = zm_headers_resent(message->headers);
    add_received(message);
    add_message_id(message);
    if (zm_headers_count(message->headers, "received") >= MOST_HOPS)
        return ROUTER_LOOP;
    return message->bad_envelope ? ROUTER_BAD_ENVELOPE : ROUTER_DONE;
}

/* -- what scripts see of it ------------------------------------------------------------------ */

typedef struct properties_t {
    zm_script_t *script;
    apr_array_header_t *items; /* of zm_value_t */
} properties_t;

static void add_property(properties_t *list, const char *name, zm_value_t value)
{
    APR_ARRAY_PUSH(list->items, zm_value_t) = zm_value_of(zm_str(name));
    APR_ARRAY_PUSH(list->items, zm_value_t) = value;
}

static void add_text(properties_t *list, const char *name, const char *text)
{
    add_property(list, name, zm_value_of(zm_str(text)));
}

static void add_number(properties_t *list, const char *name, int64_t number)
{
    add_property(list, name,
                 zm_script_printf(list->script, "%" APR_INT64_T_FMT, (apr_int64_t)number));
}

/* Envelope lines with addresses are not told: scripts get those one by one. */
static bool is_told(zm_envelope_keyword_t keyword)
{
    return keyword != ZM_ENV_FROM && keyword != ZM_ENV_TO && keyword != ZM_ENV_TODSN &&
           keyword != ZM_ENV_USER && keyword != ZM_ENV_LOGINNAME && keyword != ZM_ENV_END;
}

void router_publish_envelope(router_message_t *message)
{
    zm_script_t *script = message->worker->script;
    const zm_message_t *file = message->file;
    properties_t list = {script, apr_array_make(message->pool, 40, sizeof(zm_value_t))};
    int64_t now = apr_time_sec(apr_time_now());
    int i;
    add_text(&list, "file", message->argument);
    add_property(&list, "message-id", zm_value_of(message->message_id));
    add_text(&list, "spoolid", message->spool_id);
    add_number(&list, "uid", file->info.uid);
    add_number(&list, "gid", file->info.gid);
    add_number(&list, "size", (int64_t)(file->info.size - file->header_offset));
    add_number(&list, "headersize", (int64_t)(file->body_offset - file->header_offset));
    add_number(&list, "bodysize", (int64_t)(file->info.size - file->body_offset));
    add_number(&list, "now", now);
    add_number(&list, "delay", now - file->info.mtime_s);
    add_text(&list, "resent", message->resent ? "yes" : "no");
    add_text(&list, "trusted", message->trusted ? "yes" : "no");
    for (i = 0; i < file->envelope_count; i++) {
        const zm_envelope_line_t *line = &file->envelope[i];
        if (is_told(line->keyword))
            add_property(&list, zm_envelope_keyword_name(line->keyword),
                         zm_value_of(line->value.length > 0 ? line->value : line->name));
    }
    zm_script_set(script, ZM_S("envelopeinfo"),
                  zm_script_list(script, (const zm_value_t *)(void *)list.items->elts,
                                 (apr_size_t)list.items->nelts));
}

/* -- recipients, and the header that they get ------------------------------------------------- */

static void recipients_of_header(router_message_t *message)
{
    zm_recipients_t found =
        zm_recipients_of_header(message->headers, message->resent, message->pool);
    apr_size_t i;
    for (i = 0; i < found.count; i++) {
        router_recipient_t *recipient = apr_array_push(message->recipients);
        recipient->address = zm_address_plain(found.items[i], message->pool);
        recipient->dsn = ZM_S("");
    }
}

static bool has_bad_field(const zm_headers_t *headers)
{
    const zm_header_t *header;
    for (header = headers->first; header != NULL; header = header->next)
        if (header->bad)
            return true;
    return false;
}

/* Its sender is told if he is one of us; others see it in the header itself. */
static void treat_bad_header(router_message_t *message)
{
    if (message->privilege != message->worker->nobody)
        router_warn(message, "headerwarn");
    if (message->worker->illegal_object &&
        zm_headers_mark_illegal(message->headers, message->worker->hostname) > 0)
        router_squirrel(message, ROUTER_SQUIRREL_ILLHEADER, "_illheader");
}

router_outcome_t router_find_recipients(router_message_t *message)
{
    message->bad_header = has_bad_field(message->headers);
    if (message->bad_header) {
        router_squirrel(message, ROUTER_SQUIRREL_BADHEADER, "_badheader");
        router_note_bad_addresses(message);
    }
    if (message->recipients->nelts == 0) {
        router_trace(message, "the envelope names no recipients: those of the header are taken");
        if (message->bad_header)
            return ROUTER_BAD_HEADER;
        recipients_of_header(message);
    }
    if (message->recipients->nelts == 0)
        return ROUTER_NO_RECIPIENTS;
    zm_headers_kill(message->headers);
    router_record_addresses(message);
    if (message->bad_header)
        treat_bad_header(message);
    zm_headers_complete_from(message->headers, message->resent, message->sender);
    zm_headers_complete_to(message->headers, message->resent);
    return ROUTER_DONE;
}
