#include "mta/mail/dsn_address.h"

#include "mta/mail/encoded_word.h"
#include "mta/mail/xtext.h"

bool zm_dsn_is_ascii(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] >= 128)
            return false;
    return true;
}

bool zm_dsn_is_international(zm_str_t text)
{
    return !zm_dsn_is_ascii(text) && zm_is_utf8(text);
}

zm_str_t zm_dsn_reader(zm_str_t sender)
{
    bool file = sender.length > 0 && sender.data[0] == '/' &&
                !(zm_str_find(sender, '@') >= 0 && zm_str_find(sender, '=') >= 0);
    if (sender.length > 0 && (sender.data[0] == '|' || file))
        return ZM_S("postmaster");
    return sender;
}

static zm_str_t kept(zm_buf_t *text, apr_pool_t *pool)
{
    zm_str_t result = zm_str_copy(pool, zm_buf_str(text));
    zm_buf_free(text);
    return result;
}

zm_str_t zm_dsn_typed(zm_str_t address, apr_pool_t *pool)
{
    bool mail = zm_str_find(address, '@') >= 0 && !zm_str_starts_nocase(address, ZM_S("ns:"));
    bool beyond = zm_dsn_is_international(address);
    zm_buf_t text = ZM_BUF_INIT;

    zm_buf_add_c(&text, !mail ? "x-local;" : beyond ? "utf-8;" : "rfc822;");
    zm_buf_add_str(&text, address);
    return kept(&text, pool);
}

/* -- \x{HEX} ------------------------------------------------------------------------------- */

static void add_code_point(zm_buf_t *out, uint32_t c)
{
    if (c < 0x80) {
        zm_buf_add_byte(out, (char)c);
    } else if (c < 0x800) {
        zm_buf_add_byte(out, (char)(0xc0 | c >> 6));
        zm_buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        zm_buf_add_byte(out, (char)(0xe0 | c >> 12));
        zm_buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
        zm_buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
    } else {
        zm_buf_add_byte(out, (char)(0xf0 | c >> 18));
        zm_buf_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
        zm_buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
        zm_buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
    }
}

static int hex_digit(char c)
{
    if (zm_is_digit(c))
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that "\x{HEX}" at the beginning of text names; *length is that of the whole. 0: it
 * names none. */
static uint32_t embedded(zm_str_t text, apr_size_t *length)
{
    uint32_t c = 0;
    apr_size_t i = 3;

    if (text.length < 5 || text.data[0] != '\\' || text.data[1] != 'x' || text.data[2] != '{')
        return 0;
    for (; i < text.length && hex_digit(text.data[i]) >= 0 && c <= 0x10ffff; i++)
        c = c * 16 + (uint32_t)hex_digit(text.data[i]);
    *length = i + 1;
    if (i == 3 || i >= text.length || text.data[i] != '}' || c > 0x10ffff ||
        (c >= 0xd800 && c < 0xe000))
        return 0;
    return c;
}

zm_str_t zm_dsn_original(zm_str_t orcpt, apr_pool_t *pool)
{
    zm_str_t plain = zm_xtext_decode_line(orcpt, pool);
    zm_buf_t text = ZM_BUF_INIT;
    apr_size_t i = 0, length;

    if (!zm_str_starts_nocase(plain, ZM_S("utf-8;")))
        return plain;
    while (i < plain.length) {
        uint32_t c = embedded(zm_str_from(plain, i), &length);
        if (c < ' ' || c == 127) {
            zm_buf_add_byte(&text, plain.data[i++]);
        } else {
            add_code_point(&text, c);
            i += length;
        }
    }
    return kept(&text, pool);
}

/* Valid UTF-8 from here on. */
static uint32_t next_code_point(zm_str_t text, apr_size_t *at)
{
    unsigned char first = (unsigned char)text.data[(*at)++];
    int more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = first & (0x3fu >> more);
    while (more-- > 0 && *at < text.length)
        c = c << 6 | ((unsigned char)text.data[(*at)++] & 0x3f);
    return c;
}

void zm_dsn_add_embedded(zm_buf_t *out, zm_str_t orcpt)
{
    apr_size_t i = 0;
    while (i < orcpt.length)
        if ((unsigned char)orcpt.data[i] < 128)
            zm_buf_add_byte(out, orcpt.data[i++]);
        else
            zm_buf_printf(out, "\\x{%X}", next_code_point(orcpt, &i));
}

void zm_dsn_add_orcpt(zm_buf_t *out, zm_str_t address)
{
    apr_size_t i = 0;

    if (zm_dsn_is_ascii(address) || !zm_is_utf8(address)) {
        zm_buf_add_c(out, "rfc822;");
        zm_xtext_add(out, address);
        return;
    }
    zm_buf_add_c(out, "utf-8;");
    while (i < address.length)
        if ((unsigned char)address.data[i] < 128) {
            zm_xtext_add(out, zm_str_of(address.data + i, 1));
            i++;
        } else {
            zm_buf_printf(out, "\\x{%X}", next_code_point(address, &i));
        }
}

void zm_dsn_add_line(zm_buf_t *out, zm_str_t text, bool beyond)
{
    bool any = beyond && zm_is_utf8(text);
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        zm_buf_add_byte(out, c < ' ' || c == 127 || (c >= 128 && !any) ? '?' : (char)c);
    }
}
