/**
 * The interpreter's state, private to this folder.
 *
 * Values made while running live in the arena of the scope.  Argument vectors
 * and loop items live on the value stack, which never moves, so a callee may
 * keep pointers into it while it runs.
 */
#ifndef ZM_SCRIPT_INTERP_H
#define ZM_SCRIPT_INTERP_H

#include <apr_file_io.h>
#include <apr_thread_proc.h>
#include <stdatomic.h>

#include "mta/map/relation.h"
#include "mta/script/arena.h"
#include "mta/script/io.h"
#include "mta/script/script.h"
#include "mta/script/tree.h"

#define ZM_STACK_VALUES 262144 /* items of all argument vectors and loops at one time */
#define ZM_STACK_BYTES 786432  /* of C stack that one entry may use */
#define ZM_SIFT_LABELS 10000   /* labels tried in one sift */
#define ZM_LIST_DEPTH 200      /* lists within lists */
#define ZM_SIGNALS 64
#define ZM_GENSYMS 100000        /* made outside of scopes; then the oldest ones are made anew */
#define ZM_SCOPE_GENSYMS 1000000 /* made in one scope */

/** Set options, by letter. */
typedef enum zm_flag_t {
    ZM_FLAG_ALLEXPORT = 1,
    ZM_FLAG_ERREXIT = 2,
    ZM_FLAG_NOGLOB = 4,
    ZM_FLAG_HASH = 8,
    ZM_FLAG_NOEXEC = 16,
    ZM_FLAG_ONECMD = 32,
    ZM_FLAG_NOUNSET = 64,
    ZM_FLAG_VERBOSE = 128,
    ZM_FLAG_XTRACE = 256,
    ZM_FLAG_INTERACTIVE = 512,
    ZM_FLAG_STDIN = 1024,
    ZM_FLAG_KEYWORD = 2048,
    ZM_FLAG_OPTIMISE = 4096
} zm_flag_t;

/** The positional arguments of one activation. */
typedef struct zm_frame_t {
    zm_value_t name; /**< $0 */
    const zm_value_t *args;
    uint32_t count;
} zm_frame_t;

/** The value of the last command: nothing, one or several. */
typedef struct zm_result_t {
    uint32_t count;
    bool set;
    zm_value_t one;
    const zm_value_t *many; /**< when count > 1 */
} zm_result_t;

/** What a matched label left for \0 to \9. */
typedef struct zm_match_t {
    bool tokens;
    bool matched;
    unsigned count;      /**< groups that exist, with number 0 */
    zm_str_t groups[10]; /**< data null: unmatched */
} zm_match_t;

typedef struct zm_undo_t {
    zm_symbol_t *symbol;
    zm_cell_t cell;
} zm_undo_t;

typedef struct zm_read_t {
    zm_symbol_t *symbol;
    uint64_t version;
} zm_read_t;

typedef struct zm_prefix_t {
    zm_symbol_t *symbol;
    struct zm_prefix_t *outer;
} zm_prefix_t;

typedef struct zm_relation_entry_t {
    const char *name;
    zm_relation_t *relation;
    zm_builtin_t builtin;
    struct zm_relation_entry_t *next;
} zm_relation_entry_t;

typedef struct zm_background_t {
    apr_proc_t process;
    apr_pool_t *pool;
    struct zm_background_t *next;
} zm_background_t;

struct zm_script_t {
    apr_pool_t *pool; /**< permanent */
    zm_arena_t arena;
    zm_symbols_t symbols;
    const char *program; /**< name in messages */
    apr_int64_t pid;
    bool no_programs, no_files;

    /* variables */
    zm_undo_t *undo;
    uint32_t undo_count, undo_size;
    uint32_t depth; /**< of scopes */
    uint64_t version;
    zm_symbol_t **dirty;
    uint32_t dirty_count, dirty_size;
    uint32_t gensym;       /**< next number */
    uint32_t gensym_limit; /**< in a scope: no more than up to here */
    uint32_t gensym_kept;  /**< numbers below stand for good: given before the first scope */
    void **retired;        /**< blocks freed when the scope ends */
    uint32_t retired_count, retired_size;
    zm_read_t *reads;
    uint32_t read_count, read_size;
    uint32_t tracking; /**< sift subjects being evaluated */
    zm_prefix_t *prefix;
    bool ifs[256];
    zm_symbol_t *symbol_ifs, *symbol_path, *symbol_defer, *symbol_home;

    /* running */
    zm_value_t *stack;
    uint32_t stack_top;
    zm_frame_t *frame, top;
    void *top_owned; /**< malloc block behind the arguments of the top */
    uint32_t loops;  /**< enclosing loops in the current function or unit */
    uint32_t levels;
    int status, exit_status;
    const char *syntax_error; /* the first one met, or null */
    zm_result_t result;
    bool want_value; /**< results are kept for a substitution instead of being printed */
    zm_match_t *match;
    struct zm_regex_scratch_t *regex_scratch;
    unsigned flags;
    unsigned running; /**< entries from C that are active */
    bool in_scope;    /**< between begin and end */

