/**
 * Status codes and error texts.
 *
 * Functions that can fail return apr_status_t: APR_SUCCESS, a code of APR or
 * of the operating system, or one of ours below.  Where a person must act on a
 * failure, the function also takes a zm_error_t and says what happened, to
 * what, and what to do.
 */
#ifndef ZM_PLATFORM_STATUS_H
#define ZM_PLATFORM_STATUS_H

#include <apr_errno.h>

#define ZM_E_BASE (APR_OS_START_USERERR + 7000)

typedef enum zm_e {
    ZM_E_SYNTAX = ZM_E_BASE, /**< text that does not follow its grammar */
    ZM_E_CORRUPT,            /**< stored data contradicts itself */
    ZM_E_LIMIT,              /**< a configured or built-in limit was reached */
    ZM_E_UNSAFE,             /**< permissions, ownership or a link make it untrustworthy */
    ZM_E_UNSUPPORTED,        /**< the platform, filesystem or engine cannot do it */
    ZM_E_BUSY,               /**< locked or in use by another process */
    ZM_E_GONE,               /**< it existed and is no longer there */
    ZM_E_TEMPORARY,          /**< a lookup or peer failed for now; try again */
    ZM_E_CONFIG,             /**< the configuration is missing or wrong */
    ZM_E_PROTOCOL,           /**< the peer broke the protocol */
    ZM_E_STOPPED,            /**< the loop or service is being stopped */
    ZM_E_END
} zm_e;

/** A failure told to a person.  The text is one line without a final stop; an overlong one is cut. */
typedef struct zm_error_t {
    apr_status_t status;
    char text[1024];
} zm_error_t;

/** Sets status and text (printf form) and returns the status.  A null error is allowed. */
apr_status_t zm_error_set(zm_error_t *error, apr_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** As zm_error_set, and appends ": " and the text of the status. */
apr_status_t zm_error_system(zm_error_t *error, apr_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The text of a status, ours included, written into buffer; returns buffer. */
const char *zm_status_text(apr_status_t status, char *buffer, apr_size_t size);

#endif
