/*
 * The grammar of addresses, by hand: one token of look-ahead, no recursion.
 *
 * The whole value is tokenised first.  A function take_X consumes an X or sets
 * a problem where it stuck and returns false; parse_item then skips to the next
 * separator.  Every token of the value ends up in exactly one item, except the
 * separators.  Tokens get their role as they are consumed.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/address.h"
#include "mta/mail/address_internal.h"

typedef struct parser_t {
    zm_address_list_t *list;
    apr_pool_t *pool;
    zm_tokens_t tokens;
    apr_size_t at; /* token that comes next */
    zm_address_t **last;
    zm_address_t *previous; /* item before the one being parsed, or null */
    unsigned errors;
    bool in_group;
    bool split;              /* the value was plain words, which are in items already */
    const char *end_problem; /* of the item being parsed */
} parser_t;

/** The next token that matters to the grammar; null at the end. */
static zm_token_t *peek(parser_t *parser)
{
    while (parser->at < parser->tokens.count) {
        zm_token_t *token = &parser->tokens.items[parser->at];
        if (token->kind == ZM_TOKEN_COMMENT)
            token->role = ZM_ROLE_COMMENT;
        else if (token->kind != ZM_TOKEN_ERROR)
            return token;
        parser->at++;
    }
    return NULL;
}

static bool peek_is(parser_t *parser, char special)
{
    const zm_token_t *token = peek(parser);
    return token != NULL && zm_token_is(token, special);
}

static void take(parser_t *parser, zm_token_role_t role)
{
    parser->tokens.items[parser->at++].role = (uint8_t)role;
}

static bool take_if(parser_t *parser, char special, zm_token_role_t role)
{
    if (!peek_is(parser, special))
        return false;
    take(parser, role);
    return true;
}

/** Notes what is wrong at the token that comes next.  Always false. */
static bool fail(parser_t *parser, const char *problem)
{
    zm_token_t *token = peek(parser);
    if (token == NULL || zm_token_is(token, ',') || zm_token_is(token, ';'))
        parser->end_problem = problem; /* a separator will not be part of the item */
    else if (token->problem == NULL)
        token->problem = problem;
    return false;
}

static bool is_phrase_word(const zm_token_t *token)
{
    return token != NULL && (token->kind == ZM_TOKEN_ATOM || token->kind == ZM_TOKEN_STRING);
}

static bool is_word(const zm_token_t *token)
{
    return is_phrase_word(token) || (token != NULL && token->kind == ZM_TOKEN_LITERAL);
}

/** What may stand between the words of a local part. */
static bool is_joint(const zm_token_t *token)
{
    if (token == NULL || token->kind != ZM_TOKEN_SPECIAL)
        return false;
    return token->text.length == 2 || memchr(".!%\\", token->text.data[0], 4) != NULL;
}

static bool take_word(parser_t *parser, const char *problem)
{
    if (!is_word(peek(parser)))
        return fail(parser, problem);
    take(parser, ZM_ROLE_PURE);
    return true;
}

/** A backslash that is a token of its own goes before an atom only: joined, it would take the quote
 * of a string. */
static bool take_backslash(parser_t *parser)
{
    const zm_token_t *token;
    if (!take_if(parser, '\\', ZM_ROLE_PURE))
        return true;
    token = peek(parser);
    return (token != NULL && token->kind == ZM_TOKEN_ATOM) || fail(parser, "expected a word");
}

static bool take_local_part(parser_t *parser)
{
    if (!take_backslash(parser) || !take_word(parser, "expected an address"))
        return false; /* "\user": no further expansion */
    while (is_joint(peek(parser))) {
        if (!peek_is(parser, '\\'))
            take(parser, ZM_ROLE_PURE);
        else if (!take_backslash(parser))
            return false;
        if (!take_word(parser, "expected a word"))
            return false;
    }
    return true;
}

