#include "mta/scheduler/command.h"

#include <apr_env.h>
#include <apr_strings.h>
#include <string.h>

typedef struct names_t {
    const zm_command_for_t *what;
    apr_pool_t *pool;
} names_t;

/* Addresses take turns. */
static const char *source(const zm_command_for_t *what, apr_pool_t *pool)
{
    zm_str_t rest = zm_str(what->sources != NULL ? what->sources : ""), word;
    uint32_t count = 0, turn;

    while (zm_str_word(&rest, &word))
        count++;
    if (count == 0)
        return NULL;
    rest = zm_str(what->sources);
    for (turn = what->turn % count;; turn--)
        if (!zm_str_word(&rest, &word) || turn == 0)
            return zm_str_c(pool, word);
}

static const char *destination(void *baton, zm_str_t name)
{
    const names_t *names = baton;
    if (zm_str_equal_c(name, "channel"))
        return zm_str_c(names->pool, names->what->channel);
    if (zm_str_equal_c(name, "host"))
        return zm_str_c(names->pool, names->what->host);
    if (zm_str_equal_c(name, "source"))
        return source(names->what, names->pool);
    return NULL;
}

static const char *expand(zm_str_t word, names_t *names, const zm_zenv_t *zenv)
{
    if (zm_str_equal_c(word, "$channel") || zm_str_equal_c(word, "$host"))
        return destination(names, zm_str_from(word, 1));
    return zm_zenv_expand(zenv, word, ZM_EXPAND_BRACES | ZM_EXPAND_EMPTY, destination, names,
                          names->pool)
        .data;
}

static const char *environment_word(apr_pool_t *pool, const char *name, const char *value)
{
    return apr_pstrcat(pool, name, "=", value, NULL);
}

apr_status_t zm_command_build(zm_command_t *command, const char *text, const zm_command_for_t *what,
                              const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error)
{
    const char **argv = apr_pcalloc(pool, (ZM_COMMAND_ARGUMENTS + 1) * sizeof argv[0]);
    const char **environment = apr_pcalloc(pool, (ZM_COMMAND_ARGUMENTS + 4) * sizeof argv[0]);
    names_t names = {what, pool};
    zm_str_t rest = zm_str(text), word;
    int arguments = 0, variables = 0;
    char *zone;

    while (zm_str_word(&rest, &word)) {
        const char *value = expand(word, &names, zenv);
        if (arguments + variables == ZM_COMMAND_ARGUMENTS)
            return zm_error_set(error, ZM_E_CONFIG, "the command has more than %d words",
                                ZM_COMMAND_ARGUMENTS);
        if (arguments == 0 && strchr(value, '=') != NULL)
            environment[variables++] = value;
        else
            argv[arguments++] = value;
    }
    if (arguments == 0 || argv[0][0] == '\0')
        return zm_error_set(error, ZM_E_CONFIG, "the command \"%s\" names no program", text);
    if (argv[0][0] != '/' && (argv[0][0] == '\0' || argv[0][1] != ':'))
        argv[0] = apr_pstrcat(pool, zm_zenv_mailbin(zenv), "/ta/", argv[0], NULL);
    if (apr_env_get(&zone, "TZ", pool) == APR_SUCCESS)
        environment[variables++] = environment_word(pool, "TZ", zone);
    if (zm_zenv_get(zenv, "PATH") != NULL)
        environment[variables++] = environment_word(pool, "PATH", zm_zenv_get(zenv, "PATH"));
    if (zm_zenv_file(zenv) != NULL)
        environment[variables++] = environment_word(pool, "ZCONFIG", zm_zenv_file(zenv));
    command->argv = argv;
    command->environment = environment;
    return APR_SUCCESS;
}

bool zm_command_names_host(const char *text)
{
    zm_str_t rest = zm_str(text), word;
    while (zm_str_word(&rest, &word))
        if (zm_str_equal_c(word, "$host"))
            return true;
    return strstr(text, "${host}") != NULL;
}
