#include "mta/net/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void zm_sasl_encode(zm_buf_t *buffer, const void *data, apr_size_t length)
{
    const unsigned char *bytes = data;
    apr_size_t i;
    for (i = 0; i < length; i += 3) {
        apr_size_t left = length - i;
        unsigned group = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        zm_buf_add_byte(buffer, digits[group >> 18]);
        zm_buf_add_byte(buffer, digits[group >> 12 & 63]);
        zm_buf_add_byte(buffer, left > 1 ? digits[group >> 6 & 63] : '=');
        zm_buf_add_byte(buffer, left > 2 ? digits[group & 63] : '=');
    }
}

/* -1: it is none. */
static int value_of(char digit)
{
    const char *at = digit != '\0' ? strchr(digits, digit) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* The bytes that four digits stand for, of which the last `padding` are '='; false: they stand for
 * none. */
static bool read_group(zm_buf_t *buffer, const char *text, int padding)
{
    unsigned group = 0;
    char bytes[3];
    int i;
    for (i = 0; i < 4; i++) {
        int value = i < 4 - padding ? value_of(text[i]) : 0;
        if (value < 0)
            return false;
        group = group << 6 | (unsigned)value;
    }
    if ((padding == 1 && (group & 0xff) != 0) || (padding == 2 && (group & 0xffff) != 0))
        return false; /* bits that no encoder sets */
    bytes[0] = (char)(group >> 16 & 0xff);
    bytes[1] = (char)(group >> 8 & 0xff);
    bytes[2] = (char)(group & 0xff);
    zm_buf_add(buffer, bytes, (apr_size_t)(3 - padding));
    return true;
}

apr_status_t zm_sasl_decode(zm_buf_t *buffer, zm_str_t text)
{
    apr_size_t before = buffer->length, i;
    if (text.length % 4 != 0)
        return ZM_E_SYNTAX;
    for (i = 0; i < text.length; i += 4) {
        const char *group = text.data + i;
        bool last = i + 4 == text.length;
        int padding = last && group[3] == '=' ? (group[2] == '=' ? 2 : 1) : 0;
        if (!read_group(buffer, group, padding)) {
            buffer->length = before;
            return ZM_E_SYNTAX;
        }
    }
    return APR_SUCCESS;
}
