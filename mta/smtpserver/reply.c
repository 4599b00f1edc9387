#include <stdarg.h>
#include <string.h>

#include "mta/smtpserver/count.h"
#include "platform/log.h"

#define LINE_LIMIT 510 /* without the CRLF (RFC 5321 4.5.3.1.5) */
#define CARET_LIMIT 200

/* -- lines --------------------------------------------------------------------------- */

static void put(session_t *session, const zm_buf_t *line)
{
    session_log(session, 'w', zm_str_of(line->data, line->length - 2));
    if (session->held_back)
        zm_buf_add(&session->held, line->data, line->length);
    else if (session->stream != NULL)
        zm_stream_write(session->stream, line->data, line->length);
}

/* Where to cut text so that at most room bytes come before: after a blank, if one is near. */
static apr_size_t cut(zm_str_t text, apr_size_t room)
{
    apr_size_t at;
    if (text.length <= room)
        return text.length;
    for (at = room; at > room / 2; at--)
        if (text.data[at - 1] == ' ')
            return at;
    return room;
}

static void clean(zm_buf_t *line, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        zm_buf_add_byte(line, byte < ' ' || byte > '~' ? '?' : (char)byte);
    }
}

/* One reply line, or several when the text is too long for one. */
static void emit(session_t *session, int code, const char *enhanced, bool last, zm_str_t text)
{
    zm_buf_t *line = &session->server->line;
    apr_size_t length;
    bool folded;
    do {
        zm_buf_clear(line);
        zm_buf_printf(line, "%03d ", code);
        if (enhanced != NULL && session->group->enhanced)
            zm_buf_printf(line, "%s ", enhanced);
        length = cut(text, LINE_LIMIT - line->length);
        folded = length < text.length && session->group->multiline;
        line->data[3] = folded || !last ? '-' : ' ';
        clean(line, zm_str_of(text.data, length));
        zm_buf_add(line, "\r\n", 2);
        put(session, line);
        text = zm_str_from(text, length);
    } while (folded);
}

static void emit_format(session_t *session, int code, const char *enhanced, bool last,
                        const char *format, va_list arguments)
{
    zm_buf_t *text = &session->server->text;
    zm_buf_clear(text);
    zm_buf_vprintf(text, format, arguments);
    emit(session, code, enhanced, last, zm_buf_str(text));
}

void reply(session_t *session, int code, const char *enhanced, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emit_format(session, code, enhanced, true, format, arguments);
    va_end(arguments);
    for (; session->copies > 1; session->copies--)
        emit(session, code, enhanced, true, zm_buf_str(&session->server->text));
    session->copies = 0;
    if (!session->group->pipelining && session->stream != NULL && !session->held_back)
        zm_stream_flush(session->stream); /* nobody was told that replies may come together */
    count_reply(session, code);
}

void reply_more(session_t *session, int code, const char *enhanced, const char *format, ...)
{
    va_list arguments;
    if (!session->group->multiline)
        return;
    va_start(arguments, format);
    emit_format(session, code, enhanced, false, format, arguments);
    va_end(arguments);
}

void reply_list(session_t *session, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emit_format(session, code, NULL, false, format, arguments);
    va_end(arguments);
}

void reply_part(session_t *session, int code, const char *enhanced, zm_str_t text)
{
    emit(session, code, enhanced, false, text);
}

/* -- kinds ----------------------------------------------------------------------------- */

/* The caret stands under the byte of the command line, which began in the first column. */
static void caret(session_t *session, int code, const char *enhanced, apr_size_t column)
{
    apr_size_t prefix = 4;
    if (enhanced != NULL && session->group->enhanced)
        prefix += strlen(enhanced) + 1;
    column = column > prefix ? column - prefix : 0;
    if (column > CARET_LIMIT)
        column = CARET_LIMIT;
    reply_more(session, code, enhanced, "%*s^", (int)column, "");
}

void reply_syntax(session_t *session, int code, const char *enhanced, apr_size_t column,
                  const char *reason, zm_str_t input)
{
    if (!session->group->multiline) {
        reply(session, code, enhanced, "%s %s; the input was: %.*s", session->client_text, reason,
              (int)input.length, input.data);
        return;
    }
    caret(session, code, enhanced, column);
    reply_more(session, code, enhanced, "%s", reason);
    reply(session, code, enhanced, "Hi %s, that was for input: %.*s", session->client_text,
          (int)input.length, input.data);
}

void reply_contact(session_t *session, int code, const char *enhanced)
{
    reply_more(session, code, enhanced, "%s", session->group->contact);
}

static bool is_no_space(apr_status_t status)
{
    return APR_STATUS_IS_ENOSPC(status) || status == ZM_E_LIMIT;
}

void reply_spool_failure(session_t *session, apr_status_t status)
{
    zm_log(ZM_LOG_ERROR, NULL, "message cannot be stored", ZM_F_S("session", session->tag),
           ZM_F_S("client", session->client_text), ZM_F_E("reason", status));
    if (is_no_space(status))
        reply(session, 452, "4.3.1", "no space for the message now; try again later");
    else
        reply(session, 451, "4.3.0", "the message cannot be stored now; try again later");
}
