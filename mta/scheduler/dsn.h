/**
 * The text of a delivery report (RFC 3461, 3462, 3464): envelope, headers of
 * the form, a part for people, one for programs, and the message or its header.
 */
#ifndef ZM_SCHEDULER_DSN_H
#define ZM_SCHEDULER_DSN_H

#include "mta/mail/form.h"
#include "mta/scheduler/outcome.h"
#include "spool/control.h"
#include "spool/submit.h"

typedef enum zm_dsn_action_t {
    ZM_DSN_FAILED,
    ZM_DSN_DELAYED,
    ZM_DSN_RELAYED,
    ZM_DSN_DELIVERED,
    ZM_DSN_EXPANDED,
    ZM_DSN_ACTIONS
} zm_dsn_action_t;

/** One recipient of a report. */
typedef struct zm_dsn_entry_t {
    const zm_control_recipient_t *recipient;
    const zm_control_diagnostic_t *diagnostic;
    zm_dsn_action_t action;
    zm_notary_t notary;
    zm_dsn_t wishes; /**< its N line */
} zm_dsn_entry_t;

typedef struct zm_dsn_report_t {
    const zm_control_file_t *file;
    zm_str_t sender; /**< who gets it; empty: the message was itself an error message */
    const char *spool_id;
    int64_t arrived;
    int64_t expires; /**< until when delayed recipients are tried, Unix seconds; 0: not said */
    const zm_dsn_entry_t *entries;
    int count;
    const zm_form_t *form; /**< null: there is no such form */
    const char *domain;    /**< our name as Reporting-MTA */
    zm_object_t *message;  /**< null: it cannot be read */
    bool full_by_default;  /**< return the whole message when the sender did not say */
    const char *boundary;
} zm_dsn_report_t;

/** The action that a notary names; ZM_DSN_FAILED for an unknown word. */
zm_dsn_action_t zm_dsn_action(zm_str_t word);
/** Whether a recipient's sender wants to hear of that. */
bool zm_dsn_wanted(const zm_dsn_t *wishes, zm_dsn_action_t action);
/** Whether the report has anybody to go to. */
bool zm_dsn_has_reader(const zm_dsn_report_t *report);
/** Writes the report, envelope and all.  ZM_E_SYNTAX for an address that cannot stand in an
 * envelope. */
apr_status_t zm_dsn_write(const zm_dsn_report_t *report, zm_submission_t *submission,
                          apr_pool_t *pool);

#endif
