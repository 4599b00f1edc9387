#include "mta/submit/dialogue.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/net/dot.h"
#include "platform/localsock.h"

#define DEFAULT_PORT 25
#define CONNECT_PATIENCE apr_time_from_sec(30)
#define PATIENCE apr_time_from_sec(300)
#define FINAL_PATIENCE apr_time_from_sec(600) /* RFC 5321, 4.5.3.2.6 */
#define BLOCK 16384
#define REPLY_LIMIT 65536

/* -- the connection ------------------------------------------------------------------ */

static apr_status_t lost(dialogue_t *dialogue, apr_status_t status, const char *what)
{
    zm_error_system(dialogue->error, status, "%s %s", what, dialogue->server);
    dialogue->error->status = ZM_E_TEMPORARY;
    return ZM_E_TEMPORARY;
}

static apr_status_t connect_local(dialogue_t *dialogue)
{
    apr_status_t status = zm_localsock_connect(&dialogue->socket, dialogue->server, dialogue->pool);
    if (status == APR_SUCCESS)
        status = apr_socket_opt_set(dialogue->socket, APR_SO_NONBLOCK, 0);
    return status;
}

/* The addresses of a name one after the other. */
static apr_status_t connect_inet(dialogue_t *dialogue)
{
    const char *name = dialogue->server, *colon = strrchr(name, ':'), *bracket = strchr(name, ']');
    apr_sockaddr_t *address;
    uint64_t port = DEFAULT_PORT;
    apr_status_t status;
    if (colon != NULL && (bracket != NULL ? colon > bracket : strchr(name, ':') == colon)) {
        if (zm_str_u64(zm_str(colon + 1), &port) != APR_SUCCESS || port == 0 || port > 65535)
            return zm_error_set(dialogue->error, ZM_E_CONFIG,
                                "SUBMIT_SERVER=%s: a port is a number", name);
        name = apr_pstrndup(dialogue->pool, name, (apr_size_t)(colon - name));
    }
    if (name[0] == '[' && strchr(name, ']') != NULL)
        name = apr_pstrndup(dialogue->pool, name + 1, strcspn(name + 1, "]"));
    status = apr_sockaddr_info_get(&address, name, APR_UNSPEC, (apr_port_t)port, 0, dialogue->pool);
    for (; status == APR_SUCCESS; address = address->next) {
        status = apr_socket_create(&dialogue->socket, address->family, SOCK_STREAM, APR_PROTO_TCP,
                                   dialogue->pool);
        if (status == APR_SUCCESS &&
            (status = apr_socket_timeout_set(dialogue->socket, CONNECT_PATIENCE)) == APR_SUCCESS &&
            (status = apr_socket_connect(dialogue->socket, address)) == APR_SUCCESS)
            return apr_socket_opt_set(dialogue->socket, APR_TCP_NODELAY, 1);
        if (dialogue->socket != NULL)
            (void)apr_socket_close(dialogue->socket);
        dialogue->socket = NULL;
        if (address->next == NULL)
            return status;
        status = APR_SUCCESS;
    }
    return status;
}

static apr_status_t send_out(dialogue_t *dialogue)
{
    apr_size_t at = 0;
    while (at < dialogue->output.length) {
        apr_size_t length = dialogue->output.length - at;
        apr_status_t status =
            apr_socket_send(dialogue->socket, dialogue->output.data + at, &length);
        if (status != APR_SUCCESS)
            return lost(dialogue, status, "lost the connection to");
        at += length;
    }
    zm_buf_clear(&dialogue->output);
    return APR_SUCCESS;
}

/* -- replies --------------------------------------------------------------------------- */

static apr_status_t read_line(dialogue_t *dialogue, zm_str_t *line)
{
    zm_str_t rest;
    while (!zm_str_cut(zm_buf_str(&dialogue->input), '\n', line, &rest)) {
        apr_size_t length = BLOCK;
        apr_status_t status;
        if (dialogue->input.length > REPLY_LIMIT)
            return lost(dialogue, ZM_E_LIMIT, "an endless reply of");
        zm_buf_reserve(&dialogue->input, BLOCK);
        status = apr_socket_recv(dialogue->socket, dialogue->input.data + dialogue->input.length,
                                 &length);
        if (status != APR_SUCCESS)
            return lost(dialogue, status, "no reply of");
        dialogue->input.length += length;
    }
    return APR_SUCCESS;
}

