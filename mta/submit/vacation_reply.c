#include "mta/submit/vacation_reply.h"

#include <string.h>

#include "mta/mail/encoded_word.h"

#define PLACE "$SUBJECT"
#define LONGEST_SUBJECT 500
#define LONGEST_REFERENCES 2000

/* A run of printing ASCII that a colon ends. */
static bool is_field(zm_str_t line)
{
    apr_size_t i;
    for (i = 0; i < line.length && line.data[i] > ' ' && line.data[i] < 127; i++)
        if (line.data[i] == ':')
            return i > 0;
    return false;
}

/* What this program says itself, and what must not be said twice. */
static bool is_ours(zm_str_t line)
{
    static const char *const names[] = {
        "From:",       "To:",          "Cc:",         "Bcc:",           "Sender:",
        "Precedence:", "In-Reply-To:", "References:", "Auto-Submitted:"};
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_str_starts_nocase(line, zm_str(names[i])))
            return true;
    return zm_str_starts_nocase(line, ZM_S("Resent-"));
}

static apr_ssize_t find_place(zm_str_t line)
{
    apr_size_t i, length = sizeof PLACE - 1;
    for (i = 0; i + length <= line.length; i++)
        if (memcmp(line.data + i, PLACE, length) == 0)
            return (apr_ssize_t)i;
    return -1;
}

static void add_with_subject(zm_buf_t *out, zm_str_t line, zm_str_t subject)
{
    apr_ssize_t at = find_place(line);
    if (at < 0) {
        zm_buf_add_str(out, line);
        return;
    }
    zm_buf_add(out, line.data, (apr_size_t)at);
    zm_buf_add_str(out, subject);
    zm_buf_add_str(out, zm_str_from(line, (apr_size_t)at + sizeof PLACE - 1));
}

/* A field of the message file, on a line of its own: what is not ASCII is encoded. */
static void add_field(zm_buf_t *out, zm_str_t line, zm_str_t subject, apr_pool_t *pool)
{
    zm_buf_t whole = ZM_BUF_INIT;
    zm_str_t name, value;
    add_with_subject(&whole, line, subject);
    if (zm_str_cut(zm_buf_str(&whole), ':', &name, &value)) {
        zm_buf_add_str(out, name);
        zm_buf_add_byte(out, ':');
        zm_encode_header(out, name, value, "unknown-8bit", pool);
    } else {
        zm_buf_add_str(out, zm_buf_str(&whole));
    }
    zm_buf_add_byte(out, '\n');
    zm_buf_free(&whole);
}

/* The header of the message file; *rest is what follows it. */
static void add_own_header(zm_buf_t *out, zm_str_t *rest, zm_str_t subject, apr_pool_t *pool)
{
    bool left_out = false, any_subject = false, more = true;
    zm_str_t line, after;
    while (more && rest->length > 0) {
        more = zm_str_cut(*rest, '\n', &line, &after);
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        if (line.length == 0) {
            *rest = after;
            break;
        }
        if (!zm_is_blank((unsigned char)line.data[0]) && !is_field(line))
            break; /* a text without a header, or with a forgotten empty line */
        if (!zm_is_blank((unsigned char)line.data[0]))
            left_out = is_ours(line);
        any_subject |= zm_str_starts_nocase(line, ZM_S("Subject:"));
        if (!left_out && zm_is_blank((unsigned char)line.data[0])) {
            add_with_subject(out, line, subject);
            zm_buf_add_byte(out, '\n');
        } else if (!left_out) {
            add_field(out, line, subject, pool);
        }
        *rest = after;
    }
    if (!any_subject)
        zm_buf_add_c(out, "Subject: Away from my mail\n");
}

static void add_text(zm_buf_t *out, zm_str_t text, zm_str_t subject)
{
    zm_str_t rest = text, line;
    bool more = text.length > 0;
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        if (!more && line.length == 0)
            break;
        add_with_subject(out, line, subject);
        zm_buf_add_byte(out, '\n');
    }
}

/* The id of what is answered, and those that it refers to (RFC 5322, 3.6.4). */
static void add_references(zm_buf_t *out, const zm_headers_t *answered, apr_pool_t *pool)
{
    const zm_header_t *id = zm_headers_find(answered, "Message-Id");
    const zm_header_t *before = zm_headers_find(answered, "References");
    zm_str_t text, earlier = ZM_S("");
    if (id == NULL || (text = zm_str_trim(zm_header_line(id, pool))).length == 0 ||
        text.length > LONGEST_REFERENCES || zm_needs_encoding(text))
        return;
    zm_buf_printf(out, "In-Reply-To: %.*s\n", (int)text.length, text.data);
    if (before == NULL)
        before = zm_headers_find(answered, "In-Reply-To");
    if (before != NULL)
        earlier = zm_str_trim(zm_header_line(before, pool));
    if (earlier.length > LONGEST_REFERENCES || zm_needs_encoding(earlier))
        earlier = ZM_S("");
    zm_buf_printf(out, "References: %.*s%s%.*s\n", (int)earlier.length, earlier.data,
                  earlier.length > 0 ? "\n " : "", (int)text.length, text.data);
}

static zm_str_t subject_of(const zm_headers_t *answered, apr_pool_t *pool)
{
    const zm_header_t *field = zm_headers_find(answered, "Subject");
    zm_str_t subject = field != NULL ? zm_str_trim(zm_header_line(field, pool)) : ZM_S("");
    if (subject.length > LONGEST_SUBJECT) {
        subject.length = LONGEST_SUBJECT;
        while (subject.length > 0 && ((unsigned char)subject.data[subject.length] & 0xc0) == 0x80)
            subject.length--; /* not in the middle of a character */
    }
    return subject;
}

void vacation_reply(zm_buf_t *out, const vacation_reply_t *reply, apr_pool_t *pool)
{
    zm_str_t subject = subject_of(reply->answered, pool), rest = reply->text;
    if (reply->sender[0] == '\0')
        zm_buf_add_c(out, "channel error\n");
    else
        zm_buf_printf(out, "from %s\n", reply->sender);
    zm_buf_printf(out, "to %s\nenv-end\nFrom: %s\nTo: %s\n", reply->to, reply->me, reply->to);
    zm_buf_add_c(out, "Auto-Submitted: auto-replied\nPrecedence: junk\n");
    add_references(out, reply->answered, pool);
    add_own_header(out, &rest, subject, pool);
    zm_buf_add_byte(out, '\n');
    add_text(out, rest, subject);
}
