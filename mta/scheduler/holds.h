/**
 * What the administrator has put on hold: destinations and messages.
 *
 * The set outlives the scheduler as text, one hold a line:
 *
 *     THREAD smtp example.com
 *     MSG 4711
 *
 * The daemon keeps it in a file; `changed` tells when that is to be written.
 */
#ifndef ZM_SCHEDULER_HOLDS_H
#define ZM_SCHEDULER_HOLDS_H

#include <apr.h>

#include "mta/scheduler/text.h"

typedef struct zm_holds_t {
    uint64_t *jobs; /**< ids, ascending */
    apr_uint32_t job_count, job_capacity;
    struct zm_hold_place_t {
        zm_text_t *channel, *host;
    } * places;
    apr_uint32_t place_count, place_capacity;
    bool changed; /**< since it was cleared */
} zm_holds_t;

bool zm_holds_job(const zm_holds_t *holds, uint64_t id);
/** channel and host are shared strings of the scheduler. */
bool zm_holds_place(const zm_holds_t *holds, const zm_text_t *channel, const zm_text_t *host);

/** Adding what is there, and taking out what is not, does nothing. */
void zm_holds_add_job(zm_holds_t *holds, uint64_t id);
void zm_holds_remove_job(zm_holds_t *holds, uint64_t id);
void zm_holds_add_place(zm_holds_t *holds, zm_texts_t *texts, zm_str_t channel, zm_str_t host);
void zm_holds_remove_place(zm_holds_t *holds, zm_texts_t *texts, zm_str_t channel, zm_str_t host);

/** Appends the set as text. */
void zm_holds_print(const zm_holds_t *holds, zm_buf_t *out);
/** Adds what a text names; lines that name nothing are passed over. */
void zm_holds_parse(zm_holds_t *holds, zm_texts_t *texts, zm_str_t text);

void zm_holds_free(zm_holds_t *holds, zm_texts_t *texts);

#endif
