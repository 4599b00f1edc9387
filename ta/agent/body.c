#include "ta/agent/body.h"

#include <string.h>

#define LINE_OCTETS 998

void zm_body_init(zm_body_t *body, zm_object_t *object, uint64_t start, uint64_t end,
                  apr_pool_t *pool)
{
    *body = (zm_body_t){0};
    body->object = object;
    body->start = start;
    body->size = end > start ? end - start : 0;
    body->pool = pool;
}

static apr_status_t fill(zm_body_t *body, uint64_t offset)
{
    uint64_t left = body->size - offset;
    apr_status_t status;
    if (body->window == NULL) {
        body->window_room = body->size < ZM_BODY_WINDOW ? (apr_size_t)body->size : ZM_BODY_WINDOW;
        body->window = apr_palloc(body->pool, body->window_room);
    }
    body->window_at = offset;
    body->window_length = left < body->window_room ? (apr_size_t)left : body->window_room;
    status = zm_object_read(body->object, body->start + offset, body->window, &body->window_length);
    if (status == APR_SUCCESS && body->window_length == 0)
        status = APR_EOF;
    if (status != APR_SUCCESS) /* the message got shorter: that is no end to believe */
        body->window_length = 0;
    return status == APR_EOF ? ZM_E_CORRUPT : status;
}

apr_status_t zm_body_at(zm_body_t *body, uint64_t offset, zm_str_t *piece)
{
    apr_size_t skip;
    if (offset >= body->size)
        return APR_EOF;
    if (offset < body->window_at || offset >= body->window_at + body->window_length) {
        apr_status_t status = fill(body, offset);
        if (status != APR_SUCCESS)
            return status;
    }
    skip = (apr_size_t)(offset - body->window_at);
    *piece = zm_str_of(body->window + skip, body->window_length - skip);
    return APR_SUCCESS;
}

static bool has_eight_bit(zm_str_t piece)
{
    const char *at = piece.data, *end = piece.data + piece.length;
    uint64_t word, all = 0;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, sizeof word);
        all |= word;
    }
    for (; at < end; at++)
        all |= (unsigned char)*at;
    return (all & UINT64_C(0x8080808080808080)) != 0;
}

/* Follows line lengths; *column is the length of the line so far. */
static bool has_long_line(zm_str_t piece, uint64_t *column)
{
    const char *at = piece.data, *end = piece.data + piece.length;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (apr_size_t)(end - at));
        *column += (uint64_t)((line_end != NULL ? line_end : end) - at);
        if (*column > LINE_OCTETS)
            return true;
        if (line_end == NULL)
            return false;
        *column = 0;
        at = line_end + 1;
    }
    return false;
}

apr_status_t zm_body_facts(zm_body_t *body, zm_body_facts_t *facts)
{
    uint64_t offset = 0, column = 0;
    zm_str_t piece;
    apr_status_t status;
    while (!body->scanned) {
        status = zm_body_at(body, offset, &piece);
        if (status == APR_EOF)
            body->scanned = true;
        else if (status != APR_SUCCESS)
            return status;
        else {
            body->eight_bit = body->eight_bit || has_eight_bit(piece);
            body->long_lines = body->long_lines || has_long_line(piece, &column);
            offset += piece.length;
            body->scanned = body->eight_bit && body->long_lines;
        }
    }
    *facts = (zm_body_facts_t){body->eight_bit, body->long_lines};
    return APR_SUCCESS;
}
