/**
 * The program that a pattern over tokens is compiled to (sift_pattern.c), for the
 * machine that runs it (sift_match.c).
 *
 *   ANY LITERAL SET CHARACTER   consume tokens, or fail
 *   REPEAT min, then one of these: takes as many as there are, gives back one at a time
 *   SPLIT a b                   tries a, on failure b
 *   JUMP a
 *   SAVE n                      notes the position in slot n
 *   BEGIN END                   hold at the ends of the subject
 *   OPEN CLOSE                  around what must be one domain literal
 */
#ifndef ZM_SCRIPT_SIFT_PATTERN_H
#define ZM_SCRIPT_SIFT_PATTERN_H

#include "mta/script/sift_token.h"

#define ZM_SIFT_SLOTS 21 /* 0-19: groups; 20: inside a domain literal, its position + 1 */
#define ZM_SIFT_SLOT_LITERAL 20

typedef enum zm_op_t {
    OP_ANY,
    OP_LITERAL,
    OP_CHARACTER,
    OP_SET,
    OP_REPEAT,
    OP_SPLIT,
    OP_JUMP,
    OP_SAVE,
    OP_BEGIN,
    OP_END,
    OP_OPEN,
    OP_CLOSE,
    OP_MATCH
} zm_op_t;

typedef struct zm_instruction_t {
    zm_op_t op;
    uint32_t a, b;
    zm_str_t text;          /* LITERAL */
    const uint8_t *members; /* SET: 256 flags, already negated where it is */
    bool negated;           /* SET */
    bool repeated;          /* ANY, SET: the operand of * or + */
} zm_instruction_t;

struct zm_sift_pattern_t {
    zm_instruction_t *code;
    unsigned groups; /* with group 0 */
    bool anchored;   /* every branch begins with ^ */
};

#endif
