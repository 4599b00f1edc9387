/* mailpath(8): where mail for an address would go.  The router knows; this is the short name. */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/options.h"
#include "platform/exec.h"

int main(int argc, char **argv)
{
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    bool json = false;
    const zm_option_t table[] = {
        {0, "json", ZM_OPTION_FLAG, &json, NULL, NULL, "as JSON"},
    };
    const zm_command_line_t line = {
        "mailpath", "ADDRESS ...", "show how addresses are routed", table, 1, &site, 0};
    apr_array_header_t *words;
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    int i, code;

    if (!zm_options_start(&line, &argc, argv, &pool, &zenv, &code))
        return code;
    if (argc < 2) {
        fprintf(stderr, "mailpath: expected addresses; see mailpath --help\n");
        return ZM_EXIT_USAGE;
    }
    words = apr_array_make(pool, argc + 6, sizeof(const char *));
    APR_ARRAY_PUSH(words, const char *) = apr_pstrcat(pool, zm_zenv_mailbin(zenv), "/router", NULL);
    APR_ARRAY_PUSH(words, const char *) = "-Z";
    APR_ARRAY_PUSH(words, const char *) = zm_zenv_file(zenv);
    APR_ARRAY_PUSH(words, const char *) = "--explain";
    if (json)
        APR_ARRAY_PUSH(words, const char *) = "--json";
    APR_ARRAY_PUSH(words, const char *) = "--";
    for (i = 1; i < argc; i++)
        APR_ARRAY_PUSH(words, const char *) = argv[i];
    APR_ARRAY_PUSH(words, const char *) = NULL;
    zm_program_exec((const char *const *)words->elts, &error);
    fprintf(stderr, "mailpath: %s\n", error.text);
    return 69;
}
