/**
 * The process: what its parts share.
 *
 *     smtp.c         the process: opening and ending
 *     lane.h         the work for one host, in order: jobs in, transactions out
 *     route.h        from a host to addresses
 *     session.h      one connection: greeting, EHLO, commands and replies in step
 *     transaction.h  MAIL, RCPT, DATA for recipients of one job, and their outcomes
 *     beyond.h       addresses and headers beyond ASCII
 *     demand.h       what a letter itself demands of TLS
 *     reply.h        replies
 *     sign.h         DKIM signatures and ARC seals
 *     tally.h        what is counted of it
 *     trial.h        trying whether a destination takes connections
 *     canon.h        what domains that are aliases stand for
 *     servers.h      servers that are known for something
 *     dane.h         what the name service proves of a server's certificate
 *     tls_client.h   which servers must have TLS, and its settings
 *
 * A lane has at most one session at a time.  A session takes the next
 * transaction from its lane while the one before waits for the reply to its
 * final dot, and sends its commands in the same packet as that dot (RFC 2920
 * allows it), so that a busy session costs one round trip a message.
 */
#ifndef ZM_TA_SMTP_SMTP_H
#define ZM_TA_SMTP_SMTP_H

#include <apr_hash.h>

#include "mta/net/dns.h"
#include "ta/agent/agent.h"
#include "ta/smtp/options.h"
#include "ta/smtp/servers.h"

typedef struct zm_smtp_t {
    zm_agent_t *agent;
    const zm_smtp_options_t *options;
    zm_dns_t *dns;
    zm_loop_t *loop;
    struct zm_tls_client_t *tls;
    struct zm_signing_t *signing;  /**< null: nothing is signed (sign.h) */
    struct zm_protocol_log_t *log; /**< null: none (log.h) */
    apr_hash_t *lanes;             /**< by host */
    const char *identity;          /**< "smtp[PID]" */
    zm_servers_t no_bdat;          /**< those that offered BDAT and did not know it */
    uint64_t volume;               /**< octets sent and not counted yet: less than a kilobyte */
    zm_buf_t scratch;              /**< for one piece of output at a time */
} zm_smtp_t;

/**
 * Opens the agent and what it needs.  options are completed with the site's variables and must
 * live as long.  agent: name, channel, host, jobs and callbacks are filled in here.
 */
apr_status_t zm_smtp_open(zm_smtp_t *smtp, zm_smtp_options_t *options, zm_agent_options_t *agent,
                          apr_pool_t *pool, zm_error_t *error);
/** Serves until the agent ends, and returns the exit code. */
int zm_smtp_run(zm_smtp_t *smtp);
/** Ends what zm_smtp_open began; the exit code of the agent.  Part of zm_smtp_run. */
int zm_smtp_close(zm_smtp_t *smtp);

#endif
