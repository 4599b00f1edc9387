/**
 * The memory engine, for tests: names and bodies behind one lock.  "memory:NAME"
 * is the same store for everybody in the process who opens it while it is open.
 *
 * Private to memory*.c.
 */
#ifndef ZM_SPOOL_MEMORY_H
#define ZM_SPOOL_MEMORY_H

#include <apr_hash.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include "spool/engine.h"

typedef struct zm_memory_body_t {
    zm_object_info_t info; /* links counts the names */
    int handles;
    zm_buf_t data;
} zm_memory_body_t;

typedef struct zm_memory_lock_t {
    struct zm_memory_object_t *holder;
    uint64_t from, to; /* to: first byte after it */
    struct zm_memory_lock_t *next;
} zm_memory_lock_t;

typedef struct zm_memory_watch_t {
    zm_engine_watch_t head;
    struct zm_memory_t *store;
    zm_str_t directory;
    zm_loop_t *loop;
    zm_spool_watch_fn *fn;
    void *baton;
    int pending; /* hints on their way */
    bool closed;
    struct zm_memory_watch_t *next;
    char text[]; /* of directory */
} zm_memory_watch_t;

typedef struct zm_memory_directory_t {
    struct zm_memory_directory_t *next;
    char name[];
} zm_memory_directory_t;

typedef struct zm_memory_t {
    struct zm_memory_t *next;
    apr_pool_t *pool;
    const char *name;
    int users;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *unlocked;
    apr_hash_t *names; /* malloc'd name -> body */
    zm_memory_directory_t *directories; /* beside those of the layout */
    uint64_t last_id;
    zm_memory_lock_t *locks;
    zm_memory_watch_t *watches;
} zm_memory_t;

typedef struct zm_memory_object_t {
    zm_memory_t *store;
    zm_memory_body_t *body;
} zm_memory_object_t;

static inline zm_memory_t *zm_memory(zm_engine_t *engine)
{
    return (zm_memory_t *)engine;
}

void zm_memory_enter(zm_memory_t *store);
/** Returns the status that it is given. */
apr_status_t zm_memory_leave(zm_memory_t *store, apr_status_t status);

/* Under the lock: */
void zm_memory_drop(zm_memory_body_t *body); /**< frees it if it has neither names nor handles */
zm_memory_body_t *zm_memory_find(zm_memory_t *store, const char *name);
apr_status_t zm_memory_add_name(zm_memory_t *store, const char *name, zm_memory_body_t *body);

apr_status_t zm_memory_rename(zm_engine_t *engine, const char *from, const char *to);
apr_status_t zm_memory_create(zm_engine_t *engine, zm_engine_object_t **object, const zm_create_options_t *options);
apr_status_t zm_memory_write_object(zm_engine_object_t *handle, const void *data, apr_size_t length);
apr_status_t zm_memory_truncate_object(zm_engine_object_t *handle, uint64_t length);
void zm_memory_close_object(zm_engine_object_t *handle);
bool zm_memory_commit_group(zm_engine_t *engine, zm_commit_t *const *commits, int count, zm_engine_figures_t *figures);
apr_status_t zm_memory_open_object(zm_engine_t *engine, zm_engine_object_t **object, const char *name, int how);
apr_status_t zm_memory_adopt(zm_engine_t *engine, zm_engine_object_t **object, int descriptor);
apr_status_t zm_memory_info(zm_engine_object_t *handle, zm_object_info_t *result);
apr_status_t zm_memory_read_object(zm_engine_object_t *handle, uint64_t offset, void *buffer, apr_size_t *length);
apr_status_t zm_memory_overwrite(zm_engine_object_t *handle, uint64_t offset, const void *data, apr_size_t length);
apr_status_t zm_memory_append(zm_engine_object_t *object, const void *data, apr_size_t length, bool durable);
apr_status_t zm_memory_lock_range(zm_engine_object_t *object, uint64_t offset, uint64_t length);
apr_status_t zm_memory_lock_whole(zm_engine_object_t *object, bool wait);
apr_status_t zm_memory_unlock_range(zm_engine_object_t *handle, uint64_t offset, uint64_t length);
apr_status_t zm_memory_locked(zm_engine_object_t *handle, bool *held, uint64_t offset, uint64_t length);
apr_status_t zm_memory_set_owner(zm_engine_object_t *handle, zm_uid_t uid, zm_uid_t gid);
apr_status_t zm_memory_set_mode(zm_engine_object_t *handle, uint32_t mode);

#endif
