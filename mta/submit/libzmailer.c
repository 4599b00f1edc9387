/*
 * libzmailer: the classic submission interface over spool/submit.h.
 *
 * A message is written to an anonymous temporary file; mail_close copies it into
 * a submission.  So whatever engine the spool has, nothing of an unfinished
 * message ever stands in it.
 */
#include "mta/submit/zmailer.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mta/submit/handover.h"
#include "mta/submit/preamble.h"
#include "platform/fs.h"

#define MOST_TRIES (sizeof SUFFIXCHARS - 1)

/* An open message. */
typedef struct stream_t {
    struct stream_t *next;
    FILE *file;
    int priority;
    apr_pool_t *pool;
} stream_t;

const char *postoffice;
int mail_priority;
__attribute__((weak)) const char *progname = "libzmailer";

static stream_t *streams;
static apr_pool_t *library_pool;
static apr_thread_mutex_t *library_lock;

/* -- the library's own state ------------------------------------------------------------ */

static int fail(apr_status_t status)
{
    if (status > 0 && status < APR_OS_START_ERROR) /* one of the system's own */
        errno = status;
    else if (status == ZM_E_LIMIT)
        errno = EFBIG;
    else if (APR_STATUS_IS_ENOSPC(status))
        errno = ENOSPC;
    else if (APR_STATUS_IS_ENOENT(status))
        errno = ENOENT;
    else if (APR_STATUS_IS_EACCES(status) || status == ZM_E_UNSAFE)
        errno = EACCES;
    else if (status == ZM_E_PROTOCOL || status == ZM_E_UNSUPPORTED)
        errno = EPERM; /* the server refuses it; a directory beside router/ takes a spool */
    else if (status == ZM_E_SYNTAX || status == ZM_E_CONFIG)
        errno = EINVAL;
    else if (status == ZM_E_BUSY || status == ZM_E_TEMPORARY)
        errno = EAGAIN;
    else
        errno = EIO;
    return -1;
}

/* The constructor runs before main and thus before threads. */
__attribute__((constructor)) static void start_library(void)
{
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&library_pool, NULL) != APR_SUCCESS ||
        apr_thread_mutex_create(&library_lock, APR_THREAD_MUTEX_DEFAULT, library_pool) !=
            APR_SUCCESS)
        library_pool = NULL;
}

/* Takes a stream off the list; null: it is not ours. */
static stream_t *take(FILE *file)
{
    stream_t **link, *found = NULL;
    if (library_pool == NULL || file == NULL)
        return NULL;
    apr_thread_mutex_lock(library_lock);
    for (link = &streams; *link != NULL && (*link)->file != file; link = &(*link)->next)
        ;
    if (*link != NULL) {
        found = *link;
        *link = found->next;
    }
    apr_thread_mutex_unlock(library_lock);
    return found;
}

static void forget(stream_t *stream)
{
    fclose(stream->file);
    apr_pool_destroy(stream->pool);
}

/* -- opening ------------------------------------------------------------------------------ */

static void put_line(FILE *file, const char *keyword, const char *value)
{
    if (value != NULL)
        fprintf(file, "%s %s\n", keyword, value);
}

static void put_preamble(FILE *file, apr_pool_t *pool)
{
    preamble_t preamble;
    preamble_read(&preamble, mail_host(), pool);
    put_line(file, "fullname", preamble.full_name);
    put_line(file, "loginname", preamble.login_name);
    put_line(file, "rcvdfrom", preamble.received);
}

FILE *mail_open(const char *type)
{
    stream_t *stream;
    apr_pool_t *pool;
    if (type != NULL && type[0] != '\0') { /* no router takes another type */
        errno = EINVAL;
        return NULL;
    }
    if (library_pool == NULL || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        errno = ENOMEM;
        return NULL;
    }
    stream = apr_pcalloc(pool, sizeof *stream);
    stream->pool = pool;
    stream->priority = mail_priority;
    stream->file = tmpfile();
    if (stream->file == NULL) {
        int why = errno;
        apr_pool_destroy(pool);
        errno = why;
        return NULL;
    }
    put_preamble(stream->file, pool);
    apr_thread_mutex_lock(library_lock);
    stream->next = streams;
    streams = stream;
    apr_thread_mutex_unlock(library_lock);
    return stream->file;
}

