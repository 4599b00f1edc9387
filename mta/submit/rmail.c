/*
 * rmail(8): mail that comes by UUCP.
 *
 * uuxqt(8) runs it with recipients that another site has chosen, so it takes no
 * option that names a file, and the first recipient ends the options.
 */
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/submit/handover.h"
#include "mta/mail/xtext.h"
#include "mta/submit/preamble.h"
#include "mta/submit/sendmail_envelope.h"
#include "mta/submit/uucp_from.h"
#include "platform/exec.h"

enum { EXIT_DATA = 65, EXIT_HOPS = 70, EXIT_TRY_AGAIN = 75 };

#define MOST_HOPS 500
#define LINE_LIMIT 65536

typedef struct rmail_t {
    apr_pool_t *pool;
    apr_file_t *in;
    zm_buf_t input; /* read, and not looked at yet */
    bool at_end;
    bool debug;
    const char *host;         /* of a From line without one */
    const char *peer;         /* who says to have called; null: not known */
    apr_array_header_t *from; /* of uucp_from_t */
    apr_array_header_t *recipients;
    zm_submission_t *submission; /* null: it goes to standard output */
    uint64_t limit, written;
} rmail_t;

static int complain(int code, const char *text)
{
    fprintf(stderr, "rmail: %s\n", text);
    return code;
}

/* -- standard input ---------------------------------------------------------------- */

static apr_status_t fill(rmail_t *rmail)
{
    apr_size_t length = LINE_LIMIT;
    apr_status_t status;
    zm_buf_reserve(&rmail->input, length);
    status = apr_file_read(rmail->in, rmail->input.data + rmail->input.length, &length);
    if (APR_STATUS_IS_EOF(status)) {
        rmail->at_end = true;
        return APR_SUCCESS;
    }
    if (status == APR_SUCCESS)
        rmail->input.length += length;
    return status;
}

/* The next line, its LF included; its bytes stay in the buffer.  Length 0: the end. */
static apr_status_t look_at_line(rmail_t *rmail, zm_str_t *line)
{
    apr_status_t status = APR_SUCCESS;
    for (;;) {
        zm_str_t rest;
        if (zm_str_cut(zm_buf_str(&rmail->input), '\n', line, &rest)) {
            line->length++;
            return APR_SUCCESS;
        }
        if (rmail->at_end || rmail->input.length > LINE_LIMIT)
            return APR_SUCCESS; /* all of it */
        if ((status = fill(rmail)) != APR_SUCCESS)
            return status;
    }
}

/* Takes the From lines.  Returns an exit code after a complaint. */
static int read_from_lines(rmail_t *rmail)
{
    zm_str_t line;
    apr_status_t status;
    char reason[200];
    while ((status = look_at_line(rmail, &line)) == APR_SUCCESS && uucp_is_from(line)) {
        uucp_from_t *from = apr_array_push(rmail->from);
        if (rmail->from->nelts > MOST_HOPS)
            return complain(EXIT_HOPS, "too many hops");
        if (line.length > LINE_LIMIT || uucp_parse(from, line, rmail->pool) != APR_SUCCESS)
            return complain(EXIT_DATA, "malformed From_ line");
        zm_buf_consume(&rmail->input, line.length);
    }
    if (status != APR_SUCCESS)
        return complain(EXIT_TRY_AGAIN,
                        apr_psprintf(rmail->pool, "cannot read the message: %s",
                                     zm_status_text(status, reason, sizeof reason)));
    return line.length == 0 ? complain(EXIT_DATA, "empty message") : 0;
}

/* -- output --------------------------------------------------------------------------- */

static apr_status_t put(rmail_t *rmail, const char *data, apr_size_t length)
{
    if (rmail->submission == NULL)
        return fwrite(data, 1, length, stdout) == length ? APR_SUCCESS : APR_EGENERAL;
    rmail->written += length;
    if (rmail->limit > 0 && rmail->written > rmail->limit)
        return ZM_E_LIMIT;
    return zm_submit_write(rmail->submission, data, length);
}

static void add_envelope(zm_buf_t *out, const rmail_t *rmail, const char *hostname)
{
    const char *sender = uucp_sender(rmail->from, rmail->host, rmail->pool);
    bool named = rmail->from->nelts > 0 && APR_ARRAY_IDX(rmail->from, 0, uucp_from_t).host != NULL;
    preamble_t preamble;
    int i;
    preamble_read(&preamble, hostname, rmail->pool);
    zm_buf_printf(out, "rcvdfrom %s\nexternal\n", preamble.received);
    for (i = 0; i < rmail->recipients->nelts; i++) {
        const char *recipient = APR_ARRAY_IDX(rmail->recipients, i, const char *);
        zm_buf_add_c(out, "todsn ORCPT=rfc822;");
        zm_xtext_add(out, zm_str(recipient));
        zm_buf_printf(out, "\nto %s\n", recipient);
    }
    zm_buf_add_c(out, "with UUCP\n");
    if (rmail->peer != NULL || !named)
        zm_buf_printf(out, "rcvdfrom %s\n", rmail->peer != NULL ? rmail->peer : rmail->host);
    if (sender[0] == '\0')
        zm_buf_add_c(out, "channel error\n");
    else
        zm_buf_printf(out, "from %s\n", sender);
    zm_buf_add_c(out, "env-end\n");
}

/* A run of printing ASCII that a colon ends, or the empty line behind a header. */
static bool may_begin(zm_str_t line)
{
    apr_size_t i;
    for (i = 0; i < line.length && line.data[i] > ' ' && line.data[i] < 127; i++)
        if (line.data[i] == ':')
            return i > 0;
    return i == 0 && (line.data[0] == '\n' || line.data[0] == '\r');
}