/* "250-8BITMIME" */
static void note_extension(dialogue_t *dialogue, zm_str_t text)
{
    zm_str_t word;
    if (!zm_str_word(&text, &word))
        return;
    dialogue->dsn |= zm_str_equal_nocase(word, ZM_S("DSN"));
    dialogue->size |= zm_str_equal_nocase(word, ZM_S("SIZE"));
    dialogue->eight_bit |= zm_str_equal_nocase(word, ZM_S("8BITMIME"));
    dialogue->utf8 |= zm_str_equal_nocase(word, ZM_S("SMTPUTF8"));
}

static apr_status_t read_reply(dialogue_t *dialogue, bool extensions)
{
    bool more = true;
    zm_buf_clear(&dialogue->reply);
    while (more) {
        zm_str_t line, text;
        uint64_t code;
        apr_size_t taken;
        apr_status_t status = read_line(dialogue, &line);
        if (status != APR_SUCCESS)
            return status;
        taken = line.length + 1;
        line = zm_str_trim(line);
        if (line.length < 3 || zm_str_u64(zm_str_of(line.data, 3), &code) != APR_SUCCESS ||
            dialogue->reply.length > REPLY_LIMIT)
            return lost(dialogue, ZM_E_PROTOCOL, "cannot understand");
        more = line.length > 3 && line.data[3] == '-';
        text = line.length > 4 ? zm_str_from(line, 4) : ZM_S("");
        if (extensions)
            note_extension(dialogue, text);
        zm_buf_printf(&dialogue->reply, "%s%.*s", dialogue->reply.length > 0 ? " " : "",
                      (int)text.length, text.data);
        dialogue->code = (int)code;
        zm_buf_consume(&dialogue->input, taken);
    }
    return APR_SUCCESS;
}

/* What a reply other than the wanted one means for the message. */
static apr_status_t refused(dialogue_t *dialogue, const char *what)
{
    apr_status_t status = dialogue->code == 552       ? ZM_E_LIMIT
                          : dialogue->code / 100 == 5 ? ZM_E_PROTOCOL
                                                      : ZM_E_TEMPORARY;
    return zm_error_set(dialogue->error, status, "%s refuses %s: %d %s", dialogue->server, what,
                        dialogue->code, zm_buf_c(&dialogue->reply));
}

/* Sends the command in output. */
static apr_status_t command(dialogue_t *dialogue, int wanted, const char *what)
{
    apr_status_t status = send_out(dialogue);
    if (status == APR_SUCCESS)
        status = read_reply(dialogue, false);
    if (status == APR_SUCCESS && dialogue->code / 100 != wanted)
        status = refused(dialogue, what);
    return status;
}

/* -- the letter --------------------------------------------------------------------------- */

static apr_status_t greet(dialogue_t *dialogue)
{
    apr_status_t status = read_reply(dialogue, false);
    if (status == APR_SUCCESS && dialogue->code != 220)
        status = refused(dialogue, "to talk to us");
    if (status != APR_SUCCESS)
        return status;
    zm_buf_printf(&dialogue->output, "EHLO %s\r\n", dialogue->host);
    status = send_out(dialogue);
    if (status == APR_SUCCESS)
        status = read_reply(dialogue, true);
    if (status != APR_SUCCESS || dialogue->code == 250)
        return status;
    zm_buf_printf(&dialogue->output, "HELO %s\r\n", dialogue->host);
    return command(dialogue, 2, "our greeting");
}

apr_status_t dialogue_open(dialogue_t *dialogue)
{
    apr_status_t status = dialogue->server[0] == '/' || strchr(dialogue->server, '\\') != NULL
                              ? connect_local(dialogue)
                              : connect_inet(dialogue);
    if (status == ZM_E_CONFIG)
        return status;
    if (status == APR_SUCCESS)
        status = apr_socket_timeout_set(dialogue->socket, PATIENCE);
    return status == APR_SUCCESS ? greet(dialogue)
                                 : lost(dialogue, status, "no mail server answers at");
}

static bool beyond_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > 127)
            return true;
    return false;
}