/* -- closing -------------------------------------------------------------------------------- */

static apr_status_t copy_all(FILE *file, zm_submission_t *submission, uint64_t limit)
{
    char block[16384];
    apr_size_t length;
    apr_status_t status = APR_SUCCESS;
    if (fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0)
        return APR_FROM_OS_ERROR(errno);
    while (status == APR_SUCCESS && (length = fread(block, 1, sizeof block, file)) > 0)
        status = limit > 0 && zm_submit_written(submission) + length > limit
                     ? ZM_E_LIMIT
                     : zm_submit_write(submission, block, length);
    return status == APR_SUCCESS && ferror(file) ? APR_EGENERAL : status;
}

static apr_status_t open_site(handover_t *handover, zm_zenv_t **zenv, bool unsynced,
                              apr_pool_t *pool)
{
    zm_error_t error;
    apr_status_t status = zm_zenv_load(zenv, NULL, pool, &error);
    if (status != APR_SUCCESS)
        return status;
    if (postoffice != NULL)
        zm_zenv_set(*zenv, "POSTOFFICE", postoffice);
    return handover_open(handover, *zenv, unsynced, pool, &error);
}

/* Submits what was written; where null: to the router. */
static int finish(FILE *file, const char *where, const char *suffix, bool unsynced,
                  zm_published_t *published)
{
    stream_t *stream = take(file);
    zm_submit_options_t options = {0, ZM_UID_NONE, ZM_UID_NONE};
    handover_t handover;
    zm_submission_t *submission;
    zm_zenv_t *zenv;
    zm_error_t error;
    uint64_t limit;
    apr_status_t status;
    if (stream == NULL) {
        errno = EBADF;
        return -1;
    }
    status = open_site(&handover, &zenv, unsynced, stream->pool);
    if (status == APR_SUCCESS) {
        options.priority = stream->priority;
        options.uid = zm_site_trusted(zenv, stream->pool).uid;
        status = zm_zenv_size(zenv, "MAX_SUBMIT_SIZE", 0, &limit, &error);
        if (status == APR_SUCCESS)
            status = zm_submit_begin(&submission, &handover.submitter, &options);
        if (status == APR_SUCCESS && (status = copy_all(file, submission, limit)) != APR_SUCCESS)
            zm_submit_abort(submission);
        else if (status == APR_SUCCESS && where != NULL)
            status = zm_submit_commit_to(submission, where, suffix, published, stream->pool);
        else if (status == APR_SUCCESS)
            status = zm_submit_commit_wait(submission, published, stream->pool);
        handover_close(&handover);
    }
    forget(stream);
    return status == APR_SUCCESS ? 0 : fail(status);
}

int _mail_close_async(FILE *stream, long *ino, time_t *mtime, long *mtime_ns, int async)
{
    zm_published_t published = {0};
    if (finish(stream, NULL, NULL, async != 0, &published) != 0)
        return -1;
    if (ino != NULL)
        *ino = (long)published.info.id;
    if (mtime != NULL)
        *mtime = (time_t)published.info.mtime_s;
    if (mtime_ns != NULL)
        *mtime_ns = (long)published.info.mtime_ns;
    return 0;
}

int _mail_close_(FILE *stream, long *ino, time_t *mtime, long *mtime_ns)
{
    return _mail_close_async(stream, ino, mtime, mtime_ns, 0);
}

int mail_close(FILE *stream)
{
    return _mail_close_async(stream, NULL, NULL, NULL, 0);
}

int mail_close_alternate_async(FILE *stream, const char *where, const char *suffix, int async)
{
    zm_published_t published = {0};
    if (where == NULL || suffix == NULL)
        return -2;
    return finish(stream, where, suffix, async != 0, &published);
}

int mail_close_alternate(FILE *stream, const char *where, const char *suffix)
{
    return mail_close_alternate_async(stream, where, suffix, 0);
}

