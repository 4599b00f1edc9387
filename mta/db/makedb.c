/*
 * makedb(8): compiles one source text into a database.
 *
 * It works for whoever calls it, with no more rights than that: newdb and its
 * relatives run it as the owner of the source, on a file that they made.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/db/compile.h"
#include "mta/db/names.h"
#include "platform/exec.h"
#include "platform/fs.h"

#define SOURCE_LIMIT (1u << 30)

typedef struct makedb_t {
    bool append, aliases, policy, lower, upper, silent, verbose;
    const char *into; /* the very file, there already and empty */
    bool sysexits;    /* failures by sysexits.h instead of 1 */
    const char *source;
    bool terminal;
    apr_pool_t *pool;
} makedb_t;

static int failure(const makedb_t *makedb, int code)
{
    return makedb->sysexits ? code : 1;
}

static int complain(const makedb_t *makedb, int code, const char *text)
{
    fprintf(stderr, "makedb: %s\n", text);
    return failure(makedb, code);
}

static void on_note(void *baton, zm_compile_note_t what, unsigned line, const char *text)
{
    const makedb_t *makedb = baton;
    if (what != ZM_COMPILE_ERROR && makedb->silent)
        return;
    fprintf(stderr, "%s:%u: %s%s\n", makedb->source, line,
            what != ZM_COMPILE_ERROR ? "warning: " : "", text);
}

/* On a terminal one line that counts; with -v a line each time. */
static void on_progress(void *baton, uint64_t entries, unsigned line)
{
    const makedb_t *makedb = baton;
    fprintf(stderr, "%s%s: %" APR_UINT64_T_FMT " entries, line %u%s", makedb->terminal ? "\r" : "",
            makedb->source, (apr_uint64_t)entries, line, makedb->terminal ? "" : "\n");
    fflush(stderr);
}

