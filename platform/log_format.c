/*
 * Everything that comes from outside goes through add_escaped, for which only
 * printable ASCII and well-formed, printable UTF-8 are text.  The rest is
 * escaped, so that no value can end a line, forge a key, or send commands to
 * the terminal on which an administrator reads the log.
 */
#include "platform/log_format.h"

#include <stdio.h>
#include <string.h>

const char *zm_log_level_name(zm_log_level_t level)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    return names[level];
}

/* -- what is text ------------------------------------------------------------- */

/* The code point of a well-formed UTF-8 sequence at the start; its length in octets, or 0. */
static apr_size_t decode_utf8(const unsigned char *bytes, apr_size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    apr_size_t length, i;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
        return 0;
    length = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (length > left)
        return 0;
    *code = bytes[0] & (0x7fu >> length);
    for (i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (bytes[i] & 0x3f);
    }
    if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return length;
}

/* C1 controls, line separators, and what turns the direction of writing around. */
static bool is_hidden(uint32_t code)
{
    return code < 0xa0 || code == 0x2028 || code == 0x2029 || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

/* The length of the printable character at the start, or 0 where an octet must be escaped. */
static apr_size_t printable(const char *data, apr_size_t left)
{
    const unsigned char *bytes = (const unsigned char *)data;
    uint32_t code;
    apr_size_t length;
    if (left == 0 || bytes == NULL)
        return 0;
    if (bytes[0] < 0x80)
        return bytes[0] >= ' ' && bytes[0] < 0x7f;
    length = decode_utf8(bytes, left, &code);
    return length != 0 && !is_hidden(code) ? length : 0;
}

/* -- escaping --------------------------------------------------------------------- */

static void add_short_escape(zm_buf_t *line, char byte, bool json)
{
    switch (byte) {
    case '\n':
        zm_buf_add_c(line, "\\n");
        break;
    case '\r':
        zm_buf_add_c(line, "\\r");
        break;
    case '\t':
        zm_buf_add_c(line, "\\t");
        break;
    default:
        /* JSON has no escape for an octet that is no character; it is shown as U+00XX. */
        zm_buf_printf(line, json ? "\\u00%02x" : "\\x%02x", (unsigned)(unsigned char)byte);
    }
}

static void add_escaped(zm_buf_t *line, const char *data, apr_size_t length, bool json)
{
    apr_size_t i, run;
    for (i = 0; i < length; i += run) {
        run = printable(data + i, length - i);
        if (run == 0) {
            add_short_escape(line, data[i], json);
            run = 1;
        } else {
            if (data[i] == '"' || data[i] == '\\')
                zm_buf_add_byte(line, '\\');
            zm_buf_add(line, data + i, run);
        }
    }
}

static bool needs_quotes(const char *data, apr_size_t length)
{
    apr_size_t i, run;
    for (i = 0; i < length; i += run) {
        run = printable(data + i, length - i);
        if (run == 0 || data[i] == ' ' || data[i] == '"' || data[i] == '\\')
            return true;
    }
    return length == 0;
}

static void add_quoted(zm_buf_t *line, const char *data, apr_size_t length, bool json)
{
    zm_buf_add_byte(line, '"');
    add_escaped(line, data, length, json);
    zm_buf_add_byte(line, '"');
}

/* -- fields ------------------------------------------------------------------------ */

static void add_value(zm_buf_t *line, const zm_log_field_t *field, bool json)
{
    char reason[256];
    const char *data = field->data;
    apr_size_t length = field->length;

    if (field->kind == 'i') {
        zm_buf_printf(line, "%lld", (long long)field->number);
        return;
    }
    if (field->kind == 'e')
        data = zm_status_text((apr_status_t)field->number, reason, sizeof reason);
    if (data == NULL && field->kind != 'n') {
        zm_buf_add_c(line, json ? "null" : "-");
        return;
    }
    if (field->kind != 'n')
        length = strlen(data);
    if (json || needs_quotes(data, length))
        add_quoted(line, data, length, json);
    else
        zm_buf_add(line, data, length);
}

static void add_time(zm_buf_t *line, apr_time_t when)
{
    apr_time_exp_t part;
    apr_time_exp_gmt(&part, when);
    zm_buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", part.tm_year + 1900, part.tm_mon + 1,
                  part.tm_mday, part.tm_hour, part.tm_min, part.tm_sec, part.tm_usec);
}

/* -- lines -------------------------------------------------------------------------- */

void zm_log_format_tail(zm_buf_t *line, const zm_log_record_t *record)
{
    const char *id = record->id != NULL && *record->id != '\0' ? record->id : "-";
    apr_size_t id_length = strlen(id);
    int i;
    if (needs_quotes(id, id_length))
        add_quoted(line, id, id_length, false);
    else
        zm_buf_add(line, id, id_length);
    zm_buf_add_c(line, ": ");
    add_escaped(line, record->event, strlen(record->event), false);
    for (i = 0; i < record->count; i++) {
        zm_buf_add_byte(line, ' ');
        zm_buf_add_c(line, record->fields[i].key);
        zm_buf_add_byte(line, '=');
        add_value(line, &record->fields[i], false);
    }
}

void zm_log_format_text(zm_buf_t *line, const zm_log_record_t *record)
{
    add_time(line, record->when);
    zm_buf_printf(line, " %s %s[%lld] ", zm_log_level_name(record->level), record->program,
                  (long long)record->pid);
    zm_log_format_tail(line, record);
}

static void add_json_member(zm_buf_t *line, const char *key, const char *text)
{
    zm_buf_printf(line, ",\"%s\":", key);
    add_quoted(line, text, strlen(text), true);
}

void zm_log_format_json(zm_buf_t *line, const zm_log_record_t *record)
{
    int i;
    zm_buf_add_c(line, "{\"time\":\"");
    add_time(line, record->when);
    zm_buf_add_byte(line, '"');
    add_json_member(line, "level", zm_log_level_name(record->level));
    add_json_member(line, "program", record->program);
    zm_buf_printf(line, ",\"pid\":%lld", (long long)record->pid);
    add_json_member(line, "id", record->id != NULL && *record->id != '\0' ? record->id : "-");
    add_json_member(line, "event", record->event);
    for (i = 0; i < record->count; i++) {
        zm_buf_printf(line, ",\"%s\":", record->fields[i].key);
        add_value(line, &record->fields[i], true);
    }
    zm_buf_add_byte(line, '}');
}