int mail_abort(FILE *file)
{
    stream_t *stream = take(file);
    if (stream == NULL) {
        errno = EBADF;
        return -1;
    }
    forget(stream);
    return 0;
}

char *mail_fname(FILE *stream)
{
    (void)stream;
    return NULL;
}

/* -- files by template ------------------------------------------------------------------------ */

/* Where the spool is, into pool. */
static apr_status_t spool_path(const char **path, apr_pool_t *pool)
{
    zm_zenv_t *zenv;
    zm_error_t error;
    apr_status_t status;
    *path = postoffice;
    if (postoffice != NULL)
        return APR_SUCCESS;
    status = zm_zenv_load(&zenv, NULL, pool, &error);
    if (status == APR_SUCCESS)
        *path = zm_zenv_postoffice(zenv);
    return status;
}

/* Calls attempt with each name that the template allows until one is free. */
static int by_template(char **path, apr_status_t (*attempt)(const char *name, void *baton),
                       void *baton)
{
    const char *spool, *template = *path, *percent = strchr(*path, '%');
    apr_pool_t *pool;
    apr_status_t status;
    apr_size_t i;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        errno = ENOMEM;
        return -1;
    }
    status = spool_path(&spool, pool);
    for (i = 0; status == APR_SUCCESS && i < (percent != NULL ? MOST_TRIES : 1); i++) {
        const char *name =
            percent == NULL
                ? apr_pstrcat(pool, spool, "/", template, NULL)
                : apr_psprintf(pool, "%s/%.*s%.*s%s", spool, (int)(percent - template), template,
                               SUFFIXCHARS[i] != ' ', &SUFFIXCHARS[i], percent + 1);
        status = attempt(name, baton);
        if (status == APR_SUCCESS) {
            char *copy = mail_alloc((unsigned)strlen(name) + 1);
            if (copy != NULL)
                memcpy(copy, name, strlen(name) + 1);
            *path = copy;
            apr_pool_destroy(pool);
            return 0;
        }
        if (APR_STATUS_IS_EEXIST(status) && percent != NULL && i + 1 < MOST_TRIES)
            status = APR_SUCCESS;
    }
    apr_pool_destroy(pool);
    return fail(status);
}

static apr_status_t create_file(const char *name, void *baton)
{
    FILE **stream = baton;
    zm_file_t *file;
    apr_pool_t *pool;
    apr_status_t status;
    apr_pool_create(&pool, NULL);
    status = zm_file_open(&file, NULL, name, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                          0600, pool);
    if (status == APR_SUCCESS) {
        zm_file_close(file);
        *stream = fopen(name, "r+");
        if (*stream == NULL)
            status = APR_FROM_OS_ERROR(errno);
    }
    apr_pool_destroy(pool);
    return status;
}

static apr_status_t rename_file(const char *name, void *baton)
{
    return zm_file_rename(NULL, baton, NULL, name);
}

FILE *_mail_fopen(char **path)
{
    FILE *stream = NULL;
    return by_template(path, create_file, &stream) == 0 ? stream : NULL;
}

int mail_link(const char *from, char **path)
{
    char *source = strdup(from);
    int result = by_template(path, rename_file, source);
    free(source);
    return result;
}

/* -- what an application may replace ----------------------------------------------------------- */

__attribute__((weak)) void *mail_alloc(unsigned size)
{
    return malloc(size);
}

__attribute__((weak)) void *mail_realloc(void *memory, unsigned size)
{
    return realloc(memory, size);
}

__attribute__((weak)) void mail_free(void *memory)
{
    free(memory);
}

int getmyhostname(char *buffer, int size)
{
    return size > 0 && zm_identity_hostname(buffer, (apr_size_t)size) == APR_SUCCESS ? 0 : -1;
}

__attribute__((weak)) const char *mail_host(void)
{
    static char name[256];
    if (name[0] == '\0' && getmyhostname(name, sizeof name) != 0)
        apr_cpystrn(name, "unknown", sizeof name);
    return name;
}
