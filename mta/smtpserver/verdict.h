/**
 * What a content filter says of a message.
 *
 * Each of its lines that begins with an integer is a verdict, and the last one counts:
 *
 *     NUMBER [CODE [X.Y.Z]] TEXT
 *
 * A negative number refuses the message, 0 takes it, a positive one sets it aside.  The
 * code of the reply is independent of that: "-1 250 taken" throws a message away.  A CR in the text
 * divides it into lines.
 */
#ifndef ZM_SMTPSERVER_VERDICT_H
#define ZM_SMTPSERVER_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "platform/str.h"

#define VERDICT_LINES 18 /**< of a text; more are left out */

typedef struct verdict_t {
    bool given;        /**< false: nothing that was said is a verdict */
    int64_t number;    /**< less than 0: refused, more: set aside */
    int code;          /**< of the reply: what was said, or goes with the number */
    char enhanced[16]; /**< of the same class as the code */
    zm_str_t text;     /**< in the lines that were read; "" for none */
} verdict_t;

/** Called with lines that are no verdict; they may be null. */
typedef void verdict_stray_fn(zm_str_t line, void *baton);

/** Reads lines, each ended by LF. */
void verdict_read(verdict_t *verdict, zm_str_t lines, verdict_stray_fn *stray, void *baton);
/** Takes the next line of a text off *text.  False: there is none; an empty text has one. */
bool verdict_line(zm_str_t *text, zm_str_t *line, int *count);

#endif
