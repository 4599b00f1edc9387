/* Where to listen: the Bind parameters and what follows from their absence. */
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/mailqsock.h"
#include "mta/smtpserver/config_parts.h"
#include "platform/machine.h"

#define SMTP_PORT 25
#define SUBMIT_PORT 587
#define TLS_PORT 465

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

static void add_bind(config_reader_t *reader, config_bind_t bind)
{
    APR_ARRAY_PUSH(reader->config->binds, config_bind_t) = bind;
}

/* "iface:NAME", "iface:v4:NAME", "iface:v6:NAME": the addresses that the interface has now. */
static void bind_interface(config_reader_t *reader, config_bind_t bind, zm_str_t text)
{
    const char *const *addresses, *name;
    int family = 0, found = 0;
    if (zm_str_starts_nocase(text, ZM_S("v4:")))
        family = 4;
    else if (zm_str_starts_nocase(text, ZM_S("v6:")))
        family = 6;
    name = zm_str_c(reader->pool, zm_str_from(text, family != 0 ? 3 : 0));
    if (zm_machine_interface(&addresses, name, reader->pool) != APR_SUCCESS)
        addresses = NULL;
    for (; addresses != NULL && *addresses != NULL; addresses++) {
        if (zm_ip_parse(&bind.where.ip, zm_str(*addresses)) != APR_SUCCESS ||
            (family != 0 && bind.where.ip.family != family))
            continue;
        add_bind(reader, bind);
        found++;
    }
    if (found == 0)
        config_warning(reader, "PARAM %.*s: nobody listens there: the interface %s has no address",
                       (int)reader->keyword.length, reader->keyword.data, name);
}

/* An address in brackets with a blank in it has been taken for two words. */
static void join_words(config_reader_t *reader)
{
    zm_str_t *words = reader->words;
    int i;
    if (reader->count < 2 || words[0].data[0] != '[' || zm_str_find(words[0], ']') >= 0)
        return;
    words[0] = zm_str(apr_psprintf(reader->pool, "%.*s %.*s", (int)words[0].length, words[0].data,
                                   (int)words[1].length, words[1].data));
    reader->count--;
    for (i = 1; i < reader->count; i++)
        words[i] = words[i + 1];
}

static bool read_port(config_reader_t *reader, config_door_t door, config_bind_t *bind)
{
    zm_str_t word;
    bind->port_given = door != CONFIG_CLASSIC; /* that one follows BindPort */
    bind->where.port = door == CONFIG_SUBMIT ? SUBMIT_PORT
                       : door == CONFIG_TLS  ? TLS_PORT
                                             : SMTP_PORT;
    if (door == CONFIG_CLASSIC || reader->count < 2)
        return true;
    word = reader->words[1];
    if (parse_port(word, &bind->where.port))
        return true;
    config_error(reader, "PARAM %.*s: expected a port number, not %.*s",
                 (int)reader->keyword.length, reader->keyword.data, (int)word.length, word.data);
    return false;
}

void config_bind(config_reader_t *reader, config_door_t door)
{
    config_bind_t bind = {.group = reader->group,
                          .line = reader->lines->number,
                          .submit = door == CONFIG_SUBMIT,
                          .tls = door == CONFIG_TLS,
                          .classic = door == CONFIG_CLASSIC};
    zm_str_t word;
    join_words(reader);
    word = reader->words[0];
    if (!read_port(reader, door, &bind))
        return;
    bind.group->bound = true;
    if (zm_str_starts_nocase(word, ZM_S("iface:"))) {
        bind_interface(reader, bind, zm_str_from(word, 6));
    } else if (parse_address(word, &bind.where.ip, reader->pool)) {
        add_bind(reader, bind);
    } else {
        config_error(reader,
                     "PARAM %.*s: expected any, any6, [ADDRESS], [IPv6:ADDRESS] or iface:NAME, "
                     "not %.*s",
                     (int)reader->keyword.length, reader->keyword.data, (int)word.length,
                     word.data);
    }
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
    config_bind_t bind = {.group = group, .classic = true};
    if (configured != NULL) {
        if (!parse_address(zm_str(configured), &bind.where.ip, reader->pool))
            config_error(reader, "the site variable BINDADDR: expected [ADDRESS], not %s",
                         configured);
    } else if (reader->options->family == 4) {
        (void)zm_ip_parse(&bind.where.ip, ZM_S("0.0.0.0"));
    } else if (reader->options->family == 6) {
        (void)zm_ip_parse(&bind.where.ip, ZM_S("::"));
    }
    add_bind(reader, bind);
}

/* What listen-ssmtp and listen-submit add. */
static void add_classic(config_reader_t *reader, config_bind_t bind)
{
    config_bind_t tls = bind;
    tls.where.port = TLS_PORT;
    tls.tls = true;
    if (bind.group->listen_tls)
        add_bind(reader, tls);
    bind.where.port = SUBMIT_PORT;
    bind.submit = true;
    if (bind.group->listen_submit)
        add_bind(reader, bind);
}

void config_finish_binds(config_reader_t *reader)
{
    config_t *config = reader->config;
    int i, count;
    for (i = 0; i < config->groups->nelts; i++) {
        config_group_t *group = APR_ARRAY_IDX(config->groups, i, config_group_t *);
        if (!group->bound)
            imply_bind(reader, group);
    }
    count = config->binds->nelts;
    for (i = 0; i < count; i++) {
        config_bind_t bind = APR_ARRAY_IDX(config->binds, i, config_bind_t);
        if (!bind.port_given)
            APR_ARRAY_IDX(config->binds, i, config_bind_t).where.port =
                standard_port(reader, bind.group);
        if (bind.classic)
            add_classic(reader, bind);
    }
    if (count == 0 && config->errors->nelts == 0)
        config_error(reader, "no address to listen at is left");
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
        config_warning(reader, "PARAM etrn-cluster is ignored: there are %d already", CONFIG_NODES);
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
