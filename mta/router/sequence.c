/*
 * The header's way through the router: what is added, what goes, what is wrong
 * with it; and who the recipients are.
 */
#include <apr_strings.h>

#include "mta/mail/complete.h"
#include "mta/mail/illegal.h"
#include "mta/mail/msgid.h"
#include "mta/mail/received.h"
#include "mta/mail/recipients.h"
#include "mta/router/exits.h"
#include "mta/router/message.h"

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

router_outcome_t router_read_header(router_message_t *message)
{
    int i;
    message->headers = zm_headers_create(message->worker->header_table, message->pool);
    for (i = 0; i < message->file->field_count; i++)
        zm_headers_append(message->headers, message->file->fields[i].name,
                          message->file->fields[i].value);
    message->resent = zm_headers_resent(message->headers);
    add_received(message);
    add_message_id(message);
    if (zm_headers_count(message->headers, "received") >= MOST_HOPS)
        return ROUTER_LOOP;
    return message->bad_envelope ? ROUTER_BAD_ENVELOPE : ROUTER_DONE;
}

/* -- what scripts see of it ------------------------------------------------------------------ */

static void add_property(zm_script_t *script, zm_value_t *list, const char *name, zm_value_t value)
{
    *list = zm_script_append(
        script, zm_script_append(script, *list, zm_script_string_c(script, name)), value);
}

static void add_number(zm_script_t *script, zm_value_t *list, const char *name, int64_t number)
{
    add_property(script, list, name,
                 zm_script_printf(script, "%" APR_INT64_T_FMT, (apr_int64_t)number));
}

void router_publish_envelope(router_message_t *message)
{
    zm_script_t *script = message->worker->script;
    const zm_message_t *file = message->file;
    zm_value_t list = ZM_VALUE_NIL;
    int64_t now = apr_time_sec(apr_time_now());
    int i;
    add_property(script, &list, "file", zm_script_string_c(script, message->name));
    add_property(script, &list, "message-id", zm_value_of(message->message_id));
    add_property(script, &list, "spoolid", zm_script_string_c(script, message->spool_id));
    add_number(script, &list, "uid", file->info.uid);
    add_number(script, &list, "gid", file->info.gid);
    add_number(script, &list, "size", (int64_t)(file->info.size - file->header_offset));
    add_number(script, &list, "headersize", (int64_t)(file->body_offset - file->header_offset));
    add_number(script, &list, "bodysize", (int64_t)(file->info.size - file->body_offset));
    add_number(script, &list, "now", now);
    add_number(script, &list, "delay", now - file->info.mtime_s);
    add_property(script, &list, "resent", message->resent ? ZM_VALUE("yes") : ZM_VALUE("no"));
    add_property(script, &list, "trusted", message->trusted ? ZM_VALUE("yes") : ZM_VALUE("no"));
    for (i = 0; i < file->envelope_count; i++) {
        const zm_envelope_line_t *line = &file->envelope[i];
        if (line->keyword == ZM_ENV_FROM || line->keyword == ZM_ENV_TO ||
            line->keyword == ZM_ENV_TODSN || line->keyword == ZM_ENV_USER ||
            line->keyword == ZM_ENV_LOGINNAME || line->keyword == ZM_ENV_END)
            continue;
        add_property(script, &list, zm_envelope_keyword_name(line->keyword),
                     zm_value_of(line->value.length > 0 ? line->value : line->name));
    }
    zm_script_set(script, ZM_S("envelopeinfo"), list);
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

router_outcome_t router_find_recipients(router_message_t *message)
{
    message->bad_header = has_bad_field(message->headers);
    if (message->bad_header)
        router_squirrel(message, ROUTER_SQUIRREL_BADHEADER, "_badheader");
    if (message->recipients->nelts == 0) {
        if (message->bad_header)
            return ROUTER_BAD_HEADER;
        recipients_of_header(message);
    }
    if (message->recipients->nelts == 0)
        return ROUTER_NO_RECIPIENTS;
    zm_headers_kill(message->headers);
    if (message->bad_header && message->worker->illegal_object)
        zm_headers_mark_illegal(message->headers, message->worker->hostname);
    zm_headers_complete_from(message->headers, message->resent, message->sender);
    zm_headers_complete_to(message->headers, message->resent);
    return ROUTER_DONE;
}
