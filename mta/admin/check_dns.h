/**
 * "zmailer --dns check": whether other hosts have reason to trust ours: name, address and HELO
 * name agree in DNS both ways, SPF covers our addresses, and lists do not have them.
 */
#ifndef ZM_MTA_ADMIN_CHECK_DNS_H
#define ZM_MTA_ADMIN_CHECK_DNS_H

#include "mta/conf/zenv.h"

typedef void check_tell_fn(void *baton, const char *what, bool good, const char *detail);

/**
 * Our addresses are the public ones of this machine's interfaces and those in SELFADDRESSES; where
 * there are none, as behind an address translator, those that DNS has for our name.
 * zones: DNS lists to be asked, comma separated; null: none.
 */
void check_dns(const zm_zenv_t *zenv, const char *zones, check_tell_fn *tell, void *baton,
               apr_pool_t *pool);

#endif
