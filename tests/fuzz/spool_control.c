/*
 * The reader of transport control files.
 *
 * Every offset points at what it names, every string lies in the file, and
 * neither the tags that agents write nor the diagnostics they append change
 * whether a file with a check line counts as complete.
 */
#include <string.h>

#include "spool/control.h"
#include "tests/fuzz/fuzz.h"

static const char *start;
static size_t length;

static void check_inside(zm_str_t string)
{
    FUZZ_EXPECT(string.length == 0 ||
                (string.data >= start && string.data + string.length <= start + length));
}

static void check_recipients(const zm_control_file_t *file, apr_pool_t *pool)
{
    int i;
    for (i = 0; i < file->recipient_count; i++) {
        const zm_control_recipient_t *recipient = &file->recipients[i];
        zm_dsn_t dsn;
        FUZZ_EXPECT(recipient->offset < length && start[recipient->offset] == 'r');
        FUZZ_EXPECT(recipient->sender >= 0 && recipient->sender < file->sender_count);
        FUZZ_EXPECT(recipient->header >= -1 && recipient->header < file->header_count);
        FUZZ_EXPECT(recipient->dsn_offset < 0 || start[recipient->dsn_offset] == 'N');
        check_inside(recipient->quad.channel);
        check_inside(recipient->quad.host);
        check_inside(recipient->quad.user);
        zm_quad_unquote(pool, recipient->quad.user);
        zm_dsn_parse(&dsn, recipient->dsn);
    }
}

static void check_file(const zm_control_file_t *file, apr_pool_t *pool)
{
    int i;
    check_recipients(file, pool);
    for (i = 0; i < file->header_count; i++) {
        check_inside(file->headers[i].text);
        FUZZ_EXPECT(start + file->headers[i].offset == file->headers[i].text.data);
    }
    for (i = 0; i < file->diagnostic_count; i++) {
        FUZZ_EXPECT(start[file->diagnostics[i].offset] == 'd');
        check_inside(file->diagnostics[i].notary);
        check_inside(file->diagnostics[i].text);
    }
    check_inside(file->message);
    check_inside(file->log_id);
}

/* As an agent would after a delivery. */
static void check_updates(const zm_control_file_t *file, apr_pool_t *pool)
{
    static const char diagnostic[] = "d 1:2:-1::3\tx\ty\n";
    zm_control_file_t *again;
    char *copy = apr_palloc(pool, length + sizeof diagnostic);
    int i;
    memcpy(copy, start, length);
    memcpy(copy + length, diagnostic, sizeof diagnostic);
    for (i = 0; i < file->recipient_count; i++)
        if (file->recipients[i].offset + 12 < length &&
            memchr(copy + file->recipients[i].offset, '\n', 12) == NULL)
            memcpy(copy + file->recipients[i].offset + 1, "~ 12345", 7);
    if (file->format == ZM_CONTROL_FORMAT && file->complete && start[length - 1] == '\n')
        FUZZ_EXPECT(zm_control_parse(&again, copy, length + sizeof diagnostic - 1, pool, NULL) !=
                        APR_SUCCESS ||
                    again->complete);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_control_file_t *file;
    zm_error_t error;
    zm_quad_t quad;
    start = (const char *)data;
    length = size;
    zm_quad_parse(&quad, zm_str_of(start, length));
    if (zm_control_parse(&file, start, length, pool, &error) != APR_SUCCESS)
        return 0;
    check_file(file, pool);
    check_updates(file, pool);
    return 0;
}
