#include "mta/admin/spool_commands.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/daemons.h"
#include "mta/conf/options.h"

/* -- telling -------------------------------------------------------------------------- */

static int exit_code_of(apr_status_t status)
{
    if (APR_STATUS_IS_ENOENT(status) || status == ZM_E_GONE)
        return SPOOL_NOINPUT;
    if (APR_STATUS_IS_EACCES(status) || status == ZM_E_UNSAFE)
        return SPOOL_NOPERM;
    switch (status) {
    case ZM_E_SYNTAX:
        return ZM_EXIT_USAGE;
    case ZM_E_CORRUPT:
        return SPOOL_DATAERR;
    case ZM_E_CONFIG:
        return ZM_EXIT_CONFIG;
    case ZM_E_UNSUPPORTED:
        return SPOOL_UNAVAILABLE;
    case ZM_E_BUSY:
    case ZM_E_TEMPORARY:
        return SPOOL_TEMPFAIL;
    default:
        return SPOOL_IOERR;
    }
}

int spool_fail(const zm_error_t *error)
{
    fprintf(stderr, "zmailer: %s\n", error->text);
    return exit_code_of(error->status);
}

int spool_fail_status(apr_status_t status, const char *what, const char *name)
{
    zm_error_t error = {0};
    if (status == ZM_E_SYNTAX)
        zm_error_set(&error, status, "\"%s\" is not a name of the spool, such as router/4711",
                     name);
    else if (APR_STATUS_IS_ENOENT(status))
        zm_error_set(&error, status, "there is no %s in the spool", name);
    else if (APR_STATUS_IS_EEXIST(status))
        zm_error_set(&error, status, "there is a %s already; nothing is overwritten", name);
    else if (status == ZM_E_UNSAFE)
        zm_error_set(
            &error, status,
            "cannot %s %s: it is a link, or has names outside the spool; nothing follows it", what,
            name);
    else
        zm_error_system(&error, status, "cannot %s %s", what, name);
    return spool_fail(&error);
}

/* -- which spool -------------------------------------------------------------------------- */

static bool load_zenv(spool_command_t *command, int *code)
{
    zm_error_t error = {0};
    if (command->zenv != NULL)
        return true;
    command->where->ignore_environment = command->where->root == NULL; /* as all of zmailer does */
    if (zm_zenv_load(&command->zenv, command->where, command->pool, &error) == APR_SUCCESS)
        return true;
    command->zenv = NULL;
    *code = spool_fail(&error);
    return false;
}

const char *spool_location(spool_command_t *command, const char *operand, int *code)
{
    if (operand != NULL)
        return operand;
    if (command->location != NULL)
        return command->location;
    return load_zenv(command, code) ? zm_zenv_spool(command->zenv) : NULL;
}

zm_spool_t *spool_open(spool_command_t *command, const char *operand, int *code)
{
    zm_spool_options_t options = {0};
    zm_spool_t *spool;
    zm_error_t error = {0};
    options.location = spool_location(command, operand, code);
    if (options.location == NULL)
        return NULL;
    if (zm_spool_open(&spool, &options, command->pool, &error) == APR_SUCCESS)
        return spool;
    *code = spool_fail(&error);
    return NULL;
}

/* Pid files stand in the spool's directory, so it is asked itself. */
const char *spool_user(spool_command_t *command, const char *location)
{
    return daemon_on(location, command->pool);
}

/* -- the commands ----------------------------------------------------------------------------- */

typedef struct entry_t {
    const char *word;
    int (*run)(spool_command_t *command);
    int least, most; /* operands */
    const char *operands, *purpose;
} entry_t;