static bool take_domain(parser_t *parser)
{
    for (;;) {
        const zm_token_t *token = peek(parser);
        if (token == NULL || (token->kind != ZM_TOKEN_ATOM && token->kind != ZM_TOKEN_LITERAL))
            return fail(parser, "expected a domain");
        take(parser, ZM_ROLE_PURE);
        if (!take_if(parser, '.', ZM_ROLE_PURE))
            return true;
    }
}

static bool take_route(parser_t *parser)
{
    while (take_if(parser, '@', ZM_ROLE_PURE)) {
        if (!take_domain(parser))
            return false;
        if (take_if(parser, ':', ZM_ROLE_PURE))
            return true;
        if (!take_if(parser, ',', ZM_ROLE_PURE))
            return fail(parser, "expected : after the source route");
    }
    return fail(parser, "expected @ in the source route");
}

static bool take_route_address(parser_t *parser)
{
    if (peek_is(parser, '@') && !take_route(parser))
        return false;
    if (!take_local_part(parser))
        return false;
    return !take_if(parser, '@', ZM_ROLE_PURE) || take_domain(parser);
}

/** "<" ... ">" */
static bool take_angle(parser_t *parser)
{
    take(parser, ZM_ROLE_MARK);
    if (peek_is(parser, '>')) {
        if (parser->list->rule != ZM_RULE_AMAILBOX_LIST)
            return fail(parser, "expected an address");
        take(parser, ZM_ROLE_MARK);
        return true;
    }
    if (!take_route_address(parser))
        return false;
    return take_if(parser, '>', ZM_ROLE_MARK) || fail(parser, "expected >");
}

static bool groups_allowed(const parser_t *parser)
{
    zm_rule_t rule = parser->list->rule;
    return !parser->in_group && (rule == ZM_RULE_ADDRESS || rule == ZM_RULE_ADDRESS_LIST ||
                                 rule == ZM_RULE_ADDRESSES || rule == ZM_RULE_LIST_LINE);
}

static zm_str_t join_pure(const parser_t *parser, const zm_address_t *item)
{
    const zm_token_t *first = NULL, *before = NULL;
    apr_size_t i, length = 0;
    bool contiguous = true;
    char *copy;
    for (i = 0; i < item->count; i++) {
        const zm_token_t *token = &item->tokens[i];
        if (token->role != ZM_ROLE_PURE)
            continue;
        if (first == NULL)
            first = token;
        else
            contiguous &= before->text.data + before->text.length == token->text.data;
        before = token;
        length += token->text.length;
    }
    if (first == NULL)
        return ZM_S("");
    if (contiguous)
        return zm_str_of(first->text.data, length);
    copy = apr_palloc(parser->pool, length + 1);
    for (i = length = 0; i < item->count; i++) {
        const zm_token_t *token = &item->tokens[i];
        if (token->role != ZM_ROLE_PURE)
            continue;
        memcpy(copy + length, token->text.data, token->text.length);
        length += token->text.length;
    }
    copy[length] = '\0';
    return zm_str_of(copy, length);
}

/** Makes an item of the tokens from start up to the next one to be read. */
static zm_address_t *add_item(parser_t *parser, zm_address_kind_t kind, apr_size_t start)
{
    zm_address_t *item = apr_pcalloc(parser->pool, sizeof *item);
    apr_size_t i;
    item->kind = kind;
    item->tokens = parser->tokens.items + start;
    item->count = parser->at - start;
    item->end_problem = parser->end_problem;
    parser->end_problem = NULL;
    item->bad = item->end_problem != NULL;
    for (i = 0; i < item->count; i++)
        item->bad |= item->tokens[i].problem != NULL;
    item->pure = item->bad ? ZM_S("") : join_pure(parser, item);
    if (item->bad)
        parser->list->bad++;
    else if (kind == ZM_ADDRESS_MAILBOX || kind == ZM_ADDRESS_VALUE)
        parser->list->mailboxes++;
    *parser->last = item;
    parser->last = &item->next;
    parser->previous = item;
    return item;
}

