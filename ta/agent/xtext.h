/**
 * Values of DSN parameters for people: xtext (RFC 3461) decoded for a header field.
 */
#ifndef ZM_TA_AGENT_XTEXT_H
#define ZM_TA_AGENT_XTEXT_H

#include "platform/str.h"

/**
 * "+HH" becomes its byte, all else stays.  Control bytes, decoded or not, become '?': what a
 * sender wrote there may not end our header line.
 */
zm_str_t zm_xtext_for_header(zm_str_t xtext, apr_pool_t *pool);

/** Text without control bytes, each replaced by '?'. */
zm_str_t zm_text_for_header(zm_str_t text, apr_pool_t *pool);

#endif
