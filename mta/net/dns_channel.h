/**
 * c-ares on the loop: its sockets watched, its timeouts kept, its server list set.
 */
#ifndef ZM_NET_DNS_CHANNEL_H
#define ZM_NET_DNS_CHANNEL_H

#include "mta/net/dns.h"

typedef struct zm_dns_channel_t zm_dns_channel_t;

/** How one question to the servers ended; called once, perhaps before zm_dns_channel_ask returns.
 */
typedef void zm_dns_reply_fn(void *baton, zm_dns_outcome_t outcome, const char *reason,
                             zm_str_t message);

apr_status_t zm_dns_channel_create(zm_dns_channel_t **channel, zm_loop_t *loop,
                                   const zm_dns_options_t *options, zm_error_t *error);
/** Calls back for all that is outstanding (TEMPORARY), and frees. */
void zm_dns_channel_destroy(zm_dns_channel_t *channel);
/** Whether all its servers are on this machine. */
bool zm_dns_channel_local(const zm_dns_channel_t *channel);
/**
 * Sends a question.  The reply's outcome is FOUND (read the message), NO_NAME or NO_DATA (read it
 * too; it may be empty when the name was no name) or TEMPORARY with a reason.
 */
void zm_dns_channel_ask(zm_dns_channel_t *channel, zm_dns_type_t type, const char *name,
                        zm_dns_reply_fn *fn, void *baton);

#endif
