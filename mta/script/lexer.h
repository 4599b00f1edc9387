/**
 * The character level of the parser: positions, blanks and comments,
 * operators, keywords, errors and here-document bodies.
 *
 * What a character means depends on where the grammar stands (command start,
 * argument, sift label, list literal), so there is no stream of tokens: the
 * parser looks at the next operator or keyword with the functions here and
 * reads words itself.
 */
#ifndef ZM_SCRIPT_LEXER_H
#define ZM_SCRIPT_LEXER_H

#include "mta/script/parser.h"

#define ZM_PARSE_DEPTH 250 /* nested constructs */

typedef struct zm_here_t {
    zm_redirect_t *redirect;
    zm_str_t end;
    bool literal, strip;
    struct zm_here_t *next;
} zm_here_t;

typedef struct zm_source_t {
    const char *text, *at, *end;
    unsigned first_line; /**< number of the line that text begins in */
    zm_unit_t *unit;
    const zm_parse_context_t *context;
    zm_parse_error_t *error;
    bool failed;
    bool inner; /**< a piece of a larger text: running into its end is not incompleteness */
    unsigned depth;
    zm_here_t *here, **here_end; /**< here-documents whose bodies follow the next newline */
    const char *line_at;         /**< cache of zm_lex_line */
    unsigned line_number;
} zm_source_t;

typedef enum zm_operator_t {
    ZM_OP_NONE, /**< a word stands here */
    ZM_OP_END,
    ZM_OP_NEWLINE,
    ZM_OP_SEMICOLON,
    ZM_OP_DOUBLE_SEMICOLON,
    ZM_OP_AMPERSAND,
    ZM_OP_AND,
    ZM_OP_OR,
    ZM_OP_PIPE,
    ZM_OP_LESS,
    ZM_OP_GREATER,
    ZM_OP_LEFT,
    ZM_OP_RIGHT,
    ZM_OP_CLOSE_BRACE
} zm_operator_t;

typedef enum zm_keyword_t {
    ZM_KEY_NONE,
    ZM_KEY_IF,
    ZM_KEY_THEN,
    ZM_KEY_ELIF,
    ZM_KEY_ELSE,
    ZM_KEY_FI,
    ZM_KEY_CASE,
    ZM_KEY_IN,
    ZM_KEY_ESAC,
    ZM_KEY_FOR,
    ZM_KEY_WHILE,
    ZM_KEY_UNTIL,
    ZM_KEY_DO,
    ZM_KEY_DONE,
    ZM_KEY_SSIFT,
    ZM_KEY_TFISS,
    ZM_KEY_TSIFT,
    ZM_KEY_TFIST,
    ZM_KEY_LOCAL,
    ZM_KEY_OBSOLETE /**< sift, tfis */
} zm_keyword_t;

/** A lexer for a piece of text inside of another's (backquotes, here-documents, dynamic labels). */
void zm_lex_inner(zm_source_t *inner, const zm_source_t *outer, zm_str_t text, unsigned line);
/** Passes a failure of the inner lexer on.  False when it failed. */
bool zm_lex_inner_done(zm_source_t *outer, const zm_source_t *inner);

/** Records the first error, at a place in the text.  Always returns false. */
bool zm_lex_fail_at(zm_source_t *lexer, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** "unexpected X", for what stands at the current position, perhaps with what was expected (or
 * null). */
bool zm_lex_unexpected(zm_source_t *lexer, const char *expected);
unsigned zm_lex_line(zm_source_t *lexer);

/** Enters and leaves one level of nesting; false when there are too many. */
bool zm_lex_enter(zm_source_t *lexer);
void zm_lex_leave(zm_source_t *lexer);

/** Skips blanks, continued lines, and a comment where one may start. */
void zm_lex_blanks(zm_source_t *lexer);
/** The same without comments (list literals). */
void zm_lex_blanks_only(zm_source_t *lexer);
/** Skips blanks, comments and newlines. */
void zm_lex_lines(zm_source_t *lexer);
/** The operator at the current position, not consumed.  Blanks must have been skipped. */
zm_operator_t zm_lex_peek(const zm_source_t *lexer);
/** Consumes an operator; a newline also the here-documents that follow it. */
void zm_lex_take(zm_source_t *lexer, zm_operator_t op);
/** The keyword that stands as a whole word here, not consumed. */
zm_keyword_t zm_lex_keyword(const zm_source_t *lexer);
const char *zm_keyword_text(zm_keyword_t keyword);
/** Consumes the keyword or fails. */
bool zm_lex_expect(zm_source_t *lexer, zm_keyword_t keyword);

/** Whether a word cannot go on at this character. */
bool zm_lex_ends_word(const zm_source_t *lexer, const char *place);
bool zm_lex_is_blank(const zm_source_t *lexer, char c);
/** The name at the current position (first alphanumeric, then also underscores), empty when there
 * is none. */
zm_str_t zm_lex_name(const zm_source_t *lexer);

/** Registers a here-document whose body comes after the next newline. */
void zm_lex_here(zm_source_t *lexer, zm_redirect_t *redirect, zm_str_t end, bool literal,
                 bool strip);

/* -- words (word.c) ------------------------------------------------------------- */

typedef enum zm_word_mode_t {
    ZM_WORD_ARGUMENT,
    ZM_WORD_COMMAND,          /**< first word of a command: backslash digit is the digit */
    ZM_WORD_PATTERN,          /**< of a case arm: parts keep apart what is quoted */
    ZM_WORD_PARAMETER,        /**< inside ${name-...}: ends at the brace */
    ZM_WORD_QUOTED_PARAMETER, /**< the same within double quotes: blanks belong to it */
    ZM_WORD_LIST              /**< element of a list literal */
} zm_word_mode_t;

/** Reads one word; null after an error. */
zm_word_t *zm_parse_word(zm_source_t *lexer, zm_word_mode_t mode);
/** The literal text of a word that has no expansions; false otherwise. */
bool zm_word_literal(const zm_word_t *word, zm_str_t *text);
/** Reads a here-document's text, or a dynamic label (label set), whole, as one word of parts. */
zm_word_t *zm_parse_text(zm_source_t *lexer, bool label);
/** The tree of a command list up to a closing parenthesis, or to the end of an inner text. */
zm_node_t *zm_parse_substitution(zm_source_t *lexer, bool to_end);

/* -- shared by the parser's files -------------------------------------------------- */

zm_node_t *zm_parse_list(zm_source_t *lexer);
zm_node_t *zm_parse_case(zm_source_t *lexer);
zm_node_t *zm_parse_sift(zm_source_t *lexer);
bool zm_parse_redirect(zm_source_t *lexer, zm_redirect_t ***end);
/** Whether a redirection stands here: digits right before < or >, or one of those. */
bool zm_lex_at_redirect(const zm_source_t *lexer);
zm_node_t *zm_node_new(zm_source_t *lexer, zm_node_kind_t kind);

#endif
