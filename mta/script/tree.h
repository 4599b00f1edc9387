/**
 * The tree that the parser makes and the evaluator runs.
 *
 * All nodes of a source unit live in the unit's pool.  A unit is held by who
 * runs it and by every function that it defined; see zm_unit_hold.
 */
#ifndef ZM_SCRIPT_TREE_H
#define ZM_SCRIPT_TREE_H

#include "mta/script/symbol.h"

typedef struct zm_node_t zm_node_t;
typedef struct zm_word_t zm_word_t;
typedef struct zm_part_t zm_part_t;
typedef struct zm_unit_t zm_unit_t;

/* -- words -------------------------------------------------------------------- */

typedef enum zm_part_kind_t {
    ZM_PART_TEXT,       /**< literal */
    ZM_PART_VARIABLE,   /**< $name */
    ZM_PART_POSITIONAL, /**< $0 to $9 */
    ZM_PART_ALL,        /**< $@ */
    ZM_PART_JOINED,     /**< $* */
    ZM_PART_COUNT,      /**< $# */
    ZM_PART_LENGTH,     /**< $#name */
    ZM_PART_STATUS,     /**< $? */
    ZM_PART_PID,        /**< $$ */
    ZM_PART_FLAGS,      /**< $- */
    ZM_PART_PARAMETER,  /**< ${name-word} and its kin */
    ZM_PART_COMMAND,    /**< $(list) */
    ZM_PART_MATCH,      /**< \0 to \9 */
    ZM_PART_LIST        /**< (list literal) */
} zm_part_kind_t;

typedef struct zm_words_t {
    zm_word_t **words;
    uint32_t count;
} zm_words_t;

typedef struct zm_parameter_t {
    zm_part_t *subject; /**< the variable or positional argument */
    char operation;     /**< one of - = ? + */
    bool colon;         /**< null and nil count as unset */
    zm_word_t *word;    /**< null: empty */
} zm_parameter_t;

struct zm_part_t {
    zm_part_kind_t kind;
    bool quoted;
    bool copy; /**< TEXT of a transient unit */
    union {
        zm_value_t text;
        zm_symbol_t *symbol;
        unsigned number;
        zm_parameter_t *parameter;
        zm_node_t *command;
        zm_words_t *list;
    } u;
};

struct zm_word_t {
    zm_part_t *parts;
    uint32_t count;
};

/* -- commands ----------------------------------------------------------------- */

typedef enum zm_node_kind_t {
    ZM_NODE_LIST,
    ZM_NODE_AND,
    ZM_NODE_OR,
    ZM_NODE_PIPE,
    ZM_NODE_SIMPLE,
    ZM_NODE_GROUP,
    ZM_NODE_SUBSHELL,
    ZM_NODE_IF,
    ZM_NODE_WHILE,
    ZM_NODE_UNTIL,
    ZM_NODE_FOR,
    ZM_NODE_CASE,
    ZM_NODE_SIFT,
    ZM_NODE_LOCAL,
    ZM_NODE_FUNCTION,
    ZM_NODE_REDIRECT /**< a compound command with redirections */
} zm_node_kind_t;

typedef enum zm_redirect_kind_t {
    ZM_REDIRECT_IN,
    ZM_REDIRECT_OUT,
    ZM_REDIRECT_APPEND,
    ZM_REDIRECT_BOTH,
    ZM_REDIRECT_COPY,  /**< n>&m, n<&m */
    ZM_REDIRECT_CLOSE, /**< n>&- */
    ZM_REDIRECT_HERE
} zm_redirect_kind_t;

typedef struct zm_redirect_t {
    zm_redirect_kind_t kind;
    bool fifo; /**< >@path, <@path */
    int descriptor;
    int source;        /**< COPY: the descriptor copied */
    zm_word_t *target; /**< path, or the text of a here-document */
    struct zm_redirect_t *next;
} zm_redirect_t;

typedef struct zm_assignment_t {
    zm_symbol_t *symbol;
    zm_word_t *word; /**< null: the null string */
} zm_assignment_t;

typedef struct zm_simple_t {
    zm_symbol_t *command; /**< the first word when it is a plain literal, else null */
    zm_assignment_t *assignments;
    uint32_t assignment_count;
    zm_words_t words; /**< with the first */
    zm_redirect_t *redirects;
} zm_simple_t;

typedef struct zm_arm_t {
    zm_words_t patterns;
    zm_node_t *body;
} zm_arm_t;

struct zm_regex_t;
struct zm_sift_pattern_t;

typedef struct zm_label_t {
    zm_str_t text;                     /**< after quote removal; of a dynamic label the source */
    zm_word_t *word;                   /**< dynamic: what it expands from; else null */
    bool effects;                      /**< expanding the word can do more than read variables */
    struct zm_regex_t *regex;          /**< ssift: compiled at first use */
    struct zm_sift_pattern_t *pattern; /**< tsift: the same */
    zm_node_t *body;
} zm_label_t;

typedef struct zm_sift_t {
    bool tokens; /**< tsift */
    zm_word_t *subject;
    zm_label_t *labels;
    uint32_t count;
    uint32_t line;
    zm_unit_t *unit;
} zm_sift_t;

struct zm_function_t {
    zm_symbol_t *name;
    zm_symbol_t **parameters;
    uint32_t parameter_count;
    zm_node_t *body;
    zm_unit_t *unit;
};

struct zm_node_t {
    zm_node_kind_t kind;
    uint32_t line;
    union {
        struct { /* LIST, PIPE */
            zm_node_t **items;
            uint32_t count;
            bool background; /* PIPE */
        } list;
        struct { /* AND, OR, WHILE, UNTIL: left is the condition */
            zm_node_t *left, *right;
        } pair;
        struct {
            zm_node_t *condition, *then, *otherwise;
        } branch;
        zm_node_t *body; /* GROUP, SUBSHELL */
        zm_simple_t simple;
        struct {
            zm_symbol_t *variable;
            zm_words_t words;
            bool arguments; /* no "in": over $@ */
            zm_node_t *body;
        } loop;
        struct {
            zm_word_t *subject;
            zm_arm_t *arms;
            uint32_t count;
        } choice;
        zm_sift_t sift;
        struct {
            zm_symbol_t **symbols;
            uint32_t count;
        } local;
        zm_function_t *function;
        struct {
            zm_node_t *body;
            zm_redirect_t *redirects;
        } redirect;
    } u;
};

/* -- units -------------------------------------------------------------------- */

struct zm_unit_t {
    apr_pool_t *pool;
    const char *name; /**< of the file, or "eval string", "trap", "stdin" */
    zm_node_t *body;
    unsigned holders;
    uint64_t since; /**< count of assignments when it was parsed */
    bool transient; /**< its literals may vanish before the scope ends: copy them */
    bool released;  /**< in the list of units to free */
    zm_unit_t *next_free;
};

#endif
