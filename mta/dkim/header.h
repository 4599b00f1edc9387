/**
 * The fields of a message as they stand: what signatures are about.
 */
#ifndef ZM_MTA_DKIM_HEADER_H
#define ZM_MTA_DKIM_HEADER_H

#include "platform/str.h"

#define ZM_DKIM_FIELDS 1000 /**< more are not looked at */

typedef struct zm_dkim_field_t {
    zm_str_t name; /**< without blanks around it */
    zm_str_t text; /**< all of it with its folds, LF between its lines and none at the end */
} zm_dkim_field_t;

typedef struct zm_dkim_header_t {
    zm_dkim_field_t *fields;
    int count;
    bool cut; /**< there were more */
} zm_dkim_header_t;

/** Takes a header apart, up to its empty line or its end; strings point into text.  Lines that are
 * no field are left out. */
void zm_dkim_header_read(zm_dkim_header_t *header, zm_str_t text, apr_pool_t *pool);
/** The field of that name at or behind an index; its index, or -1. */
int zm_dkim_header_find(const zm_dkim_header_t *header, zm_str_t name, int from);
/** What stands behind the colon. */
zm_str_t zm_dkim_value(const zm_dkim_field_t *field);

/**
 * Appends the canonical form of the fields that a list of names, with ':' between them, means: of
 * each name the last field that is not taken yet, from the bottom up (RFC 6376, 5.4.2).  False:
 * the list is too long.
 */
bool zm_dkim_header_select(zm_buf_t *out, const zm_dkim_header_t *header, zm_str_t names,
                           bool relaxed, apr_pool_t *pool);
/** Whether the list has that name. */
bool zm_dkim_names_have(zm_str_t names, zm_str_t name);

#endif
