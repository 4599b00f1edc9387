#include "mta/mail/recipients.h"

static bool counts(const zm_header_t *header, bool resent)
{
    return header->parsed != NULL && header->rule->class == ZM_HEADER_RECIPIENT &&
           header->rule->resent == resent;
}

zm_recipients_t zm_recipients_of_header(const zm_headers_t *headers, bool resent, apr_pool_t *pool)
{
    zm_recipients_t recipients = {NULL, 0};
    const zm_header_t *header;
    apr_size_t total = 0;
    for (header = headers->first; header != NULL; header = header->next)
        if (counts(header, resent))
            total += header->parsed->mailboxes;
    recipients.items = apr_palloc(pool, (total + 1) * sizeof *recipients.items);
    for (header = headers->last; header != NULL; header = header->previous) {
        zm_address_t *item;
        if (!counts(header, resent))
            continue;
        for (item = zm_address_good(header->parsed->first); item != NULL;
             item = zm_address_good(item->next))
            recipients.items[recipients.count++] = item;
    }
    return recipients;
}
