/**
 * The lines "From ADDRESS DATE remote from HOST" with which mail comes by UUCP: one
 * for each host that it went through, the last one first.
 */
#ifndef ZM_MTA_SUBMIT_UUCP_FROM_H
#define ZM_MTA_SUBMIT_UUCP_FROM_H

#include <apr_tables.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

/** One line.  Nothing in it can end a line of an envelope or a header. */
typedef struct uucp_from_t {
    const char *address;
    const char *date; /**< as it stands; "": none */
    const char *host; /**< of "remote from"; null: none */
} uucp_from_t;

/** Whether a line is one: "From " or ">From ". */
bool uucp_is_from(zm_str_t line);

/** Takes a line apart, without its LF.  ZM_E_SYNTAX: no address, or a host that is no name. */
apr_status_t uucp_parse(uucp_from_t *from, zm_str_t line, apr_pool_t *pool);

/** Whether a text can be the name of a host: letters, digits, '.', '-' and '_'. */
bool uucp_is_host(const char *text);

/**
 * The sender of a message with these lines (uucp_from_t): the oldest address when it has an '@',
 * else the way back to it, HOST!HOST!ADDRESS, with `otherwise` for hosts that are not named;
 * "uucp" without any line.  "": the null path.
 */
const char *uucp_sender(const apr_array_header_t *lines, const char *otherwise, apr_pool_t *pool);

/** Appends a Received field for each host that passed the message on and said when. */
void uucp_received(zm_buf_t *out, const apr_array_header_t *lines);

#endif
