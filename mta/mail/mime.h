/**
 * The MIME fields that decide about conversion: Content-Type (RFC 2045 section
 * 5) and Content-Transfer-Encoding.
 *
 * Parsing forgives what real mail does: comments and blanks anywhere, blanks
 * around "=", missing semicolons, an unterminated quoted string.  Parameters
 * keep their order and are all preserved.
 */
#ifndef ZM_MTA_MAIL_MIME_H
#define ZM_MTA_MAIL_MIME_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/str.h"

typedef struct zm_mime_parameter_t {
    struct zm_mime_parameter_t *next;
    zm_str_t name;
    zm_str_t value; /**< without quotes and backslashes */
} zm_mime_parameter_t;

typedef struct zm_content_type_t {
    zm_str_t type, subtype;
    zm_mime_parameter_t *parameters;
} zm_content_type_t;

/** Parses the value of Content-Type.  False when it does not begin with type "/" subtype. */
bool zm_content_type_parse(zm_content_type_t *content, zm_str_t value, apr_pool_t *pool);

/** Whether type and subtype are these, ignoring case; a null subtype matches any. */
bool zm_content_type_is(const zm_content_type_t *content, const char *type, const char *subtype);

/** The value of a parameter, name in any case; null data when there is none. */
zm_str_t zm_content_type_get(const zm_content_type_t *content, const char *name);

/** Sets a parameter, adding it when it is not there. */
void zm_content_type_set(zm_content_type_t *content, const char *name, zm_str_t value,
                         apr_pool_t *pool);

/**
 * Appends the whole field, "Content-Type:" TAB "type/subtype; charset=...;" with
 * each further parameter on a line of its own behind a TAB; LF between lines,
 * none at the end.  Values of other characters than [0-9A-Za-z._-] are quoted.
 */
void zm_content_type_add(zm_buf_t *buffer, const zm_content_type_t *content);

typedef enum zm_transfer_encoding_t {
    ZM_ENCODING_7BIT,
    ZM_ENCODING_8BIT,
    ZM_ENCODING_BINARY,
    ZM_ENCODING_QUOTED_PRINTABLE,
    ZM_ENCODING_BASE64,
    ZM_ENCODING_OTHER
} zm_transfer_encoding_t;

/** The value of Content-Transfer-Encoding. */
zm_transfer_encoding_t zm_transfer_encoding(zm_str_t value);

/** The first word of a structured value, behind comments and blanks; "" when there is none. */
zm_str_t zm_mime_word(zm_str_t value);

#endif
