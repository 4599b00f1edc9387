/**
 * The text of a report (RFC 3464, multipart/report): header, explanation,
 * delivery status, and the message or its header.
 */
#ifndef ZM_TA_ERRORMAIL_COMPOSE_H
#define ZM_TA_ERRORMAIL_COMPOSE_H

#include "mta/mail/form.h"
#include "ta/agent/job.h"

typedef struct zm_errata_t {
    zm_job_t *job;
    const zm_group_t *group;     /**< whose header is returned */
    zm_str_t sender;             /**< who gets the report */
    const char *form_name;       /**< of the route */
    const zm_form_t *form;       /**< null: there is no such form, the built-in text is used */
    zm_recipient_t **recipients; /**< those to tell about */
    int count;
    const char *domain;
    bool name_first; /**< the trace of what is returned names the first of several recipients */
} zm_errata_t;

/** Hands out the report piece by piece; a failure ends it. */
typedef apr_status_t zm_errata_write_fn(void *baton, const void *data, apr_size_t length);

/** Writes the report: header and body, LF line ends. */
apr_status_t zm_errata_write(const zm_errata_t *errata, zm_errata_write_fn *write, void *baton,
                             apr_pool_t *pool);

/** The status code that a form stands for: "5.1.1" for nosuchuser; "5.0.0" when it says nothing. */
const char *zm_errata_status(const char *form_name);

#endif
