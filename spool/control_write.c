#include "spool/control.h"

#include <inttypes.h>
#include <string.h>

/*
 * The file is made in two buffers, because the z line at its start counts and
 * sums all that follows: the preamble, whose lines have a fixed order whatever
 * the order of the calls, and the groups.
 *
 *     @ 0x00000007
 *     z LENGTH CRC           ten decimal digits, eight hexadecimal ones
 *     v i o l e x... T...    preamble
 *     s [e] r [N [R] [n]]... groups, ended by
 *     m<LF>header<LF>        the header block of the recipients before it
 */

#define FORMAT_LINE "@ 0x00000007\n"
#define CHECK_LINE_LENGTH (sizeof "z 0000000000 00000000\n" - 1)
#define SLOTS "           " /* status byte, PID slot, delay slot */

struct zm_control_writer_t {
    apr_pool_t *pool;
    zm_str_t verbose, log_id, error_address;
    uint64_t message, body_offset;
    zm_buf_t commands; /* x and T lines */
    zm_buf_t groups;
    int recipients;
    bool has_sender;     /* an s line stands before what comes next */
    bool header_pending; /* recipients wait for their block */
    apr_status_t status; /* the first mistake of the caller */
};

static apr_status_t free_buffers(void *data)
{
    zm_control_writer_t *writer = data;
    zm_buf_free(&writer->commands);
    zm_buf_free(&writer->groups);
    return APR_SUCCESS;
}

zm_control_writer_t *zm_control_writer(apr_pool_t *pool)
{
    zm_control_writer_t *writer = apr_pcalloc(pool, sizeof *writer);
    writer->pool = pool;
    apr_pool_cleanup_register(pool, writer, free_buffers, apr_pool_cleanup_null);
    return writer;
}

/* Values become lines: none may hold a byte that ends or cuts one. */
static bool check_value(zm_control_writer_t *writer, zm_str_t value)
{
    if (value.length != 0 && (memchr(value.data, '\n', value.length) != NULL ||
                              memchr(value.data, '\0', value.length) != NULL)) {
        writer->status = ZM_E_SYNTAX;
        return false;
    }
    return true;
}

static void add_line(zm_buf_t *buffer, char tag, zm_str_t value)
{
    zm_buf_reserve(buffer, value.length + 3);
    zm_buf_add_byte(buffer, tag);
    zm_buf_add_byte(buffer, ' ');
    zm_buf_add_str(buffer, value);
    zm_buf_add_byte(buffer, '\n');
}

static void remember(zm_control_writer_t *writer, zm_str_t *slot, zm_str_t value)
{
    if (check_value(writer, value))
        *slot = zm_str_copy(writer->pool, value);
}

void zm_control_verbose(zm_control_writer_t *writer, zm_str_t path)
{
    remember(writer, &writer->verbose, path);
}

void zm_control_message(zm_control_writer_t *writer, uint64_t id, uint64_t body_offset)
{
    writer->message = id;
    writer->body_offset = body_offset;
}

void zm_control_log_id(zm_control_writer_t *writer, zm_str_t message_id)
{
    remember(writer, &writer->log_id, message_id);
}

void zm_control_error_address(zm_control_writer_t *writer, zm_str_t address)
{
    if (!writer->has_sender)
        remember(writer, &writer->error_address, address);
    else if (check_value(writer, address))
        add_line(&writer->groups, 'e', address);
}

void zm_control_obsoletes(zm_control_writer_t *writer, zm_str_t id)
{
    if (check_value(writer, id))
        add_line(&writer->commands, 'x', id);
}

void zm_control_turn(zm_control_writer_t *writer, zm_str_t domain)
{
    if (check_value(writer, domain))
        add_line(&writer->commands, 'T', domain);
}

static void add_quad(zm_control_writer_t *writer, const zm_quad_t *quad)
{
    zm_buf_t *out = &writer->groups;
    if (!check_value(writer, quad->channel) || !check_value(writer, quad->host) ||
        !check_value(writer, quad->user))
        return;
    zm_quad_quote(out, quad->channel);
    zm_buf_add_byte(out, ' ');
    zm_quad_quote(out, quad->host);
    zm_buf_add_byte(out, ' ');
    zm_quad_quote(out, quad->user);
    zm_buf_printf(out, " %" PRId64 "\n", quad->privilege);
}

