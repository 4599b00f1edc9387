#include "tests/unit/ta/smtp/server.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/net/socket.h"
#include "tests/unit/harness.h"

typedef struct talk_t {
    zm_server_t *server;
    apr_pool_t *pool;
    zm_stream_t *stream;
    int accepted;
    bool in_auth, in_data, secure;
    apr_size_t chunk; /* octets of it that are to come */
} talk_t;

static const char usual_keywords[] = "250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n"
                                     "250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n";

/* False: the connection is gone. */
static bool say(talk_t *talk, zm_server_replies_t *replies, const char *usual)
{
    const char *reply = replies->used < ZM_SERVER_REPLIES ? replies->list[replies->used] : NULL;
    bool close = false;
    if (reply != NULL)
        replies->used++;
    else
        reply = usual;
    if (strcmp(reply, "SILENT") == 0)
        return true;
    if (strncmp(reply, "CLOSE", 5) == 0) {
        close = true;
        reply += reply[5] == ' ' ? 6 : 5;
    }
    if (*reply != '\0') {
        zm_stream_write_c(talk->stream, reply);
        zm_stream_write_c(talk->stream, "\r\n");
    }
    if (close)
        zm_stream_finish(talk->stream, 0);
    return !close;
}

static void end(talk_t *talk)
{
    talk->server->open--;
    apr_pool_destroy(talk->pool);
}

static bool on_data_line(talk_t *talk, zm_str_t line)
{
    zm_server_t *server = talk->server;
    int replies = server->lmtp ? talk->accepted : 1;
    if (server->hook != NULL)
        server->hook(line);
    if (!zm_str_equal(line, ZM_S("."))) {
        zm_buf_add_str(&server->letter, line);
        zm_buf_add_c(&server->letter, "\r\n");
        return true;
    }
    talk->in_data = false;
    server->letters++;
    while (replies-- > 0)
        if (!say(talk, &server->dot, "250 2.0.0 taken"))
            return false;
    return true;
}

static bool on_ehlo(talk_t *talk)
{
    const zm_server_t *server = talk->server;
    const char *keywords = server->keywords != NULL ? server->keywords : usual_keywords;
    if (server->secure_keywords != NULL && talk->secure)
        keywords = server->secure_keywords;
    const char *usual = apr_pstrcat(talk->pool, "250-test\r\n", keywords, NULL);
    return say(talk, &talk->server->ehlo, apr_pstrmemdup(talk->pool, usual, strlen(usual) - 2));
}

static bool on_starttls(talk_t *talk)
{
    zm_server_t *server = talk->server;
    const char *reply = server->starttls.used < ZM_SERVER_REPLIES
                            ? server->starttls.list[server->starttls.used]
                            : NULL;
    apr_size_t dropped;
    if (!say(talk, &server->starttls, "220 go"))
        return false;
    if (server->tls == NULL || (reply != NULL && reply[0] != '2'))
        return true;
    zm_stream_flush(talk->stream);
    ZM_ASSERT_OK(zm_tls_start(talk->stream, server->tls, NULL, &dropped));
    talk->secure = true;
    return true;
}

/* After a 334 the next line belongs to the exchange. */
static bool on_auth(talk_t *talk)
{
    zm_server_t *server = talk->server;
    const char *reply =
        server->auth.used < ZM_SERVER_REPLIES ? server->auth.list[server->auth.used] : NULL;
    talk->in_auth = reply != NULL && strncmp(reply, "334", 3) == 0;
    return say(talk, &server->auth, "235 2.7.0 welcome");
}

