#include "mta/mail/xtext.h"

static bool is_plain(char byte)
{
    return byte >= '!' && byte <= '~' && byte != '+' && byte != '=';
}

void zm_xtext_add(zm_buf_t *buffer, zm_str_t text)
{
    static const char digits[] = "0123456789ABCDEF";
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (is_plain(text.data[i])) {
            zm_buf_add_byte(buffer, text.data[i]);
        } else {
            zm_buf_add_byte(buffer, '+');
            zm_buf_add_byte(buffer, digits[byte >> 4]);
            zm_buf_add_byte(buffer, digits[byte & 15]);
        }
    }
}

zm_str_t zm_xtext_encode(zm_str_t text, apr_pool_t *pool)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    zm_str_t copy;
    zm_xtext_add(&buffer, text);
    copy = zm_str_copy(pool, zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return copy;
}

static int hex_digit(char byte, bool lower_case)
{
    if (zm_is_digit(byte))
        return byte - '0';
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    if (lower_case && byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return -1;
}

/** The byte that "+HH" at index i stands for, or -1. */
static int encoded_byte(zm_str_t text, apr_size_t i, bool lower_case)
{
    int high, low;
    if (text.data[i] != '+' || text.length - i < 3)
        return -1;
    high = hex_digit(text.data[i + 1], lower_case);
    low = hex_digit(text.data[i + 2], lower_case);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool zm_xtext_valid(zm_str_t text, apr_size_t *position)
{
    apr_size_t i = 0;
    while (i < text.length) {
        bool encoded = encoded_byte(text, i, false) >= 0;
        if (!encoded && !is_plain(text.data[i])) {
            *position = i;
            return false;
        }
        i += encoded ? 3 : 1;
    }
    *position = i;
    return text.length > 0;
}

static zm_str_t decode(zm_str_t text, bool for_line, apr_pool_t *pool)
{
    char *copy = apr_palloc(pool, text.length + 1);
    apr_size_t i = 0, length = 0;
    while (i < text.length) {
        int value = encoded_byte(text, i, true);
        unsigned char byte = value >= 0 ? (unsigned char)value : (unsigned char)text.data[i];
        i += value >= 0 ? 3 : 1;
        if (for_line && (byte < ' ' || byte == 127))
            byte = '?';
        copy[length++] = (char)byte;
    }
    copy[length] = '\0';
    return zm_str_of(copy, length);
}

zm_str_t zm_xtext_decode(zm_str_t text, apr_pool_t *pool)
{
    return decode(text, false, pool);
}

zm_str_t zm_xtext_decode_line(zm_str_t text, apr_pool_t *pool)
{
    return decode(text, true, pool);
}
