/*
 *     FIRST --"From " seen--> MBOX --LF--> LINES --empty line--> done
 *        \------- other ------------------->
 *
 * In FIRST up to six bytes are held back, until it is clear whether the line is kept.
 */
#include "mta/smtpserver/header_scan.h"

#include <string.h>

enum { FIRST, MBOX, LINES };

void header_scan_init(header_scan_t *scan)
{
    memset(scan, 0, sizeof *scan);
    scan->state = FIRST;
}

static bool is_blank_line(zm_str_t line)
{
    return zm_str_trim(line).length == 0;
}

static int priority_of(zm_str_t value)
{
    value = zm_str_trim(value);
    if (zm_str_equal_nocase(value, ZM_S("bulk")))
        return 1;
    return zm_str_equal_nocase(value, ZM_S("junk")) ? 9 : 0;
}

/* A whole line has been seen; its first bytes are in start. */
static void end_line(header_scan_t *scan)
{
    static const zm_str_t precedence = ZM_STR("Precedence:");
    zm_str_t start = zm_str_of(scan->start, scan->start_length);
    if (scan->line_length <= sizeof scan->start && is_blank_line(start))
        scan->done = true;
    else if (zm_str_starts_nocase(start, ZM_S("Received:")))
        scan->received++;
    else if (zm_str_starts_nocase(start, precedence))
        scan->priority = priority_of(zm_str_from(start, precedence.length));
    scan->start_length = scan->line_length = 0;
}

static void see(header_scan_t *scan, const char *data, apr_size_t length)
{
    apr_size_t room = sizeof scan->start - scan->start_length;
    apr_size_t kept = length < room ? length : room;
    memcpy(scan->start + scan->start_length, data, kept);
    scan->start_length += kept;
    scan->line_length += length;
    scan->too_long |= scan->line_length > HEADER_SCAN_LINE;
}

static void look(header_scan_t *scan, zm_str_t text)
{
    apr_size_t at = 0;
    while (at < text.length && !scan->done) {
        const char *end = memchr(text.data + at, '\n', text.length - at);
        apr_size_t length = end != NULL ? (apr_size_t)(end - text.data) - at : text.length - at;
        see(scan, text.data + at, length);
        at += length;
        if (end != NULL) {
            end_line(scan);
            at++;
        }
    }
}

/* Whether the first line, of which these are the first bytes, is an mbox line: 1 yes, 0 no, -1 not
 * clear yet. */
static int is_mbox(zm_str_t start)
{
    static const zm_str_t mark = ZM_STR("From ");
    zm_str_t common;
    if (start.length > 0 && start.data[0] == '>')
        start = zm_str_from(start, 1);
    if (start.length >= mark.length)
        return zm_str_starts(start, mark);
    common = zm_str_of(mark.data, start.length);
    return zm_str_equal(start, common) ? -1 : 0;
}

/* Takes bytes into start until it is clear what the first line is. */
static apr_status_t first(header_scan_t *scan, zm_str_t *text, header_sink_fn *sink, void *baton)
{
    char held[8];
    apr_size_t length;
    int mbox = -1;
    while (mbox < 0 && text->length > 0) {
        scan->start[scan->start_length++] = text->data[0];
        *text = zm_str_from(*text, 1);
        mbox = is_mbox(zm_str_of(scan->start, scan->start_length));
    }
    if (mbox < 0)
        return APR_SUCCESS;
    length = scan->start_length;
    memcpy(held, scan->start, length);
    scan->start_length = 0;
    scan->state = mbox ? MBOX : LINES;
    if (mbox)
        return APR_SUCCESS;
    look(scan, zm_str_of(held, length));
    return sink(baton, held, length);
}

apr_status_t header_scan(header_scan_t *scan, zm_str_t text, header_sink_fn *sink, void *baton)
{
    apr_status_t status = APR_SUCCESS;
    const char *end;
    if (scan->state == FIRST && text.length > 0)
        status = first(scan, &text, sink, baton);
    if (scan->state == MBOX && text.length > 0) {
        end = memchr(text.data, '\n', text.length);
        if (end == NULL)
            return status;
        text = zm_str_of(end + 1, text.length - (apr_size_t)(end + 1 - text.data));
        scan->state = LINES;
    }
    if (status != APR_SUCCESS || text.length == 0)
        return status;
    if (!scan->done)
        look(scan, text);
    return sink(baton, text.data, text.length);
}

apr_status_t header_scan_end(header_scan_t *scan, header_sink_fn *sink, void *baton)
{
    apr_size_t length = scan->start_length;
    if (scan->state != FIRST || length == 0)
        return APR_SUCCESS;
    scan->state = LINES;
    return sink(baton, scan->start, length);
}
