/**
 * Lists of tags, "name=value; name=value", as signatures, keys and policies are
 * written (RFC 6376, 3.2).
 */
#ifndef ZM_MTA_DKIM_TAGS_H
#define ZM_MTA_DKIM_TAGS_H

#include "platform/str.h"

#define ZM_TAGS 40 /**< more of them are no list that anybody means well with */

typedef struct zm_tags_t {
    zm_str_t names[ZM_TAGS];
    zm_str_t values[ZM_TAGS]; /**< without blanks and folds around them; those inside are kept */
    int count;
} zm_tags_t;

/** Takes a list apart; strings point into text.  False: it is malformed, or a name stands twice. */
bool zm_tags_read(zm_tags_t *tags, zm_str_t text);
/** The value of a tag, by its name in lower case as it must stand.  False: there is none. */
bool zm_tags_get(const zm_tags_t *tags, const char *name, zm_str_t *value);
/** Takes the next element off a list that `separator` divides, without the blanks around it. */
bool zm_tags_element(zm_str_t *rest, char separator, zm_str_t *element);

/** Whether text is a domain, or a selector, as it may stand in a name of DNS and in a header:
 * letters, digits, '-', '_' and single dots, 1 to 253 octets. */
bool zm_is_dns_name(zm_str_t text);
/** A number of at most 12 digits; -1 when it is none. */
int64_t zm_tags_number(zm_str_t text);

/** Decodes base64, in which blanks and folds may stand, into pool.  False: it is none. */
bool zm_base64_read(zm_str_t *bytes, zm_str_t text, apr_pool_t *pool);

#endif
