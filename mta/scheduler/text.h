/**
 * Shared strings: equal ones are kept once, so that a thousand messages from
 * one sender, or turned away with one reply, hold the text once.
 */
#ifndef ZM_SCHEDULER_TEXT_H
#define ZM_SCHEDULER_TEXT_H

#include "mta/scheduler/table.h"
#include "platform/str.h"

typedef struct zm_text_t {
    uint32_t hash;
    uint32_t references;
    uint32_t length;
    char data[]; /**< and a NUL */
} zm_text_t;

typedef struct zm_texts_t {
    zm_table_t table;
} zm_texts_t;

void zm_texts_init(zm_texts_t *texts);
void zm_texts_free(zm_texts_t *texts);
/** A reference to the string; give it back with zm_text_drop. */
zm_text_t *zm_text_get(zm_texts_t *texts, zm_str_t string);
/** The same, lower-cased. */
zm_text_t *zm_text_get_lower(zm_texts_t *texts, zm_str_t string);
/** The shared string if there is one, without a reference. */
zm_text_t *zm_text_find(const zm_texts_t *texts, zm_str_t string);
zm_text_t *zm_text_hold(zm_text_t *text);              /**< one reference more; null allowed */
void zm_text_drop(zm_texts_t *texts, zm_text_t *text); /**< null allowed */

static inline zm_str_t zm_text_str(const zm_text_t *text)
{
    return text != NULL ? zm_str_of(text->data, text->length) : zm_str_of("", 0);
}

#endif
