/*
 * listexpand(8): sends a message on to the members of a list.
 *
 *     listexpand [-debug] [+ezmlm] [-BUNDLE] OWNER LISTFILE [UID]
 *
 * It stands in an alias, as "|listexpand owner-l@example.org /lists/l".  The list
 * is sorted by domains read from behind, so that recipients who share a server are
 * together, and cut into bundles, each of which becomes a message of its own:
 * routing a list of any length takes the memory of one bundle.
 *
 * All bundles are written before the first is handed in, as far as MOST_OPEN of
 * them, so that what fails has mostly sent nothing, and may be tried again.
 */
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/mail/smtp_path.h"
#include "mta/mail/xtext.h"
#include "mta/submit/handover.h"
#include "mta/submit/preamble.h"
#include "platform/exec.h"
#include "platform/fs.h"

enum { EXIT_CANNOT_CREATE = 73, EXIT_TRY_AGAIN = 75 };

#define BUNDLE 500
#define MOST_OPEN 64
#define LIST_LIMIT (256u << 20)
#define MOST_TOLD 100 /* bad lines */
#define BLOCK 65536

typedef struct member_t {
    const char *address; /* the domain in lower case */
    const char *domain;  /* in it */
} member_t;

typedef struct bad_line_t {
    int line;
    zm_str_t text;
    const char *why;
} bad_line_t;

typedef struct expansion_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    handover_t handover;
    const char *owner, *path;
    zm_uid_t uid;
    int64_t bundle;
    bool debug, ezmlm;
    apr_array_header_t *members, *bad;
    apr_file_t *body; /* a scratch file that nobody else sees */
    char *block;      /* a piece of it */
} expansion_t;

static int complain(int code, const char *text)
{
    fprintf(stderr, "listexpand: %s\n", text);
    return code;
}

static int complain_about(const expansion_t *expansion, int code, const char *what,
                          apr_status_t status)
{
    char reason[200];
    return complain(code, apr_psprintf(expansion->pool, "%s: %s", what,
                                       zm_status_text(status, reason, sizeof reason)));
}

/* -- the list -------------------------------------------------------------------------- */

static void add_member(expansion_t *expansion, zm_str_t line, int number)
{
    zm_smtp_problem_t problem = {"no address", 0};
    zm_smtp_path_t path;
    zm_str_t domain;
    member_t *member;
    if (!zm_smtp_path(line, ZM_PATH_FULL | ZM_PATH_SLOPPY, &path, &problem) ||
        path.local.length == 0) {
        bad_line_t bad = {number, line, problem.text};
        APR_ARRAY_PUSH(expansion->bad, bad_line_t) = bad;
        return;
    }
    domain = zm_str_lower(expansion->pool, path.domain);
    member = apr_array_push(expansion->members);
    member->address = apr_psprintf(expansion->pool, "%.*s@%.*s", (int)path.local.length,
                                   path.local.data, (int)domain.length, domain.data);
    member->domain = member->address + path.local.length + 1;
}

/* "a.example.org" before "b.example.org": labels from behind, then the whole address. */
static int by_domain(const void *a, const void *b)
{
    const member_t *one = a, *two = b;
    const char *x = one->domain + strlen(one->domain), *y = two->domain + strlen(two->domain);
    while (x > one->domain && y > two->domain) {
        x--;
        y--;
        if (*x != *y)
            return *x == '.' ? -1 : *y == '.' ? 1 : (unsigned char)*x - (unsigned char)*y;
    }
    if (x > one->domain || y > two->domain)
        return x > one->domain ? 1 : -1;
    return strcmp(one->address, two->address);
}

static int read_list(expansion_t *expansion)
{
    apr_size_t length;
    char *data;
    zm_str_t rest, line;
    bool more = true;
    int number = 0, i, kept = 0;
    member_t *members;
    apr_status_t status =
        zm_file_slurp(&data, &length, expansion->path, LIST_LIMIT, expansion->pool);
    if (status != APR_SUCCESS)
        return complain_about(expansion, EXIT_TRY_AGAIN,
                              apr_pstrcat(expansion->pool, "cannot read ", expansion->path, NULL),
                              status);
    for (rest = zm_str_of(data, length); more;) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        number++;
        line = zm_str_trim(line);
        if (line.length > 0 && line.data[0] != '#')
            add_member(expansion, line, number);
    }
    members = (member_t *)(void *)expansion->members->elts;
    qsort(members, (apr_size_t)expansion->members->nelts, sizeof *members, by_domain);
    for (i = 0; i < expansion->members->nelts; i++) /* who stands there twice gets it once */
        if (kept == 0 || strcmp(members[kept - 1].address, members[i].address) != 0)
            members[kept++] = members[i];
    expansion->members->nelts = kept;
    return 0;
}

