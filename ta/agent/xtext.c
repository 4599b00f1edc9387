#include "ta/agent/xtext.h"

static int hex_digit(char byte)
{
    if (zm_is_digit(byte))
        return byte - '0';
    byte = (char)zm_to_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static char printable(int byte)
{
    return byte < ' ' || byte == 127 ? '?' : (char)byte;
}

zm_str_t zm_xtext_for_header(zm_str_t xtext, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, xtext.length + 1);
    apr_size_t i, length = 0;
    for (i = 0; i < xtext.length; i++) {
        int byte = (unsigned char)xtext.data[i];
        if (byte == '+' && i + 2 < xtext.length && hex_digit(xtext.data[i + 1]) >= 0 &&
            hex_digit(xtext.data[i + 2]) >= 0) {
            byte = hex_digit(xtext.data[i + 1]) * 16 + hex_digit(xtext.data[i + 2]);
            i += 2;
        }
        out[length++] = printable(byte);
    }
    out[length] = '\0';
    return zm_str_of(out, length);
}

zm_str_t zm_text_for_header(zm_str_t text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, text.length + 1);
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        out[i] = printable((unsigned char)text.data[i]);
    out[text.length] = '\0';
    return zm_str_of(out, text.length);
}
