#include "ta/smtp/demand.h"

bool zm_demand_tls(const zm_transaction_t *transaction, const zm_peer_t *peer)
{
    return transaction->to[0].recipient->dsn.require_tls && !peer->local;
}

const char *zm_demand_unmet(const zm_transaction_t *transaction, const zm_peer_t *peer, bool *later)
{
    *later = false;
    if (!zm_demand_tls(transaction, peer))
        return NULL;
    *later = peer->may_prove;
    if (!peer->proved)
        return "REQUIRETLS: TLS does not prove that the server is the right one";
    return peer->require_tls ? NULL : "REQUIRETLS: the server does not offer it";
}

bool zm_demand_relaxed(const zm_job_t *job)
{
    int i;
    for (i = 0; i < job->group_count; i++) {
        const zm_fields_t *fields = &job->groups[i].fields;
        int at = zm_fields_find(fields, "TLS-Required", 0);
        if (at < 0 || !zm_str_equal_nocase(zm_field_value(&fields->items[at]), ZM_S("No")))
            return false;
    }
    for (i = 0; i < job->count; i++)
        if (job->recipients[i].dsn.require_tls)
            return false;
    return job->group_count > 0;
}
