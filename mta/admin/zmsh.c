/*
 * zmsh: the interpreter of the configuration language as a program.
 *
 *     zmsh [-options] [-c command | script] [argument...]
 *
 * Without -c or a script it reads commands from standard input, whole commands
 * at a time.  -i, or a terminal, makes it interactive: it prompts, and errors
 * do not end it.
 */

#include <apr_env.h>
#include <apr_general.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/dialogue.h"
#include "mta/script/script.h"
#include "platform/exec.h"
#include "platform/identity.h"

typedef struct zmsh_t {
    zm_script_t *script;
    const char *command; /* -c */
    const char *file;    /* script */
    const char *name;    /* $0 */
    const char *const *arguments;
    int argument_count;
    bool from_stdin, interactive, once;
    char flags[64];
} zmsh_t;

static zm_script_t *signalled;

static void note_signal(int number)
{
    zm_script_signal(signalled, number);
}

static void on_trap(void *baton, int number, zm_trap_t what)
{
    (void)baton;
    if (what == ZM_TRAP_CATCH)
        apr_signal(number, note_signal);
    else
        apr_signal(number, what == ZM_TRAP_IGNORE ? SIG_IGN : SIG_DFL);
}

static int usage(void)
{
    fputs("usage: zmsh [-CGIJLMOPRSYaefhiknstuvx] [-c command] [script [argument...]]\n", stderr);
    return 64;
}

static int help(void)
{
    fputs("Usage: zmsh [OPTION ...] [SCRIPT [ARGUMENT ...]]\n"
          "zmsh: run a script in the configuration language\n\n"
          "  -c COMMAND     run COMMAND\n"
          "  -s             read commands from standard input\n"
          "  -i             prompt, and go on after errors\n"
          "  -t             end after one command\n"
          "  -e             end when a command fails\n"
          "  -u             an unset variable is an error\n"
          "  -n             parse only\n"
          "  -a             export every variable that is set\n"
          "  -v, -x         show commands as they are read, as they are run\n"
          "  --help         print this text and exit\n"
          "  --version      print the version and exit\n",
          stdout);
    return 0;
}

/* -- command line ------------------------------------------------------------------------- */

static void add_flags(zmsh_t *zmsh, const char *letters)
{
    size_t length = strlen(zmsh->flags);
    while (*letters != '\0' && length + 1 < sizeof zmsh->flags)
        zmsh->flags[length++] = *letters++;
}

static bool read_letters(zmsh_t *zmsh, const char *letters, const char *next, bool *took_next)
{
    for (; *letters != '\0'; letters++) {
        if (*letters == 'c') {
            if (next == NULL)
                return false;
            zmsh->command = next;
            *took_next = true;
        } else if (*letters == 'l') {
            fputs("zmsh: -l: precompiled scripts are not supported; run the source\n", stderr);
            return false;
        } else if (strchr("CGIJLMPRSY", *letters) != NULL) {
            continue; /* switches of the classic interpreter's own debugging */
        } else if (strchr("Oaefhiknstuvx", *letters) == NULL) {
            return false;
        } else {
            zmsh->from_stdin = zmsh->from_stdin || *letters == 's';
            zmsh->interactive = zmsh->interactive || *letters == 'i';
            zmsh->once = zmsh->once || *letters == 't';
            add_flags(zmsh, (const char[]){*letters, '\0'});
        }
    }
    return true;
}

static bool read_arguments(zmsh_t *zmsh, int argc, const char *const *argv)
{
    int i;
    zmsh->name = argc > 0 ? argv[0] : "zmsh";
    for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        bool took_next = false;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (!read_letters(zmsh, argv[i] + 1, i + 1 < argc ? argv[i + 1] : NULL, &took_next))
            return false;
        i += took_next;
    }
    if (zmsh->command == NULL && !zmsh->from_stdin && i < argc)
        zmsh->name = zmsh->file = argv[i++];
    zmsh->arguments = argv + i;
    zmsh->argument_count = argc - i;
    return true;
}

