#include "mta/smtpserver/service.h"

#include <apr_tables.h>

#include "mta/net/socket.h"
#include "platform/clock.h"
#include "platform/localsock.h"

#define FULL_RETRY apr_time_from_msec(100) /* while too many wait at a local socket */

struct service_call_t {
    zm_loop_t *loop;
    zm_dns_t *dns;
    const service_t *service;
    service_fn *fn;
    void *baton;
    apr_pool_t *pool;
    zm_timer_t timer; /* the deadline, or the next attempt; then the end */
    apr_time_t until; /* monotonic: of attempts */
    zm_dns_query_t *query;
    zm_dns_type_t type;          /* that was asked last */
    apr_array_header_t *targets; /* of zm_endpoint_t */
    int next;                    /* of them */
    zm_connect_t *connect;
    apr_socket_t *socket;
    bool over;
};

/* -- where it is ------------------------------------------------------------------------------- */

static bool read_host(service_t *service, zm_str_t host, zm_str_t port, apr_pool_t *pool)
{
    uint64_t number;
    if (host.length == 0 || zm_str_u64(port, &number) != APR_SUCCESS || number == 0 ||
        number > 65535)
        return false;
    service->port = (uint16_t)number;
    if (host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']')
        host = zm_str_of(host.data + 1, host.length - 2);
    service->host = zm_str_c(pool, host);
    if (zm_str_equal_nocase(host, ZM_S("localhost")))
        return zm_ip_parse(&service->ip, ZM_S("127.0.0.1")) == APR_SUCCESS;
    (void)zm_ip_parse(&service->ip, host); /* else it is a name */
    return true;
}

static bool read_internet(service_t *service, zm_str_t text, apr_pool_t *pool)
{
    zm_str_t port, host;
    apr_size_t at = text.length;
    if (zm_str_cut(text, '@', &port, &host))
        return read_host(service, host, port, pool);
    while (at > 0 && text.data[at - 1] != ':')
        at--;
    return at > 0 && read_host(service, zm_str_of(text.data, at - 1), zm_str_from(text, at), pool);
}

bool service_parse(service_t *service, zm_str_t text, apr_pool_t *pool)
{
    zm_str_t kind, rest;
    *service = (service_t){.text = zm_str_c(pool, text)};
    if (!zm_str_cut(text, ':', &kind, &rest))
        return false;
    if (zm_str_equal_nocase(kind, ZM_S("inet")) || zm_str_equal_nocase(kind, ZM_S("inet6")))
        return read_internet(service, rest, pool);
    service->path = zm_str_c(pool, rest);
    return (zm_str_equal_nocase(kind, ZM_S("unix")) || zm_str_equal_nocase(kind, ZM_S("local"))) &&
           rest.length > 0;
}

/* -- reaching it ------------------------------------------------------------------------------- */

static void let_go(service_call_t *call)
{
    zm_timer_cancel(&call->timer);
    if (call->query != NULL)
        zm_dns_cancel(call->query);
    if (call->connect != NULL)
        zm_connect_cancel(call->connect);
    call->query = NULL;
    call->connect = NULL;
}

/* It is told from the timer, when nothing of the call is in use. */
static void finish(service_call_t *call, apr_socket_t *socket)
{
    if (call->over)
        return;
    let_go(call);
    call->over = true;
    call->socket = socket;
    zm_timer_set(&call->timer, 0);
}

/* A burst of sessions may fill the queue of a daemon that is well. */
static void try_local(service_call_t *call)
{
    apr_socket_t *socket;
    apr_status_t status = zm_localsock_connect(&socket, call->service->path, call->pool);
    if (status == APR_SUCCESS)
        finish(call, socket);
    else if (APR_STATUS_IS_EAGAIN(status) && zm_clock_monotonic() < call->until)
        zm_timer_set(&call->timer, FULL_RETRY);
    else
        finish(call, NULL);
}

static void on_timer(zm_timer_t *timer, void *baton)
{
    service_call_t *call = baton;
    (void)timer;
    if (call->over)
        call->fn(call->socket, call->baton);
    else if (call->service->path != NULL)
        try_local(call);
    else
        finish(call, NULL);
}

static void try_next(service_call_t *call);

static void on_connect(apr_status_t status, apr_socket_t *socket, void *baton)
{
    service_call_t *call = baton;
    call->connect = NULL;
    if (status == APR_SUCCESS)
        finish(call, socket);
    else
        try_next(call);
}

static void add_target(service_call_t *call, const zm_ip_t *ip)
{
    zm_endpoint_t *target = apr_array_push(call->targets);
    target->ip = *ip;
    target->port = call->service->port;
}

static void on_addresses(const zm_dns_answer_t *answer, void *baton)
{
    service_call_t *call = baton;
    int i;
    call->query = NULL;
    for (i = 0; i < answer->count; i++)
        add_target(call, &answer->records[i].ip);
    try_next(call);
}

/* IPv6 first; IPv4 when nothing answers there. */
static bool ask_for_more(service_call_t *call)
{
    if (call->service->ip.family != 0 || call->dns == NULL || call->type == ZM_DNS_A)
        return false;
    call->type = call->type == 0 ? ZM_DNS_AAAA : ZM_DNS_A;
    zm_dns_ask(&call->query, call->dns, call->type, zm_str(call->service->host), on_addresses, call,
               call->pool);
    return true;
}

static void try_next(service_call_t *call)
{
    while (call->next < call->targets->nelts) {
        const zm_endpoint_t *to = &APR_ARRAY_IDX(call->targets, call->next, zm_endpoint_t);
        call->next++;
        if (zm_connect_start(&call->connect, call->loop, to, NULL, SERVICE_ATTACH, on_connect, call,
                             call->pool) == APR_SUCCESS)
            return;
        call->connect = NULL;
    }
    if (!ask_for_more(call))
        finish(call, NULL);
}

void service_call(service_call_t **call, zm_loop_t *loop, zm_dns_t *dns, const service_t *service,
                  service_fn *fn, void *baton, apr_pool_t *pool)
{
    service_call_t *made = apr_pcalloc(pool, sizeof *made);
    made->loop = loop;
    made->dns = dns;
    made->service = service;
    made->fn = fn;
    made->baton = baton;
    made->pool = pool;
    made->targets = apr_array_make(pool, 4, sizeof(zm_endpoint_t));
    zm_timer_init(&made->timer, loop, on_timer, made);
    *call = made;
    if (service->path != NULL) {
        made->until = zm_clock_monotonic() + SERVICE_ATTACH;
        try_local(made);
        return;
    }
    zm_timer_set(&made->timer, SERVICE_ATTACH);
    if (service->ip.family != 0)
        add_target(made, &service->ip);
    try_next(made);
}

void service_cancel(service_call_t *call)
{
    if (call != NULL)
        let_go(call);
}
