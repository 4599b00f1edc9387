/**
 * The Received field and the peer it names.
 */
#ifndef ZM_MTA_MAIL_RECEIVED_H
#define ZM_MTA_MAIL_RECEIVED_H

#include <apr_time.h>

#include "mta/mail/header.h"

typedef struct zm_received_t {
    const zm_address_list_t *peer; /**< a `rcvdfrom` value (ZM_RULE_DOMAIN); null: no "from" part */
    const char *host;              /**< by: our name */
    zm_str_t via, with;            /**< "" leaves the part out */
    zm_str_t id;                   /**< spool id */
    apr_time_t arrived;            /**< time of the message file */
    bool utc;                      /**< the date in UTC instead of local time */
} zm_received_t;

/**
 * Appends the value, from the blank after "Received:" on, without a line end:
 *
 *     from PEER (comment) by HOST via V with W id ID; DATE
 *
 * A part that would pass column 78 goes to a new line, which begins with a TAB.
 * A peer named STDIN is not printed, only its comment.
 */
void zm_received_add(zm_buf_t *buffer, const zm_received_t *received);

/**
 * The peer of a message from an account that is not trusted: "STDIN (from
 * localhost user: 'LOGIN', uid#N)", and, when the file claimed a peer, that
 * claim in the comment, marked as fake and unable to end the comment.
 */
zm_address_list_t *zm_received_untrusted_peer(const char *login, int64_t uid, zm_str_t claimed,
                                              apr_pool_t *pool);

#endif
