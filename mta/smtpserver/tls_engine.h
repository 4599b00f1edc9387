/**
 * The keys and certificates of one configuration, ready to speak TLS with: a context of OpenSSL
 * for each group that has use-tls.
 *
 * They are read while the process may still read them, once; a reload makes other processes, and
 * those read them anew.
 */
#ifndef ZM_SMTPSERVER_TLS_ENGINE_H
#define ZM_SMTPSERVER_TLS_ENGINE_H

#include "mta/net/tls.h"
#include "mta/smtpserver/config.h"

typedef struct tls_engine_t tls_engine_t;

/**
 * Reads what the configuration names.  ZM_E_CONFIG names the file that cannot be used; a key that
 * everybody may read is one.  Less is added to the warnings of config.  It lives as long as pool.
 */
apr_status_t tls_engine_open(tls_engine_t **engine, config_t *config, apr_pool_t *pool,
                             zm_error_t *error);
/** Tries the same, and forgets it. */
apr_status_t tls_engine_check(config_t *config, zm_error_t *error);

/** Null: the group speaks no TLS, or there is no engine. */
zm_tls_t *tls_engine_of(const tls_engine_t *engine, const config_group_t *group);

/** A key for new tickets, for all groups that resume sessions. */
void tls_engine_ticket_key(tls_engine_t *engine, const zm_tls_ticket_key_t *key);

#endif
