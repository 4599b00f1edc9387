#include <string.h>

#include "mta/router/rewrite.h"

zm_str_t router_vis(zm_str_t text, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '\\')
            zm_buf_add_c(&out, "\\\\");
        else if (byte > ' ' && byte < 127 && strchr("*?[#", byte) == NULL)
            zm_buf_add_byte(&out, text.data[i]);
        else
            zm_buf_printf(&out, "\\%03o", byte);
    }
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

/* Up to three octal digits at an offset; how many there were. */
static apr_size_t octal(zm_str_t text, apr_size_t at, unsigned *value)
{
    apr_size_t count = 0;
    *value = 0;
    while (count < 3 && at + count < text.length && text.data[at + count] >= '0' &&
           text.data[at + count] <= '7')
        *value = *value * 8 + (unsigned)(text.data[at + count++] - '0');
    return count;
}

zm_str_t router_unvis(zm_str_t text, apr_pool_t *pool)
{
    static const char letters[] = "ntrsbafv", meanings[] = "\n\t\r \b\a\f\v";
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    apr_size_t i = 0;
    while (i < text.length) {
        unsigned value;
        apr_size_t digits;
        const char *letter;
        if (text.data[i] != '\\' || i + 1 == text.length) {
            zm_buf_add_byte(&out, text.data[i++]);
            continue;
        }
        i++;
        if ((digits = octal(text, i, &value)) > 0) {
            zm_buf_add_byte(&out, (char)value);
            i += digits;
            continue;
        }
        letter = strchr(letters, text.data[i]);
        zm_buf_add_byte(&out, letter != NULL && *letter != '\0' ? meanings[letter - letters]
                                                                : text.data[i]);
        i++;
    }
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}
