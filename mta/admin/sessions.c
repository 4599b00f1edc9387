/*
 * smtpserver-log-parser(8): the sessions of a log of the smtpserver in which
 * something was refused, or that a pattern finds.
 *
 * Lines of many sessions stand mixed in the log; their first seven characters
 * tell which belong together.  A session is kept until its end is seen.
 */
#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "mta/admin/spool_commands.h"
#include "mta/conf/options.h"

#define TAG 7
#define MOST_SESSIONS 20000      /* in memory; further ones are told at once */
#define MOST_OCTETS (256u << 10) /* of one session; its middle is left out */
#define LINE_LIMIT 65536

typedef struct talk_t {
    char tag[TAG + 1];
    zm_buf_t text;
    bool wanted, cut;
    struct talk_t *next, *previous; /* all, oldest first */
} talk_t;

typedef struct parser_t {
    apr_pool_t *pool;
    apr_hash_t *talks;
    talk_t all; /* head of the ring */
    int count;
    pcre2_code *pattern; /* null: 4xx and 5xx replies */
    pcre2_match_data *match;
    bool json, any;
    int told;
} parser_t;

/* -- sessions -------------------------------------------------------------------------- */

static void print_json(parser_t *parser, const talk_t *talk)
{
    zm_str_t rest = zm_buf_str(&talk->text), line;
    const char *comma = "";
    printf("%s{\"session\":", parser->any ? ",\n " : "");
    spool_json_string(talk->tag);
    printf(",\"lines\":[");
    while (rest.length > 0) {
        zm_buf_t one = ZM_BUF_INIT;
        (void)zm_str_cut(rest, '\n', &line, &rest);
        zm_buf_add_str(&one, line);
        printf("%s", comma);
        spool_json_string(zm_buf_c(&one));
        zm_buf_free(&one);
        comma = ",";
    }
    printf("]}");
}

static void tell(parser_t *parser, const talk_t *talk)
{
    if (parser->json) {
        print_json(parser, talk);
    } else {
        if (parser->any)
            putchar('\n');
        fwrite(talk->text.data, 1, talk->text.length, stdout);
    }
    fflush(stdout); /* the log may be followed */
    parser->any = true;
    parser->told++;
}

static void end_talk(parser_t *parser, talk_t *talk)
{
    if (talk->wanted)
        tell(parser, talk);
    apr_hash_set(parser->talks, talk->tag, TAG, NULL);
    talk->previous->next = talk->next;
    talk->next->previous = talk->previous;
    parser->count--;
    zm_buf_free(&talk->text);
    free(talk);
}

static talk_t *talk_of(parser_t *parser, zm_str_t line)
{
    talk_t *talk = apr_hash_get(parser->talks, line.data, TAG);
    if (talk != NULL)
        return talk;
    if (parser->count >= MOST_SESSIONS)
        end_talk(parser, parser->all.next);
    talk = calloc(1, sizeof *talk);
    if (talk == NULL)
        abort();
    memcpy(talk->tag, line.data, TAG);
    talk->next = &parser->all;
    talk->previous = parser->all.previous;
    talk->previous->next = parser->all.previous = talk;
    apr_hash_set(parser->talks, talk->tag, TAG, talk);
    parser->count++;
    return talk;
}

/* -- lines --------------------------------------------------------------------------------- */

/* "TTTTTTT0012w TAB 550 ...": where the type stands; 0: no line of a session. */
static apr_size_t find_type(zm_str_t line)
{
    apr_size_t at = TAG;
    if (line.length < TAG + 6)
        return 0;
    while (at < line.length && zm_is_digit((unsigned char)line.data[at]))
        at++;
    return at - TAG >= 4 && at + 1 < line.length && line.data[at + 1] == '\t' ? at : 0;
}

static bool is_wanted(const parser_t *parser, zm_str_t line, char type, zm_str_t text)
{
    if (parser->pattern != NULL)
        return pcre2_match(parser->pattern, (PCRE2_SPTR)line.data, line.length, 0, 0, parser->match,
                           NULL) >= 0;
    return type == 'w' && text.length >= 3 && (text.data[0] == '4' || text.data[0] == '5') &&
           zm_is_digit((unsigned char)text.data[1]);
}

static void take_line(parser_t *parser, zm_str_t line)
{
    apr_size_t at = find_type(line);
    zm_str_t text;
    talk_t *talk;
    char type;
    if (at == 0 || zm_str_starts(line, ZM_S("0000000")))
        return;
    type = line.data[at];
    text = zm_str_from(line, at + 2);
    talk = talk_of(parser, line);
    if (talk->text.length + line.length < MOST_OCTETS) {
        zm_buf_add_str(&talk->text, line);
        zm_buf_add_byte(&talk->text, '\n');
    } else if (!talk->cut) {
        talk->cut = true;
        zm_buf_add_c(&talk->text, "...\n");
    }
    talk->wanted |= is_wanted(parser, line, type, text);
    if (type == '-' || (type == 'w' && zm_str_starts(text, ZM_S("221"))) ||
        (type == '#' && zm_str_starts(text, ZM_S("end "))))
        end_talk(parser, talk);
}

static void read_all(parser_t *parser)
{
    char *line = apr_palloc(parser->pool, LINE_LIMIT);
    bool whole = true;
    while (fgets(line, LINE_LIMIT, stdin) != NULL) {
        zm_str_t text = zm_str(line);
        bool ends = text.length > 0 && text.data[text.length - 1] == '\n';
        if (whole) /* what is longer loses its end */
            take_line(parser, ends ? zm_str_of(text.data, text.length - 1) : text);
        whole = ends;
    }
    while (parser->all.next != &parser->all) /* those that still go on */
        end_talk(parser, parser->all.next);
}

static bool compile(parser_t *parser, const char *pattern)
{
    int number;
    PCRE2_SIZE at;
    PCRE2_UCHAR reason[200];
    parser->pattern =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &number, &at, NULL);
    if (parser->pattern != NULL) {
        parser->match = pcre2_match_data_create_from_pattern(parser->pattern, NULL);
        return parser->match != NULL;
    }
    pcre2_get_error_message(number, reason, sizeof reason);
    fprintf(stderr, "smtpserver-log-parser: \"%s\" is no pattern: %s at %u\n", pattern,
            (const char *)reason, (unsigned)at);
    return false;
}

int main(int argc, char **argv)
{
    parser_t parser = {0};
    const zm_option_t table[] = {
        {0, "json", ZM_OPTION_FLAG, &parser.json, NULL, NULL, "as JSON"},
    };
    const zm_command_line_t line = {
        "smtpserver-log-parser",
        "[PATTERN]",
        "show the sessions in a log of the smtpserver in which something "
        "was refused, or that match",
        table,
        1,
        NULL,
        0};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&parser.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc > 2) {
        fprintf(stderr, "smtpserver-log-parser: one pattern at a time\n");
        return ZM_EXIT_USAGE;
    }
    if (argc == 2 && !compile(&parser, argv[1]))
        return ZM_EXIT_USAGE;
    parser.talks = apr_hash_make(parser.pool);
    parser.all.next = parser.all.previous = &parser.all;
    if (parser.json)
        printf("[");
    read_all(&parser);
    if (parser.json)
        printf("]\n");
    pcre2_match_data_free(parser.match);
    pcre2_code_free(parser.pattern);
    return 0;
}
