#include "mta/admin/check_dkim.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "mta/admin/dkim.h"
#include "mta/conf/lines.h"

static const zm_str_t option = ZM_STR("dkim=");

static void add_file(apr_array_header_t *files, const char *file)
{
    int i;
    for (i = 0; i < files->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(files, i, const char *), file) == 0)
            return;
    APR_ARRAY_PUSH(files, const char *) = file;
}

/* The files that a line of scheduler.conf names. */
static void find_files(apr_array_header_t *files, zm_str_t line, const zm_zenv_t *zenv,
                       apr_pool_t *pool)
{
    apr_size_t at, end;
    for (at = 0; at + option.length < line.length; at++) {
        if (!zm_str_starts(zm_str_from(line, at), option))
            continue;
        at += option.length;
        for (end = at; end < line.length && !zm_is_blank((unsigned char)line.data[end]) &&
                       line.data[end] != '"' && line.data[end] != '\'';
             end++)
            ;
        add_file(files, zm_zenv_expand(zenv, zm_str_of(line.data + at, end - at),
                                       ZM_EXPAND_BRACES | ZM_EXPAND_NAMES, NULL, NULL, pool)
                            .data);
        at = end;
    }
}

static void check_file(const char *file, lookup_t *lookup, check_tell_fn *tell, void *baton,
                       apr_pool_t *pool)
{
    zm_signers_t *signers;
    zm_error_t error = {0};
    int i;
    if (zm_signers_load(&signers, file, pool, &error) != APR_SUCCESS) {
        tell(baton, "DKIM", false, error.text);
        return;
    }
    for (i = 0; i < signers->count; i++) {
        const char *name = dkim_name(&signers->items[i], pool);
        const char *wrong = dkim_fault(signers, &signers->items[i], lookup, pool);
        tell(baton, "DKIM", wrong == NULL,
             apr_pstrcat(pool, name, ": ", wrong != NULL ? wrong : "DNS has the key", NULL));
    }
}

void check_dkim(const zm_zenv_t *zenv, lookup_t *lookup, check_tell_fn *tell, void *baton,
                apr_pool_t *pool)
{
    apr_array_header_t *files = apr_array_make(pool, 2, sizeof(const char *));
    zm_conf_lines_t *lines;
    zm_error_t error = {0};
    zm_str_t line;
    int i;
    if (zm_conf_lines_open(&lines,
                           apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/scheduler.conf", NULL),
                           pool, &error) != APR_SUCCESS)
        return; /* others tell that */
    while (zm_conf_lines_next(lines, &line))
        if (zm_str_trim(line).length > 0 && zm_str_trim(line).data[0] != '#')
            find_files(files, line, zenv, pool);
    for (i = 0; i < files->nelts; i++)
        check_file(APR_ARRAY_IDX(files, i, const char *), lookup, tell, baton, pool);
}
