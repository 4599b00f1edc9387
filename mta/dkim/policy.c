/*
 * Policies are found at _dmarc. before the domain in From, else before its
 * organization's (RFC 7489, 6.6.3).
 */
#include <apr_strings.h>

#include "mta/dkim/verify_parts.h"

static void on_record(const zm_dns_answer_t *answer, void *baton);

static void ask(policy_t *policy, const char *domain)
{
    zm_verifier_t *verifier = policy->verifier;
    zm_dns_ask(NULL, verifier->dns, ZM_DNS_TXT,
               zm_str(apr_pstrcat(verifier->asking, "_dmarc.", domain, NULL)), on_record, policy,
               verifier->asking);
}

/* Exactly one record counts. */
static bool choose(policy_t *policy, const zm_dns_answer_t *answer)
{
    zm_dmarc_record_t record;
    int i, count = 0;
    for (i = 0; i < answer->count; i++) {
        if (!zm_str_starts(answer->records[i].text, ZM_S("v=DMARC1")))
            continue;
        count++;
        policy->found = zm_dmarc_read(&record, answer->records[i].text);
        if (policy->found)
            policy->record = record;
    }
    if (count > 1)
        policy->found = false;
    return count > 0;
}

static void on_record(const zm_dns_answer_t *answer, void *baton)
{
    policy_t *policy = baton;
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        policy->temporary = true;
    } else if (!choose(policy, answer) && !policy->inherited &&
               strcmp(policy->domain, policy->organization) != 0) {
        policy->inherited = true;
        ask(policy, policy->organization);
        return;
    }
    policy->answered = true;
    verifier_answered(policy->verifier);
}

void policy_ask_all(zm_verifier_t *verifier)
{
    const char *const *authors =
        zm_dmarc_authors(&verifier->header, &verifier->policy_count, verifier->pool);
    int i;
    for (i = 0; i < verifier->policy_count; i++) {
        policy_t *policy = &verifier->policies[i];
        policy->verifier = verifier;
        policy->domain = authors[i];
        policy->organization = zm_organization_of(zm_str(authors[i]), verifier->pool);
        verifier_wait(verifier);
        ask(policy, policy->domain);
    }
}

/* -- judging --------------------------------------------------------------------------------- */

static bool dkim_passes(const zm_verifier_t *verifier, const policy_t *policy, bool *temporary)
{
    int i;
    for (i = 0; i < verifier->count; i++) {
        const zm_signature_t *signature = &verifier->signatures[i];
        if (signature->result != ZM_AUTH_PASS && signature->result != ZM_AUTH_TEMPERROR)
            continue;
        if (!zm_dmarc_aligned(signature->domain, zm_str(policy->domain), policy->record.strict_dkim,
                              verifier->pool))
            continue;
        if (signature->result == ZM_AUTH_PASS)
            return true;
        *temporary = true;
    }
    return false;
}

static zm_auth_t result_of(const zm_verifier_t *verifier, const policy_t *policy, zm_auth_t spf,
                           zm_str_t spf_domain)
{
    bool temporary = false;
    if (policy->temporary || !policy->answered)
        return ZM_AUTH_TEMPERROR;
    if (!policy->found)
        return ZM_AUTH_NONE;
    if (dkim_passes(verifier, policy, &temporary))
        return ZM_AUTH_PASS;
    if ((spf == ZM_AUTH_PASS || spf == ZM_AUTH_TEMPERROR) &&
        zm_dmarc_aligned(spf_domain, zm_str(policy->domain), policy->record.strict_spf,
                         verifier->pool)) {
        if (spf == ZM_AUTH_PASS)
            return ZM_AUTH_PASS;
        temporary = true;
    }
    return temporary ? ZM_AUTH_TEMPERROR : ZM_AUTH_FAIL;
}

/* What is wanted done; a policy for a part of the mail is one step milder for the rest (6.6.4). */
static zm_dmarc_policy_t wanted_by(const zm_dmarc_record_t *record, zm_dmarc_policy_t policy,
                                   int dice)
{
    if (dice < record->percent || policy == ZM_DMARC_NONE)
        return policy;
    return (zm_dmarc_policy_t)(policy - 1);
}

/* The worst of several domains is what counts: an added one must not help. */
static int rank(zm_auth_t result)
{
    return result == ZM_AUTH_FAIL        ? 3
           : result == ZM_AUTH_TEMPERROR ? 2
           : result == ZM_AUTH_NONE      ? 1
                                         : 0;
}

void zm_verifier_judge(zm_verifier_t *verifier, zm_auth_t spf, zm_str_t spf_domain, int dice)
{
    zm_verified_t *verified = &verifier->verified;
    int i;
    verified->author = "";
    verified->policy = verified->wanted = ZM_DMARC_NONE;
    if (verifier->policy_count < 0) {
        verified->dmarc = ZM_AUTH_PERMERROR;
        verified->dmarc_reason = "From names no author";
        return;
    }
    verified->dmarc = ZM_AUTH_NONE;
    for (i = 0; i < verifier->policy_count; i++) {
        const policy_t *policy = &verifier->policies[i];
        zm_auth_t result = result_of(verifier, policy, spf, spf_domain);
        zm_dmarc_policy_t published =
            policy->inherited ? policy->record.subdomain_policy : policy->record.policy;
        zm_dmarc_policy_t wanted =
            result == ZM_AUTH_FAIL ? wanted_by(&policy->record, published, dice) : ZM_DMARC_NONE;
        if (i > 0 && (rank(result) < rank(verified->dmarc) ||
                      (rank(result) == rank(verified->dmarc) && published <= verified->policy)))
            continue;
        verified->dmarc = result;
        verified->author = policy->domain;
        verified->policy = policy->found ? published : ZM_DMARC_NONE;
        verified->wanted = wanted;
    }
}
