#include "mta/conf/options.h"

#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/exec.h"

/* One walk over argv.  Operands are collected in front of `argv` as they are met. */
typedef struct walk_t {
    const zm_command_line_t *line;
    int argc;
    char **argv;
    int next;     /* index of the word that comes next */
    int operands; /* how many were kept, argv[1] onwards */
    zm_error_t *error;
} walk_t;

/* What every program has: the table's own use of a letter or name goes first. */
enum { BUILTIN_HELP, BUILTIN_VERSION, BUILTIN_FILE, BUILTIN_ROOT, BUILTINS };
static const zm_option_t builtins[BUILTINS] = {
    {0, "help", ZM_OPTION_CALL, NULL, NULL, NULL, "print this text and exit"},
    {'V', "version", ZM_OPTION_CALL, NULL, NULL, NULL, "print the version and exit"},
    {'Z', "zconfig", ZM_OPTION_TEXT, NULL, NULL, "FILE", "take the site variables from FILE"},
    {0, "root", ZM_OPTION_TEXT, NULL, NULL, "DIR",
     "work in the private directory DIR (DIR/etc/zmailer.conf)"},
};

static bool is_offered(const zm_command_line_t *line, int builtin)
{
    return builtin < BUILTIN_FILE || line->site != NULL;
}

static bool takes_argument(zm_option_kind_t kind)
{
    return kind == ZM_OPTION_TEXT || kind == ZM_OPTION_NUMBER || kind == ZM_OPTION_INTERVAL ||
           kind == ZM_OPTION_CALL_ARG;
}

static const zm_option_t *find_letter(const zm_command_line_t *line, char letter)
{
    int i;
    for (i = 0; i < line->count; i++)
        if (line->table[i].letter == letter)
            return &line->table[i];
    for (i = 0; i < BUILTINS; i++)
        if (builtins[i].letter == letter && is_offered(line, i))
            return &builtins[i];
    return NULL;
}

static const zm_option_t *find_name(const zm_command_line_t *line, zm_str_t name)
{
    int i;
    for (i = 0; i < line->count; i++)
        if (line->table[i].name != NULL && zm_str_equal_c(name, line->table[i].name))
            return &line->table[i];
    for (i = 0; i < BUILTINS; i++)
        if (zm_str_equal_c(name, builtins[i].name) && is_offered(line, i))
            return &builtins[i];
    return NULL;
}

static zm_options_outcome_t wrong(walk_t *walk, const char *shown, const char *reason)
{
    zm_error_set(walk->error, ZM_E_SYNTAX, "option %s %s", shown, reason);
    return ZM_OPTIONS_WRONG;
}

static zm_options_outcome_t apply_builtin(walk_t *walk, int builtin, const char *argument)
{
    if (builtin == BUILTIN_HELP)
        return ZM_OPTIONS_HELP;
    if (builtin == BUILTIN_VERSION)
        return ZM_OPTIONS_VERSION;
    if (builtin == BUILTIN_FILE)
        walk->line->site->file = argument;
    else
        walk->line->site->root = argument;
    return ZM_OPTIONS_RUN;
}

static zm_options_outcome_t apply_call(walk_t *walk, const zm_option_t *option, const char *shown,
                                       const char *argument)
{
    zm_error_t reason = {0};
    if (option->call(option->target, argument, &reason) == APR_SUCCESS)
        return ZM_OPTIONS_RUN;
    zm_error_set(walk->error, ZM_E_SYNTAX, "option %s: %s", shown, reason.text);
    return ZM_OPTIONS_WRONG;
}

static zm_options_outcome_t apply(walk_t *walk, const zm_option_t *option, const char *shown,
                                  const char *argument)
{
    if (option >= builtins && option < builtins + BUILTINS)
        return apply_builtin(walk, (int)(option - builtins), argument);
    switch (option->kind) {
    case ZM_OPTION_FLAG:
        *(bool *)option->target = true;
        break;
    case ZM_OPTION_COUNT:
        ++*(int *)option->target;
        break;
    case ZM_OPTION_TEXT:
        *(const char **)option->target = argument;
        break;
    case ZM_OPTION_NUMBER:
        if (zm_str_i64(zm_str(argument), option->target) != APR_SUCCESS)
            return wrong(walk, shown, "needs a number");
        break;
    case ZM_OPTION_INTERVAL:
        if (zm_interval_parse(zm_str(argument), option->target) != APR_SUCCESS)
            return wrong(walk, shown, "needs an interval such as 90, 5m or 1h30m");
        break;
    case ZM_OPTION_CALL:
    case ZM_OPTION_CALL_ARG:
    case ZM_OPTION_CALL_OPT:
        return apply_call(walk, option, shown, argument);
    }
    return ZM_OPTIONS_RUN;
}

/** The next word as an option's argument, or null with the error set. */
static const char *next_word(walk_t *walk, const char *shown)
{
    if (walk->next < walk->argc)
        return walk->argv[walk->next++];
    wrong(walk, shown, "needs an argument");
    return NULL;
}

static zm_options_outcome_t read_long(walk_t *walk, const char *word)
{
    zm_str_t name, value;
    const char *argument = NULL;
    const zm_option_t *option;
    char shown[80];
    bool attached = zm_str_cut(zm_str(word + 2), '=', &name, &value);
    snprintf(shown, sizeof shown, "--%.*s", (int)(name.length > 60 ? 60 : name.length), name.data);
    option = find_name(walk->line, name);
    if (option == NULL)
        return wrong(walk, shown, "is unknown");
    if (attached) {
        if (!takes_argument(option->kind) && option->kind != ZM_OPTION_CALL_OPT)
            return wrong(walk, shown, "takes no argument");
        argument = value.data;
    } else if (takes_argument(option->kind)) {
        argument = next_word(walk, shown);
        if (argument == NULL)
            return ZM_OPTIONS_WRONG;
    }
    return apply(walk, option, shown, argument);
}

