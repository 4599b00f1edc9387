#include "spool/message.h"

#include <string.h>

/*
 * Lines are classified one by one; the state says what came before:
 *
 *     ENVELOPE --(field, env-end)--> HEADER --(empty line, or no header line)--> body
 *
 * The first pass reads just as much of the file as it needs to find the body,
 * and counts; the second takes a copy of exactly that size apart, dropping the
 * CRs of line ends as it goes, so that a folded value is one piece.
 */

#define READ_CHUNK 16384

typedef enum kind_t {
    LINE_EMPTY,
    LINE_BODY, /* no header line: the body starts with it */
    LINE_ENVELOPE,
    LINE_FIELD,
    LINE_NULL_FIELD, /* ":" at the start */
    LINE_CONTINUATION,
    LINE_BAD_CONTINUATION,
    LINE_BAD_KEYWORD
} kind_t;

typedef struct state_t {
    bool in_header;
    bool has_field;
} state_t;

/* -- keywords --------------------------------------------------------------- */

static const zm_str_t keywords[] = {
    [ZM_ENV_EXTERNAL] = ZM_STR("external"),
    [ZM_ENV_RCVDFROM] = ZM_STR("rcvdfrom"),
    [ZM_ENV_BODYTYPE] = ZM_STR("bodytype"),
    [ZM_ENV_WITH] = ZM_STR("with"),
    [ZM_ENV_VIA] = ZM_STR("via"),
    [ZM_ENV_IDENTINFO] = ZM_STR("identinfo"),
    [ZM_ENV_AUTHINFO] = ZM_STR("authinfo"),
    [ZM_ENV_COMMENT] = ZM_STR("comment"),
    [ZM_ENV_FROM] = ZM_STR("from"),
    [ZM_ENV_CHANNEL] = ZM_STR("channel"),
    [ZM_ENV_ERRORMSG] = ZM_STR("errormsg"),
    [ZM_ENV_USER] = ZM_STR("user"),
    [ZM_ENV_ENVID] = ZM_STR("envid"),
    [ZM_ENV_NOTARYRET] = ZM_STR("notaryret"),
    [ZM_ENV_TODSN] = ZM_STR("todsn"),
    [ZM_ENV_TO] = ZM_STR("to"),
    [ZM_ENV_VERBOSE] = ZM_STR("verbose"),
    [ZM_ENV_FULLNAME] = ZM_STR("fullname"),
    [ZM_ENV_LOGINNAME] = ZM_STR("loginname"),
    [ZM_ENV_END] = ZM_STR("env-end"),
    [ZM_ENV_UNKNOWN] = ZM_STR("unknown"),
};

zm_envelope_keyword_t zm_envelope_keyword(zm_str_t word)
{
    int i;
    for (i = 0; i < ZM_ENV_UNKNOWN; i++)
        if (zm_str_equal_nocase(word, keywords[i]))
            return (zm_envelope_keyword_t)i;
    return zm_str_equal_nocase(word, ZM_S("env-eof")) ? ZM_ENV_END : ZM_ENV_UNKNOWN;
}

const char *zm_envelope_keyword_name(zm_envelope_keyword_t keyword)
{
    return keywords[keyword].data;
}

/* -- classification ---------------------------------------------------------- */

static apr_size_t name_length(zm_str_t line)
{
    apr_size_t i;
    for (i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        if (byte < 0x21 || byte > 0x7e || byte == ':')
            break;
    }
    return i;
}

/* A line without its line end, and the length of the name that it starts with. */
static kind_t classify(zm_str_t line, const state_t *state, apr_size_t *name)
{
    *name = 0;
    if (line.length == 0)
        return LINE_EMPTY;
    if (zm_is_blank((unsigned char)line.data[0])) {
        if (!state->in_header)
            return LINE_BAD_CONTINUATION;
        return state->has_field ? LINE_CONTINUATION : LINE_BODY;
    }
    *name = name_length(line);
    if (*name < line.length && line.data[*name] == ':') {
        if (*name > 0)
            return LINE_FIELD;
        return state->in_header ? LINE_NULL_FIELD : LINE_BAD_CONTINUATION;
    }
    if (!state->in_header &&
        (*name == line.length || zm_is_blank((unsigned char)line.data[*name]))) {
        zm_envelope_keyword_t keyword = zm_envelope_keyword(zm_str_of(line.data, *name));
        return keyword == ZM_ENV_UNKNOWN ? LINE_BAD_KEYWORD : LINE_ENVELOPE;
    }
    return LINE_BODY;
}

