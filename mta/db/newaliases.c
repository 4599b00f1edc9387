/* newaliases(1): compiles the alias files for the router. */
#include <apr_strings.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "mta/db/aliasfile.h"

static int compile(zm_aliasfile_t *file, const char *path, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    file->path = path;
    return zm_aliasfile_compile(file, zenv, pool);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"aliases", "fqdnaliases"};
    zm_aliasfile_t file = {.program = "newaliases"};
    zm_zenv_options_t site = {0};
    const zm_option_t table[] = {
        {'s', "quiet", ZM_OPTION_FLAG, &file.silent, NULL, NULL, "say nothing but errors"},
        {0, "if-needed", ZM_OPTION_FLAG, &file.if_newer, NULL, NULL,
         "only where the source is newer"},
        {'v', "verbose", ZM_OPTION_FLAG, &file.verbose, NULL, NULL, "tell progress and figures"},
    };
    const zm_command_line_t line = {"newaliases",
                                    "[FILE ...]",
                                    "compile the alias files for the router",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    apr_size_t i;
    int code, worst = 0, k;

    if (!zm_options_start(&line, &argc, argv, &pool, &zenv, &code))
        return code;
    file.optional = argc == 1;
    for (k = 1; k < argc; k++) {
        code = compile(&file, argv[k], zenv, pool);
        worst = code > worst ? code : worst;
    }
    for (i = 0; argc == 1 && i < sizeof names / sizeof names[0]; i++) {
        code = compile(&file, apr_psprintf(pool, "%s/db/%s", zm_zenv_mailvar(zenv), names[i]), zenv,
                       pool);
        worst = code > worst ? code : worst;
    }
    return worst;
}
