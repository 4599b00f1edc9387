#include "mta/net/dns_channel.h"

#include <apr_general.h>
#include <apr_portable.h>
#include <ares.h>
#include <stdlib.h>
#include <string.h>

#define EDNS_SIZE 1232 /* what passes everywhere without fragments */
#define RECURSION_DESIRED 0x0100
#define AUTHENTIC_DATA 0x0020
#define DNSSEC_OK 0x8000
#define CLASS_IN 1
#define OPT 41

/* One socket of c-ares, as the loop wants it; the descriptor stays c-ares' own. */
typedef struct watched_t {
    struct watched_t *next;
    zm_dns_channel_t *channel;
    ares_socket_t descriptor;
    apr_pool_t *pool;
    zm_watch_t *watch;
} watched_t;

typedef struct question_t {
    zm_dns_reply_fn *fn;
    void *baton;
} question_t;

struct zm_dns_channel_t {
    zm_loop_t *loop;
    ares_channel ares;
    zm_timer_t timer;
    watched_t *watched;
    bool dnssec;
};

/* -- time --------------------------------------------------------------------- */

static void update_timer(zm_dns_channel_t *channel)
{
    struct timeval until;
    if (ares_timeout(channel->ares, NULL, &until) == NULL)
        zm_timer_cancel(&channel->timer);
    else
        zm_timer_set(&channel->timer, apr_time_make(until.tv_sec, until.tv_usec));
}

static void on_time(zm_timer_t *timer, void *baton)
{
    zm_dns_channel_t *channel = baton;
    (void)timer;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    update_timer(channel);
}

/* -- sockets ------------------------------------------------------------------ */

static void on_socket(zm_watch_t *watch, int events, void *baton)
{
    watched_t *watched = baton;
    zm_dns_channel_t *channel = watched->channel;
    ares_socket_t descriptor = watched->descriptor;
    (void)watch;
    ares_process_fd(channel->ares, (events & ZM_READ) != 0 ? descriptor : ARES_SOCKET_BAD,
                    (events & ZM_WRITE) != 0 ? descriptor : ARES_SOCKET_BAD);
    update_timer(channel);
}

static void unwatch(watched_t **link)
{
    watched_t *watched = *link;
    *link = watched->next;
    zm_watch_close(watched->watch);
    apr_pool_destroy(watched->pool);
}

/* A socket that cannot be watched is not heard from: its questions end by their timeout. */
static void watch(zm_dns_channel_t *channel, ares_socket_t descriptor, int events)
{
    apr_pool_t *pool;
    watched_t *made;
    apr_os_sock_t os = descriptor;
    apr_socket_t *socket = NULL;
    if (apr_pool_create(&pool, zm_loop_pool(channel->loop)) != APR_SUCCESS)
        return;
    made = apr_pcalloc(pool, sizeof *made);
    made->channel = channel;
    made->descriptor = descriptor;
    made->pool = pool;
    if (apr_os_sock_put(&socket, &os, pool) != APR_SUCCESS ||
        zm_watch_open(&made->watch, channel->loop, socket, events, on_socket, made) !=
            APR_SUCCESS) {
        apr_pool_destroy(pool);
        return;
    }
    made->next = channel->watched;
    channel->watched = made;
}

/* c-ares tells what it wants of a socket; nothing at all means that it is about to close it. */
static void on_state(void *data, ares_socket_t descriptor, int readable, int writable)
{
    zm_dns_channel_t *channel = data;
    int events = (readable ? ZM_READ : 0) | (writable ? ZM_WRITE : 0);
    watched_t **link = &channel->watched;
    while (*link != NULL && (*link)->descriptor != descriptor)
        link = &(*link)->next;
    if (*link == NULL && events != 0)
        watch(channel, descriptor, events);
    else if (*link != NULL && events != 0)
        (void)zm_watch_set((*link)->watch, events);
    else if (*link != NULL)
        unwatch(link);
}

