#include "mta/conf/mailqsock.h"

#include <apr_network_io.h>
#include <apr_strings.h>

#include "mta/conf/lines.h"

static uint16_t service_port(const char *name, apr_pool_t *pool)
{
    apr_sockaddr_t *address;
    if (apr_sockaddr_info_get(&address, "127.0.0.1", APR_INET, 0, 0, pool) == APR_SUCCESS &&
        apr_getservbyname(address, name) == APR_SUCCESS)
        return address->port;
    return 0;
}

/* "C:/path" */
static bool is_drive(zm_str_t value)
{
    return value.length > 2 && zm_is_alpha((unsigned char)value.data[0]) && value.data[1] == ':' &&
           (value.data[2] == '/' || value.data[2] == '\\');
}

apr_status_t zm_mailqsock_parse(zm_mailqsock_t *sock, const char *text, apr_pool_t *pool)
{
    zm_str_t value = zm_str_trim(zm_str(text)), head, rest;
    uint64_t number;

    sock->path = NULL;
    sock->port = 0;
    if (zm_str_cut(value, '@', &head, &rest))
        value = head;
    if (value.length == 0) {
        sock->port = service_port("mailq", pool);
        if (sock->port == 0)
            sock->port = ZM_MAILQ_PORT;
        return APR_SUCCESS;
    }
    if (zm_str_starts_nocase(value, ZM_S("UNIX:")))
        sock->path = zm_str_c(pool, zm_str_from(value, 5));
    else if (value.data[0] == '/' || is_drive(value))
        sock->path = zm_str_c(pool, value);
    if (sock->path != NULL)
        return sock->path[0] != '\0' ? APR_SUCCESS : ZM_E_SYNTAX;
    if (zm_str_starts_nocase(value, ZM_S("TCP:")))
        value = zm_str_from(value, 4);
    if (zm_str_u64(value, &number) == APR_SUCCESS)
        sock->port = number <= 65535 ? (uint16_t)number : 0;
    else
        sock->port = service_port(zm_str_c(pool, value), pool);
    return sock->port != 0 ? APR_SUCCESS : ZM_E_SYNTAX;
}

static bool is_setting(zm_str_t line, zm_str_t *value)
{
    static const char *const names[] = {"PARAMmailqsock", "PARAMmailsock", "PARAMmailqpath"};
    zm_str_t name;
    unsigned i;

    if (!zm_str_cut(line, '=', &name, value))
        return false;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_str_equal_nocase(zm_str_trim(name), zm_str(names[i])))
            return line.length > 0 && !zm_is_space(line.data[0]);
    return false;
}

const char *zm_mailqsock_configured(const char *scheduler_conf, const zm_zenv_t *zenv,
                                    apr_pool_t *pool)
{
    zm_conf_lines_t *lines;
    zm_str_t line, value, found = ZM_S(""), word;
    zm_error_t error;

    if (zm_conf_lines_open(&lines, scheduler_conf, pool, &error) != APR_SUCCESS)
        return NULL;
    while (zm_conf_lines_next(lines, &line))
        if (is_setting(line, &value))
            found = zm_str_trim(value);
    if (found.length > 0 && found.data[0] == '"')
        zm_str_cut(zm_str_from(found, 1), '"', &found, &value);
    else if (zm_str_word(&found, &word))
        found = word;
    if (found.length == 0)
        return NULL;
    return zm_zenv_expand(zenv, found, ZM_EXPAND_BRACES | ZM_EXPAND_EMPTY, NULL, NULL, pool).data;
}
