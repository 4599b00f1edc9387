/*
 * newaliases(1): compiles $MAILVAR/db/aliases and fqdnaliases for the router.
 *
 * The new database is made beside the old one and takes its place by a rename,
 * so the router reads one or the other and never half of one.  A source with
 * errors is compiled without the faulty entries, and the exit status tells.
 */
#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/options.h"
#include "mta/conf/zenv.h"
#include "mta/mail/aliases.h"
#include "mta/map/map.h"
#include "platform/fs.h"

#define SOURCE_LIMIT (1u << 30)

typedef struct compile_t {
    const char *source;
    zm_map_t *map;
    apr_hash_t *seen;
    apr_pool_t *pool;
    int entries, complaints;
    apr_size_t longest;
    zm_error_t error;
} compile_t;

static void complain(void *baton, unsigned line, const char *what)
{
    compile_t *compile = baton;
    compile->complaints++;
    fprintf(stderr, "newaliases: %s:%u: %s\n", compile->source, line, what);
}

static apr_status_t add_entry(void *baton, zm_str_t key, zm_str_t value, unsigned line)
{
    compile_t *compile = baton;
    zm_str_t kept;
    if (apr_hash_get(compile->seen, key.data, (apr_ssize_t)key.length) != NULL) {
        complain(compile, line,
                 apr_psprintf(compile->pool, "\"%.*s\" stands here again; the first one counts",
                              (int)key.length, key.data));
        return APR_SUCCESS;
    }
    kept = zm_str_copy(compile->pool, key);
    apr_hash_set(compile->seen, kept.data, (apr_ssize_t)kept.length, "");
    compile->entries++;
    if (value.length > compile->longest)
        compile->longest = value.length;
    return zm_map_add(compile->map, key, value, &compile->error);
}

/* Whether the database is there and not older than its source. */
static bool is_current(const char *source, const char *database)
{
    zm_file_info_t from, to;
    return zm_path_info(&from, NULL, source) == APR_SUCCESS &&
           zm_path_info(&to, NULL, database) == APR_SUCCESS &&
           (to.mtime_s > from.mtime_s ||
            (to.mtime_s == from.mtime_s && to.mtime_ns >= from.mtime_ns));
}

/* The compiled file belongs to who owns the source: aliases speak with its authority. */
static apr_status_t install(const compile_t *compile, const char *made, const char *database)
{
    zm_file_info_t source;
    zm_file_t *file;
    apr_status_t status = zm_path_info(&source, NULL, compile->source);
    if (status == APR_SUCCESS)
        status = zm_file_open(&file, NULL, made, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, compile->pool);
    if (status != APR_SUCCESS)
        return status;
    if (zm_identity_privileged())
        status = zm_file_set_owner(file, source.uid, source.gid);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(file, 0644);
    if (status == APR_SUCCESS)
        status = zm_file_sync(file);
    zm_file_close(file);
    return status != APR_SUCCESS ? status : zm_file_replace(NULL, made, NULL, database);
}

static int compile_file(const zm_zenv_t *zenv, const char *name, bool if_needed, bool quiet,
                        apr_pool_t *pool)
{
    const char *type = zm_zenv_get_or(zenv, "DBTYPE", "sqlite"),
               *extension = zm_zenv_get_or(zenv, "DBEXT", ".sqlite");
    compile_t compile = {0};
    zm_aliases_reader_t reader = {add_entry, complain, &compile};
    zm_map_options_t options = {0};
    const char *database, *made;
    apr_size_t length;
    char *text;
    apr_status_t status;

    compile.pool = pool;
    compile.seen = apr_hash_make(pool);
    compile.source = apr_psprintf(pool, "%s/db/%s", zm_zenv_mailvar(zenv), name);
    database = apr_pstrcat(pool, compile.source, extension, NULL);
    made = apr_pstrcat(pool, database, ".new", NULL);
    if (if_needed && is_current(compile.source, database))
        return 0;
    status = zm_file_slurp(&text, &length, compile.source, SOURCE_LIMIT, pool);
    if (APR_STATUS_IS_ENOENT(status))
        return 0;
    if (status != APR_SUCCESS) {
        zm_error_system(&compile.error, status, "cannot read %s", compile.source);
        fprintf(stderr, "newaliases: %s\n", compile.error.text);
        return 66;
    }
    (void)zm_file_unlink(NULL, made);
    options.file = made;
    status = zm_map_create(&compile.map, type, &options, pool, &compile.error);
    if (status == APR_SUCCESS)
        status = zm_map_begin(compile.map, &compile.error);
    if (status == APR_SUCCESS)
        status = zm_aliases_read(zm_str_of(text, length), &reader, pool);
    if (status == APR_SUCCESS)
        status = zm_map_commit(compile.map, &compile.error);
    if (status == APR_SUCCESS) {
        zm_map_flush(compile.map);
        status = install(&compile, made, database);
    }
    if (status != APR_SUCCESS) {
        if (compile.error.text[0] == '\0')
            zm_error_system(&compile.error, status, "cannot write %s", database);
        fprintf(stderr, "newaliases: %s; the old database stays in force\n", compile.error.text);
        (void)zm_file_unlink(NULL, made);
        return 73;
    }
    if (!quiet)
        printf("%s: %d aliases, longest %" APR_SIZE_T_FMT " bytes, %d errors\n", compile.source,
               compile.entries, compile.longest, compile.complaints);
    return compile.complaints > 0 ? 65 : 0;
}

int main(int argc, char **argv)
{
    static const char *const sources[] = {"aliases", "fqdnaliases"};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    bool if_needed = false, quiet = false;
    const zm_option_t table[] = {
        {'s', "quiet", ZM_OPTION_FLAG, &quiet, NULL, NULL, "say nothing but errors"},
        {0, "if-needed", ZM_OPTION_FLAG, &if_needed, NULL, NULL, "only where the source is newer"},
        {'v', "verbose", ZM_OPTION_FLAG, &(bool){false}, NULL, NULL, NULL},
    };
    const zm_command_line_t line = {"newaliases",
                                    NULL,
                                    "compile the alias files for the router",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    apr_size_t i;
    int code, worst = 0;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (zm_zenv_load(&zenv, &site, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "newaliases: %s\n", error.text);
        return ZM_EXIT_CONFIG;
    }
    for (i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        code = compile_file(zenv, sources[i], if_needed, quiet, pool);
        if (code > worst)
            worst = code;
    }
    return worst;
}
