/*
 * bind: the name service as a map.  The subtype is what is asked for: mx, mxwks,
 * mxlocal, a, aaaa, cname, any, ptr, txt; wks, uinfo, uname and mp, of which the
 * net has none left, are understood.
 *
 * hostsfile: the canonical name of a host, from the hosts file or the name
 * service.
 */
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/map/resolver.h"
#include "mta/map/types.h"
#include "platform/machine.h"

#define MOST_VALUES 20
#define HOSTS_LIMIT (1u << 24)

typedef struct bind_t bind_t;
typedef zm_map_outcome_t bind_fn(bind_t *bind, zm_str_t key, zm_map_answer_t *answer,
                                 apr_pool_t *pool);

struct bind_t {
    zm_map_resolver_t *resolver;
    bind_fn *lookup;
    const zm_map_options_t *options;
    zm_dns_type_t type;
    const char *word; /* the subtype, as reasons name it */
};

/* What an answer without records means; a failure is told as "NS:name/type". */
static zm_map_outcome_t nothing(const bind_t *bind, zm_str_t key, const zm_dns_answer_t *dns,
                                zm_map_answer_t *answer, apr_pool_t *pool)
{
    answer->ttl = dns->ttl;
    if (dns->outcome != ZM_DNS_TEMPORARY)
        return ZM_MAP_ABSENT;
    answer->reason = apr_pstrcat(pool, "NS:", zm_str_c(pool, key), "/", bind->word, NULL);
    return ZM_MAP_FAILED;
}

static zm_map_outcome_t found(zm_map_answer_t *answer, zm_str_t *values, apr_size_t count,
                              uint32_t ttl)
{
    answer->value = values[0];
    answer->values = values;
    answer->count = count;
    answer->ttl = ttl;
    return ZM_MAP_FOUND;
}

static zm_map_outcome_t found_one(zm_map_answer_t *answer, const char *value, uint32_t ttl)
{
    answer->value = zm_str(value);
    answer->ttl = ttl;
    return ZM_MAP_FOUND;
}

/* -- exchangers ------------------------------------------------------------------------------- */

static zm_str_t own_name(const bind_t *bind)
{
    return bind->options->variable != NULL
               ? bind->options->variable(bind->options->variable_baton, "hostname")
               : ZM_S("");
}

/* The exchangers that are better than we are. */
static zm_map_outcome_t mx(bind_t *bind, zm_str_t key, zm_map_answer_t *answer, apr_pool_t *pool)
{
    const zm_dns_answer_t *dns = zm_map_resolver_ask(bind->resolver, ZM_DNS_MX, key, pool);
    zm_str_t self = own_name(bind), *values;
    int i, count = dns->count;
    if (dns->outcome != ZM_DNS_FOUND)
        return nothing(bind, key, dns, answer, pool);
    for (i = 0; i < count; i++)
        if (zm_str_equal_nocase(zm_str(dns->records[i].host), self))
            while (count > 0 && dns->records[count - 1].preference >= dns->records[i].preference)
                count--;
    if (count > MOST_VALUES)
        count = MOST_VALUES;
    answer->ttl = dns->ttl;
    if (count <= 0)
        return ZM_MAP_ABSENT;
    values = apr_palloc(pool, (apr_size_t)count * sizeof *values);
    for (i = 0; i < count; i++)
        values[i] = zm_str(dns->records[i].host);
    return found(answer, values, (apr_size_t)count, dns->ttl);
}

/* Whether a host is this one, by name or by address.  FAILED: it cannot be told. */
static zm_map_outcome_t is_self(bind_t *bind, const char *host, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    static const zm_dns_type_t types[] = {ZM_DNS_A, ZM_DNS_AAAA};
    apr_size_t t;
    int i;
    if (zm_str_equal_nocase(zm_str(host), own_name(bind)))
        return ZM_MAP_FOUND;
    for (t = 0; t < 2; t++) {
        const zm_dns_answer_t *dns =
            zm_map_resolver_ask(bind->resolver, types[t], zm_str(host), pool);
        if (dns->outcome == ZM_DNS_TEMPORARY)
            return nothing(bind, zm_str(host), dns, answer, pool);
        for (i = 0; i < dns->count; i++) {
            char text[ZM_IP_TEXT];
            zm_ip_print(&dns->records[i].ip, text);
            if (zm_map_is_own_address(zm_str(text), bind->options, pool))
                return ZM_MAP_FOUND;
        }
    }
    return ZM_MAP_ABSENT;
}

