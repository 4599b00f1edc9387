/* What the files of zenv share; not for others. */
#ifndef ZM_MTA_CONF_ZENV_INTERNAL_H
#define ZM_MTA_CONF_ZENV_INTERNAL_H

#include "mta/conf/lines.h"
#include "mta/conf/zenv.h"

typedef struct zm_zenv_entry_t {
    const char *name;
    const char *value;
    unsigned line; /* where it was set last; 0: not by the file */
    struct zm_zenv_entry_t *next;
} zm_zenv_entry_t;

struct zm_zenv_t {
    apr_pool_t *pool;
    const char *file;
    const char *prefix;
    zm_zenv_entry_t *first,
        **last; /* a site sets some dozens, read at start only: a list will do */
    zm_zenv_options_t options;
};

zm_zenv_entry_t *zm_zenv_find(const zm_zenv_t *zenv, zm_str_t name);
/* Sets a variable without copying. */
void zm_zenv_put(zm_zenv_t *zenv, const char *name, const char *value, unsigned line);
/* The built-in default of a directory variable, or null. */
const char *zm_zenv_default(const zm_zenv_t *zenv, zm_str_t name);
/* Whether a byte may stand in a variable's name, at its start or later. */
bool zm_zenv_is_name(char byte, bool start);
bool zm_zenv_is_there(const char *path, apr_pool_t *pool);
/* Makes the variables of an opened file. */
apr_status_t zm_zenv_of_lines(zm_zenv_t **zenv, zm_conf_lines_t *lines, const char *prefix,
                              const zm_zenv_options_t *options, apr_pool_t *pool,
                              zm_error_t *error);
/* Reads all lines of the file into zenv. */
apr_status_t zm_zenv_read(zm_zenv_t *zenv, zm_conf_lines_t *lines, zm_error_t *error);

#endif