/* Whether an address takes SMTPUTF8 (RFC 6531, 3.4). */
static bool needs_utf8(const letter_t *letter)
{
    int i;
    bool found = beyond_ascii(letter->sender);
    for (i = 0; i < letter->recipients->nelts && !found; i++)
        found = beyond_ascii(APR_ARRAY_IDX(letter->recipients, i, letter_recipient_t).address);
    return found;
}

static apr_status_t give_envelope(dialogue_t *dialogue, const letter_t *letter)
{
    zm_buf_t *out = &dialogue->output;
    apr_status_t status;
    int i;
    zm_buf_printf(out, "MAIL FROM:<%s>", letter->sender);
    if (dialogue->size)
        zm_buf_printf(out, " SIZE=%" APR_UINT64_T_FMT, letter->size + letter->size / 32);
    if (dialogue->eight_bit && letter->body_type != NULL)
        zm_buf_printf(out, " BODY=%s", letter->body_type);
    if (dialogue->utf8 && needs_utf8(letter))
        zm_buf_add_c(out, " SMTPUTF8");
    if (dialogue->dsn && letter->ret != NULL)
        zm_buf_printf(out, " RET=%s", letter->ret);
    if (dialogue->dsn && letter->envid != NULL)
        zm_buf_printf(out, " ENVID=%s", letter->envid);
    zm_buf_add_c(out, "\r\n");
    status = command(dialogue, 2, "the sender");
    for (i = 0; i < letter->recipients->nelts && status == APR_SUCCESS; i++) {
        const letter_recipient_t *recipient =
            &APR_ARRAY_IDX(letter->recipients, i, letter_recipient_t);
        zm_buf_printf(out, "RCPT TO:<%s>", recipient->address);
        if (dialogue->dsn && recipient->notify != NULL)
            zm_buf_printf(out, " NOTIFY=%s", recipient->notify);
        if (dialogue->dsn && recipient->orcpt != NULL)
            zm_buf_printf(out, " ORCPT=%s", recipient->orcpt);
        zm_buf_add_c(out, "\r\n");
        status = command(dialogue, 2, recipient->address);
    }
    return status;
}

/* The end is sent by the caller: a message that cannot be read to its end must not have one. */
static apr_status_t give_text(dialogue_t *dialogue, const letter_t *letter, apr_file_t *file,
                              zm_dot_encoder_t *encoder)
{
    char block[BLOCK];
    apr_size_t length;
    apr_status_t status;
    zm_dot_encode(encoder, zm_buf_str(&letter->header), &dialogue->output);
    zm_dot_encode(encoder, zm_buf_str(&letter->rest), &dialogue->output);
    do {
        if ((status = send_out(dialogue)) != APR_SUCCESS)
            return status;
        length = sizeof block;
        status = apr_file_read(file, block, &length);
        if (status == APR_SUCCESS)
            zm_dot_encode(encoder, zm_str_of(block, length), &dialogue->output);
    } while (status == APR_SUCCESS);
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : lost(dialogue, status, "cannot read on for");
}

apr_status_t dialogue_give(dialogue_t *dialogue, const letter_t *letter, apr_file_t *file)
{
    zm_dot_encoder_t encoder;
    apr_status_t status;
    dialogue->offered = true;
    status = give_envelope(dialogue, letter);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_add_c(&dialogue->output, "DATA\r\n");
    status = command(dialogue, 3, "the message");
    if (status != APR_SUCCESS)
        return status;
    zm_dot_encoder_init(&encoder);
    status = give_text(dialogue, letter, file, &encoder);
    if (status != APR_SUCCESS)
        return status;
    zm_dot_encode_end(&encoder, &dialogue->output);
    (void)apr_socket_timeout_set(dialogue->socket, FINAL_PATIENCE);
    return command(dialogue, 2, "the message");
}

void dialogue_close(dialogue_t *dialogue)
{
    if (dialogue->socket != NULL) {
        apr_size_t length = 6;
        (void)apr_socket_send(dialogue->socket, "QUIT\r\n", &length);
        (void)apr_socket_close(dialogue->socket);
    }
    zm_buf_free(&dialogue->input);
    zm_buf_free(&dialogue->output);
    zm_buf_free(&dialogue->reply);
}