/* Whether there are exchangers, and no better one than this host. */
static zm_map_outcome_t mxlocal(bind_t *bind, zm_str_t key, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    const zm_dns_answer_t *dns = zm_map_resolver_ask(bind->resolver, ZM_DNS_MX, key, pool);
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    zm_str_t *values;
    int i;
    if (dns->outcome != ZM_DNS_FOUND)
        return nothing(bind, key, dns, answer, pool);
    for (i = 0; outcome == ZM_MAP_ABSENT && i < dns->count &&
                dns->records[i].preference == dns->records[0].preference;
         i++)
        outcome = is_self(bind, dns->records[i].host, answer, pool);
    if (outcome != ZM_MAP_FOUND)
        return outcome;
    values = apr_palloc(pool, sizeof *values);
    values[0] = zm_str_copy(pool, key);
    return found(answer, values, 1, dns->ttl);
}

/* -- the other types --------------------------------------------------------------------------- */

static zm_map_outcome_t addresses(bind_t *bind, zm_str_t key, zm_map_answer_t *answer,
                                  apr_pool_t *pool)
{
    const zm_dns_answer_t *dns = zm_map_resolver_ask(bind->resolver, bind->type, key, pool);
    int i, count = dns->count < MOST_VALUES ? dns->count : MOST_VALUES;
    zm_str_t *values;
    if (dns->outcome != ZM_DNS_FOUND)
        return nothing(bind, key, dns, answer, pool);
    values = apr_palloc(pool, (apr_size_t)count * sizeof *values);
    for (i = 0; i < count; i++) {
        char text[ZM_IP_TEXT];
        values[i] = zm_str_copy(pool, zm_str(zm_ip_print(&dns->records[i].ip, text)));
    }
    return found(answer, values, (apr_size_t)count, dns->ttl);
}

static zm_map_outcome_t text(bind_t *bind, zm_str_t key, zm_map_answer_t *answer, apr_pool_t *pool)
{
    const zm_dns_answer_t *dns = zm_map_resolver_ask(bind->resolver, bind->type, key, pool);
    if (dns->outcome != ZM_DNS_FOUND)
        return nothing(bind, key, dns, answer, pool);
    answer->value = bind->type == ZM_DNS_TXT ? dns->records[0].text : zm_str(dns->records[0].host);
    answer->ttl = dns->ttl;
    return ZM_MAP_FOUND;
}

/*
 * The name that a name is an alias of; one that is none, but is there, is its
 * own.  To be there means to have addresses or exchangers, for `any`, and
 * anything at all for `cname`.
 */
static zm_map_outcome_t canonical(bind_t *bind, zm_str_t key, zm_map_answer_t *answer,
                                  apr_pool_t *pool)
{
    static const zm_dns_type_t types[] = {ZM_DNS_A, ZM_DNS_MX, ZM_DNS_AAAA};
    const char *names[8];
    int count = zm_map_resolver_names(bind->resolver, key, names, pool), i;
    apr_size_t t;
    for (i = 0; i < count; i++) {
        for (t = 0; t < 3; t++) {
            const zm_dns_answer_t *dns =
                zm_map_resolver_ask(bind->resolver, types[t], zm_str(names[i]), pool);
            bool there = dns->outcome == ZM_DNS_FOUND ||
                         (dns->outcome == ZM_DNS_NO_DATA && bind->type == ZM_DNS_CNAME);
            if (dns->outcome == ZM_DNS_TEMPORARY)
                return nothing(bind, key, dns, answer, pool);
            answer->ttl = dns->ttl;
            if (there)
                return found_one(answer, dns->canonical, dns->ttl);
            if (dns->outcome == ZM_DNS_NO_NAME)
                break;
        }
    }
    return ZM_MAP_ABSENT;
}

/* Services are not listed in the name service any more (RFC 1123, 2.2): who has no list, takes
 * mail. */
static zm_map_outcome_t services(bind_t *bind, zm_str_t key, zm_map_answer_t *answer,
                                 apr_pool_t *pool)
{
    (void)bind;
    answer->value = zm_str_copy(pool, key);
    return ZM_MAP_FOUND;
}

static zm_map_outcome_t no_more(bind_t *bind, zm_str_t key, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    (void)bind;
    (void)key;
    (void)answer;
    (void)pool;
    return ZM_MAP_ABSENT;
}

static zm_map_outcome_t host(bind_t *bind, zm_str_t key, zm_map_answer_t *answer, apr_pool_t *pool)
{
    const char *name = zm_str_c(pool, key), *own;
    if (strlen(name) != key.length)
        return ZM_MAP_ABSENT;
    own = zm_map_resolver_host(bind->resolver, name, pool);
    if (own != NULL)
        return found_one(answer, own, 0);
    return canonical(bind, key, answer, pool);
}

/* -- the map types ----------------------------------------------------------------------------- */

