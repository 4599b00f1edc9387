/*
 * The envelope of a message file: what its submitter says, and what of it a
 * submitter who is not trusted may say.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/received.h"
#include "mta/router/message.h"

#define OWNER_LIFE apr_time_from_sec(10)

static bool is_trusted(router_message_t *message)
{
    router_worker_t *worker = message->worker;
    zm_value_t login = zm_script_string_c(worker->script, message->login);
    zm_script_result_t result = {0};
    zm_error_t error;
    if (message->file->info.uid == worker->own)
        return true;
    return zm_script_call(worker->script, "trusted", &login, 1, &result, &error) == APR_SUCCESS &&
           result.has_value;
}

/*
 * Most messages have the same few owners, and asking the system takes as long as
 * routing an address, so the last answer is kept for a moment.
 */
static apr_status_t look_up_owner(router_worker_t *worker, zm_uid_t uid)
{
    apr_time_t now = apr_time_now();
    zm_user_t *user;
    apr_status_t status;
    if (worker->owner_pool == NULL)
        apr_pool_create(&worker->owner_pool, worker->pool);
    else if (worker->owner != NULL && worker->owner->uid == uid &&
             now - worker->owner_time < OWNER_LIFE && now >= worker->owner_time)
        return APR_SUCCESS;
    worker->owner = NULL;
    apr_pool_clear(worker->owner_pool);
    if ((status = zm_user_by_uid(&user, uid, worker->owner_pool)) != APR_SUCCESS)
        return status;
    worker->owner = user;
    worker->owner_time = now;
    return APR_SUCCESS;
}

static apr_status_t find_owner(router_message_t *message)
{
    const zm_user_t *user;
    apr_status_t status = look_up_owner(message->worker, message->file->info.uid);
    if (status != APR_SUCCESS)
        return status;
    user = message->worker->owner;
    message->login = user->name;
    message->owner_name = user->full_name ? user->full_name : "";
    message->trusted = is_trusted(message);
    return APR_SUCCESS;
}

/* A value by its rule; a bad one makes the envelope bad.  Null then, and when there is one already.
 */
static zm_address_list_t *parse(router_message_t *message, zm_rule_t rule, zm_str_t value)
{
    zm_address_list_t *list = zm_address_parse(rule, value, message->pool);
    if (list->bad == 0 && list->mailboxes > 0)
        return list;
    message->bad_envelope = true;
    return NULL;
}

static void first_list(router_message_t *message, zm_address_list_t **slot, zm_rule_t rule,
                       zm_str_t value)
{
    zm_address_list_t *list = parse(message, rule, value);
    if (*slot == NULL)
        *slot = list;
}

static void first_text(zm_str_t *slot, zm_str_t value)
{
    if (slot->length == 0)
        *slot = zm_str_trim(value);
}

static void add_recipients(router_message_t *message, int index, zm_str_t value)
{
    const zm_envelope_line_t *dsn = zm_message_todsn(message->file, index);
    zm_address_list_t *list = parse(message, ZM_RULE_ADDRESS, value);
    zm_address_t *item;
    if (list == NULL)
        return;
    for (item = zm_address_good(list->first); item != NULL; item = zm_address_good(item->next)) {
        router_recipient_t *recipient = apr_array_push(message->recipients);
        recipient->address = zm_address_plain(item, message->pool);
        recipient->dsn = dsn != NULL ? zm_str_trim(dsn->value) : ZM_S("");
    }
}

static void take_comment(router_message_t *message, zm_str_t value)
{
    zm_str_t text = zm_str_trim(value);
    if (message->trusted && zm_str_starts_nocase(text, ZM_S("authres:")))
        message->authres = zm_str_trim(zm_str_from(text, 8));
}