static void advance(state_t *state, kind_t kind, zm_str_t line, apr_size_t name)
{
    if (kind == LINE_FIELD || kind == LINE_NULL_FIELD) {
        state->in_header = true;
        state->has_field = true;
    } else if (kind == LINE_ENVELOPE &&
               zm_envelope_keyword(zm_str_of(line.data, name)) == ZM_ENV_END) {
        state->in_header = true;
    }
}

static bool goes_on(kind_t kind)
{
    return kind == LINE_ENVELOPE || kind == LINE_FIELD || kind == LINE_NULL_FIELD ||
           kind == LINE_CONTINUATION;
}

/* The line at the start of text without LF and CR; *taken counts them. */
static zm_str_t cut_line(zm_str_t text, apr_size_t *taken)
{
    apr_ssize_t end = zm_str_find(text, '\n');
    zm_str_t line = {text.data, end < 0 ? text.length : (apr_size_t)end};
    *taken = line.length + (end >= 0);
    if (end > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* -- first pass: where the header ends ---------------------------------------- */

typedef struct scan_t {
    zm_object_t *object;
    zm_buf_t buffer;
    bool at_end; /* the buffer holds all the file */
    apr_size_t limit;
    apr_size_t header_end; /* of what the second pass reads, the empty line included */
} scan_t;

static apr_status_t read_more(scan_t *scan)
{
    apr_size_t length = READ_CHUNK;
    apr_status_t status;
    if (scan->buffer.length > scan->limit)
        return ZM_E_LIMIT;
    zm_buf_reserve(&scan->buffer, length);
    status = zm_object_read(scan->object, scan->buffer.length,
                            scan->buffer.data + scan->buffer.length, &length);
    if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status))
        return status;
    scan->at_end = APR_STATUS_IS_EOF(status) || length == 0;
    if (!scan->at_end)
        scan->buffer.length += length;
    return APR_SUCCESS;
}

