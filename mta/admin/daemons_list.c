/* Which daemons there are. */
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdlib.h>
#include <string.h>

#include "mta/admin/daemons.h"
#include "platform/fs.h"
#include "platform/service.h"

#define SERVER "smtpserver"
#define SERVER_PIDS ".pid.smtpserver"

static const daemon_t usual[] = {
    {"router", "router", ".pid.router", "ROUTEROPTIONS", "-dWkn 4", true, "router", NULL},
    {"scheduler", "scheduler", ".pid.scheduler", "SCHEDULEROPTIONS", "-S", true, "scheduler", NULL},
    {SERVER, SERVER, SERVER_PIDS, "SMTPOPTIONS", "", false, "smtpserver.log", NULL},
    {NULL, NULL, NULL, NULL, NULL, false, NULL, NULL},
};

static int by_name(const void *one, const void *other)
{
    return strcmp(((const daemon_t *)one)->name, ((const daemon_t *)other)->name);
}

/* A server for each file in the directory, in the order of their names. */
static void add_servers(apr_array_header_t *list, zm_dir_t *directory, const char *path)
{
    const char *name;
    zm_file_kind_t kind;
    int first = list->nelts;
    while (zm_dir_next(directory, &name, &kind) == APR_SUCCESS) {
        daemon_t daemon = usual[2];
        if (name[0] == '.' || kind == ZM_FILE_DIRECTORY)
            continue;
        daemon.name = apr_pstrcat(list->pool, SERVER "/", name, NULL);
        daemon.pid_file = apr_pstrcat(list->pool, SERVER_PIDS "/", name, NULL);
        daemon.config = apr_pstrcat(list->pool, path, "/", name, NULL);
        APR_ARRAY_PUSH(list, daemon_t) = daemon;
    }
    qsort(list->elts + (apr_size_t)first * sizeof(daemon_t), (apr_size_t)(list->nelts - first),
          sizeof(daemon_t), by_name);
}

const daemon_t *daemons_of(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    const char *path = apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/smtpserver.conf", NULL);
    apr_array_header_t *list = apr_array_make(pool, 8, sizeof(daemon_t));
    zm_dir_t *directory;
    if (zm_dir_open(&directory, NULL, apr_pstrcat(pool, path, "/.", NULL), pool) != APR_SUCCESS)
        return usual;
    APR_ARRAY_PUSH(list, daemon_t) = usual[0];
    APR_ARRAY_PUSH(list, daemon_t) = usual[1];
    add_servers(list, directory, path);
    zm_dir_close(directory);
    APR_ARRAY_PUSH(list, daemon_t) = usual[3];
    return (const daemon_t *)list->elts;
}

bool daemon_is(const daemon_t *daemon, const char *word)
{
    apr_size_t length = strlen(word);
    return strcmp(word, daemon->name) == 0 ||
           (length >= 4 && strncmp(daemon->program, word, length) == 0);
}

/* The first that is held of the pid files in a directory. */
static bool any_in(const char *path, apr_pool_t *pool)
{
    zm_dir_t *directory;
    const char *name;
    bool found = false;
    apr_int64_t pid;
    if (zm_dir_open(&directory, NULL, path, pool) != APR_SUCCESS)
        return false;
    while (!found && zm_dir_next(directory, &name, NULL) == APR_SUCCESS)
        found =
            zm_pidfile_holder(&pid, apr_pstrcat(pool, path, "/", name, NULL), pool) == APR_SUCCESS;
    zm_dir_close(directory);
    return found;
}

const char *daemon_on(const char *postoffice, apr_pool_t *pool)
{
    const daemon_t *daemon;
    for (daemon = usual; daemon->name != NULL; daemon++) {
        const char *path = apr_pstrcat(pool, postoffice, "/", daemon->pid_file, NULL);
        apr_int64_t pid;
        if (zm_pidfile_holder(&pid, path, pool) == APR_SUCCESS || any_in(path, pool))
            return daemon->name;
    }
    return NULL;
}
