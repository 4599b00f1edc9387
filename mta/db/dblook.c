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
#include "mta/map/policy.h"
#include "platform/exec.h"
#include "platform/fs.h"

enum { EXIT_FAILED = 1, EXIT_ABSENT = 2 };

typedef struct dblook_t {
    bool dump, policydump, policy, quiet;
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

static bool print_policy(void *baton, zm_str_t key, zm_str_t value)
{
    zm_buf_t line = ZM_BUF_INIT;
    bool *whole = baton;
    if (!zm_policy_print(&line, key, value))
        *whole = false;
    put(zm_buf_str(&line));
    zm_buf_free(&line);
    return true;
}

static int complain(const char *text)
{
    fprintf(stderr, "dblook: %s\n", text);
    return EXIT_FAILED;
}

/* type is TYPE or TYPE,SUBTYPE.  The base name of a compiled database does; its source, which
 * mostly has that name, is not meant. */
static apr_status_t open_map(zm_map_t **map, dblook_t *dblook, const char *type, const char *file,
                             zm_error_t *error)
{
    char *name = apr_pstrdup(dblook->pool, type), *separator = strpbrk(name, ",/");
    zm_map_options_t options = {0};
    const char *compiled;
    zm_uid_t owner;
    apr_status_t status;
    if (separator != NULL) {
        *separator = '\0';
        options.subtype = separator + 1;
    }
    options.file = file;
    if (!zm_db_is_compiled(name))
        return zm_map_create(map, name, &options, dblook->pool, error);
    compiled = apr_pstrcat(dblook->pool, file, zm_db_suffix(name, NULL), NULL);
    if (exists(compiled))
        options.file = compiled;
    status = zm_map_create(map, name, &options, dblook->pool, error);
    if (status == APR_SUCCESS)
        status = zm_map_owner(*map, &owner, error);
    return APR_STATUS_IS_ENOENT(status)
               ? zm_error_set(error, status, "there is neither %s nor %s", file, compiled)
               : status;
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

static int dump(const dblook_t *dblook, zm_map_t *map)
{
    zm_error_t error = {0};
    bool whole = true;
    if (zm_map_each(map, dblook->policydump ? print_policy : print_entry, &whole, &error) !=
        APR_SUCCESS)
        return complain(error.text);
    return whole ? 0 : complain("some records are none of a policy database");
}

static int print_found(const zm_policy_answer_t *answer)
{
    zm_buf_t record = ZM_BUF_INIT, line = ZM_BUF_INIT;
    unsigned i;
    for (i = 1; i < ZM_POLICY_ATTRIBUTES; i++) {
        if (answer->of[i].value.data == NULL)
            continue;
        if (answer->of[i].message.data != NULL)
            zm_policy_add_entry(&record, ZM_POLICY_MESSAGE, answer->of[i].message);
        zm_policy_add_entry(&record, i, answer->of[i].value);
    }
    zm_policy_print(&line, answer->key, zm_buf_str(&record));
    put(zm_buf_str(&line));
    zm_buf_free(&record);
    zm_buf_free(&line);
    return 0;
}

/* What the SMTP server would find: tags followed, the key that counts in front. */
static int look_for_policy(dblook_t *dblook, zm_map_t *map, zm_str_t key)
{
    zm_policy_set_t all = ~(zm_policy_set_t)0;
    zm_policy_answer_t answer;
    zm_map_outcome_t outcome;
    zm_ip_t ip;
    if (zm_ip_parse(&ip, key) == APR_SUCCESS)
        outcome = zm_policy_ip(&answer, map, all, &ip, dblook->pool);
    else if (zm_str_find(key, '@') >= 0)
        outcome = zm_policy_user(&answer, map, all, key, dblook->pool);
    else
        outcome = zm_policy_domain(&answer, map, all, key, dblook->pool);
    if (outcome == ZM_MAP_FAILED)
        return complain(answer.reason != NULL ? answer.reason : "the lookup failed");
    if (outcome == ZM_MAP_FOUND)
        return print_found(&answer);
    if (!dblook->quiet)
        fprintf(stderr, "Key %.*s not found\n", (int)key.length, key.data);
    return EXIT_ABSENT;
}

static int look(dblook_t *dblook, const char *type, const char *file, const char *key)
{
    zm_error_t error = {0};
    zm_map_answer_t answer = {0};
    zm_map_t *map = NULL;
    if (open_map(&map, dblook, type, file, &error) != APR_SUCCESS)
        return complain(error.text);
    if (dblook->dump || dblook->policydump)
        return dump(dblook, map);
    if (dblook->policy)
        return look_for_policy(dblook, map, zm_str(key));
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
        {0, "policydump", ZM_OPTION_FLAG, &dblook.policydump, NULL, NULL,
         "print a policy database as a source"},
        {'p', "policy", ZM_OPTION_FLAG, &dblook.policy, NULL, NULL,
         "KEY is a domain, user@domain or address; print the policy for it"},
        {'q', "quiet", ZM_OPTION_FLAG, &dblook.quiet, NULL, NULL, "print the value alone"},
    };
    const zm_command_line_t line = {"dblook",
                                    "TYPE FILE KEY",
                                    "look into a database",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    ZM_OPTIONS_STOP};
    static char dump_word[] = "--dump", policydump_word[] = "--policydump";
    bool whole;
    int code, i;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&dblook.pool, NULL);
    zm_program_binary_streams();
    for (i = 1; i < argc; i++) /* the classic spelling */
        if (strcmp(argv[i], "-dump") == 0)
            argv[i] = dump_word;
        else if (strcmp(argv[i], "-policydump") == 0)
            argv[i] = policydump_word;
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code == 0 ? 0 : EXIT_FAILED;
    whole = dblook.dump || dblook.policydump;
    if (argc != (whole ? 3 : 4) || (dblook.dump && dblook.policydump))
        return complain("expected TYPE FILE KEY, or --dump TYPE FILE; see dblook --help");
    return look(&dblook, argv[1], argv[2], whole ? "" : argv[3]);
}
