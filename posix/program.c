/*
 * The path of the running program: from the process filesystem where there is
 * one, else from the name it was called by and PATH, as the shell found it.
 */
#include "platform/service.h"

#include <apr_strings.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

static const char *name_called(void)
{
#ifdef __linux__
    return program_invocation_name;
#else
    return getprogname();
#endif
}

/* A program that was replaced by an upgrade while it ran has this behind its name on Linux. */
static void drop_deleted_mark(char *path)
{
    static const char mark[] = " (deleted)";
    apr_size_t length = strlen(path), tail = sizeof mark - 1;
    struct stat found;
    if (length > tail && strcmp(path + length - tail, mark) == 0 && stat(path, &found) < 0)
        path[length - tail] = '\0';
}

static bool from_process_filesystem(char *path, apr_size_t size)
{
    static const char *const links[] = {"/proc/self/exe", "/proc/curproc/exe",
                                        "/proc/curproc/file"};
    apr_size_t i;
    for (i = 0; i < sizeof links / sizeof links[0]; i++) {
        ssize_t length = readlink(links[i], path, size - 1);
        if (length > 0 && path[0] == '/') {
            path[length] = '\0';
            drop_deleted_mark(path);
            return true;
        }
    }
    return false;
}

static const char *search_path(const char *name, apr_pool_t *pool)
{
    const char *list = getenv("PATH");
    char *copy, *directory, *state;
    if (list == NULL)
        return NULL;
    copy = apr_pstrdup(pool, list);
    for (directory = apr_strtok(copy, ":", &state); directory != NULL;
         directory = apr_strtok(NULL, ":", &state)) {
        const char *candidate = apr_pstrcat(pool, directory, "/", name, NULL);
        if (access(candidate, X_OK) == 0)
            return candidate;
    }
    return NULL;
}

apr_status_t zm_service_program(const char **path, apr_pool_t *pool)
{
    char buffer[PATH_MAX];
    const char *name = name_called();
    if (from_process_filesystem(buffer, sizeof buffer)) {
        *path = apr_pstrdup(pool, buffer);
        return APR_SUCCESS;
    }
    if (strchr(name, '/') == NULL)
        name = search_path(name, pool);
    if (name == NULL)
        return APR_ENOENT;
    if (realpath(name, buffer) == NULL)
        return errno;
    *path = apr_pstrdup(pool, buffer);
    return APR_SUCCESS;
}
