/* What a policy database says about a domain, a user or an address. */
#include <apr_strings.h>
#include <string.h>

#include "mta/map/policy.h"

#define MOST_TAGS 100 /* in one lookup, whatever tags name each other */

typedef struct lookup_t {
    zm_policy_answer_t *answer;
    zm_map_t *map;
    zm_policy_set_t missing; /* wanted and not found yet */
    int tags;                /* looked at so far */
    apr_pool_t *pool;
} lookup_t;

static void begin(lookup_t *lookup, zm_policy_answer_t *answer, zm_map_t *map,
                  zm_policy_set_t wanted, apr_pool_t *pool)
{
    memset(answer, 0, sizeof *answer);
    lookup->answer = answer;
    lookup->map = map;
    lookup->missing = wanted & ~(ZM_POLICY_SET(ZM_POLICY_ALIAS) | ZM_POLICY_SET(ZM_POLICY_MESSAGE));
    lookup->tags = 0;
    lookup->pool = pool;
}

static zm_map_outcome_t ask(lookup_t *lookup, zm_str_t key, zm_str_t *record)
{
    zm_map_answer_t answer = {0};
    zm_map_outcome_t outcome = zm_map_lookup(lookup->map, key, &answer, lookup->pool);
    *record = answer.value;
    if (outcome == ZM_MAP_FAILED)
        lookup->answer->reason = answer.reason;
    return outcome;
}

static bool take(lookup_t *lookup, zm_str_t record, int hops);

/* What a tag says, in the place where it is named.  False: it cannot be asked about. */
static bool take_tag(lookup_t *lookup, zm_str_t tag, int hops)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    zm_buf_t key = ZM_BUF_INIT;
    const char *problem;
    zm_str_t record;
    if (hops == 0 || tag.length == 0 || tag.data[0] != '_' || ++lookup->tags > MOST_TAGS)
        return true;
    if (zm_policy_add_key(&key, tag, &problem))
        outcome = ask(lookup, zm_buf_str(&key), &record);
    zm_buf_free(&key);
    return outcome == ZM_MAP_FOUND ? take(lookup, record, hops - 1) : outcome == ZM_MAP_ABSENT;
}

/* Takes what is missing from a record, and from the tags that it names. */
static bool take(lookup_t *lookup, zm_str_t record, int hops)
{
    zm_str_t value, message = {0};
    unsigned attribute;
    while (lookup->missing != 0 && zm_policy_next(&record, &attribute, &value)) {
        if (attribute == ZM_POLICY_ALIAS) {
            if (!take_tag(lookup, value, hops))
                return false;
            continue; /* the message is for what comes behind */
        }
        if (attribute < ZM_POLICY_ATTRIBUTES && (lookup->missing & ZM_POLICY_SET(attribute)) != 0) {
            lookup->answer->of[attribute].value = value;
            lookup->answer->of[attribute].message = message;
            lookup->missing &= ~ZM_POLICY_SET(attribute);
        }
        message = attribute == ZM_POLICY_MESSAGE ? value : (zm_str_t){0};
    }
    return true;
}

/* One key as it is compiled.  Found: its attributes are taken. */
static zm_map_outcome_t try_key(lookup_t *lookup, zm_str_t key)
{
    zm_str_t record;
    zm_map_outcome_t outcome = ask(lookup, key, &record);
    if (outcome != ZM_MAP_FOUND)
        return outcome;
    lookup->answer->key = zm_str_copy(lookup->pool, key);
    return take(lookup, record, ZM_POLICY_HOPS) ? ZM_MAP_FOUND : ZM_MAP_FAILED;
}

static zm_map_outcome_t try_word(lookup_t *lookup, zm_str_t word)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    zm_buf_t key = ZM_BUF_INIT;
    const char *problem;
    if (zm_str_find(word, '\0') < 0 && zm_str_find(word, '/') < 0 &&
        zm_policy_add_key(&key, word, &problem))
        outcome = try_key(lookup, zm_buf_str(&key));
    zm_buf_free(&key);
    return outcome;
}

/* -- addresses --------------------------------------------------------------------------------- */

