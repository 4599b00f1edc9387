/**
 * The policy database of the SMTP server, from its source and the files beside
 * it.  Each line that is no comment becomes a policy rule:
 *
 *     NAME.src                       as it is
 *     localnames                     FIRST-WORD = _localnames
 *     NAME.relay.manual NAME.relay   LINE = _full_rights
 *     NAME.mx.manual    NAME.mx      LINE = _relaytarget
 *     NAME.spam NAME.spam.manual     [NET]/N rejectnet +, or ADDRESS = _bulk_mail
 *
 * In this order they are joined in NAME.dat and compiled: of what two files say
 * about one key the first counts.
 */
#ifndef ZM_MTA_DB_POLICY_BUILD_H
#define ZM_MTA_DB_POLICY_BUILD_H

#include "mta/conf/zenv.h"

typedef struct zm_policy_build_t {
    const char *program;   /**< whose messages these are */
    const char *directory; /**< where the files are, $MAILVAR/db */
    const char *name;      /**< "smtp-policy" */
    bool silent, verbose;
    bool if_newer; /**< do nothing where the database is not older than what it is made of */
    bool optional; /**< without NAME.src there is nothing to do */
} zm_policy_build_t;

/** Builds.  0, or an exit code as zm_build gives; 64 without NAME.src.  When anything is wrong the
 * old database stays. */
int zm_policy_build(const zm_policy_build_t *build, const zm_zenv_t *zenv, apr_pool_t *pool);

#endif
