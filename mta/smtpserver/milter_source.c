/* A message in the spool as the pieces that a milter is told: fields, and the body with CRLF. */
#include <string.h>

#include "mta/smtpserver/milter_parts.h"

#define PIECE 32767 /* LFs alone become 65,534 octets */

void milter_source_begin(milter_source_t *source, zm_submission_t *submission, uint64_t content)
{
    milter_source_end(source);
    source->submission = submission;
    source->offset = content;
}

void milter_source_end(milter_source_t *source)
{
    zm_buf_free(&source->window);
    zm_buf_free(&source->line);
    zm_buf_free(&source->field);
    memset(source, 0, sizeof *source);
}

/* What has been read and not been taken; empty at the end. */
static zm_str_t look(milter_source_t *source)
{
    apr_size_t length = PIECE;
    if (source->taken < source->window.length)
        return zm_str_from(zm_buf_str(&source->window), source->taken);
    source->taken = 0;
    zm_buf_clear(&source->window);
    if (source->at_end)
        return zm_str("");
    zm_buf_reserve(&source->window, PIECE);
    source->status =
        zm_submit_read(source->submission, source->offset, source->window.data, &length);
    if (source->status != APR_SUCCESS) {
        source->at_end = true;
        if (APR_STATUS_IS_EOF(source->status))
            source->status = APR_SUCCESS;
        return zm_str("");
    }
    source->window.length = length;
    source->offset += length;
    return zm_buf_str(&source->window);
}

/* Of a very long line its beginning is kept.  False: there is none. */
static bool read_line(milter_source_t *source)
{
    zm_str_t here = look(source), part, rest;
    bool whole = false, any = here.length > 0;
    source->line_start = source->offset - here.length;
    zm_buf_clear(&source->line);
    while (!whole && here.length > 0) {
        whole = zm_str_cut(here, '\n', &part, &rest);
        source->taken += part.length + whole;
        if (part.length > MILTER_FIELD - source->line.length)
            part.length = MILTER_FIELD - source->line.length;
        zm_buf_add_str(&source->line, part);
        if (!whole)
            here = look(source);
    }
    return any;
}

static bool is_continued(const milter_source_t *source)
{
    return source->has_line && source->line.length > 0 &&
           (source->line.data[0] == ' ' || source->line.data[0] == '\t');
}

/* The body begins there; without an empty line it begins with what is no field. */
static bool end_header(milter_source_t *source)
{
    if (source->has_line && source->line.length > 0) {
        source->offset = source->line_start;
        source->taken = 0;
        zm_buf_clear(&source->window);
        source->at_end = false;
    }
    source->has_line = false;
    return false;
}

bool milter_source_field(milter_source_t *source, zm_str_t *name, zm_str_t *value)
{
    zm_buf_t *field = &source->field;
    if (!source->has_line)
        source->has_line = read_line(source);
    if (!source->has_line || is_continued(source) ||
        zm_str_find(zm_buf_str(&source->line), ':') < 1)
        return end_header(source);
    zm_buf_clear(field);
    zm_buf_add_str(field, zm_buf_str(&source->line));
    while ((source->has_line = read_line(source)) && is_continued(source)) {
        if (field->length + source->line.length >= MILTER_FIELD)
            continue;
        zm_buf_add_byte(field, '\n');
        zm_buf_add_str(field, zm_buf_str(&source->line));
    }
    (void)zm_str_cut(zm_buf_str(field), ':', name, value);
    *name = zm_str_trim(*name);
    return true;
}

bool milter_source_body(milter_source_t *source, zm_buf_t *wire)
{
    zm_str_t rest = look(source), line;
    bool any = rest.length > 0;
    source->taken += rest.length;
    while (rest.length > 0) {
        bool ended = zm_str_cut(rest, '\n', &line, &rest);
        zm_buf_add_str(wire, line);
        if (ended)
            zm_buf_add(wire, "\r\n", 2);
    }
    return any;
}
