/**
 * dbases.conf: which databases the router's relations have.
 *
 *     # relation  type     owner     options  source               relation's options
 *     aliases     $DBTYPE  root:root -la      $MAILVAR/db/aliases  -lm
 *     routesdb    $DBTYPE  -         -l       $MAILVAR/db/routes   -lm%d pathalias
 *     thishost    unordered -        -        $MAILVAR/db/localnames -lmd pathalias
 *     newsgroup   NONE     -         -        -                    -
 *
 * A line counts when it begins with a letter or digit.  A relation named more
 * than once has several databases, and the first with an answer wins.  The form
 * is described for people in dbases.conf(5).
 */
#ifndef ZM_MTA_DB_DBASES_H
#define ZM_MTA_DB_DBASES_H

#include <apr_tables.h>

#include "mta/conf/zenv.h"
#include "platform/identity.h"

/** One line. */
typedef struct zm_dbase_t {
    unsigned line;
    const char *relation;
    const char *type;    /**< "$DBTYPE" stays as it is; subtype cut off */
    const char *subtype; /**< null: none */
    bool none;           /**< NONE: fails always */
    bool has_priv;       /**< answers speak with the authority of the file's owner */
    bool has_owner;      /**< uid and gid are to own what is compiled */
    zm_uid_t uid, gid;
    int64_t mode;  /**< permission bits, also the most that is trusted */
    bool compiled; /**< made from the source by newdb */
    bool lower, aliases, upper, append;
    const char *source; /**< as it stands there; null: none */
    const char *path;   /**< with variables put in */
    const char *flags;  /**< options of the relation; "" */
} zm_dbase_t;

/**
 * Reads the file.  Lines come in file order, of type zm_dbase_t.  Errors: ZM_E_CONFIG with
 * "FILE:LINE: ..."; those of reading.
 */
apr_status_t zm_dbases_read(apr_array_header_t **lines, const char *file, const zm_zenv_t *zenv,
                            apr_pool_t *pool, zm_error_t *error);

#endif
