/**
 * Forms: the editable texts of reports, files in $MAILSHARE/forms.
 *
 *     HDR From: The Post Office <postmaster>      a header field
 *     SUB Subject: Mail could not be delivered    the subject
 *     ADR Cc: postmaster                          a header field that is also a recipient
 *
 *     The text, after an empty line, as it stands.
 *
 * Nothing in a form is substituted.
 */
#ifndef ZM_MTA_MAIL_FORM_H
#define ZM_MTA_MAIL_FORM_H

#include <apr_pools.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct zm_form_t {
    const zm_str_t *headers; /**< whole fields of HDR lines, without LF */
    int header_count;
    const zm_str_t *copies; /**< whole fields of ADR lines */
    int copy_count;
    zm_str_t subject; /**< value of the SUB line, "" when it has none */
    zm_str_t text;
} zm_form_t;

/**
 * Reads a form.  The name must be letters, digits, '-', '_' and '.' only, not
 * first (ZM_E_UNSAFE): it may come from a route or a message.  APR_ENOENT when there
 * is no such form.
 */
apr_status_t zm_form_read(zm_form_t **form, const char *mailshare, zm_str_t name, apr_pool_t *pool);

/** Takes a form's text apart.  The first line that is no form line ends the header; it belongs to
 * the text unless it is empty.  Further ones that look like form lines are text. */
zm_form_t *zm_form_parse(zm_str_t data, apr_pool_t *pool);

/** The addresses in the value of a copy's field, for the envelope: the text after the colon. */
zm_str_t zm_form_field_value(zm_str_t field);

#endif
