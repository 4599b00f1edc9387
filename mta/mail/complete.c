#include "mta/mail/complete.h"

#include "platform/clock.h"

bool zm_headers_resent(const zm_headers_t *headers)
{
    const zm_header_t *header;
    for (header = headers->first; header != NULL; header = header->next)
        if (header->rule->resent)
            return true;
    return false;
}

zm_header_t *zm_headers_add_received(zm_headers_t *headers, zm_str_t value)
{
    return zm_headers_insert(headers, headers->first, ZM_S("Received"), value);
}

/** What a quoted string stands for. */
static void add_unquoted(zm_buf_t *out, zm_str_t quoted)
{
    apr_size_t i;
    for (i = 1; i + 1 < quoted.length; i++) {
        if (quoted.data[i] == '\\' && i + 2 < quoted.length)
            i++;
        zm_buf_add_byte(out, quoted.data[i]);
    }
}

/** Whether a value's first word is that host name, perhaps in quotes. */
static bool begins_with(zm_str_t value, const char *hostname, apr_pool_t *pool)
{
    zm_lexer_t lexer = zm_lexer(value, 0, pool);
    zm_token_t token;
    zm_buf_t name = ZM_BUF_INIT;
    bool same;
    apr_size_t end = 0;
    while (zm_lexer_next(&lexer, &token)) {
        bool dot = zm_token_is(&token, '.');
        if (token.kind == ZM_TOKEN_COMMENT && name.length == 0)
            continue;
        if (token.kind == ZM_TOKEN_STRING && name.length == 0) {
            add_unquoted(&name, token.text);
            break;
        }
        if ((token.kind != ZM_TOKEN_ATOM && !dot) || (name.length > 0 && token.offset != end))
            break;
        zm_buf_add_str(&name, token.text);
        end = token.offset + token.extent;
    }
    same = zm_str_equal_nocase(zm_buf_str(&name), zm_str(hostname));
    zm_buf_free(&name);
    return same;
}

/** " value" in the header's pool, as a field's text begins. */
static zm_str_t with_blank(zm_headers_t *headers, zm_str_t value)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    zm_buf_add_byte(&text, ' ');
    zm_buf_add_str(&text, value);
    copy = zm_str_copy(headers->pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

#define LINE 78

/* A long value has a line for each method. */
static zm_str_t folded(zm_headers_t *headers, zm_str_t value)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    apr_size_t i;
    for (i = 0; i < value.length; i++) {
        bool fold = value.length > LINE && i > 0 && value.data[i - 1] == ';' &&
                    zm_is_blank((unsigned char)value.data[i]);
        if (fold)
            zm_buf_add_c(&text, "\n\t");
        else
            zm_buf_add_byte(&text, value.data[i]);
    }
    copy = zm_str_copy(headers->pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

static const zm_str_t authentication_results = ZM_STR("Authentication-Results");

void zm_headers_drop_authentication_results(zm_headers_t *headers, const char *hostname)
{
    zm_header_t *header, *next;
    for (header = headers->first; header != NULL; header = next) {
        next = header->next;
        if (zm_str_equal_nocase(header->name, authentication_results) &&
            begins_with(header->value, hostname, headers->pool))
            zm_headers_remove(headers, header);
    }
}

void zm_headers_add_authentication_results(zm_headers_t *headers, zm_str_t text,
                                           const char *hostname)
{
    zm_headers_drop_authentication_results(headers, hostname);
    zm_headers_insert(headers, headers->first != NULL ? headers->first->next : NULL,
                      authentication_results,
                      with_blank(headers, folded(headers, zm_str_trim(text))));
}

bool zm_headers_complete_message_id(zm_headers_t *headers, bool resent, zm_str_t id)
{
    if (zm_headers_find(headers, "Message-Id") != NULL ||
        zm_headers_find(headers, "Resent-Message-Id") != NULL)
        return false;
    zm_headers_append(headers, resent ? ZM_S("Resent-Message-Id") : ZM_S("Message-Id"),
                      with_blank(headers, id));
    return true;
}

void zm_headers_kill(zm_headers_t *headers)
{
    zm_header_t *header, *next;
    for (header = headers->first; header != NULL; header = next) {
        next = header->next;
        if (header->rule->class == ZM_HEADER_KILL ||
            zm_str_equal_nocase(header->name, ZM_S("Bcc")) ||
            zm_str_equal_nocase(header->name, ZM_S("Resent-Bcc")))
            zm_headers_remove(headers, header);
    }
}

void zm_headers_complete_from(zm_headers_t *headers, bool resent, const zm_address_list_t *sender)
{
    zm_header_t *before = zm_headers_find(headers, resent ? "Resent-To" : "To");
    zm_address_list_t *list;
    if (zm_headers_find(headers, resent ? "Resent-From" : "From") != NULL)
        return;
    if (before == NULL)
        before = zm_headers_find(headers, "Subject");
    if (sender == NULL)
        list = zm_address_make(ZM_S(""), ZM_S(""), headers->pool);
    else
        list = zm_address_parse(ZM_RULE_AMAILBOX_LIST, zm_address_list_text(sender, headers->pool),
                                headers->pool);
    zm_headers_insert_list(headers, before, resent ? ZM_S("Resent-From") : ZM_S("From"), list);
}

void zm_headers_complete_to(zm_headers_t *headers, bool resent)
{
    if (zm_headers_find(headers, "To") == NULL && zm_headers_find(headers, "Resent-To") == NULL)
        zm_headers_append(headers, resent ? ZM_S("Resent-To") : ZM_S("To"),
                          ZM_S(" unlisted-recipients:; (the header named no recipients)"));
}

void zm_headers_complete_date(zm_headers_t *headers, bool resent, apr_time_t arrived)
{
    char date[64];
    if (zm_headers_find(headers, resent ? "Resent-Date" : "Date") != NULL)
        return;
    zm_clock_rfc5322(date, sizeof date, arrived, 0);
    zm_headers_append(headers, resent ? ZM_S("Resent-Date") : ZM_S("Date"),
                      with_blank(headers, zm_str(date)));
}
