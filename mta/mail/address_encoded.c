/* Encoded words in display names that have specials inside. */
#include <string.h>

#include "mta/mail/address_internal.h"

/** The offset behind the "?=" of an encoded word that begins at `at`, or 0 when there is none. */
static apr_size_t encoded_end(zm_str_t text, apr_size_t at)
{
    apr_size_t i, question = 0;
    if (text.length - at < 9 || text.data[at] != '=' || text.data[at + 1] != '?')
        return 0;
    for (i = at + 2; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte <= ' ' || byte == 127 || memchr("\"<>@\\", byte, 5) != NULL)
            return 0;
        if (byte == '?' && ++question == 3)
            return i + 1 < text.length && text.data[i + 1] == '=' ? i + 2 : 0;
    }
    return 0;
}

apr_size_t zm_encoded_span(zm_str_t text, const zm_token_t *tokens, apr_size_t count)
{
    apr_size_t end, i = 0;
    if (tokens[0].kind != ZM_TOKEN_ATOM)
        return 1;
    end = encoded_end(text, tokens[0].offset);
    while (i + 1 < count && (apr_size_t)tokens[i].offset + tokens[i].extent < end)
        i++;
    /* A comment or literal that began inside may reach beyond the word: then it is none. */
    if ((apr_size_t)tokens[i].offset + tokens[i].extent > end && tokens[i].kind != ZM_TOKEN_ATOM)
        return 1;
    return i + 1;
}

void zm_encoded_merge(zm_str_t text, zm_token_t *tokens, apr_size_t count)
{
    const zm_token_t *last = &tokens[count - 1];
    apr_size_t i;
    tokens[0].extent = last->offset + last->extent - tokens[0].offset;
    tokens[0].text = zm_str_of(text.data + tokens[0].offset, tokens[0].extent);
    for (i = 1; i < count; i++) {
        tokens[i].text = ZM_S("");
        tokens[i].role = ZM_ROLE_NONE;
        tokens[i].offset = tokens[0].offset + tokens[0].extent;
        tokens[i].extent = 0;
    }
}
