/**
 * One mail transaction: MAIL, RCPT for some recipients of one job, the letter.
 *
 * The commands are made here and the replies judged here; when they go out is
 * the session's business.
 */
#ifndef ZM_TA_SMTP_TRANSACTION_H
#define ZM_TA_SMTP_TRANSACTION_H

#include "ta/agent/job.h"
#include "ta/agent/lines.h"
#include "ta/agent/outcome.h"
#include "ta/smtp/peer.h"
#include "ta/smtp/reply.h"
#include "ta/smtp/smtp.h"

typedef enum zm_target_state_t {
    ZM_TARGET_OPEN,     /**< nothing is known yet */
    ZM_TARGET_ACCEPTED, /**< by RCPT */
    ZM_TARGET_REPORTED  /**< it has its outcome */
} zm_target_state_t;

typedef struct zm_addressee_t {
    zm_recipient_t *recipient;
    zm_str_t address; /**< for RCPT; empty: as it was routed (canon.h) */
    zm_target_state_t state;
} zm_addressee_t;

typedef struct zm_transaction_t {
    struct zm_transaction_t *next; /**< in the lane's list */
    struct zm_task_t *task;        /**< the job as the lane keeps it (lane.h) */
    zm_smtp_t *smtp;
    zm_job_t *job;
    zm_group_t *group;
    zm_addressee_t *to;
    int count, accepted, reported;
    int temporary; /**< recipients refused for now */

    /* How far it has gone; reset when it starts anew in another session. */
    bool started, mail_answered, data_sent, content_sent, content_started;
    int rcpts_sent, rcpts_answered;
    bool refused;         /**< MAIL or DATA was refused */
    bool named;           /**< the addresses of recipients are known */
    bool retried;         /**< a lost session already cost it one try */
    apr_time_t since;     /**< when it began; monotonic */
    apr_time_t letter_at; /**< when the letter was to go */

    /* The letter on its way. */
    bool eight_bit;                  /**< BODY=8BITMIME */
    bool smtputf8;                   /**< SMTPUTF8 */
    bool chunked;                    /**< it goes as one BDAT: nothing is hidden, no dot ends it */
    const zm_converted_t *converted; /**< null: the letter goes as it is */
    zm_str_t signature;  /**< fields in front of its header, LF between lines; "": none */
    zm_filter_t *filter; /**< of this transmission; null: none */
    uint64_t body_at;
    uint64_t head_octets, octets; /**< sent: of the header with its empty line, and in all */
    zm_lines_t lines;
} zm_transaction_t;

/** Makes a transaction for recipients of a group. */
zm_transaction_t *zm_transaction_create(zm_smtp_t *smtp, zm_job_t *job, zm_group_t *group,
                                        zm_recipient_t *const *recipients, int count);

/**
 * Prepares for a peer: what it cannot take is reported at once.  False: nobody
 * is left.
 */
bool zm_transaction_begin(zm_transaction_t *transaction, const zm_peer_t *peer);

/** Append one command line with CR LF. */
void zm_transaction_mail(const zm_transaction_t *transaction, const zm_peer_t *peer, zm_buf_t *out);
void zm_transaction_rcpt(const zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                         zm_buf_t *out);

/**
 * Appends the next piece of the letter, about `room` octets; at its end the
 * final dot.  APR_SUCCESS: more follows; APR_EOF: that was all; else the body
 * cannot be read, and the connection must be dropped without a dot.
 */
apr_status_t zm_transaction_content(zm_transaction_t *transaction, zm_buf_t *out, apr_size_t room);

/** Octets of the letter as zm_transaction_content gives it, found by making it; from then on it is
 * chunked. */
apr_status_t zm_transaction_measure(zm_transaction_t *transaction, uint64_t *octets);

/** Judge replies.  The peer is for the outcome's words. */
void zm_transaction_on_mail(zm_transaction_t *transaction, const zm_peer_t *peer,
                            const zm_reply_t *reply);
void zm_transaction_on_rcpt(zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                            const zm_reply_t *reply);
void zm_transaction_on_data(zm_transaction_t *transaction, const zm_peer_t *peer,
                            const zm_reply_t *reply);
/** The reply to the final dot.  LMTP: for the recipient at index; else index is -1 and it is for
 * all accepted. */
void zm_transaction_on_dot(zm_transaction_t *transaction, const zm_peer_t *peer, int index,
                           const zm_reply_t *reply);

/** Reports everybody who has no outcome yet. */
void zm_transaction_fail(zm_transaction_t *transaction, const zm_peer_t *peer, zm_result_t result,
                         const char *status, const char *text, int64_t retry);

/** Makes another transaction of the recipients after the first `limit` ones; it belongs to the same
 * task. */
zm_transaction_t *zm_transaction_split(zm_transaction_t *transaction, int limit);

/** Forgets how far it has gone, for another try with those who have no outcome. */
void zm_transaction_reset(zm_transaction_t *transaction);

static inline bool zm_transaction_done(const zm_transaction_t *transaction)
{
    return transaction->reported == transaction->count;
}

#endif