static apr_status_t read_standard_input(char **text, apr_size_t *length)
{
    zm_buf_t all = ZM_BUF_INIT;
    char part[65536];
    size_t count;
    zm_program_binary_streams();
    while ((count = fread(part, 1, sizeof part, stdin)) > 0) {
        if (all.length + count > SOURCE_LIMIT)
            return ZM_E_LIMIT;
        zm_buf_add(&all, part, count);
    }
    *length = all.length;
    *text = all.data != NULL ? all.data : ""; /* for the rest of the program */
    return ferror(stdin) ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t read_source(const makedb_t *makedb, char **text, apr_size_t *length)
{
    zm_file_t *file;
    apr_status_t status;
    if (strcmp(makedb->source, "-") == 0)
        return read_standard_input(text, length);
    status =
        zm_file_open(&file, NULL, makedb->source, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, makedb->pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_slurp_file(text, length, file, SOURCE_LIMIT, makedb->pool);
    zm_file_close(file);
    return status;
}

/* A new file, with everybody's right to read it; who reads the old one goes on. */
static apr_status_t begin_file(const char *path, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status;
    (void)zm_file_unlink(NULL, path);
    status =
        zm_file_open(&file, NULL, path,
                     ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0644, pool);
    return status != APR_SUCCESS ? status : zm_file_close(file);
}

static int compile(makedb_t *makedb, const char *type, const char *path)
{
    zm_compile_t compile = {.form = makedb->aliases  ? ZM_COMPILE_ALIASES
                                    : makedb->policy ? ZM_COMPILE_POLICY
                                                     : ZM_COMPILE_PLAIN,
                            .fold = makedb->lower   ? 'l'
                                    : makedb->upper ? 'u'
                                                    : 0,
                            .append = makedb->append,
                            .note = on_note,
                            .baton = makedb};
    zm_map_options_t options = {.file = path};
    zm_error_t error = {0};
    zm_map_t *map;
    char *text;
    apr_size_t length;
    apr_status_t status = read_source(makedb, &text, &length);
    makedb->terminal = zm_program_is_terminal(2);
    if (makedb->verbose || (makedb->terminal && !makedb->silent))
        compile.progress = on_progress;
    if (status != APR_SUCCESS) {
        zm_error_system(&error, status, "cannot read %s", makedb->source);
        return complain(makedb, 66, error.text);
    }
    if (makedb->into == NULL && (status = begin_file(path, makedb->pool)) != APR_SUCCESS) {
        zm_error_system(&error, status, "cannot make %s", path);
        return complain(makedb, 73, error.text);
    }
    if (zm_map_create(&map, type, &options, makedb->pool, &error) != APR_SUCCESS ||
        zm_compile(&compile, zm_str_of(text, length), map, makedb->pool, &error) != APR_SUCCESS)
        return complain(makedb, 73, error.text);
    zm_map_flush(map);
    if (compile.progress != NULL && makedb->terminal && compile.entries >= 100000)
        fputs("\n", stderr);
    if (!makedb->silent && makedb->aliases)
        printf("%" APR_UINT64_T_FMT " aliases, longest %" APR_UINT64_T_FMT
               " bytes, %" APR_UINT64_T_FMT " bytes total\n",
               (apr_uint64_t)compile.entries, (apr_uint64_t)compile.longest,
               (apr_uint64_t)compile.total);
    if (makedb->verbose)
        printf("%" APR_UINT64_T_FMT " entries, %u errors, %u repeated keys\n",
               (apr_uint64_t)compile.entries, compile.errors, compile.duplicates);
    return compile.errors > 0 ? failure(makedb, 65) : 0;
}

int main(int argc, char **argv)
{
    makedb_t makedb = {.source = "-"};
    const zm_option_t table[] = {
        {'a', "aliases", ZM_OPTION_FLAG, &makedb.aliases, NULL, NULL, "the source has aliases"},
        {'A', "append", ZM_OPTION_FLAG, &makedb.append, NULL, NULL, "join values of equal keys"},
        {'p', "policy", ZM_OPTION_FLAG, &makedb.policy, NULL, NULL, "the source has policy rules"},
        {'l', "lower", ZM_OPTION_FLAG, &makedb.lower, NULL, NULL, "keys in lower case"},
        {'u', "upper", ZM_OPTION_FLAG, &makedb.upper, NULL, NULL, "keys in upper case"},
        {'s', "silent", ZM_OPTION_FLAG, &makedb.silent, NULL, NULL, "say nothing but errors"},
        {'v', "verbose", ZM_OPTION_FLAG, &makedb.verbose, NULL, NULL, "tell progress and figures"},
        {0, "into", ZM_OPTION_TEXT, &makedb.into, NULL, NULL, NULL},
        {0, "sysexits", ZM_OPTION_FLAG, &makedb.sysexits, NULL, NULL, NULL},
    };
    const zm_command_line_t line = {"makedb",
                                    "TYPE BASENAME [SOURCE|-]",
                                    "compile a source text into a database",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    const char *type;
    int code;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&makedb.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    makedb.sysexits = makedb.sysexits || makedb.into != NULL;
    if (argc < 3 || argc > 4 || (makedb.lower && makedb.upper) ||
        (makedb.aliases && makedb.policy)) {
        fprintf(stderr, "makedb: expected TYPE BASENAME [SOURCE|-], and not both of -l and -u, "
                        "nor of -a and -p\n");
        return ZM_EXIT_USAGE;
    }
    type = zm_str_c(makedb.pool, zm_str_lower(makedb.pool, zm_str(argv[1])));
    if (!zm_db_is_compiled(type)) {
        fprintf(stderr, "makedb: \"%s\" is no type of compiled database; try sqlite\n", argv[1]);
        return ZM_EXIT_USAGE;
    }
    if (argc == 4)
        makedb.source = argv[3];
    return compile(&makedb, type,
                   makedb.into != NULL
                       ? makedb.into
                       : apr_pstrcat(makedb.pool, argv[2], zm_db_suffix(type, NULL), NULL));
}
