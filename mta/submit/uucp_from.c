#include "mta/submit/uucp_from.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/submit/preamble.h"

#define REMOTE_FROM "remote from "

bool uucp_is_from(zm_str_t line)
{
    return zm_str_starts(line, ZM_S("From ")) || zm_str_starts(line, ZM_S(">From "));
}

bool uucp_is_host(const char *text)
{
    const char *at;
    for (at = text; *at != '\0'; at++)
        if (!zm_is_alpha((unsigned char)*at) && !zm_is_digit((unsigned char)*at) &&
            strchr(".-_", *at) == NULL)
            return false;
    return at != text;
}

/* The address at the start of *rest: blanks in quotes or behind a backslash belong to it. */
static zm_str_t take_address(zm_str_t *rest)
{
    bool quoted = false;
    apr_size_t i;
    zm_str_t address;
    for (i = 0; i < rest->length; i++) {
        char c = rest->data[i];
        if (c == '\\' && i + 1 < rest->length)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && zm_is_blank((unsigned char)c))
            break;
    }
    address = zm_str_of(rest->data, i);
    *rest = zm_str_from(*rest, i);
    return address;
}

/* Where "remote from " begins; -1: nowhere. */
static apr_ssize_t find_remote(zm_str_t text)
{
    apr_size_t i, length = sizeof REMOTE_FROM - 1;
    for (i = 0; i + length <= text.length; i++)
        if (memcmp(text.data + i, REMOTE_FROM, length) == 0)
            return (apr_ssize_t)i;
    return -1;
}

apr_status_t uucp_parse(uucp_from_t *from, zm_str_t line, apr_pool_t *pool)
{
    zm_str_t rest = zm_str_from(line, line.data[0] == '>' ? 6 : 5), address;
    apr_ssize_t remote;
    rest = zm_str_trim(rest);
    if (!preamble_is_line(rest))
        return ZM_E_SYNTAX;
    address = take_address(&rest);
    if (address.length == 0)
        return ZM_E_SYNTAX;
    from->address = zm_str_c(pool, address);
    from->host = NULL;
    remote = find_remote(rest);
    if (remote >= 0) {
        zm_str_t host = zm_str_trim(zm_str_from(rest, (apr_size_t)remote + sizeof REMOTE_FROM - 1));
        from->host = zm_str_c(pool, take_address(&host));
        if (!uucp_is_host(from->host))
            return ZM_E_SYNTAX;
        rest = zm_str_of(rest.data, (apr_size_t)remote);
    }
    from->date = zm_str_c(pool, zm_str_trim(rest));
    return APR_SUCCESS;
}

const char *uucp_sender(const apr_array_header_t *lines, const char *otherwise, apr_pool_t *pool)
{
    const uucp_from_t *list = (const uucp_from_t *)lines->elts;
    zm_buf_t path = ZM_BUF_INIT;
    const char *oldest, *sender;
    int i;
    if (lines->nelts == 0)
        return "uucp";
    oldest = list[lines->nelts - 1].address;
    if (strcmp(oldest, "<>") == 0)
        return "";
    if (strchr(oldest, '@') != NULL)
        return oldest;
    for (i = 0; i < lines->nelts; i++) {
        zm_buf_add_c(&path, list[i].host != NULL ? list[i].host : otherwise);
        zm_buf_add_byte(&path, '!');
    }
    zm_buf_add_c(&path, oldest);
    sender = zm_str_c(pool, zm_buf_str(&path));
    zm_buf_free(&path);
    return sender;
}

void uucp_received(zm_buf_t *out, const apr_array_header_t *lines)
{
    int i;
    for (i = 0; i + 1 < lines->nelts; i++) {
        const uucp_from_t *from = &APR_ARRAY_IDX(lines, i, uucp_from_t);
        if (from->host != NULL && from->date[0] != '\0')
            zm_buf_printf(out, "Received: by %s%s ; %s\n", from->host,
                          strchr(from->host, '.') != NULL ? "" : ".uucp", from->date);
    }
}
