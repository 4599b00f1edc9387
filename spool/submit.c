#include "spool/submit.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "spool/layout.h"
#include "spool/notify.h"

struct zm_submission_t {
    zm_submitter_t *submitter;
    zm_object_t *object; /* null: it is in the scratch file */
    apr_pool_t *pool;    /* of the scratch file */
    apr_file_t *scratch;
    uint64_t scratch_length;
    int priority;
    const char *notify; /* where the hint goes, once the directory is chosen */
    zm_publish_fn *fn;
    void *baton;
    char directory[ZM_LEAF_LIMIT + 1]; /* chosen */
};

/* -- a message that will be handed over -------------------------------------------- */

/* A file that only we can see; where files that are open can be removed it has no name from now on.
 */
static apr_status_t open_scratch(zm_submission_t *submission)
{
    const char *directory;
    char *name;
    apr_status_t status = apr_pool_create(&submission->pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = apr_temp_dir_get(&directory, submission->pool);
    if (status == APR_SUCCESS) {
        name = apr_pstrcat(submission->pool, directory, "/zmailer-XXXXXX", NULL);
        status = apr_file_mktemp(&submission->scratch, name,
                                 APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE |
                                     APR_FOPEN_EXCL | APR_FOPEN_DELONCLOSE | APR_FOPEN_BUFFERED,
                                 submission->pool);
        if (status == APR_SUCCESS)
            (void)apr_file_remove(name, submission->pool);
    }
    if (status != APR_SUCCESS)
        apr_pool_destroy(submission->pool);
    return status;
}

static apr_status_t put(zm_submission_t *submission, const void *data, apr_size_t length)
{
    if (submission->object != NULL)
        return zm_object_write(submission->object, data, length);
    submission->scratch_length += length;
    return apr_file_write_full(submission->scratch, data, length, NULL);
}

static void end_scratch(zm_submission_t *submission)
{
    apr_pool_destroy(submission->pool); /* closes and removes it */
    free(submission);
}

static apr_status_t hand_over(zm_submission_t *submission)
{
    const zm_submitter_t *submitter = submission->submitter;
    apr_off_t beginning = 0;
    apr_status_t status = apr_file_flush(submission->scratch);
    if (status == APR_SUCCESS)
        status = apr_file_seek(submission->scratch, APR_SET, &beginning);
    if (status == APR_SUCCESS)
        status = submitter->handover(submitter->handover_baton, submission->scratch);
    end_scratch(submission);
    return status;
}

/* -- beginning ---------------------------------------------------------------------- */

apr_status_t zm_submit_begin(zm_submission_t **result, zm_submitter_t *submitter,
                             const zm_submit_options_t *options)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = options->uid, .gid = options->gid, .mode = 0600};
    zm_submission_t *submission = calloc(1, sizeof *submission);
    apr_status_t status;
    if (submission == NULL)
        return APR_ENOMEM;
    submission->submitter = submitter;
    submission->priority = options->priority;
    status = submitter->handover != NULL
                 ? open_scratch(submission)
                 : zm_object_create(&submission->object, submitter->spool, &create);
    if (status == APR_SUCCESS)
        *result = submission;
    else
        free(submission);
    return status;
}

void zm_submit_set_priority(zm_submission_t *submission, int priority)
{
    submission->priority = priority;
}

/* -- contents -------------------------------------------------------------------- */

static bool is_keyword(const char *keyword)
{
    const char *at;
    for (at = keyword; *at != '\0'; at++)
        if (!zm_is_alpha((unsigned char)*at) && *at != '-')
            return false;
    return at != keyword;
}

static bool is_one_line(zm_str_t value)
{
    return value.length == 0 || (memchr(value.data, '\n', value.length) == NULL &&
                                 memchr(value.data, '\r', value.length) == NULL &&
                                 memchr(value.data, '\0', value.length) == NULL);
}

apr_status_t zm_submit_line(zm_submission_t *submission, const char *keyword, zm_str_t value)
{
    apr_status_t status;
    if (!is_keyword(keyword) || !is_one_line(value))
        return ZM_E_SYNTAX;
    status = put(submission, keyword, strlen(keyword));
    if (status == APR_SUCCESS && value.length != 0)
        status = put(submission, " ", 1);
    if (status == APR_SUCCESS && value.length != 0)
        status = put(submission, value.data, value.length);
    return status != APR_SUCCESS ? status : put(submission, "\n", 1);
}

apr_status_t zm_submit_env_end(zm_submission_t *submission)
{
    return zm_submit_line(submission, "env-end", ZM_S(""));
}

apr_status_t zm_submit_write(zm_submission_t *submission, const void *data, apr_size_t length)
{
    return put(submission, data, length);
}

uint64_t zm_submit_written(const zm_submission_t *submission)
{
    return submission->object != NULL ? zm_object_written(submission->object)
                                      : submission->scratch_length;
}

zm_object_t *zm_submit_object(zm_submission_t *submission)
{
    return submission->object;
}