/* -- the message ------------------------------------------------------------------------ */

/* Keeps standard input, less a first "From " line, where each bundle can read it. */
static int keep_message(expansion_t *expansion)
{
    char *name = NULL, *block = expansion->block = apr_palloc(expansion->pool, BLOCK);
    const char *directory = NULL;
    bool skipping = false, begun = false;
    apr_file_t *in;
    apr_status_t status = apr_file_open_stdin(&in, expansion->pool);
    if (status == APR_SUCCESS)
        status = apr_temp_dir_get(&directory, expansion->pool);
    if (status == APR_SUCCESS) {
        name = apr_pstrcat(expansion->pool, directory, "/listexpand.XXXXXX", NULL);
        status = apr_file_mktemp(&expansion->body, name,
                                 APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE |
                                     APR_FOPEN_EXCL | APR_FOPEN_BINARY | APR_FOPEN_DELONCLOSE,
                                 expansion->pool);
    }
    if (status != APR_SUCCESS)
        return complain_about(expansion, EXIT_CANNOT_CREATE, "cannot make a scratch file", status);
    for (;;) {
        apr_size_t length = BLOCK;
        zm_str_t text;
        if ((status = apr_file_read_full(in, block, BLOCK, &length)) != APR_SUCCESS &&
            !APR_STATUS_IS_EOF(status))
            return complain_about(expansion, EXIT_TRY_AGAIN, "cannot read the message", status);
        text = zm_str_of(block, length);
        if (!begun)
            skipping = zm_str_starts(text, ZM_S("From "));
        begun = true;
        if (skipping) {
            apr_ssize_t end = zm_str_find(text, '\n');
            skipping = end < 0;
            text = end < 0 ? zm_str_of(block, 0) : zm_str_from(text, (apr_size_t)end + 1);
        }
        if (text.length > 0 &&
            apr_file_write_full(expansion->body, text.data, text.length, NULL) != APR_SUCCESS)
            return complain(EXIT_CANNOT_CREATE, "the scratch file cannot be written");
        if (length < BLOCK)
            return 0;
    }
}

/* -- bundles ------------------------------------------------------------------------------- */

static apr_status_t put_line(expansion_t *expansion, zm_submission_t *submission,
                             const char *keyword, const char *value)
{
    if (submission != NULL)
        return zm_submit_line(submission, keyword, zm_str(value));
    (void)expansion;
    printf("%s%s%s\n", keyword, *value != '\0' ? " " : "", value);
    return APR_SUCCESS;
}

/* "ann@example.org" for a VERP: "ann=40example=2Eorg" */
static void add_quoted(zm_buf_t *out, const char *address)
{
    for (; *address != '\0'; address++)
        if (zm_is_digit((unsigned char)*address) || zm_is_alpha((unsigned char)*address))
            zm_buf_add_byte(out, *address);
        else
            zm_buf_printf(out, "=%02X", (unsigned char)*address);
}

static apr_status_t put_recipient(expansion_t *expansion, zm_submission_t *submission,
                                  const char *address)
{
    zm_buf_t dsn = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_add_c(&dsn, "ORCPT=rfc822;");
    zm_xtext_add(&dsn, zm_str(address));
    if (expansion->ezmlm) {
        zm_buf_add_c(&dsn, " EZMLM=+");
        add_quoted(&dsn, address);
    }
    status = put_line(expansion, submission, "todsn", zm_buf_c(&dsn));
    zm_buf_free(&dsn);
    return status != APR_SUCCESS ? status : put_line(expansion, submission, "to", address);
}

static apr_status_t put_head(expansion_t *expansion, zm_submission_t *submission,
                             const char *sender)
{
    preamble_t preamble;
    apr_status_t status;
    preamble_read(&preamble, zm_site_hostname(expansion->zenv, expansion->pool), expansion->pool);
    status = put_line(expansion, submission, "rcvdfrom", preamble.received);
    if (status == APR_SUCCESS)
        status = put_line(expansion, submission, "via", "listexpand");
    if (status == APR_SUCCESS)
        status = *sender != '\0' && *sender != ' '
                     ? put_line(expansion, submission, "from", sender)
                     : put_line(expansion, submission, "channel", "error");
    return status;
}

