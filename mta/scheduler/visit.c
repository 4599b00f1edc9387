#include "mta/scheduler/visit.h"

#include <string.h>

#include "mta/scheduler/scheduler.h"

void zm_visit_begin(zm_visit_t *visit, zm_scheduler_t *scheduler)
{
    memset(visit, 0, sizeof *visit);
    visit->scheduler = scheduler;
    visit->next = scheduler->visits;
    scheduler->visits = visit;
}

void zm_visit_end(zm_visit_t *visit)
{
    zm_visit_t **at = &visit->scheduler->visits;
    while (*at != visit)
        at = &(*at)->next;
    *at = visit->next;
}

static void add(zm_visit_t *visit, zm_vertex_t *first, zm_vertex_t *last)
{
    if (first == NULL || visit->count == ZM_VISIT_THREADS)
        return;
    visit->parts[visit->count].at = first;
    visit->parts[visit->count++].last = last;
}

static void start(zm_visit_t *visit, bool of_job)
{
    visit->count = visit->part = 0;
    visit->of_job = of_job;
}

void zm_visit_thread(zm_visit_t *visit, const zm_thread_t *thread)
{
    start(visit, false);
    add(visit, thread->first, thread->last);
}

void zm_visit_more(zm_visit_t *visit, const zm_thread_t *thread)
{
    add(visit, thread->first, thread->last);
}

/* A job gets no vertices later: there is no last one to be known. */
void zm_visit_job(zm_visit_t *visit, const zm_job_t *job)
{
    start(visit, true);
    add(visit, job->vertices, NULL);
}

zm_vertex_t *zm_visit_next(zm_visit_t *visit)
{
    while (visit->part < visit->count) {
        zm_vertex_t *vertex = visit->parts[visit->part].at;
        if (vertex == NULL) {
            visit->part++;
            continue;
        }
        visit->parts[visit->part].at = visit->of_job                              ? vertex->next
                                       : vertex == visit->parts[visit->part].last ? NULL
                                                                                  : vertex->later;
        return vertex;
    }
    return NULL;
}

static void forget(zm_visit_t *visit, int part, const zm_vertex_t *vertex)
{
    bool last = visit->parts[part].last == vertex;

    if (visit->parts[part].at == vertex)
        visit->parts[part].at = visit->of_job ? vertex->next : last ? NULL : vertex->later;
    if (last)
        visit->parts[part].last = vertex->earlier;
}

void zm_visit_forget(zm_visit_t *visits, const zm_vertex_t *vertex, bool moves)
{
    int part;
    for (; visits != NULL; visits = visits->next)
        for (part = visits->part; part < visits->count && !(moves && visits->of_job); part++)
            forget(visits, part, vertex);
}