/** One word of letters, "-abc" or "-fFILE". */
static zm_options_outcome_t read_letters(walk_t *walk, const char *word)
{
    zm_options_outcome_t outcome = ZM_OPTIONS_RUN;
    const char *p = word + 1;
    while (*p != '\0' && outcome == ZM_OPTIONS_RUN) {
        char shown[3] = {'-', *p++, '\0'};
        const char *argument = NULL;
        const zm_option_t *option = find_letter(walk->line, shown[1]);
        if (option == NULL)
            return wrong(walk, shown, "is unknown");
        if (takes_argument(option->kind) || option->kind == ZM_OPTION_CALL_OPT) {
            if (*p != '\0')
                argument = p;
            else if (takes_argument(option->kind) && (argument = next_word(walk, shown)) == NULL)
                return ZM_OPTIONS_WRONG;
            p = "";
        }
        outcome = apply(walk, option, shown, argument);
    }
    return outcome;
}

static void keep_operands(walk_t *walk)
{
    while (walk->next < walk->argc)
        walk->argv[++walk->operands] = walk->argv[walk->next++];
}

zm_options_outcome_t zm_options_read(const zm_command_line_t *line, int *argc, char **argv,
                                     zm_error_t *error)
{
    walk_t walk = {line, *argc, argv, 1, 0, error};
    zm_options_outcome_t outcome = ZM_OPTIONS_RUN;
    while (walk.next < walk.argc && outcome == ZM_OPTIONS_RUN) {
        char *word = argv[walk.next++];
        if (strcmp(word, "--") == 0) {
            keep_operands(&walk);
        } else if (word[0] == '-' && word[1] == '-') {
            outcome = read_long(&walk, word);
        } else if (word[0] == '-' && word[1] != '\0') {
            outcome = read_letters(&walk, word);
        } else {
            argv[++walk.operands] = word;
            if ((line->flags & ZM_OPTIONS_STOP) != 0)
                keep_operands(&walk);
        }
    }
    if (outcome == ZM_OPTIONS_RUN && walk.operands > 0 && line->operands == NULL) {
        zm_error_set(error, ZM_E_SYNTAX, "unexpected argument '%s'", argv[1]);
        return ZM_OPTIONS_WRONG;
    }
    if (outcome == ZM_OPTIONS_RUN) {
        *argc = walk.operands + 1;
        argv[*argc] = NULL;
    }
    return outcome;
}

static void help_option(const zm_option_t *option, bool show_letter, zm_buf_t *text)
{
    apr_size_t start = text->length;
    if (option->help == NULL)
        return;
    if (show_letter)
        zm_buf_printf(text, "  -%c%s", option->letter, option->name != NULL ? ", " : "");
    else
        zm_buf_add_c(text, "      ");
    if (option->name != NULL)
        zm_buf_printf(text, "--%s", option->name);
    if (option->argument != NULL)
        zm_buf_printf(text, option->kind == ZM_OPTION_CALL_OPT ? "[%s%s]" : "%s%s",
                      option->name != NULL                 ? "="
                      : option->kind == ZM_OPTION_CALL_OPT ? ""
                                                           : " ",
                      option->argument);
    do
        zm_buf_add_byte(text, ' ');
    while (text->length - start < 28);
    zm_buf_printf(text, "%s\n", option->help);
}

void zm_options_help(const zm_command_line_t *line, zm_buf_t *text)
{
    int i;
    zm_buf_printf(text, "Usage: %s [OPTION ...]%s%s\n", line->program,
                  line->operands != NULL ? " " : "", line->operands != NULL ? line->operands : "");
    if (line->purpose != NULL)
        zm_buf_printf(text, "%s: %s\n", line->program, line->purpose);
    zm_buf_add_byte(text, '\n');
    for (i = 0; i < line->count; i++)
        help_option(&line->table[i], line->table[i].letter != 0, text);
    for (i = 0; i < BUILTINS; i++) {
        const zm_option_t *option = &builtins[i];
        if (is_offered(line, i) && find_name(line, zm_str(option->name)) == option)
            help_option(option, option->letter != 0 && find_letter(line, option->letter) == option,
                        text);
    }
}

bool zm_options_parse(const zm_command_line_t *line, int *argc, char **argv, int *code)
{
    zm_error_t error = {0};
    zm_buf_t text = ZM_BUF_INIT;
    zm_program_fill_streams();
    switch (zm_options_read(line, argc, argv, &error)) {
    case ZM_OPTIONS_RUN:
        return true;
    case ZM_OPTIONS_HELP:
        zm_options_help(line, &text);
        fputs(zm_buf_c(&text), stdout);
        zm_buf_free(&text);
        *code = 0;
        return false;
    case ZM_OPTIONS_VERSION:
        printf("%s (ZMailer) %s\n", line->program, ZM_VERSION);
        *code = 0;
        return false;
    case ZM_OPTIONS_WRONG:
        break;
    }
    fprintf(stderr, "%s: %s\nTry '%s --help'.\n", line->program, error.text, line->program);
    *code = ZM_EXIT_USAGE;
    return false;
}

bool zm_options_start(const zm_command_line_t *line, int *argc, char **argv, apr_pool_t **pool,
                      zm_zenv_t **zenv, int *code)
{
    zm_error_t error = {0};
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(pool, NULL);
    if (!zm_options_parse(line, argc, argv, code))
        return false;
    if (zm_zenv_load(zenv, line->site, *pool, &error) == APR_SUCCESS)
        return true;
    fprintf(stderr, "%s: %s\n", line->program, error.text);
    *code = ZM_EXIT_CONFIG;
    return false;
}
