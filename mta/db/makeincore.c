/*
 * make-incore(8): a text database as a script of the router that keeps it in memory,
 *
 *     relation -t incore NAME
 *     db add NAME 'key' 'value'
 *
 * so that looking it up costs no file.
 */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"

enum { EXIT_INPUT = 66, EXIT_OUTPUT = 73 };

/* 'it'\''s' */
static void print_quoted(FILE *out, zm_str_t text)
{
    apr_size_t i;
    fputc('\'', out);
    for (i = 0; i < text.length; i++)
        if (text.data[i] == '\'')
            fputs("'\\''", out);
        else
            fputc(text.data[i], out);
    fputc('\'', out);
}

static bool is_name(const char *name)
{
    if (!zm_is_alpha((unsigned char)*name) && *name != '_')
        return false;
    for (; *name != '\0'; name++)
        if (!zm_is_alpha((unsigned char)*name) && !zm_is_digit((unsigned char)*name) &&
            *name != '_')
            return false;
    return true;
}

static int convert(const char *name, FILE *in, FILE *out)
{
    static char line[65536];
    int number = 0;
    fprintf(out, "relation -t incore %s\n", name);
    while (fgets(line, sizeof line, in) != NULL) {
        zm_str_t text = zm_str(line), key, rest;
        number++;
        if (strlen(line) + 1 == sizeof line) {
            fprintf(stderr, "make-incore: line %d is too long\n", number);
            return EXIT_INPUT;
        }
        rest = zm_str_trim(text);
        if (rest.length == 0 || rest.data[0] == '#' || !zm_str_word(&rest, &key))
            continue;
        fprintf(out, "db add %s ", name);
        print_quoted(out, key);
        fputc(' ', out);
        print_quoted(out, zm_str_trim(rest));
        fputc('\n', out);
    }
    return ferror(in) ? EXIT_INPUT : 0;
}

int main(int argc, char **argv)
{
    const zm_command_line_t line = {"make-incore",
                                    "NAME [INPUT [OUTPUT]]",
                                    "write a text database as a script that keeps it in memory",
                                    NULL,
                                    0,
                                    NULL,
                                    0};
    FILE *in = stdin, *out = stdout;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc < 2 || argc > 4 || !is_name(argv[1])) {
        fprintf(stderr, "make-incore: expected the name of a relation; see make-incore --help\n");
        return ZM_EXIT_USAGE;
    }
    if (argc > 2 && strcmp(argv[2], "-") != 0 && (in = fopen(argv[2], "r")) == NULL) {
        fprintf(stderr, "make-incore: cannot read %s\n", argv[2]);
        return EXIT_INPUT;
    }
    if (argc > 3 && (out = fopen(argv[3], "w")) == NULL) {
        fprintf(stderr, "make-incore: cannot write %s\n", argv[3]);
        return EXIT_OUTPUT;
    }
    code = convert(argv[1], in, out);
    if (fclose(out) != 0 && code == 0) {
        fprintf(stderr, "make-incore: not all could be written\n");
        code = EXIT_OUTPUT;
    }
    return code;
}
