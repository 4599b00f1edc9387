/**
 * One alias file: compiled as newaliases(1) does it.
 */
#ifndef ZM_MTA_DB_ALIASFILE_H
#define ZM_MTA_DB_ALIASFILE_H

#include "mta/conf/zenv.h"

typedef struct zm_aliasfile_t {
    const char *program; /**< whose messages these are */
    const char *path;    /**< of the source */
    bool silent, verbose;
    bool if_newer; /**< nothing is done where the database is not older */
    bool optional; /**< a source that is not there is left out */
} zm_aliasfile_t;

/**
 * Compiles PATH into PATH and the site's suffix.  When PATH.private exists both
 * are written together into PATH.all, which is compiled instead.  Returns 0 or
 * an exit code as zm_build does.
 */
int zm_aliasfile_compile(const zm_aliasfile_t *file, const zm_zenv_t *zenv, apr_pool_t *pool);

#endif
