/*
 * Who sends a message, who hears of its failures, and on whose authority its
 * recipients are reached.
 */
#include "mta/mail/sender.h"

#include <apr_strings.h>

#include "mta/net/idn.h"
#include "mta/router/exits.h"
#include "mta/router/message.h"
#include "mta/router/trace.h"
#include "platform/log.h"

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

static bool is_here(const router_quad_t *quad)
{
    return quad->host.length == 0 || zm_str_equal_c(quad->host, "-");
}

bool router_is_local(router_message_t *message, zm_str_t address)
{
    router_quad_t quad;
    return route_sender(message, address, &quad) &&
           (is_here(&quad) || zm_str_equal_c(quad.channel, "local"));
}

bool router_is_owner(router_message_t *message, zm_str_t address)
{
    router_quad_t quad;
    zm_str_t local, domain;
    if (!route_sender(message, address, &quad) ||
        !(is_here(&quad) || zm_str_equal_c(quad.channel, "local")))
        return false;
    zm_address_split(quad.user, &local, &domain);
    return zm_str_equal_c(local, message->login);
}

static bool address_is_owner(void *baton, const zm_address_t *address)
{
    router_message_t *message = baton;
    return router_is_owner(message, zm_address_plain(address, message->pool));
}

/* The sender that we write for an account.  The owner's own name and address may be as he says. */
static zm_address_list_t *generated_for(router_message_t *message, zm_str_t login,
                                        const char *account_name)
{
    zm_str_t name = message->full_name != NULL ? zm_phrase_text(message->full_name, message->pool)
                                               : zm_str(account_name);
    if (message->login_name != NULL) {
        zm_str_t wish = message->login_name->first->pure;
        if (message->trusted || router_is_owner(message, wish))
            login = wish;
    }
    return zm_sender_generate(name, login, message->pool);
}

static zm_address_list_t *generated(router_message_t *message)
{
    return generated_for(message, zm_str(message->login), message->owner_name);
}

/* `from` as it is given; with a bare login name as that account's sender. */
static zm_address_list_t *claimed_sender(router_message_t *message)
{
    zm_str_t pure = message->from->first->pure, local, domain;
    zm_user_t *user = NULL;
    zm_address_split(pure, &local, &domain);
    if (domain.length > 0 || zm_str_find(local, '!') >= 0 || zm_str_find(local, '%') >= 0)
        return message->from;
    if (zm_user_by_name(&user, zm_str_c(message->pool, local), message->pool) != APR_SUCCESS)
        user = NULL;
    return generated_for(message, local,
                         user != NULL && user->full_name != NULL ? user->full_name : "");
}

/* Who the header says, else the owner. */
static zm_address_list_t *header_sender(router_message_t *message)
{
    zm_header_t *field = zm_sender_field(message->headers, message->resent);
    zm_address_t *first = field != NULL ? zm_address_good(field->parsed->first) : NULL;
    return first != NULL && first->pure.length > 0 ? field->parsed : generated(message);
}

static void choose_sender(router_message_t *message)
{
    zm_address_t *first;
    message->null_path = message->trusted && message->error_channel && message->from == NULL;
    if (message->null_path) {
        message->sender_address = ZM_S("<>");
        return;
    }
    if (message->from != NULL && message->believed)
        message->sender = claimed_sender(message);
    else
        message->sender = message->trusted ? header_sender(message) : generated(message);
    first = zm_address_good(message->sender->first);
    message->sender_address =
        first != NULL ? zm_idn_address(zm_address_plain(first, message->pool), message->pool)
                      : ZM_S("postmaster");
}

/* The sender as an envelope line can say it: quotes kept. */
static zm_str_t sender_pure(const router_message_t *message)
{
    zm_address_t *first = zm_address_good(message->sender->first);
    return first != NULL ? zm_idn_address(first->pure, message->pool) : message->sender_address;
}

static void find_error_address(router_message_t *message)
{
    zm_header_t *field = zm_error_field(message->headers, message->resent);
    zm_address_t *first = NULL;
    message->error_address = message->error_header = ZM_S("");
    if (message->null_path)
        return;
    if (field != NULL && (first = zm_address_good(field->parsed->first)) != NULL) {
        message->error_address = zm_idn_address(first->pure, message->pool);
        message->error_header = zm_address_list_text(field->parsed, message->pool);
        return;
    }
    message->error_address = sender_pure(message);
    message->error_header = message->sender_address;
}

/* A trusted file may speak for a local sender, unless it came from outside or others could write
 * it.  False: the system cannot tell now whose authority that is. */
static bool find_privilege(router_message_t *message)
{
    zm_account_t *account;
    apr_status_t status;
    message->privilege = message->trusted ? message->worker->nobody : message->file->info.uid;
    if (!message->trusted || message->null_path || !is_here(&message->sender_quad))
        return true;
    if (message->external || (message->file->info.mode & 022) != 0) {
        router_squirrel(message, ROUTER_SQUIRREL_BREAKIN, "_breakin");
        return true;
    }
    status = zm_accounts_find(&account, message->worker->accounts,
                              zm_str_c(message->pool, message->sender_quad.user), message->pool);
    if (status == APR_SUCCESS)
        message->privilege = account->uid;
    return status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status);
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

void router_find_error_address(router_message_t *message)
{
    choose_sender(message);
    if (message->trusted)
        find_error_address(message);
    else /* what the header says has not been looked into */
        message->error_address = message->null_path ? ZM_S("") : sender_pure(message);
}

router_outcome_t router_find_sender(router_message_t *message)
{
    choose_sender(message);
    if (message->null_path ? !make_null_quad(message)
                           : !route_sender(message, message->sender_address, &message->sender_quad))
        return ROUTER_NO_SENDER;
    if (!message->trusted)
        zm_sender_police(message->headers, message->resent, generated(message), address_is_owner,
                         message);
    find_error_address(message);
    if (!find_privilege(message)) {
        zm_log(ZM_LOG_WARNING, message->spool_id,
               "message is left where it is: the system cannot tell now who its sender is",
               ZM_F_N("sender", message->sender_quad.user));
        return ROUTER_NOT_OPENED;
    }
    router_trace(message, "sender %.*s, owner %s is %strusted", (int)message->sender_address.length,
                 message->sender_address.data, message->login, message->trusted ? "" : "not ");
    return ROUTER_DONE;
}
