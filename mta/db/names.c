#include "mta/db/names.h"

#include <string.h>

bool zm_db_is_compiled(const char *type)
{
    static const char *const types[] = {"sqlite", "dbm", "ndbm", "sdbm", "gdbm", "btree", "bhash"};
    apr_size_t i;
    for (i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

bool zm_db_is_site_type(const char *type)
{
    return strcmp(type, "$DBTYPE") == 0 || strcmp(type, "${DBTYPE}") == 0;
}

const char *zm_db_site_type(const zm_zenv_t *zenv)
{
    return zm_zenv_get_or(zenv, "DBTYPE", "sqlite");
}

const char *zm_db_suffix(const char *type, const zm_zenv_t *zenv)
{
    if (zenv != NULL && (zm_db_is_site_type(type) || strcmp(type, zm_db_site_type(zenv)) == 0))
        return zm_zenv_get_or(zenv, "DBEXT", ".sqlite");
    return ".sqlite";
}