apr_status_t zm_submit_read(zm_submission_t *submission, uint64_t offset, void *buffer,
                            apr_size_t *length)
{
    return submission->object != NULL ? zm_object_read(submission->object, offset, buffer, length)
                                      : ZM_E_UNSUPPORTED;
}

apr_status_t zm_submit_overwrite(zm_submission_t *submission, uint64_t offset, const void *data,
                                 apr_size_t length)
{
    return zm_object_overwrite(submission->object, offset, data, length);
}

apr_status_t zm_submit_path(const char **path, zm_submission_t *submission, apr_pool_t *pool)
{
    return submission->object != NULL ? zm_object_native_path(path, submission->object, pool)
                                      : ZM_E_UNSUPPORTED;
}

apr_status_t zm_submit_info(zm_object_info_t *info, zm_submission_t *submission)
{
    return submission->object != NULL ? zm_object_info(info, submission->object) : ZM_E_UNSUPPORTED;
}

/* -- the input directory ----------------------------------------------------------- */

/* Of the first count entries of a ':' list, the last that is a directory. */
static bool choose_of_list(zm_submission_t *submission, const char *list, int count)
{
    zm_str_t rest = zm_str(list), entry;
    bool more = list != NULL, found = false;
    while (more && count-- > 0) {
        char name[ZM_LEAF_LIMIT + 1];
        more = zm_str_cut(rest, ':', &entry, &rest);
        if (!zm_layout_directory_valid(entry))
            continue;
        memcpy(name, entry.data, entry.length);
        name[entry.length] = '\0';
        if (zm_spool_has_directory(submission->submitter->spool, name)) {
            memcpy(submission->directory, name, entry.length + 1);
            found = true;
        }
    }
    return found;
}

static zm_target_t choose_target(zm_submission_t *submission)
{
    const zm_submitter_t *submitter = submission->submitter;
    int priority = submission->priority > 0 ? submission->priority : 0;
    zm_target_t target = {.directory = submission->directory};
    if (submitter->input_dirs != NULL &&
        choose_of_list(submission, submitter->input_dirs, priority > 0 ? priority : 1)) {
        target.hash_levels = submitter->input_hash ? 1 : 0;
        submission->notify = submitter->input_notify;
        return target;
    }
    if (priority == 0 || !choose_of_list(submission, submitter->router_dirs, priority))
        memcpy(submission->directory, ZM_DIR_ROUTER, sizeof ZM_DIR_ROUTER);
    target.hash_levels = submitter->router_hash ? 1 : 0;
    submission->notify = submitter->router_notify;
    return target;
}

/* -- the end ----------------------------------------------------------------------- */

static void send_hint(const zm_submission_t *submission, const char *name)
{
    const char *slash = strchr(name, '/');
    if (submission->notify != NULL && slash != NULL)
        zm_notify_send(submission->notify, submission->directory, slash + 1);
}

static void on_published(apr_status_t status, const zm_published_t *published, void *baton)
{
    zm_submission_t *submission = baton;
    if (status == APR_SUCCESS)
        send_hint(submission, published->name);
    submission->fn(status, published, submission->baton);
    free(submission);
}

void zm_submit_commit(zm_submission_t *submission, zm_publish_fn *fn, void *baton)
{
    zm_target_t target = choose_target(submission);
    submission->fn = fn;
    submission->baton = baton;
    zm_object_publish(submission->object, &target, on_published, submission);
}

void zm_submit_commit_aside(zm_submission_t *submission, const char *directory, const char *suffix,
                            zm_publish_fn *fn, void *baton)
{
    zm_target_t target = {.directory = directory, .suffix = suffix};
    submission->notify = NULL;
    submission->fn = fn;
    submission->baton = baton;
    zm_object_publish(submission->object, &target, on_published, submission);
}

apr_status_t zm_submit_commit_wait(zm_submission_t *submission, zm_published_t *result,
                                   apr_pool_t *pool)
{
    zm_target_t target;
    zm_published_t published;
    apr_status_t status;
    if (submission->object == NULL) {
        if (result != NULL)
            memset(result, 0, sizeof *result);
        return hand_over(submission);
    }
    target = choose_target(submission);
    status = zm_object_publish_wait(submission->object, &target, &published, pool);
    if (status == APR_SUCCESS) {
        send_hint(submission, published.name);
        if (result != NULL)
            *result = published;
    }
    free(submission);
    return status;
}

apr_status_t zm_submit_commit_to(zm_submission_t *submission, const char *directory,
                                 const char *suffix, zm_published_t *result, apr_pool_t *pool)
{
    zm_target_t target = {.directory = directory, .suffix = suffix};
    apr_status_t status;
    if (submission->object == NULL) { /* whoever has a spool takes it for the router alone */
        end_scratch(submission);
        return ZM_E_UNSUPPORTED;
    }
    status = zm_object_publish_wait(submission->object, &target, result, pool);
    free(submission);
    return status;
}

void zm_submit_abort(zm_submission_t *submission)
{
    if (submission->object == NULL) {
        end_scratch(submission);
        return;
    }
    zm_object_discard(submission->object);
    free(submission);
}
