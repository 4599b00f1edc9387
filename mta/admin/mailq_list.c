#include "mta/admin/mailq.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"

/* -- short times --------------------------------------------------------------------------- */

/* "2d1m34s" */
static const char *short_time(int64_t seconds, apr_pool_t *pool)
{
    static const struct {
        int64_t unit;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    const char *text = seconds < 0 ? "-" : "";
    int i, large = 0;

    if (seconds == 0)
        return "0s";
    if (seconds < 0)
        seconds = -seconds;
    for (i = 0; i < 4 && (i < 2 || large < 2); i++) {
        int64_t value = seconds / units[i].unit;
        seconds %= units[i].unit;
        if (value == 0)
            continue;
        large += i < 2;
        text = apr_psprintf(pool, "%s%" APR_INT64_T_FMT "%c", text, (apr_int64_t)value,
                            units[i].letter);
    }
    return text;
}

static int64_t now(void)
{
    return apr_time_sec(zm_clock_wall());
}

const char *mailq_age(const mailq_file_t *file, apr_pool_t *pool)
{
    return short_time(now() - file->arrived, pool);
}

/* -- rows ---------------------------------------------------------------------------------- */

static int64_t number(zm_str_t text)
{
    int64_t value = 0;
    return zm_str_i64(text, &value) == APR_SUCCESS ? value : 0;
}

bool mailq_row_parse(mailq_row_t *row, zm_str_t line)
{
    zm_str_t fields[10];
    int count = 0;
    bool more = true;

    while (more && count < 10) {
        zm_str_t rest = ZM_S("");
        if (count == 9) {
            fields[count++] = line;
            break;
        }
        more = zm_str_cut(line, '\t', &fields[count++], &rest);
        line = rest;
    }
    if (count == 9) { /* an older server: no ordinal */
        memmove(&fields[2], &fields[1], 8 * sizeof fields[0]);
        fields[1] = ZM_S("0");
        count = 10;
    }
    if (count != 10)
        return false;
    row->path = fields[0];
    row->ordinal = number(fields[1]);
    row->sender = fields[2];
    row->offset = number(fields[3]);
    row->expiry = number(fields[4]);
    row->wakeup = number(fields[5]);
    row->fed = number(fields[6]);
    row->attempts = number(fields[7]);
    row->when = fields[8];
    row->text = fields[9];
    return true;
}

/* -- threads ----------------------------------------------------------------------------------- */

typedef struct thread_t {
    zm_str_t channel, host, fields;
} thread_t;

/* Threads in one page: so many are kept here at a time. */
#define PAGE "1000"

/* Reads a page of the listing; handle: of the next one, empty when there is none. */
static apr_array_header_t *read_page(mailq_t *mailq, zm_str_t *handle, apr_pool_t *pool)
{
    apr_array_header_t *threads = apr_array_make(pool, 64, sizeof(thread_t));
    zm_str_t line;

    *handle = ZM_S("");
    while (mailq_reply_line(mailq, &line, pool)) {
        thread_t thread;
        if (zm_str_starts(line, ZM_S("#more ")))
            *handle = zm_str_from(line, 6);
        else if (zm_str_cut(line, '\t', &thread.channel, &line) &&
                 zm_str_cut(line, '\t', &thread.host, &thread.fields) &&
                 mailq_filter_thread(mailq, thread.channel, thread.host))
            APR_ARRAY_PUSH(threads, thread_t) = thread;
    }
    return threads;
}

int mailq_each_thread(mailq_t *mailq, mailq_thread_fn *each)
{
    apr_pool_t *pool;
    zm_str_t line, handle;
    bool going_on;
    int i, code = 0;

    if (mailq->channel != NULL && mailq->host != NULL && !mailq->follow) {
        each(mailq, zm_str(mailq->channel), zm_str(mailq->host), ZM_S(""));
        return 0;
    }
    apr_pool_create(&pool, mailq->pool);
    going_on = mailq_command(mailq, "PAGE " PAGE " SHOW QUEUE THREADS2", &line, pool) ||
               mailq_command(mailq, "SHOW QUEUE THREADS2", &line, pool); /* an original server */
    if (!going_on)
        code = mailq_complain(EXIT_NOPERM, "the scheduler refuses: %.*s", (int)line.length - 1,
                              line.data + 1);
    while (going_on) {
        apr_array_header_t *threads = read_page(mailq, &handle, pool);
        const char *next =
            apr_pstrcat(mailq->pool, "NEXT ", zm_str_c(pool, handle), " " PAGE, NULL);
        for (i = 0; i < threads->nelts; i++) {
            thread_t *thread = &APR_ARRAY_IDX(threads, i, thread_t);
            each(mailq, thread->channel, thread->host, thread->fields);
        }
        going_on = handle.length > 0;
        apr_pool_clear(pool);
        if (going_on)
            going_on = mailq_command(mailq, next, &line, pool);
    }
    apr_pool_destroy(pool);
    return code;
}

/* -- plain and verbose listing ----------------------------------------------------------------- */

void mailq_print(zm_str_t text)
{
    apr_size_t i;
    while (text.length > 0 && text.data[0] == '\r')
        text = zm_str_from(text, 1);
    for (i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '\r')
            fputs(" | ", stdout);
        else
            putchar(c < ' ' || c == 127 ? ' ' : c);
    }
}

