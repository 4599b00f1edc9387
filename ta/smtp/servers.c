#include "ta/smtp/servers.h"

#include <stdlib.h>

#include "platform/clock.h"

#define MOST 1000

typedef struct zm_server_known_t {
    struct zm_server_known_t *older;
    zm_endpoint_t server;
    apr_time_t since; /* monotonic */
} known_t;

static known_t **find(zm_servers_t *servers, const zm_endpoint_t *server)
{
    known_t **at = &servers->youngest;
    while (*at != NULL &&
           !(zm_ip_equal(&(*at)->server.ip, &server->ip) && (*at)->server.port == server->port))
        at = &(*at)->older;
    return at;
}

static void forget(known_t **at)
{
    known_t *gone = *at;
    *at = gone->older;
    free(gone);
}

static void drop_old(zm_servers_t *servers, apr_interval_time_t keep)
{
    apr_time_t now = zm_clock_monotonic();
    known_t **at = &servers->youngest;
    int kept = 0;
    while (*at != NULL)
        if (kept == MOST - 1 || now - (*at)->since >= keep)
            forget(at);
        else {
            at = &(*at)->older;
            kept++;
        }
}

void zm_servers_add(zm_servers_t *servers, const zm_endpoint_t *server, apr_interval_time_t keep)
{
    known_t *made;
    if (zm_servers_have(servers, server, 0, keep))
        return;
    zm_servers_forget(servers, server);
    drop_old(servers, keep);
    made = malloc(sizeof *made);
    if (made == NULL)
        abort();
    *made = (known_t){servers->youngest, *server, zm_clock_monotonic()};
    servers->youngest = made;
}

bool zm_servers_have(const zm_servers_t *servers, const zm_endpoint_t *server,
                     apr_interval_time_t least, apr_interval_time_t keep)
{
    zm_servers_t all = *servers;
    const known_t *known = *find(&all, server);
    apr_interval_time_t age = known != NULL ? zm_clock_monotonic() - known->since : 0;
    return known != NULL && age >= least && age < keep;
}

void zm_servers_forget(zm_servers_t *servers, const zm_endpoint_t *server)
{
    known_t **at = find(servers, server);
    if (*at != NULL)
        forget(at);
}

void zm_servers_free(zm_servers_t *servers)
{
    while (servers->youngest != NULL)
        forget(&servers->youngest);
}
