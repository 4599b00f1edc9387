#include "mta/scheduler/deadline.h"

#include "mta/scheduler/duration.h"
#include "mta/scheduler/expiry.h"
#include "mta/scheduler/outcome.h"
#include "mta/scheduler/scheduler.h"

/* After a failure of the disk, seconds. */
#define LATER 300

bool zm_deadline_is_due(const zm_scheduler_t *scheduler, const zm_vertex_t *vertex)
{
    return vertex->by != 0 && vertex->by <= scheduler->wall;
}

typedef struct texts_t {
    zm_buf_t notary, text;
} texts_t;

static void make_texts(texts_t *texts, const zm_vertex_t *vertex, const char *action,
                       const char *status, const char *what)
{
    static const char from_file[] = {ZM_NOTARY_FROM_FILE};
    zm_str_t last = zm_vertex_text(vertex);
    zm_notary_t notary;

    zm_notary_parse(&notary, zm_vertex_notary(vertex));
    notary.address = zm_str_of(from_file, 1);
    notary.action = zm_str(action);
    notary.status = zm_str(status);
    if (notary.diagnostic.length == 0)
        notary.diagnostic = ZM_S("smtp; 500 (delivery time expired)");
    zm_notary_print(&texts->notary, &notary);
    zm_buf_add_c(&texts->text, what);
    if (last.length > 0) {
        zm_buf_add_c(&texts->text, ", last problem was:\r");
        zm_buf_add_str(&texts->text, last);
    }
}

static void free_texts(texts_t *texts)
{
    zm_buf_free(&texts->notary);
    zm_buf_free(&texts->text);
}

/* Returns a recipient.  False: not possible now. */
static bool give_back(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index)
{
    texts_t texts = {ZM_BUF_INIT, ZM_BUF_INIT};
    bool done;

    make_texts(&texts, vertex, "failed", "5.4.7 (delivery time expired)",
               "not delivered by the time that the sender set");
    done = zm_expiry_give_up(scheduler, vertex, index, zm_buf_str(&texts.notary),
                             zm_buf_str(&texts.text));
    free_texts(&texts);
    return done;
}

static void tell_late(zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint32_t index)
{
    texts_t texts = {ZM_BUF_INIT, ZM_BUF_INIT};

    make_texts(&texts, vertex, "delayed", "4.4.7 (delivery time expired)",
               "late: the time that the sender set has passed; delivery will be tried again");
    if (scheduler->outside->delayed(scheduler->baton, vertex->job, vertex->offsets[index],
                                    ZM_DELAY_DEADLINE, zm_buf_str(&texts.notary),
                                    zm_buf_str(&texts.text)) == APR_SUCCESS)
        zm_job_reportable(scheduler, vertex->job);
    free_texts(&texts);
}

bool zm_deadline_act(zm_scheduler_t *scheduler, zm_vertex_t *vertex)
{
    uint32_t i = vertex->count, next = 0;

    while (i-- > 0) {
        int64_t by = 0;
        char mode = 'N';
        bool last = vertex->count == 1;
        if (scheduler->outside->deadline(scheduler->baton, vertex->job, vertex->offsets[i], &by,
                                         &mode) != APR_SUCCESS ||
            by == 0)
            continue;
        if (by > scheduler->wall) {
            if (next == 0 || by < next)
                next = (uint32_t)by;
        } else if (mode != 'R') {
            tell_late(scheduler, vertex, i);
        } else if (!give_back(scheduler, vertex, i)) {
            next = scheduler->wall + LATER;
        } else if (last) {
            return false;
        }
    }
    vertex->by = next;
    return true;
}
