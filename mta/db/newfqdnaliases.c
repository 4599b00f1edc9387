/* newfqdnaliases(1): newaliases for $MAILVAR/db/fqdnaliases alone. */
#include <apr_strings.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "mta/db/aliasfile.h"

int main(int argc, char **argv)
{
    zm_aliasfile_t file = {.program = "newfqdnaliases"};
    zm_zenv_options_t site = {0};
    const zm_option_t table[] = {
        {'s', "quiet", ZM_OPTION_FLAG, &file.silent, NULL, NULL, "say nothing but errors"},
        {'v', "verbose", ZM_OPTION_FLAG, &file.verbose, NULL, NULL, "tell progress and figures"},
    };
    const zm_command_line_t line = {"newfqdnaliases",
                                    NULL,
                                    "compile the aliases of whole addresses for the router",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    int code;

    if (!zm_options_start(&line, &argc, argv, &pool, &zenv, &code))
        return code;
    file.path = apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/db/fqdnaliases", NULL);
    return zm_aliasfile_compile(&file, zenv, pool);
}