static const entry_t entries[] = {
    {"probe", spool_probe, 0, 1, "[DIR]", "try out which guarantees a directory has"},
    {"init", spool_init, 0, 1, "[SPOOL]", "make a spool"},
    {"check", spool_check, 0, 1, "[SPOOL]", "look for what a crash, a copy or a hand left behind"},
    {"repair", spool_repair, 0, 1, "[SPOOL]", "put right what can be put right without loss"},
    {"convert", spool_convert, 2, 2, "FROM TO", "copy a spool into a new one, of any engine"},
    {"stat", spool_stat, 0, 1000000, "[NAME ...]", "figures of the spool, or of objects"},
    {"ls", spool_ls, 0, 1000000, "[DIRECTORY ...]", "list directories, or the names in some"},
    {"cat", spool_cat, 1, 1000000, "NAME ...", "write objects to standard output"},
    {"mkdir", spool_mkdir, 1, 1, "DIRECTORY", "make a directory, such as router1"},
    {"put", spool_put, 1, 1, "NAME", "make an object of standard input"},
    {"mv", spool_mv, 2, 2, "FROM TO", "rename an object; never overwrites"},
    {"rm", spool_rm, 1, 1000000, "NAME ...", "remove names"},
};

static const entry_t *find_entry(const char *word)
{
    apr_size_t i;
    for (i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (strcmp(word, entries[i].word) == 0)
            return &entries[i];
    return NULL;
}

static void print_commands(FILE *to)
{
    apr_size_t i;
    fprintf(to, "Usage: zmailer [OPTION ...] spool COMMAND [OPTION ...] [OPERAND ...]\n"
                "Look into a spool and after it.\n\n");
    for (i = 0; i < sizeof entries / sizeof entries[0]; i++)
        fprintf(to, "  %-8s %-16s %s\n", entries[i].word, entries[i].operands, entries[i].purpose);
    fprintf(to,
            "\n\"zmailer spool COMMAND --help\" tells its options.  A SPOOL is a directory, or\n"
            "native:DIR or emulated:DIR; without one it is the installation's.\n");
}

static int run_entry(const entry_t *entry, spool_command_t *command, int argc, char **argv)
{
    const zm_option_t table[] = {
        {0, "spool", ZM_OPTION_TEXT, &command->location, NULL, "SPOOL", "this spool"},
        {0, "json", ZM_OPTION_FLAG, &command->json, NULL, NULL, "results as JSON"},
        {'q', "quiet", ZM_OPTION_FLAG, &command->quiet, NULL, NULL, "no progress, only results"},
        {'l', "long", ZM_OPTION_FLAG, &command->details, NULL, NULL, "ls: with size, time, owner"},
        {0, "engine", ZM_OPTION_TEXT, &command->engine, NULL, "native|emulated",
         "init: not the one that probe chooses"},
        {'n', "dry-run", ZM_OPTION_FLAG, &command->dry_run, NULL, NULL,
         "repair: only say what it would do"},
        {0, "force", ZM_OPTION_FLAG, &command->force, NULL, NULL,
         "mv, rm: although daemons use the spool"},
    };
    const zm_command_line_t line = {apr_pstrcat(command->pool, "zmailer spool ", entry->word, NULL),
                                    entry->operands,
                                    entry->purpose,
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    command->where,
                                    0};
    int code;
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc - 1 < entry->least || argc - 1 > entry->most) {
        fprintf(stderr, "zmailer: usage: zmailer spool %s %s\n", entry->word, entry->operands);
        return ZM_EXIT_USAGE;
    }
    command->argc = argc - 1;
    command->argv = argv + 1;
    return entry->run(command);
}

int spool_command(int argc, char **argv, zm_zenv_options_t *where, bool quiet, bool json,
                  apr_pool_t *pool)
{
    spool_command_t command = {.pool = pool, .where = where, .quiet = quiet, .json = json};
    const entry_t *entry;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_commands(argc < 2 ? stderr : stdout);
        return argc < 2 ? ZM_EXIT_USAGE : 0;
    }
    entry = find_entry(argv[1]);
    if (entry == NULL) {
        fprintf(stderr, "zmailer: unknown spool command \"%s\"; see zmailer spool --help\n",
                argv[1]);
        return ZM_EXIT_USAGE;
    }
    return run_entry(entry, &command, argc - 1, argv + 1);
}
