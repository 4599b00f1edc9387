/* The glob built-in: path names that match a pattern. */

#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/pattern.h"

#define GLOB_DEPTH 64

typedef struct zm_globbing_t {
    zm_script_t *script;
    apr_pool_t *pool;
    apr_array_header_t *found; /* of const char * */
} zm_globbing_t;

static bool is_pattern(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (strchr("*?[", text.data[i]) != NULL)
            return true;
    return false;
}

static bool matches(zm_str_t pattern, const char *name)
{
    zm_pattern_char_t elements[300];
    apr_size_t i;
    if (name[0] == '.' && (pattern.length == 0 || pattern.data[0] != '.'))
        return false;
    if (pattern.length > sizeof elements / sizeof elements[0])
        return false;
    for (i = 0; i < pattern.length; i++)
        elements[i] = (unsigned char)pattern.data[i];
    return zm_pattern_fits(elements, pattern.length, zm_str(name));
}

static bool exists(const char *path, bool directory, apr_pool_t *pool)
{
    apr_finfo_t info = {0};
    apr_status_t status =
        apr_stat(&info, path, APR_FINFO_TYPE | (directory ? 0 : APR_FINFO_LINK), pool);
    return (status == APR_SUCCESS || status == APR_INCOMPLETE) &&
           (!directory || info.filetype == APR_DIR);
}

static void walk(zm_globbing_t *globbing, const char *base, zm_str_t pattern, unsigned depth);

/* Goes on below base/name with the rest of the pattern, or has found a path. */
static void descend(zm_globbing_t *globbing, const char *base, const char *name, zm_str_t rest,
                    bool more, unsigned depth)
{
    const char *path = apr_pstrcat(globbing->pool, base, name, NULL);
    if (!more) {
        if (exists(path, false, globbing->pool))
            *(const char **)apr_array_push(globbing->found) = path;
    } else if (exists(path, true, globbing->pool)) {
        walk(globbing, apr_pstrcat(globbing->pool, path, "/", NULL), rest, depth + 1);
    }
}

/* One directory: base ends with a slash or is empty. */
static void walk(zm_globbing_t *globbing, const char *base, zm_str_t pattern, unsigned depth)
{
    zm_str_t component, rest;
    apr_dir_t *directory;
    apr_finfo_t info;
    bool more = zm_str_cut(pattern, '/', &component, &rest), any = zm_str_equal_c(component, "**");
    if (depth > GLOB_DEPTH || !zm_step(globbing->script))
        return;
    if (!is_pattern(component)) {
        descend(globbing, base, zm_str_c(globbing->pool, component), rest, more, depth);
        return;
    }
    if (any && more)
        walk(globbing, base, rest, depth + 1);
    if (apr_dir_open(&directory, base[0] == '\0' ? "." : base, globbing->pool) != APR_SUCCESS)
        return;
    while (apr_dir_read(&info, APR_FINFO_NAME | APR_FINFO_TYPE, directory) != APR_ENOENT &&
           info.name != NULL) {
        const char *name = apr_pstrdup(globbing->pool, info.name);
        info.name = NULL;
        if (any && more && info.filetype == APR_DIR && name[0] != '.')
            walk(globbing, apr_pstrcat(globbing->pool, base, name, "/", NULL), pattern, depth + 1);
        else if (!(any && more) && matches(component, name))
            descend(globbing, base, name, rest, more, depth);
    }
    apr_dir_close(directory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void zm_glob(zm_call_t *call, zm_str_t pattern)
{
    zm_globbing_t globbing = {call->script, call->script->arena.pool, NULL};
    const char **names;
    const char *base = "";
    int i;
    globbing.found = apr_array_make(globbing.pool, 8, sizeof(char *));
    if (is_pattern(pattern)) {
        zm_str_t rest = pattern;
        while (rest.length > 0 && rest.data[0] == '/') {
            base = "/";
            rest.data++;
            rest.length--;
        }
        walk(&globbing, base, rest, 0);
    }
    names = (const char **)(void *)globbing.found->elts;
    qsort(names, (size_t)globbing.found->nelts, sizeof *names, by_name);
    for (i = 0; i < globbing.found->nelts; i++)
        zm_call_return(call, zm_value_of(zm_str(names[i])));
    if (globbing.found->nelts == 0)
        zm_call_return(call, zm_value_of(pattern));
}
