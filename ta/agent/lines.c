#include "ta/agent/lines.h"

#include <string.h>

static const char from[] = "From ";

void zm_lines_init(zm_lines_t *lines, int flags)
{
    *lines = (zm_lines_t){flags, false, false, false, 0};
}

static void add_line_end(zm_lines_t *lines, zm_buf_t *out)
{
    if (lines->flags & ZM_LINES_CRLF)
        zm_buf_add(out, "\r\n", 2);
    else
        zm_buf_add_byte(out, '\n');
    lines->in_line = false;
}

/* Adds one byte; a dot that comes first on its line, whatever was left out before it, is doubled.
 */
static void add_byte(zm_lines_t *lines, char byte, zm_buf_t *out)
{
    if (!lines->in_line && byte == '.' && (lines->flags & ZM_LINES_DOTS))
        zm_buf_add_byte(out, '.');
    zm_buf_add_byte(out, byte);
    lines->in_line = true;
}

/* Adds bytes of one line (no LF among them) that may hold CR and NUL. */
static void add_unclean(zm_lines_t *lines, const char *data, apr_size_t length, zm_buf_t *out)
{
    apr_size_t i;
    for (i = 0; i < length; i++) {
        if (data[i] == '\0')
            continue;
        if (lines->cr)
            add_byte(lines, ' ', out);
        lines->cr = data[i] == '\r';
        if (data[i] != '\r')
            add_byte(lines, data[i], out);
    }
}

static void add_text(zm_lines_t *lines, const char *data, apr_size_t length, zm_buf_t *out)
{
    if (length == 0)
        return;
    if (lines->unclean) {
        add_unclean(lines, data, length, out);
        return;
    }
    lines->in_line = true;
    zm_buf_add(out, data, length);
}

/* Whether a piece must be looked at byte by byte: almost none need it. */
static bool is_unclean(const zm_lines_t *lines, const char *data, apr_size_t length)
{
    return (lines->flags & (ZM_LINES_CRLF | ZM_LINES_RAW_CR)) == ZM_LINES_CRLF &&
           (lines->cr || memchr(data, '\r', length) != NULL || memchr(data, '\0', length) != NULL);
}

/* The start of a line: consumes what it decides about and returns how much that was. */
static apr_size_t start_line(zm_lines_t *lines, const char *data, apr_size_t length, zm_buf_t *out)
{
    apr_size_t used = 0;
    if (data[0] == '.' && lines->matched == 0 && (lines->flags & ZM_LINES_DOTS)) {
        if (!lines->unclean)
            zm_buf_add_byte(out, '.');
        return 0;
    }
    if (!(lines->flags & ZM_LINES_FROM))
        return 0;
    while (used < length && lines->matched < 5 && data[used] == from[lines->matched]) {
        used++;
        lines->matched++;
    }
    if (used == length && lines->matched < 5)
        return used; /* may still become "From " */
    if (lines->matched == 5)
        zm_buf_add_byte(out, '>');
    zm_buf_add(out, from, (apr_size_t)lines->matched);
    lines->in_line = lines->matched > 0;
    lines->matched = 0;
    return used;
}

void zm_lines_put(zm_lines_t *lines, const char *data, apr_size_t length, zm_buf_t *out)
{
    const char *end;
    if (length == 0)
        return;
    end = data + length;
    lines->unclean = is_unclean(lines, data, length);
    zm_buf_reserve(out, length + length / 32);
    while (data < end) {
        const char *line_end;
        if (!lines->in_line && !lines->cr) {
            data += start_line(lines, data, (apr_size_t)(end - data), out);
            if (data == end)
                return;
        }
        line_end = memchr(data, '\n', (apr_size_t)(end - data));
        if (line_end == NULL) {
            add_text(lines, data, (apr_size_t)(end - data), out);
            return;
        }
        add_text(lines, data, (apr_size_t)(line_end - data), out);
        lines->cr = false; /* CR LF is one line end */
        add_line_end(lines, out);
        data = line_end + 1;
    }
}

void zm_lines_end(zm_lines_t *lines, zm_buf_t *out)
{
    if (lines->matched > 0)
        add_text(lines, from, (apr_size_t)lines->matched, out);
    lines->matched = 0;
    lines->cr = false;
    if (lines->in_line)
        add_line_end(lines, out);
}
