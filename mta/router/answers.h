/**
 * Answers to questions of the SMTP server, kept for a moment: a client that sends
 * to many of our users, or many clients that send to one, ask the same again and
 * again.
 *
 * Kept are answers of which none says "try again" (4xx), for ROUTER_ANSWER_LIFE, so
 * that a change of the data is seen soon; and so many that memory stays bounded.
 */
#ifndef ZM_MTA_ROUTER_ANSWERS_H
#define ZM_MTA_ROUTER_ANSWERS_H

#include "platform/str.h"

#define ROUTER_ANSWER_LIFE apr_time_from_sec(5)
#define ROUTER_ANSWERS 4096 /**< kept at most */
#define ROUTER_ANSWER_SIZE                                                                         \
    2048 /**< octets of question and answer together; longer ones are not kept */

typedef struct router_answers_t router_answers_t;

router_answers_t *router_answers_create(apr_pool_t *pool);
/** The answer to a question, if one is kept; valid until the next call. */
bool router_answers_find(router_answers_t *answers, zm_str_t question, zm_str_t *answer);
/** Keeps an answer if it may be kept. */
void router_answers_keep(router_answers_t *answers, zm_str_t question, zm_str_t answer);
void router_answers_forget(router_answers_t *answers);

#endif
