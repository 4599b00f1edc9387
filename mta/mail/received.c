#include "mta/mail/received.h"

#include "platform/clock.h"

#define WIDTH 78
#define LINE_LIMIT 900 /* a comment longer than this is folded at its own spaces */

typedef struct builder_t {
    zm_buf_t *buffer;
    apr_size_t column;
} builder_t;

/** A part with a space before it, or on a new line when it would pass the margin. */
static void add_part(builder_t *builder, zm_str_t part)
{
    if (builder->column > 10 && builder->column + 1 + part.length > WIDTH) {
        zm_buf_add_c(builder->buffer, "\n\t");
        builder->column = 8;
    } else {
        zm_buf_add_byte(builder->buffer, ' ');
        builder->column++;
    }
    zm_buf_add_str(builder->buffer, part);
    builder->column += part.length;
}

static void add_word(builder_t *builder, const char *word, zm_str_t value, const char *end)
{
    zm_buf_t part = ZM_BUF_INIT;
    zm_buf_printf(&part, "%s ", word);
    zm_buf_add_str(&part, value);
    zm_buf_add_c(&part, end);
    add_part(builder, zm_buf_str(&part));
    zm_buf_free(&part);
}

static void add_comment(zm_buf_t *part, zm_str_t comment)
{
    apr_size_t i, line = 0;
    for (i = 0; i < comment.length; i++, line++) {
        char byte = comment.data[i];
        if (byte == ' ' && line > LINE_LIMIT) {
            zm_buf_add_c(part, "\n\t");
            line = 0;
            continue;
        }
        zm_buf_add_byte(part, byte == '\n' || byte == '\r' || byte == '\0' ? ' ' : byte);
    }
}

static void add_peer(builder_t *builder, const zm_address_list_t *peer)
{
    zm_buf_t part = ZM_BUF_INIT;
    const zm_address_t *item = peer->first;
    apr_size_t i;
    if (!zm_str_equal_nocase(item->pure, ZM_S("STDIN"))) {
        zm_buf_add_c(&part, "from ");
        zm_buf_add_str(&part, item->pure);
    }
    for (i = 0; i < item->count; i++) {
        if (item->tokens[i].kind != ZM_TOKEN_COMMENT)
            continue;
        if (part.length > 0)
            zm_buf_add_byte(&part, ' ');
        add_comment(&part, item->tokens[i].text);
    }
    if (part.length > 0)
        add_part(builder, zm_buf_str(&part));
    zm_buf_free(&part);
}

void zm_received_add(zm_buf_t *buffer, const zm_received_t *received)
{
    builder_t builder = {buffer, sizeof "Received:" - 1};
    char date[64];
    if (received->peer != NULL && received->peer->mailboxes > 0)
        add_peer(&builder, received->peer);
    add_word(&builder, "by", zm_str(received->host), "");
    if (received->via.length > 0)
        add_word(&builder, "via", received->via, "");
    if (received->with.length > 0)
        add_word(&builder, "with", received->with, "");
    add_word(&builder, "id", received->id, ";");
    zm_clock_rfc5322(date, sizeof date, received->arrived, received->utc);
    add_part(&builder, zm_str(date));
}

/** Text for inside a comment: parentheses and backslashes cannot do harm there. */
static void add_harmless(zm_buf_t *buffer, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        char byte = text.data[i];
        if (byte == '(' || byte == ')' || byte == '\\')
            zm_buf_add_byte(buffer, '\\');
        zm_buf_add_byte(buffer, zm_is_space((unsigned char)byte) || byte == '\0' ? ' ' : byte);
    }
}

zm_address_list_t *zm_received_untrusted_peer(const char *login, int64_t uid, zm_str_t claimed,
                                              apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    zm_buf_add_c(&text, "STDIN (from localhost user: '");
    add_harmless(&text, zm_str(login));
    zm_buf_printf(&text, "'%s uid#%" APR_INT64_T_FMT, claimed.length > 0 ? "" : ",",
                  (apr_int64_t)uid);
    if (claimed.length > 0) {
        zm_buf_add_c(&text, " fake: ");
        add_harmless(&text, claimed);
    }
    zm_buf_add_byte(&text, ')');
    copy = zm_str_copy(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return zm_address_parse(ZM_RULE_DOMAIN, copy, pool);
}
