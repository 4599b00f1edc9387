#include "ta/smtp/trial.h"

#include <stdio.h>

#include "ta/smtp/dane.h"
#include "ta/smtp/session.h"
#include "ta/smtp/tls_client.h"

typedef struct trial_t {
    zm_smtp_t *smtp;
    apr_pool_t *pool;
    const zm_route_t *route;
    int hop;
    bool helo_only, temporary;
    zm_session_t *session;
    bool over, open;
    int code;
} trial_t;

/* What a server says must not write on the terminal as it likes. */
static void tell(const char *name, const char *text)
{
    fprintf(stderr, "smtp: %s: ", name);
    for (; *text != '\0'; text++)
        fputc(*text >= ' ' && *text <= '~' ? *text : '?', stderr);
    fputc('\n', stderr);
}

static void end(trial_t *trial, int code)
{
    trial->over = true;
    trial->code = code;
}

static void on_opened(void *baton)
{
    trial_t *trial = baton;
    const zm_peer_t *peer = zm_session_peer(trial->session);
    fprintf(stderr, "smtp: %s [%s] is ready for mail (%s%s)\n", trial->route->hops[trial->hop].name,
            peer->address,
            peer->lmtp    ? "LMTP"
            : peer->esmtp ? "ESMTP"
                          : "SMTP",
            zm_session_is_secure(trial->session) ? ", TLS" : "");
    trial->open = true;
    end(trial, ZM_RESULT_OK);
}

static void try_hop(trial_t *trial);

static void on_failed(void *baton, const zm_refusal_t *refusal)
{
    trial_t *trial = baton;
    bool again = refusal->ehlo_broke && !trial->helo_only;
    tell(trial->route->hops[trial->hop].name, refusal->text);
    trial->session = NULL;
    trial->temporary |= zm_result_temporary(refusal->result);
    trial->code = refusal->result;
    trial->helo_only = again;
    trial->hop += !again;
    try_hop(trial);
}

static zm_transaction_t *no_work(void *baton)
{
    (void)baton;
    return NULL;
}

static void on_transaction(void *baton, zm_transaction_t *transaction)
{
    (void)baton;
    (void)transaction;
}

static void on_closed(void *baton)
{
    trial_t *trial = baton;
    trial->session = NULL;
    trial->open = false;
}

static void on_dane(const zm_dane_t *dane, void *baton)
{
    trial_t *trial = baton;
    trial->route->hops[trial->hop].dane = dane;
    try_hop(trial);
}

/* As lane.c does: what the trial says of a server is what its mail will meet. */
static void try_hop(trial_t *trial)
{
    const zm_session_owner_t owner = {trial,          on_opened,      on_failed, no_work,
                                      on_transaction, on_transaction, on_closed};
    const zm_hop_t *hop = &trial->route->hops[trial->hop];
    if (trial->hop >= trial->route->count)
        end(trial, trial->temporary ? ZM_RESULT_TEMPFAIL : trial->code);
    else if (hop->dane == NULL && zm_tls_client_asks_dane(trial->smtp->tls, hop, trial->pool))
        zm_dane_find(hop, trial->smtp->dns, on_dane, trial, trial->pool);
    else
        zm_session_start(&trial->session, trial->smtp, hop, hop->literal, trial->helo_only, &owner);
}

static void on_route(const zm_route_t *route, void *baton)
{
    trial_t *trial = baton;
    trial->route = route;
    if (route->count > 0) {
        try_hop(trial);
        return;
    }
    fprintf(stderr, "smtp: %s\n", route->reason);
    end(trial, zm_result_temporary(route->result) ? ZM_RESULT_TEMPFAIL : route->result);
}

int zm_smtp_try(zm_smtp_t *smtp)
{
    const zm_smtp_options_t *options = smtp->options;
    const char *trouble = zm_tls_client_trouble(smtp->tls);
    trial_t trial = {.smtp = smtp};
    if (trouble != NULL) {
        fprintf(stderr, "smtp: %s\n", trouble);
        (void)zm_smtp_close(smtp);
        return ZM_RESULT_TEMPFAIL;
    }
    apr_pool_create(&trial.pool, smtp->agent->pool);
    zm_route_find(zm_str(options->punt != NULL ? options->punt : options->host),
                  options->punt != NULL, options, smtp->dns, on_route, &trial, trial.pool);
    while (!trial.over && zm_loop_once(smtp->loop, -1) == APR_SUCCESS)
        ;
    if (trial.open)
        zm_session_end(trial.session); /* with QUIT */
    apr_pool_destroy(trial.pool);
    (void)zm_smtp_close(smtp);
    return trial.code;
}