/* -- questions ---------------------------------------------------------------- */

static zm_dns_outcome_t outcome_of(int status, const char **reason)
{
    *reason = NULL;
    switch (status) {
    case ARES_SUCCESS:
        return ZM_DNS_FOUND;
    case ARES_ENODATA:
        return ZM_DNS_NO_DATA;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return ZM_DNS_NO_NAME;
    case ARES_ETIMEOUT:
        *reason = "timeout";
        break;
    case ARES_ESERVFAIL:
        *reason = "server failure";
        break;
    case ARES_EREFUSED:
        *reason = "refused by the name server";
        break;
    case ARES_ECONNREFUSED:
        *reason = "no usable reply from any name server";
        break;
    case ARES_EFORMERR:
    case ARES_EBADRESP:
        *reason = "unreadable reply";
        break;
    default:
        *reason = "resolver trouble";
    }
    return ZM_DNS_TEMPORARY;
}

static void on_reply(void *data, int status, int timeouts, unsigned char *message, int length)
{
    question_t *question = data;
    const char *reason;
    zm_dns_outcome_t outcome = outcome_of(status, &reason);
    (void)timeouts;
    question->fn(question->baton, outcome, reason,
                 zm_str_of((const char *)message, message != NULL ? (apr_size_t)length : 0));
    free(question);
}

static void put16(zm_buf_t *out, unsigned number)
{
    zm_buf_add_byte(out, (char)(number >> 8));
    zm_buf_add_byte(out, (char)number);
}

/* The question that c-ares would ask, but with the bits that it cannot be told to set: AD, "tell
 * whether it is proved" (RFC 6840, 5.7), and DO, for servers that look at that alone (RFC 3225). */
static void write_question(zm_buf_t *out, zm_dns_type_t type, const char *name)
{
    unsigned char id[2];
    zm_str_t rest = zm_str(name), label;
    bool more = true;
    (void)apr_generate_random_bytes(id, sizeof id);
    zm_buf_add(out, id, sizeof id);
    put16(out, RECURSION_DESIRED | AUTHENTIC_DATA);
    put16(out, 1);
    put16(out, 0);
    put16(out, 0);
    put16(out, 1);
    while (more) {
        more = zm_str_cut(rest, '.', &label, &rest);
        zm_buf_add_byte(out, (char)label.length);
        zm_buf_add_str(out, label);
    }
    zm_buf_add_byte(out, 0);
    put16(out, (unsigned)type);
    put16(out, CLASS_IN);
    zm_buf_add_byte(out, 0); /* EDNS (RFC 6891, 6.1.2): last, where c-ares looks for it */
    put16(out, OPT);
    put16(out, EDNS_SIZE);
    put16(out, 0);
    put16(out, DNSSEC_OK);
    put16(out, 0);
}

static void ask_for_proof(zm_dns_channel_t *channel, zm_dns_type_t type, const char *name,
                          question_t *question)
{
    zm_buf_t message = ZM_BUF_INIT;
    write_question(&message, type, name);
    ares_send(channel->ares, (const unsigned char *)message.data, (int)message.length, on_reply,
              question);
    zm_buf_free(&message);
}

void zm_dns_channel_ask(zm_dns_channel_t *channel, zm_dns_type_t type, const char *name,
                        zm_dns_reply_fn *fn, void *baton)
{
    question_t *question = malloc(sizeof *question);
    if (question == NULL) {
        fn(baton, ZM_DNS_TEMPORARY, "out of memory", zm_str_of("", 0));
        return;
    }
    *question = (question_t){fn, baton};
    if (channel->dnssec)
        ask_for_proof(channel, type, name, question);
    else
        ares_query(channel->ares, name, 1, (int)type, on_reply, question);
    update_timer(channel);
}

/* -- making ------------------------------------------------------------------- */