static void take_line(router_message_t *message, int index, zm_str_t *claimed)
{
    const zm_envelope_line_t *line = &message->file->envelope[index];
    zm_address_list_t *word;
    if (memchr(line->value.data, '\0', line->value.length) != NULL) {
        message->bad_envelope = true;
        return;
    }
    switch (line->keyword) {
    case ZM_ENV_EXTERNAL:
        message->external = true;
        break;
    case ZM_ENV_RCVDFROM: /* the last one counts */
        message->peer = parse(message, ZM_RULE_DOMAIN, line->value);
        *claimed = zm_str_trim(line->value);
        break;
    case ZM_ENV_WITH:
        first_text(&message->with, line->value);
        break;
    case ZM_ENV_VIA:
        first_text(&message->via, line->value);
        break;
    case ZM_ENV_FROM:
        first_list(message, &message->from, ZM_RULE_MAILBOX, line->value);
        break;
    case ZM_ENV_CHANNEL:
        word = parse(message, ZM_RULE_WORD, line->value);
        if (word != NULL && !message->has_channel)
            message->error_channel = zm_str_equal_nocase(word->first->pure, ZM_S("error"));
        message->has_channel = true;
        break;
    case ZM_ENV_ERRORMSG:
        message->error_message = true;
        break;
    case ZM_ENV_USER:
        parse(message, ZM_RULE_MAILBOX, line->value);
        break;
    case ZM_ENV_ENVID:
        first_text(&message->envid, line->value);
        break;
    case ZM_ENV_NOTARYRET:
        first_text(&message->ret, line->value);
        break;
    case ZM_ENV_TO:
        add_recipients(message, index, line->value);
        break;
    case ZM_ENV_VERBOSE:
        word = parse(message, ZM_RULE_WORD, line->value);
        if (word != NULL && message->verbose.length == 0)
            message->verbose = zm_address_plain(word->first, message->pool);
        break;
    case ZM_ENV_FULLNAME:
        first_list(message, &message->full_name, ZM_RULE_PHRASE, line->value);
        break;
    case ZM_ENV_LOGINNAME:
        first_list(message, &message->login_name, ZM_RULE_ROUTE_ADDRESS, line->value);
        break;
    case ZM_ENV_COMMENT:
        take_comment(message, line->value);
        break;
    default: /* bodytype, identinfo, authinfo, todsn: for the configuration, or taken elsewhere */
        break;
    }
}

/* What the site lets a `from` line be worth whose author is not trusted (UNTRUSTED_FROM). */
static bool from_is_believed(router_message_t *message)
{
    const char *worth = zm_zenv_get_or(message->worker->zenv, "UNTRUSTED_FROM", "deny");
    if (message->from == NULL)
        return false;
    if (strcmp(worth, "localonly") == 0)
        return router_is_local(message, zm_address_plain(message->from->first, message->pool));
    return strcmp(worth, "accept") == 0;
}

/* An owner who is not trusted is named in the trace of the message, whatever he says. */
static void distrust(router_message_t *message, zm_str_t claimed)
{
    message->believed = from_is_believed(message);
    if (!message->believed)
        message->from = NULL;
    message->error_channel = message->error_message = false;
    message->peer =
        zm_received_untrusted_peer(message->login, message->file->info.uid, claimed, message->pool);
    message->relay = zm_address_list_text(message->peer, message->pool);
}

apr_status_t router_read_envelope(router_message_t *message)
{
    zm_str_t claimed = ZM_S("");
    apr_status_t status = find_owner(message);
    int i;
    if (status != APR_SUCCESS)
        return status;
    message->recipients = apr_array_make(message->pool, 4, sizeof(router_recipient_t));
    for (i = 0; i < message->file->envelope_count; i++)
        take_line(message, i, &claimed);
    if (!message->trusted) {
        distrust(message, claimed);
        return APR_SUCCESS;
    }
    message->believed = true;
    message->relay = claimed.length > 0
                         ? claimed
                         : zm_str(apr_pstrcat(message->pool, message->login, "@localhost", NULL));
    return APR_SUCCESS;
}
