/**
 * The fields of a header block, as agents edit them.
 *
 * A field is kept as it stands: name, colon, value and folds, with LF between
 * its lines and none at its end.  What is not a field (no colon) is kept too,
 * with an empty name, so that nothing of a message is lost.
 */
#ifndef ZM_TA_AGENT_FIELDS_H
#define ZM_TA_AGENT_FIELDS_H

#include "platform/str.h"

typedef struct zm_field_t {
    zm_str_t name; /**< without the colon and blanks before it */
    zm_str_t text; /**< all of it, name included */
} zm_field_t;

typedef struct zm_fields_t {
    zm_field_t *items;
    int count, room;
    apr_pool_t *pool;
} zm_fields_t;

/** Takes a header block apart (LF line ends, no empty line).  Strings point into text. */
void zm_fields_parse(zm_fields_t *fields, zm_str_t text, apr_pool_t *pool);
/** A list of its own that shares the texts. */
void zm_fields_copy(zm_fields_t *copy, const zm_fields_t *fields, apr_pool_t *pool);

/** Index of the first field of that name at or after `from`, ignoring case; -1: none. */
int zm_fields_find(const zm_fields_t *fields, const char *name, int from);
/** What stands after the colon, without surrounding blanks; folds are still in it. */
zm_str_t zm_field_value(const zm_field_t *field);

void zm_fields_remove(zm_fields_t *fields, const char *name); /**< all of that name */
/** Puts a field ("Name: value", copied) before the one at index; index of count: at the end. */
void zm_fields_insert(zm_fields_t *fields, int index, zm_str_t text);
void zm_fields_append(zm_fields_t *fields, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Text of any origin for a field: control bytes become '?', so that it cannot end the line.  NUL
 * terminated. */
zm_str_t zm_field_text(zm_str_t text, apr_pool_t *pool);

/** Replaces the text of a field. */
void zm_fields_replace(zm_fields_t *fields, int index, zm_str_t text);

#endif