/* Makes the whole line at an offset available, or all that is left. */
static apr_status_t have_line(scan_t *scan, apr_size_t at)
{
    apr_size_t searched = at;
    while (!scan->at_end &&
           (searched == scan->buffer.length ||
            memchr(scan->buffer.data + searched, '\n', scan->buffer.length - searched) == NULL)) {
        apr_status_t status;
        searched = scan->buffer.length;
        status = read_more(scan);
        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

static apr_status_t find_header_end(scan_t *scan, zm_message_t *message)
{
    state_t state = {false, false};
    apr_size_t at = 0, taken, name;
    for (;;) {
        zm_str_t line;
        kind_t kind;
        apr_status_t status = have_line(scan, at);
        if (status != APR_SUCCESS)
            return status;
        if (at == scan->buffer.length)
            break;
        line = cut_line(zm_str_from(zm_buf_str(&scan->buffer), at), &taken);
        kind = classify(line, &state, &name);
        if (kind != LINE_BODY)
            at += taken;
        if (at > scan->limit)
            return ZM_E_LIMIT;
        if (!goes_on(kind))
            break;
        message->envelope_count += kind == LINE_ENVELOPE;
        message->field_count += kind == LINE_FIELD || kind == LINE_NULL_FIELD;
        advance(&state, kind, line, name);
    }
    scan->header_end = at;
    return APR_SUCCESS;
}

/* -- second pass: taking it apart ---------------------------------------------- */

/* Moves a line to where the text without line ends stands so far. */
static zm_str_t move_line(char **to, zm_str_t line)
{
    zm_str_t moved = {*to, line.length};
    memmove(*to, line.data, line.length);
    *to += line.length;
    return moved;
}

static void add_field(zm_message_t *message, zm_str_t line, apr_size_t name, bool null_field)
{
    zm_raw_field_t *field = &message->fields[message->field_count++];
    field->name = null_field ? ZM_S("X-Null-Field") : zm_str_of(line.data, name);
    field->value = zm_str_of(line.data + name + 1, line.length - name - 1);
}

static void add_envelope(zm_message_t *message, zm_str_t line, apr_size_t name)
{
    zm_envelope_line_t *out = &message->envelope[message->envelope_count++];
    apr_size_t skip = name < line.length ? name + 1 : name;
    out->name = zm_str_of(line.data, name);
    out->keyword = zm_envelope_keyword(out->name);
    out->value = zm_str_from(line, skip);
}

static void add_continuation(zm_message_t *message, char **to, zm_str_t line)
{
    zm_raw_field_t *field = &message->fields[message->field_count - 1];
    *(*to)++ = '\n';
    move_line(to, line);
    field->value.length += 1 + line.length;
}

static void take_line(zm_message_t *message, kind_t kind, char **to, zm_str_t line, apr_size_t name)
{
    if (kind == LINE_CONTINUATION) {
        add_continuation(message, to, line);
        return;
    }
    line = move_line(to, line);
    if (kind == LINE_ENVELOPE) {
        add_envelope(message, line, name);
    } else if (kind == LINE_FIELD || kind == LINE_NULL_FIELD) {
        add_field(message, line, name, kind == LINE_NULL_FIELD);
    } else if (kind == LINE_BAD_CONTINUATION || kind == LINE_BAD_KEYWORD) {
        message->fault_line = line;
        message->fault =
            kind == LINE_BAD_KEYWORD ? ZM_MESSAGE_BAD_KEYWORD : ZM_MESSAGE_BAD_CONTINUATION;
    }
}

static void take_apart(zm_message_t *message, char *text, apr_size_t length)
{
    state_t state = {false, false};
    apr_size_t at = 0, taken, name;
    char *to = text;
    bool header_found = false;
    message->envelope_count = message->field_count = 0;
    while (at < length) {
        zm_str_t line = cut_line(zm_str_of(text + at, length - at), &taken);
        kind_t kind = classify(line, &state, &name);
        if (!header_found && (state.in_header || kind == LINE_FIELD)) {
            message->header_offset = at;
            header_found = true;
        }
        advance(&state, kind, line, name);
        take_line(message, kind, &to, line, name);
        at += taken;
        if (!header_found && kind == LINE_EMPTY) {
            message->header_offset = at - taken;
            header_found = true;
        }
    }
    message->body_offset = length;
    if (!header_found)
        message->header_offset = length;
}

static apr_status_t parse(zm_message_t *message, scan_t *scan, apr_pool_t *pool)
{
    char *text;
    apr_status_t status = find_header_end(scan, message);
    if (status != APR_SUCCESS)
        return status;
    text = apr_palloc(pool, scan->header_end + 1);
    message->envelope =
        apr_pcalloc(pool, (apr_size_t)message->envelope_count * sizeof *message->envelope);
    message->fields = apr_pcalloc(pool, (apr_size_t)message->field_count * sizeof *message->fields);
    if (scan->header_end > 0)
        memcpy(text, scan->buffer.data, scan->header_end);
    take_apart(message, text, scan->header_end);
    return APR_SUCCESS;
}

apr_status_t zm_message_read(zm_message_t **result, zm_object_t *object, apr_size_t limit,
                             apr_pool_t *pool)
{
    scan_t scan = {.object = object, .buffer = ZM_BUF_INIT, .limit = limit};
    zm_message_t *message = apr_pcalloc(pool, sizeof *message);
    apr_status_t status = zm_object_info(&message->info, object);
    if (status == APR_SUCCESS)
        status = parse(message, &scan, pool);
    zm_buf_free(&scan.buffer);
    *result = status == APR_SUCCESS ? message : NULL;
    return status;
}

zm_message_t *zm_message_parse(zm_str_t text, apr_pool_t *pool)
{
    scan_t scan = {.at_end = true, .limit = text.length};
    zm_message_t *message = apr_pcalloc(pool, sizeof *message);
    scan.buffer = (zm_buf_t){(char *)(uintptr_t)text.data, text.length, 0}; /* only read */
    message->info.size = text.length;
    parse(message, &scan, pool);
    return message;
}

const zm_envelope_line_t *zm_message_todsn(const zm_message_t *message, int to_index)
{
    if (to_index < 1 || to_index >= message->envelope_count ||
        message->envelope[to_index].keyword != ZM_ENV_TO ||
        message->envelope[to_index - 1].keyword != ZM_ENV_TODSN)
        return NULL;
    return &message->envelope[to_index - 1];
}
