/* Does a domain take mail, and do we take it for it?  Asks for exchangers, and for all of their
 * addresses at once. */
#include "mta/smtpserver/policy_parts.h"

#define MOST_EXCHANGERS 10

static void tell(policy_domain_t *domain, int result)
{
    domain->told = true;
    domain->fn(result, domain->baton); /* the pool may be gone now */
}

/* All addresses are known. */
static int judge(const policy_domain_t *domain)
{
    if (domain->own)
        return 0;
    if (domain->check == CHECK_EXISTS && domain->usable)
        return 0;
    if (domain->temporary)
        return RESULT_TEMPORARY;
    if (domain->check == CHECK_EXCHANGER)
        return RESULT_NO_EXCHANGER;
    return domain->illegal ? RESULT_TEMPORARY : RESULT_NO_DOMAIN;
}

static void on_address(const zm_dns_answer_t *answer, void *baton)
{
    policy_domain_t *domain = baton;
    int i;
    domain->waiting--;
    if (domain->told)
        return;
    domain->temporary |= answer->outcome == ZM_DNS_TEMPORARY;
    for (i = 0; i < answer->count; i++) {
        const zm_ip_t *ip = &answer->records[i].ip;
        if (zm_ip_is_loopback(ip) || zm_ip_is_unspecified(ip) || zm_ip_is_multicast(ip))
            domain->illegal = true;
        else if (policy_is_own(domain->policy, domain->server, ip))
            domain->own = true;
        else
            domain->usable = true;
    }
    if (domain->waiting == 0 || domain->own || (domain->check == CHECK_EXISTS && domain->usable))
        tell(domain, judge(domain));
}

static void ask_addresses(policy_domain_t *domain, zm_str_t host)
{
    domain->waiting += 2;
    zm_dns_ask(NULL, domain->dns, ZM_DNS_A, host, on_address, domain, domain->pool);
    zm_dns_ask(NULL, domain->dns, ZM_DNS_AAAA, host, on_address, domain, domain->pool);
}

static void on_exchangers(const zm_dns_answer_t *answer, void *baton)
{
    policy_domain_t *domain = baton;
    int i;
    if (answer->null_mx)
        tell(domain, RESULT_NO_MAIL);
    else if (answer->outcome == ZM_DNS_NO_NAME)
        tell(domain, RESULT_NO_DOMAIN);
    else if (answer->outcome == ZM_DNS_TEMPORARY)
        tell(domain, RESULT_TEMPORARY);
    else if (answer->count == 0)
        ask_addresses(domain, zm_str(answer->name));
    else
        for (i = 0; i < answer->count && i < MOST_EXCHANGERS; i++)
            ask_addresses(domain, zm_str(answer->records[i].host));
}

void policy_domain_ask(policy_domain_t *domain, zm_str_t name)
{
    domain->waiting = 0;
    domain->own = domain->usable = domain->illegal = domain->temporary = domain->told = false;
    zm_dns_ask(NULL, domain->dns, ZM_DNS_MX, name, on_exchangers, domain, domain->pool);
}