static bool on_command(talk_t *talk, zm_str_t line)
{
    zm_server_t *server = talk->server;
    if (server->hook != NULL)
        server->hook(line);
    zm_buf_add_str(&server->talk, line);
    zm_buf_add_c(&server->talk, talk->secure ? " (tls)\n" : "\n");
    if (talk->in_auth || zm_str_starts(line, ZM_S("AUTH ")))
        return on_auth(talk);
    if (zm_str_starts_nocase(line, ZM_S("EHLO ")) || zm_str_starts_nocase(line, ZM_S("LHLO ")))
        return on_ehlo(talk);
    if (zm_str_equal(line, ZM_S("STARTTLS")))
        return on_starttls(talk);
    if (zm_str_starts_nocase(line, ZM_S("HELO ")))
        return say(talk, &server->helo, "250 test");
    if (zm_str_starts_nocase(line, ZM_S("MAIL "))) {
        talk->accepted = 0;
        return say(talk, &server->mail, "250 2.1.0 sender ok");
    }
    if (zm_str_starts_nocase(line, ZM_S("RCPT "))) {
        const char *reply =
            server->rcpt.used < ZM_SERVER_REPLIES ? server->rcpt.list[server->rcpt.used] : NULL;
        talk->accepted += reply == NULL || reply[0] == '2';
        return say(talk, &server->rcpt, "250 2.1.5 recipient ok");
    }
    if (zm_str_equal(line, ZM_S("DATA"))) {
        const char *reply =
            server->data.used < ZM_SERVER_REPLIES ? server->data.list[server->data.used] : NULL;
        talk->in_data = reply != NULL ? reply[0] == '3' : talk->accepted > 0;
        zm_buf_clear(&server->letter);
        return say(talk, &server->data, talk->in_data ? "354 go" : "554 5.5.1 no recipients");
    }
    if (zm_str_starts(line, ZM_S("BDAT ")) && !server->no_bdat) {
        talk->chunk = (apr_size_t)strtoul(zm_str_c(talk->pool, zm_str_from(line, 5)), NULL, 10);
        zm_buf_clear(&server->letter);
        return true;
    }
    if (zm_str_equal(line, ZM_S("RSET")))
        return say(talk, &server->rset, "250 2.0.0 reset");
    if (zm_str_equal(line, ZM_S("QUIT"))) {
        zm_stream_write_c(talk->stream, "221 bye\r\n");
        zm_stream_finish(talk->stream, 0);
        return false;
    }
    zm_stream_write_c(talk->stream, "500 what\r\n");
    return true;
}

/* False: the connection is gone, or there is nothing more now. */
static bool on_chunk(talk_t *talk)
{
    zm_server_t *server = talk->server;
    zm_str_t input = zm_stream_peek(talk->stream);
    if (input.length > talk->chunk)
        input.length = talk->chunk;
    zm_buf_add_str(&server->letter, input);
    zm_stream_take(talk->stream, input.length);
    talk->chunk -= input.length;
    if (talk->chunk > 0)
        return input.length > 0;
    server->letters++;
    return say(talk, &server->bdat, talk->accepted > 0 ? "250 2.0.0 taken" : "503 5.5.1 nobody");
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    talk_t *talk = baton;
    zm_line_t line;
    apr_status_t status;
    if (event == ZM_STREAM_CLOSED) {
        end(talk);
        return;
    }
    if (event == ZM_STREAM_ERROR) {
        zm_stream_close(stream);
        end(talk);
        return;
    }
    if (event != ZM_STREAM_INPUT)
        return;
    talk->server->bursts++;
    while (talk->chunk > 0)
        if (!on_chunk(talk))
            return;
    while ((status = zm_stream_line(stream, &line)) == APR_SUCCESS) {
        if (!(talk->in_data ? on_data_line(talk, line.text) : on_command(talk, line.text)))
            return;
        while (talk->chunk > 0)
            if (!on_chunk(talk))
                return;
    }
    if (status == APR_EOF) {
        zm_stream_close(stream);
        end(talk);
    }
}

static void on_accept(apr_socket_t *socket, apr_pool_t *pool, void *baton)
{
    zm_server_t *server = baton;
    talk_t *talk = apr_pcalloc(pool, sizeof *talk);
    talk->server = server;
    server->open++;
    talk->pool = pool;
    zm_buf_printf(&server->talk, "[%d]\n", ++server->sessions);
    ZM_ASSERT_OK(zm_stream_open(&talk->stream, server->loop, socket, on_event, talk));
    zm_stream_line_limit(talk->stream, 1 << 20);
    say(talk, &server->greeting, "220 test ESMTP");
}

void zm_server_end(zm_server_t *server)
{
    zm_server_stop(server);
    zm_buf_free(&server->talk);
    zm_buf_free(&server->letter);
}

static apr_status_t clean_up(void *data)
{
    zm_server_end(data);
    return APR_SUCCESS;
}

void zm_server_start(zm_server_t *server, zm_loop_t *loop, apr_pool_t *pool)
{
    zm_endpoint_t where = {0};
    zm_error_t error;
    zm_ip_parse(&where.ip, ZM_S("127.0.0.1"));
    ZM_ASSERT_OK(zm_socket_listen(&server->socket, &where, 0, pool, &error));
    server->loop = loop;
    server->pool = pool;
    server->port = zm_socket_local_end(server->socket).port;
    ZM_ASSERT_OK(zm_listener_open(&server->listener, loop, server->socket, on_accept, server));
    apr_pool_pre_cleanup_register(pool, server, clean_up);
}

void zm_server_stop(zm_server_t *server)
{
    zm_listener_close(server->listener);
    if (server->listener != NULL)
        apr_socket_close(server->socket);
    server->listener = NULL;
}

const char *zm_server_host(const zm_server_t *server)
{
    return apr_psprintf(server->pool, "[127.0.0.1]:%u", server->port);
}
