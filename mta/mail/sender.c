#include "mta/mail/sender.h"

#include <apr_strings.h>

/** The field of that name, with the prefix of resent messages if the message is one. */
static zm_header_t *find(const zm_headers_t *headers, bool resent, const char *name)
{
    return zm_headers_find(headers,
                           resent ? apr_pstrcat(headers->pool, "Resent-", name, NULL) : name);
}

static bool is_usable(const zm_header_t *header)
{
    return header != NULL && !header->bad && header->parsed != NULL &&
           header->parsed->mailboxes > 0;
}

zm_header_t *zm_sender_field(const zm_headers_t *headers, bool resent)
{
    static const char *const names[] = {"Sender", "From", "Reply-To", "Errors-To"};
    unsigned i;
    for (i = 0; i < 4; i++) {
        zm_header_t *header = find(headers, resent, names[i]);
        if (is_usable(header))
            return header;
    }
    return NULL;
}

zm_header_t *zm_error_field(const zm_headers_t *headers, bool resent)
{
    zm_header_t *header = find(headers, resent, "Sender");
    if (is_usable(header))
        return header;
    header = find(headers, resent, "Errors-To");
    return is_usable(header) ? header : NULL;
}

zm_address_list_t *zm_sender_generate(zm_str_t full_name, zm_str_t address, apr_pool_t *pool)
{
    return zm_address_make(zm_str_trim(full_name), address, pool);
}

zm_str_t zm_phrase_text(const zm_address_list_t *phrase, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    const zm_address_t *item = zm_address_good(phrase->first);
    apr_size_t i;
    for (i = 0; item != NULL && i < item->count; i++) {
        if (item->tokens[i].role != ZM_ROLE_PURE)
            continue;
        if (text.length > 0)
            zm_buf_add_byte(&text, ' ');
        zm_buf_add_str(&text, zm_unescape(zm_token_inside(&item->tokens[i]), pool));
    }
    copy = zm_str_copy(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

static bool is_owners(const zm_header_t *header, zm_is_owner_t is_owner, void *baton)
{
    return is_usable(header) && is_owner(baton, zm_address_good(header->parsed->first));
}

void zm_sender_police(zm_headers_t *headers, bool resent, const zm_address_list_t *generated,
                      zm_is_owner_t is_owner, void *baton)
{
    zm_header_t *sender = find(headers, resent, "Sender"), *from = find(headers, resent, "From");
    zm_header_t *wrong = NULL;
    zm_address_list_t *list = apr_pmemdup(headers->pool, generated, sizeof *generated);
    if (sender != NULL && from == NULL) {
        zm_headers_rename(headers, sender, resent ? ZM_S("Resent-From") : ZM_S("From"));
        from = sender;
        sender = NULL;
    }
    if (sender != NULL && !is_owners(sender, is_owner, baton)) {
        zm_headers_rename(headers, sender, ZM_S("Fake-Sender"));
        wrong = sender;
    } else if (sender == NULL && from != NULL && !is_owners(from, is_owner, baton)) {
        wrong = from;
    }
    if (wrong != NULL)
        zm_headers_insert_list(headers, wrong, resent ? ZM_S("Resent-Sender") : ZM_S("Sender"),
                               list);
}
