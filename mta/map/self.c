/* selfmatch: whether an address literal is one of this machine's. */
#include <apr_network_io.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/map/types.h"
#include "platform/machine.h"

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

/* Further addresses of ours: what the program says now, else what the map was made with. */
static const char *listed(const zm_map_options_t *options, apr_pool_t *pool)
{
    zm_str_t list = options->variable != NULL
                        ? options->variable(options->variable_baton, "SELFADDRESSES")
                        : ZM_S("");
    if (list.length > 0)
        return zm_str_c(pool, list);
    return options->file != NULL ? options->file : "";
}

bool zm_map_is_own_address(zm_str_t address, const zm_map_options_t *options, apr_pool_t *pool)
{
    const char *text = zm_str_c(pool, address);
    apr_pool_t *own;
    bool result;
    if (is_listed(listed(options, pool), address))
        return true;
    if (apr_pool_create(&own, pool) != APR_SUCCESS)
        return false;
    result = can_bind(text, zm_str_find(address, ':') >= 0 ? APR_INET6 : APR_INET, own);
    apr_pool_destroy(own);
    return result;
}

typedef struct selfmatch_t {
    const zm_map_options_t *options;
} selfmatch_t;

static apr_status_t selfmatch_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                   zm_error_t *error)
{
    selfmatch_t *selfmatch = apr_palloc(pool, sizeof *selfmatch);
    (void)error;
    selfmatch->options = options;
    *state = selfmatch;
    return APR_SUCCESS;
}

static zm_map_outcome_t selfmatch_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                         apr_pool_t *pool)
{
    const zm_map_options_t *options = ((const selfmatch_t *)state)->options;
    unsigned parts[4];
    answer->value = ZM_S("1");
    if (is_listed(listed(options, pool), key))
        return ZM_MAP_FOUND;
    if (read_ipv4(key, parts)) {
        if (parts[0] == 127)
            answer->value = ZM_S("2");
        else if (parts[0] == 0 || parts[0] > 223)
            answer->value = ZM_S("3");
        else if (!zm_map_is_own_address(key, options, pool))
            return ZM_MAP_ABSENT;
        return ZM_MAP_FOUND;
    }
    if (!zm_str_starts_nocase(key, ZM_S("IPv6")) || key.length < 6)
        return ZM_MAP_ABSENT;
    key = zm_str_from(key, 5);
    return zm_str_find(key, ':') >= 0 && zm_map_is_own_address(key, options, pool) ? ZM_MAP_FOUND
                                                                                   : ZM_MAP_ABSENT;
}

/* The addresses of the interfaces, and those of the variable, as keys. */
static apr_status_t selfmatch_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    const zm_map_options_t *options = ((const selfmatch_t *)state)->options;
    const char *const *addresses;
    zm_str_t rest, word;
    bool going = true, more;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot tell our addresses");
    status = zm_machine_addresses(&addresses, pool);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot tell our addresses");
    for (; status == APR_SUCCESS && going && *addresses != NULL; addresses++)
        going =
            fn(baton,
               zm_str(strchr(*addresses, ':') != NULL ? apr_pstrcat(pool, "IPv6:", *addresses, NULL)
                                                      : *addresses),
               zm_str(strncmp(*addresses, "127.", 4) == 0 ? "2" : "1"));
    rest = zm_str(listed(options, pool));
    for (more = rest.length > 0; status == APR_SUCCESS && going && more;) {
        more = zm_str_cut(rest, ',', &word, &rest);
        word = zm_str_trim(word);
        if (word.length > 0)
            going = fn(baton, word, ZM_S("1"));
    }
    apr_pool_destroy(pool);
    return status;
}

static bool count_one(void *baton, zm_str_t key, zm_str_t value)
{
    (void)key;
    (void)value;
    ++*(uint64_t *)baton;
    return true;
}

static apr_status_t selfmatch_count(void *state, uint64_t *count, zm_error_t *error)
{
    *count = 0;
    return selfmatch_each(state, count_one, count, error);
}

const zm_map_type_t zm_map_selfmatch = {.name = "selfmatch",
                                        .holds_nothing = true,
                                        .open = selfmatch_open,
                                        .lookup = selfmatch_lookup,
                                        .count = selfmatch_count,
                                        .each = selfmatch_each};
