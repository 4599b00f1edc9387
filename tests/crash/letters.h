/**
 * What the world outside of the disk knows: letters, who was promised what, and
 * what was delivered to whom.
 */
#ifndef ZM_TESTS_CRASH_LETTERS_H
#define ZM_TESTS_CRASH_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "platform/str.h"
#include "tests/crash/disk.h"

#define LETTER_RECIPIENTS 3
#define LETTERS 64

typedef struct letter_t {
    int token; /**< its number, which stands in it */
    char text[4096];
    size_t length;
    char *large;       /**< instead of text, when it is longer */
    size_t head, body; /**< where header and body begin */
    const char *recipients[LETTER_RECIPIENTS];
    bool success[LETTER_RECIPIENTS]; /**< a report is wanted also then */
    int count;
    int accepted; /**< operations on the disk when success was told; -1: it was not */
    bool begun;
} letter_t;

static inline const char *letter_text(const letter_t *letter)
{
    return letter->large != NULL ? letter->large : letter->text;
}

typedef enum event_kind_t { EVENT_DELIVERED, EVENT_REPORTED, EVENT_TORN } event_kind_t;

typedef struct event_t {
    event_kind_t kind;
    int at; /**< operations on the disk by then */
    int token, recipient;
} event_t;

typedef struct world_t {
    letter_t letters[LETTERS];
    int letter_count;
    event_t *events;
    int event_count, event_room;
    char trouble[400]; /**< the first thing seen that must not be; "": none */
} world_t;

extern world_t world;

void world_reset(void);
/** And frees everything. */
void world_end(void);
/** Makes the next letter. */
letter_t *world_letter(uint64_t random);
letter_t *world_find(int token);
void world_note(event_kind_t kind, int token, int recipient);
/** Events after so many are forgotten. */
void world_cut(int event_count);
/** How often a recipient was served so far, by a delivery or (failing ones) by a report. */
int world_served(int token, int recipient, int from_event, int up_to_operation);
void world_trouble(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Takes what an agent delivers: a letter that must be whole, or a report about one. */
void world_take(const char *user, zm_str_t body);

#endif
