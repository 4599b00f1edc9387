#include "mta/map/relation.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/map/cache.h"
#include "mta/map/types.h"
#include "mta/net/idn.h"

#define UNORDERED_CACHE 10         /* entries, where nothing is said */
#define INDIRECT_LIMIT (16u << 20) /* bytes of an indirect value */

struct zm_relation_t {
    zm_relation_options_t options;
    zm_map_t *map;
    zm_map_cache_t *cache; /* null: none */
    zm_file_info_t data;   /* of indirect values: their file as it was */
};

bool zm_relation_driver(const char *name, zm_relation_driver_t *driver)
{
    static const struct {
        const char *name;
        zm_relation_driver_t driver;
    } drivers[] = {{"pathalias", ZM_DRIVER_PATHALIAS},
                   {"pathalias.nodot", ZM_DRIVER_PATHALIAS_NODOT},
                   {"pathalias.at", ZM_DRIVER_PATHALIAS_AT},
                   {"longestmatch", ZM_DRIVER_LONGESTMATCH}};
    apr_size_t i;
    for (i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        if (strcmp(drivers[i].name, name) == 0) {
            *driver = drivers[i].driver;
            return true;
        }
    }
    return false;
}

apr_status_t zm_relation_create(zm_relation_t **relation, const zm_relation_options_t *options,
                                apr_pool_t *pool, zm_error_t *error)
{
    zm_relation_t *made = apr_pcalloc(pool, sizeof *made);
    bool text = strcmp(options->type, "unordered") == 0;
    zm_map_options_t map = options->map;
    int size = options->cache;
    apr_status_t status;
    map.patient = true;
    made->options = *options;
    made->options.type = apr_pstrdup(pool, options->type);
    if (options->post == ZM_POST_INDIRECT && !text && strcmp(options->type, "ordered") != 0)
        return zm_error_set(error, ZM_E_CONFIG,
                            "indirect values need a map of type ordered or unordered");
    if (options->post == ZM_POST_INDIRECT && options->map.subtype == NULL)
        return zm_error_set(error, ZM_E_CONFIG, "indirect values need a file as the map's subtype");
    if ((status = zm_map_create(&made->map, options->type, &map, pool, error)) != APR_SUCCESS)
        return status;
    made->options.map = *zm_map_options(made->map);
    if (size < 0)
        size = text ? UNORDERED_CACHE : 0;
    if (size > 0)
        made->cache = zm_map_cache_create((apr_size_t)size, options->ttl, pool);
    *relation = made;
    return APR_SUCCESS;
}

zm_str_t zm_relation_fold(const zm_relation_t *relation, zm_str_t key, apr_pool_t *pool)
{
    char *copy;
    apr_size_t i;
    if (relation->options.fold == 'l')
        return zm_str_lower(pool, key);
    if (relation->options.fold != 'u')
        return key;
    copy = zm_str_c(pool, key);
    for (i = 0; i < key.length; i++)
        copy[i] = (char)zm_to_upper((unsigned char)copy[i]);
    return zm_str_of(copy, key.length);
}

/* -- search drivers ---------------------------------------------------------------------- */

/* A search under way: what was asked, and the answer of the last probe. */
typedef struct search_t {
    zm_relation_t *relation;
    const zm_relation_query_t *query;
    zm_map_answer_t answer;
    zm_str_t covered;   /* %0 */
    bool international; /* keys have two forms */
    apr_pool_t *pool;
} search_t;

/* Tries one key; covered is what %0 becomes should it be found. */
static zm_map_outcome_t probe(search_t *search, zm_str_t key, zm_str_t covered)
{
    zm_map_outcome_t outcome;
    zm_str_t other;
    search->covered = covered;
    if (key.length == 0)
        return ZM_MAP_ABSENT;
    outcome = zm_map_lookup(search->relation->map, key, &search->answer, search->pool);
    if (outcome == ZM_MAP_ABSENT && search->international &&
        zm_idn_other(&other, key, search->pool))
        outcome = zm_map_lookup(search->relation->map, other, &search->answer, search->pool);
    return outcome;
}

