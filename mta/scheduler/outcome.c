#include "mta/scheduler/outcome.h"

#include <stdio.h>

#include "mta/scheduler/expiry.h"
#include "mta/scheduler/lane.h"
#include "mta/scheduler/retry.h"
#include "mta/scheduler/scheduler.h"
#include "mta/scheduler/shape.h"
#include "mta/scheduler/ta.h"

const char *zm_state_name(zm_state_t state)
{
    static const char *const names[] = {"ok", "ok2", "ok3", "error", "error2", "expire"};
    return names[state];
}

/* -- notaries ------------------------------------------------------------------------------ */

void zm_notary_parse(zm_notary_t *notary, zm_str_t text)
{
    zm_str_t fields[6];
    int i, count = 0;

    for (i = 0; i < 6; i++)
        fields[i] = ZM_S("");
    while (count < 6) {
        zm_str_t rest = ZM_S("");
        bool more = zm_str_cut(text, ZM_NOTARY_SEPARATOR, &fields[count++], &rest);
        text = rest;
        if (!more)
            break;
    }
    if (count == 3) {
        fields[3] = fields[2];
        fields[2] = ZM_S("");
    }
    notary->address = fields[0];
    notary->action = fields[1];
    notary->status = fields[2];
    notary->diagnostic = fields[3];
    notary->remote = fields[4];
    notary->agent = fields[5];
}

void zm_notary_print(zm_buf_t *out, const zm_notary_t *notary)
{
    zm_buf_add_str(out, notary->address);
    zm_buf_add_byte(out, ZM_NOTARY_SEPARATOR);
    zm_buf_add_str(out, notary->action);
    zm_buf_add_byte(out, ZM_NOTARY_SEPARATOR);
    zm_buf_add_str(out, notary->status);
    zm_buf_add_byte(out, ZM_NOTARY_SEPARATOR);
    zm_buf_add_str(out, notary->diagnostic);
    zm_buf_add_byte(out, ZM_NOTARY_SEPARATOR);
    zm_buf_add_str(out, notary->remote);
    if (notary->agent.length > 0) {
        zm_buf_add_byte(out, ZM_NOTARY_SEPARATOR);
        zm_buf_add_str(out, notary->agent);
    }
}

/* -- a result being applied ---------------------------------------------------------------- */

typedef struct result_t {
    zm_scheduler_t *scheduler;
    zm_ta_t *ta;
    zm_feed_t *feed;
    zm_vertex_t *vertex;
    uint32_t index; /* of the recipient in the vertex */
    zm_str_t notary, text;
} result_t;

