#include "mta/smtpserver/turn.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/node.h"
#include "platform/clock.h"
#include "platform/log.h"

#define PLACES 1024 /* addresses that are counted; those that share one share its count */

typedef struct place_t {
    apr_time_t since;
    int count;
} place_t;

struct turns_t {
    zm_loop_t *loop;
    turns_options_t options;
    apr_pool_t *pool;
    zm_dns_t *dns; /* null: no node has needed it yet */
    place_t places[PLACES];
};

struct turn_t {
    turns_t *turns;
    apr_pool_t *pool;
    const char *host, *client;
    turn_fn *fn; /* null: cancelled */
    void *baton;
    int next; /* node */
    node_call_t *call;
    int started, failed; /* nodes */
    bool filing;         /* the spool has yet to answer */
    turn_result_t result;
    zm_buf_t notes;
    zm_timer_t news;
};

/* -- how often --------------------------------------------------------------------------------- */

bool turns_allow(turns_t *turns, const zm_ip_t *client)
{
    place_t *place;
    apr_time_t now = zm_clock_monotonic();
    if (client->family == 0 || zm_ip_is_loopback(client))
        return true;
    /* of IPv6 the first half, which is what one customer gets */
    place = &turns->places[zm_hash(client->bytes, client->family == 4 ? 4 : 8) % PLACES];
    if (now - place->since > TURN_PERIOD) {
        place->since = now;
        place->count = 0;
    }
    return ++place->count <= TURN_RATE;
}

/* -- the end ----------------------------------------------------------------------------------- */

static void on_news(zm_timer_t *timer, void *baton)
{
    turn_t *turn = baton;
    (void)timer;
    if (turn->fn != NULL)
        turn->fn(turn->result, zm_buf_str(&turn->notes), turn->baton);
    zm_buf_free(&turn->notes);
    apr_pool_destroy(turn->pool);
}

static void finish(turn_t *turn, turn_result_t result)
{
    turn->result = result;
    zm_timer_set(&turn->news, 0);
}

/* -- the file ---------------------------------------------------------------------------------- */

static void on_filed(apr_status_t status, void *baton)
{
    turn_t *turn = baton;
    turn->filing = false;
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "a request for delivery cannot be stored",
               ZM_F_S("host", turn->host), ZM_F_E("reason", status));
    finish(turn, status == APR_SUCCESS || turn->started > 0 ? TURN_STARTED : TURN_FAILED);
}

static void file(turn_t *turn)
{
    const turns_options_t *options = &turn->turns->options;
    const char *content = apr_pstrcat(turn->pool, "T ", turn->host, " ", turn->client, "\n", NULL);
    turn->filing = true;
    options->file(options->baton, zm_str(content), on_filed, turn);
}

/* -- the nodes --------------------------------------------------------------------------------- */

static void ask_next(turn_t *turn);

static void on_node(bool admitted, zm_str_t text, void *baton)
{
    turn_t *turn = baton;
    bool nothing = zm_str_starts(text, ZM_S("nothing"));
    turn->call = NULL;
    turn->started += admitted && !nothing;
    turn->failed += !admitted;
    zm_log(admitted ? ZM_LOG_INFO : ZM_LOG_ERROR, NULL, "etrn", ZM_F_S("host", turn->host),
           ZM_F_S("client", turn->client), ZM_F_I("node", turn->next), ZM_F_N("answer", text));
    if (turn->turns->options.quiet)
        zm_buf_clear(&turn->notes);
    else if (admitted) /* what is wrong with the others is not for strangers */
        zm_buf_printf(&turn->notes, "node %d: %.*s\n", turn->next, (int)text.length, text.data);
    else
        zm_buf_printf(&turn->notes, "node %d cannot be asked now\n", turn->next);
    ask_next(turn);
}

static bool has_resolver(turns_t *turns)
{
    zm_error_t error = {0};
    if (turns->dns == NULL &&
        zm_dns_create(&turns->dns, turns->loop, NULL, &error) != APR_SUCCESS) {
        turns->dns = NULL;
        zm_log(ZM_LOG_ERROR, NULL, "no resolver", ZM_F_S("reason", error.text));
    }
    return turns->dns != NULL;
}

static void ask_next(turn_t *turn)
{
    turns_t *turns = turn->turns;
    const apr_array_header_t *nodes = turns->options.nodes;
    const config_node_t *node;
    while (turn->next < nodes->nelts) {
        node = &APR_ARRAY_IDX(nodes, turn->next, config_node_t);
        turn->next++;
        if (node->path != NULL || node->ip.family != 0 || has_resolver(turns)) {
            node_call(&turn->call, turns->loop, turns->dns, node,
                      apr_pstrcat(turn->pool, "ETRN ", turn->host, " ", turn->client, "@",
                                  turns->options.hostname, NULL),
                      on_node, turn, turn->pool);
            return;
        }
        turn->failed++;
    }
    if (turn->failed > 0)
        file(turn);
    else
        finish(turn, turn->started > 0 ? TURN_STARTED : TURN_NOTHING);
}

/* -- requests ---------------------------------------------------------------------------------- */

turns_t *turns_create(zm_loop_t *loop, const turns_options_t *options, apr_pool_t *pool)
{
    turns_t *made = apr_pcalloc(pool, sizeof *made);
    made->loop = loop;
    made->options = *options;
    made->pool = pool;
    return made;
}

void turns_close(turns_t *turns)
{
    if (turns != NULL && turns->dns != NULL)
        zm_dns_destroy(turns->dns);
}

apr_status_t turn_begin(turn_t **turn, turns_t *turns, zm_str_t host, const char *client,
                        turn_fn *fn, void *baton)
{
    apr_pool_t *pool;
    turn_t *made;
    apr_status_t status = apr_pool_create(&pool, turns->pool);
    if (status != APR_SUCCESS)
        return status;
    made = apr_pcalloc(pool, sizeof *made);
    made->turns = turns;
    made->pool = pool;
    made->host = zm_str_lower(pool, host).data;
    made->client = apr_pstrdup(pool, client);
    made->fn = fn;
    made->baton = baton;
    zm_timer_init(&made->news, turns->loop, on_news, made);
    *turn = made;
    ask_next(made);
    return APR_SUCCESS;
}

/* A file on its way stays so: the request is finished without the one who asked. */
void turn_cancel(turn_t *turn)
{
    if (turn == NULL)
        return;
    turn->fn = NULL;
    if (turn->filing || zm_timer_is_set(&turn->news))
        return;
    node_hang_up(turn->call);
    turn->call = NULL;
    finish(turn, TURN_FAILED);
}
