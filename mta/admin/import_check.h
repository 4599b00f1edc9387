/**
 * "zmailer import-check": what of the configuration of an original ZMailer means
 * something else here, or nothing any more.  Nothing is changed.
 */
#ifndef ZM_MTA_ADMIN_IMPORT_CHECK_H
#define ZM_MTA_ADMIN_IMPORT_CHECK_H

#include "mta/conf/zenv.h"

/** Prints a line (with json: an object) for each thing to be looked at.  Returns how many. */
int import_check(const zm_zenv_t *zenv, bool json, apr_pool_t *pool);

#endif
