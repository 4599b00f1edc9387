/*
 * Who sends a message, who hears of its failures, and on whose authority its
 * recipients are reached.
 */
#include "mta/mail/sender.h"

#include <apr_strings.h>

#include "mta/router/message.h"

/* Routes an address as a sender; of several results one without a host, else the first. */
static bool route_sender(router_message_t *message, zm_str_t address, router_quad_t *quad)
{
    zm_script_t *script = message->worker->script;
    zm_value_t properties[4] = {
        ZM_VALUE("privilege"),
        zm_script_printf(script, "%" APR_INT64_T_FMT, (apr_int64_t)message->file->info.uid),
        ZM_VALUE("type"), ZM_VALUE("sender")};
    apr_array_header_t *quads = apr_array_make(message->pool, 1, sizeof(router_quad_t));
    int i;
    router_route(message->worker, quads, address,
                 zm_script_gensym(script, zm_script_list(script, properties, 4)));
    for (i = 0; i < quads->nelts; i++) {
        *quad = APR_ARRAY_IDX(quads, i, router_quad_t);
        if (quad->host.length == 0 || zm_str_equal_c(quad->host, "-"))
            return true;
    }
    if (quads->nelts > 0)
        *quad = APR_ARRAY_IDX(quads, 0, router_quad_t);
    return quads->nelts > 0;
}

bool router_is_owner(router_message_t *message, zm_str_t address)
{
    router_quad_t quad;
    zm_str_t local, domain;
    if (!route_sender(message, address, &quad) || !zm_str_equal_c(quad.channel, "local"))
        return false;
    zm_address_split(quad.user, &local, &domain);
    return zm_str_equal_c(local, message->login);
}

static bool address_is_owner(void *baton, const zm_address_t *address)
{
    router_message_t *message = baton;
    return router_is_owner(message, zm_address_plain(address, message->pool));
}

/* The sender that we write for the owner of the file. */
static zm_address_list_t *generated(router_message_t *message)
{
    zm_str_t name = message->full_name != NULL ? zm_phrase_text(message->full_name, message->pool)
                                               : zm_str(message->owner_name);
    zm_str_t address = zm_str(message->login);
    if (message->login_name != NULL &&
        (message->trusted || router_is_owner(message, message->login_name->first->pure)))
        address = message->login_name->first->pure;
    return zm_sender_generate(name, address, message->pool);
}

static zm_address_list_t *sender_of_trusted(router_message_t *message)
{
    zm_header_t *field;
    zm_str_t local, domain;
    if (message->from != NULL) {
        zm_address_split(message->from->first->pure, &local, &domain);
        if (domain.length > 0 || zm_str_find(local, '!') >= 0 || zm_str_find(local, '%') >= 0)
            return message->from;
        return zm_sender_generate(
            message->full_name ? zm_phrase_text(message->full_name, message->pool) : ZM_S(""),
            local, message->pool);
    }
    field = zm_sender_field(message->headers, message->resent);
    return field != NULL ? field->parsed : generated(message);
}

static void find_error_address(router_message_t *message)
{
    zm_header_t *field = zm_error_field(message->headers, message->resent);
    zm_address_t *first = NULL;
    message->error_address = message->error_header = ZM_S("");
    if (message->null_path)
        return;
    if (field != NULL && (first = zm_address_good(field->parsed->first)) != NULL) {
        message->error_address = zm_address_plain(first, message->pool);
        message->error_header = zm_address_list_text(field->parsed, message->pool);
        return;
    }
    message->error_address = message->error_header = message->sender_address;
}

static void find_privilege(router_message_t *message)
{
    const router_quad_t *quad = &message->sender_quad;
    bool here = quad->host.length == 0 || zm_str_equal_c(quad->host, "-");
    zm_account_t *account;
    message->privilege = message->trusted ? message->worker->nobody : message->file->info.uid;
    if (message->trusted && here && !message->external && (message->file->info.mode & 022) == 0 &&
        zm_accounts_find(&account, message->worker->accounts, zm_str_c(message->pool, quad->user),
                         message->pool) == APR_SUCCESS)
        message->privilege = account->uid;
}

static bool make_null_quad(router_message_t *message)
{
    zm_script_t *script = message->worker->script;
    zm_value_t items[4];
    router_quad_t quad;
    if (!route_sender(message, ZM_S("<>"), &quad))
        return false;
    items[0] = ZM_VALUE("error");
    items[1] = items[2] = ZM_VALUE("<>");
    items[3] = zm_value_of(quad.attributes);
    return router_quad_parse(&message->sender_quad, zm_script_list(script, items, 4));
}

router_outcome_t router_find_sender(router_message_t *message)
{
    zm_address_t *first;
    message->null_path = message->trusted && message->error_channel && message->from == NULL;
    if (message->null_path) {
        message->sender_address = ZM_S("<>");
        if (!make_null_quad(message))
            return ROUTER_NO_SENDER;
        find_error_address(message);
        find_privilege(message);
        return ROUTER_DONE;
    }
    if (message->trusted)
        message->sender = sender_of_trusted(message);
    else
        message->sender = message->from != NULL ? message->from : generated(message);
    first = message->sender != NULL ? zm_address_good(message->sender->first) : NULL;
    message->sender_address =
        first != NULL ? zm_address_plain(first, message->pool) : ZM_S("postmaster");
    if (!route_sender(message, message->sender_address, &message->sender_quad))
        return ROUTER_NO_SENDER;
    if (!message->trusted)
        zm_sender_police(message->headers, message->resent, generated(message), address_is_owner,
                         message);
    find_error_address(message);
    find_privilege(message);
    return ROUTER_DONE;
}