void zm_control_sender(zm_control_writer_t *writer, const zm_quad_t *sender)
{
    zm_buf_add(&writer->groups, "s ", 2);
    add_quad(writer, sender);
    writer->has_sender = true;
}

void zm_control_recipient(zm_control_writer_t *writer, const zm_quad_t *recipient, zm_str_t dsn,
                          zm_str_t ret, zm_str_t envid)
{
    if (!writer->has_sender)
        writer->status = ZM_E_SYNTAX;
    zm_buf_add_c(&writer->groups, "r" SLOTS);
    add_quad(writer, recipient);
    writer->recipients++;
    writer->header_pending = true;
    if (dsn.length == 0 || !check_value(writer, dsn) || !check_value(writer, ret) ||
        !check_value(writer, envid))
        return;
    add_line(&writer->groups, 'N', dsn);
    if (ret.length != 0)
        add_line(&writer->groups, 'R', ret);
    if (envid.length != 0)
        add_line(&writer->groups, 'n', envid);
}

/* An empty line would end the block early and let the rest pass for control lines. */
static bool has_empty_line(zm_str_t header)
{
    const char *at = header.data, *end = header.data + header.length;
    if (header.length == 0)
        return false;
    while (at < end && *at != '\n') {
        at = memchr(at, '\n', (apr_size_t)(end - at));
        if (at == NULL)
            return false;
        at++;
    }
    return at < end;
}

void zm_control_header(zm_control_writer_t *writer, zm_str_t header)
{
    if (!writer->header_pending || has_empty_line(header) ||
        (header.length != 0 && memchr(header.data, '\0', header.length) != NULL)) {
        writer->status = ZM_E_SYNTAX;
        return;
    }
    zm_buf_reserve(&writer->groups, header.length + 4);
    zm_buf_add(&writer->groups, "m\n", 2);
    zm_buf_add_str(&writer->groups, header);
    if (header.length != 0 && header.data[header.length - 1] != '\n')
        zm_buf_add_byte(&writer->groups, '\n');
    zm_buf_add_byte(&writer->groups, '\n');
    writer->header_pending = false;
}

static void add_preamble(const zm_control_writer_t *writer, zm_buf_t *out)
{
    if (writer->verbose.length != 0)
        add_line(out, 'v', writer->verbose);
    zm_buf_printf(out, "i %" PRIu64 "\no %" PRIu64 "\n", writer->message, writer->body_offset);
    add_line(out, 'l', writer->log_id);
    if (writer->error_address.length != 0)
        add_line(out, 'e', writer->error_address);
    zm_buf_add(out, writer->commands.data, writer->commands.length);
}

apr_status_t zm_control_finish(zm_control_writer_t *writer, zm_str_t *file)
{
    zm_buf_t preamble = ZM_BUF_INIT;
    const apr_size_t start = sizeof FORMAT_LINE - 1 + CHECK_LINE_LENGTH;
    apr_size_t length;
    uint32_t crc;
    char *text;
    if (writer->status != APR_SUCCESS)
        return writer->status;
    if (writer->recipients == 0 || writer->header_pending || writer->log_id.length == 0 ||
        writer->message == 0)
        return ZM_E_SYNTAX;
    add_preamble(writer, &preamble);
    length = start + preamble.length + writer->groups.length;
    text = apr_palloc(writer->pool, length + 1);
    memcpy(text + start, preamble.data, preamble.length);
    memcpy(text + start + preamble.length, writer->groups.data, writer->groups.length);
    crc = zm_crc32c(0, text + start, length - start);
    zm_buf_clear(&preamble);
    zm_buf_printf(&preamble, FORMAT_LINE "z %010" PRIu64 " %08x\n", (uint64_t)length, crc);
    memcpy(text, preamble.data, preamble.length);
    text[length] = '\0';
    zm_buf_free(&preamble);
    *file = (zm_str_t){text, length};
    return APR_SUCCESS;
}
