/*
 * Directory watches through ReadDirectoryChangesW.
 *
 * All watches of a loop share one completion port and one thread.  A watch is
 * always in exactly one place: in the kernel, waiting for changes; posted to the
 * loop with changes in its buffer; or being delivered there, after which it goes
 * back to the kernel.  A closed watch is freed when it comes to the loop next.
 */
#include "platform/fs.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "win32/file.h"

#define INSTANCE_KEY "zm_dirwatch"
#define BUFFER_WORDS 4096
#define NAME_OCTETS (MAX_PATH * 3)

typedef struct instance_t {
    zm_loop_t *loop;
    HANDLE port, thread;
    LONG in_kernel; /* watches that a completion will still be reported for */
    LONG ending;
    zm_dirwatch_t *first;
} instance_t;

struct zm_dirwatch_t {
    OVERLAPPED overlapped; /* first: the completion names the watch by it */
    instance_t *instance;
    zm_dirwatch_t *previous, *next;
    HANDLE directory;
    zm_dirwatch_fn *fn;
    void *baton;
    DWORD octets; /* of changes in the buffer; 0: names were missed */
    DWORD error;
    bool delivering, closed, dead; /* dead: the directory has gone, nothing comes any more */
    DWORD buffer[BUFFER_WORDS];
};

/* -- the life of a watch -------------------------------------------------------------------- */

static void free_watch(zm_dirwatch_t *watch)
{
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        watch->instance->first = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    CloseHandle(watch->directory);
    free(watch);
}

/* Gives the watch to the kernel.  What happened since it was there last has been kept for it. */
static apr_status_t arm(zm_dirwatch_t *watch)
{
    apr_status_t status;
    memset(&watch->overlapped, 0, sizeof watch->overlapped);
    InterlockedIncrement(&watch->instance->in_kernel);
    if (ReadDirectoryChangesW(watch->directory, watch->buffer, sizeof watch->buffer, FALSE,
                              FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME, NULL,
                              &watch->overlapped, NULL))
        return APR_SUCCESS;
    status = zm_last_status();
    InterlockedDecrement(&watch->instance->in_kernel);
    return status;
}

static void deliver_one(zm_dirwatch_t *watch, const FILE_NOTIFY_INFORMATION *change)
{
    char name[NAME_OCTETS + 1];
    int units = (int)(change->FileNameLength / sizeof(WCHAR)), octets;
    if (change->Action != FILE_ACTION_ADDED && change->Action != FILE_ACTION_RENAMED_NEW_NAME)
        return;
    if (wcsncmp(change->FileName, ZM_DELETED_PREFIX, wcslen(ZM_DELETED_PREFIX)) == 0)
        return;
    octets =
        WideCharToMultiByte(CP_UTF8, 0, change->FileName, units, name, NAME_OCTETS, NULL, NULL);
    name[octets] = '\0';
    watch->fn(octets > 0 ? name : NULL, watch->baton);
}

static void deliver_all(zm_dirwatch_t *watch)
{
    const char *at = (const char *)watch->buffer;
    if (watch->error != 0 || watch->octets == 0) {
        watch->fn(NULL, watch->baton);
        return;
    }
    for (;;) {
        const FILE_NOTIFY_INFORMATION *change = (const void *)at;
        deliver_one(watch, change);
        if (watch->closed || change->NextEntryOffset == 0)
            return;
        at += change->NextEntryOffset;
    }
}

/* On the loop.  An error other than an overflow (ENUM_DIR) means that the directory has gone. */
static void on_changes(void *baton)
{
    zm_dirwatch_t *watch = baton;
    if (!watch->closed) {
        watch->delivering = true;
        deliver_all(watch);
        watch->delivering = false;
    }
    if (!watch->closed && (watch->error == 0 || watch->error == ERROR_NOTIFY_ENUM_DIR) &&
        arm(watch) == APR_SUCCESS)
        return;
    if (watch->closed)
        free_watch(watch);
    else
        watch->dead = true;
}

/* -- the thread ------------------------------------------------------------------------------- */

