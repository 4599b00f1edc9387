/**
 * Part of "zmailer --dns check": whether DNS has the keys that mail is signed with.
 */
#ifndef ZM_MTA_ADMIN_CHECK_DKIM_H
#define ZM_MTA_ADMIN_CHECK_DKIM_H

#include "mta/admin/check_dns.h"
#include "mta/admin/lookup.h"

/** Examines the files that $MAILSHARE/scheduler.conf gives to smtp with -O dkim=FILE. */
void check_dkim(const zm_zenv_t *zenv, lookup_t *lookup, check_tell_fn *tell, void *baton,
                apr_pool_t *pool);

#endif