/* -- running ----------------------------------------------------------------------------------- */

static void report(const zm_error_t *error)
{
    if (error->status == ZM_E_LIMIT)
        fprintf(stderr, "zmsh: %s\n", error->text);
}

static apr_status_t run_stdin(zmsh_t *zmsh, int *status)
{
    zm_dialogue_t dialogue = {.program = "zmsh", .prompts = zmsh->interactive, .once = zmsh->once};
    return zm_dialogue_run(zmsh->script, &dialogue, status);
}

static int run(zmsh_t *zmsh)
{
    zm_error_t error = {0};
    apr_status_t result;
    int status = 0;
    if (zmsh->command != NULL)
        result = zm_script_run(zmsh->script, zm_str(zmsh->command), "-c", &status, &error);
    else if (zmsh->file != NULL)
        result = zm_script_source(zmsh->script, zmsh->file, &status, &error);
    else
        result = run_stdin(zmsh, &status);
    report(&error);
    if (result == ZM_E_STOPPED) {
        status = zm_script_exit_status(zmsh->script);
    } else if (result != APR_SUCCESS && result != ZM_E_LIMIT && result != ZM_E_SYNTAX &&
               result != APR_EINCOMPLETE) {
        fprintf(stderr, "zmsh: %s\n", error.text);
        status = 1;
    } else if (result != APR_SUCCESS) {
        status = result == ZM_E_LIMIT ? 1 : 7;
    }
    zm_script_run_exit_trap(zmsh->script);
    return status;
}

static void source_profiles(zmsh_t *zmsh, apr_pool_t *pool)
{
    char *home;
    if (zmsh->name[0] != '-')
        return;
    zm_script_source(zmsh->script, "/etc/profile", NULL, NULL);
    if (apr_env_get(&home, "HOME", pool) == APR_SUCCESS)
        zm_script_source(zmsh->script, apr_pstrcat(pool, home, "/.profile", NULL), NULL, NULL);
}

int main(int argc, const char *const *argv, const char *const *environment)
{
    zm_script_options_t options = {.name = "zmsh"};
    zmsh_t zmsh = {0};
    zm_credentials_t own, real;
    apr_pool_t *pool;
    int status;
    apr_app_initialize(&argc, &argv, &environment);
    apr_pool_create(&pool, NULL);
    zm_program_binary_streams();
    own = zm_identity_own();
    real = zm_identity_real();
    if (own.uid != real.uid || own.gid != real.gid) {
        fputs("zmsh: runs with the rights of its user only: it must not be set-uid\n", stderr);
        return 1;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        fputs("zmsh (ZMailer) " ZM_VERSION "\n", stdout);
        return 0;
    }
    if (!read_arguments(&zmsh, argc, argv))
        return usage();
    if (zmsh.command == NULL && zmsh.file == NULL) {
        zmsh.from_stdin = true;
        zmsh.interactive =
            zmsh.interactive || (zm_program_is_terminal(0) && zm_program_is_terminal(2));
        add_flags(&zmsh, zmsh.interactive ? "is" : "s");
    }
    if (zmsh.interactive)
        apr_signal(SIGTERM, SIG_IGN);
    options.flags = zmsh.flags;
    options.environment = environment;
    options.limits.steps = ~(uint64_t)0;
    if (zm_script_create(&zmsh.script, &options, pool) != APR_SUCCESS)
        return 71;
    signalled = zmsh.script;
    zm_script_on_trap(zmsh.script, on_trap, NULL);
    zm_script_set_arguments(zmsh.script, zmsh.name, zmsh.arguments,
                            (apr_size_t)zmsh.argument_count);
    zm_dialogue_defaults(zmsh.script);
    source_profiles(&zmsh, pool);
    status = run(&zmsh);
    apr_terminate();
    return status;
}
