/**
 * Submission: how every program puts a message in.  public/ -> durable ->
 * router/ -> hint.  Used by libzmailer, smtpserver, the scheduler's reports,
 * and agents that resubmit.
 *
 *     zm_submit_begin(&s, submitter, &options);
 *     zm_submit_line(s, "from", sender); ... zm_submit_env_end(s);
 *     zm_submit_write(s, header and body);
 *     zm_submit_commit(s, fn, baton);          or zm_submit_abort(s)
 */
#ifndef ZM_SPOOL_SUBMIT_H
#define ZM_SPOOL_SUBMIT_H

#include <apr_file_io.h>

#include "spool/spool.h"

/**
 * Gives a finished message to whoever has a spool, and returns when it is safe there, or why it is
 * not.  message is a scratch file in the form of a message in router/, read from its beginning on.
 */
typedef apr_status_t zm_handover_fn(void *baton, apr_file_t *message);

/** Where submissions of this process go: read once from the configuration. */
typedef struct zm_submitter_t {
    zm_spool_t *spool;         /**< null: there is handover */
    zm_handover_fn *handover;  /**< of a process that has no spool to write to; it can only wait for
                                  the end of a submission (zm_submit_commit_wait) */
    void *handover_baton;
    const char *router_notify; /**< ROUTERNOTIFY, null: no hints */
    const char *input_notify;  /**< INPUTNOTIFY */
    const char *input_dirs;    /**< INPUTDIRS, ':' separated, null: none */
    const char *router_dirs;   /**< ROUTERDIRS */
    bool router_hash, input_hash;
} zm_submitter_t;

typedef struct zm_submission_t zm_submission_t;

typedef struct zm_submit_options_t {
    int priority;      /**< 0 high and normal, 1 bulk, 9 junk: chooses the input directory */
    zm_uid_t uid, gid; /**< owner of the file; ZM_UID_NONE: the process's */
} zm_submit_options_t;

apr_status_t zm_submit_begin(zm_submission_t **submission, zm_submitter_t *submitter,
                             const zm_submit_options_t *options);
/** One envelope line "keyword value" (an empty value: the keyword alone).  A value with LF, CR or NUL is refused (ZM_E_SYNTAX): it could forge lines. */
apr_status_t zm_submit_line(zm_submission_t *submission, const char *keyword, zm_str_t value);
/** Another priority than that of the options, for one that a header of the message asks for. */
void zm_submit_set_priority(zm_submission_t *submission, int priority);
apr_status_t zm_submit_env_end(zm_submission_t *submission);
/** Header and body bytes, LF line ends. */
apr_status_t zm_submit_write(zm_submission_t *submission, const void *data, apr_size_t length);
uint64_t zm_submit_written(const zm_submission_t *submission);
zm_object_t *zm_submit_object(zm_submission_t *submission); /**< null when it will be handed over */
/** Reads what has been written, as zm_object_read. */
apr_status_t zm_submit_read(zm_submission_t *submission, uint64_t offset, void *buffer, apr_size_t *length);
/** Overwrites what has been written, as zm_object_overwrite. */
apr_status_t zm_submit_overwrite(zm_submission_t *submission, uint64_t offset, const void *data, apr_size_t length);
/** Its path, as zm_object_native_path, and identity, as zm_object_info.  Like reading, ZM_E_UNSUPPORTED for one
 * that will be handed over. */
apr_status_t zm_submit_path(const char **path, zm_submission_t *submission, apr_pool_t *pool);
apr_status_t zm_submit_info(zm_object_info_t *info, zm_submission_t *submission);

/** The submission is consumed.  fn as in zm_object_publish; published->info gives the spool id. */
void zm_submit_commit(zm_submission_t *submission, zm_publish_fn *fn, void *baton);
apr_status_t zm_submit_commit_wait(zm_submission_t *submission, zm_published_t *result, apr_pool_t *pool);
/** The same, to another place ("freezer", suffix "policy-1"); no hint.  Both strings must stay until fn is called. */
void zm_submit_commit_aside(zm_submission_t *submission, const char *directory, const char *suffix, zm_publish_fn *fn,
                            void *baton);
/** Publishes elsewhere ("freezer", suffix "policy-1"; "postman"); no hint. */
apr_status_t zm_submit_commit_to(zm_submission_t *submission, const char *directory, const char *suffix,
                                 zm_published_t *result, apr_pool_t *pool);
void zm_submit_abort(zm_submission_t *submission);

#endif
