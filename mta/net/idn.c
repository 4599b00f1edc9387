#include "mta/net/idn.h"

#include <idn2.h>
#include <string.h>

#define NAME_LIMIT 1020 /* bytes of UTF-8; the ASCII form has at most 255 */

typedef enum form_t { FORM_ASCII, FORM_UNICODE } form_t;

static bool is_beyond(char byte)
{
    return ((unsigned char)byte & 0x80) != 0;
}

static bool is_name_byte(char byte)
{
    return is_beyond(byte) || zm_is_alpha(byte) || zm_is_digit(byte) || byte == '-' ||
           byte == '.' || byte == '_';
}

static bool has_beyond(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (is_beyond(text.data[i]))
            return true;
    return false;
}

/* Whether "xn--" stands somewhere. */
static bool has_a_label(zm_str_t text)
{
    apr_size_t i;
    for (i = 3; i < text.length; i++)
        if (text.data[i] == '-' && text.data[i - 1] == '-' &&
            zm_to_lower(text.data[i - 2]) == 'n' && zm_to_lower(text.data[i - 3]) == 'x')
            return true;
    return false;
}

bool zm_idn_any(zm_str_t text)
{
    return has_beyond(text) || has_a_label(text);
}

/* -- one name ------------------------------------------------------------------------------- */

/* Mapping makes "/" and "@" of some characters: such names are none. */
static bool is_plain_name(const char *name)
{
    if (*name == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (!is_name_byte(*name) || is_beyond(*name))
            return false;
    return true;
}

/* To be freed with idn2_free; null: that is no domain. */
static char *to_ascii(const char *name)
{
    uint8_t *result = NULL;
    if (idn2_lookup_u8((const uint8_t *)name, &result, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
        IDN2_OK)
        return NULL;
    if (is_plain_name((const char *)result))
        return (char *)result;
    idn2_free(result);
    return NULL;
}

/* The same; only what leads back to the name is its other form. */
static char *to_unicode(const char *name)
{
    char *result = NULL, *back;
    bool same;
    if (idn2_to_unicode_8z8z(name, &result, 0) != IDN2_OK)
        return NULL;
    back = to_ascii(result);
    same = back != NULL && zm_str_equal_nocase(zm_str(back), zm_str(name));
    idn2_free(back);
    if (same && has_beyond(zm_str(result)))
        return result;
    idn2_free(result);
    return NULL;
}

/* Adds a name in the form wanted; dots at its ends stay.  False: as it was. */
static bool add_name(zm_buf_t *out, zm_str_t name, form_t form)
{
    char copy[NAME_LIMIT + 1], *converted;
    apr_size_t first = 0, end = name.length;
    while (first < end && name.data[first] == '.')
        first++;
    while (end > first && name.data[end - 1] == '.')
        end--;
    if (end - first > NAME_LIMIT)
        return false;
    memcpy(copy, name.data + first, end - first);
    copy[end - first] = '\0';
    converted = form == FORM_ASCII ? to_ascii(copy) : to_unicode(copy);
    if (converted == NULL)
        return false;
    zm_buf_add(out, name.data, first);
    zm_buf_add_c(out, converted);
    zm_buf_add(out, name.data + end, name.length - end);
    idn2_free(converted);
    return true;
}

/* -- names in a text ------------------------------------------------------------------------- */

/* Whether the run from start to end of an address is a domain. */
static bool is_domain(zm_str_t address, apr_size_t start, apr_size_t end)
{
    char before = '\0', after = '\0';
    if (start > 0)
        before = address.data[start - 1];
    if (end < address.length)
        after = address.data[end];
    return before == '@' || ((before == '%' || after == '!') &&
                             memchr(address.data + start, '.', end - start) != NULL);
}

static zm_str_t convert(zm_str_t text, form_t form, bool address, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result = text;
    bool quoted = false, changed = false;
    apr_size_t i = 0, end;
    while (i < text.length) {
        end = i + 1;
        if (address && text.data[i] == '\\' && end < text.length)
            end++;
        else if (address && text.data[i] == '"')
            quoted = !quoted;
        else if (!quoted && is_name_byte(text.data[i])) {
            zm_str_t name;
            while (end < text.length && is_name_byte(text.data[end]))
                end++;
            name = zm_str_of(text.data + i, end - i);
            if ((form == FORM_ASCII ? has_beyond(name) : has_a_label(name)) &&
                (!address || is_domain(text, i, end)) && add_name(&out, name, form)) {
                changed = true;
                i = end;
                continue;
            }
        }
        zm_buf_add(&out, text.data + i, end - i);
        i = end;
    }
    if (changed)
        result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

zm_str_t zm_idn_ascii(zm_str_t text, apr_pool_t *pool)
{
    return has_beyond(text) ? convert(text, FORM_ASCII, false, pool) : text;
}

zm_str_t zm_idn_address(zm_str_t address, apr_pool_t *pool)
{
    return has_beyond(address) ? convert(address, FORM_ASCII, true, pool) : address;
}

bool zm_idn_other(zm_str_t *other, zm_str_t key, apr_pool_t *pool)
{
    bool address = zm_str_find(key, '@') >= 0;
    form_t form = FORM_ASCII;
    if (!has_beyond(key)) {
        if (!has_a_label(key))
            return false;
        form = FORM_UNICODE;
    }
    *other = convert(key, form, address, pool);
    if (form == FORM_ASCII && address && other->data == key.data && has_a_label(key)) {
        /* a local part beyond ASCII, and a domain with A-labels */
        *other = convert(key, FORM_UNICODE, address, pool);
    }
    return other->data != key.data;
}