    /* limits */
    zm_script_limits_t limits;
    uint64_t steps_left;
    unsigned activations;
    const char *stack_base;
    char reason[200]; /**< why ABORT */

    /* input and output */
    zm_stream_t *fds[ZM_DESCRIPTORS];
    zm_stream_t *free_streams;
    zm_background_t *background;

    /* units */
    zm_unit_t *free_units;

    /* signals */
    char *traps[ZM_SIGNALS]; /**< malloc; "" ignore; null default */
    bool held[ZM_SIGNALS];
    atomic_int pending[ZM_SIGNALS];
    atomic_int any_pending;
    bool in_trap;

    /* sifts as in the original (sift.c) */
    bool old_sift;
    uint64_t sift_forgot; /**< assignments up to this version have been forgotten */
    uint64_t sift_count;  /**< sifts begun so far */
    zm_script_trap_fn *on_trap;
    void *on_trap_baton;

    /* relations and tracing */
    zm_relation_entry_t *relations;
    unsigned trace_mask;
    zm_script_trace_fn *trace;
    void *trace_baton;
    unsigned trace_words; /**< keywords of the trace command, a set of bits */
    unsigned getopts_at;  /**< position inside of a cluster of options */
};

/* -- limits (limits.c) ------------------------------------------------------------ */