/* The address is left out: the file has it, and without it the results of many are one string. */
static zm_text_t *diagnosis(result_t *result, zm_str_t text)
{
    static const char from_file[] = {ZM_NOTARY_FROM_FILE};
    zm_buf_t buffer = ZM_BUF_INIT;
    zm_text_t *made;

    if (result->notary.length > 0) {
        zm_notary_t notary;
        zm_notary_parse(&notary, result->notary);
        notary.address = zm_str_of(from_file, 1);
        zm_notary_print(&buffer, &notary);
    }
    zm_buf_add_byte(&buffer, '\n');
    zm_buf_add_str(&buffer, text);
    made = zm_text_get(&result->scheduler->texts, zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return made;
}

static void finished(result_t *result, zm_state_t state)
{
    zm_scheduler_t *scheduler = result->scheduler;
    zm_job_t *job = result->vertex->job;
    zm_thread_t *thread = result->vertex->lane->thread;

    if (state == ZM_STATE_ERROR || state == ZM_STATE_ERROR2)
        job->failed++;
    else
        thread->flags |= ZM_THREAD_SUCCEEDED;
    scheduler->counters.recipients_out++;
    scheduler->outside->finished(scheduler->baton, job, thread, state);
    zm_vertex_drop(scheduler, result->vertex, result->index);
    zm_job_settle(scheduler, job);
}

/* The agent left the record to us. */
static void finished_unrecorded(result_t *result, zm_state_t state)
{
    zm_scheduler_t *scheduler = result->scheduler;
    zm_job_t *job = result->vertex->job;
    apr_status_t status =
        scheduler->outside->record(scheduler->baton, job, result->vertex->offsets[result->index],
                                   state == ZM_STATE_ERROR, result->notary, result->text);

    if (status == APR_SUCCESS)
        zm_job_reportable(scheduler, job);
    else
        scheduler->outside->event(scheduler->baton, ZM_LOG_ERROR, job,
                                  "a final result could not be recorded");
    finished(result, state);
}

static void transient(result_t *result, zm_str_t text)
{
    zm_text_drop(&result->scheduler->texts, result->vertex->diagnosis);
    result->vertex->diagnosis = diagnosis(result, text);
}

/* Gives up on a recipient that would be over-age at its next attempt. */
static void expire_early(result_t *result)
{
    zm_scheduler_t *scheduler = result->scheduler;
    const zm_thread_t *thread = result->vertex->lane->thread;
    const zm_params_t *params = &thread->ring->selection->params;
    int64_t next = zm_retry_preview(params, thread->retry, scheduler->now);

    if (next < thread->not_before)
        next = thread->not_before;
    if (!params->queueonly &&
        zm_expiry_before(result->vertex, zm_scheduler_wall_of(scheduler, next)))
        zm_expiry_recipient(scheduler, result->vertex, result->index);
}

/* "retryat +N text": when may the destination be tried again? */
static void retry_time(result_t *result)
{
    zm_thread_t *thread = result->vertex->lane->thread;
    zm_str_t rest = result->text, word;
    uint32_t now = result->scheduler->now;
    int64_t when;

    if (!zm_str_word(&rest, &word) || zm_str_i64(word, &when) != APR_SUCCESS)
        return;
    result->text = zm_str_trim(rest);
    if (word.data[0] == '+')
        when += now;
    else
        when = zm_scheduler_even_of(result->scheduler, when);
    if (when > now + 7 * 86400)
        when = now + 7 * 86400;
    if (when > thread->not_before)
        thread->not_before = (uint32_t)when;
}

/* All that has not been given out yet in this run counts as tried, with this result. */
static void refuse_all(result_t *result)
{
    zm_thread_t *thread = result->vertex->lane->thread;

    zm_text_drop(&result->scheduler->texts, thread->refusal);
    thread->refusal = zm_text_hold(result->vertex->diagnosis);
    thread->refusal_run_began = thread->run_began;
    thread->refusals++;
    thread->attempts += thread->unfed;
    thread->fresh = 0;
    result->vertex->mark = thread->refusals;
}

/* A reply may suspend the destination: then it is given nothing more. */
static void look_for_suspension(result_t *result)
{
    zm_thread_t *thread = result->vertex->lane->thread;
    char text[200];

    if (thread->ring->selection->params.suspend_count == 0 ||
        !zm_shape_reply(result->scheduler, thread, result->text, result->notary))
        return;
    zm_lease_finish_all(thread);
    snprintf(text, sizeof text, "destination suspended for %u s: %.*s",
             zm_shape_suspended(result->scheduler, thread) - result->scheduler->now,
             result->text.length < 120 ? (int)result->text.length : 120, result->text.data);
    result->scheduler->outside->event(result->scheduler->baton, ZM_LOG_NOTICE, result->vertex->job,
                                      text);
}

static bool is_success(zm_str_t word)
{
    return word.length >= 2 && word.data[0] == 'o' && word.data[1] == 'k';
}

static bool apply(result_t *result, zm_str_t word)
{
    if (!is_success(word))
        look_for_suspension(result);
    if (zm_str_equal_c(word, "ok")) {
        finished_unrecorded(result, ZM_STATE_OK);
    } else if (zm_str_equal_c(word, "ok2")) {
        zm_job_reportable(result->scheduler, result->vertex->job);
        finished(result, ZM_STATE_OK2);
    } else if (zm_str_equal_c(word, "ok3")) {
        finished(result, ZM_STATE_OK3);
    } else if (zm_str_equal_c(word, "error")) {
        finished_unrecorded(result, ZM_STATE_ERROR);
    } else if (zm_str_equal_c(word, "error2")) {
        zm_job_reportable(result->scheduler, result->vertex->job);
        finished(result, ZM_STATE_ERROR2);
    } else if (zm_str_equal_c(word, "deferred") || zm_str_equal_c(word, "deferback")) {
        transient(result, result->text);
        zm_lane_put_back(result->vertex, zm_str_equal_c(word, "deferback"));
        expire_early(result);
    } else if (zm_str_equal_c(word, "retryat")) {
        retry_time(result);
        transient(result, result->text);
        zm_lease_finish(result->scheduler, result->feed->lease);
        expire_early(result);
    } else if (zm_str_equal_c(word, "deferall")) {
        transient(result, result->text);
        refuse_all(result);
        zm_lease_finish(result->scheduler, result->feed->lease);
        expire_early(result);
    } else {
        return false;
    }
    return true;
}

static bool parse_place(zm_str_t place, uint64_t *id, uint64_t *offset)
{
    zm_str_t left, right;
    return zm_str_cut(place, '/', &left, &right) && zm_str_u64(left, id) == APR_SUCCESS &&
           zm_str_u64(right, offset) == APR_SUCCESS;
}

bool zm_outcome_line(zm_scheduler_t *scheduler, zm_ta_t *ta, zm_str_t line)
{
    result_t result = {.scheduler = scheduler, .ta = ta};
    zm_str_t place, rest, status, word;
    uint64_t id, offset;

    if (!zm_str_cut(line, '\t', &place, &rest) || !parse_place(place, &id, &offset) ||
        !zm_str_cut(rest, '\t', &result.notary, &status))
        return false;
    if (!zm_str_cut(status, ' ', &word, &result.text))
        result.text = ZM_S("");
    result.feed = zm_ta_feed(ta, id, offset);
    if (result.feed == NULL)
        return false;
    result.vertex = result.feed->vertex;
    result.index = (uint32_t)zm_vertex_index(result.vertex, offset);
    result.feed->answered = true;
    if (result.vertex->attempts < UINT16_MAX)
        result.vertex->attempts++;
    result.vertex->lane->thread->attempts++;
    return apply(&result, word);
}