static zm_map_outcome_t try_defaults(search_t *search, zm_str_t whole)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    apr_size_t i;
    if (search->query->default_count == 0)
        return probe(search, ZM_S("."), whole);
    for (i = 0; outcome == ZM_MAP_ABSENT && i < search->query->default_count; i++)
        outcome = probe(search, search->query->defaults[i], whole);
    return outcome;
}

/*
 * The suffixes of a domain, each with its dot: ".sub.test", ".test" of
 * "h.sub.test".  dot_before: %0 keeps the dot in front that the comparison has.
 */
static zm_map_outcome_t try_suffixes(search_t *search, zm_str_t domain, bool dot_before)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    apr_size_t i;
    for (i = domain.length > 0 && domain.data[0] == '.' ? 1 : 0;
         outcome == ZM_MAP_ABSENT && i < domain.length; i++) {
        zm_str_t front = zm_str_of(domain.data, i);
        if (domain.data[i] != '.')
            continue;
        if (dot_before && !(front.length > 0 && front.data[0] == '.'))
            front = zm_str(apr_pstrcat(search->pool, ".", zm_str_c(search->pool, front), NULL));
        outcome = probe(search, zm_str_from(domain, i), front);
    }
    return outcome;
}

static zm_map_outcome_t pathalias(search_t *search, zm_str_t domain)
{
    zm_map_outcome_t outcome = probe(search, domain, domain);
    if (outcome == ZM_MAP_ABSENT && domain.data[0] != '.')
        outcome = probe(
            search, zm_str(apr_pstrcat(search->pool, ".", zm_str_c(search->pool, domain), NULL)),
            ZM_S(""));
    if (outcome == ZM_MAP_ABSENT)
        outcome = try_suffixes(search, domain, true);
    return outcome == ZM_MAP_ABSENT ? try_defaults(search, domain) : outcome;
}

static zm_map_outcome_t pathalias_nodot(search_t *search, zm_str_t key)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    apr_size_t i;
    for (i = 0; outcome == ZM_MAP_ABSENT && i + 1 < key.length; i++)
        if (key.data[i] == '.')
            outcome = probe(search, zm_str_of(key.data + i + 1, key.length - i - 1),
                            zm_str_of(key.data, i + 1));
    return outcome;
}

static zm_map_outcome_t pathalias_at(search_t *search, zm_str_t key)
{
    apr_size_t at = key.length;
    zm_str_t domain;
    zm_map_outcome_t outcome;
    while (at > 0 && key.data[at - 1] != '@') /* from the end: a quoted user may hold others */
        at--;
    if (at == 0)
        return pathalias(search, key);
    domain = zm_str_from(key, at);
    outcome = probe(search, key, key);
    if (outcome != ZM_MAP_ABSENT)
        return outcome;
    if (domain.length == 0)
        return probe(
            search, search->relation->options.fold == 'l' ? ZM_S("@local@") : ZM_S("@LOCAL@"), key);
    return pathalias(search, domain);
}

/* "[1.2.3.4]" or "1.2.3.4" */
static bool read_ipv4(zm_str_t text, uint32_t *address)
{
    zm_str_t part;
    bool more = true;
    int count = 0;
    if (text.length > 2 && text.data[0] == '[' && text.data[text.length - 1] == ']')
        text = zm_str_of(text.data + 1, text.length - 2);
    *address = 0;
    while (more) {
        uint64_t number;
        more = zm_str_cut(text, '.', &part, &text);
        if (++count > 4 || zm_str_u64(part, &number) != APR_SUCCESS || number > 255)
            return false;
        *address = *address << 8 | (uint32_t)number;
    }
    return count == 4;
}

static zm_map_outcome_t longestmatch(search_t *search, zm_str_t key)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    uint32_t address;
    int bits;
    if (!read_ipv4(key, &address)) {
        outcome = probe(search, key, key);
        if (outcome == ZM_MAP_ABSENT)
            outcome = try_suffixes(search, key, false);
        return outcome == ZM_MAP_ABSENT ? try_defaults(search, key) : outcome;
    }
    for (bits = 32; outcome == ZM_MAP_ABSENT && bits >= 0; bits--) {
        uint32_t masked = bits == 0 ? 0 : address & (0xFFFFFFFFu << (32 - bits));
        outcome =
            probe(search,
                  zm_str(apr_psprintf(search->pool, "%u.%u.%u.%u/%d", masked >> 24,
                                      masked >> 16 & 255, masked >> 8 & 255, masked & 255, bits)),
                  key);
    }
    return outcome;
}

