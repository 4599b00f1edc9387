/**
 * The trace of a submission: what `sendmail -v` shows of a message on its way.
 *
 * The submitter makes an empty object, public/v_ and six letters or digits, and
 * names it in the envelope as "../public/v_XXXXXX"; the control file repeats it.
 * Who handles the message appends to it, and the submitter reads along.  When he
 * has removed it nothing is traced any more.
 *
 * The name comes from the submitter, so it is believed only this far: whatever
 * stands before its last slash, an object of that form in public/ that is there,
 * has one name, and belongs to the owner of the message.  Anything else means no
 * trace: nobody gets text appended to another file of his choice.
 */
#ifndef ZM_SPOOL_TRACE_H
#define ZM_SPOOL_TRACE_H

#include "spool/spool.h"

#define ZM_TRACE_LEAF_SIZE 9 /**< "v_AbCd12" */

/** Makes one for messages of that owner (ZM_UID_NONE: the process's), which nobody else may read. */
apr_status_t zm_spool_trace_make(char leaf[ZM_TRACE_LEAF_SIZE], zm_spool_t *spool, zm_uid_t owner);

/** The leaf in "../public/v_AbCd12", a part of path; empty when it has not that form. */
zm_str_t zm_spool_trace_leaf(zm_str_t path);

/** For appending.  owner: the message's.  ZM_E_UNSAFE: it is no trace of his; APR_ENOENT. */
apr_status_t zm_spool_trace_open(zm_object_t **trace, zm_spool_t *spool, zm_str_t path, zm_uid_t owner);
/** For its reader. */
apr_status_t zm_spool_trace_read(zm_object_t **trace, zm_spool_t *spool, const char *leaf);
void zm_spool_trace_remove(zm_spool_t *spool, const char *leaf);

/** Appends one line; control bytes in it but TAB become '?'.  A trace is a courtesy: losing a line is no failure. */
void zm_spool_trace_line(zm_object_t *trace, zm_str_t line);

#endif
