/**
 * Types and file names of compiled databases.
 */
#ifndef ZM_MTA_DB_NAMES_H
#define ZM_MTA_DB_NAMES_H

#include "mta/conf/zenv.h"

/** Whether databases of that type are compiled: sqlite, and the historical names that mean it. */
bool zm_db_is_compiled(const char *type);
/** Whether a word says "the site's own type": $DBTYPE, ${DBTYPE}. */
bool zm_db_is_site_type(const char *type);
/** The site's type; never null. */
const char *zm_db_site_type(const zm_zenv_t *zenv);

/**
 * What is appended to a base name.  The site's own type (zenv given) has the
 * ending DBEXT when that is set; everything else is ".sqlite".
 */
const char *zm_db_suffix(const char *type, const zm_zenv_t *zenv);

#endif
