/*
 * newdb(8): compiles a source text and puts the result into the place of the
 * old database in one step.
 */
#include <apr_strings.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "mta/db/build.h"
#include "mta/db/names.h"

int main(int argc, char **argv)
{
    zm_build_t build = {.program = "newdb", .mode = -1};
    zm_zenv_options_t site = {0};
    const zm_option_t table[] = {
        {'a', "aliases", ZM_OPTION_FLAG, &build.aliases, NULL, NULL, "the source has aliases"},
        {'A', "append", ZM_OPTION_FLAG, &build.append, NULL, NULL, "join values of equal keys"},
        {'l', "lower", ZM_OPTION_FLAG, &build.lower, NULL, NULL, "keys in lower case"},
        {'u', "upper", ZM_OPTION_FLAG, &build.upper, NULL, NULL, "keys in upper case"},
        {'s', "silent", ZM_OPTION_FLAG, &build.silent, NULL, NULL, "say nothing but errors"},
        {'v', "verbose", ZM_OPTION_FLAG, &build.verbose, NULL, NULL, "tell progress and figures"},
        {'t', "type", ZM_OPTION_TEXT, &build.type, NULL, "TYPE", "type of the database ($DBTYPE)"},
        {0, "if-newer", ZM_OPTION_FLAG, &build.if_newer, NULL, NULL,
         "only when the source is newer than the database"},
    };
    const zm_command_line_t line = {"newdb",
                                    "BASENAME [SOURCE]",
                                    "compile a source text and replace its database",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    int code;

    if (!zm_options_start(&line, &argc, argv, &pool, &zenv, &code))
        return code;
    if (argc < 2 || argc > 3 || (build.lower && build.upper)) {
        fprintf(stderr, "newdb: expected BASENAME [SOURCE], and not both of -l and -u; "
                        "see newdb --help\n");
        return ZM_EXIT_USAGE;
    }
    if (build.type == NULL || zm_db_is_site_type(build.type))
        build.type = zm_db_site_type(zenv);
    if (!zm_db_is_compiled(build.type)) {
        fprintf(stderr, "newdb: \"%s\" is no type of compiled database; try sqlite\n", build.type);
        return ZM_EXIT_USAGE;
    }
    build.shown = argv[1];
    build.source = argc == 3 ? argv[2] : argv[1];
    build.database = apr_pstrcat(pool, argv[1], zm_db_suffix(build.type, zenv), NULL);
    code = zm_build(&build, pool);
    return code == ZM_BUILD_CURRENT ? 0 : code;
}
