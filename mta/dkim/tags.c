#include "mta/dkim/tags.h"

#include <apr_strings.h>

static bool is_name(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++) {
        int c = (unsigned char)name.data[i];
        if (!zm_is_alpha(c) && (i == 0 || (!zm_is_digit(c) && c != '_')))
            return false;
    }
    return name.length > 0;
}

static bool add(zm_tags_t *tags, zm_str_t name, zm_str_t value)
{
    int i;
    if (!is_name(name) || tags->count == ZM_TAGS)
        return false;
    for (i = 0; i < tags->count; i++)
        if (zm_str_equal(tags->names[i], name))
            return false;
    tags->names[tags->count] = name;
    tags->values[tags->count++] = value;
    return true;
}

bool zm_tags_read(zm_tags_t *tags, zm_str_t text)
{
    zm_str_t tag, name, value;
    bool more = true;
    tags->count = 0;
    while (more) {
        more = zm_str_cut(text, ';', &tag, &text);
        if (!more && zm_str_trim(tag).length == 0)
            break; /* the last one may end in ';' */
        if (!zm_str_cut(tag, '=', &name, &value) ||
            !add(tags, zm_str_trim(name), zm_str_trim(value)))
            return false;
    }
    return tags->count > 0;
}

bool zm_tags_get(const zm_tags_t *tags, const char *name, zm_str_t *value)
{
    int i;
    for (i = 0; i < tags->count; i++)
        if (zm_str_equal_c(tags->names[i], name)) {
            *value = tags->values[i];
            return true;
        }
    *value = ZM_S("");
    return false;
}

bool zm_tags_element(zm_str_t *rest, char separator, zm_str_t *element)
{
    if (rest->length == 0)
        return false;
    if (!zm_str_cut(*rest, separator, element, rest))
        *rest = ZM_S("");
    *element = zm_str_trim(*element);
    return true;
}

bool zm_is_dns_name(zm_str_t text)
{
    apr_size_t i, label = 0;
    for (i = 0; i < text.length; i++) {
        int c = (unsigned char)text.data[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if ((!zm_is_alpha(c) && !zm_is_digit(c) && c != '-' && c != '_') || ++label > 63)
            return false;
    }
    return label > 0 && text.length <= 253;
}

int64_t zm_tags_number(zm_str_t text)
{
    uint64_t value;
    if (text.length > 12 || zm_str_u64(text, &value) != APR_SUCCESS)
        return -1;
    return (int64_t)value;
}

static int digit(char c)
{
    if (zm_is_upper(c))
        return c - 'A';
    if (zm_is_alpha(c))
        return c - 'a' + 26;
    if (zm_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool zm_base64_read(zm_str_t *bytes, zm_str_t text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, text.length / 4 * 3 + 4);
    apr_size_t i, length = 0;
    unsigned word = 0, digits = 0, padding = 0;
    for (i = 0; i < text.length; i++) {
        int value = digit(text.data[i]);
        if (zm_is_space((unsigned char)text.data[i]))
            continue;
        if (text.data[i] == '=') {
            padding++;
            continue;
        }
        if (value < 0 || padding > 0)
            return false;
        word = (word << 6 | (unsigned)value) & 0xffffff;
        if (++digits % 4 != 1)
            out[length++] = (char)(word >> (digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0));
    }
    *bytes = zm_str_of(out, length);
    return digits % 4 != 1 && padding <= 2 && (padding == 0 || (digits + padding) % 4 == 0);
}
