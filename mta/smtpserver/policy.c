#include "mta/smtpserver/policy.h"

#include <string.h>

#define HACK_DEPTH 20 /* inner addresses looked through in one local part */

struct policy_t {
    localnames_t *names;
    bool percent_hack;
};

static const policy_verdict_t accepted = {POLICY_ACCEPT, 250, "2.1.5", "accepted"};
static const policy_verdict_t no_relay = {POLICY_REFUSE, 550, "5.7.1",
                                          "relaying denied: this is not a local domain"};

apr_status_t policy_create(policy_t **policy, const policy_options_t *options, apr_pool_t *pool)
{
    policy_t *made = apr_pcalloc(pool, sizeof *made);
    made->names = options->names;
    made->percent_hack = options->percent_hack;
    *policy = made;
    return APR_SUCCESS;
}

bool policy_trusts(const zm_endpoint_t *client, bool local)
{
    return (local && client->ip.family == 0) || zm_ip_is_loopback(&client->ip);
}

static bool is_local(const policy_t *policy, const policy_question_t *question, zm_str_t domain)
{
    zm_ip_t ip;
    if (domain.length > 0 && domain.data[0] == '[')
        return (zm_ip_parse_literal(&ip, domain) == APR_SUCCESS &&
                question->server.ip.family != 0 && zm_ip_equal(&ip, &question->server.ip)) ||
               localnames_has(policy->names, domain);
    return localnames_has(policy->names, domain);
}

/*
 * The address that a local part stands for when it holds another: "user%far",
 * "far!user", and, quoted, "user@far", since what a later program makes of the
 * quotes is not ours to know.  False: it is a plain user.
 */
static bool inner_address(zm_str_t local, zm_str_t *user, zm_str_t *domain)
{
    apr_ssize_t bang;
    apr_size_t at;
    if (local.length >= 2 && local.data[0] == '"' && local.data[local.length - 1] == '"')
        local = zm_str_of(local.data + 1, local.length - 2);
    for (at = local.length; at > 0; at--) {
        if (local.data[at - 1] == '@' || local.data[at - 1] == '%') {
            *user = zm_str_of(local.data, at - 1);
            *domain = zm_str_from(local, at);
            return true;
        }
    }
    bang = zm_str_find(local, '!');
    if (bang < 0)
        return false;
    *domain = zm_str_of(local.data, (apr_size_t)bang);
    *user = zm_str_of(local.data + bang + 1, local.length - (apr_size_t)bang - 1);
    return true;
}

static bool recipient_is_local(const policy_t *policy, const policy_question_t *question)
{
    zm_str_t local = question->recipient->local, domain = question->recipient->domain;
    int depth;
    /* Only <postmaster> comes without a domain from strangers; it is ours by definition. */
    if (domain.length == 0)
        return zm_str_equal_nocase(local, ZM_S("postmaster"));
    if (question->recipient->route.length > 0 || !is_local(policy, question, domain))
        return false;
    for (depth = 0; policy->percent_hack && inner_address(local, &local, &domain); depth++)
        if (depth == HACK_DEPTH || !is_local(policy, question, domain))
            return false;
    return true;
}

void policy_ask(policy_ask_t **ask, policy_t *policy, const policy_question_t *question,
                policy_fn *fn, void *baton)
{
    *ask = NULL;
    if (question->stage == POLICY_RECIPIENT && !policy_trusts(&question->client, question->local) &&
        !recipient_is_local(policy, question))
        fn(&no_relay, baton);
    else
        fn(&accepted, baton);
}

void policy_cancel(policy_ask_t *ask)
{
    (void)ask;
}
