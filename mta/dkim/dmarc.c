#include "mta/dkim/dmarc.h"

#include <libpsl.h>

#include "mta/dkim/tags.h"
#include "mta/mail/address.h"
#include "mta/net/idn.h"

const char *zm_dmarc_policy_name(zm_dmarc_policy_t policy)
{
    static const char *const names[] = {"none", "quarantine", "reject"};
    return names[policy];
}

/* -- records ------------------------------------------------------------------------------- */

static bool read_policy(zm_dmarc_policy_t *policy, zm_str_t word)
{
    int i;
    for (i = ZM_DMARC_NONE; i <= ZM_DMARC_REJECT; i++)
        if (zm_str_equal_nocase(word, zm_str(zm_dmarc_policy_name((zm_dmarc_policy_t)i)))) {
            *policy = (zm_dmarc_policy_t)i;
            return true;
        }
    return false;
}

/* A record whose policy cannot be read still wants reports, if it says where to (RFC 7489, 6.6.3).
 */
static bool read_policies(zm_dmarc_record_t *record, const zm_tags_t *tags)
{
    zm_str_t value;
    zm_tags_get(tags, "p", &value);
    if (!read_policy(&record->policy, value)) {
        zm_tags_get(tags, "rua", &value);
        record->subdomain_policy = record->policy = ZM_DMARC_NONE;
        return value.length > 0;
    }
    record->subdomain_policy = record->policy;
    if (zm_tags_get(tags, "sp", &value) && !read_policy(&record->subdomain_policy, value))
        record->subdomain_policy = record->policy;
    return true;
}

bool zm_dmarc_read(zm_dmarc_record_t *record, zm_str_t text)
{
    zm_tags_t tags;
    zm_str_t value;
    int64_t percent;
    *record = (zm_dmarc_record_t){.percent = 100};
    if (!zm_tags_read(&tags, text) || !zm_str_equal(tags.names[0], ZM_S("v")) ||
        !zm_str_equal(tags.values[0], ZM_S("DMARC1")) || !read_policies(record, &tags))
        return false;
    zm_tags_get(&tags, "adkim", &value);
    record->strict_dkim = zm_str_equal_nocase(value, ZM_S("s"));
    zm_tags_get(&tags, "aspf", &value);
    record->strict_spf = zm_str_equal_nocase(value, ZM_S("s"));
    if (zm_tags_get(&tags, "pct", &value) && (percent = zm_tags_number(value)) >= 0 &&
        percent <= 100)
        record->percent = (int)percent;
    return true;
}

/* -- domains ---------------------------------------------------------------------------------- */

const char *zm_organization_of(zm_str_t domain, apr_pool_t *pool)
{
    const char *name = zm_str_c(pool, zm_str_lower(pool, domain)), *found;
    const psl_ctx_t *suffixes = psl_builtin();
    if (suffixes == NULL || !zm_is_dns_name(domain))
        return name;
    found = psl_registrable_domain(suffixes, name);
    return found != NULL ? found : name;
}

bool zm_dmarc_aligned(zm_str_t domain, zm_str_t from, bool strict, apr_pool_t *pool)
{
    if (zm_str_equal_nocase(domain, from))
        return true;
    return !strict && domain.length > 0 &&
           zm_str_equal_c(zm_str(zm_organization_of(domain, pool)), zm_organization_of(from, pool));
}

static bool add_author(const char **authors, int *count, zm_str_t address, apr_pool_t *pool)
{
    zm_str_t local, domain;
    int i;
    zm_address_split(address, &local, &domain);
    domain = zm_idn_ascii(domain, pool);
    if (domain.length > 0 && domain.data[domain.length - 1] == '.')
        domain.length--;
    if (!zm_is_dns_name(domain))
        return false;
    for (i = 0; i < *count; i++)
        if (zm_str_equal_nocase(zm_str(authors[i]), domain))
            return true;
    if (*count == ZM_DMARC_AUTHORS)
        return false;
    authors[(*count)++] = zm_str_c(pool, zm_str_lower(pool, domain));
    return true;
}

const char *const *zm_dmarc_authors(const zm_dkim_header_t *header, int *count, apr_pool_t *pool)
{
    const char **authors = apr_pcalloc(pool, sizeof *authors * ZM_DMARC_AUTHORS);
    int at = -1;
    *count = 0;
    while ((at = zm_dkim_header_find(header, ZM_S("From"), at + 1)) >= 0) {
        zm_address_list_t *list =
            zm_address_parse(ZM_RULE_ADDRESS_LIST, zm_dkim_value(&header->fields[at]), pool);
        zm_address_t *item;
        if (list->bad > 0) {
            *count = -1;
            return authors;
        }
        for (item = zm_address_good(list->first); item != NULL; item = zm_address_good(item->next))
            if (!add_author(authors, count, item->pure, pool)) {
                *count = -1;
                return authors;
            }
    }
    if (*count == 0)
        *count = -1;
    return authors;
}
