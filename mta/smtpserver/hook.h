/**
 * Asking a policy daemon: a server that decides about one command of a client, by lines.
 *
 *     server: request=smtpd_access_policy
 *             protocol_state=RCPT
 *             sender=a@far.test
 *             ...
 *             (an empty line)
 *     daemon: action=DEFER come again in five minutes
 *             (an empty line)
 *
 * A worker keeps up to HOOK_LINES connections to each, and puts one question after another to each
 * of them; further ones wait.  A connection that nobody has used for a minute is ended.
 *
 *     action            what comes of it
 *     DUNNO             nothing
 *     OK                the command is accepted, whatever the rules say
 *     REJECT, 5NN TEXT  it is refused
 *     DEFER..., 4NN     it is put off
 *     PREPEND FIELD     nothing, but the message gets that header field
 *     HOLD              the message is set aside
 *     WARN, INFO        nothing, but a line in the log
 */
#ifndef ZM_SMTPSERVER_HOOK_H
#define ZM_SMTPSERVER_HOOK_H

#include "mta/smtpserver/service.h"

#define HOOK_PATIENCE apr_time_from_sec(30) /**< for an answer, with all waiting */
#define HOOK_LINES 20                       /**< connections */
#define HOOK_ANSWER 16384                   /**< octets of an answer */

typedef struct hook_t hook_t;
typedef struct hook_ask_t hook_ask_t;

typedef enum hook_action_t {
    HOOK_NOTHING,
    HOOK_ACCEPT,
    HOOK_REFUSE, /**< with code, enhanced and text */
    HOOK_HOLD,
    HOOK_PREPEND, /**< text is the field */
    HOOK_FAILED   /**< text tells why */
} hook_action_t;

typedef struct hook_answer_t {
    hook_action_t action;
    int code;          /**< 4yz or 5yz */
    char enhanced[16]; /**< of the same class */
    zm_str_t text;     /**< valid during the call */
} hook_answer_t;

typedef void hook_fn(const hook_answer_t *answer, void *baton);

/** dns may be null.  service stays the caller's. */
hook_t *hook_create(zm_loop_t *loop, zm_dns_t *dns, const service_t *service, apr_pool_t *pool);
void hook_close(hook_t *hook); /**< no question may be under way; null allowed */

/** Adds "NAME=VALUE LF"; control characters become blanks. */
void hook_attribute(zm_buf_t *request, const char *name, zm_str_t value);
/** Asks; request: attributes, which are copied.  fn is called once, never before this returns. */
void hook_ask(hook_ask_t **ask, hook_t *hook, zm_str_t request, hook_fn *fn, void *baton);
void hook_cancel(hook_ask_t *ask); /**< fn will not be called; null allowed */

/** Reads what follows "action=". */
hook_answer_t hook_read(zm_str_t action);

#endif
