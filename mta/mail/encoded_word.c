#include "mta/mail/encoded_word.h"

#include <string.h>

#include "mta/mail/address.h"

#define WORD_LIMIT 75 /* of an encoded word, RFC 2047 section 2 */
#define LINE_LIMIT 76 /* of a line that has one */
#define LEAST_ROOM 24 /* an encoded word is not begun with less room on the line */

bool zm_needs_encoding(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 127 || (byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r'))
            return true;
    }
    return false;
}

/** The length of the UTF-8 character at the start of text, 0 when there is no valid one. */
static apr_size_t character_length(zm_str_t text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    apr_size_t length, i;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (text.length < length)
        return 0;
    for (i = 1; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return length;
}

bool zm_is_utf8(zm_str_t text)
{
    while (text.length > 0) {
        apr_size_t length = character_length(text);
        if (length == 0)
            return false;
        text = zm_str_from(text, length);
    }
    return true;
}

/* -- encoded words ------------------------------------------------------------ */

typedef struct encoder_t {
    zm_buf_t *buffer;
    apr_size_t start; /* offset in buffer where the field's value begins */
    apr_size_t name;  /* columns of "Name:" before it */
    const char *charset;
    bool utf8;
} encoder_t;

/** The column where the next byte comes. */
static apr_size_t column(const encoder_t *encoder)
{
    const zm_buf_t *buffer = encoder->buffer;
    apr_size_t i = buffer->length;
    while (i > encoder->start && buffer->data[i - 1] != '\n')
        i--;
    return buffer->length - i + (i == encoder->start ? encoder->name : 0);
}

/** Letters that stand for themselves everywhere, in phrases and comments too. */
static bool is_literal(unsigned char byte)
{
    return zm_is_alpha(byte) || zm_is_digit(byte) || (byte != 0 && strchr("!*+-/", byte) != NULL);
}

static void add_encoded_byte(zm_buf_t *buffer, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    if (is_literal(byte)) {
        zm_buf_add_byte(buffer, (char)byte);
    } else if (byte == ' ') {
        zm_buf_add_byte(buffer, '_');
    } else {
        zm_buf_add_byte(buffer, '=');
        zm_buf_add_byte(buffer, digits[byte >> 4]);
        zm_buf_add_byte(buffer, digits[byte & 15]);
    }
}

static apr_size_t encoded_length(zm_str_t text)
{
    apr_size_t i, length = 0;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        length += is_literal(byte) || byte == ' ' ? 1 : 3;
    }
    return length;
}

/** Appends text as one or more encoded words, with folds between them. */
static void add_encoded(encoder_t *encoder, zm_str_t text)
{
    apr_size_t frame = strlen(encoder->charset) + 7; /* =?CHARSET?Q??= */
    apr_size_t room = LINE_LIMIT - column(encoder) % LINE_LIMIT;
    while (text.length > 0) {
        apr_size_t used = frame;
        if (room > WORD_LIMIT)
            room = WORD_LIMIT;
        zm_buf_printf(encoder->buffer, "=?%s?Q?", encoder->charset);
        while (text.length > 0) {
            apr_size_t length = encoder->utf8 ? character_length(text) : 1, i;
            if (length == 0)
                length = 1;
            used += encoded_length(zm_str_of(text.data, length));
            if (used > room && used - frame > 12)
                break;
            for (i = 0; i < length; i++)
                add_encoded_byte(encoder->buffer, (unsigned char)text.data[i]);
            text = zm_str_from(text, length);
        }
        zm_buf_add_c(encoder->buffer, "?=");
        if (text.length > 0)
            zm_buf_add_c(encoder->buffer, "\n ");
        room = WORD_LIMIT;
    }
}

static bool is_blank(char byte)
{
    return zm_is_blank(byte) || byte == '\n' || byte == '\r';
}

/** Text on one line: each fold becomes a single space. */
static zm_str_t unfold(zm_str_t text, apr_pool_t *pool)
{
    char *copy = apr_palloc(pool, text.length + 1);
    apr_size_t i = 0, length = 0;
    while (i < text.length) {
        if (text.data[i] != '\n' && text.data[i] != '\r') {
            copy[length++] = text.data[i++];
            continue;
        }
        while (i < text.length && is_blank(text.data[i]))
            i++;
        copy[length++] = ' ';
    }
    copy[length] = '\0';
    return zm_str_of(copy, length);
}