/** "bob jane": from start on there are words only, up to the end. */
static void add_plain_words(parser_t *parser, apr_size_t start)
{
    parser->at = start;
    while (peek(parser) != NULL) {
        take(parser, ZM_ROLE_PURE);
        peek(parser); /* comments behind a word are its own */
        add_item(parser, ZM_ADDRESS_MAILBOX, start);
        start = parser->at;
    }
}

/** Takes words, and encoded words with specials inside, as a display name; returns how many. */
static apr_size_t take_name(parser_t *parser, bool *plain)
{
    apr_size_t words = 0;
    *plain = true;
    while (is_phrase_word(peek(parser))) {
        const zm_token_t *token = &parser->tokens.items[parser->at];
        apr_size_t i,
            span = zm_encoded_span(parser->list->text, token, parser->tokens.count - parser->at);
        for (i = 0; i < span; i++)
            take(parser, ZM_ROLE_PHRASE);
        *plain &= span == 1;
        words++;
    }
    return words;
}

/** What take_name took is a name indeed: each encoded word becomes one token. */
static void merge_name(parser_t *parser, apr_size_t first)
{
    while (first < parser->at) {
        zm_token_t *token = &parser->tokens.items[first];
        apr_size_t span = zm_encoded_span(parser->list->text, token, parser->at - first);
        if (span > 1)
            zm_encoded_merge(parser->list->text, token, span);
        first += span;
    }
}

/** An item that begins with a word, up to but not including the separator. */
static bool take_words(parser_t *parser, apr_size_t start, zm_address_kind_t *kind)
{
    apr_size_t first = parser->at;
    bool plain;
    apr_size_t words = take_name(parser, &plain);
    bool is_group = words > 0 && groups_allowed(parser) && peek_is(parser, ':');
    if (is_group || (words > 0 && peek_is(parser, '<'))) {
        merge_name(parser, first);
        if (!is_group)
            return take_angle(parser);
        take(parser, ZM_ROLE_MARK);
        *kind = ZM_ADDRESS_GROUP;
        return true;
    }
    if (words > 1 && plain && peek(parser) == NULL && parser->list->first == NULL &&
        groups_allowed(parser)) {
        add_plain_words(parser, start);
        parser->split = true;
        return true;
    }
    if (words > 1)
        return fail(parser, "expected < after the words");
    parser->at = first;
    return take_route_address(parser);
}

/** Joins the words of a phrase with single spaces. */
static zm_str_t join_words(parser_t *parser, const zm_address_t *item)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t joined;
    apr_size_t i;
    for (i = 0; i < item->count; i++) {
        if (item->tokens[i].role != ZM_ROLE_PURE)
            continue;
        if (text.length > 0)
            zm_buf_add_byte(&text, ' ');
        zm_buf_add_str(&text, item->tokens[i].text);
    }
    joined = zm_str_copy(parser->pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return joined;
}

static bool take_some_words(parser_t *parser, apr_size_t most)
{
    apr_size_t count = 0;
    while (count < most && is_phrase_word(peek(parser))) {
        take(parser, ZM_ROLE_PURE);
        count++;
    }
    return count > 0 || fail(parser, "expected a word");
}

static bool take_message_id(parser_t *parser)
{
    if (!take_if(parser, '<', ZM_ROLE_PURE))
        return fail(parser, "expected <");
    if (!take_local_part(parser) || (take_if(parser, '@', ZM_ROLE_PURE) && !take_domain(parser)))
        return false;
    return take_if(parser, '>', ZM_ROLE_PURE) || fail(parser, "expected >");
}

/** What one item may be under each rule.  *kind is what it was. */
static bool take_item(parser_t *parser, apr_size_t start, zm_address_kind_t *kind)
{
    *kind = ZM_ADDRESS_VALUE;
    switch (parser->list->rule) {
    case ZM_RULE_MESSAGE_ID:
    case ZM_RULE_MESSAGE_ID_LIST:
        return take_message_id(parser);
    case ZM_RULE_DOMAIN:
        return take_domain(parser);
    case ZM_RULE_WORD:
        return take_some_words(parser, 1);
    case ZM_RULE_ENCRYPTED:
        return take_some_words(parser, 2);
    case ZM_RULE_PHRASE:
        return take_some_words(parser, (apr_size_t)-1);
    case ZM_RULE_ROUTE_ADDRESS:
        *kind = ZM_ADDRESS_MAILBOX;
        return take_route_address(parser);
    default:
        *kind = ZM_ADDRESS_MAILBOX;
        return peek_is(parser, '<') ? take_angle(parser) : take_words(parser, start, kind);
    }
}

