/**
 * Servers that are known for something, such as that TLS fails with them, and since when.
 *
 * Whoever has many servers answer for his domains cannot fill the memory: the oldest are forgotten.
 */
#ifndef ZM_TA_SMTP_SERVERS_H
#define ZM_TA_SMTP_SERVERS_H

#include <apr_time.h>

#include "mta/net/ip.h"

/** Zeros at first. */
typedef struct zm_servers_t {
    struct zm_server_known_t *youngest;
} zm_servers_t;

/** From now on it is known, unless it was before; those known for longer than `keep` are
 * forgotten. */
void zm_servers_add(zm_servers_t *servers, const zm_endpoint_t *server, apr_interval_time_t keep);
/** Whether it has been known for at least `least` and less than `keep`. */
bool zm_servers_have(const zm_servers_t *servers, const zm_endpoint_t *server,
                     apr_interval_time_t least, apr_interval_time_t keep);
void zm_servers_forget(zm_servers_t *servers, const zm_endpoint_t *server);
/** Forgets all. */
void zm_servers_free(zm_servers_t *servers);

#endif
