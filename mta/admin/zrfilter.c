/*
 * zrfilter(8): runs a filter on the message in a spool file, without the envelope
 * that stands before it.
 *
 * The filter has our standard output and error, and its standard input is the
 * file itself, from the header on; its exit status is ours.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "platform/child.h"
#include "spool/message.h"

enum { EXIT_SIGNAL = 60, EXIT_FATAL = 61 };

#define LINE_LIMIT 65536

typedef struct run_t {
    zm_loop_t *loop;
    zm_child_end_t end;
} run_t;

static int complain(bool quiet, const char *what, const char *why)
{
    if (!quiet)
        fprintf(stderr, "zrfilter: %s: %s\n", what, why);
    return EXIT_FATAL;
}

static bool is_envelope(zm_str_t line)
{
    zm_str_t word;
    return zm_str_word(&line, &word) && zm_envelope_keyword(word) != ZM_ENV_UNKNOWN;
}

/* Where the header begins: behind env-end, or at the first line that is no envelope's. */
static long find_header(FILE *in)
{
    static char line[LINE_LIMIT];
    long offset = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        apr_size_t length = strlen(line);
        zm_str_t text = zm_str_trim(zm_str_of(line, length));
        bool folded = line[0] == ' ' || line[0] == '\t';
        if (!folded && !is_envelope(text))
            return offset;
        offset += (long)length;
        if (zm_str_equal_nocase(text, ZM_S("env-end")) ||
            zm_str_equal_nocase(text, ZM_S("env-eof")))
            return offset;
    }
    return offset;
}

/* Blanks part the words; quotes of either kind keep them. */
static apr_array_header_t *split(const char *command, apr_pool_t *pool)
{
    apr_array_header_t *words = apr_array_make(pool, 8, sizeof(const char *));
    zm_buf_t word = ZM_BUF_INIT;
    char quote = '\0';
    bool any = false;
    for (;; command++) {
        if (*command == '\0' || (quote == '\0' && zm_is_blank((unsigned char)*command))) {
            if (any)
                APR_ARRAY_PUSH(words, const char *) = zm_str_c(pool, zm_buf_str(&word));
            zm_buf_clear(&word);
            any = false;
            if (*command == '\0')
                break;
        } else if (quote == '\0' && (*command == '"' || *command == '\'')) {
            quote = *command;
            any = true;
        } else if (*command == quote) {
            quote = '\0';
        } else {
            zm_buf_add_byte(&word, *command);
            any = true;
        }
    }
    zm_buf_free(&word);
    APR_ARRAY_PUSH(words, const char *) = NULL;
    return words;
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    run_t *run = baton;
    (void)child;
    run->end = *end;
    zm_loop_stop(run->loop);
}

static int run_filter(const apr_array_header_t *words, bool quiet, apr_pool_t *pool)
{
    zm_child_spec_t spec = {.argv = (const char *const *)words->elts, .io = ZM_CHILD_INHERIT};
    zm_error_t error = {0};
    run_t run = {0};
    zm_child_t *child;
    if (zm_loop_create(&run.loop, pool) != APR_SUCCESS)
        return complain(quiet, spec.argv[0], "cannot make an event loop");
    if (zm_child_start(&child, &spec, run.loop, on_end, &run, &error) != APR_SUCCESS)
        return complain(quiet, spec.argv[0], error.text);
    (void)zm_loop_run(run.loop);
    zm_child_close(child);
    if (!run.end.signalled)
        return run.end.code;
    (void)complain(quiet, spec.argv[0], "was ended by a signal");
    return EXIT_SIGNAL;
}

int main(int argc, char **argv)
{
    const char *command = NULL, *file = NULL;
    bool quiet = false, verbose = false;
    const zm_option_t table[] = {
        {'e', "execute", ZM_OPTION_TEXT, &command, NULL, "COMMAND",
         "the filter: absolute path and arguments"},
        {'m', "message", ZM_OPTION_TEXT, &file, NULL, "FILE",
         "the message, as it lies in the spool"},
        {'q', "quiet", ZM_OPTION_FLAG, &quiet, NULL, NULL, "say nothing oneself"},
        {'v', "verbose", ZM_OPTION_FLAG, &verbose, NULL, NULL, "tell what is run, and its end"},
    };
    const zm_command_line_t line = {"zrfilter",
                                    NULL,
                                    "run a filter on the message in a spool file",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    apr_array_header_t *words;
    apr_pool_t *pool;
    long offset;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    words = command != NULL ? split(command, pool) : NULL;
    if (file == NULL || words == NULL || words->nelts < 2) {
        fprintf(stderr, "zrfilter: expected -e COMMAND and -m FILE; see zrfilter --help\n");
        return ZM_EXIT_USAGE;
    }
    if (freopen(file, "rb", stdin) == NULL)
        return complain(quiet, file, "cannot be opened");
    (void)setvbuf(stdin, NULL, _IONBF, 0); /* what is read ahead would be lost to the filter */
    offset = find_header(stdin);
    if (fseek(stdin, offset, SEEK_SET) != 0)
        return complain(quiet, file, "cannot be read from its header on");
    if (verbose)
        fprintf(stderr, "zrfilter: %s, from octet %ld of %s\n",
                APR_ARRAY_IDX(words, 0, const char *), offset, file);
    code = run_filter(words, quiet, pool);
    if (verbose)
        fprintf(stderr, "zrfilter: exit status %d\n", code);
    return code;
}
