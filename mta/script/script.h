/**
 * The script language interpreter ("zmsh"), the language of router
 * configurations.
 *
 * A C program creates an interpreter, registers its built-ins, loads
 * configuration text, and calls script functions with values.  Nothing here is
 * shared between interpreters; one interpreter belongs to one thread.
 *
 * Two lifetimes.  What a script leaves in variables, functions and relations
 * lives as long as the interpreter.  Everything else (temporary strings, lists,
 * symbols that gensym makes in a scope) lives in the current scope and is released whole
 * when the scope ends.  zm_script_begin and zm_script_end bracket a scope, normally
 * one message.  Every entry made outside of a scope (load, call) is a scope of
 * its own, whose results die with the next entry.  When a scope ends, values
 * that variables still hold are copied to permanent memory, so a configuration
 * keeps what it computed at load time and caches what it learns.
 *
 * Errors come back as a status with a text in zm_error_t.  What a script itself
 * complains about goes to its standard error, see zm_script_set_output.
 */
#ifndef ZM_SCRIPT_SCRIPT_H
#define ZM_SCRIPT_SCRIPT_H

#include "mta/script/value.h"

typedef struct zm_script_t zm_script_t;

/* -- life --------------------------------------------------------------------- */

/**
 * What one entry from C may use.  0 means the default in brackets.  An entry
 * that a built-in makes while a script runs gets a share of what is left: an
 * eighth of the steps, half of the memory.
 */
typedef struct zm_script_limits_t {
    uint64_t steps;    /**< commands executed and label matches tried [20,000,000]; ~0: no limit */
    apr_size_t memory; /**< bytes of temporary values in one scope [256 MiB] */
    unsigned depth;    /**< nested function calls, sourced files, eval texts [200] */
} zm_script_limits_t;

typedef struct zm_script_options_t {
    const char *name;               /**< program name in messages, $0 at the top; null: "zmsh" */
    const char *flags;              /**< letters of set options to start with, or null */
    const char *const *environment; /**< null ended NAME=value list to import; null: nothing */
    zm_script_limits_t limits;
    bool no_files;    /**< opening a file by name is an error of the script */
    bool no_programs; /**< running an external program is an error of the script */
    bool old_sift;    /**< sifts follow their subjects as little as the original's (sift.c) */
} zm_script_options_t;

/** Creates an interpreter with the core built-ins and the relation commands.  It ends with the
 * pool. */
apr_status_t zm_script_create(zm_script_t **script, const zm_script_options_t *options,
                              apr_pool_t *pool);

void zm_script_set_limits(zm_script_t *script, const zm_script_limits_t *limits);

/** Where text goes that scripts write to descriptor 1 or 2.  stream is 1 or 2; data is not kept. */
typedef void zm_script_sink_fn(void *baton, int stream, const char *data, apr_size_t length);

/** Until this call descriptors 0, 1 and 2 are those of the process. */
void zm_script_set_output(zm_script_t *script, int stream, zm_script_sink_fn *sink, void *baton);
/** Standard input of scripts is this text (copied into permanent memory); null: end of file at
 * once. */
void zm_script_set_input(zm_script_t *script, const char *data, apr_size_t length);

/* -- scope -------------------------------------------------------------------- */

/** Begins a scope, normally a message: limits start anew, gensym restarts after the symbols made
 * outside of scopes, at g1 if there are none but g0.  Scopes do not nest. */
void zm_script_begin(zm_script_t *script);
/** Ends it: gensym variables vanish, surviving variables are made permanent, everything else is
 * released. */
void zm_script_end(zm_script_t *script);
/** A pool that is cleared when the current scope ends. */
apr_pool_t *zm_script_pool(zm_script_t *script);

/* -- running ------------------------------------------------------------------ */

/**
 * Reads, parses and runs a file in the global scope.  A syntax error runs
 * nothing of it and is ZM_E_SYNTAX with FILE, line, column and text; the line
 * with its marker goes to standard error of the script.  *status (may be null)
 * is the exit status of the last command.
 * Errors: as for opening a file, ZM_E_SYNTAX, ZM_E_LIMIT, ZM_E_STOPPED (the script called exit).
 * With the option letter s a text that ends within a command is APR_EINCOMPLETE, without a message.
 */
apr_status_t zm_script_source(zm_script_t *script, const char *path, int *status,
                              zm_error_t *error);

/** The same for a text in memory, called name in messages. */
apr_status_t zm_script_run(zm_script_t *script, zm_str_t text, const char *name, int *status,
                           zm_error_t *error);

