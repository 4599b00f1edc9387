/*
 * mboxpath: tells where the mailboxes of users are, as mailbox would find them.
 */
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "ta/mailbox/path.h"

#define EXIT_NO_MAILBOX 8 /* no such user, or no directory for mailboxes */

static bool command_line(zm_mailbox_options_t *options, zm_zenv_options_t *site, int *argc,
                         char **argv, apr_pool_t **pool, zm_zenv_t **zenv, int *code)
{
    const zm_option_t table[] = {
        {'d', "directory", ZM_OPTION_TEXT, &options->directory, NULL, "PATH",
         "mailbox directory, or a format with %u"},
        {'D', NULL, ZM_OPTION_COUNT, &options->name_levels, NULL, NULL,
         "a directory level of letters of the name, each time"},
        {'P', NULL, ZM_OPTION_COUNT, &options->pjw_levels, NULL, NULL,
         "a directory level of the PJW hash, each time"},
        {'X', NULL, ZM_OPTION_COUNT, &options->crc_levels, NULL, NULL,
         "a directory level of the CRC hash, each time"},
    };
    const zm_command_line_t line = {"mboxpath",
                                    "USER ...",
                                    "tell where the mailboxes of users are; - reads users",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    site,
                                    0};
    return zm_options_start(&line, argc, argv, pool, zenv, code);
}

static int print_path(const zm_mailbox_options_t *options, const char *name, apr_pool_t *parent)
{
    zm_mbox_user_t user = {.name = name, .address = name, .domain = ""};
    zm_account_t *account;
    zm_user_t *person;
    zm_mbox_path_t path;
    apr_pool_t *pool;
    int code = EXIT_NO_MAILBOX;
    apr_pool_create(&pool, parent);
    if (zm_accounts_find(&account, options->accounts, name, pool) == APR_SUCCESS) {
        user.home = account->home;
        if (zm_user_by_name(&person, name, pool) == APR_SUCCESS)
            user.full_name = person->full_name;
        if (zm_mbox_path(&path, options, &user, pool) == APR_SUCCESS) {
            printf("%s\n", path.path);
            code = 0;
        }
    }
    apr_pool_destroy(pool);
    return code;
}

static int print_paths(const zm_mailbox_options_t *options, FILE *names, apr_pool_t *pool)
{
    char name[1024];
    int code = 0, bad;
    while (fgets(name, sizeof name, names) != NULL) {
        name[strcspn(name, "\r\n")] = '\0';
        bad = print_path(options, name, pool);
        code = bad != 0 ? bad : code;
    }
    return code;
}

int main(int argc, char **argv)
{
    zm_mailbox_options_t options = {0};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    zm_zenv_t *zenv;
    apr_pool_t *pool;
    int code, bad, i;
    if (!command_line(&options, &site, &argc, argv, &pool, &zenv, &code))
        return code;
    if (argc < 2) {
        fprintf(stderr, "mboxpath: whose mailbox?\n");
        return ZM_EXIT_USAGE;
    }
    if (zm_mailbox_site(&options, zenv, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "mboxpath: %s\n", error.text);
        return ZM_EXIT_CONFIG;
    }
    code = 0;
    for (i = 1; i < argc; i++) {
        bad = strcmp(argv[i], "-") == 0 ? print_paths(&options, stdin, pool)
                                        : print_path(&options, argv[i], pool);
        code = bad != 0 ? bad : code;
    }
    return code;
}
