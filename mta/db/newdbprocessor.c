/*
 * newdbprocessor(8): what "zmailer newdb" does.
 *
 * With dbases.conf: each database is compiled when its source is newer, and the
 * script that defines each relation is written when it would be another.
 * Without: the files that the stock configuration knows are compiled.  Then the
 * policy database of the SMTP server is made, if it has a source.  The whole
 * file is read first, so that a mistake in it changes nothing; a database that
 * cannot be made stays as it was, and the others go on.
 */
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/db/aliasfile.h"
#include "mta/db/build.h"
#include "mta/db/generate.h"
#include "mta/db/names.h"
#include "mta/db/policy_build.h"
#include "platform/fs.h"

#define SCRIPT_LIMIT (64u << 20)

typedef struct processor_t {
    zm_zenv_t *zenv;
    bool silent, verbose, all;
    int code; /* the worst so far */
    apr_pool_t *pool;
} processor_t;

static void note_code(processor_t *processor, int code)
{
    if (code > processor->code)
        processor->code = code;
}

static void complain(processor_t *processor, int code, const char *text)
{
    fprintf(stderr, "newdb: %s\n", text);
    note_code(processor, code);
}

static bool exists(const char *path)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, path) == APR_SUCCESS;
}

/* -- one database ------------------------------------------------------------------------ */

static const char *compile(processor_t *processor, const zm_dbase_t *dbase)
{
    zm_build_t build = {.program = "newdb",
                        .source = dbase->path,
                        .aliases = dbase->aliases,
                        .lower = dbase->lower,
                        .upper = dbase->upper,
                        .append = dbase->append,
                        .silent = !processor->verbose,
                        .verbose = processor->verbose,
                        .if_newer = !processor->all,
                        .has_owner = dbase->has_owner,
                        .uid = dbase->uid,
                        .gid = dbase->gid,
                        .mode = dbase->has_owner ? dbase->mode : -1};
    int code;
    build.type = zm_db_is_site_type(dbase->type) ? zm_db_site_type(processor->zenv) : dbase->type;
    if (!zm_db_is_compiled(build.type)) {
        complain(
            processor, 78,
            apr_psprintf(processor->pool, "DBTYPE %s is no type of compiled database", build.type));
        return "FAILED";
    }
    build.database =
        apr_pstrcat(processor->pool, dbase->path, zm_db_suffix(dbase->type, processor->zenv), NULL);
    code = zm_build(&build, processor->pool);
    if (code > 0)
        note_code(processor, code);
    return code == 0 ? "NEW" : code == ZM_BUILD_CURRENT ? "current" : "FAILED";
}

/* -- one relation -------------------------------------------------------------------------- */

/* Writes the script unless it is there as it should be. */
static apr_status_t write_script(processor_t *processor, const char *path, zm_str_t script)
{
    const char *made = apr_pstrcat(processor->pool, path, ".new", NULL);
    zm_file_t *file;
    char *old;
    apr_size_t length;
    apr_status_t status = zm_file_slurp(&old, &length, path, SCRIPT_LIMIT, processor->pool);
    if (status == APR_SUCCESS && zm_str_equal(zm_str_of(old, length), script))
        return APR_SUCCESS;
    (void)zm_file_unlink(NULL, made);
    status = zm_file_open(&file, NULL, made, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                          0644, processor->pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, script.data, script.length);
    if (status == APR_SUCCESS)
        status = zm_file_sync(file);
    zm_file_close(file);
    return status == APR_SUCCESS ? zm_file_replace(NULL, made, NULL, path) : status;
}

static void relation(processor_t *processor, const zm_dbase_t *const *databases, int count)
{
    const char *path = apr_psprintf(processor->pool, "%s/db/%s.zmsh",
                                    zm_zenv_mailvar(processor->zenv), databases[0]->relation);
    zm_buf_t script = ZM_BUF_INIT;
    zm_error_t error = {0};
    apr_status_t status;
    int i;
    if (!processor->silent)
        printf("%s{", databases[0]->relation);
    for (i = 0; i < count; i++) {
        const char *what = databases[i]->compiled ? compile(processor, databases[i]) : "defined";
        if (!processor->silent)
            printf("%s%s_%d:%s", i > 0 ? "," : "", databases[0]->relation, i + 1, what);
    }
    status = zm_generate(&script, databases, count, processor->zenv, processor->pool, &error);
    if (status == APR_SUCCESS) {
        status = write_script(processor, path, zm_buf_str(&script));
        if (status != APR_SUCCESS)
            zm_error_system(&error, status, "cannot write %s", path);
    }
    if (!processor->silent)
        printf("} ");
    fflush(stdout);
    if (status != APR_SUCCESS)
        complain(processor, 73, error.text);
    zm_buf_free(&script);
}

