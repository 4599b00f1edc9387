/**
 * A message of which the header gets more fields: they stand before those that it has.
 *
 * The message is written anew, piece by piece, so that other sessions go on meanwhile.  The copy
 * takes the place of the first one when it is whole; nothing is on disk of either that a crash
 * would leave behind as mail.
 */
#ifndef ZM_SMTPSERVER_RECOMPOSE_H
#define ZM_SMTPSERVER_RECOMPOSE_H

#include "platform/loop.h"
#include "spool/submit.h"

typedef struct recompose_t recompose_t;

typedef struct recompose_options_t {
    zm_loop_t *loop;
    zm_submitter_t *submitter;
    zm_submission_t *from; /**< stays the caller's, and must stay until the end */
    uint64_t content;      /**< octet offset of the header in it */
    zm_str_t fields;       /**< each line ended by LF; copied */
} recompose_options_t;

/** made is the receiver's; null: status tells why. */
typedef void recompose_fn(apr_status_t status, zm_submission_t *made, void *baton);

/** fn is called once, never before this returns. */
void recompose_begin(recompose_t **recompose, const recompose_options_t *options, recompose_fn *fn,
                     void *baton, apr_pool_t *pool);
void recompose_cancel(recompose_t *recompose); /**< fn will not be called; null allowed */

#endif
