#include "mta/db/generate.h"

#include <string.h>

#include "mta/conf/lines.h"
#include "mta/db/names.h"

/* In single quotes, where nothing has a meaning. */
static void add_quoted(zm_buf_t *script, zm_str_t text)
{
    apr_size_t i;
    zm_buf_add_byte(script, '\'');
    for (i = 0; i < text.length; i++) {
        if (text.data[i] == '\'')
            zm_buf_add_c(script, "'\\''");
        else
            zm_buf_add_byte(script, text.data[i]);
    }
    zm_buf_add_byte(script, '\'');
}

/* The ending of what a compiled type has on disk; the site's own stays a variable. */
static const char *suffix(const zm_dbase_t *dbase, const zm_zenv_t *zenv)
{
    if (zm_db_is_site_type(dbase->type))
        return zm_zenv_get(zenv, "DBEXT") != NULL ? "$DBEXT" : zm_db_suffix(dbase->type, zenv);
    return zm_db_is_compiled(dbase->type) ? ".sqlite" : "";
}

static apr_status_t add_entries(zm_buf_t *script, const zm_dbase_t *dbase, int number,
                                apr_pool_t *pool, zm_error_t *error)
{
    zm_conf_lines_t *lines;
    zm_str_t line, key;
    apr_status_t status = zm_conf_lines_open(&lines, dbase->path, pool, error);
    if (status != APR_SUCCESS)
        return status;
    while (zm_conf_lines_next(lines, &line)) {
        line = zm_str_trim(line);
        if (line.length == 0 || line.data[0] == '#' || !zm_str_word(&line, &key))
            continue;
        zm_buf_printf(script, "db add %s_%d ", dbase->relation, number);
        add_quoted(script, key);
        zm_buf_add_byte(script, ' ');
        add_quoted(script, zm_str_trim(line));
        zm_buf_add_byte(script, '\n');
    }
    return APR_SUCCESS;
}

static apr_status_t add_relation(zm_buf_t *script, const zm_dbase_t *dbase, int number,
                                 const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    bool incore = strcmp(dbase->type, "incore") == 0;
    const char *type = zm_db_is_site_type(dbase->type) && zm_zenv_get(zenv, "DBTYPE") == NULL
                           ? zm_db_site_type(zenv)
                           : dbase->type;
    zm_buf_printf(script, "relation %s%s-t %s", dbase->flags, dbase->flags[0] ? " " : "", type);
    if (dbase->subtype != NULL)
        zm_buf_printf(script, ",%s", dbase->subtype);
    if (dbase->source != NULL && !incore)
        zm_buf_printf(script, " -f \"%s%s\"", dbase->source, suffix(dbase, zenv));
    zm_buf_printf(script, " %s_%d\n", dbase->relation, number);
    if (incore && dbase->source != NULL)
        return add_entries(script, dbase, number, pool, error);
    return APR_SUCCESS;
}

/* What the function does with the answer of one database. */
static void add_question(zm_buf_t *script, const zm_dbase_t *dbase, int number,
                         const zm_zenv_t *zenv)
{
    zm_buf_printf(script, "\tif a=\"$(%s_%d $@)\"; then\n", dbase->relation, number);
    if (dbase->has_priv && dbase->source != NULL) {
        zm_buf_printf(script,
                      "\t\tpriv=$(filepriv -M %" APR_INT64_T_FMT "%" APR_INT64_T_FMT
                      "%" APR_INT64_T_FMT " \"%s%s\" $(db owner %s_%d)) &&\n\t",
                      (apr_int64_t)(dbase->mode >> 6 & 7), (apr_int64_t)(dbase->mode >> 3 & 7),
                      (apr_int64_t)(dbase->mode & 7), dbase->source, suffix(dbase, zenv),
                      dbase->relation, number);
    }
    zm_buf_add_c(script, "\t\treturns \"$a\"\n\tfi\n");
}

apr_status_t zm_generate(zm_buf_t *script, const zm_dbase_t *const *databases, int count,
                         const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    apr_status_t status = APR_SUCCESS;
    int i;
    zm_buf_add_c(script, "# Made from dbases.conf by \"zmailer newdb\"; changes here are lost.\n");
    for (i = 0; status == APR_SUCCESS && i < count; i++)
        if (!databases[i]->none)
            status = add_relation(script, databases[i], i + 1, zenv, pool, error);
    zm_buf_printf(script, "%s () {\n\tlocal a\n", databases[0]->relation);
    for (i = 0; i < count; i++)
        if (!databases[i]->none)
            add_question(script, databases[i], i + 1, zenv);
    zm_buf_add_c(script, "\treturn 1\n}\n");
    return status;
}