/* -- all ------------------------------------------------------------------------------------- */

static void from_conf(processor_t *processor, const char *conf)
{
    apr_array_header_t *lines;
    const zm_dbase_t **group;
    zm_error_t error = {0};
    int i, k, count;
    if (zm_dbases_read(&lines, conf, processor->zenv, processor->pool, &error) != APR_SUCCESS) {
        complain(processor, 65, error.text);
        return;
    }
    group = apr_palloc(processor->pool, ((apr_size_t)lines->nelts + 1) * sizeof(zm_dbase_t *));
    if (!processor->silent)
        printf("( ");
    for (i = 0; i < lines->nelts; i++) {
        const zm_dbase_t *first = &APR_ARRAY_IDX(lines, i, zm_dbase_t);
        bool earlier = false;
        for (k = 0; k < i && !earlier; k++)
            earlier = strcmp(APR_ARRAY_IDX(lines, k, zm_dbase_t).relation, first->relation) == 0;
        if (earlier)
            continue;
        for (k = i, count = 0; k < lines->nelts; k++)
            if (strcmp(APR_ARRAY_IDX(lines, k, zm_dbase_t).relation, first->relation) == 0)
                group[count++] = &APR_ARRAY_IDX(lines, k, zm_dbase_t);
        relation(processor, group, count);
    }
    if (!processor->silent)
        puts(")");
}

/* A text that need not be there, and has no script that defines its relation in another way. */
static void plain_file(processor_t *processor, const char *directory, const char *name,
                       const char *script)
{
    zm_dbase_t dbase = {.type = "$DBTYPE", .lower = true, .mode = -1};
    const char *what;
    dbase.path = apr_pstrcat(processor->pool, directory, "/db/", name, NULL);
    if (!exists(dbase.path) ||
        exists(apr_pstrcat(processor->pool, directory, "/db/", script, ".zmsh", NULL)))
        return;
    what = compile(processor, &dbase);
    if (!processor->silent)
        printf("%s: %s\n", dbase.path, what);
}

static void without_conf(processor_t *processor)
{
    static const char *const names[] = {"aliases", "fqdnaliases"};
    zm_aliasfile_t file = {.program = "newdb",
                           .silent = processor->silent,
                           .verbose = processor->verbose,
                           .if_newer = !processor->all,
                           .optional = true};
    const char *var = zm_zenv_mailvar(processor->zenv);
    apr_size_t i;
    plain_file(processor, var, "routes", "routesdb");
    plain_file(processor, zm_zenv_mailshare(processor->zenv), "mboxmap", "mboxmap");
    plain_file(processor, var, "localnames", "thishost");
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        file.path = apr_psprintf(processor->pool, "%s/db/%s", var, names[i]);
        note_code(processor, zm_aliasfile_compile(&file, processor->zenv, processor->pool));
    }
}

/* What the SMTP server may do for whom. */
static void policy(processor_t *processor)
{
    zm_policy_build_t build = {.program = "newdb",
                               .name = "smtp-policy",
                               .silent = processor->silent,
                               .verbose = processor->verbose,
                               .if_newer = !processor->all,
                               .optional = true};
    build.directory = apr_pstrcat(processor->pool, zm_zenv_mailvar(processor->zenv), "/db", NULL);
    note_code(processor, zm_policy_build(&build, processor->zenv, processor->pool));
}

int main(int argc, char **argv)
{
    processor_t processor = {0};
    zm_zenv_options_t site = {0};
    const zm_option_t table[] = {
        {'a', "all", ZM_OPTION_FLAG, &processor.all, NULL, NULL,
         "compile all, also what is newer than its source"},
        {'s', "silent", ZM_OPTION_FLAG, &processor.silent, NULL, NULL, "say nothing but errors"},
        {'v', "verbose", ZM_OPTION_FLAG, &processor.verbose, NULL, NULL,
         "tell progress and figures"},
    };
    const zm_command_line_t line = {"newdbprocessor",
                                    "[DBASES.CONF]",
                                    "make the databases of the router",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    const char *conf;
    int code;

    if (!zm_options_start(&line, &argc, argv, &processor.pool, &processor.zenv, &code))
        return code;
    if (argc > 2)
        return fprintf(stderr, "newdb: one dbases.conf at most\n") > 0 ? ZM_EXIT_USAGE : 64;
    conf = argc == 2 ? argv[1]
                     : apr_pstrcat(processor.pool, zm_zenv_mailvar(processor.zenv),
                                   "/db/dbases.conf", NULL);
    if (argc == 2 || exists(conf))
        from_conf(&processor, conf);
    else
        without_conf(&processor);
    policy(&processor);
    return processor.code;
}
