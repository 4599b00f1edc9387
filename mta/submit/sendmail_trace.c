#include "mta/submit/sendmail_trace.h"

#include <apr_time.h>
#include <stdio.h>

#include "spool/trace.h"

#define FOLLOW_LIMIT apr_time_from_sec(260000)
#define POLL_INTERVAL apr_time_from_msec(250)

/* Copies what is new; true when a line that begins "scheduler done" went by. */
static bool copy_new(zm_object_t *trace, uint64_t *offset, zm_buf_t *line)
{
    char buffer[8192];
    apr_size_t length = sizeof buffer, i;
    bool done = false;
    while (zm_object_read(trace, *offset, buffer, &length) == APR_SUCCESS && length > 0) {
        fwrite(buffer, 1, length, stderr);
        *offset += length;
        for (i = 0; i < length; i++) {
            if (buffer[i] == '\n') {
                done |= zm_str_starts(zm_buf_str(line), ZM_S("scheduler done"));
                zm_buf_clear(line);
            } else if (line->length < 64) {
                zm_buf_add_byte(line, buffer[i]);
            }
        }
        length = sizeof buffer;
    }
    return done;
}

static void copy_until_done(zm_object_t *trace, int grace)
{
    apr_time_t end = apr_time_now() + FOLLOW_LIMIT;
    zm_buf_t line = ZM_BUF_INIT;
    uint64_t offset = 0;
    bool done = false;
    while (apr_time_now() < end) {
        if (copy_new(trace, &offset, &line) && !done) {
            done = true;
            end = apr_time_now() + apr_time_from_sec(grace);
        }
        apr_sleep(POLL_INTERVAL);
    }
    zm_buf_free(&line);
}

void sendmail_trace_follow(const char *location, const char *leaf, int grace, apr_pool_t *pool)
{
    zm_spool_options_t options = {.location = location};
    zm_spool_t *spool;
    zm_object_t *trace;
    zm_error_t error;
    if (zm_spool_open(&spool, &options, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "sendmail: the message is queued; its trace cannot be followed: %s\n",
                error.text);
        return;
    }
    if (zm_spool_trace_read(&trace, spool, leaf) == APR_SUCCESS) {
        copy_until_done(trace, grace);
        zm_object_close(trace);
        zm_spool_trace_remove(spool, leaf);
    }
    zm_spool_close(spool);
}