/* The envelope, the trace of the way here, and all that is left of the input. */
static apr_status_t transfer(rmail_t *rmail, const char *hostname)
{
    zm_buf_t head = ZM_BUF_INIT;
    zm_str_t line;
    apr_status_t status = look_at_line(rmail, &line);
    add_envelope(&head, rmail, hostname);
    uucp_received(&head, rmail->from);
    if (status == APR_SUCCESS && !may_begin(line))
        zm_buf_add_byte(&head, '\n'); /* there is no header: all of it is text */
    if (status == APR_SUCCESS)
        status = put(rmail, head.data, head.length);
    zm_buf_free(&head);
    while (status == APR_SUCCESS && rmail->input.length > 0) {
        status = put(rmail, rmail->input.data, rmail->input.length);
        zm_buf_clear(&rmail->input);
        if (status == APR_SUCCESS && !rmail->at_end)
            status = fill(rmail);
    }
    return status;
}

/* -- submission ------------------------------------------------------------------------- */

static apr_status_t submit(rmail_t *rmail, const zm_zenv_t *zenv, zm_error_t *error)
{
    zm_submit_options_t options = {0, zm_site_trusted(zenv, rmail->pool).uid, ZM_UID_NONE};
    zm_published_t published;
    handover_t handover;
    apr_status_t status = zm_zenv_size(zenv, "MAX_SUBMIT_SIZE", 0, &rmail->limit, error);
    if (status != APR_SUCCESS ||
        (status = handover_open(&handover, zenv, false, rmail->pool, error)) != APR_SUCCESS)
        return status;
    status = zm_submit_begin(&rmail->submission, &handover.submitter, &options);
    if (status == APR_SUCCESS) {
        status = transfer(rmail, zm_site_hostname(zenv, rmail->pool));
        if (status != APR_SUCCESS)
            zm_submit_abort(rmail->submission);
        else if ((status = zm_submit_commit_wait(rmail->submission, &published, rmail->pool)) ==
                     APR_SUCCESS &&
                 handover.submitter.handover == NULL)
            sendmail_note(zenv, "rmail", &published);
        if (handover.error.text[0] != '\0')
            *error = handover.error;
    }
    handover_close(&handover);
    return status;
}

/* Whatever is wrong here, the other site keeps the message and tries again. */
static int deliver(rmail_t *rmail)
{
    zm_error_t error = {0};
    zm_zenv_t *zenv;
    char reason[200];
    apr_status_t status = zm_zenv_load(&zenv, NULL, rmail->pool, &error);
    if (status == APR_SUCCESS)
        status = rmail->debug ? transfer(rmail, zm_site_hostname(zenv, rmail->pool))
                              : submit(rmail, zenv, &error);
    if (status == ZM_E_LIMIT)
        return complain(EXIT_DATA, "the message is larger than MAX_SUBMIT_SIZE");
    if (status != APR_SUCCESS)
        return complain(EXIT_TRY_AGAIN,
                        apr_psprintf(rmail->pool, "nothing was queued: %s",
                                     error.text[0] != '\0'
                                         ? error.text
                                         : zm_status_text(status, reason, sizeof reason)));
    return 0;
}

/* -- the command line ---------------------------------------------------------------------- */

static int find_hosts(rmail_t *rmail)
{
    rmail->peer = preamble_variable("UU_MACHINE", rmail->pool);
    if (rmail->peer == NULL)
        rmail->peer = preamble_variable("REMOTE", rmail->pool);
    if (rmail->peer != NULL)
        rmail->host = rmail->peer;
    if (rmail->host == NULL)
        rmail->host = "uunet";
    return uucp_is_host(rmail->host)
               ? 0
               : complain(ZM_EXIT_USAGE, "-h, UU_MACHINE and REMOTE take the name of a host");
}

static int find_recipients(rmail_t *rmail, int argc, char **argv)
{
    zm_error_t error = {0};
    int i;
    for (i = 1; i < argc; i++) {
        if (!preamble_is_line(zm_str(argv[i])))
            return complain(EXIT_DATA, "a recipient has a control character in it");
        if (sendmail_addresses(rmail->recipients, argv[i], &error) != APR_SUCCESS)
            return complain(EXIT_DATA, error.text);
    }
    return i > 1 ? 0 : complain(ZM_EXIT_USAGE, "expected recipients; see rmail --help");
}

int main(int argc, char **argv)
{
    rmail_t rmail = {0};
    zm_error_t error = {0};
    const zm_option_t table[] = {
        {'d', "debug", ZM_OPTION_FLAG, &rmail.debug, NULL, NULL,
         "write what would be queued to standard output"},
        {'h', "host", ZM_OPTION_TEXT, &rmail.host, NULL, "HOST",
         "where mail comes from that does not say it (uunet)"},
    };
    const zm_command_line_t line = {"rmail",
                                    "RECIPIENT ...",
                                    "queue a message that came by UUCP",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    ZM_OPTIONS_STOP};
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&rmail.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (zm_identity_give_back(&error) != APR_SUCCESS)
        return complain(EXIT_TRY_AGAIN, error.text);
    zm_program_binary_streams();
    rmail.from = apr_array_make(rmail.pool, 8, sizeof(uucp_from_t));
    rmail.recipients = apr_array_make(rmail.pool, 8, sizeof(const char *));
    if ((code = find_hosts(&rmail)) != 0 || (code = find_recipients(&rmail, argc, argv)) != 0)
        return code;
    if (apr_file_open_stdin(&rmail.in, rmail.pool) != APR_SUCCESS)
        return complain(EXIT_TRY_AGAIN, "cannot read standard input");
    code = read_from_lines(&rmail);
    if (code == 0)
        code = deliver(&rmail);
    zm_buf_free(&rmail.input);
    return code;
}
