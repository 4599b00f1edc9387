/**
 * Signatures on letters: DKIM on those that come from here, an ARC seal on those
 * that came from elsewhere and were examined when they came.
 *
 * A letter is signed as it will go over the wire, after all conversion.  Its body
 * is hashed before it is sent, once for all recipients that get the same.
 */
#ifndef ZM_TA_SMTP_SIGN_H
#define ZM_TA_SMTP_SIGN_H

#include "ta/agent/job.h"
#include "ta/smtp/smtp.h"

typedef struct zm_signing_t zm_signing_t;

/** What the options ask for; null: nothing. */
zm_signing_t *zm_signing_open(const zm_smtp_options_t *options, zm_agent_t *agent,
                              apr_pool_t *pool);

/**
 * The fields that go in front of a letter's header, with LF line ends; "" when it is not for us to
 * sign.  converted: null when it goes as it is.  Any error means that the letter must wait: what
 * has to be signed does not go without.
 */
apr_status_t zm_signing_fields(zm_str_t *fields, zm_signing_t *signing, zm_job_t *job,
                               const zm_group_t *group, const zm_converted_t *converted,
                               zm_error_t *error);

#endif