void mailq_print_line(zm_str_t line)
{
    apr_size_t i;
    for (i = 0; i < line.length; i++) {
        unsigned char c = (unsigned char)line.data[i];
        putchar((c < ' ' && c != '\t') || c == 127 ? ' ' : c);
    }
    putchar('\n');
}

int mailq_unread(const mailq_t *mailq)
{
    return mailq->any_unread && !mailq->any_read && mailq_filter_needs_files(mailq) ? EXIT_OSFILE
                                                                                    : 0;
}

void mailq_nothing(const mailq_t *mailq)
{
    if (mailq_unread(mailq) != 0)
        return;
    puts(mailq_filtered(mailq) ? "Nothing in the transport queue is as asked for"
                               : "Transport queue is empty");
}

/* "\t  from\talice@example.org" */
static void print_field(const char *name, zm_str_t value)
{
    printf("\t  %s\t", name);
    mailq_print(value);
    putchar('\n');
}

static void print_texts(zm_str_t text)
{
    zm_str_t line;
    bool more = text.length > 0;
    while (more) {
        zm_str_t rest = ZM_S("");
        more = zm_str_cut(text, '\r', &line, &rest);
        text = rest;
        if (line.length > 0)
            print_field("diag", line);
    }
}

/* The line that says most: what the other side replied, or the first that says something. */
static zm_str_t chief_text(zm_str_t text)
{
    zm_str_t line, chief = ZM_S("");
    bool more = text.length > 0;
    while (more) {
        zm_str_t rest = ZM_S("");
        more = zm_str_cut(text, '\r', &line, &rest);
        text = rest;
        if (zm_str_starts(line, ZM_S("->> ")))
            return zm_str_from(line, 4);
        if (chief.length == 0)
            chief = line;
    }
    return chief;
}

static void print_state(mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                        apr_pool_t *pool)
{
    zm_str_t text = chief_text(row->text);

    printf("\t%.*s: (%lld %s", (int)row->path.length, row->path.data, (long long)row->attempts,
           row->attempts == 1 ? "try" : "tries");
    if (mailq->verbose > 0 && file != NULL)
        printf(", age %s", mailq_age(file, pool));
    if (row->when.length > 0 && zm_str_starts(row->when, ZM_S("retry")))
        printf(", %.*s", (int)row->when.length, row->when.data);
    else if (zm_str_equal_c(row->when, "held"))
        printf(", on hold");
    else if (zm_str_equal_c(row->when, "reroute"))
        printf(", to be routed again");
    else if (zm_str_equal_c(row->when, "removed"))
        printf(", being removed");
    else if (row->when.length > 0)
        printf(", waits for %.*s slot", (int)row->when.length, row->when.data);
    else if (mailq->served)
        printf(", is being tried");
    else if (mailq->pending.length > 0)
        printf(", waits: %.*s", (int)mailq->pending.length, mailq->pending.data);
    if (row->expiry > 0)
        printf(", expires in %s", short_time(row->expiry - now(), pool));
    if (mailq->verbose > 0 && file != NULL)
        printf(", %llu+%llu bytes", (unsigned long long)file->control_size,
               (unsigned long long)file->message_size);
    putchar(')');
    if (mailq->verbose == 0 && text.length > 0) {
        putchar(' ');
        mailq_print(text);
    }
    putchar('\n');
}

/* The thread being listed. */
typedef struct listing_t {
    zm_str_t channel, host;
    zm_buf_t path; /* of the message told last */
    bool told;     /* its name */
    int64_t files; /* messages, with -S */
    uint64_t octets;
} listing_t;

static int threads_seen;

static void print_row(mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                      apr_pool_t *pool)
{
    listing_t *listing = mailq->baton;
    zm_str_t to = file != NULL ? mailq_file_recipient(file, (uint64_t)row->offset, pool) : ZM_S("");

    if (!listing->told) {
        printf("%.*s/%.*s:\n", (int)listing->channel.length, listing->channel.data,
               (int)listing->host.length, listing->host.data);
        listing->told = true;
    }
    if (!zm_str_equal(zm_buf_str(&listing->path), row->path)) {
        zm_buf_clear(&listing->path);
        zm_buf_add_str(&listing->path, row->path);
        print_state(mailq, row, file, pool);
        if (mailq->verbose > 0) {
            if (file != NULL)
                print_field("id", file->control->log_id);
            print_field("from", row->sender.length > 0 ? row->sender : ZM_S("<>"));
        }
    }
    if (to.length > 0 && !mailq->terse)
        print_field("to", to);
    if (mailq->verbose > 0)
        print_texts(row->text);
}

