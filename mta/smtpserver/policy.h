/**
 * Policy: who may send what to whom.
 *
 * A session asks at four stages and goes on when it is answered, which may be
 * at once (before policy_ask returns) or later, on the loop: rules that ask DNS,
 * a database or a filter fit behind the same call.
 *
 * The rules of this version:
 *
 *   recipients in local domains are accepted from everybody;
 *   recipients elsewhere only from this host (the loopback, or standard input);
 *   everything else is refused.
 *
 * Local domains are those in localnames.h and the address literals of this host.  A
 * local part such as user%far.test or far.test!user in a local domain counts
 * as what it would be routed to.
 */
#ifndef ZM_SMTPSERVER_POLICY_H
#define ZM_SMTPSERVER_POLICY_H

#include "mta/mail/smtp_path.h"
#include "mta/net/ip.h"
#include "mta/smtpserver/localnames.h"

typedef struct policy_t policy_t;

typedef enum policy_stage_t {
    POLICY_CONNECT,  /**< a client has connected */
    POLICY_HELO,     /**< it has said its name */
    POLICY_SENDER,   /**< MAIL FROM */
    POLICY_RECIPIENT /**< RCPT TO */
} policy_stage_t;

/** What is known when the question is put.  Strings must stay until the answer or policy_cancel. */
typedef struct policy_question_t {
    policy_stage_t stage;
    zm_endpoint_t client, server;    /**< family 0 with standard input */
    bool local;                      /**< the client is a program on standard input (if it has no
                                        address) */
    zm_str_t helo;                   /**< "" before */
    const zm_smtp_path_t *sender;    /**< null before MAIL */
    const zm_smtp_path_t *recipient; /**< at POLICY_RECIPIENT */
} policy_question_t;

typedef enum policy_result_t { POLICY_ACCEPT, POLICY_REFUSE, POLICY_DEFER } policy_result_t;

typedef struct policy_verdict_t {
    policy_result_t result;
    int code;             /**< reply code, when not accepted */
    const char *enhanced; /**< "5.7.1" */
    const char *text;     /**< why; valid during the call */
} policy_verdict_t;

typedef void policy_fn(const policy_verdict_t *verdict, void *baton);

/** A question under way. */
typedef struct policy_ask_t policy_ask_t;

typedef struct policy_options_t {
    localnames_t *names;
    bool percent_hack; /**< % and ! in local parts are looked through */
} policy_options_t;

apr_status_t policy_create(policy_t **policy, const policy_options_t *options, apr_pool_t *pool);

/** Whether a client may send to anywhere without saying who he is: one on this host.  local: as in
 * the question. */
bool policy_trusts(const zm_endpoint_t *client, bool local);

/** Puts a question; fn is called once.  *ask is null when it was answered before this returns. */
void policy_ask(policy_ask_t **ask, policy_t *policy, const policy_question_t *question,
                policy_fn *fn, void *baton);
/** The answer is not wanted any more.  Null allowed. */
void policy_cancel(policy_ask_t *ask);

#endif
