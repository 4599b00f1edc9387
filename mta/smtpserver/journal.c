#include "mta/smtpserver/journal.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log.h"

#define WRITE_INTERVAL (APR_USEC_PER_SEC / 4)
#define LOOK_INTERVAL APR_USEC_PER_SEC
#define WRITE_SIZE 65536
#define TEXT_LIMIT 4096 /* bytes of one line that are kept */

struct journal_t {
    apr_pool_t *pool;
    const char *path;
    apr_pool_t *file_pool;
    zm_file_t *file;
    zm_file_info_t identity; /* of file */
    apr_time_t looked;       /* whether its name still leads to it */
    zm_loop_t *loop;         /* null: write at once */
    zm_timer_t timer;
    zm_buf_t lines;
    zm_buf_t clean; /* a line for the system's log */
    bool system;
    bool failing; /* said so once */
};

static apr_status_t open_file(journal_t *journal)
{
    apr_pool_t *pool;
    zm_file_t *file;
    zm_file_info_t identity;
    apr_status_t status = apr_pool_create(&pool, journal->pool);
    if (status != APR_SUCCESS)
        return status;
    status =
        zm_file_open(&file, NULL, journal->path,
                     ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND | ZM_OPEN_FOLLOW, 0640, pool);
    if (status == APR_SUCCESS)
        status = zm_file_info(&identity, file);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    if (journal->file_pool != NULL) {
        (void)zm_file_close(journal->file); /* each append has reported for itself */
        apr_pool_destroy(journal->file_pool);
    }
    journal->file_pool = pool;
    journal->file = file;
    journal->identity = identity;
    return APR_SUCCESS;
}

apr_status_t journal_open(journal_t **journal, const journal_options_t *options, apr_pool_t *pool,
                          zm_error_t *error)
{
    journal_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status;
    made->pool = pool;
    made->system = options->system;
    if (options->file != NULL) {
        made->path = apr_pstrdup(pool, options->file);
        status = open_file(made);
        if (status != APR_SUCCESS)
            return zm_error_system(error, status, "cannot open the session log %s", made->path);
    }
    *journal = made;
    return APR_SUCCESS;
}

static void on_time(zm_timer_t *timer, void *baton)
{
    (void)timer;
    journal_flush(baton);
}

void journal_attach(journal_t *journal, zm_loop_t *loop)
{
    zm_timer_init(&journal->timer, loop, on_time, journal);
    journal->loop = loop;
}

void journal_reopen(journal_t *journal)
{
    char text[128];
    apr_status_t status;
    journal_flush(journal);
    if (journal->file == NULL)
        return;
    status = open_file(journal);
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, NULL, "session log stays where it was",
               ZM_F_S("file", journal->path),
               ZM_F_S("reason", zm_status_text(status, text, sizeof text)));
}

/* When the file was renamed away the log goes on under the old name, if we may open it. */
static void follow_rename(journal_t *journal)
{
    apr_time_t now = zm_clock_monotonic();
    zm_file_info_t named;
    if (now - journal->looked < LOOK_INTERVAL && now >= journal->looked)
        return;
    journal->looked = now;
    if (zm_path_info(&named, NULL, journal->path) != APR_SUCCESS ||
        (named.kind == ZM_FILE_REGULAR &&
         (named.id != journal->identity.id || named.device != journal->identity.device)))
        (void)open_file(journal); /* else the old one is as good as it gets */
}

void journal_flush(journal_t *journal)
{
    apr_status_t status;
    if (journal->loop != NULL)
        zm_timer_cancel(&journal->timer);
    if (journal->lines.length == 0)
        return;
    follow_rename(journal);
    status = zm_file_append(journal->file, journal->lines.data, journal->lines.length);
    if (status != APR_SUCCESS && !journal->failing)
        zm_log(ZM_LOG_ERROR, NULL, "session log cannot be written", ZM_F_S("file", journal->path),
               ZM_F_E("reason", status));
    journal->failing = status != APR_SUCCESS;
    zm_buf_clear(&journal->lines);
}

void journal_close(journal_t *journal)
{
    if (journal == NULL)
        return;
    journal_flush(journal);
    zm_buf_free(&journal->lines);
    zm_buf_free(&journal->clean);
    if (journal->file != NULL)
        (void)zm_file_close(journal->file);
    journal->file = NULL;
    journal->system = false;
}

bool journal_on(const journal_t *journal)
{
    return journal != NULL && (journal->file != NULL || journal->system);
}

/* -- lines ------------------------------------------------------------------------- */

static char digit(unsigned value)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123abcdefghijklmnopqrstuvwxyz4567890-";
    return alphabet[value & 63];
}

void journal_tag(char tag[JOURNAL_TAG + 1], apr_time_t start, unsigned slot, unsigned number)
{
    apr_time_exp_t t = {0};
    (void)apr_time_exp_gmt(&t, start);
    tag[0] = digit((unsigned)t.tm_mday - 1);
    tag[1] = digit((unsigned)t.tm_hour);
    tag[2] = digit((unsigned)t.tm_min);
    tag[3] = digit((unsigned)t.tm_sec);
    tag[4] = digit(slot);
    tag[5] = digit(number >> 6);
    tag[6] = digit(number);
    tag[7] = '\0';
}

static void add_text(zm_buf_t *line, zm_str_t text)
{
    apr_size_t length = text.length < TEXT_LIMIT ? text.length : TEXT_LIMIT, i;
    char *to;
    zm_buf_reserve(line, length + 1);
    to = line->data + line->length;
    for (i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        to[i] = (byte < ' ' && byte != '\t') || byte == 127 ? '?' : (char)byte;
    }
    line->length += length;
}

static void add_number(zm_buf_t *line, apr_int64_t delta)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%04" APR_INT64_T_FMT, delta);
    zm_buf_add(line, text, (apr_size_t)length);
}

void journal_line(journal_t *journal, const char *tag, apr_int64_t delta, char type, zm_str_t text)
{
    if (!journal_on(journal))
        return;
    if (tag == NULL)
        tag = "0000000";
    if (journal->system) {
        zm_buf_clear(&journal->clean);
        add_text(&journal->clean, text);
        zm_log_syslog(ZM_LOG_DEBUG, "smtpserver", "%s%04" APR_INT64_T_FMT " %c %s", tag, delta,
                      type, zm_buf_c(&journal->clean));
    }
    if (journal->file == NULL)
        return;
    zm_buf_add(&journal->lines, tag, JOURNAL_TAG);
    add_number(&journal->lines, delta);
    zm_buf_add_byte(&journal->lines, type);
    zm_buf_add_byte(&journal->lines, '\t');
    add_text(&journal->lines, text);
    zm_buf_add_byte(&journal->lines, '\n');
    if (journal->loop == NULL || journal->lines.length >= WRITE_SIZE)
        journal_flush(journal);
    else if (!zm_timer_is_set(&journal->timer))
        zm_timer_set(&journal->timer, WRITE_INTERVAL);
}
