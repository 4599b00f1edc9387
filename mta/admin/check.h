/**
 * "zmailer check": is everything where it should be, and may only those write it who
 * should?
 */
#ifndef ZM_MTA_ADMIN_CHECK_H
#define ZM_MTA_ADMIN_CHECK_H

#include <stdbool.h>

#include "mta/conf/zenv.h"

typedef struct check_options_t {
    bool json;
    bool dns;          /**< ask DNS too, which may take a while */
    const char *zones; /**< DNS lists to be asked for our addresses, comma separated; null: none */
} check_options_t;

/**
 * Examines configuration files, programs, directories, spool, accounts, databases, lists and the
 * .forward files of the system's accounts, and prints a line (with json: one object) for each
 * thing; of files that are many only those that are wrong.  Returns how many things are wrong.
 */
int check_all(const zm_zenv_t *zenv, const check_options_t *options, apr_pool_t *pool);

/** Why the router would give what stands in a file to nobody in place of its owner; null: it
 * trusts the file.  limit: the permissions that it may have, 0644 for aliases and .forward, 0664
 * for lists. */
const char *check_distrust(const char *path, unsigned limit, apr_pool_t *pool);

/** What there is to say about a variable of zmailer.conf; null: nothing, it is one of ours. */
const char *check_variable(const char *name);

#endif