/**
 * The first syntax error in any text since the start, or null.  A file sourced
 * by a script counts as done when it has one; a program that must not run on
 * half of its configuration asks here.
 */
const char *zm_script_syntax_error(const zm_script_t *script);

/** Appends one line of the script's standard input, with its newline, to text.  False at the end of
 * input. */
bool zm_script_read_line(zm_script_t *script, zm_buf_t *text);

/** Sets the positional arguments of the top level and its $0 (null: unchanged).  Copied. */
void zm_script_set_arguments(zm_script_t *script, const char *name0, const char *const *arguments,
                             apr_size_t count);

typedef struct zm_script_result_t {
    int status;       /**< exit status of the function */
    bool has_value;   /**< it returned a value (return or returns) */
    zm_value_t value; /**< that value, in the current scope; nil otherwise */
} zm_script_result_t;

/**
 * Calls a function, built-in or relation by name.  Text that it prints goes to
 * the sinks, its value is returned and not printed.
 * Errors: APR_ENOENT no such name; ZM_E_LIMIT steps, memory or depth are used
 * up (the reason is in error; everything is unwound and the interpreter is
 * usable, so treat the address as deferred); ZM_E_STOPPED the script called exit.
 */
apr_status_t zm_script_call(zm_script_t *script, const char *name, const zm_value_t *arguments,
                            apr_size_t count, zm_script_result_t *result, zm_error_t *error);

/** Whether a script function of that name exists; with built-ins and relations:
 * zm_script_has_command. */
bool zm_script_has_function(zm_script_t *script, const char *name);
bool zm_script_has_command(zm_script_t *script, const char *name);

/** The status given to exit after ZM_E_STOPPED. */
int zm_script_exit_status(const zm_script_t *script);

/** Runs the exit trap (trap 0), once.  For programs that end. */
void zm_script_run_exit_trap(zm_script_t *script);

/* -- values ------------------------------------------------------------------- */

