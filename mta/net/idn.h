/**
 * Internationalized domain names (RFC 5890 to 5893, UTS 46).
 *
 * A domain has two forms that mean the same: "bücher.example" (U-labels, UTF-8) and
 * "xn--bcher-kva.example" (A-labels, ASCII).  Addresses are brought to the second form where
 * routing begins, and what a site writes down may have either.
 *
 * A name in a text is a run of letters, digits, "-", "_", "." and bytes beyond ASCII.  What cannot
 * be a domain stays as it is: bad UTF-8, forbidden characters, labels that are too long, and
 * characters that stand for others which would mean something in an address ("／" for "/").
 * Texts without such names are given back as they are, after one look at their bytes.
 */
#ifndef ZM_NET_IDN_H
#define ZM_NET_IDN_H

#include "platform/str.h"

/** Whether a text may hold the name of such a domain, in either form. */
bool zm_idn_any(zm_str_t text);

/** The names in a text with A-labels.  The text itself when nothing changes, else in the pool. */
zm_str_t zm_idn_ascii(zm_str_t text, apr_pool_t *pool);

/**
 * The same for an address: names behind "@" are domains, and those with a dot behind "%" or before
 * "!".  Local parts and strings in quotes stay.
 */
zm_str_t zm_idn_address(zm_str_t address, apr_pool_t *pool);

/**
 * A key of a table in its other form: with A-labels when it has bytes beyond ASCII, else with
 * U-labels; that of an address, when it has an "@", else that of a domain.  False: there is none.
 */
bool zm_idn_other(zm_str_t *other, zm_str_t key, apr_pool_t *pool);

#endif
