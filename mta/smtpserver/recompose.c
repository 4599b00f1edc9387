#include "mta/smtpserver/recompose.h"

#define PIECE 65536 /* octets written at a time, between which others are served */

struct recompose_t {
    recompose_options_t options;
    zm_submission_t *made;
    uint64_t offset; /* of what is read next */
    bool added;      /* the fields have been written */
    zm_timer_t timer;
    recompose_fn *fn;
    void *baton;
};

static void finish(recompose_t *recompose, apr_status_t status)
{
    zm_submission_t *made = recompose->made;
    recompose->made = NULL;
    if (status != APR_SUCCESS && made != NULL) {
        zm_submit_abort(made);
        made = NULL;
    }
    recompose->fn(status, made, recompose->baton);
}

static apr_status_t add_fields(recompose_t *recompose)
{
    zm_str_t fields = recompose->options.fields;
    recompose->added = true;
    return zm_submit_write(recompose->made, fields.data, fields.length);
}

/* The envelope, up to the header; then what remains. */
static apr_status_t copy_piece(recompose_t *recompose)
{
    static char piece[PIECE];
    uint64_t left = recompose->options.content - recompose->offset;
    apr_size_t length = sizeof piece;
    apr_status_t status;
    if (!recompose->added && left == 0)
        return add_fields(recompose);
    if (!recompose->added && left < length)
        length = (apr_size_t)left;
    status = zm_submit_read(recompose->options.from, recompose->offset, piece, &length);
    if (status == APR_SUCCESS)
        status = zm_submit_write(recompose->made, piece, length);
    recompose->offset += length;
    return status;
}

static void on_timer(zm_timer_t *timer, void *baton)
{
    recompose_t *recompose = baton;
    apr_status_t status = APR_SUCCESS;
    if (recompose->made == NULL) {
        const zm_submit_options_t options = {.uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
        status = zm_submit_begin(&recompose->made, recompose->options.submitter, &options);
        if (status != APR_SUCCESS)
            recompose->made = NULL;
    }
    if (status == APR_SUCCESS)
        status = copy_piece(recompose);
    if (status == APR_SUCCESS)
        zm_timer_set(timer, 0);
    else if (APR_STATUS_IS_EOF(status))
        finish(recompose, recompose->added ? APR_SUCCESS : APR_EGENERAL);
    else
        finish(recompose, status);
}

void recompose_begin(recompose_t **recompose, const recompose_options_t *options, recompose_fn *fn,
                     void *baton, apr_pool_t *pool)
{
    recompose_t *made = apr_pcalloc(pool, sizeof *made);
    made->options = *options;
    made->options.fields = zm_str_copy(pool, options->fields);
    made->fn = fn;
    made->baton = baton;
    zm_timer_init(&made->timer, options->loop, on_timer, made);
    zm_timer_set(&made->timer, 0);
    *recompose = made;
}

void recompose_cancel(recompose_t *recompose)
{
    if (recompose == NULL)
        return;
    zm_timer_cancel(&recompose->timer);
    if (recompose->made != NULL)
        zm_submit_abort(recompose->made);
    recompose->made = NULL;
}
