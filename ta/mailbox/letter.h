/**
 * What mailbox adds to a letter and takes from it: the From line, and the
 * fields that tell how it was delivered.
 */
#ifndef ZM_TA_MAILBOX_LETTER_H
#define ZM_TA_MAILBOX_LETTER_H

#include "ta/agent/job.h"
#include "ta/mailbox/options.h"

/**
 * Appends the header for one recipient: fields that claim to be ours are taken
 * out, Return-Path, X-Envelope-To and those for DSN data are added.
 */
void zm_letter_head(const zm_job_t *job, const zm_group_t *group, const zm_converted_t *converted,
                    const zm_recipient_t *recipient, const zm_mailbox_options_t *options,
                    zm_buf_t *out);

#endif
