/**
 * TLS of the process: its settings, what each server must have of it, and which servers failed.
 *
 * Without -S every server that offers STARTTLS gets it, whoever it is.  When that fails, the
 * server's address is remembered: mail for it waits, and from a minute later on goes in clear for
 * an hour.  A server that must have TLS never gets anything in clear.
 */
#ifndef ZM_TA_SMTP_TLS_CLIENT_H
#define ZM_TA_SMTP_TLS_CLIENT_H

#include "platform/log.h"
#include "ta/agent/agent.h"
#include "ta/smtp/dane.h"
#include "ta/smtp/route.h"
#include "ta/smtp/tls_config.h"

typedef struct zm_tls_client_t zm_tls_client_t;

/** What a connection must have. */
typedef struct zm_tls_rule_t {
    zm_tls_level_t level;
    const char *const *names;  /**< of the certificate, with verify; null: the server's */
    const zm_tls_dane_t *dane; /**< with ZM_TLS_DANE */
    bool named;          /**< who leads to the server cannot be forged: a verified name proves it */
    const char *origin;  /**< where the rule comes from: "tls-policy *" */
    const char *tested;  /**< what would only tell that it is not met; null: nothing */
    const char *refusal; /**< not to be connected to at all: why; null: it may be */
} zm_tls_rule_t;

/** Reads the settings.  Never fails: see zm_tls_client_trouble. */
void zm_tls_client_open(zm_tls_client_t **client, const zm_smtp_options_t *options,
                        zm_agent_t *agent);

/** Why nothing may be sent: the settings are wrong, and some mail must not go without TLS. */
const char *zm_tls_client_trouble(const zm_tls_client_t *client);

/** Whether TLSA records of a hop's server are to be asked for (dane.h) before its rule is. */
bool zm_tls_client_asks_dane(const zm_tls_client_t *client, const zm_hop_t *hop, apr_pool_t *pool);
/** Whether the resolver is to ask for proofs at all. */
bool zm_tls_client_needs_proof(const zm_tls_client_t *client);

/** The rule for a hop, which is used up to the end of the handshake; a local socket has none.
 * Strings live in pool or as long as client. */
void zm_tls_rule_for(zm_tls_rule_t *rule, zm_tls_client_t *client, const zm_hop_t *hop,
                     apr_pool_t *pool);

/** For connections of a level; null: there is no TLS.  One is made when it is first asked for. */
zm_tls_t *zm_tls_client_context(zm_tls_client_t *client, zm_tls_level_t level);

/** Tells the system log, and the scheduler. */
void zm_tls_client_tell(zm_tls_client_t *client, zm_log_level_t severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Whether tls-loglevel asks for what came of handshakes (1) and for their steps (2). */
bool zm_tls_client_tells(const zm_tls_client_t *client, int level);

/** TLS failed with this server, or succeeded. */
void zm_tls_client_failed(zm_tls_client_t *client, const zm_endpoint_t *server);
void zm_tls_client_succeeded(zm_tls_client_t *client, const zm_endpoint_t *server);
/** Whether it failed so long ago that the server gets its mail in clear now. */
bool zm_tls_client_in_clear(zm_tls_client_t *client, const zm_endpoint_t *server);

#endif