static apr_status_t put_env_end(zm_submission_t *submission)
{
    if (submission != NULL)
        return zm_submit_env_end(submission);
    puts("env-end");
    return APR_SUCCESS;
}

static apr_status_t put_body(expansion_t *expansion, zm_submission_t *submission)
{
    char *block = expansion->block;
    apr_off_t start = 0;
    apr_status_t status = apr_file_seek(expansion->body, APR_SET, &start);
    while (status == APR_SUCCESS) {
        apr_size_t length = 0;
        apr_status_t reading = apr_file_read_full(expansion->body, block, BLOCK, &length);
        if (submission == NULL)
            fwrite(block, 1, length, stdout);
        else if (length > 0)
            status = zm_submit_write(submission, block, length);
        if (APR_STATUS_IS_EOF(reading) || length < BLOCK)
            break;
        if (status == APR_SUCCESS)
            status = reading;
    }
    return status;
}

/* One bundle: members from..to, or nobody but the postmaster of an empty list. */
static apr_status_t put_bundle(expansion_t *expansion, zm_submission_t *submission, int from,
                               int to)
{
    apr_status_t status = put_head(expansion, submission, expansion->owner);
    int i;
    for (i = from; status == APR_SUCCESS && i < to; i++)
        status = put_recipient(expansion, submission,
                               APR_ARRAY_IDX(expansion->members, i, member_t).address);
    if (status == APR_SUCCESS && from == to)
        status = put_recipient(expansion, submission, "postmaster");
    if (status == APR_SUCCESS)
        status = put_env_end(submission);
    return status != APR_SUCCESS ? status : put_body(expansion, submission);
}

static apr_status_t begin(expansion_t *expansion, zm_submission_t **submission)
{
    zm_submit_options_t options = {0, expansion->uid, ZM_UID_NONE};
    *submission = NULL;
    return expansion->debug ? APR_SUCCESS
                            : zm_submit_begin(submission, &expansion->handover.submitter, &options);
}

/* So many bundles from that member on: all of them, or none. */
static apr_status_t send_some(expansion_t *expansion, int *from)
{
    zm_submission_t *open[MOST_OPEN];
    int count = 0, i, members = expansion->members->nelts;
    apr_status_t status = APR_SUCCESS;
    do {
        int to = members - *from > expansion->bundle ? *from + (int)expansion->bundle : members;
        if ((status = begin(expansion, &open[count])) != APR_SUCCESS)
            break;
        count++;
        status = put_bundle(expansion, open[count - 1], *from, to);
        *from = to;
    } while (status == APR_SUCCESS && *from < members && count < MOST_OPEN);
    for (i = 0; i < count; i++) {
        if (open[i] == NULL)
            continue;
        if (status == APR_SUCCESS)
            status = zm_submit_commit_wait(open[i], NULL, expansion->pool);
        else
            zm_submit_abort(open[i]);
    }
    return status;
}

static apr_status_t send_all(expansion_t *expansion)
{
    int from = 0;
    apr_status_t status;
    do
        status = send_some(expansion, &from);
    while (status == APR_SUCCESS && from < expansion->members->nelts);
    return status;
}

/* -- what is wrong with the list -------------------------------------------------------------- */

static void compose_complaint(const expansion_t *expansion, zm_buf_t *text)
{
    int i, count = expansion->bad->nelts;
    zm_buf_printf(text,
                  "To: %s\nSubject: Bad data at listfile '%s'\n"
                  "Auto-Submitted: auto-generated\n\n"
                  "These lines have no address that mail can be sent to.  The message went to the "
                  "others.\n\n",
                  expansion->owner, expansion->path);
    for (i = 0; i < count && i < MOST_TOLD; i++) {
        const bad_line_t *bad = &APR_ARRAY_IDX(expansion->bad, i, bad_line_t);
        apr_size_t at;
        zm_buf_printf(text, "%d: ", bad->line);
        for (at = 0; at < bad->text.length && at < 200; at++)
            zm_buf_add_byte(text,
                            (unsigned char)bad->text.data[at] < ' ' ? ' ' : bad->text.data[at]);
        zm_buf_printf(text, "\n\t%s\n", bad->why);
    }
    if (count > MOST_TOLD)
        zm_buf_printf(text, "and %d more\n", count - MOST_TOLD);
}

