#include "mta/db/policy_build.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/db/build.h"
#include "mta/db/joined.h"
#include "mta/db/names.h"

typedef struct joining_t {
    const zm_policy_build_t *build;
    zm_buf_t text;
    apr_array_header_t *spam; /* of const char *: addresses and networks, unsorted */
    apr_pool_t *pool;
    zm_error_t error;
} joining_t;

static const char *path_of(const joining_t *joining, const char *suffix)
{
    return apr_pstrcat(joining->pool, joining->build->directory, "/", joining->build->name, suffix,
                       NULL);
}

/* A line without its comment and without blanks at its ends. */
static zm_str_t bare(zm_str_t line)
{
    zm_str_t text, comment;
    zm_str_cut(line, '#', &text, &comment);
    return zm_str_trim(text);
}

typedef void line_fn(joining_t *joining, zm_str_t line, const char *rule);

/* Each line of a file that need not be there. */
static apr_status_t each_line(joining_t *joining, const char *path, line_fn *fn, const char *rule)
{
    zm_file_info_t info;
    apr_size_t length;
    char *data;
    zm_str_t rest, line;
    apr_status_t status = zm_joined_read(&data, &length, &info, path, joining->pool);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(&joining->error, status, "cannot read %s", path);
    rest = zm_str_of(data, length);
    while (rest.length > 0) {
        zm_str_cut(rest, '\n', &line, &rest);
        line = bare(line);
        if (line.length > 0)
            fn(joining, line, rule);
    }
    return APR_SUCCESS;
}

static void whole_line(joining_t *joining, zm_str_t line, const char *rule)
{
    zm_buf_printf(&joining->text, "%.*s %s\n", (int)line.length, line.data, rule);
}

static void first_word(joining_t *joining, zm_str_t line, const char *rule)
{
    zm_str_t word;
    if (zm_str_word(&line, &word))
        whole_line(joining, word, rule);
}

static void spam_line(joining_t *joining, zm_str_t line, const char *rule)
{
    (void)rule;
    if (line.data[0] == '@')
        line = zm_str_trim(zm_str_from(line, 1));
    if (line.length > 0)
        APR_ARRAY_PUSH(joining->spam, const char *) =
            zm_str_c(joining->pool, zm_str_lower(joining->pool, line));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_spam(joining_t *joining)
{
    const char *before = "";
    int i;
    qsort(joining->spam->elts, (size_t)joining->spam->nelts, sizeof(const char *), compare);
    for (i = 0; i < joining->spam->nelts; i++) {
        const char *line = APR_ARRAY_IDX(joining->spam, i, const char *);
        bool network = line[0] == '[' && strchr(line, '/') != NULL;
        if (strcmp(line, before) != 0)
            whole_line(joining, zm_str(line), network ? "rejectnet +" : "= _bulk_mail");
        before = line;
    }
}

static apr_status_t join(joining_t *joining)
{
    static const struct {
        const char *suffix, *rule;
    } files[] = {{".relay.manual", "= _full_rights"},
                 {".relay", "= _full_rights"},
                 {".mx.manual", "= _relaytarget"},
                 {".mx", "= _relaytarget"}};
    apr_status_t status = each_line(
        joining, apr_pstrcat(joining->pool, joining->build->directory, "/localnames", NULL),
        first_word, "= _localnames");
    apr_size_t i;
    for (i = 0; status == APR_SUCCESS && i < sizeof files / sizeof files[0]; i++)
        status = each_line(joining, path_of(joining, files[i].suffix), whole_line, files[i].rule);
    if (status == APR_SUCCESS)
        status = each_line(joining, path_of(joining, ".spam"), spam_line, NULL);
    if (status == APR_SUCCESS)
        status = each_line(joining, path_of(joining, ".spam.manual"), spam_line, NULL);
    if (status == APR_SUCCESS)
        add_spam(joining);
    return status;
}

/* NAME.dat.  64: there is no NAME.src. */
static int write_joined(joining_t *joining, const char *path)
{
    const char *source = path_of(joining, ".src");
    zm_file_info_t info;
    apr_size_t length;
    char *data;
    apr_status_t status = zm_joined_read(&data, &length, &info, source, joining->pool);
    if (status != APR_SUCCESS) {
        zm_error_system(&joining->error, status, "cannot read %s", source);
        return APR_STATUS_IS_ENOENT(status) ? 64 : 66;
    }
    zm_buf_add(&joining->text, data, length);
    if (length > 0 && data[length - 1] != '\n')
        zm_buf_add_byte(&joining->text, '\n');
    if (join(joining) != APR_SUCCESS)
        return 66;
    status =
        zm_joined_write(path, zm_buf_str(&joining->text), &info, info.mode & 0644, joining->pool);
    if (status == APR_SUCCESS)
        return 0;
    zm_error_system(&joining->error, status, "cannot write %s", path);
    return 73;
}

int zm_policy_build(const zm_policy_build_t *policy, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    joining_t joining = {.build = policy, .text = ZM_BUF_INIT, .pool = pool};
    zm_build_t build = {.program = policy->program,
                        .type = zm_db_site_type(zenv),
                        .policy = true,
                        .append = true,
                        .silent = policy->silent,
                        .verbose = policy->verbose,
                        .if_newer = policy->if_newer,
                        .mode = -1};
    int code;
    joining.spam = apr_array_make(pool, 16, sizeof(const char *));
    build.source = path_of(&joining, ".dat");
    build.shown = path_of(&joining, "");
    code = write_joined(&joining, build.source);
    zm_buf_free(&joining.text);
    if (code == 64 && policy->optional)
        return 0;
    if (code != 0) {
        fprintf(stderr, "%s: %s\n", policy->program, joining.error.text);
        return code;
    }
    if (!zm_db_is_compiled(build.type)) {
        fprintf(stderr, "%s: DBTYPE %s is no type of compiled database; try sqlite\n",
                policy->program, build.type);
        return 78;
    }
    build.database = path_of(&joining, zm_db_suffix(build.type, zenv));
    code = zm_build(&build, pool);
    if (!policy->silent && code <= 0)
        printf("%s: %s\n", build.shown, code == ZM_BUILD_CURRENT ? "current" : "NEW");
    return code == ZM_BUILD_CURRENT ? 0 : code;
}
