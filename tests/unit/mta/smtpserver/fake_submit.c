#include "tests/unit/mta/smtpserver/fake_submit.h"

#include <stdlib.h>

#include "tests/unit/harness.h"

struct zm_submission_t {
    zm_buf_t text;
    zm_publish_fn *fn;
    void *baton;
    zm_submission_t *next; /* of those held back */
};

fake_spool_t fake_spool;

static zm_submission_t *held;

void fake_spool_reset(zm_loop_t *loop)
{
    memset(&fake_spool, 0, sizeof fake_spool);
    fake_spool.loop = loop;
    fake_spool.free = UINT64_C(1) << 40;
    held = NULL;
}

static void discard(zm_submission_t *submission)
{
    zm_buf_free(&submission->text);
    free(submission);
}

apr_status_t zm_submit_begin(zm_submission_t **submission, zm_submitter_t *submitter,
                             const zm_submit_options_t *options)
{
    (void)submitter;
    (void)options;
    if (fake_spool.begin != APR_SUCCESS)
        return fake_spool.begin;
    *submission = calloc(1, sizeof **submission);
    fake_spool.begun++;
    return APR_SUCCESS;
}

apr_status_t zm_submit_line(zm_submission_t *submission, const char *keyword, zm_str_t value)
{
    if (zm_str_find(value, '\n') >= 0 || zm_str_find(value, '\r') >= 0 ||
        zm_str_find(value, '\0') >= 0)
        return ZM_E_SYNTAX;
    zm_buf_add_c(&submission->text, keyword);
    if (value.length > 0)
        zm_buf_add_byte(&submission->text, ' ');
    zm_buf_add_str(&submission->text, value);
    zm_buf_add_byte(&submission->text, '\n');
    return APR_SUCCESS;
}

apr_status_t zm_submit_env_end(zm_submission_t *submission)
{
    return zm_submit_line(submission, "env-end", zm_str(NULL));
}

apr_status_t zm_submit_write(zm_submission_t *submission, const void *data, apr_size_t length)
{
    zm_buf_add(&submission->text, data, length);
    return fake_spool.write;
}

uint64_t zm_submit_written(const zm_submission_t *submission)
{
    return submission->text.length;
}

apr_status_t zm_submit_read(zm_submission_t *submission, uint64_t offset, void *buffer,
                            apr_size_t *length)
{
    if (offset >= submission->text.length)
        return APR_EOF;
    if (*length > submission->text.length - offset)
        *length = submission->text.length - (apr_size_t)offset;
    memcpy(buffer, submission->text.data + offset, *length);
    return APR_SUCCESS;
}

apr_status_t zm_submit_overwrite(zm_submission_t *submission, uint64_t offset, const void *data,
                                 apr_size_t length)
{
    if (offset + length > submission->text.length)
        return APR_EINVAL;
    memcpy(submission->text.data + offset, data, length);
    return APR_SUCCESS;
}

apr_status_t zm_submit_path(const char **path, zm_submission_t *submission, apr_pool_t *pool)
{
    (void)submission;
    *path = zm_str_c(pool, zm_str(fake_spool.path));
    return fake_spool.path != NULL ? APR_SUCCESS : ZM_E_UNSUPPORTED;
}

apr_status_t zm_submit_info(zm_object_info_t *info, zm_submission_t *submission)
{
    (void)submission;
    memset(info, 0, sizeof *info);
    info->id = 4711;
    info->mtime_s = 1795237187;
    return APR_SUCCESS;
}

void zm_submit_set_priority(zm_submission_t *submission, int priority)
{
    (void)submission;
    fake_spool.priority = priority;
}

void zm_submit_abort(zm_submission_t *submission)
{
    fake_spool.aborted++;
    discard(submission);
}

static void answer(void *baton)
{
    zm_submission_t *submission = baton;
    zm_published_t published = {.name = "router/4711"};
    apr_status_t status = fake_spool.commit;
    published.info.id = 4711;
    published.info.mtime_s = 1795237187;
    if (status == APR_SUCCESS && fake_spool.committed < FAKE_MESSAGES)
        fake_spool.messages[fake_spool.committed++] =
            zm_str_c(zm_test_pool(), zm_buf_str(&submission->text));
    submission->fn(status, status == APR_SUCCESS ? &published : NULL, submission->baton);
    discard(submission);
}

void zm_submit_commit(zm_submission_t *submission, zm_publish_fn *fn, void *baton)
{
    zm_submission_t **last = &held;
    submission->fn = fn;
    submission->baton = baton;
    if (!fake_spool.hold) {
        ZM_ASSERT_OK(zm_loop_post(fake_spool.loop, answer, submission));
        return;
    }
    while (*last != NULL)
        last = &(*last)->next;
    *last = submission;
}

void zm_submit_commit_aside(zm_submission_t *submission, const char *directory, const char *suffix,
                            zm_publish_fn *fn, void *baton)
{
    ZM_ASSERT_STR(directory, "freezer");
    fake_spool.suffix = zm_str_c(zm_test_pool(), zm_str(suffix));
    fake_spool.frozen++;
    zm_submit_commit(submission, fn, baton);
}

void fake_spool_release(void)
{
    while (held != NULL) {
        zm_submission_t *first = held;
        held = first->next;
        answer(first);
    }
}

apr_status_t zm_spool_free_space(zm_spool_t *spool, uint64_t *bytes, uint64_t *objects)
{
    (void)spool;
    *bytes = fake_spool.free;
    *objects = 1000000;
    return APR_SUCCESS;
}
