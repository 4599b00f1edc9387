/**
 * A message in the form that it has in router/, taken apart for SMTP.
 */
#ifndef ZM_MTA_SUBMIT_LETTER_H
#define ZM_MTA_SUBMIT_LETTER_H

#include <apr_file_io.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

typedef struct letter_recipient_t {
    const char *address;
    const char *notify, *orcpt; /**< DSN parameters; null: not given */
} letter_recipient_t;

typedef struct letter_t {
    const char *sender; /**< null: whoever submits; "" the null sender */
    const char *full_name, *envid, *ret, *body_type; /**< null: not given */
    apr_array_header_t *recipients;                  /**< of letter_recipient_t */
    zm_buf_t header; /**< with the empty line behind it, if the message has one */
    zm_buf_t rest;   /**< what has been read of the body; more is in the file */
    uint64_t size;   /**< of header and body, octets */
} letter_t;

/**
 * Reads envelope and header from the file, whose beginning comes next; what follows in the file is
 * body.  Recipients without domain, and a sender without one, get @host.  ZM_E_SYNTAX, and why, for
 * what no SMTP server can be told; ZM_E_LIMIT for a header beyond all measure.
 */
apr_status_t letter_read(letter_t *letter, apr_file_t *file, const char *host, apr_pool_t *pool,
                         zm_error_t *error);
void letter_free(letter_t *letter);

#endif
