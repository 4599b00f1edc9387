/**
 * The header of a message: a list of fields, each with its text as it came and,
 * where the header table gives a rule, its parsed form.
 *
 * A message's fields live in its pool.  Strings given to these functions are
 * kept, not copied, and must live as long.
 */
#ifndef ZM_MTA_MAIL_HEADER_H
#define ZM_MTA_MAIL_HEADER_H

#include "mta/mail/header_table.h"

typedef struct zm_header_t {
    struct zm_header_t *next, *previous;
    zm_str_t name;  /**< as written */
    zm_str_t value; /**< all after the colon, leading blanks included, LF and blanks at folds, no LF
                       at the end */
    const zm_header_rule_t *rule;
    zm_address_list_t *parsed; /**< null when unstructured */
    bool bad;                  /**< parsed has a bad item */
    bool generated;            /**< made or changed by us: value does not count, print parsed */
} zm_header_t;

typedef struct zm_headers_t {
    zm_header_t *first, *last;
    const zm_header_table_t *table;
    apr_pool_t *pool;
} zm_headers_t;

zm_headers_t *zm_headers_create(const zm_header_table_t *table, apr_pool_t *pool);

/**
 * Puts a field before another (null: at the end) and parses it.  A structured
 * field without any item is as good as absent: nothing is added and the result
 * is null.
 */
zm_header_t *zm_headers_insert(zm_headers_t *headers, zm_header_t *before, zm_str_t name,
                               zm_str_t value);
zm_header_t *zm_headers_append(zm_headers_t *headers, zm_str_t name, zm_str_t value);

/** Puts a field of addresses that we made before another (null: at the end). */
zm_header_t *zm_headers_insert_list(zm_headers_t *headers, zm_header_t *before, zm_str_t name,
                                    zm_address_list_t *list);

void zm_headers_remove(zm_headers_t *headers, zm_header_t *header);
/** Gives a field another name, and the rule that goes with it; the value stays. */
void zm_headers_rename(zm_headers_t *headers, zm_header_t *header, zm_str_t name);

/** The first field of that name, ignoring case; null: none. */
zm_header_t *zm_headers_find(const zm_headers_t *headers, const char *name);
/** The next one of the same name behind a field. */
zm_header_t *zm_headers_find_next(const zm_header_t *header);
unsigned zm_headers_count(const zm_headers_t *headers, const char *name);

/**
 * A copy whose addresses can be replaced without touching the original: one for
 * each way of rewriting.  Texts and tokens are shared.
 */
zm_headers_t *zm_headers_copy(const zm_headers_t *headers, apr_pool_t *pool);

/**
 * Decides about one address of a field of class sender or recipient: plain is
 * the address as zm_address_plain gives it.  True: *text is the new address.
 */
typedef bool (*zm_rewrite_t)(void *baton, const zm_header_t *header, zm_str_t plain,
                             zm_str_t *text);

/**
 * Offers every address of the sender and recipient fields to rewrite and puts
 * what it gives in their place.  Fields with a bad address are left alone: they
 * go on as they came.
 */
void zm_headers_rewrite(zm_headers_t *headers, zm_rewrite_t rewrite, void *baton);

/** The field's value on one line: folds become one space, blanks at the ends go, control bytes
 * become '?'. */
zm_str_t zm_header_line(const zm_header_t *header, apr_pool_t *pool);

#endif
