/**
 * The rules of smtp-contentfilter(8), and what they say of a message.
 *
 *     unique                              fields that may stand once do
 *     header FIELD PATTERN VERDICT        the value of a field is like that
 *     body PHRASE VERDICT                 a line of the body has that
 *     exempt PATTERN                      messages for such recipients alone pass the body rules
 *     scanner PROGRAM [ARGUMENT ...]      its exit status, 0 or 1, says whether the message is
 * clean
 *
 * The first rule that fits decides.  VERDICT is the rest of the line, as verdict.h has it.
 */
#ifndef ZM_SMTPSERVER_SIFT_MESSAGE_H
#define ZM_SMTPSERVER_SIFT_MESSAGE_H

#include <apr_pools.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct sift_rules_t sift_rules_t;

/** Reads the rules; they live in pool.  ZM_E_CONFIG with the line in error. */
apr_status_t sift_load(sift_rules_t **rules, const char *file, apr_pool_t *pool, zm_error_t *error);

/**
 * Adds the verdict on the message in that file of the spool, without a line end: "0" when no rule
 * fits.  A failure, with its reason in error: nobody can tell.
 */
apr_status_t sift_judge(zm_buf_t *verdict, const sift_rules_t *rules, const char *path,
                        apr_pool_t *pool, zm_error_t *error);

#endif