/* The list in the one form that c-ares takes, each server with its port. */
static apr_status_t normalise(zm_buf_t *list, const char *servers, zm_error_t *error)
{
    zm_str_t rest = zm_str(servers), item;
    bool more = true;
    while (more) {
        zm_endpoint_t server;
        char text[ZM_IP_TEXT];
        more = zm_str_cut(rest, ',', &item, &rest);
        if (zm_endpoint_parse(&server, item, 53) != APR_SUCCESS || server.ip.family == 0)
            return zm_error_set(error, ZM_E_CONFIG,
                                "\"%.*s\" in the list of name servers \"%s\" is no "
                                "ADDRESS or ADDRESS:PORT",
                                (int)item.length, item.data, servers);
        zm_buf_printf(list, "%s%s", list->length != 0 ? "," : "", zm_endpoint_print(&server, text));
    }
    return APR_SUCCESS;
}

static apr_status_t set_servers(ares_channel ares, const char *servers, zm_error_t *error)
{
    zm_buf_t list = ZM_BUF_INIT;
    apr_status_t status = normalise(&list, servers, error);
    if (status == APR_SUCCESS && ares_set_servers_ports_csv(ares, zm_buf_c(&list)) != ARES_SUCCESS)
        status = zm_error_set(error, ZM_E_CONFIG, "the list of name servers \"%s\" is not usable",
                              servers);
    zm_buf_free(&list);
    return status;
}

static int milliseconds(apr_interval_time_t time)
{
    return time < 1000 ? 1 : time > apr_time_from_sec(1000) ? 1000000 : (int)(time / 1000);
}

static int init_ares(zm_dns_channel_t *channel, const zm_dns_options_t *options)
{
    struct ares_options ares = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
                                .timeout = milliseconds(options->timeout),
                                .tries = options->tries,
                                .ednspsz = EDNS_SIZE,
                                .sock_state_cb = on_state,
                                .sock_state_cb_data = channel};
    return ares_init_options(&channel->ares, &ares,
                             ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                 ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB);
}

apr_status_t zm_dns_channel_create(zm_dns_channel_t **channel, zm_loop_t *loop,
                                   const zm_dns_options_t *options, zm_error_t *error)
{
    zm_dns_channel_t *made = calloc(1, sizeof *made);
    apr_status_t status = APR_SUCCESS;
    int result;
    if (made == NULL)
        return APR_ENOMEM;
    made->loop = loop;
    made->dnssec = options->dnssec;
    zm_timer_init(&made->timer, loop, on_time, made);
    result = ares_library_init(ARES_LIB_INIT_ALL);
    if (result == ARES_SUCCESS) {
        result = init_ares(made, options);
        if (result != ARES_SUCCESS)
            ares_library_cleanup();
    }
    if (result != ARES_SUCCESS) {
        free(made);
        return zm_error_set(error, ZM_E_CONFIG, "the resolver does not start: %s",
                            ares_strerror(result));
    }
    if (options->servers != NULL)
        status = set_servers(made->ares, options->servers, error);
    if (status != APR_SUCCESS)
        zm_dns_channel_destroy(made);
    else
        *channel = made;
    return status;
}

bool zm_dns_channel_local(const zm_dns_channel_t *channel)
{
    struct ares_addr_node *servers = NULL, *server;
    bool local = ares_get_servers(channel->ares, &servers) == ARES_SUCCESS && servers != NULL;
    for (server = servers; server != NULL; server = server->next) {
        zm_ip_t ip = {.family = server->family == AF_INET ? 4 : 6};
        memcpy(ip.bytes, &server->addr, ip.family == 4 ? 4 : 16);
        local &= zm_ip_is_loopback(&ip);
    }
    ares_free_data(servers);
    return local;
}

void zm_dns_channel_destroy(zm_dns_channel_t *channel)
{
    ares_destroy(channel->ares);
    while (channel->watched != NULL)
        unwatch(&channel->watched);
    zm_timer_cancel(&channel->timer);
    ares_library_cleanup();
    free(channel);
}
