/*
 * Where a program finds its installation: relative to its own place.
 */
#include "platform/service.h"

#include <apr_strings.h>
#include <stdbool.h>
#include <string.h>

/* Takes "/LEAF" off the end. */
static bool strip(char *path, const char *leaf)
{
    apr_size_t length = strlen(path), tail = strlen(leaf);
    if (length <= tail + 1 || strcmp(path + length - tail, leaf) != 0 ||
        path[length - tail - 1] != '/')
        return false;
    path[length - tail - 1] = '\0';
    return true;
}

/* Elsewhere than in an installation: the directory above the program's. */
static void strip_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path)
        *slash = '\0';
}

apr_status_t zm_service_prefix(const char **prefix, apr_pool_t *pool)
{
    static const char *const places[] = {ZM_LIBEXEC_REL "/ta", ZM_LIBEXEC_REL, "bin", "sbin"};
    const char *program;
    char *path;
    apr_size_t i;
    apr_status_t status = zm_service_program(&program, pool);
    if (status != APR_SUCCESS)
        return status;
    path = apr_pstrdup(pool, program);
    strip_last(path);
    *prefix = path;
    for (i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strip(path, places[i]))
            return APR_SUCCESS;
    strip_last(path);
    return APR_SUCCESS;
}