static bool is_list(zm_rule_t rule)
{
    return rule == ZM_RULE_ADDRESS_LIST || rule == ZM_RULE_ADDRESSES ||
           rule == ZM_RULE_MAILBOX_LIST || rule == ZM_RULE_AMAILBOX_LIST ||
           rule == ZM_RULE_LIST_LINE || rule == ZM_RULE_MESSAGE_ID_LIST;
}

/** Whether the next token ends the item: the end, a comma of a list, the ";" of a group. */
static bool at_separator(parser_t *parser)
{
    zm_rule_t rule = parser->list->rule;
    const zm_token_t *token = peek(parser);
    if (token == NULL)
        return true;
    return (zm_token_is(token, ',') && (is_list(rule) || parser->in_group)) ||
           (zm_token_is(token, ';') && parser->in_group);
}

static void skip_to_separator(parser_t *parser)
{
    zm_token_t *token;
    if (++parser->errors >= ZM_ADDRESS_ERRORS) {
        parser->at = parser->tokens.count;
        return;
    }
    while ((token = peek(parser)) != NULL && !zm_token_is(token, ',') && !zm_token_is(token, ';'))
        parser->at++;
}

/** Comments of an empty element go to the item before, over the separators between. */
static void give_comments_back(parser_t *parser, apr_size_t start)
{
    zm_address_t *to = parser->previous;
    apr_size_t i, count = parser->at - start;
    if (count == 0 || to == NULL)
        return;
    memmove(to->tokens + to->count, &parser->tokens.items[start], count * sizeof *to->tokens);
    for (i = to->count, to->count += count; i < to->count && !to->bad; i++) {
        if (to->tokens[i].problem == NULL)
            continue;
        to->bad = true;
        to->pure = ZM_S("");
        parser->list->bad++;
        if (to->kind == ZM_ADDRESS_MAILBOX || to->kind == ZM_ADDRESS_VALUE)
            parser->list->mailboxes--;
    }
}

/** Goes on to the next separator, but at least one token further than start. */
static void recover(parser_t *parser, apr_size_t start)
{
    const zm_token_t *stuck = peek(parser);
    bool at_start = parser->at == start && stuck != NULL;
    if (at_start)
        parser->at++;
    if (!at_start || !zm_token_is(stuck, ';'))
        skip_to_separator(parser);
}

static void parse_group_end(parser_t *parser)
{
    apr_size_t start = parser->at;
    peek(parser);
    take(parser, ZM_ROLE_MARK);
    parser->in_group = false;
    if (!at_separator(parser)) {
        fail(parser, "expected a comma after the group");
        recover(parser, start);
    }
    add_item(parser, ZM_ADDRESS_GROUP_END, start);
}

static void parse_item(parser_t *parser)
{
    apr_size_t start = parser->at;
    zm_address_kind_t kind;
    bool good = take_item(parser, start, &kind);
    if (parser->split)
        return;
    if (good && kind == ZM_ADDRESS_GROUP) {
        parser->in_group = true;
        add_item(parser, kind, start);
        return;
    }
    if (good && !at_separator(parser))
        good = fail(parser, is_list(parser->list->rule) ? "expected a comma" : "expected the end");
    if (!good)
        recover(parser, start);
    add_item(parser, kind, start);
    if (parser->list->rule == ZM_RULE_PHRASE || parser->list->rule == ZM_RULE_ENCRYPTED)
        parser->previous->pure = join_words(parser, parser->previous);
}

/** Steps over a comma, and over a ";" that a bad item left. */
static void skip_separator(parser_t *parser)
{
    if (peek_is(parser, ',') || (peek_is(parser, ';') && !parser->in_group))
        parser->at++;
}

