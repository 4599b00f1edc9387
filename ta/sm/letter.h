/**
 * What a mailer reads: the envelope as batched SMTP if it wants that, the
 * "From " line, the header, the body, and the end of the batch.
 */
#ifndef ZM_TA_SM_LETTER_H
#define ZM_TA_SM_LETTER_H

#include "ta/agent/job.h"
#include "ta/agent/lines.h"
#include "ta/sm/options.h"
#include "ta/sm/table.h"

typedef struct zm_sm_letter_t {
    const zm_sm_options_t *options;
    const zm_mailer_t *mailer;
    zm_job_t *job;
    zm_group_t *group;
    zm_recipient_t **recipients; /**< of the group: whom the process delivers to */
    int count;

    /* private */
    const zm_converted_t *converted; /**< null: the letter goes as it is */
    zm_filter_t *filter;
    zm_lines_t lines;
    uint64_t at; /**< in the body */
    bool ended;
    zm_buf_t text; /**< the piece given out last */
} zm_sm_letter_t;

/** Appends everything before the body.  Fails when the body, which decides about conversion, cannot
 * be read. */
apr_status_t zm_sm_letter_begin(zm_sm_letter_t *letter, zm_buf_t *out);
/** The next piece of the rest (zm_piece_fn). */
apr_status_t zm_sm_letter_piece(void *letter, zm_str_t *piece);
void zm_sm_letter_free(zm_sm_letter_t *letter);

#endif
