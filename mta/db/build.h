/**
 * Building a database: makedb runs on a new file beside the old database, which
 * then takes its place in one step.  Readers see the one or the other.
 *
 * A privileged caller runs makedb as the owner of the source, so that whoever
 * may write a source gets nothing but that source's database.  When anything is
 * wrong, the text included, the old database stays and the new file goes.
 *
 * A crash leaves the old database and perhaps NAME.new, which the next build
 * removes.
 */
#ifndef ZM_MTA_DB_BUILD_H
#define ZM_MTA_DB_BUILD_H

#include "mta/conf/zenv.h"
#include "platform/identity.h"

typedef struct zm_build_t {
    const char *program;  /**< whose messages these are */
    const char *makedb;   /**< path of makedb; null: beside this program */
    const char *type;     /**< a type that is compiled */
    const char *source;   /**< path of the text, links followed */
    const char *shown;    /**< what the database is called in messages; null: the source */
    const char *database; /**< path of the result, suffix included */
    bool aliases, policy, lower, upper, append, silent, verbose;
    bool if_newer;  /**< do nothing where the database is not older than the source */
    bool has_owner; /**< owner and group below count, instead of those of the source */
    zm_uid_t uid, gid;
    int64_t mode; /**< permission bits; -1: those of the old database, else 0644 */
} zm_build_t;

/** What zm_build says when there was nothing to do. */
#define ZM_BUILD_CURRENT (-1)

/**
 * Builds, telling what is wrong on standard error.  Returns 0, ZM_BUILD_CURRENT
 * or an exit code: 65 errors in the source, 66 it cannot be read, 73 the
 * database cannot be written, 70 and 71 for the system's own trouble.
 */
int zm_build(const zm_build_t *build, apr_pool_t *pool);

/** The path of a program that is installed beside this one. */
const char *zm_build_sibling(const char *name, apr_pool_t *pool);

/** Runs a program to its end with our streams. Its exit code; 70 when it crashed, 71 when it did
 * not start. */
int zm_build_run(const char *const *argv, const zm_credentials_t *as, apr_pool_t *pool,
                 zm_error_t *error);

#endif
