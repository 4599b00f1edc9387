#include "mta/mail/address.h"

#include <string.h>

#include "mta/mail/address_internal.h"

zm_address_t *zm_address_good(zm_address_t *item)
{
    while (item != NULL &&
           (item->bad || item->kind == ZM_ADDRESS_GROUP || item->kind == ZM_ADDRESS_GROUP_END))
        item = item->next;
    return item;
}

/** The only token of the pure address when that is a quoted string, else null. */
static const zm_token_t *lone_string(const zm_address_t *item)
{
    const zm_token_t *found = NULL;
    apr_size_t i;
    for (i = 0; i < item->count; i++) {
        if (item->tokens[i].role != ZM_ROLE_PURE)
            continue;
        if (found != NULL || item->tokens[i].kind != ZM_TOKEN_STRING)
            return NULL;
        found = &item->tokens[i];
    }
    return found;
}

/** Whether text is exactly one closed quoted string; *inside is what it holds. */
static bool is_one_string(zm_str_t text, zm_str_t *inside, apr_pool_t *pool)
{
    zm_lexer_t lexer = zm_lexer(text, 0, pool);
    zm_token_t token;
    if (text.length < 2 || text.data[0] != '"' || !zm_lexer_next(&lexer, &token) ||
        token.extent != text.length || token.problem != NULL)
        return false;
    *inside = zm_token_inside(&token);
    return true;
}

zm_str_t zm_address_plain(const zm_address_t *item, apr_pool_t *pool)
{
    const zm_token_t *string = NULL;
    zm_str_t inside;
    if (item->replaced)
        return is_one_string(item->pure, &inside, pool) ? zm_unescape(inside, pool) : item->pure;
    if (item->pure.length > 1 && item->pure.data[0] == '"')
        string = lone_string(item);
    return string != NULL ? zm_unescape(zm_token_inside(string), pool) : item->pure;
}

static bool has_angle(const zm_address_t *item)
{
    apr_size_t i;
    for (i = 0; i < item->count; i++)
        if (item->tokens[i].role == ZM_ROLE_MARK && item->tokens[i].text.data[0] == '<')
            return true;
    return false;
}

apr_status_t zm_address_replace(zm_address_t *item, zm_str_t text, apr_pool_t *pool)
{
    zm_address_list_t *list;
    if (item->bad || item->kind != ZM_ADDRESS_MAILBOX)
        return ZM_E_SYNTAX;
    if (zm_str_equal(text, zm_address_plain(item, pool)))
        return APR_SUCCESS;
    if (text.length == 0 || zm_str_equal_c(text, "<>")) {
        if (!has_angle(item))
            return ZM_E_SYNTAX;
        item->pure = ZM_S("");
        item->replaced = true;
        return APR_SUCCESS;
    }
    list = zm_address_parse(ZM_RULE_MAILBOX, text, pool);
    if (list->bad > 0 || list->mailboxes != 1)
        return ZM_E_SYNTAX;
    item->pure = zm_str_copy(pool, list->first->pure);
    item->replaced = true;
    return APR_SUCCESS;
}

