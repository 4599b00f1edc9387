/** Patterns of the case statement: * ? [set] [!set], with quoted characters literal. */
#ifndef ZM_SCRIPT_PATTERN_H
#define ZM_SCRIPT_PATTERN_H

#include "mta/script/interp.h"

/** A pattern: one element a byte, with ZM_PATTERN_LITERAL set when it stands for itself. */
typedef uint16_t zm_pattern_char_t;
#define ZM_PATTERN_LITERAL 0x100

/** Whether the pattern covers the whole text. */
bool zm_pattern_fits(const zm_pattern_char_t *pattern, apr_size_t length, zm_str_t text);

/** Expands one pattern word of a case arm and matches it. */
zm_flow_t zm_pattern_match_word(zm_script_t *script, const zm_word_t *word, zm_str_t subject,
                                bool *matched);

#endif
