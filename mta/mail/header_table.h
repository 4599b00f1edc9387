/**
 * The header table: how each field is parsed and treated.  It is the relation
 * `headers` of the router's configuration, which may extend it.
 *
 * A field that is not in the table is unstructured and of no class.  The
 * entries that mail cannot do without are permanent: neither change nor removal
 * is possible.  Names are compared without regard to case.
 */
#ifndef ZM_MTA_MAIL_HEADER_TABLE_H
#define ZM_MTA_MAIL_HEADER_TABLE_H

#include "mta/mail/address.h"

typedef enum zm_header_class_t {
    ZM_HEADER_NORMAL,
    ZM_HEADER_SENDER,
    ZM_HEADER_RECIPIENT,
    ZM_HEADER_KILL /**< not sent on */
} zm_header_class_t;

typedef struct zm_header_rule_t {
    const char *name; /**< lower case; null for "any other field" */
    zm_rule_t rule;
    zm_header_class_t class;
    bool resent; /**< its presence makes the message a resent one */
    bool permanent;
} zm_header_rule_t;

typedef struct zm_header_table_t zm_header_table_t;

/** A table with the built-in entries. */
zm_header_table_t *zm_header_table_create(apr_pool_t *pool);

/** The entry of a field.  Never null: unknown fields share one entry, whose name is null. */
const zm_header_rule_t *zm_header_table_find(const zm_header_table_t *table, zm_str_t name);

/**
 * Adds or replaces an entry.  value is "RULE:CLASS:KIND"; RULE as for
 * zm_rule_by_name, CLASS Sender, Recipient, Kill or "-" (none, normal, nothing),
 * KIND Resent or "-"; missing parts count as "-".  ZM_E_SYNTAX with what was
 * expected; ZM_E_UNSUPPORTED when the entry is permanent.
 */
apr_status_t zm_header_table_set(zm_header_table_t *table, zm_str_t name, zm_str_t value,
                                 zm_error_t *error);

/** APR_ENOENT when there is none; ZM_E_UNSUPPORTED when it is permanent. */
apr_status_t zm_header_table_remove(zm_header_table_t *table, zm_str_t name);
/** Removes all but the permanent entries. */
void zm_header_table_clear(zm_header_table_t *table);

/** An entry as text, "AMailboxList:Sender:": parts that mean "none" are empty. */
zm_str_t zm_header_rule_text(const zm_header_rule_t *rule, apr_pool_t *pool);

/** Calls each for all entries, in no particular order. */
void zm_header_table_each(const zm_header_table_t *table,
                          void (*each)(void *baton, const zm_header_rule_t *rule), void *baton);

#endif
