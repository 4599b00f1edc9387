/**
 * The message file: envelope lines, header lines, an empty line, the body.
 *
 * The reader classifies lines exactly as the router always has; it reads the
 * envelope and header only, never the body.  Lines end with LF; a CR before it
 * is dropped from envelope and header lines.
 */
#ifndef ZM_SPOOL_MESSAGE_H
#define ZM_SPOOL_MESSAGE_H

#include "spool/spool.h"

typedef enum zm_envelope_keyword_t {
    ZM_ENV_EXTERNAL,
    ZM_ENV_RCVDFROM,
    ZM_ENV_BODYTYPE,
    ZM_ENV_WITH,
    ZM_ENV_VIA,
    ZM_ENV_IDENTINFO,
    ZM_ENV_AUTHINFO,
    ZM_ENV_COMMENT,
    ZM_ENV_FROM,
    ZM_ENV_CHANNEL,
    ZM_ENV_ERRORMSG,
    ZM_ENV_USER,
    ZM_ENV_ENVID,
    ZM_ENV_NOTARYRET,
    ZM_ENV_TODSN,
    ZM_ENV_TO,
    ZM_ENV_VERBOSE,
    ZM_ENV_FULLNAME,
    ZM_ENV_LOGINNAME,
    ZM_ENV_END, /**< env-end, env-eof */
    ZM_ENV_UNKNOWN
} zm_envelope_keyword_t;

zm_envelope_keyword_t zm_envelope_keyword(zm_str_t word); /**< ignoring case */
const char *zm_envelope_keyword_name(zm_envelope_keyword_t keyword);

typedef struct zm_envelope_line_t {
    zm_envelope_keyword_t keyword;
    zm_str_t name; /**< as written */
    zm_str_t value;
} zm_envelope_line_t;

/** A header field as it stands: its name, and all after the colon with its folds (LF between lines, none at the end). */
typedef struct zm_raw_field_t {
    zm_str_t name;
    zm_str_t value;
} zm_raw_field_t;

typedef enum zm_message_fault_t {
    ZM_MESSAGE_OK,
    ZM_MESSAGE_BAD_CONTINUATION, /**< envelope continuation, or ":" at its start: postman ":badenvelope" */
    ZM_MESSAGE_BAD_KEYWORD       /**< unknown envelope keyword: postman ":badsubmit" */
} zm_message_fault_t;

typedef struct zm_message_t {
    zm_object_info_t info;
    zm_envelope_line_t *envelope; /**< in file order */
    int envelope_count;
    zm_raw_field_t *fields;
    int field_count;
    uint64_t header_offset; /**< first header byte */
    uint64_t body_offset;   /**< byte after the empty line, or the file size */
    zm_message_fault_t fault;
    zm_str_t fault_line;
} zm_message_t;

/**
 * Reads envelope and header.  Strings point into one allocation in pool.
 * ZM_E_LIMIT when envelope and header together exceed limit bytes.
 */
apr_status_t zm_message_read(zm_message_t **message, zm_object_t *object, apr_size_t limit, apr_pool_t *pool);

/** The same of a message file that is in memory; info holds the size only. */
zm_message_t *zm_message_parse(zm_str_t text, apr_pool_t *pool);

/** The todsn line that belongs to the `to` line at this index, or null: it must stand directly before it. */
const zm_envelope_line_t *zm_message_todsn(const zm_message_t *message, int to_index);

#endif
