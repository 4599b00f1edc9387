/**
 * A conversation with a milter: a program that looks at messages by Sendmail's protocol (version 6)
 * while they come in, and may refuse them, put them aside, or add header fields.
 *
 * One conversation goes with one SMTP session, for all of its messages:
 *
 *     negotiate, connect, helo, { mail, { rcpt }, data, header ..., eoh, body ..., eom }, quit
 *
 * It begins with the first sender, so a session without mail costs nothing.  What a milter does not
 * want to be told it is not told, and where it does not answer nobody waits.  It may add fields and
 * ask for quarantine; what else it would do to the header is left undone, and what it would do to
 * the body or the envelope ends the conversation.
 *
 * Packets are checked strictly: length, command, and the stage they come at.
 */
#ifndef ZM_SMTPSERVER_MILTER_H
#define ZM_SMTPSERVER_MILTER_H

#include "mta/smtpserver/service.h"
#include "spool/submit.h"

#define MILTER_PATIENCE apr_time_from_sec(30)       /**< for an answer */
#define MILTER_LAST_PATIENCE apr_time_from_sec(120) /**< for that to the whole message */
#define MILTER_LONGEST apr_time_from_sec(480)       /**< for one that says that it is at work */
#define MILTER_PACKET 65536                         /**< octets of a packet from the milter */
#define MILTER_FIELD 60000 /**< octets of a header field that it is told; the rest is cut off */
#define MILTER_ADDED 65536 /**< octets of the fields that it may add */

typedef struct milter_t milter_t;

typedef enum milter_result_t {
    MILTER_CONTINUE,
    MILTER_ACCEPT,  /**< nothing more of this message, or session, need be asked */
    MILTER_REFUSE,  /**< code, enhanced and text are the reply */
    MILTER_DISCARD, /**< the message is to be taken and thrown away */
    MILTER_FAILED   /**< text tells why; the conversation is over */
} milter_result_t;

typedef struct milter_answer_t {
    milter_result_t result;
    int code; /**< 4yz or 5yz */
    char enhanced[16];
    zm_str_t text;      /**< lines divided by CRs; "" for none; valid during the call */
    bool quarantine;    /**< after a message: it is to be set aside */
    zm_str_t why;       /**< that */
    zm_str_t additions; /**< header fields, each line ended by LF */
} milter_answer_t;

typedef void milter_fn(const milter_answer_t *answer, void *baton);

/** What it is told of a session.  Strings must live as long as the conversation. */
typedef struct milter_session_t {
    const char *hostname;     /**< ours */
    const char *tag;          /**< names the session in logs */
    const char *name;         /**< of the client; "[192.0.2.9]" when it has none */
    zm_endpoint_t client;     /**< family 0: unknown */
    const char *tls, *cipher; /**< version and cipher; "" for none */
    const char *login;        /**< whom the client is known to be; "" for nobody */
} milter_session_t;

typedef struct milter_options_t {
    zm_loop_t *loop;
    zm_dns_t *dns; /**< may be null */
    const service_t *service;
    milter_session_t session;
} milter_options_t;

milter_t *milter_create(const milter_options_t *options, apr_pool_t *pool);
void milter_close(milter_t *milter); /**< null allowed */

/** Stages; fn is called once, never before these return, and none is begun before. */
void milter_mail(milter_t *milter, zm_str_t helo, zm_str_t sender, zm_str_t parameters,
                 milter_fn *fn, void *baton);
void milter_rcpt(milter_t *milter, zm_str_t recipient, milter_fn *fn, void *baton);
/** All of the message: content is the octet offset of its header in the submission. */
void milter_message(milter_t *milter, zm_submission_t *submission, uint64_t content, milter_fn *fn,
                    void *baton);
/** The message is given up; no answer may be awaited, or it is not called for any more. */
void milter_abort(milter_t *milter);

#endif