/** The blanks at the start of text. */
static zm_str_t leading_blanks(zm_str_t text)
{
    apr_size_t i = 0;
    while (i < text.length && is_blank(text.data[i]))
        i++;
    return zm_str_of(text.data, i);
}

/** The word at the start of text, up to a blank. */
static zm_str_t leading_word(zm_str_t text)
{
    apr_size_t i = 0;
    while (i < text.length && !is_blank(text.data[i]))
        i++;
    return zm_str_of(text.data, i);
}

static zm_str_t behind(zm_str_t text, zm_str_t part)
{
    return zm_str_from(text, part.length);
}

/** Free text: runs of words that need it are encoded together with the blanks between them. */
static void encode_text(encoder_t *encoder, zm_str_t text, apr_pool_t *pool)
{
    while (text.length > 0) {
        zm_str_t blanks = leading_blanks(text), word = leading_word(behind(text, blanks)), rest;
        zm_str_t run = word;
        if (!zm_needs_encoding(word)) {
            zm_buf_add_str(encoder->buffer, blanks);
            zm_buf_add_str(encoder->buffer, word);
            text = behind(behind(text, blanks), word);
            continue;
        }
        for (rest = behind(behind(text, blanks), word); rest.length > 0;) {
            zm_str_t gap = leading_blanks(rest), next = leading_word(behind(rest, gap));
            if (!zm_needs_encoding(next))
                break;
            run.length += gap.length + next.length;
            rest = behind(behind(rest, gap), next);
        }
        if (blanks.length > 0 && column(encoder) + LEAST_ROOM > LINE_LIMIT)
            blanks = ZM_S("\n ");
        zm_buf_add_str(encoder->buffer, blanks);
        add_encoded(encoder, unfold(run, pool));
        text = rest;
    }
}

/* -- structured fields -------------------------------------------------------- */

static bool is_one_of(zm_str_t name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (zm_str_equal_nocase(name, zm_str(*names)))
            return true;
    return false;
}

static bool is_address_field(zm_str_t name)
{
    static const char *const names[] = {"From", "To", "Cc", "Bcc", "Sender", "Reply-To", NULL};
    if (zm_str_starts_nocase(name, ZM_S("Resent-")))
        name = zm_str_from(name, 7);
    return is_one_of(name, names);
}

static bool is_structured_field(zm_str_t name)
{
    static const char *const names[] = {
        "Message-Id", "Resent-Message-Id", "References",   "In-Reply-To", "Received",
        "Date",       "Resent-Date",       "MIME-Version", "Return-Path", NULL};
    return is_one_of(name, names) || zm_str_starts_nocase(name, ZM_S("Content-"));
}

/** The whole inside at once: parentheses in it must stay balanced, so none is left outside. */
static void encode_comment(encoder_t *encoder, const zm_token_t *token, apr_pool_t *pool)
{
    zm_buf_add_byte(encoder->buffer, '(');
    add_encoded(encoder, unfold(zm_unescape(zm_token_inside(token), pool), pool));
    zm_buf_add_byte(encoder->buffer, ')');
}

/** Copies the text before a token that will be encoded, and folds when there is little room left.
 */
static void copy_up_to(encoder_t *encoder, zm_str_t value, apr_size_t from, apr_size_t to)
{
    zm_buf_add(encoder->buffer, value.data + from, to - from);
    if (column(encoder) + LEAST_ROOM > LINE_LIMIT)
        zm_buf_add_c(encoder->buffer, "\n ");
}

/** Words of a display name in a row that need encoding become one text, since blanks between
 * encoded words vanish. */
static const zm_token_t *encode_names(encoder_t *encoder, const zm_token_t *token,
                                      const zm_token_t *end, apr_pool_t *pool)
{
    zm_buf_t name = ZM_BUF_INIT;
    do {
        if (name.length > 0)
            zm_buf_add_byte(&name, ' ');
        zm_buf_add_str(&name, zm_unescape(zm_token_inside(token), pool));
        token++;
    } while (token < end && token->role == ZM_ROLE_PHRASE && zm_needs_encoding(token->text));
    add_encoded(encoder, unfold(zm_buf_str(&name), pool));
    zm_buf_free(&name);
    return token;
}

