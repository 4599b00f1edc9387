/*
 * hostsfile: a host name's canonical form, from the system's resolver.
 * selfmatch: whether an address literal is one of this machine's.
 */
#include <apr_network_io.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/map/types.h"

typedef struct hosts_t {
    apr_pool_t *pool; /* of one lookup */
    const char *own;  /* selfmatch: further addresses of ours, comma separated */
} hosts_t;

static apr_status_t hosts_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    hosts_t *hosts = apr_pcalloc(pool, sizeof *hosts);
    apr_status_t status = apr_pool_create(&hosts->pool, pool);
    hosts->own = options->file != NULL ? options->file : "";
    *state = hosts;
    return status == APR_SUCCESS ? status : zm_error_system(error, status, "cannot make a map");
}

static zm_map_outcome_t hostsfile_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                         apr_pool_t *pool)
{
    hosts_t *hosts = state;
    apr_sockaddr_t *address;
    apr_status_t status;
    const char *name = zm_str_c(pool, key);
    apr_pool_clear(hosts->pool);
    if (key.length > 255 || strlen(name) != key.length)
        return ZM_MAP_ABSENT;
    status = apr_sockaddr_info_get(&address, name, APR_UNSPEC, 0, 0, hosts->pool);
    if (status == APR_SUCCESS) {
        answer->value = zm_str_copy(pool, key);
        return ZM_MAP_FOUND;
    }
    return ZM_MAP_ABSENT;
}

/* An address belongs to this machine exactly if a socket can be bound to it. */
static bool can_bind(const char *ip, int family, apr_pool_t *pool)
{
    apr_sockaddr_t *address;
    apr_socket_t *socket;
    bool bound;
    if (apr_sockaddr_info_get(&address, ip, family, 0, 0, pool) != APR_SUCCESS ||
        apr_socket_create(&socket, family, SOCK_DGRAM, 0, pool) != APR_SUCCESS)
        return false;
    bound = apr_socket_bind(socket, address) == APR_SUCCESS;
    apr_socket_close(socket);
    return bound;
}

static bool is_listed(const char *list, zm_str_t literal)
{
    zm_str_t rest = zm_str(list), word;
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        word = zm_str_trim(word);
        if (word.length > 2 && word.data[0] == '[' && word.data[word.length - 1] == ']')
            word = zm_str_of(word.data + 1, word.length - 2);
        if (zm_str_equal_nocase(word, literal))
            return true;
    }
    return false;
}

static bool read_ipv4(zm_str_t text, unsigned parts[4])
{
    zm_str_t part;
    int count = 0;
    bool more = true;
    while (more) {
        uint64_t number;
        more = zm_str_cut(text, '.', &part, &text);
        if (count == 4 || zm_str_u64(part, &number) != APR_SUCCESS || number > 255)
            return false;
        parts[count++] = (unsigned)number;
    }
    return count == 4;
}

static zm_map_outcome_t selfmatch_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                         apr_pool_t *pool)
{
    hosts_t *hosts = state;
    unsigned parts[4];
    zm_str_t ip = key;
    apr_pool_clear(hosts->pool);
    answer->value = ZM_S("1");
    if (is_listed(hosts->own, key))
        return ZM_MAP_FOUND;
    if (read_ipv4(key, parts)) {
        if (parts[0] == 127)
            answer->value = ZM_S("2");
        else if (parts[0] == 0 || parts[0] > 223)
            answer->value = ZM_S("3");
        else if (!can_bind(zm_str_c(pool, ip), APR_INET, hosts->pool))
            return ZM_MAP_ABSENT;
        return ZM_MAP_FOUND;
    }
    if (!zm_str_starts_nocase(key, ZM_S("IPv6")) || key.length < 6)
        return ZM_MAP_ABSENT;
    ip = zm_str_of(key.data + 5, key.length - 5);
    return zm_str_find(ip, ':') >= 0 && can_bind(zm_str_c(pool, ip), APR_INET6, hosts->pool)
               ? ZM_MAP_FOUND
               : ZM_MAP_ABSENT;
}

const zm_map_type_t zm_map_hostsfile = {
    .name = "hostsfile", .open = hosts_open, .lookup = hostsfile_lookup};
const zm_map_type_t zm_map_selfmatch = {
    .name = "selfmatch", .open = hosts_open, .lookup = selfmatch_lookup};