/** Counts one step.  False when the evaluation must be aborted. */
bool zm_step_slow(zm_script_t *script);
static inline bool zm_step(zm_script_t *script)
{
    if (script->steps_left-- == 0 || script->arena.exhausted)
        return zm_step_slow(script);
    return true;
}
/** Notes that the C stack is used up; false. */
bool zm_stack_full(zm_script_t *script);
/** Whether the C stack allows one more level; false has set the reason. */
static inline bool zm_stack_ok(zm_script_t *script)
{
    const char *now = __builtin_frame_address(0); /* no local's address: sanitizers move those */
    apr_size_t used = (apr_size_t)(now < script->stack_base ? script->stack_base - now
                                                            : now - script->stack_base);
    return script->stack_base == NULL || used < ZM_STACK_BYTES || zm_stack_full(script);
}
/** Notes why, and returns ZM_FLOW_ABORT. */
zm_flow_t zm_abort(zm_script_t *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* -- strings ------------------------------------------------------------------------ */

/** A copy in the arena; the null string when the limit forbids it. */
zm_value_t zm_make_string(zm_script_t *script, const char *data, apr_size_t length);
zm_value_t zm_make_number(zm_script_t *script, int64_t number);
/** The depth of a list of these items.  Above ZM_LIST_DEPTH the evaluation is aborted. */
uint32_t zm_list_depth(zm_script_t *script, const zm_value_t *items, apr_size_t count);
/** A list whose items array is copied into the arena. */
zm_value_t zm_make_list(zm_script_t *script, const zm_value_t *items, apr_size_t count);

/** Pushes on the value stack.  False when it is full, with the reason set. */
static inline bool zm_push(zm_script_t *script, zm_value_t value)
{
    if (script->stack_top >= ZM_STACK_VALUES)
        return false;
    script->stack[script->stack_top++] = value;
    return true;
}

/* -- units (unit.c) ------------------------------------------------------------------- */

/**
 * Parses; on an error reports it on standard error and in error, and returns
 * ZM_E_SYNTAX.  Held once.  transient: the unit may be freed as soon as it has run.
 */
apr_status_t zm_unit_parse(zm_unit_t **unit, zm_script_t *script, zm_str_t text, const char *name,
                           bool transient, zm_error_t *error);
void zm_unit_hold(zm_unit_t *unit);
/** Lets go; the last one puts the unit in the list freed by zm_units_sweep (or frees it, when
 * transient). */
void zm_unit_release(zm_script_t *script, zm_unit_t *unit);
/** Frees the released units that were parsed after `since` (0: all). */
void zm_units_sweep(zm_script_t *script, uint64_t since);

/* -- messages ---------------------------------------------------------------------- */

/** "PROGRAM: text" on the script's standard error. */
void zm_complain(zm_script_t *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* -- external programs (program.c) -------------------------------------------------------- */

typedef struct zm_external_t {
    apr_proc_t process;
    apr_pool_t *pool;
    zm_stream_t *output;         /**< where text read from the program goes, or null */
    apr_file_t *reader, *writer; /**< the pipe behind output */
    apr_file_t *errors;          /**< file that collected standard error, or null */
} zm_external_t;

/** Finds and starts a program.  False: it could not; the status is set. */
bool zm_external_start(zm_script_t *script, zm_external_t *program, zm_symbol_t *symbol,
                       const zm_value_t *words, uint32_t count);
/** Passes its output on, waits for its end, and sets the status. */
void zm_external_finish(zm_script_t *script, zm_external_t *program);
/** Path of a program, in the scope; null: not found. */
const char *zm_external_find(zm_script_t *script, zm_str_t name);
/** Starts one that is not waited for; prints its number. */
void zm_external_background(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *words,
                            uint32_t count);

/* -- evaluation (eval.c, command.c, function.c, sift.c) -------------------------------- */

zm_flow_t zm_eval(zm_script_t *script, const zm_node_t *node);
/** With started, an external program is started and not waited for, and *started is true. */
zm_flow_t zm_eval_simple(zm_script_t *script, const zm_node_t *node, zm_external_t *program,
                         bool *started);
zm_flow_t zm_eval_pipe(zm_script_t *script, const zm_node_t *node);
zm_flow_t zm_eval_sift(zm_script_t *script, const zm_node_t *node);
zm_flow_t zm_eval_case(zm_script_t *script, const zm_node_t *node);
zm_flow_t zm_eval_subshell(zm_script_t *script, const zm_node_t *body);
zm_flow_t zm_eval_redirected(zm_script_t *script, const zm_node_t *node);

/** Runs a command whose name and arguments are known; words[0] is the name.  symbol: of the name,
 * or null. */
zm_flow_t zm_run_command(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *words,
                         uint32_t count, zm_external_t *program, bool *started);
zm_flow_t zm_call_function(zm_script_t *script, zm_function_t *function, zm_value_t name,
                           const zm_value_t *args, uint32_t count);
zm_flow_t zm_call_builtin(zm_script_t *script, const zm_builtin_t *builtin, const char *name,
                          const zm_value_t *args, uint32_t count);
/** Runs a parsed unit as sourced file, eval text or trap: return and loops end in it. */
zm_flow_t zm_run_unit(zm_script_t *script, zm_unit_t *unit);
zm_flow_t zm_run_special(zm_script_t *script, const zm_builtin_t *builtin, const zm_value_t *words,
                         uint32_t count);
/** Prints the result in grind form and forgets it, unless a substitution wants it. */
void zm_print_result(zm_script_t *script);

static inline void zm_result_clear(zm_script_t *script)
{
    script->result.count = 0;
    script->result.set = false;
}
static inline void zm_result_one(zm_script_t *script, zm_value_t value)
{
    script->result.count = 1;
    script->result.set = true;
    script->result.one = value;
}
static inline const zm_value_t *zm_result_items(const zm_result_t *result)
{
    return result->count > 1 ? result->many : &result->one;
}

/* -- words (expand.c, substitute.c) ------------------------------------------------------ */

/** Pushes what the words expand to. */
zm_flow_t zm_expand_words(zm_script_t *script, const zm_words_t *words);
zm_flow_t zm_expand_word(zm_script_t *script, const zm_word_t *word);
/** One value, without splitting: assignments, subjects, file names. */
zm_flow_t zm_expand_value(zm_script_t *script, const zm_word_t *word, zm_value_t *value);
/** A fragment of a case pattern at a time. */
typedef void zm_fragment_fn(void *baton, zm_str_t text, bool literal);
zm_flow_t zm_expand_fragments(zm_script_t *script, const zm_word_t *word, zm_fragment_fn *fn,
                              void *baton);
/** Runs a list and takes its value, or its text normalised as one string (result->set false). */
zm_flow_t zm_substitute(zm_script_t *script, const zm_node_t *list, zm_result_t *result);

/* -- options and traps (option.c, trap.c) ---------------------------------------------------- */

/** The flag of a letter, 0 if there is none. */
unsigned zm_flag_of(char letter);
zm_value_t zm_flags_value(zm_script_t *script);
void zm_trap_set(zm_script_t *script, int number, const char *text);
zm_flow_t zm_traps_run(zm_script_t *script, bool held_too);
static inline bool zm_traps_wait(const zm_script_t *script)
{
    return script->any_pending != 0 && !script->in_trap;
}

/* -- built-ins ------------------------------------------------------------------------------ */

void zm_define_special(zm_script_t *script, const char *name, zm_builtin_special_t special);
void zm_builtin_list_define(zm_script_t *script);
void zm_builtin_core_define(zm_script_t *script);
void zm_builtin_shell_define(zm_script_t *script);
void zm_builtin_test_define(zm_script_t *script);
void zm_builtin_text_define(zm_script_t *script);
void zm_builtin_user_define(zm_script_t *script);
void zm_builtin_relation_define(zm_script_t *script);
void zm_builtin_db_define(zm_script_t *script);
void zm_builtin_trace_define(zm_script_t *script);
zm_relation_entry_t *zm_relation_find(zm_script_t *script, zm_str_t name);
/** Matches `**`, `*`, `?` and sets against the file system. */
void zm_glob(zm_call_t *call, zm_str_t pattern);

#endif
