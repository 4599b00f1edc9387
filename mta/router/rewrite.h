/**
 * Headers as the recipients of one group get them: each address through the
 * configuration's rewriting function, and, where it names one, each other field
 * through a function of its own.
 */
#ifndef ZM_MTA_ROUTER_REWRITE_H
#define ZM_MTA_ROUTER_REWRITE_H

#include "mta/router/message.h"

/**
 * The header text for a rewriting group.  rewrite is the name of a function
 * (ADDRESS FIELD), or a pair of it and of a function (STAGE FIELD VALUE), which
 * is called with the stage hrr_ab before and hrr_ae after all fields, and hrr_rr
 * for each field that has no addresses.  It gives a list of (NAME VALUE) pairs
 * to add, or to put in the field's place; an empty one removes the field;
 * nothing leaves it.
 */
zm_str_t router_rewrite_header(router_message_t *message, zm_value_t rewrite);

/* Values on their way to such a function: what is not a plain character as \ooo (vis.c). */
zm_str_t router_vis(zm_str_t text, apr_pool_t *pool);
zm_str_t router_unvis(zm_str_t text, apr_pool_t *pool);

#endif