zm_address_list_t *zm_address_make(zm_str_t phrase, zm_str_t address, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    bool angle = phrase.length > 0 || address.length == 0;
    if (phrase.length > 0) {
        zm_add_phrase(&text, phrase);
        zm_buf_add_byte(&text, ' ');
    }
    if (angle)
        zm_buf_add_byte(&text, '<');
    if (address.length > 0 && zm_address_parse(ZM_RULE_ROUTE_ADDRESS, address, pool)->bad > 0)
        zm_add_quoted(&text, address);
    else
        zm_buf_add_str(&text, address);
    if (angle)
        zm_buf_add_byte(&text, '>');
    copy = zm_str_copy(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return zm_address_parse(ZM_RULE_AMAILBOX_LIST, copy, pool);
}

/* -- text --------------------------------------------------------------------- */

/** The pure address stands where its first token was, or, in a "<>" that was given one, before the
 * ">". */
static bool is_place_of_pure(const zm_pieces_t *walk, const zm_token_t *token)
{
    return !walk->pure_done && walk->item->pure.length > 0 &&
           (token->role == ZM_ROLE_PURE ||
            (token->role == ZM_ROLE_MARK && token->text.data[0] == '>'));
}

bool zm_pieces_next(zm_pieces_t *walk, zm_piece_t *piece)
{
    while (walk->next < walk->item->count) {
        const zm_token_t *token = &walk->item->tokens[walk->next];
        bool close = token->role == ZM_ROLE_MARK && token->text.data[0] != '<';
        bool pure = is_place_of_pure(walk, token);
        if (!pure || token->role == ZM_ROLE_PURE)
            walk->next++;
        if (!pure && (token->role == ZM_ROLE_NONE || token->role == ZM_ROLE_PURE))
            continue;
        piece->text = pure ? walk->item->pure : token->text;
        piece->space = walk->begun && !walk->after_open && (pure || !close);
        piece->may_fold = token->role == ZM_ROLE_COMMENT || token->role == ZM_ROLE_PHRASE;
        walk->begun = true;
        walk->pure_done |= pure;
        walk->after_open = !pure && token->role == ZM_ROLE_MARK && token->text.data[0] == '<';
        return true;
    }
    return false;
}

void zm_address_add(zm_buf_t *buffer, const zm_address_t *item)
{
    zm_pieces_t walk = {item, 0, false, false, false};
    zm_piece_t piece;
    while (zm_pieces_next(&walk, &piece)) {
        if (piece.space)
            zm_buf_add_byte(buffer, ' ');
        zm_buf_add_str(buffer, piece.text);
    }
}

zm_str_t zm_address_source(const zm_address_list_t *list, const zm_address_t *item)
{
    const zm_token_t *first = item->tokens, *last;
    if (item->count == 0)
        return zm_str_of(list->text.data + list->text.length, 0);
    last = &item->tokens[item->count - 1];
    return zm_str_of(list->text.data + first->offset, last->offset + last->extent - first->offset);
}

static void add_source(zm_buf_t *text, zm_str_t source)
{
    apr_size_t i;
    for (i = 0; i < source.length; i++)
        if (source.data[i] != '\n' && source.data[i] != '\r')
            zm_buf_add_byte(text, source.data[i]);
}

zm_str_t zm_address_list_text(const zm_address_list_t *list, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    const zm_address_t *item, *before = NULL;
    for (item = list->first; item != NULL; before = item, item = item->next) {
        if (before != NULL && before->kind == ZM_ADDRESS_GROUP &&
            item->kind != ZM_ADDRESS_GROUP_END)
            zm_buf_add_byte(&text, ' ');
        else if (before != NULL && item->kind != ZM_ADDRESS_GROUP_END)
            zm_buf_add_c(&text, ", ");
        if (item->bad)
            add_source(&text, zm_address_source(list, item));
        else
            zm_address_add(&text, item);
    }
    copy = zm_str_copy(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

zm_str_t zm_address_display_name(const zm_address_t *item, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    apr_size_t i;
    for (i = 0; i < item->count; i++) {
        if (item->tokens[i].role != ZM_ROLE_PHRASE)
            continue;
        if (text.length > 0)
            zm_buf_add_byte(&text, ' ');
        zm_buf_add_str(&text, zm_unescape(zm_token_inside(&item->tokens[i]), pool));
    }
    for (i = 0; i < item->count && text.length == 0; i++)
        if (item->tokens[i].role == ZM_ROLE_COMMENT)
            zm_buf_add_str(&text, zm_unescape(zm_token_inside(&item->tokens[i]), pool));
    copy = zm_str_copy(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

/* -- parts -------------------------------------------------------------------- */

/** The index behind a compound or a backslash pair at i, or i + 1 for any other byte. */
static apr_size_t step(zm_str_t text, apr_size_t i)
{
    char close = text.data[i] == '"' ? '"' : text.data[i] == '[' ? ']' : '\0';
    if (text.data[i] == '\\')
        return i + 2;
    if (close == '\0')
        return i + 1;
    for (i++; i < text.length && text.data[i] != close; i++)
        if (text.data[i] == '\\')
            i++;
    return i + 1;
}

void zm_address_split(zm_str_t pure, zm_str_t *local, zm_str_t *domain)
{
    apr_size_t i = 0, start = 0, at = pure.length;
    if (pure.length > 0 && pure.data[0] == '@') {
        while (i < pure.length && pure.data[i] != ':')
            i = step(pure, i);
        start = i = i < pure.length ? i + 1 : 0;
    }
    for (; i < pure.length; i = step(pure, i))
        if (pure.data[i] == '@')
            at = i;
    *local = zm_str_of(pure.data + start, at - start);
    *domain = at < pure.length ? zm_str_of(pure.data + at + 1, pure.length - at - 1) : ZM_S("");
}

const char *zm_address_problem(const zm_address_list_t *list, const zm_address_t *item,
                               apr_size_t *offset)
{
    apr_size_t i;
    zm_str_t source;
    for (i = 0; i < item->count; i++) {
        if (item->tokens[i].problem != NULL) {
            *offset = item->tokens[i].offset;
            return item->tokens[i].problem;
        }
    }
    source = zm_address_source(list, item);
    *offset = (apr_size_t)(source.data - list->text.data) + source.length;
    return item->end_problem;
}

/* -- rules by name ------------------------------------------------------------ */

static const struct {
    const char *name;
    zm_rule_t rule;
} rule_names[] = {
    /* The first name of a rule is its own; the others are older or finer distinctions. */
    {"-", ZM_RULE_NONE},
    {"Address", ZM_RULE_ADDRESS},
    {"AddressList", ZM_RULE_ADDRESS_LIST},
    {"Addresses", ZM_RULE_ADDRESSES},
    {"Mailbox", ZM_RULE_MAILBOX},
    {"MailboxList", ZM_RULE_MAILBOX_LIST},
    {"AMailboxList", ZM_RULE_AMAILBOX_LIST},
    {"RouteAddress", ZM_RULE_ROUTE_ADDRESS},
    {"MessageID", ZM_RULE_MESSAGE_ID},
    {"MessageIDList", ZM_RULE_MESSAGE_ID_LIST},
    {"DomainName", ZM_RULE_DOMAIN},
    {"AnyWord", ZM_RULE_WORD},
    {"Phrase", ZM_RULE_PHRASE},
    {"Encrypted", ZM_RULE_ENCRYPTED},
    {"Mailboxes", ZM_RULE_MAILBOX_LIST},
    {"RouteAddressInAngles", ZM_RULE_MAILBOX},
    {"UserAtDomain", ZM_RULE_ROUTE_ADDRESS},
    {"LocalPart", ZM_RULE_ROUTE_ADDRESS},
    {"SubDomain", ZM_RULE_DOMAIN},
    {"DateTime", ZM_RULE_NONE},
    {"Phrases", ZM_RULE_NONE},
    {"PhraseList", ZM_RULE_NONE},
    {"Received", ZM_RULE_NONE},
    {"References", ZM_RULE_NONE},
    {"Route", ZM_RULE_NONE},
};

zm_rule_t zm_rule_by_name(zm_str_t name)
{
    unsigned i;
    if (name.length == 0)
        return ZM_RULE_NONE;
    for (i = 0; i < sizeof rule_names / sizeof rule_names[0]; i++)
        if (zm_str_equal_nocase(name, zm_str(rule_names[i].name)))
            return rule_names[i].rule;
    return ZM_RULE_END;
}

const char *zm_rule_name(zm_rule_t rule)
{
    unsigned i;
    for (i = 0; i < sizeof rule_names / sizeof rule_names[0]; i++)
        if (rule_names[i].rule == rule)
            return rule_names[i].name;
    return "-";
}
