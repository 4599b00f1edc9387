#include "mta/admin/check_dns.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/admin/check_dkim.h"
#include "mta/admin/check_spf.h"
#include "mta/admin/lookup.h"
#include "mta/conf/site.h"
#include "platform/fs.h"
#include "platform/machine.h"

#define FILE_LIMIT (1u << 20)

typedef struct dns_check_t {
    const zm_zenv_t *zenv;
    lookup_t *lookup;
    check_tell_fn *tell;
    void *baton;
    const char *host;
    apr_array_header_t *ours; /* of zm_ip_t */
    apr_pool_t *pool;
} dns_check_t;

static void say(const dns_check_t *check, const char *what, bool good, const char *detail)
{
    check->tell(check->baton, what, good, detail);
}

static const char *print(const dns_check_t *check, const zm_ip_t *ip)
{
    return zm_ip_print(ip, apr_palloc(check->pool, ZM_IP_TEXT));
}

static bool has(const apr_array_header_t *list, const zm_ip_t *ip)
{
    int i;
    for (i = 0; i < list->nelts; i++)
        if (zm_ip_equal(&APR_ARRAY_IDX(list, i, zm_ip_t), ip))
            return true;
    return false;
}

/* -- our addresses -------------------------------------------------------------------------- */

static bool is_public(const zm_ip_t *ip)
{
    static const char *const others[] = {
        "0.0.0.0/8",     "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.168.0.0/16", "::1/128",       "fc00::/7",    "fe80::/10"};
    apr_size_t i;
    for (i = 0; i < sizeof others / sizeof others[0]; i++) {
        zm_network_t network;
        if (zm_network_parse(&network, zm_str(others[i])) == APR_SUCCESS &&
            zm_network_contains(&network, ip))
            return false;
    }
    return true;
}

static void add(dns_check_t *check, const zm_ip_t *ip)
{
    if (is_public(ip) && !has(check->ours, ip))
        APR_ARRAY_PUSH(check->ours, zm_ip_t) = *ip;
}

static void find_ours(dns_check_t *check)
{
    const char *const *addresses;
    zm_str_t word, rest = zm_str(zm_zenv_get_or(check->zenv, "SELFADDRESSES", ""));
    bool more = rest.length > 0;
    zm_ip_t ip;
    if (zm_machine_addresses(&addresses, check->pool) == APR_SUCCESS)
        for (; *addresses != NULL; addresses++)
            if (zm_ip_parse(&ip, zm_str(*addresses)) == APR_SUCCESS)
                add(check, &ip);
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        if (zm_ip_parse_literal(&ip, zm_str_trim(word)) == APR_SUCCESS)
            add(check, &ip);
    }
}

/* Addresses of a name, into list.  False: DNS does not answer. */
static bool addresses_of(const dns_check_t *check, const char *name, apr_array_header_t *list)
{
    static const zm_dns_type_t types[] = {ZM_DNS_A, ZM_DNS_AAAA};
    int i, k;
    for (i = 0; i < 2; i++) {
        const zm_dns_answer_t *answer = lookup_ask(check->lookup, types[i], name);
        if (answer->outcome == ZM_DNS_TEMPORARY)
            return false;
        for (k = 0; answer->outcome == ZM_DNS_FOUND && k < answer->count; k++)
            APR_ARRAY_PUSH(list, zm_ip_t) = answer->records[k].ip;
    }
    return true;
}

/* -- name and address ------------------------------------------------------------------------- */

static void check_name(dns_check_t *check)
{
    apr_array_header_t *found = apr_array_make(check->pool, 4, sizeof(zm_ip_t));
    const char *text = "";
    int i;
    if (!addresses_of(check, check->host, found)) {
        say(check, "name", false, "DNS does not answer; look again later");
        return;
    }
    if (found->nelts == 0) {
        say(check, "name", false,
            apr_psprintf(check->pool, "%s has no address in DNS", check->host));
        return;
    }
    if (check->ours->nelts == 0)
        for (i = 0; i < found->nelts; i++)
            add(check, &APR_ARRAY_IDX(found, i, zm_ip_t));
    for (i = 0; i < found->nelts; i++) {
        const zm_ip_t *ip = &APR_ARRAY_IDX(found, i, zm_ip_t);
        text = apr_pstrcat(check->pool, text, *text != '\0' ? ", " : "", print(check, ip), NULL);
        if (!has(check->ours, ip) && is_public(ip))
            say(check, "name", false,
                apr_psprintf(check->pool,
                             "%s has the address %s in DNS, which is not ours; correct DNS, or "
                             "name it in SELFADDRESSES",
                             check->host, print(check, ip)));
    }
    say(check, "name", true, apr_psprintf(check->pool, "%s is %s", check->host, text));
}

/* Other servers look up the name of our address, and that name's address again. */
static void check_reverse(const dns_check_t *check, const zm_ip_t *ip)
{
    const zm_dns_answer_t *answer =
        lookup_ask(check->lookup, ZM_DNS_PTR, zm_ip_reverse_name(ip, NULL, check->pool));
    const char *text = print(check, ip), *name;
    apr_array_header_t *back = apr_array_make(check->pool, 4, sizeof(zm_ip_t));
    if (answer->outcome != ZM_DNS_FOUND || answer->count == 0) {
        say(check, "reverse", false,
            answer->outcome == ZM_DNS_TEMPORARY
                ? apr_psprintf(check->pool, "DNS does not answer for %s; look again later", text)
                : apr_psprintf(check->pool,
                               "%s has no name in DNS; many servers refuse mail from there", text));
        return;
    }
    name = answer->records[0].host;
    if (!addresses_of(check, name, back) || !has(back, ip))
        say(check, "reverse", false,
            apr_psprintf(check->pool, "%s is called %s, which does not have that address", text,
                         name));
    else if (!zm_str_equal_nocase(zm_str(name), zm_str(check->host)))
        say(check, "reverse", false,
            apr_psprintf(check->pool, "%s is called %s, and we say HELO %s", text, name,
                         check->host));
    else
        say(check, "reverse", true, apr_psprintf(check->pool, "%s is %s", text, name));
}

