#include "mta/admin/import_check.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/check.h"
#include "mta/admin/spool_commands.h"
#include "mta/conf/site.h"
#include "platform/fs.h"

#define FILE_LIMIT (16u << 20)

typedef struct import_t {
    const zm_zenv_t *zenv;
    bool json;
    int told;
    apr_pool_t *pool;
} import_t;

/* A word that means something else than it did, or nothing. */
typedef struct old_word_t {
    const char *word, *advice;
} old_word_t;

static void tell(import_t *import, const char *where, const char *what, const char *advice)
{
    if (import->json) {
        printf("%s{\"where\":", import->told > 0 ? ",\n " : "");
        spool_json_string(where);
        spool_json_text("what", what);
        spool_json_text("advice", advice);
        printf("}");
    } else {
        printf("%s: ", where);
        spool_print_shown(what);
        printf(": %s\n", advice);
    }
    import->told++;
}

static const char *below(const import_t *import, const char *directory, const char *name)
{
    return apr_pstrcat(import->pool, directory, "/", name, NULL);
}

/* -- words in files ------------------------------------------------------------------------- */

static bool is_in_word(char c)
{
    return zm_is_alpha((unsigned char)c) || zm_is_digit((unsigned char)c) || c == '_' || c == '-';
}

/* Whether a line has the word, outside of a comment and not as a piece of another. */
static bool has_word(zm_str_t line, zm_str_t word)
{
    apr_size_t i;
    for (i = 0; i + word.length <= line.length; i++) {
        if (line.data[i] == '#' && (i == 0 || zm_is_blank((unsigned char)line.data[i - 1])))
            return false;
        if ((i == 0 || !is_in_word(line.data[i - 1])) &&
            zm_str_equal_nocase(zm_str_of(line.data + i, word.length), word) &&
            (i + word.length == line.length || !is_in_word(line.data[i + word.length])))
            return true;
    }
    return false;
}

static void look_into(import_t *import, const char *path, const old_word_t *words)
{
    apr_size_t length;
    char *data;
    zm_str_t rest, line;
    bool more = true;
    int number = 0;
    if (zm_file_slurp(&data, &length, path, FILE_LIMIT, import->pool) != APR_SUCCESS)
        return;
    for (rest = zm_str_of(data, length); more;) {
        const old_word_t *old;
        more = zm_str_cut(rest, '\n', &line, &rest);
        number++;
        for (old = words; old->word != NULL; old++)
            if (has_word(line, zm_str(old->word)))
                tell(import, apr_psprintf(import->pool, "%s:%d", path, number), old->word,
                     old->advice);
    }
}

/* All files of a directory with this ending. */
static void look_into_all(import_t *import, const char *path, const char *ending,
                          const old_word_t *words)
{
    zm_dir_t *directory;
    const char *name;
    if (zm_dir_open(&directory, NULL, below(import, path, "."), import->pool) != APR_SUCCESS)
        return;
    while (zm_dir_next(directory, &name, NULL) == APR_SUCCESS)
        if (zm_str_ends_nocase(zm_str(name), zm_str(ending)))
            look_into(import, below(import, path, name), words);
    zm_dir_close(directory);
}

/* -- what there is to look at -------------------------------------------------------------- */

static void look_at_variable(void *baton, const char *name, const char *value)
{
    import_t *import = baton;
    const char *advice = check_variable(name);
    (void)value;
    if (advice != NULL)
        tell(import, zm_zenv_file(import->zenv), name, advice);
}

static void look_at_files(import_t *import)
{
    static const old_word_t script[] = {
        {"sift", "is no statement any more: ssift matches characters, tsift tokens"},
        {"setf", "is gone: write lappend or lreplace"},
        {"listaddress", "is gone: a list is expanded by the program listexpand"},
        {"fuzzyalias", "is gone"},
        {NULL, NULL}};
    static const old_word_t scheduler[] = {
        {"bychannel", "means nothing any more"}, {"byhost", "means nothing any more"},
        {"bhost", "means nothing any more"},     {"gangschedule", "means nothing any more"},
        {"maxhost", "means nothing any more"},   {NULL, NULL}};
    static const old_word_t databases[] = {{"yp", "needs its module; see relation(5)"},
                                           {"ldap", "needs its module; see relation(5)"},
                                           {"ndbm", "is compiled as sqlite"},
                                           {"gdbm", "is compiled as sqlite"},
                                           {"dbm", "is compiled as sqlite"},
                                           {"sdbm", "is compiled as sqlite"},
                                           {"btree", "is compiled as sqlite"},
                                           {"bhash", "is compiled as sqlite"},
                                           {NULL, NULL}};
    static const old_word_t aliases[] = {{"autoanswer.pl", "is the program ta/autoanswer"},
                                         {NULL, NULL}};
    const char *share = zm_zenv_mailshare(import->zenv), *var = zm_zenv_mailvar(import->zenv);
    look_into(import, below(import, share, "router.cf"), script);
    look_into_all(import, below(import, share, "cf"), ".cf", script);
    look_into(import, below(import, share, "scheduler.conf"), scheduler);
    look_into(import, below(import, var, "db/dbases.conf"), databases);
    look_into(import, below(import, var, "db/aliases"), aliases);
}

/* What stays of the original's compiled files is not read. */
static void look_at_leftovers(import_t *import)
{
    static const char *const endings[] = {".pag", ".dir", ".gdbm", ".dbh"};
    const char *path = below(import, zm_zenv_mailvar(import->zenv), "db"), *name;
    zm_dir_t *directory;
    apr_size_t i;
    if (zm_dir_open(&directory, NULL, below(import, path, "."), import->pool) != APR_SUCCESS)
        return;
    while (zm_dir_next(directory, &name, NULL) == APR_SUCCESS)
        for (i = 0; i < sizeof endings / sizeof endings[0]; i++)
            if (zm_str_ends_nocase(zm_str(name), zm_str(endings[i])))
                tell(import, path, name,
                     "is not read; \"zmailer newdb\" compiles the source anew, then remove it");
    zm_dir_close(directory);
}

static void look_at_spool(import_t *import)
{
    zm_error_t error = {0};
    zm_spool_t *spool;
    if (zm_site_spool(&spool, import->zenv, NULL, import->pool, &error) == APR_SUCCESS)
        zm_spool_close(spool);
    else
        tell(import, zm_zenv_postoffice(import->zenv), error.text,
             "\"zmailer init\" makes what is missing, and leaves messages where they are");
}

int import_check(const zm_zenv_t *zenv, bool json, apr_pool_t *pool)
{
    import_t import = {.zenv = zenv, .json = json, .pool = pool};
    if (json)
        printf("{\"found\":[");
    zm_zenv_each(zenv, look_at_variable, &import);
    look_at_files(&import);
    look_at_leftovers(&import);
    look_at_spool(&import);
    if (json)
        printf("]}\n");
    return import.told;
}