static zm_map_outcome_t run_driver(search_t *search, zm_str_t key)
{
    switch (search->relation->options.driver) {
    case ZM_DRIVER_PATHALIAS:
        return pathalias(search, key);
    case ZM_DRIVER_PATHALIAS_NODOT:
        return pathalias_nodot(search, key);
    case ZM_DRIVER_PATHALIAS_AT:
        return pathalias_at(search, key);
    case ZM_DRIVER_LONGESTMATCH:
        return longestmatch(search, key);
    case ZM_DRIVER_NONE:
    default:
        return probe(search, key, key);
    }
}

/* -- after the search ----------------------------------------------------------------------- */

/* Adds what a block goes on with; false once a line begins that is no continuation.  *ended: the
 * text before the block ends with a line. */
static bool add_lines(zm_buf_t *out, zm_str_t block, bool *ended)
{
    apr_size_t i;
    for (i = 0; i < block.length; i++) {
        char c = block.data[i];
        if (*ended && !zm_is_blank(c))
            return false;
        if (*ended && c == '\t')
            c = ' ';
        *ended = c == '\n';
        if (!*ended)
            zm_buf_add_byte(out, c);
    }
    return true;
}

/* The text of a file from an offset up to the next line that is no continuation. */
static apr_status_t read_record(zm_buf_t *out, const char *path, uint64_t offset, apr_pool_t *pool)
{
    char block[4096];
    apr_size_t length = sizeof block;
    bool ended = false;
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_read_at(file, offset, block, &length);
    while (status == APR_SUCCESS && add_lines(out, zm_str_of(block, length), &ended)) {
        offset += length;
        length = sizeof block;
        status = zm_file_read_at(file, offset, block, &length);
        if (APR_STATUS_IS_EOF(status)) {
            status = APR_SUCCESS;
            break;
        }
        if (out->length > INDIRECT_LIMIT)
            status = ZM_E_LIMIT;
    }
    zm_file_close(file);
    return status;
}

/* The value is an offset into the subtype file. */
static zm_map_outcome_t follow(search_t *search)
{
    const char *path = search->relation->options.map.subtype;
    zm_buf_t out = ZM_BUF_INIT;
    uint64_t offset;
    apr_status_t status;
    if (zm_str_u64(search->answer.value, &offset) != APR_SUCCESS)
        return ZM_MAP_ABSENT;
    status = read_record(&out, path, offset, search->pool);
    if (status == APR_SUCCESS)
        search->answer.value = zm_str_copy(search->pool, zm_buf_str(&out));
    else
        search->answer.reason = apr_pstrcat(search->pool, "IO:", path, NULL);
    zm_buf_free(&out);
    return status == APR_SUCCESS ? ZM_MAP_FOUND : ZM_MAP_FAILED;
}

static zm_map_outcome_t post_process(search_t *search, zm_str_t key, zm_map_outcome_t outcome)
{
    switch (search->relation->options.post) {
    case ZM_POST_BOOLEAN:
        if (outcome == ZM_MAP_FOUND) {
            search->answer.value = key;
            search->answer.count = 0;
        }
        return outcome;
    case ZM_POST_NONNULL:
        if (outcome == ZM_MAP_ABSENT || (outcome == ZM_MAP_FOUND && search->answer.count == 0 &&
                                         search->answer.value.length == 0)) {
            search->answer.value = key;
            search->covered = key;
            return ZM_MAP_FOUND;
        }
        return outcome;
    case ZM_POST_INDIRECT:
        return outcome == ZM_MAP_FOUND ? follow(search) : outcome;
    case ZM_POST_NONE:
    default:
        return outcome;
    }
}

