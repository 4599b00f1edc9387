#include "mta/scheduler/holds.h"

#include <string.h>

#include "mta/scheduler/memory.h"

/* -- messages ------------------------------------------------------------------------------ */

/* Where an id is, or would stand. */
static apr_uint32_t job_index(const zm_holds_t *holds, uint64_t id)
{
    apr_uint32_t low = 0, high = holds->job_count;
    while (low < high) {
        apr_uint32_t middle = low + (high - low) / 2;
        if (holds->jobs[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool zm_holds_job(const zm_holds_t *holds, uint64_t id)
{
    apr_uint32_t at = job_index(holds, id);
    return at < holds->job_count && holds->jobs[at] == id;
}

void zm_holds_add_job(zm_holds_t *holds, uint64_t id)
{
    apr_uint32_t at = job_index(holds, id);
    if (at < holds->job_count && holds->jobs[at] == id)
        return;
    holds->jobs = zm_scheduler_grow(holds->jobs, &holds->job_capacity, holds->job_count + 1,
                                    sizeof holds->jobs[0]);
    memmove(&holds->jobs[at + 1], &holds->jobs[at],
            (holds->job_count - at) * sizeof holds->jobs[0]);
    holds->jobs[at] = id;
    holds->job_count++;
    holds->changed = true;
}

void zm_holds_remove_job(zm_holds_t *holds, uint64_t id)
{
    apr_uint32_t at = job_index(holds, id);
    if (at == holds->job_count || holds->jobs[at] != id)
        return;
    holds->job_count--;
    memmove(&holds->jobs[at], &holds->jobs[at + 1],
            (holds->job_count - at) * sizeof holds->jobs[0]);
    holds->changed = true;
}

/* -- destinations -------------------------------------------------------------------------- */

static apr_uint32_t place_index(const zm_holds_t *holds, const zm_text_t *channel,
                                const zm_text_t *host)
{
    apr_uint32_t i;
    for (i = 0; i < holds->place_count; i++)
        if (holds->places[i].host == host && holds->places[i].channel == channel)
            break;
    return i;
}

bool zm_holds_place(const zm_holds_t *holds, const zm_text_t *channel, const zm_text_t *host)
{
    return place_index(holds, channel, host) < holds->place_count;
}

void zm_holds_add_place(zm_holds_t *holds, zm_texts_t *texts, zm_str_t channel, zm_str_t host)
{
    zm_text_t *own_channel = zm_text_get(texts, channel), *own_host = zm_text_get(texts, host);

    if (zm_holds_place(holds, own_channel, own_host)) {
        zm_text_drop(texts, own_channel);
        zm_text_drop(texts, own_host);
        return;
    }
    holds->places = zm_scheduler_grow(holds->places, &holds->place_capacity, holds->place_count + 1,
                                      sizeof holds->places[0]);
    holds->places[holds->place_count].channel = own_channel;
    holds->places[holds->place_count++].host = own_host;
    holds->changed = true;
}

void zm_holds_remove_place(zm_holds_t *holds, zm_texts_t *texts, zm_str_t channel, zm_str_t host)
{
    apr_uint32_t at = place_index(holds, zm_text_find(texts, channel), zm_text_find(texts, host));

    if (at == holds->place_count)
        return;
    zm_text_drop(texts, holds->places[at].channel);
    zm_text_drop(texts, holds->places[at].host);
    holds->places[at] = holds->places[--holds->place_count];
    holds->changed = true;
}

/* -- as text ------------------------------------------------------------------------------- */

void zm_holds_print(const zm_holds_t *holds, zm_buf_t *out)
{
    apr_uint32_t i;
    for (i = 0; i < holds->place_count; i++) {
        zm_buf_add_c(out, "THREAD ");
        zm_buf_add_str(out, zm_text_str(holds->places[i].channel));
        zm_buf_add_byte(out, ' ');
        zm_buf_add_str(out, zm_text_str(holds->places[i].host));
        zm_buf_add_byte(out, '\n');
    }
    for (i = 0; i < holds->job_count; i++)
        zm_buf_printf(out, "MSG %llu\n", (unsigned long long)holds->jobs[i]);
}

static void parse_line(zm_holds_t *holds, zm_texts_t *texts, zm_str_t line)
{
    zm_str_t word, channel, host;
    uint64_t id;

    if (!zm_str_word(&line, &word))
        return;
    if (zm_str_equal_c(word, "THREAD") && zm_str_word(&line, &channel) && zm_str_word(&line, &host))
        zm_holds_add_place(holds, texts, channel, host);
    else if (zm_str_equal_c(word, "MSG") && zm_str_word(&line, &word) &&
             zm_str_u64(word, &id) == APR_SUCCESS)
        zm_holds_add_job(holds, id);
}

void zm_holds_parse(zm_holds_t *holds, zm_texts_t *texts, zm_str_t text)
{
    while (text.length > 0) {
        zm_str_t line, rest = ZM_S("");
        zm_str_cut(text, '\n', &line, &rest);
        parse_line(holds, texts, line);
        text = rest;
    }
}

void zm_holds_free(zm_holds_t *holds, zm_texts_t *texts)
{
    apr_uint32_t i;
    for (i = 0; i < holds->place_count; i++) {
        zm_text_drop(texts, holds->places[i].channel);
        zm_text_drop(texts, holds->places[i].host);
    }
    zm_scheduler_free(holds->jobs);
    zm_scheduler_free(holds->places);
    memset(holds, 0, sizeof *holds);
}