static apr_status_t tell_owner(expansion_t *expansion)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_submission_t *submission;
    apr_status_t status = begin(expansion, &submission);
    if (status != APR_SUCCESS)
        return status;
    status = put_head(expansion, submission, "");
    if (status == APR_SUCCESS)
        status = put_line(expansion, submission, "todsn", "NOTIFY=NEVER");
    if (status == APR_SUCCESS)
        status = put_line(expansion, submission, "to", expansion->owner);
    if (status == APR_SUCCESS)
        status = put_env_end(submission);
    compose_complaint(expansion, &text);
    if (submission == NULL)
        fwrite(text.data, 1, text.length, stdout);
    else if (status == APR_SUCCESS)
        status = zm_submit_write(submission, text.data, text.length);
    zm_buf_free(&text);
    if (submission == NULL)
        return status;
    if (status == APR_SUCCESS)
        return zm_submit_commit_wait(submission, NULL, expansion->pool);
    zm_submit_abort(submission);
    return status;
}

/* -- the whole ----------------------------------------------------------------------------------
 */

static int expand(expansion_t *expansion)
{
    zm_error_t error = {0};
    char reason[200];
    apr_status_t status;
    int code = read_list(expansion);
    if (code == 0)
        code = keep_message(expansion);
    if (code != 0)
        return code;
    if (!expansion->debug && handover_open(&expansion->handover, expansion->zenv, false,
                                           expansion->pool, &error) != APR_SUCCESS)
        return complain(EXIT_TRY_AGAIN, error.text);
    status = send_all(expansion);
    if (status == APR_SUCCESS && expansion->bad->nelts > 0 && *expansion->owner != '\0' &&
        *expansion->owner != ' ')
        (void)tell_owner(expansion); /* the members have it, which counts */
    if (expansion->debug)
        return 0;
    if (status != APR_SUCCESS)
        complain(0, apr_psprintf(expansion->pool, "not queued for all: %s",
                                 expansion->handover.error.text[0] != '\0'
                                     ? expansion->handover.error.text
                                     : zm_status_text(status, reason, sizeof reason)));
    handover_close(&expansion->handover);
    return status == APR_SUCCESS ? 0 : EXIT_TRY_AGAIN;
}

static void usage(FILE *out)
{
    fputs("usage: listexpand [-debug] [+ezmlm] [-BUNDLE] OWNER LISTFILE [UID]\n"
          "Sends the message on standard input to the addresses in LISTFILE, one a line,\n"
          "from OWNER (empty: the null return path).\n\n"
          "  -debug   write what would be queued to standard output\n"
          "  +ezmlm   give each recipient a return address of its own\n"
          "  -BUNDLE  so many recipients in one message (500)\n"
          "  UID      the account that the messages belong to\n",
          out);
}

/* Words before the operands.  False: usage. */
static bool take_options(expansion_t *expansion, int argc, char **argv, int *next)
{
    for (; *next < argc; (*next)++) {
        const char *word = argv[*next];
        if (strcmp(word, "-debug") == 0)
            expansion->debug = true;
        else if (strcmp(word, "+ezmlm") == 0)
            expansion->ezmlm = true;
        else if (word[0] == '-' && word[1] != '\0') {
            if (zm_str_i64(zm_str(word + 1), &expansion->bundle) != APR_SUCCESS ||
                expansion->bundle < 1 || expansion->bundle > 1000000)
                return false;
        } else {
            break;
        }
    }
    return argc - *next == 2 || argc - *next == 3;
}

int main(int argc, char **argv)
{
    expansion_t expansion = {.bundle = BUNDLE};
    zm_error_t error = {0};
    int64_t uid = -1;
    int next = 1;

    zm_program_fill_streams();
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&expansion.pool, NULL);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (!take_options(&expansion, argc, argv, &next) || !preamble_is_line(zm_str(argv[next])) ||
        (argc - next == 3 &&
         (zm_str_i64(zm_str(argv[next + 2]), &uid) != APR_SUCCESS || uid < 0))) {
        usage(stderr);
        return ZM_EXIT_USAGE;
    }
    zm_program_binary_streams();
    expansion.owner = argv[next];
    expansion.path = argv[next + 1];
    expansion.members = apr_array_make(expansion.pool, 512, sizeof(member_t));
    expansion.bad = apr_array_make(expansion.pool, 8, sizeof(bad_line_t));
    if (zm_zenv_load(&expansion.zenv, NULL, expansion.pool, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    expansion.uid = zm_site_trusted(expansion.zenv, expansion.pool).uid;
    if (uid >= 0 && zm_identity_privileged())
        expansion.uid = uid;
    return expand(&expansion);
}
