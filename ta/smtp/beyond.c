#include "ta/smtp/beyond.h"

#include "mta/mail/dsn_address.h"
#include "mta/net/idn.h"

static zm_str_t normal(zm_str_t address, apr_pool_t *pool)
{
    return zm_dsn_is_ascii(address) ? address : zm_idn_address(address, pool);
}

void zm_beyond_normalise(zm_transaction_t *transaction)
{
    apr_pool_t *pool = transaction->job->pool;
    int i;
    transaction->group->sender = normal(transaction->group->sender, pool);
    for (i = 0; i < transaction->count; i++) {
        zm_recipient_t *recipient = transaction->to[i].recipient;
        recipient->user = normal(recipient->user, pool);
    }
}

bool zm_beyond_taken(const zm_peer_t *peer)
{
    return peer->smtputf8 && peer->eight_bit_mime;
}

const char *zm_beyond_fault(zm_str_t address, const zm_peer_t *peer)
{
    return zm_beyond_taken(peer) || zm_dsn_is_ascii(address)
               ? NULL
               : "it is beyond ASCII, which the server does not take (SMTPUTF8)";
}

bool zm_beyond_envelope(const zm_transaction_t *transaction)
{
    int i;
    if (!zm_dsn_is_ascii(transaction->group->sender))
        return true;
    for (i = 0; i < transaction->count; i++)
        if (transaction->to[i].state != ZM_TARGET_REPORTED &&
            !zm_dsn_is_ascii(transaction->to[i].recipient->user))
            return true;
    return false;
}

bool zm_beyond_header(const zm_fields_t *fields)
{
    bool beyond = false;
    int i;
    for (i = 0; i < fields->count; i++) {
        if (zm_dsn_is_ascii(fields->items[i].text))
            continue;
        if (!zm_dsn_is_international(fields->items[i].text))
            return false; /* some other charset: nobody knows what it means */
        beyond = true;
    }
    return beyond;
}
