/*
 * dblook(8): looks a key up in a database, or prints one.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/db/names.h"
#include "mta/map/map.h"
#include "platform/exec.h"
#include "platform/fs.h"

enum { EXIT_FAILED = 1, EXIT_ABSENT = 2 };

typedef struct dblook_t {
    bool dump, quiet;
    apr_pool_t *pool;
} dblook_t;

static bool exists(const char *path)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, path) == APR_SUCCESS;
}

static void put(zm_str_t text)
{
    fwrite(text.data, 1, text.length, stdout);
}

static bool print_entry(void *baton, zm_str_t key, zm_str_t value)
{
    (void)baton;
    put(key);
    if (value.data != NULL) {
        putchar('\t');
        put(value);
    }
    return putchar('\n') != EOF;
}

static int complain(const char *text)
{
    fprintf(stderr, "dblook: %s\n", text);
    return EXIT_FAILED;
}

/* type is TYPE or TYPE,SUBTYPE; a base name of a compiled database does. */
static apr_status_t open_map(zm_map_t **map, dblook_t *dblook, const char *type, const char *file,
                             zm_error_t *error)
{
    char *name = apr_pstrdup(dblook->pool, type), *separator = strpbrk(name, ",/");
    zm_map_options_t options = {0};
    if (separator != NULL) {
        *separator = '\0';
        options.subtype = separator + 1;
    }
    options.file = file;
    if (zm_db_is_compiled(name) && !exists(file))
        options.file = apr_pstrcat(dblook->pool, file, zm_db_suffix(name, NULL), NULL);
    if (zm_db_is_compiled(name) && !exists(options.file))
        return zm_error_set(error, APR_ENOENT, "there is neither %s nor %s", file, options.file);
    return zm_map_create(map, name, &options, dblook->pool, error);
}

static int print_answer(const dblook_t *dblook, const zm_map_answer_t *answer)
{
    apr_size_t i;
    for (i = 0; i < (answer->count > 0 ? answer->count : 1); i++) {
        zm_str_t value = answer->count > 0 ? answer->values[i] : answer->value;
        if (!dblook->quiet) /* the size counts the NUL that classic databases end values with */
            printf("siz:%" APR_UINT64_T_FMT ", dat: ", (apr_uint64_t)value.length + 1);
        put(value);
        putchar('\n');
    }
    return 0;
}

static int look(dblook_t *dblook, const char *type, const char *file, const char *key)
{
    zm_error_t error = {0};
    zm_map_answer_t answer;
    zm_map_t *map;
    if (open_map(&map, dblook, type, file, &error) != APR_SUCCESS)
        return complain(error.text);
    if (dblook->dump)
        return zm_map_each(map, print_entry, NULL, &error) == APR_SUCCESS ? 0
                                                                          : complain(error.text);
    switch (zm_map_lookup(map, zm_str(key), &answer, dblook->pool)) {
    case ZM_MAP_FOUND:
        return print_answer(dblook, &answer);
    case ZM_MAP_ABSENT:
        if (!dblook->quiet)
            fprintf(stderr, "Key %s not found\n", key);
        return EXIT_ABSENT;
    case ZM_MAP_FAILED:
    default:
        return complain(answer.reason != NULL ? answer.reason : "the lookup failed");
    }
}

int main(int argc, char **argv)
{
    dblook_t dblook = {0};
    const zm_option_t table[] = {
        {'d', "dump", ZM_OPTION_FLAG, &dblook.dump, NULL, NULL, "print all entries"},
        {'q', "quiet", ZM_OPTION_FLAG, &dblook.quiet, NULL, NULL, "print the value alone"},
    };
    const zm_command_line_t line = {"dblook",
                                    "TYPE FILE KEY",
                                    "look into a database",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    ZM_OPTIONS_STOP};
    static char dump[] = "--dump";
    int code, i;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&dblook.pool, NULL);
    zm_program_binary_streams();
    for (i = 1; i < argc; i++) /* the classic spelling */
        if (strcmp(argv[i], "-dump") == 0)
            argv[i] = dump;
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code == 0 ? 0 : EXIT_FAILED;
    if (argc != (dblook.dump ? 3 : 4))
        return complain("expected TYPE FILE KEY, or --dump TYPE FILE; see dblook --help");
    return look(&dblook, argv[1], argv[2], dblook.dump ? "" : argv[3]);
}