/* -- SPF ----------------------------------------------------------------------------------------
 */

/* mydomain of mail.conf, where it stands there plainly, else our name. */
static const char *our_domain(const dns_check_t *check)
{
    const char *path = apr_pstrcat(check->pool, zm_zenv_mailvar(check->zenv), "/mail.conf", NULL),
               *domain = NULL;
    apr_size_t length;
    char *data;
    zm_str_t rest, line;
    bool more = true;
    path = zm_zenv_get_or(check->zenv, "MAILCONF", path);
    if (zm_file_slurp(&data, &length, path, FILE_LIMIT, check->pool) == APR_SUCCESS)
        for (rest = zm_str_of(data, length); more;) {
            more = zm_str_cut(rest, '\n', &line, &rest);
            if (zm_str_starts(line, ZM_S("mydomain=")))
                domain = zm_str_c(check->pool, zm_str_trim(zm_str_from(line, 9)));
        }
    return domain == NULL || *domain == '\0' || strpbrk(domain, "$\"'`") != NULL ? check->host
                                                                                 : domain;
}

static void check_spf_of(const dns_check_t *check, const char *domain, const zm_ip_t *ip)
{
    spf_result_t result = check_spf(check->lookup, domain, ip, check->pool);
    const char *text = print(check, ip);
    switch (result) {
    case SPF_PASS:
        say(check, "SPF", true,
            apr_psprintf(check->pool, "the record of %s covers %s", domain, text));
        break;
    case SPF_NONE:
        say(check, "SPF", true,
            apr_psprintf(check->pool, "%s publishes no record; one like \"v=spf1 mx -all\" helps",
                         domain));
        break;
    case SPF_UNKNOWN:
        say(check, "SPF", true,
            apr_psprintf(check->pool, "the record of %s has macros, exists or ptr; look yourself",
                         domain));
        break;
    case SPF_ERROR:
        say(check, "SPF", false,
            apr_psprintf(check->pool, "the record of %s cannot be used, or DNS does not answer",
                         domain));
        break;
    default:
        say(check, "SPF", false,
            apr_psprintf(check->pool, "the record of %s does not cover %s (%s)", domain, text,
                         result == SPF_FAIL       ? "fail"
                         : result == SPF_SOFTFAIL ? "softfail"
                                                  : "neutral"));
    }
}

/* -- lists --------------------------------------------------------------------------------------
 */

static void check_zone(const dns_check_t *check, const char *zone, const zm_ip_t *ip)
{
    const zm_dns_answer_t *answer =
        lookup_ask(check->lookup, ZM_DNS_A, zm_ip_reverse_name(ip, zone, check->pool));
    const char *text = print(check, ip);
    if (answer->outcome == ZM_DNS_TEMPORARY)
        say(check, "list", true, apr_psprintf(check->pool, "%s does not answer", zone));
    else if (answer->outcome == ZM_DNS_FOUND && answer->records[0].ip.bytes[0] == 127)
        say(check, "list", false,
            apr_psprintf(check->pool, "%s has %s; rbl-check(8) tells why", zone, text));
    else
        say(check, "list", true, apr_psprintf(check->pool, "%s does not have %s", zone, text));
}

static void check_zones(const dns_check_t *check, const char *zones, const zm_ip_t *ip)
{
    zm_str_t word, rest = zm_str(zones);
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        word = zm_str_trim(word);
        if (word.length > 0)
            check_zone(check, zm_str_c(check->pool, word), ip);
    }
}

void check_dns(const zm_zenv_t *zenv, const char *zones, check_tell_fn *tell, void *baton,
               apr_pool_t *pool)
{
    dns_check_t check = {.zenv = zenv, .tell = tell, .baton = baton};
    const char *domain;
    int i;
    apr_pool_create(&check.pool, pool);
    check.host = zm_site_hostname(zenv, check.pool);
    check.ours = apr_array_make(check.pool, 4, sizeof(zm_ip_t));
    check.lookup = lookup_create("zmailer", check.pool);
    if (check.lookup == NULL) {
        say(&check, "DNS", false, "cannot be asked");
        apr_pool_destroy(check.pool);
        return;
    }
    check_dkim(zenv, check.lookup, tell, baton, check.pool);
    find_ours(&check);
    check_name(&check);
    domain = our_domain(&check);
    for (i = 0; i < check.ours->nelts; i++) {
        const zm_ip_t *ip = &APR_ARRAY_IDX(check.ours, i, zm_ip_t);
        check_reverse(&check, ip);
        check_spf_of(&check, domain, ip);
        check_zones(&check, zones != NULL ? zones : "", ip);
    }
    if (check.ours->nelts == 0)
        say(&check, "address", false, "there is no public address, neither here nor in DNS");
    apr_pool_destroy(check.pool);
}
