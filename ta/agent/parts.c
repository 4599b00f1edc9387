#include "ta/agent/parts.h"

#include <string.h>

#include "mta/mail/mime.h"
#include "ta/agent/head.h"

#define DEPTH 32
#define LINE_LIMIT 1024
#define HEADER_LIMIT 65536

typedef enum place_t {
    IN_CONTENT, /* of a leaf, or preamble and epilogue of a multipart: passes or is encoded */
    IN_HEADER   /* of a part */
} place_t;

typedef struct level_t {
    zm_str_t boundary;
    bool sealed;
} level_t;

struct zm_parts_t {
    apr_pool_t *pool;
    apr_pool_t *header_pool; /* cleared for each part */
    place_t place;
    zm_part_kind_t kind; /* of the content that passes now */
    level_t levels[DEPTH];
    int depth;
    bool sealed;
    zm_buf_t line;   /* the line that is being read, up to LINE_LIMIT */
    bool in_long;    /* the line had more: its rest is plain content */
    zm_buf_t header; /* of the part that begins */
    bool held_lf;    /* a line end that may belong to a boundary that follows */
    zm_qp_encoder_t quoted;
    zm_base64_encoder_t base64;
};

/* -- judging --------------------------------------------------------------- */

static void say_encoding(zm_fields_t *fields, int at, const char *encoding)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_buf_add_c(&text, "Content-Transfer-Encoding: ");
    zm_buf_add_c(&text, encoding);
    if (at >= 0)
        zm_fields_replace(fields, at, zm_buf_str(&text));
    else
        zm_fields_insert(fields, fields->count, zm_buf_str(&text));
    zm_buf_free(&text);
}

static zm_part_kind_t judge_composite(zm_fields_t *fields, const zm_content_type_t *type,
                                      int encoding_at, bool eight_bit, zm_str_t *boundary)
{
    bool multipart = zm_content_type_is(type, "multipart", NULL);
    if (zm_content_type_is(type, "multipart", "signed") ||
        zm_content_type_is(type, "multipart", "encrypted"))
        return ZM_PART_SEALED;
    if (multipart) {
        *boundary = zm_content_type_get(type, "boundary");
        if (boundary->length == 0 || boundary->length > 200)
            return ZM_PART_AS_IS;
    }
    if (eight_bit && encoding_at >= 0) /* composites are never encoded themselves (RFC 2045, 6.4) */
        say_encoding(fields, encoding_at, "7bit");
    return multipart ? ZM_PART_MULTIPART : ZM_PART_MESSAGE;
}

zm_part_kind_t zm_part_judge(zm_fields_t *fields, zm_str_t *boundary)
{
    int type_at = zm_fields_find(fields, "Content-Type", 0);
    int encoding_at = zm_fields_find(fields, "Content-Transfer-Encoding", 0);
    zm_content_type_t type = {{"text", 4}, {"plain", 5}, NULL};
    zm_transfer_encoding_t encoding = ZM_ENCODING_7BIT;
    bool eight_bit, text;
    if (type_at >= 0 &&
        !zm_content_type_parse(&type, zm_field_value(&fields->items[type_at]), fields->pool))
        return ZM_PART_AS_IS;
    if (encoding_at >= 0)
        encoding = zm_transfer_encoding(zm_field_value(&fields->items[encoding_at]));
    eight_bit = encoding == ZM_ENCODING_8BIT || encoding == ZM_ENCODING_BINARY;
    if (zm_content_type_is(&type, "multipart", NULL) ||
        zm_content_type_is(&type, "message", "rfc822") ||
        zm_content_type_is(&type, "message", "global"))
        return judge_composite(fields, &type, encoding_at, eight_bit, boundary);
    text = zm_content_type_is(&type, "text", NULL);
    if (!eight_bit && !(text && encoding_at < 0)) /* a text that says nothing may hold anything */
        return ZM_PART_AS_IS;
    say_encoding(fields, encoding_at, text ? "quoted-printable" : "base64");
    return text ? ZM_PART_QUOTED : ZM_PART_BASE64;
}

/* -- content --------------------------------------------------------------- */

static void put_content(zm_parts_t *parts, const char *data, apr_size_t length, zm_buf_t *out)
{
    if (parts->kind == ZM_PART_QUOTED)
        zm_qp_encode(&parts->quoted, data, length, out);
    else if (parts->kind == ZM_PART_BASE64)
        zm_base64_encode(&parts->base64, data, length, out);
    else
        zm_buf_add(out, data, length);
}

static void put_held(zm_parts_t *parts, zm_buf_t *out)
{
    if (parts->held_lf)
        put_content(parts, "\n", 1, out);
    parts->held_lf = false;
}

/* Ends the content before a boundary line or the end; the line end before it is the boundary's. */
static void end_content(zm_parts_t *parts, zm_buf_t *out)
{
    bool held = parts->held_lf;
    parts->held_lf = false;
    if (parts->kind == ZM_PART_BASE64) {
        bool open = parts->base64.count > 0 || parts->base64.column > 0;
        zm_base64_encode_end(&parts->base64, out);
        held = held && !open;
    } else if (parts->kind == ZM_PART_QUOTED)
        zm_qp_encode_end(&parts->quoted, out);
    if (held)
        zm_buf_add_byte(out, '\n');
    parts->kind = ZM_PART_AS_IS;
}

/* -- structure ------------------------------------------------------------- */

