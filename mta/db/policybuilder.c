/* policy-builder(8): makes the policy database of the SMTP server. */
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/db/policy_build.h"
#include "platform/fs.h"

enum { EXIT_BAD_PLACE = 1, EXIT_BAD_USE = 2 };

static bool is_directory(const char *path, apr_pool_t *pool)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, apr_pstrcat(pool, path, "/.", NULL)) == APR_SUCCESS &&
           info.kind == ZM_FILE_DIRECTORY;
}

int main(int argc, char **argv)
{
    zm_policy_build_t build = {.program = "policy-builder", .name = "smtp-policy"};
    zm_zenv_options_t site = {0};
    bool nothing;
    const zm_option_t table[] = {
        {'d', "directory", ZM_OPTION_TEXT, &build.directory, NULL, "DIR",
         "where the files are ($MAILVAR/db)"},
        {'f', "file", ZM_OPTION_TEXT, &build.name, NULL, "NAME",
         "NAME.src is the source (smtp-policy)"},
        {'n', "no-fetch", ZM_OPTION_FLAG, &nothing, NULL, NULL,
         "accepted; nothing is ever fetched"},
        {'s', "silent", ZM_OPTION_FLAG, &build.silent, NULL, NULL, "say nothing but errors"},
        {'v', "verbose", ZM_OPTION_FLAG, &build.verbose, NULL, NULL, "tell progress and figures"},
        {0, "if-newer", ZM_OPTION_FLAG, &build.if_newer, NULL, NULL,
         "only when a source is newer than the database"},
    };
    const zm_command_line_t line = {"policy-builder",
                                    NULL,
                                    "make the policy database of the SMTP server",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    int code;

    if (!zm_options_start(&line, &argc, argv, &pool, &zenv, &code))
        return code == ZM_EXIT_USAGE ? EXIT_BAD_USE : code;
    if (argc > 1) {
        fprintf(stderr, "policy-builder: \"%s\" is not expected; see policy-builder --help\n",
                argv[1]);
        return EXIT_BAD_USE;
    }
    if (build.directory == NULL)
        build.directory = apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/db", NULL);
    if (!is_directory(build.directory, pool) || build.name[0] == '\0' ||
        strchr(build.name, '/') != NULL) {
        fprintf(stderr, "policy-builder: there is no directory %s, or \"%s\" is no name in it\n",
                build.directory, build.name);
        return EXIT_BAD_PLACE;
    }
    return zm_policy_build(&build, zenv, pool);
}
