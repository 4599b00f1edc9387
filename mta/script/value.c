#include "mta/script/value.h"

#include <string.h>

/* Lists that share parts can be enormous when they are written out. */
#define PRINT_LIMIT ((apr_size_t)64 * 1024 * 1024)

bool zm_value_equal(zm_value_t a, zm_value_t b)
{
    uint32_t i;
    if ((a.is_list == 0) != (b.is_list == 0) || a.length != b.length)
        return false;
    if (a.is_list && a.u.items == b.u.items)
        return true;
    if (!a.is_list)
        return a.length == 0 || memcmp(a.u.data, b.u.data, a.length) == 0;
    for (i = 0; i < a.length; i++)
        if (!zm_value_equal(a.u.items[i], b.u.items[i]))
            return false;
    return true;
}

bool zm_value_property(zm_value_t list, zm_str_t key, zm_value_t *value)
{
    uint32_t i;
    if (!list.is_list)
        return false;
    for (i = 0; i + 1 < list.length; i += 2) {
        zm_value_t item = list.u.items[i];
        if (!item.is_list && zm_str_equal(zm_value_str(item), key)) {
            *value = list.u.items[i + 1];
            return true;
        }
    }
    return false;
}

static bool needs_quotes(zm_str_t string)
{
    apr_size_t i;
    if (string.length == 0)
        return true;
    for (i = 0; i < string.length; i++) {
        unsigned char c = (unsigned char)string.data[i];
        if (c <= ' ' || c >= 127 || c == '\\' || c == '\'' || c == '"' || c == '`')
            return true;
    }
    return false;
}

static void print_quoted(zm_str_t string, zm_buf_t *out)
{
    apr_size_t i = 0;
    for (; i < string.length && string.data[i] == '\''; i++)
        zm_buf_add(out, "\\'", 2);
    if (i > 0 && i == string.length)
        return;
    zm_buf_add_byte(out, '\'');
    for (; i < string.length; i++) {
        if (string.data[i] == '\'')
            zm_buf_add(out, "'\\''", 4);
        else
            zm_buf_add_byte(out, string.data[i]);
    }
    zm_buf_add_byte(out, '\'');
}

void zm_value_print(zm_value_t value, zm_buf_t *out)
{
    uint32_t i;
    if (!value.is_list) {
        zm_str_t string = zm_value_str(value);
        if (needs_quotes(string))
            print_quoted(string, out);
        else
            zm_buf_add_str(out, string);
        return;
    }
    if (value.length == 0) {
        zm_buf_add(out, "nil", 3);
        return;
    }
    zm_buf_add_byte(out, '(');
    for (i = 0; i < value.length && out->length < PRINT_LIMIT; i++) {
        if (i > 0)
            zm_buf_add_byte(out, ' ');
        zm_value_print(value.u.items[i], out);
    }
    zm_buf_add_byte(out, ')');
}