zm_value_t zm_script_string(zm_script_t *script, zm_str_t string); /**< copied into the scope */
zm_value_t zm_script_string_c(zm_script_t *script, const char *text);
zm_value_t zm_script_printf(zm_script_t *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** A list of these items; the array is copied, the items are shared. */
zm_value_t zm_script_list(zm_script_t *script, const zm_value_t *items, apr_size_t count);
/** list with one more item. */
zm_value_t zm_script_append(zm_script_t *script, zm_value_t list, zm_value_t item);
/** All items of a, then all of b. */
zm_value_t zm_script_concat(zm_script_t *script, zm_value_t a, zm_value_t b);
/** A property list with the value of key replaced, or key and value appended. */
zm_value_t zm_script_with_property(zm_script_t *script, zm_value_t list, zm_str_t key,
                                   zm_value_t value);

/* -- variables ---------------------------------------------------------------- */

/** The visible value of a variable.  False when it is unset (nil is a value). */
bool zm_script_get(zm_script_t *script, zm_str_t name, zm_value_t *value);
/** As get, as a string; "" when unset or a list. */
zm_str_t zm_script_get_str(zm_script_t *script, const char *name);
/** Assigns as a script would: the innermost existing variable, else a global one. */
void zm_script_set(zm_script_t *script, zm_str_t name, zm_value_t value);
void zm_script_set_str(zm_script_t *script, const char *name, zm_str_t value);
void zm_script_unset(zm_script_t *script, zm_str_t name);

/* -- attributes --------------------------------------------------------------- */

/** A fresh global symbol "g0", "g1", ... holding that property list, removed when the scope ends.
 * One made outside of scopes, as by a configuration that loads, stays. */
zm_value_t zm_script_gensym(zm_script_t *script, zm_value_t property_list);
/** A property of the list in the variable named; false when either is missing. */
bool zm_script_attribute(zm_script_t *script, zm_str_t variable, zm_str_t key, zm_value_t *value);
void zm_script_set_attribute(zm_script_t *script, zm_str_t variable, zm_str_t key,
                             zm_value_t value);

/* -- temporary failures ------------------------------------------------------- */

/** Notes that a lookup failed for now: sets the variable `defer` to the reason, such as
 * "NS:example.org/mx". */
void zm_script_defer(zm_script_t *script, const char *reason);
/** `defer` becomes "" again; call it before each address. */
void zm_script_defer_clear(zm_script_t *script);
/** The reason, "" when none.  Set by lookups since the last clear, or by the script itself. */
zm_str_t zm_script_deferred(zm_script_t *script);

/* -- built-ins ---------------------------------------------------------------- */

typedef struct zm_call_t {
    zm_script_t *script;
    const char *name;       /**< the name it was called by */
    const zm_value_t *args; /**< without the name */
    apr_size_t count;
    void *baton;
} zm_call_t;

/** Returns the exit status.  Built-ins of the list kind use zm_call_return instead: none returned
 * is status 1. */
typedef int zm_builtin_fn(zm_call_t *call);

typedef enum zm_builtin_kind_t {
    ZM_BUILTIN_ARGV, /**< gets strings only (lists are removed from the arguments), prints text,
                        gives a status */
    ZM_BUILTIN_LIST  /**< gets and returns values */
} zm_builtin_kind_t;

/** Registers a command of the language; a script function of the same name hides it.  name must be
 * static. */
void zm_script_define(zm_script_t *script, const char *name, zm_builtin_kind_t kind,
                      zm_builtin_fn *fn, void *baton);

zm_str_t zm_call_arg(const zm_call_t *call,
                     apr_size_t index); /**< as a string; "" when missing or a list */
const char *zm_call_arg_c(const zm_call_t *call,
                          apr_size_t index); /**< NUL-terminated copy in the scope */
void zm_call_print(zm_call_t *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
void zm_call_write(zm_call_t *call, zm_str_t text); /**< to standard output */
/** One line on standard error, "NAME: text". */
void zm_call_complain(zm_call_t *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** One more returned value (list kind). */
void zm_call_return(zm_call_t *call, zm_value_t value);
/** All of standard input from here to its end, in the scope. */
zm_str_t zm_call_read_all(zm_call_t *call);
/** Calls a function, built-in or relation from inside a built-in, within the limits of the running
 * entry. */
apr_status_t zm_call_call(zm_call_t *call, const char *name, const zm_value_t *arguments,
                          apr_size_t count, zm_script_result_t *result);

/* -- signals ------------------------------------------------------------------ */

/** Notes a signal (1 to 63): its trap text runs at the next safe point.  Async-signal safe. */
void zm_script_signal(zm_script_t *script, int number);
/** Runs the traps of signals noted so far; programs call it between messages. */
void zm_script_run_traps(zm_script_t *script);
typedef enum zm_trap_t { ZM_TRAP_DEFAULT, ZM_TRAP_IGNORE, ZM_TRAP_CATCH } zm_trap_t;
typedef void zm_script_trap_fn(void *baton, int number, zm_trap_t what);
/** Called when a script changes a trap, so that the program can install its handler. */
void zm_script_on_trap(zm_script_t *script, zm_script_trap_fn *fn, void *baton);
/** With hold, signal number is not run between operations, only by zm_script_run_traps (the
 * router's signal 1). */
void zm_script_hold_trap(zm_script_t *script, int number, bool hold);

/* -- tracing ------------------------------------------------------------------ */

typedef enum zm_trace_t {
    ZM_TRACE_CALL = 1,   /**< name and arguments as a list */
    ZM_TRACE_RETURN = 2, /**< name and returned value */
    ZM_TRACE_LOOKUP =
        4, /**< relation and (key answer), nil answer: absent; (key nil reason): failed */
    ZM_TRACE_ASSIGN = 8,  /**< variable and value */
    ZM_TRACE_MATCH = 16,  /**< label text and subject of a successful match */
    ZM_TRACE_COMPARE = 32 /**< label text and subject of every attempt */
} zm_trace_t;

typedef void zm_script_trace_fn(void *baton, zm_trace_t what, unsigned depth, zm_str_t name,
                                zm_value_t value);
/** Whether the script asked with the command `trace` for that keyword ("rewrite", "router",
 * "sequencer", ...). */
bool zm_script_traced(zm_script_t *script, const char *keyword);
/** A line "KEYWORD: text" on the script's standard error, if that keyword is traced. */
void zm_script_trace_text(zm_script_t *script, const char *keyword, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same with a value in its printed form behind the text. */
void zm_script_trace_value(zm_script_t *script, const char *keyword, zm_str_t text,
                           zm_value_t value);
/** Whether the command `trace` knows that word. */
bool zm_script_trace_word(zm_str_t word);
/** Reports the events in mask (0: none) as they happen. */
void zm_script_set_trace(zm_script_t *script, unsigned mask, zm_script_trace_fn *fn, void *baton);

#endif