static bool wants_files(const mailq_t *mailq)
{
    const mailq_filter_t *filter = &mailq->filter;
    return !mailq->terse || filter->to != NULL || filter->domain != NULL || filter->older >= 0 ||
           filter->younger >= 0 || filter->owned;
}

void mailq_each_row(mailq_t *mailq, zm_str_t channel, zm_str_t host, mailq_row_fn *each)
{
    apr_pool_t *pool, *file_pool;
    mailq_file_t *file = NULL;
    zm_str_t line;

    apr_pool_create(&pool, mailq->pool);
    apr_pool_create(&file_pool, mailq->pool);
    if (mailq_command(mailq,
                      apr_pstrcat(pool, "SHOW THREAD ", zm_str_c(pool, channel), " ",
                                  zm_str_c(pool, host), NULL),
                      &line, pool))
        while (mailq_reply_line(mailq, &line, pool)) {
            mailq_row_t row;
            if (line.length == 0 || line.data[0] == '#' || !mailq_row_parse(&row, line))
                continue;
            if (row.ordinal == 0 && wants_files(mailq)) {
                apr_pool_clear(file_pool);
                file = mailq_file(mailq, row.path, file_pool);
            }
            if (mailq_filter_row(mailq, &row, file, pool))
                each(mailq, &row, file, pool);
            apr_pool_clear(pool);
        }
    apr_pool_destroy(file_pool);
    apr_pool_destroy(pool);
}

zm_str_t mailq_thread_field(zm_str_t fields, const char *wanted)
{
    zm_str_t field, name, value;
    bool more = fields.length > 0;
    while (more) {
        zm_str_t rest = ZM_S("");
        more = zm_str_cut(fields, '\t', &field, &rest);
        fields = rest;
        if (zm_str_cut(field, '=', &name, &value) && zm_str_equal_c(name, wanted))
            return value;
    }
    return ZM_S("");
}

/* -S: how much, instead of what. */
static void count_row(mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                      apr_pool_t *pool)
{
    listing_t *listing = mailq->baton;
    (void)pool;
    if (zm_str_equal(zm_buf_str(&listing->path), row->path))
        return;
    zm_buf_clear(&listing->path);
    zm_buf_add_str(&listing->path, row->path);
    listing->files++;
    if (file != NULL)
        listing->octets += file->control_size + file->message_size;
}

static void print_counts(const mailq_t *mailq, const listing_t *listing)
{
    if (listing->files == 0)
        return;
    printf("%.*s/%.*s:\n\t  %lld file%s", (int)listing->channel.length, listing->channel.data,
           (int)listing->host.length, listing->host.data, (long long)listing->files,
           listing->files == 1 ? "" : "s");
    if (mailq->sizes == 1)
        printf(", %llu bytes total, %llu bytes average", (unsigned long long)listing->octets,
               (unsigned long long)(listing->octets / (uint64_t)listing->files));
    putchar('\n');
}

static void list_thread(mailq_t *mailq, zm_str_t channel, zm_str_t host, zm_str_t fields)
{
    listing_t listing = {.channel = channel, .host = host};

    mailq->pending = mailq_thread_field(fields, "pend");
    mailq->served = mailq_thread_field(fields, "P").length > 0;
    mailq->baton = &listing;
    mailq_each_row(mailq, channel, host, mailq->sizes > 0 ? count_row : print_row);
    if (mailq->sizes > 0)
        print_counts(mailq, &listing);
    mailq->baton = NULL;
    threads_seen += listing.told || listing.files > 0;
    zm_buf_free(&listing.path);
}

int mailq_list(mailq_t *mailq)
{
    int code = mailq_each_thread(mailq, list_thread);
    if (code == 0 && threads_seen == 0)
        mailq_nothing(mailq);
    return code;
}

int mailq_report(mailq_t *mailq, const char *command)
{
    zm_str_t line;
    apr_pool_t *pool;

    apr_pool_create(&pool, mailq->pool);
    if (!mailq_command(mailq, command, &line, pool))
        return mailq_complain(EXIT_NOPERM, "the scheduler refuses: %.*s", (int)line.length - 1,
                              line.data + 1);
    while (mailq_reply_line(mailq, &line, pool)) {
        mailq_print_line(line);
        apr_pool_clear(pool);
    }
    return 0;
}
