/* Where to listen: the Bind parameters and what follows from their absence. */
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/mailqsock.h"
#include "mta/smtpserver/config_parts.h"

#define SMTP_PORT 25

/* "any", "any6", "[1.2.3.4]", "[IPv6:x]", "[IPv6.x]", "[ipv6 x]", and the same without brackets. */
static bool parse_address(zm_str_t word, zm_ip_t *ip, apr_pool_t *pool)
{
    static const zm_str_t tag = ZM_STR("ipv6");
    if (zm_str_equal_nocase(word, ZM_S("any")))
        return zm_ip_parse(ip, ZM_S("0.0.0.0")) == APR_SUCCESS;
    if (zm_str_equal_nocase(word, ZM_S("any6")))
        return zm_ip_parse(ip, ZM_S("::")) == APR_SUCCESS;
    if (word.length > 2 && word.data[0] == '[' && word.data[word.length - 1] == ']')
        word = zm_str_of(word.data + 1, word.length - 2);
    if (zm_str_starts_nocase(word, tag) && word.length > tag.length &&
        strchr(":. ", word.data[tag.length]) != NULL)
        word = zm_str_of(word.data + tag.length + 1, word.length - tag.length - 1);
    (void)pool;
    return zm_ip_parse(ip, word) == APR_SUCCESS;
}

static bool parse_port(zm_str_t word, uint16_t *port)
{
    uint64_t number;
    if (zm_str_u64(word, &number) != APR_SUCCESS || number > 65535)
        return false;
    *port = (uint16_t)number;
    return true;
}

void config_bind(config_reader_t *reader, bool with_port)
{
    config_bind_t bind = {0};
    zm_str_t word = reader->words[0];
    int name = (int)reader->keyword.length;
    if (zm_str_starts_nocase(word, ZM_S("iface:"))) {
        config_error(reader,
                     "PARAM %.*s: names of interfaces are not understood; write the "
                     "address, as in [192.0.2.1]",
                     name, reader->keyword.data);
        return;
    }
    if (!parse_address(word, &bind.where.ip, reader->pool)) {
        config_error(reader,
                     "PARAM %.*s: expected any, any6, [ADDRESS] or [IPv6:ADDRESS], not %.*s", name,
                     reader->keyword.data, (int)word.length, word.data);
        return;
    }
    if (with_port && reader->count > 1) {
        if (!parse_port(reader->words[1], &bind.where.port)) {
            config_error(reader, "PARAM %.*s: expected a port number, not %.*s", name,
                         reader->keyword.data, (int)reader->words[1].length, reader->words[1].data);
            return;
        }
        bind.port_given = true;
    }
    bind.group = reader->group;
    bind.group->bound = true;
    bind.line = reader->lines->number;
    /* BindSmtp without a port means the protocol's own; BindAddress follows BindPort. */
    if (with_port && !bind.port_given) {
        bind.where.port = SMTP_PORT;
        bind.port_given = true;
    }
    APR_ARRAY_PUSH(reader->config->binds, config_bind_t) = bind;
}

static uint16_t standard_port(const config_reader_t *reader, const config_group_t *group)
{
    int64_t port = group->bind_port > 0        ? group->bind_port
                   : reader->options->port > 0 ? reader->options->port
                                               : SMTP_PORT;
    return (uint16_t)port;
}

/* The site variable BINDADDR, or everywhere. */
static void imply_bind(config_reader_t *reader, config_group_t *group)
{
    const char *configured = zm_zenv_get_or(reader->options->zenv, "BINDADDR", NULL);
    config_bind_t bind = {0};
    bind.group = group;
    bind.port_given = true;
    bind.where.port = standard_port(reader, group);
    if (configured != NULL) {
        if (!parse_address(zm_str(configured), &bind.where.ip, reader->pool))
            config_error(reader, "the site variable BINDADDR: expected [ADDRESS], not %s",
                         configured);
    } else if (reader->options->family == 4) {
        (void)zm_ip_parse(&bind.where.ip, ZM_S("0.0.0.0"));
    } else if (reader->options->family == 6) {
        (void)zm_ip_parse(&bind.where.ip, ZM_S("::"));
    }
    APR_ARRAY_PUSH(reader->config->binds, config_bind_t) = bind;
}

void config_finish_binds(config_reader_t *reader)
{
    config_t *config = reader->config;
    int i;
    for (i = 0; i < config->binds->nelts; i++) {
        config_bind_t *bind = &APR_ARRAY_IDX(config->binds, i, config_bind_t);
        if (!bind->port_given)
            bind->where.port = standard_port(reader, bind->group);
    }
    for (i = 0; i < config->groups->nelts; i++) {
        config_group_t *group = APR_ARRAY_IDX(config->groups, i, config_group_t *);
        if (!group->bound)
            imply_bind(reader, group);
    }
}

/* -- schedulers ------------------------------------------------------------------- */

/* "NODE[/PORT]", "[ADDRESS][/PORT]", "UNIX:/PATH" or "/PATH" */
static bool read_node(config_node_t *node, zm_str_t text, apr_pool_t *pool)
{
    zm_mailqsock_t sock;
    zm_str_t host, port;
    if (text.length == 0)
        return false;
    if (text.data[0] == '/' || zm_str_starts_nocase(text, ZM_S("unix:"))) {
        if (zm_mailqsock_parse(&sock, zm_str_c(pool, text), pool) != APR_SUCCESS)
            return false;
        node->path = sock.path;
        return node->path != NULL;
    }
    if (!zm_str_cut(text, '/', &host, &port))
        port = ZM_S("");
    if (zm_mailqsock_parse(&sock, zm_str_c(pool, port), pool) != APR_SUCCESS || sock.path != NULL)
        return false;
    node->port = sock.port;
    node->host = zm_str_c(pool, host);
    if (host.length > 0 && host.data[0] == '[')
        return zm_ip_parse_literal(&node->ip, host) == APR_SUCCESS;
    (void)zm_ip_parse(&node->ip, host); /* else it is a name */
    return host.length > 0;
}

void config_node(config_reader_t *reader)
{
    config_node_t node = {0};
    if (reader->config->nodes->nelts == CONFIG_NODES) {
        config_error(reader, "PARAM etrn-cluster: there are %d already, and no more are kept",
                     CONFIG_NODES);
        return;
    }
    if (!read_node(&node, reader->words[0], reader->pool)) {
        config_error(reader,
                     "PARAM etrn-cluster: expected NODE[/PORT] or the path of a socket, "
                     "a user and a password, not %.*s",
                     (int)reader->words[0].length, reader->words[0].data);
        return;
    }
    node.user = zm_str_c(reader->pool, reader->words[1]);
    node.password = zm_str_c(reader->pool, reader->words[2]);
    APR_ARRAY_PUSH(reader->config->nodes, config_node_t) = node;
}