static zm_map_outcome_t try_address(lookup_t *lookup, const zm_ip_t *ip)
{
    char key[19];
    apr_size_t size = ip->family == 4 ? 4 : 16;
    int width;
    key[0] = (char)(size + 3);
    key[1] = (char)(ip->family == 4 ? ZM_POLICY_IPV4 : ZM_POLICY_IPV6);
    memcpy(key + 2, ip->bytes, size);
    for (width = (int)(8 * size); width >= 0; width--) {
        zm_map_outcome_t outcome;
        if (width < (int)(8 * size))
            key[2 + width / 8] = (char)(key[2 + width / 8] & (0xff00 >> width % 8));
        key[2 + size] = (char)width;
        outcome = try_key(lookup, zm_str_of(key, size + 3));
        if (outcome != ZM_MAP_ABSENT)
            return outcome;
    }
    return ZM_MAP_ABSENT;
}

zm_map_outcome_t zm_policy_ip(zm_policy_answer_t *answer, zm_map_t *map, zm_policy_set_t wanted,
                              const zm_ip_t *ip, apr_pool_t *pool)
{
    static const char everything[] = {7, ZM_POLICY_IPV4, 0, 0, 0, 0, 0};
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    lookup_t lookup;
    begin(&lookup, answer, map, wanted, pool);
    if (ip->family != 0)
        outcome = try_address(&lookup, ip);
    if (outcome == ZM_MAP_ABSENT && ip->family == 6)
        outcome = try_key(&lookup, zm_str_of(everything, sizeof everything));
    return outcome;
}

/* -- names ------------------------------------------------------------------------------------- */

/* The domain with a dot before it, and then its parents, likewise. */
static zm_map_outcome_t try_dotted(lookup_t *lookup, zm_str_t domain)
{
    zm_str_t rest = zm_str(apr_pstrcat(lookup->pool, ".", zm_str_c(lookup->pool, domain), NULL));
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    while (outcome == ZM_MAP_ABSENT && rest.length > 1) {
        outcome = try_word(lookup, rest);
        do {
            rest.data++;
            rest.length--;
        } while (rest.length > 0 && rest.data[0] != '.');
    }
    return outcome == ZM_MAP_ABSENT ? try_word(lookup, ZM_S(".")) : outcome;
}

zm_map_outcome_t zm_policy_domain(zm_policy_answer_t *answer, zm_map_t *map, zm_policy_set_t wanted,
                                  zm_str_t domain, apr_pool_t *pool)
{
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    lookup_t lookup;
    zm_ip_t ip;
    begin(&lookup, answer, map, wanted, pool);
    if (domain.length > 0 && domain.data[0] == '[')
        return zm_ip_parse_literal(&ip, domain) == APR_SUCCESS
                   ? zm_policy_ip(answer, map, wanted, &ip, pool)
                   : ZM_MAP_ABSENT;
    if (zm_str_find(domain, '@') >= 0 || zm_str_find(domain, '\0') >= 0)
        return ZM_MAP_ABSENT;
    if (domain.length > 0 && domain.data[0] != '_')
        outcome = try_word(&lookup, domain);
    return outcome == ZM_MAP_ABSENT ? try_dotted(&lookup, domain) : outcome;
}

/* The offset of the first '@' that no quote hides; -1: none. */
static apr_ssize_t find_at(zm_str_t address)
{
    bool quoted = false;
    apr_size_t i;
    for (i = 0; i < address.length; i++) {
        if (address.data[i] == '\\')
            i++;
        else if (address.data[i] == '"')
            quoted = !quoted;
        else if (address.data[i] == '@' && !quoted)
            return (apr_ssize_t)i;
    }
    return -1;
}

zm_map_outcome_t zm_policy_user(zm_policy_answer_t *answer, zm_map_t *map, zm_policy_set_t wanted,
                                zm_str_t address, apr_pool_t *pool)
{
    apr_ssize_t at = find_at(address);
    zm_map_outcome_t outcome;
    lookup_t lookup;
    begin(&lookup, answer, map, wanted, pool);
    if (at < 0)
        return ZM_MAP_ABSENT;
    outcome = try_word(&lookup, address);
    return outcome == ZM_MAP_ABSENT ? try_word(&lookup, zm_str_of(address.data, (apr_size_t)at + 1))
                                    : outcome;
}