/** The offset behind a token in the parsed text. */
static apr_size_t end_of(const zm_token_t *token)
{
    return (apr_size_t)token->offset + token->extent;
}

/** A bad item with a bracket: all before it is a name to everybody but the grammar. */
static void encode_bad_item(encoder_t *encoder, const zm_address_list_t *list,
                            const zm_address_t *item, apr_size_t *at, apr_pool_t *pool)
{
    apr_size_t i = 0, start = item->count > 0 ? item->tokens[0].offset : 0;
    zm_str_t name;
    while (i < item->count && !zm_token_is(&item->tokens[i], '<'))
        i++;
    if (i == 0 || i == item->count)
        return;
    name = zm_str_trim(zm_str_of(list->text.data + start, item->tokens[i].offset - start));
    if (!zm_needs_encoding(name))
        return;
    copy_up_to(encoder, list->text, *at, start);
    add_encoded(encoder, unfold(name, pool));
    zm_buf_add_byte(encoder->buffer, ' ');
    *at = item->tokens[i].offset;
}

/** Appends the item's text with its names and comments encoded, from *at in the list's text on. */
static void encode_item(encoder_t *encoder, const zm_address_list_t *list, const zm_address_t *item,
                        apr_size_t *at, apr_pool_t *pool)
{
    const zm_token_t *token = item->tokens, *end = item->tokens + item->count;
    while (token < end) {
        const zm_token_t *next = token + 1;
        bool name = token->role == ZM_ROLE_PHRASE, comment = token->kind == ZM_TOKEN_COMMENT;
        if (token->offset < *at || (!name && !comment) || !zm_needs_encoding(token->text)) {
            token = next;
            continue;
        }
        copy_up_to(encoder, list->text, *at, token->offset);
        if (name)
            next = encode_names(encoder, token, end, pool);
        else
            encode_comment(encoder, token, pool);
        *at = end_of(next - 1);
        if (name && *at < list->text.length && !is_blank(list->text.data[*at]))
            zm_buf_add_byte(encoder->buffer, ' ');
        token = next;
    }
}

static void encode_addresses(encoder_t *encoder, zm_str_t value, apr_pool_t *pool)
{
    zm_address_list_t *list = zm_address_parse(ZM_RULE_ADDRESSES, value, pool);
    const zm_address_t *item;
    apr_size_t at = 0;
    for (item = list->first; item != NULL; item = item->next) {
        if (item->bad)
            encode_bad_item(encoder, list, item, &at, pool);
        encode_item(encoder, list, item, &at, pool);
    }
    zm_buf_add(encoder->buffer, value.data + at, value.length - at);
}

static void encode_comments(encoder_t *encoder, zm_str_t value, apr_pool_t *pool)
{
    zm_lexer_t lexer = zm_lexer(value, 0, pool);
    zm_token_t token;
    apr_size_t at = 0;
    while (zm_lexer_next(&lexer, &token)) {
        if (token.kind != ZM_TOKEN_COMMENT || !zm_needs_encoding(token.text))
            continue;
        copy_up_to(encoder, value, at, token.offset);
        encode_comment(encoder, &token, pool);
        at = end_of(&token);
    }
    zm_buf_add(encoder->buffer, value.data + at, value.length - at);
}

void zm_encode_header(zm_buf_t *buffer, zm_str_t name, zm_str_t value, const char *charset,
                      apr_pool_t *pool)
{
    encoder_t encoder = {buffer, buffer->length, name.length + 1, charset, false};
    if (!zm_needs_encoding(value)) {
        zm_buf_add_str(buffer, value);
        return;
    }
    encoder.utf8 = zm_is_utf8(value);
    if (encoder.utf8)
        encoder.charset = "utf-8";
    if (is_address_field(name))
        encode_addresses(&encoder, value, pool);
    else if (is_structured_field(name))
        encode_comments(&encoder, value, pool);
    else
        encode_text(&encoder, value, pool);
}