static DWORD WINAPI take_completions(void *baton)
{
    instance_t *instance = baton;
    for (;;) {
        OVERLAPPED *done = NULL;
        ULONG_PTR key;
        DWORD octets = 0;
        DWORD error = GetQueuedCompletionStatus(instance->port, &octets, &key, &done, INFINITE)
                          ? 0
                          : GetLastError();
        if (done != NULL) {
            zm_dirwatch_t *watch = (zm_dirwatch_t *)done;
            watch->octets = octets;
            watch->error = error;
            if (!InterlockedAdd(&instance->ending, 0))
                zm_loop_post(instance->loop, on_changes, watch);
            InterlockedDecrement(&instance->in_kernel);
        }
        if (InterlockedAdd(&instance->ending, 0) && InterlockedAdd(&instance->in_kernel, 0) == 0)
            return 0;
    }
}

/* Before the loop ends: its posts will not run any more, so the watches are freed here. */
static apr_status_t end_instance(void *data)
{
    instance_t *instance = data;
    zm_dirwatch_t *watch;
    InterlockedExchange(&instance->ending, 1);
    for (watch = instance->first; watch != NULL; watch = watch->next)
        CancelIoEx(watch->directory, NULL);
    PostQueuedCompletionStatus(instance->port, 0, 0, NULL);
    WaitForSingleObject(instance->thread, INFINITE);
    CloseHandle(instance->thread);
    CloseHandle(instance->port);
    while (instance->first != NULL)
        free_watch(instance->first);
    return APR_SUCCESS;
}

static apr_status_t instance_of(instance_t **instance, zm_loop_t *loop)
{
    apr_pool_t *pool = zm_loop_pool(loop);
    void *known = NULL;
    apr_status_t status;
    apr_pool_userdata_get(&known, INSTANCE_KEY, pool);
    *instance = known;
    if (known != NULL)
        return APR_SUCCESS;
    *instance = apr_pcalloc(pool, sizeof **instance);
    (*instance)->loop = loop;
    (*instance)->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if ((*instance)->port == NULL)
        return zm_last_status();
    (*instance)->thread = CreateThread(NULL, 65536, take_completions, *instance, 0, NULL);
    if ((*instance)->thread == NULL) {
        status = zm_last_status();
        CloseHandle((*instance)->port);
        return status;
    }
    apr_pool_pre_cleanup_register(pool, *instance, end_instance);
    return apr_pool_userdata_setn(*instance, INSTANCE_KEY, NULL, pool);
}

/* -- the interface ----------------------------------------------------------------------------- */

static apr_status_t open_directory(HANDLE *directory, const char *path)
{
    zm_wide_path_t wide;
    zm_file_kind_t kind;
    apr_status_t status = zm_wide_path(&wide, NULL, path);
    if (status == APR_SUCCESS)
        status = zm_open_path(directory, &wide, FILE_LIST_DIRECTORY,
                              FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED);
    if (status != APR_SUCCESS)
        return status;
    status = zm_kind_of_handle(&kind, *directory);
    if (status == APR_SUCCESS && kind != ZM_FILE_DIRECTORY)
        status = APR_ENOTDIR;
    if (status != APR_SUCCESS)
        CloseHandle(*directory);
    return status;
}

apr_status_t zm_dirwatch_open(zm_dirwatch_t **watch, zm_loop_t *loop, const char *path,
                              zm_dirwatch_fn *fn, void *baton)
{
    instance_t *instance;
    zm_dirwatch_t *made;
    HANDLE directory;
    apr_status_t status = instance_of(&instance, loop);
    if (status == APR_SUCCESS)
        status = open_directory(&directory, path);
    if (status != APR_SUCCESS)
        return status;
    made = calloc(1, sizeof *made);
    if (made == NULL) {
        CloseHandle(directory);
        return APR_ENOMEM;
    }
    made->instance = instance;
    made->directory = directory;
    made->fn = fn;
    made->baton = baton;
    made->next = instance->first;
    if (made->next != NULL)
        made->next->previous = made;
    instance->first = made;
    status = CreateIoCompletionPort(directory, instance->port, 0, 0) != NULL ? arm(made)
                                                                             : zm_last_status();
    if (status != APR_SUCCESS) {
        free_watch(made);
        return status == APR_EINVAL ? ZM_E_UNSUPPORTED : status; /* a filesystem without */
    }
    *watch = made;
    return APR_SUCCESS;
}

void zm_dirwatch_close(zm_dirwatch_t *watch)
{
    if (watch == NULL)
        return;
    watch->closed = true;
    if (watch->dead)
        free_watch(watch);
    else if (!watch->delivering)
        CancelIoEx(watch->directory, NULL);
}