static const struct {
    const char *word;
    zm_dns_type_t type;
    bind_fn *lookup;
} subtypes[] = {
    {"mx", ZM_DNS_MX, mx},
    {"mxwks", ZM_DNS_MX, mx},
    {"mxlocal", ZM_DNS_MX, mxlocal},
    {"a", ZM_DNS_A, addresses},
    {"aaaa", ZM_DNS_AAAA, addresses},
    {"cname", ZM_DNS_CNAME, canonical},
    {"any", ZM_DNS_A, canonical},
    {"ptr", ZM_DNS_PTR, text},
    {"txt", ZM_DNS_TXT, text},
    {"wks", ZM_DNS_A, services},
    {"uinfo", ZM_DNS_TXT, no_more},
    {"uname", ZM_DNS_TXT, no_more},
    {"mp", ZM_DNS_TXT, no_more},
};
#define SUBTYPES (sizeof subtypes / sizeof subtypes[0])

static apr_size_t find_subtype(const char *word)
{
    apr_size_t i = 0;
    while (i < SUBTYPES && !zm_str_equal_nocase(zm_str(word), zm_str(subtypes[i].word)))
        i++;
    return i;
}

static apr_status_t bind_check(const zm_map_options_t *options, zm_error_t *error)
{
    if (options->subtype == NULL)
        return zm_error_set(error, ZM_E_CONFIG,
                            "the type bind needs to be told what to ask for, as in bind,mx");
    if (find_subtype(options->subtype) == SUBTYPES)
        return zm_error_set(error, ZM_E_CONFIG, "\"%s\" is nothing that the type bind asks for",
                            options->subtype);
    return APR_SUCCESS;
}

static bind_t *make(void **state, const zm_map_options_t *options, apr_pool_t *pool)
{
    bind_t *bind = apr_pcalloc(pool, sizeof *bind);
    bind->options = options;
    *state = bind;
    return bind;
}

static apr_status_t bind_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                              zm_error_t *error)
{
    bind_t *bind = make(state, options, pool);
    apr_size_t i = find_subtype(options->subtype);
    bind->lookup = subtypes[i].lookup;
    bind->type = subtypes[i].type;
    bind->word = subtypes[i].word;
    return zm_map_resolver_create(&bind->resolver, pool, error);
}

static apr_status_t hostsfile_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                   zm_error_t *error)
{
    bind_t *bind = make(state, options, pool);
    bind->lookup = host;
    bind->type = ZM_DNS_A;
    bind->word = "a";
    return zm_map_resolver_create(&bind->resolver, pool, error);
}

static zm_map_outcome_t bind_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                    apr_pool_t *pool)
{
    bind_t *bind = state;
    return bind->lookup(bind, key, answer, pool);
}

const zm_map_type_t zm_map_bind = {.name = "bind",
                                   .answers_lists = true,
                                   .waits = true,
                                   .holds_nothing = true,
                                   .check = bind_check,
                                   .open = bind_open,
                                   .lookup = bind_lookup};

/* A line "ADDRESS CANONICAL ALIAS..." of the file of hosts.  False: enough. */
static bool each_name(zm_str_t line, zm_map_each_fn *fn, void *baton)
{
    zm_str_t text, comment, word, canonical;
    bool going = true;
    zm_str_cut(line, '#', &text, &comment);
    text = zm_str_trim(text);
    if (!zm_str_word(&text, &word) || !zm_str_word(&text, &canonical))
        return true;
    going = fn(baton, canonical, canonical);
    while (going && zm_str_word(&text, &word))
        going = fn(baton, word, canonical);
    return going;
}

/* What the file of hosts has; the name service cannot be asked for all it knows. */
static apr_status_t hostsfile_each(void *state, zm_map_each_fn *fn, void *baton, zm_error_t *error)
{
    const char *path;
    apr_pool_t *pool;
    apr_size_t length;
    char *data;
    bool going = true;
    apr_status_t status = apr_pool_create(&pool, NULL);
    (void)state;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read the file of hosts");
    path = zm_machine_hosts_file(pool);
    status = zm_file_slurp(&data, &length, path, HOSTS_LIMIT, pool);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot read %s", path);
    else {
        zm_str_t rest = zm_str_of(data, length), line;
        while (going && rest.length > 0) {
            zm_str_cut(rest, '\n', &line, &rest);
            going = each_name(line, fn, baton);
        }
    }
    apr_pool_destroy(pool);
    return status;
}

const zm_map_type_t zm_map_hostsfile = {.name = "hostsfile",
                                        .waits = true,
                                        .holds_nothing = true,
                                        .open = hostsfile_open,
                                        .lookup = bind_lookup,
                                        .each = hostsfile_each};
