#include "ta/smtp/reply.h"

#include <string.h>

void zm_reply_clear(zm_reply_t *reply)
{
    reply->code = 0;
    reply->lines = 0;
    zm_buf_clear(&reply->text);
    zm_buf_clear(&reply->last);
}

void zm_reply_free(zm_reply_t *reply)
{
    zm_buf_free(&reply->text);
    zm_buf_free(&reply->last);
}

/* The code of a line "ddd", "ddd text" or "ddd-text"; 0 when it has none. */
static int code_of(zm_str_t line)
{
    if (line.length < 3 || !zm_is_digit(line.data[0]) || !zm_is_digit(line.data[1]) ||
        !zm_is_digit(line.data[2]))
        return 0;
    return (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0');
}

static void add_clean(zm_buf_t *out, zm_str_t text)
{
    apr_size_t start = out->length;
    zm_buf_add_str(out, text);
    for (; start < out->length; start++)
        if ((unsigned char)out->data[start] < ' ' || out->data[start] == 127)
            out->data[start] = ' ';
}

apr_status_t zm_reply_line(zm_reply_t *reply, zm_str_t line)
{
    int code = code_of(line);
    if (++reply->lines > ZM_REPLY_LINES)
        return ZM_E_LIMIT;
    if (reply->text.length + line.length <= ZM_REPLY_TEXT) {
        zm_buf_add_c(&reply->text, "\r->> ");
        add_clean(&reply->text, line);
    }
    if (code == 0 || (line.length > 3 && line.data[3] != ' '))
        return APR_EAGAIN;
    reply->code = code;
    if (line.length > 4)
        add_clean(&reply->last,
                  zm_str_of(line.data + 4,
                            line.length - 4 < ZM_REPLY_TEXT ? line.length - 4 : ZM_REPLY_TEXT));
    return APR_SUCCESS;
}

typedef struct row_t {
    int code;
    zm_result_t result;
    const char *status;
} row_t;

static const row_t rows[] = {
    {455, ZM_RESULT_TEMPFAIL, "4.5.4"},    {500, ZM_RESULT_PROTOCOL, "5.5.1"},
    {501, ZM_RESULT_USAGE, "5.5.2"},       {502, ZM_RESULT_PROTOCOL, "5.5.1"},
    {503, ZM_RESULT_TEMPFAIL, "4.5.0"},    {504, ZM_RESULT_PROTOCOL, "5.5.4"},
    {550, ZM_RESULT_NOUSER, "5.1.1"},      {551, ZM_RESULT_NOUSER, "5.1.6"},
    {552, ZM_RESULT_UNAVAILABLE, "5.2.3"}, {553, ZM_RESULT_NOUSER, "5.1.3"},
    {554, ZM_RESULT_NOUSER, "5.1.1"},      {555, ZM_RESULT_USAGE, "5.5.4"},
    {571, ZM_RESULT_NOUSER, "5.7.1"},
};

static row_t row_of(int code)
{
    apr_size_t i;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i];
    if (code >= 200 && code < 400)
        return (row_t){code, ZM_RESULT_OK, "2.0.0"};
    if (code >= 400 && code < 500)
        return (row_t){code, ZM_RESULT_TEMPFAIL, "4.0.0"};
    if (code >= 500 && code < 600)
        return (row_t){code, ZM_RESULT_UNAVAILABLE, "5.0.0"};
    return (row_t){code, ZM_RESULT_TEMPFAIL, "4.5.0"};
}

/* Length of "d.d.d" (subject and detail up to three digits) at the start of text; 0: there is none.
 */
static apr_size_t enhanced_length(zm_str_t text)
{
    apr_size_t at = 0;
    int part, digits;
    for (part = 0; part < 3; part++) {
        for (digits = 0; at < text.length && zm_is_digit(text.data[at]); at++)
            digits++;
        if (digits < 1 || digits > (part == 0 ? 1 : 3))
            return 0;
        if (part < 2 && (at == text.length || text.data[at++] != '.'))
            return 0;
    }
    return at == text.length || text.data[at] == ' ' ? at : 0;
}

zm_meaning_t zm_reply_meaning(const zm_reply_t *reply, zm_reply_to_t to, bool enhanced)
{
    /* A recipient too many is to be tried again in the next transaction. */
    row_t row = row_of(to == ZM_REPLY_TO_RCPT && reply->code == 552 ? 452 : reply->code);
    zm_meaning_t meaning = {row.result, ""};
    zm_str_t text = zm_buf_str(&reply->last);
    apr_size_t length = enhanced ? enhanced_length(text) : 0;
    memcpy(meaning.status, row.status, strlen(row.status) + 1);
    if (length > 0 && length < sizeof meaning.status && text.data[0] == row.status[0]) {
        memcpy(meaning.status, text.data, length);
        meaning.status[length] = '\0';
    }
    return meaning;
}

void zm_reply_diagnostic(const zm_reply_t *reply, zm_buf_t *out)
{
    apr_size_t start;
    zm_buf_printf(out, "smtp; %03d (", reply->code);
    start = out->length;
    zm_buf_add_str(out, zm_buf_str(&reply->last));
    for (; start < out->length; start++) {
        if (out->data[start] == '(')
            out->data[start] = '[';
        else if (out->data[start] == ')')
            out->data[start] = ']';
    }
    zm_buf_add_byte(out, ')');
}
