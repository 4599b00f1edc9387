/**
 * The process: what its parts share.
 *
 *     main.c         options, the agent
 *     lane.h         the work for one host, in order: jobs in, transactions out
 *     route.h        from a host to addresses
 *     session.h      one connection: greeting, EHLO, commands and replies in step
 *     transaction.h  MAIL, RCPT, DATA for recipients of one job, and their outcomes
 *     reply.h        replies
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

typedef struct zm_smtp_t {
    zm_agent_t *agent;
    const zm_smtp_options_t *options;
    zm_dns_t *dns;
    zm_loop_t *loop;
    struct zm_protocol_log_t *log; /**< null: none (log.h) */
    apr_hash_t *lanes;             /**< by host */
    const char *identity;          /**< "smtp[PID]" */
    zm_buf_t scratch;              /**< for one piece of output at a time */
} zm_smtp_t;

#endif
