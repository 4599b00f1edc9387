#include "spool/control.h"

#include <string.h>

/*
 * One field of a quad ends at a blank outside quotes; '"' toggles quoting and
 * '\' protects the byte after it, inside quotes and outside.
 */

/* The length of the field that starts at data; *open tells that it ended inside quotes or after a
 * '\'. */
static apr_size_t field_length(zm_str_t text, bool *open)
{
    bool quoted = false;
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        char byte = text.data[i];
        if (byte == '"') {
            quoted = !quoted;
        } else if (byte == '\\') {
            if (++i == text.length) {
                *open = true;
                return i;
            }
        } else if (!quoted && zm_is_blank((unsigned char)byte)) {
            break;
        }
    }
    *open = quoted;
    return i;
}

/* Whether a value is one quoted string from end to end: the reader would take the quotes off. */
static bool is_wrapped(zm_str_t value)
{
    apr_size_t i;
    if (value.length < 2 || value.data[0] != '"')
        return false;
    for (i = 1; i < value.length && value.data[i] != '"'; i++)
        if (value.data[i] == '\\')
            i++;
    return i == value.length - 1;
}

static bool has_space(zm_str_t value)
{
    apr_size_t i;
    for (i = 0; i < value.length; i++)
        if (zm_is_space((unsigned char)value.data[i]) && !zm_is_blank((unsigned char)value.data[i]))
            return true;
    return false;
}

void zm_quad_quote(zm_buf_t *out, zm_str_t value)
{
    bool open;
    apr_size_t i;
    if (value.length == 0) {
        zm_buf_add_byte(out, '-');
        return;
    }
    if (field_length(value, &open) == value.length && !open && !is_wrapped(value) &&
        !has_space(value)) {
        zm_buf_add_str(out, value);
        return;
    }
    zm_buf_add_byte(out, '"');
    for (i = 0; i < value.length; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            zm_buf_add_byte(out, '\\');
        zm_buf_add_byte(out, value.data[i]);
    }
    zm_buf_add_byte(out, '"');
}

zm_str_t zm_quad_unquote(apr_pool_t *pool, zm_str_t field)
{
    char *plain;
    apr_size_t i, length = 0;
    if (zm_str_equal_c(field, "-"))
        return (zm_str_t){"", 0};
    if (!is_wrapped(field))
        return field;
    plain = apr_palloc(pool, field.length);
    for (i = 1; i < field.length - 1; i++) {
        if (field.data[i] == '\\')
            i++;
        plain[length++] = field.data[i];
    }
    return (zm_str_t){plain, length};
}

static zm_str_t skip_blanks(zm_str_t text)
{
    while (text.length > 0 && zm_is_blank((unsigned char)text.data[0])) {
        text.data++;
        text.length--;
    }
    return text;
}

static bool take_field(zm_str_t *rest, zm_str_t *field)
{
    bool open;
    zm_str_t text = skip_blanks(*rest);
    field->data = text.data;
    field->length = field_length(text, &open);
    rest->data = text.data + field->length;
    rest->length = text.length - field->length;
    return field->length != 0 && !open;
}

/* A host may be a list of alternatives, "((mx1)(mx2 mx3))", blanks and all. */
static bool take_host(zm_str_t *rest, zm_str_t *field)
{
    zm_str_t text = skip_blanks(*rest);
    apr_size_t i, depth = 0;

    for (i = 0; i < text.length && (i == 0 ? text.data[0] == '(' : depth > 0); i++) {
        if (text.data[i] == '(')
            depth++;
        else if (text.data[i] == ')')
            depth--;
    }
    if (i == 0)
        return take_field(rest, field);
    *field = zm_str_of(text.data, i);
    *rest = zm_str_from(text, i);
    return depth == 0;
}

apr_status_t zm_quad_parse(zm_quad_t *quad, zm_str_t text)
{
    zm_str_t rest = text;
    memset(quad, 0, sizeof *quad);
    if (!take_field(&rest, &quad->channel) || !take_host(&rest, &quad->host) ||
        !take_field(&rest, &quad->user))
        return ZM_E_SYNTAX;
    rest = zm_str_trim(rest);
    if (rest.length == 0 || rest.data[0] == '+')
        return ZM_E_SYNTAX;
    return zm_str_i64(rest, &quad->privilege);
}