/* The level whose boundary a line is; -1: it is none.  *last: it is a closing one. */
static int boundary_level(const zm_parts_t *parts, zm_str_t line, bool *last)
{
    int level;
    if (line.length < 3 || line.data[0] != '-' || line.data[1] != '-')
        return -1;
    for (level = parts->depth - 1; level >= 0; level--) {
        zm_str_t boundary = parts->levels[level].boundary;
        zm_str_t rest;
        if (!zm_str_starts(zm_str_from(line, 2), boundary))
            continue;
        rest = zm_str_of(line.data + 2 + boundary.length, line.length - 2 - boundary.length);
        *last = zm_str_starts(rest, ZM_S("--"));
        if (*last)
            rest = zm_str_from(rest, 2);
        if (zm_str_trim(rest).length == 0)
            return level;
    }
    return -1;
}

static void begin_header(zm_parts_t *parts)
{
    parts->place = IN_HEADER;
    zm_buf_clear(&parts->header);
}

static void on_boundary(zm_parts_t *parts, zm_str_t line, int level, bool last, zm_buf_t *out)
{
    end_content(parts, out);
    zm_buf_add_str(out, line);
    zm_buf_add_byte(out, '\n');
    parts->depth = last ? level : level + 1;
    parts->sealed = parts->depth > 0 && parts->levels[parts->depth - 1].sealed;
    if (!last)
        begin_header(parts);
}

/* A part's header is complete: judges it, writes it, and goes into its content. */
static void end_header(zm_parts_t *parts, bool empty_line, zm_buf_t *out)
{
    zm_head_style_t style = {.keep_tabs = true};
    zm_str_t boundary = {"", 0};
    zm_part_kind_t kind = ZM_PART_AS_IS;
    zm_fields_t fields;
    apr_pool_clear(parts->header_pool);
    zm_fields_parse(&fields, zm_buf_str(&parts->header), parts->header_pool);
    if (!parts->sealed && empty_line)
        kind = zm_part_judge(&fields, &boundary);
    if (kind == ZM_PART_AS_IS || kind == ZM_PART_SEALED)
        zm_buf_add_str(out, zm_buf_str(&parts->header));
    else
        zm_head_write(&fields, &style, out);
    if (empty_line)
        zm_buf_add_byte(out, '\n');
    parts->place = IN_CONTENT;
    parts->kind = kind == ZM_PART_QUOTED || kind == ZM_PART_BASE64 ? kind : ZM_PART_AS_IS;
    if (kind == ZM_PART_MULTIPART && parts->depth < DEPTH)
        parts->levels[parts->depth++] =
            (level_t){zm_str_copy(parts->pool, boundary), parts->sealed};
    else if (kind == ZM_PART_MESSAGE)
        begin_header(parts);
    else if (kind == ZM_PART_SEALED)
        parts->sealed = true;
}

static void on_line(zm_parts_t *parts, zm_str_t line, zm_buf_t *out)
{
    bool last = false;
    int level = boundary_level(parts, line, &last);
    if (level >= 0) {
        if (parts->place == IN_HEADER)
            end_header(parts, false, out);
        on_boundary(parts, line, level, last, out);
    } else if (parts->place == IN_CONTENT) {
        put_held(parts, out);
        put_content(parts, line.data, line.length, out);
        parts->held_lf = true;
    } else if (line.length == 0)
        end_header(parts, true, out);
    else {
        zm_buf_add_str(&parts->header, line);
        zm_buf_add_byte(&parts->header, '\n');
        if (parts->header.length > HEADER_LIMIT)
            end_header(parts, false, out);
    }
}

/* A line too long to be a boundary or a field: its beginning passes as content. */
static void on_long_line(zm_parts_t *parts, zm_buf_t *out)
{
    if (parts->place == IN_HEADER)
        end_header(parts, false, out);
    put_held(parts, out);
    put_content(parts, parts->line.data, parts->line.length, out);
    zm_buf_clear(&parts->line);
    parts->in_long = true;
}

/* -- the interface --------------------------------------------------------- */

static apr_status_t free_parts(void *data)
{
    zm_parts_t *parts = data;
    zm_buf_free(&parts->line);
    zm_buf_free(&parts->header);
    return APR_SUCCESS;
}

zm_parts_t *zm_parts_create(zm_part_kind_t kind, zm_str_t boundary, apr_pool_t *pool)
{
    zm_parts_t *parts = apr_pcalloc(pool, sizeof *parts);
    parts->pool = pool;
    apr_pool_create(&parts->header_pool, pool);
    apr_pool_cleanup_register(pool, parts, free_parts, apr_pool_cleanup_null);
    parts->kind = kind == ZM_PART_QUOTED || kind == ZM_PART_BASE64 ? kind : ZM_PART_AS_IS;
    if (kind == ZM_PART_MULTIPART)
        parts->levels[parts->depth++] = (level_t){zm_str_copy(pool, boundary), false};
    else if (kind == ZM_PART_MESSAGE)
        begin_header(parts);
    return parts;
}

void zm_parts_put(zm_parts_t *parts, const char *data, apr_size_t length, zm_buf_t *out)
{
    const char *end;
    if (length == 0)
        return;
    end = data + length;
    while (data < end) {
        const char *line_end = memchr(data, '\n', (apr_size_t)(end - data));
        apr_size_t count = (apr_size_t)((line_end != NULL ? line_end : end) - data);
        if (parts->in_long)
            put_content(parts, data, count, out);
        else {
            zm_buf_add(&parts->line, data, count);
            if (parts->line.length > LINE_LIMIT)
                on_long_line(parts, out);
        }
        if (line_end == NULL)
            return;
        if (parts->in_long)
            parts->held_lf = true;
        else
            on_line(parts, zm_buf_str(&parts->line), out);
        parts->in_long = false;
        zm_buf_clear(&parts->line);
        data = line_end + 1;
    }
}

void zm_parts_end(zm_parts_t *parts, zm_buf_t *out)
{
    if (parts->line.length > 0)
        on_line(parts, zm_buf_str(&parts->line), out);
    if (parts->place == IN_HEADER)
        end_header(parts, false, out);
    end_content(parts, out);
}
