#include "ta/sm/table.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"

#define WORDS 20 /* of a command line in the table */
#define TABLE_LIMIT (1u << 20)

typedef struct reader_t {
    zm_mailer_t *mailer;
    zm_mailer_warn_fn *warn;
    void *baton;
    apr_pool_t *pool;
    zm_error_t *error;
} reader_t;

/* -- flags ----------------------------------------------------------------- */

static void set_flag(reader_t *reader, char flag)
{
    zm_mailer_t *mailer = reader->mailer;
    const struct {
        char flag;
        bool *what;
    } switches[] = {
        {'7', &mailer->seven_bit},   {'8', &mailer->eight_bit},    {'9', &mailer->decode},
        {'b', &mailer->bsmtp},       {'B', &mailer->bsmtp},        {'H', &mailer->hello},
        {'e', &mailer->envelope},    {'O', &mailer->original},     {'E', &mailer->escape},
        {'m', &mailer->many},        {'n', &mailer->no_separator}, {'U', &mailer->uucp},
        {'P', &mailer->return_path}, {'R', &mailer->crlf},         {'X', &mailer->dots},
        {'s', &mailer->strip}};
    apr_size_t i;
    for (i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (switches[i].flag == flag) {
            *switches[i].what = true;
            mailer->esmtp += flag == 'B';
            return;
        }
    if (flag == 'f' || (flag == 'r' && mailer->sender == 0))
        mailer->sender = flag;
    else if (strchr("-rSDF", flag) == NULL) /* S: there is no other identity to go back to */
        reader->warn(
            reader->baton,
            apr_psprintf(reader->pool, "%s: flag %c %s", mailer->name, flag,
                         strchr("ACIhlLMpux", flag) != NULL ? "means nothing here" : "is unknown"));
}

/* -- the command line ------------------------------------------------------ */

static bool is_shell(const char *program)
{
    static const char *const shells[] = {"sh",  "ash", "bash", "dash", "ksh",    "mksh",
                                         "zsh", "csh", "tcsh", "fish", "busybox"};
    const char *leaf = strrchr(program, '/');
    apr_size_t i;
    leaf = leaf != NULL ? leaf + 1 : program;
    for (i = 0; i < sizeof shells / sizeof shells[0]; i++)
        if (strcmp(shells[i], leaf) == 0)
            return true;
    return false;
}

/* Whether something that came with the mail is put into a word. */
static bool is_filled(const char *word)
{
    while ((word = strchr(word, '$')) != NULL)
        if (word[1] != '\0' && strchr("ghuU", word[1]) != NULL)
            return true;
        else
            word++;
    return false;
}

/* "sh -c $u": whoever sends mail would say what is run. */
static bool runs_addresses(const zm_mailer_t *mailer)
{
    int i;
    for (i = 1; mailer->words[i - 1] != NULL && mailer->words[i] != NULL; i++)
        if (mailer->words[i - 1][0] == '-' && strchr(mailer->words[i - 1], 'c') != NULL &&
            is_filled(mailer->words[i]))
            return is_shell(mailer->program) || is_shell(mailer->words[0]);
    return false;
}

static bool is_absolute(const char *path)
{
    return path[0] == '/' ||
           (zm_is_alpha(path[0]) && path[1] == ':' && (path[2] == '/' || path[2] == '\\'));
}

static apr_status_t read_words(reader_t *reader, zm_str_t rest, const zm_zenv_t *zenv)
{
    const char **words = apr_pcalloc(reader->pool, sizeof *words * (WORDS + 1));
    zm_mailer_t *mailer = reader->mailer;
    zm_str_t word;
    int count = 0;
    if (!zm_str_word(&rest, &word))
        return zm_error_set(reader->error, ZM_E_CONFIG, "%s: no program", mailer->name);
    mailer->program =
        zm_zenv_expand(zenv, word, ZM_EXPAND_BRACES | ZM_EXPAND_EMPTY, NULL, NULL, reader->pool)
            .data;
    if (!is_absolute(mailer->program))
        mailer->program =
            apr_pstrcat(reader->pool, zm_zenv_mailbin(zenv), "/", mailer->program, NULL);
    for (; zm_str_word(&rest, &word); count++) {
        if (count == WORDS)
            return zm_error_set(reader->error, ZM_E_CONFIG, "%s: more than %d words", mailer->name,
                                WORDS);
        words[count] = zm_str_c(reader->pool, word);
    }
    if (count == 0)
        return zm_error_set(reader->error, ZM_E_CONFIG, "%s: no name for the program to be run by",
                            mailer->name);
    mailer->words = words;
    return APR_SUCCESS;
}

/* -- lines ----------------------------------------------------------------- */

/* The rest of the mailer's line behind its name. */
static bool find_line(zm_str_t text, const char *name, zm_str_t *rest)
{
    zm_str_t line, word;
    bool more = true;
    while (more) {
        more = zm_str_cut(text, '\n', &line, &text);
        if (line.length == 0 || line.data[0] == '#' || zm_is_space(line.data[0]))
            continue;
        if (zm_str_word(&line, &word) && zm_str_equal_c(word, name)) {
            *rest = line;
            return true;
        }
    }
    return false;
}

apr_status_t zm_mailer_parse(zm_mailer_t **result, zm_str_t text, const char *name,
                             const zm_zenv_t *zenv, bool allow_shell, zm_mailer_warn_fn *warn,
                             void *baton, apr_pool_t *pool, zm_error_t *error)
{
    zm_mailer_t *mailer = apr_pcalloc(pool, sizeof *mailer);
    reader_t reader = {mailer, warn, baton, pool, error};
    zm_str_t rest, flags;
    apr_status_t status;
    apr_size_t i;
    mailer->name = apr_pstrdup(pool, name);
    if (!find_line(text, name, &rest))
        return zm_error_set(error, ZM_E_CONFIG, "there is no mailer %s", name);
    if (!zm_str_word(&rest, &flags))
        return zm_error_set(error, ZM_E_CONFIG, "%s: no flags (\"-\" for none)", name);
    for (i = 0; i < flags.length; i++)
        set_flag(&reader, flags.data[i]);
    status = read_words(&reader, rest, zenv);
    if (status == APR_SUCCESS && !allow_shell && runs_addresses(mailer))
        status = zm_error_set(error, ZM_E_CONFIG,
                              "%s: an address would be a command of a shell; if that is what you "
                              "want, set SM_ALLOW_SHELL=1",
                              name);
    *result = mailer;
    return status;
}

apr_status_t zm_mailer_find(zm_mailer_t **mailer, const char *file, const char *name,
                            const zm_zenv_t *zenv, bool allow_shell, zm_mailer_warn_fn *warn,
                            void *baton, apr_pool_t *pool, zm_error_t *error)
{
    zm_file_t *table;
    apr_size_t length;
    char *data;
    apr_status_t status = zm_file_open(&table, NULL, file, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_slurp_file(&data, &length, table, TABLE_LIMIT, pool);
        zm_file_close(table);
    }
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read the table of mailers %s", file);
    status = zm_mailer_parse(mailer, zm_str_of(data, length), name, zenv, allow_shell, warn, baton,
                             pool, error);
    if (status != APR_SUCCESS)
        zm_error_set(error, status, "%s: %s", file, apr_pstrdup(pool, error->text));
    return status;
}