static zm_str_t substitute(zm_str_t value, zm_str_t covered, const zm_relation_query_t *query,
                           apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    apr_size_t i;
    for (i = 0; i < value.length; i++) {
        apr_size_t number;
        if (value.data[i] != '%' || i + 1 >= value.length || !zm_is_digit(value.data[i + 1])) {
            zm_buf_add_byte(&out, value.data[i]);
            continue;
        }
        number = (apr_size_t)(value.data[++i] - '0');
        if (number == 0)
            zm_buf_add_str(&out, covered);
        else if (number <= query->arg_count)
            zm_buf_add_str(&out, query->args[number - 1]);
    }
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

/* -- lookup ------------------------------------------------------------------------------------ */

/* The cache tells questions apart by key and defaults. */
static zm_str_t cache_key(const zm_relation_query_t *query, zm_str_t key, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    apr_size_t i;
    if (query->default_count == 0)
        return key;
    zm_buf_add_str(&out, key);
    for (i = 0; i < query->default_count; i++) {
        zm_buf_add_byte(&out, '\0');
        zm_buf_add_str(&out, query->defaults[i]);
    }
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static zm_map_outcome_t find(search_t *search, zm_str_t key, zm_map_found_t *found)
{
    zm_relation_t *relation = search->relation;
    zm_str_t cached = ZM_S("");
    zm_map_outcome_t outcome;
    if (relation->cache != NULL) {
        cached = cache_key(search->query, key, search->pool);
        if (zm_map_cache_get(relation->cache, cached, found, search->pool)) {
            if (zm_map_old() & ZM_MAP_OLD_COVERED)
                found->covered = key;
            return found->absent ? ZM_MAP_ABSENT : ZM_MAP_FOUND;
        }
    }
    /* domains, and addresses: keys with an "@" */
    search->international =
        (relation->options.driver != ZM_DRIVER_NONE || zm_str_find(key, '@') >= 0) &&
        zm_idn_any(key);
    outcome = post_process(search, key, run_driver(search, key));
    found->absent = outcome == ZM_MAP_ABSENT;
    found->value = search->answer.value;
    found->covered = search->covered;
    found->values = search->answer.values;
    found->count = search->answer.count;
    if (relation->cache != NULL &&
        (outcome == ZM_MAP_FOUND || (outcome == ZM_MAP_ABSENT && relation->options.negative)))
        zm_map_cache_put(relation->cache, cached, found, search->answer.ttl);
    return outcome;
}

/* Whether what answers come from is another file, or in another state, than before. */
static bool changed(zm_relation_t *relation)
{
    const char *data = relation->options.map.subtype;
    bool any = zm_map_changed(relation->map);
    if (relation->options.post != ZM_POST_INDIRECT || relation->cache == NULL ||
        !zm_map_file_changed(data, &relation->data))
        return any;
    (void)zm_map_file_look(data, &relation->data);
    return true;
}

zm_map_outcome_t zm_relation_lookup(zm_relation_t *relation, const zm_relation_query_t *query,
                                    zm_map_answer_t *answer, apr_pool_t *pool)
{
    search_t search = {0};
    zm_map_found_t found = {0};
    zm_str_t key = zm_relation_fold(relation, query->key, pool);
    zm_map_outcome_t outcome;
    memset(answer, 0, sizeof *answer);
    if (key.length == 0)
        return ZM_MAP_ABSENT;
    search.relation = relation;
    search.query = query;
    search.pool = pool;
    if (relation->options.check && changed(relation) && relation->cache != NULL)
        zm_map_cache_clear(relation->cache);
    outcome = find(&search, key, &found);
    *answer = search.answer;
    answer->value = found.value;
    answer->values = found.values;
    answer->count = found.count;
    if (outcome == ZM_MAP_FOUND && relation->options.percent && found.count == 0)
        answer->value = substitute(found.value, found.covered, query, pool);
    return outcome;
}

zm_map_t *zm_relation_map(zm_relation_t *relation)
{
    return relation->map;
}

const zm_relation_options_t *zm_relation_options(const zm_relation_t *relation)
{
    return &relation->options;
}

apr_size_t zm_relation_cached(const zm_relation_t *relation)
{
    return relation->cache != NULL ? zm_map_cache_count(relation->cache) : 0;
}

apr_status_t zm_relation_flush(zm_relation_t *relation)
{
    if (relation->cache != NULL)
        zm_map_cache_clear(relation->cache);
    return zm_map_flush(relation->map);
}
