#include "ta/mailbox/destination.h"

#include <apr_strings.h>
#include <string.h>

/* Content of a quoted string up to its closing quote, escapes undone. */
static char *inside_quotes(zm_str_t text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, text.length + 1);
    apr_size_t i, length = 0;
    for (i = 1; i < text.length && text.data[i] != '"'; i++) {
        if (text.data[i] == '\\' && i + 1 < text.length)
            i++;
        out[length++] = text.data[i];
    }
    out[length] = '\0';
    return out;
}

/* Everything up to the first '@' that no backslash protects; backslashes are dropped. */
static char *before_at(zm_str_t text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, text.length + 1);
    apr_size_t i, length = 0;
    for (i = 0; i < text.length && text.data[i] != '@'; i++) {
        if (text.data[i] == '\\' && i + 1 < text.length)
            i++;
        out[length++] = text.data[i];
    }
    out[length] = '\0';
    return out;
}

static char *without_quotes(zm_str_t text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, text.length + 1);
    apr_size_t i, length = 0;
    for (i = 0; i < text.length; i++) {
        if (text.data[i] == '"')
            continue;
        if (text.data[i] == '\\' && i + 1 < text.length)
            i++;
        out[length++] = text.data[i];
    }
    out[length] = '\0';
    return out;
}

static const char *domain_of(zm_str_t text, apr_pool_t *pool)
{
    apr_size_t at = text.length;
    while (at > 0 && text.data[at - 1] != '@' && text.data[at - 1] != '"')
        at--;
    if (at == 0 || text.data[at - 1] != '@')
        return "";
    return apr_pstrmemdup(pool, text.data + at, text.length - at);
}

apr_status_t zm_destination_parse(zm_destination_t *destination, zm_str_t raw, zm_str_t plain,
                                  bool domain_aware, apr_pool_t *pool)
{
    const char *plus;
    *destination = (zm_destination_t){ZM_TO_USER, "", "", "", ""};
    while (plain.length > 0 && plain.data[0] == '\\')
        plain = zm_str_from(plain, 1);
    if (plain.length == 0 || zm_str_find(plain, '\0') >= 0)
        return ZM_E_SYNTAX;
    destination->domain = domain_of(plain, pool);
    if (plain.data[0] == '|') {
        destination->kind = ZM_TO_PROGRAM;
        destination->text = zm_str_c(pool, zm_str_from(plain, 1));
        return APR_SUCCESS;
    }
    if (plain.data[0] == '/' && raw.length > 0 && raw.data[0] == '"')
        destination->text = zm_str_c(pool, plain);
    else if (domain_aware)
        destination->text = without_quotes(plain, pool);
    else
        destination->text =
            plain.data[0] == '"' ? inside_quotes(plain, pool) : before_at(plain, pool);
    /* What stands in quotes inside the field is decided upon too: "|x"@host is a program. */
    if (destination->text[0] == '|') {
        destination->kind = ZM_TO_PROGRAM;
        destination->text++;
    } else if (destination->text[0] == '/')
        destination->kind = ZM_TO_FILE;
    if (destination->text[0] == '\0')
        return ZM_E_SYNTAX;
    plus = strchr(destination->text, '+');
    destination->name = destination->text;
    if (plus != NULL && plus != destination->text) {
        destination->name =
            apr_pstrmemdup(pool, destination->text, (apr_size_t)(plus - destination->text));
        destination->detail = plus + 1;
    }
    return APR_SUCCESS;
}

bool zm_privilege_is_nobody(int64_t privilege, zm_uid_t nobody)
{
    return privilege < 0 || (uint16_t)privilege == (uint16_t)nobody ||
           (uint32_t)privilege == (uint32_t)nobody;
}

bool zm_looks_like_x400(const char *text)
{
    int slashes = 0, equals = 0;
    for (; *text != '\0'; text++) {
        slashes += *text == '/';
        equals += *text == '=';
    }
    return equals > 0 && slashes >= equals;
}
