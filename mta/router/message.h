/**
 * One message on its way through the router.
 *
 *     step            when it goes wrong
 *     open and lock   left where it is
 *     envelope        postman/, or deferred/ when the owner cannot be told
 *     header          rejected
 *     sender          postman/
 *     recipients      rejected
 *     routes          a recipient that cannot be routed now is held
 *     control file    deferred/
 *     queue/          the scheduler's from here on
 *
 * Every step is a function over router_message_t; message.c runs them in order
 * and sees to the outcome.
 */
#ifndef ZM_MTA_ROUTER_MESSAGE_H
#define ZM_MTA_ROUTER_MESSAGE_H

#include "mta/mail/header.h"
#include "mta/router/routing.h"
#include "spool/layout.h"
#include "spool/message.h"

/** How it ended; the numbers are what the script command rfc822 gives. */
typedef enum router_outcome_t {
    ROUTER_DONE = 0,
    ROUTER_USAGE = 100,
    ROUTER_NOT_OPENED = 101,       /**< left where it is, to be tried again */
    ROUTER_BAD_CONTINUATION = 102, /**< postman ":badenvelope" */
    ROUTER_BAD_SUBMIT = 103,       /**< postman ":badsubmit" */
    ROUTER_LOOP = 104,             /**< rejected, and a copy in postman */
    ROUTER_BAD_ENVELOPE = 105,     /**< rejected */
    ROUTER_DEFERRED = 106,         /**< moved to deferred */
    ROUTER_BAD_HEADER = 107,       /**< rejected */
    ROUTER_NO_RECIPIENTS = 108,    /**< rejected */
    ROUTER_NO_SENDER = 109,        /**< postman */
    ROUTER_CONTROL = 110           /**< moved to deferred: the control file could not be made */
} router_outcome_t;

typedef struct router_recipient_t {
    zm_str_t address; /**< as routing sees it */
    zm_str_t dsn;     /**< value of its todsn line, "" when it has none */
} router_recipient_t;

typedef struct router_message_t {
    router_worker_t *worker;
    apr_pool_t *pool;     /**< of the scope: gone when the message is done */
    const char *name;     /**< "router/B/4711" */
    const char *argument; /**< what the configuration calls it: "B/4711", "../router1/4711" */
    zm_object_t *object;
    zm_message_t *file;
    char spool_id[ZM_SPOOL_ID_SIZE];
    apr_time_t arrived, started;
    apr_time_t user_time, system_time; /**< what the process had used by then; 0: not asked */
    zm_object_t *trace;                /**< the verbose trace (trace.h); null: none */
    const char *trace_leaf;
    const char *queued; /**< its name once it is in the queue; null before */

    /* from the envelope (envelope.c) */
    const char *login;      /**< of the file's owner */
    const char *owner_name; /**< his full name, "" when unknown */
    bool believed;          /**< what `from` says counts: trusted, or UNTRUSTED_FROM allows it */
    bool trusted, external, error_channel, error_message, bad_envelope;
    bool has_channel;                                        /**< the first `channel` line counts */
    zm_address_list_t *peer, *from, *full_name, *login_name; /**< null when not given */
    zm_str_t relay;                                          /**< the peer for the log */
    zm_str_t with, via, envid, ret, verbose, authres;
    apr_array_header_t *recipients; /**< of router_recipient_t */

    /* from the header (sequence.c) */
    zm_headers_t *headers;
    bool resent, bad_header;
    zm_str_t message_id;
    const zm_header_t *rewriting; /**< the field whose addresses are being rewritten */

    /* the sender (sender.c) */
    bool null_path;
    zm_address_list_t *sender; /**< null for the null path */
    zm_str_t sender_address;   /**< "<>" for the null path */
    zm_str_t error_address;    /**< where rejects go; "" for nowhere */
    zm_str_t error_header;     /**< the field or address for the control file's preamble */
    router_quad_t sender_quad;
    zm_uid_t privilege; /**< that recipients start with */
} router_message_t;

/** Routes a message file by its spool name.  Must be inside a scope of the interpreter. */
router_outcome_t router_message_route(router_worker_t *worker, const char *name,
                                      const char *argument);

/* -- the steps -------------------------------------------------------------------------- */

/** envelope.c: owner, trust, keywords.  ZM_E_TEMPORARY or APR_ENOENT: the owner is not known. */
apr_status_t router_read_envelope(router_message_t *message);
/** sequence.c: fields, Received, Message-Id.  Loop and envelope trouble end the sequence. */
router_outcome_t router_read_header(router_message_t *message);
/** sequence.c: publishes the variable envelopeinfo. */
void router_publish_envelope(router_message_t *message);
/** sender.c: the envelope sender, its quad, the address for errors, the privilege of recipients. */
router_outcome_t router_find_sender(router_message_t *message);
/** sender.c: who would be told about a message whose sender was not looked for; sets sender_address
 * and error_address. */
void router_find_error_address(router_message_t *message);
/** sequence.c: recipients, and the header made complete. */
router_outcome_t router_find_recipients(router_message_t *message);
/** control.c: routes, control file, commit. */
router_outcome_t router_commit(router_message_t *message);

/** Whether an address is the owner's own: local here, with his login name. */
bool router_is_owner(router_message_t *message, zm_str_t address);
/** Whether an address has a domain of ours, or none. */
bool router_is_local(router_message_t *message, zm_str_t address);

#endif