/** Whether the tokens at the cursor are the start of what lists may write without quotes. */
static bool at_raw_element(const parser_t *parser)
{
    const zm_token_t *token = &parser->tokens.items[parser->at];
    if (token->kind == ZM_TOKEN_ATOM)
        return token->text.data[0] == '|' || token->text.data[0] == '/';
    return parser->at + 2 < parser->tokens.count && zm_token_is(token, ':') &&
           zm_str_equal_nocase(token[1].text, ZM_S("include")) && zm_token_is(&token[2], ':');
}

/** Up to the next separator, as it stands. */
static void parse_raw_element(parser_t *parser)
{
    apr_size_t start = parser->at;
    const zm_token_t *first = &parser->tokens.items[start], *last;
    zm_address_t *item;
    while (parser->at < parser->tokens.count) {
        zm_token_t *token = &parser->tokens.items[parser->at];
        if (zm_token_is(token, ',') || (parser->in_group && zm_token_is(token, ';')))
            break;
        token->problem = NULL;
        take(parser, ZM_ROLE_PURE);
    }
    last = &parser->tokens.items[parser->at - 1];
    item = add_item(parser, ZM_ADDRESS_MAILBOX, start);
    item->pure = zm_str_of(parser->list->text.data + first->offset,
                           last->offset + last->extent - first->offset);
    skip_separator(parser);
}

static void parse_element(parser_t *parser)
{
    apr_size_t start = parser->at;
    bool first = parser->list->first == NULL;
    const zm_token_t *token = peek(parser);
    if (token == NULL ||
        (zm_token_is(token, ',') && (first || parser->in_group || is_list(parser->list->rule)))) {
        give_comments_back(parser, start);
        parser->at += token != NULL ? 1 : 0;
        return;
    }
    if (parser->in_group && zm_token_is(token, ';')) {
        give_comments_back(parser, start);
        parse_group_end(parser);
        skip_separator(parser);
        return;
    }
    if (parser->list->rule == ZM_RULE_LIST_LINE && at_raw_element(parser)) {
        parse_raw_element(parser);
        return;
    }
    if (parser->list->rule == ZM_RULE_LIST_LINE && zm_token_is(token, '\\'))
        parser->at++; /* of no meaning there */
    else
        parser->at = start; /* comments in front belong to what follows */
    parse_item(parser);
    if (parser->previous->kind != ZM_ADDRESS_GROUP)
        skip_separator(parser);
}

/** Whether some token is wrong by itself, such as a comment without end. */
static bool has_problem(const parser_t *parser)
{
    apr_size_t i;
    for (i = 0; i < parser->tokens.count; i++)
        if (parser->tokens.items[i].problem != NULL)
            return true;
    return false;
}

static void parse_elements(parser_t *parser)
{
    zm_rule_t rule = parser->list->rule;
    while (parser->at < parser->tokens.count)
        parse_element(parser);
    if (parser->in_group) {
        parser->end_problem = "expected ; at the end of the group";
        add_item(parser, ZM_ADDRESS_GROUP_END, parser->at);
    } else if (parser->list->first == NULL &&
               ((rule != ZM_RULE_ADDRESSES && rule != ZM_RULE_LIST_LINE) || has_problem(parser))) {
        parser->end_problem =
            rule >= ZM_RULE_MESSAGE_ID ? "expected a value" : "expected an address";
        add_item(parser, ZM_ADDRESS_MAILBOX, 0);
    }
}

zm_address_list_t *zm_address_parse(zm_rule_t rule, zm_str_t text, apr_pool_t *pool)
{
    parser_t parser = {0};
    parser.list = apr_pcalloc(pool, sizeof *parser.list);
    parser.list->rule = rule;
    parser.list->text = text;
    parser.last = &parser.list->first;
    parser.pool = pool;
    parser.tokens = zm_tokenise(text, 0, pool);
    parse_elements(&parser);
    return parser.list;
}
