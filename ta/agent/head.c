#include "ta/agent/head.h"

#include <string.h>

/* Adds a line that has TABs to expand or bytes to leave out. */
static void write_bytes(zm_str_t line, const zm_head_style_t *style, zm_buf_t *out)
{
    apr_size_t i, column = 0;
    for (i = 0; i < line.length; i++) {
        char byte = line.data[i];
        if (byte == '\r' || byte == '\0')
            continue;
        if (byte == '\t' && !style->keep_tabs) {
            do
                zm_buf_add_byte(out, ' ');
            while (++column % 8 != 0);
            continue;
        }
        if (column == 0 && byte == '.' && style->dots)
            zm_buf_add_byte(out, '.');
        zm_buf_add_byte(out, byte);
        column++;
    }
}

/* Adds one physical line with its end. */
static void write_line(zm_str_t line, const zm_head_style_t *style, zm_buf_t *out)
{
    bool tabs = !style->keep_tabs && memchr(line.data, '\t', line.length) != NULL;
    bool unclean = memchr(line.data, '\r', line.length) != NULL ||
                   memchr(line.data, '\0', line.length) != NULL;
    if (tabs || unclean)
        write_bytes(line, style, out);
    else {
        if (style->dots && line.length > 0 && line.data[0] == '.')
            zm_buf_add_byte(out, '.');
        zm_buf_add_str(out, line);
    }
    zm_buf_add_c(out, style->crlf ? "\r\n" : "\n");
}

static void write_text(zm_str_t text, const zm_head_style_t *style, zm_buf_t *out)
{
    zm_str_t line, rest = text;
    while (zm_str_cut(rest, '\n', &line, &rest))
        write_line(line, style, out);
    write_line(line, style, out);
}

/* Where a clause goes into a Received field: before its last semicolon, outside trailing blanks. */
static apr_size_t clause_place(zm_str_t text)
{
    apr_size_t at = text.length;
    while (at > 0 && text.data[at - 1] != ';')
        at--;
    at = at > 0 ? at - 1 : text.length;
    while (at > 0 && zm_is_space(text.data[at - 1]))
        at--;
    return at;
}

static bool has_for_clause(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i + 4 < text.length; i++)
        if (zm_is_space(text.data[i]) && zm_to_lower(text.data[i + 1]) == 'f' &&
            zm_to_lower(text.data[i + 2]) == 'o' && zm_to_lower(text.data[i + 3]) == 'r' &&
            zm_is_space(text.data[i + 4]))
            return true;
    return false;
}

/* The address comes from an envelope: in a header field it may not end the line or the clause. */
static void add_clause(zm_str_t address, zm_buf_t *text)
{
    apr_size_t i;
    zm_buf_add_c(text, "\n\tfor <");
    for (i = 0; i < address.length; i++) {
        unsigned char byte = (unsigned char)address.data[i];
        zm_buf_add_byte(text, byte < ' ' || byte == 127 ? '?' : (char)byte);
    }
    zm_buf_add_byte(text, '>');
}

static void write_received(zm_str_t text, const zm_head_style_t *style, zm_buf_t *out)
{
    zm_buf_t extended = ZM_BUF_INIT;
    apr_size_t place = clause_place(text);
    zm_buf_add(&extended, text.data, place);
    add_clause(style->for_address, &extended);
    zm_buf_add(&extended, text.data + place, text.length - place);
    write_text(zm_buf_str(&extended), style, out);
    zm_buf_free(&extended);
}

void zm_head_write(const zm_fields_t *fields, const zm_head_style_t *style, zm_buf_t *out)
{
    int i;
    for (i = 0; i < fields->count; i++) {
        const zm_field_t *field = &fields->items[i];
        if (i == 0 && style->for_address.length > 0 &&
            zm_str_equal_nocase(field->name, ZM_S("Received")) && !has_for_clause(field->text))
            write_received(field->text, style, out);
        else
            write_text(field->text, style, out);
    }
}

void zm_head_separator(zm_str_t sender, apr_time_t when, zm_buf_t *out)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    apr_time_exp_t parts;
    apr_size_t start;
    apr_time_exp_lt(&parts, when);
    zm_buf_add_c(out, "From ");
    start = out->length;
    zm_buf_add_str(out, sender.length > 0 ? sender : ZM_S("MAILER-DAEMON"));
    for (; start < out->length; start++)
        if ((unsigned char)out->data[start] < ' ' || out->data[start] == 127)
            out->data[start] = '?';
    zm_buf_printf(out, " %.3s %.3s %2d %02d:%02d:%02d %d\n", days + (apr_size_t)parts.tm_wday * 3,
                  months + (apr_size_t)parts.tm_mon * 3, parts.tm_mday, parts.tm_hour, parts.tm_min,
                  parts.tm_sec, parts.tm_year + 1900);
}
