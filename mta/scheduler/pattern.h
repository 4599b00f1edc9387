/**
 * The patterns of clause selectors.
 *
 *     *        any string, also none         [abc] [a-z]   one byte of the list
 *     ?        one byte                      [^abc]        one byte not in it
 *     {a,b}    one of the alternatives, patterns themselves, anywhere
 *     \c       the byte c itself
 *
 * ASCII case does not count.  A '[' or '{' that is never closed stands for
 * itself.
 */
#ifndef ZM_SCHEDULER_PATTERN_H
#define ZM_SCHEDULER_PATTERN_H

#include "platform/str.h"

/** Work is bounded: a pattern that would backtrack without end does not match. */
bool zm_pattern_match(zm_str_t pattern, zm_str_t text);

#endif
