/**
 * The script NAME.zmsh that defines a relation of dbases.conf: relations NAME_1,
 * NAME_2, ... and a function NAME that asks one after the other.
 */
#ifndef ZM_MTA_DB_GENERATE_H
#define ZM_MTA_DB_GENERATE_H

#include "mta/db/dbases.h"

/**
 * Appends the script of the databases, all of one relation.  Sources of type
 * incore are read and written into it.  Errors: those of reading, and ZM_E_CONFIG.
 */
apr_status_t zm_generate(zm_buf_t *script, const zm_dbase_t *const *databases, int count,
                         const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error);

#endif
