#include "mta/admin/mailq.h"

#include <apr_strings.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/mailqsock.h"
#include "platform/localsock.h"
#include "platform/machine.h"
#include "platform/service.h"

#define PATIENCE (60 * APR_USEC_PER_SEC)

/* -- lines --------------------------------------------------------------------------------- */

static bool fill(mailq_t *mailq)
{
    apr_size_t length = 65536;
    apr_status_t status;

    if (mailq->at_end)
        return false;
    zm_buf_reserve(&mailq->input, length);
    status = apr_socket_recv(mailq->socket, mailq->input.data + mailq->input.length, &length);
    if (status != APR_SUCCESS || length == 0) {
        mailq->at_end = true;
        return false;
    }
    mailq->input.length += length;
    return true;
}

bool mailq_line(mailq_t *mailq, zm_str_t *line, apr_pool_t *pool)
{
    apr_size_t searched = 0;
    for (;;) {
        zm_str_t here = zm_str_from(zm_buf_str(&mailq->input), searched);
        apr_ssize_t at = here.length > 0 ? zm_str_find(here, '\n') : -1;
        if (at >= 0) {
            apr_size_t length = searched + (apr_size_t)at;
            *line = zm_str_copy(pool, zm_str_of(mailq->input.data, length));
            zm_buf_consume(&mailq->input, length + 1);
            if (line->length > 0 && line->data[line->length - 1] == '\r')
                line->length--;
            if (mailq->debug > 0)
                fprintf(stderr, "- %.*s\n", (int)line->length, line->data);
            return true;
        }
        searched = mailq->input.length;
        if (!fill(mailq))
            return false;
    }
}

static bool send_line(mailq_t *mailq, const char *line)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_size_t sent = 0;

    zm_buf_printf(&text, "%s\n", line);
    while (sent < text.length) {
        apr_size_t length = text.length - sent;
        if (apr_socket_send(mailq->socket, text.data + sent, &length) != APR_SUCCESS)
            break;
        sent += length;
    }
    zm_buf_free(&text);
    return sent > strlen(line);
}

bool mailq_command(mailq_t *mailq, const char *command, zm_str_t *reply, apr_pool_t *pool)
{
    *reply = ZM_S("-the connection has ended");
    if (!send_line(mailq, command))
        return false;
    do
        if (!mailq_line(mailq, reply, pool)) {
            *reply = ZM_S("-the connection has ended");
            return false;
        }
    while (reply->length == 0); /* an original server sends an empty line after KILL */
    return reply->data[0] == '+';
}

bool mailq_reply_line(mailq_t *mailq, zm_str_t *line, apr_pool_t *pool)
{
    if (!mailq_line(mailq, line, pool) || zm_str_equal_c(*line, "."))
        return false;
    if (line->length > 0 && line->data[0] == '.')
        *line = zm_str_from(*line, 1);
    return true;
}

/* -- connecting ---------------------------------------------------------------------------- */

static int connect_local(mailq_t *mailq, const char *path)
{
    apr_status_t status = zm_localsock_connect(&mailq->socket, path, mailq->pool);
    char text[200];
    if (status == APR_SUCCESS)
        return 0;
    return mailq_complain(EXIT_UNAVAILABLE, "cannot reach the scheduler at %s: %s", path,
                          zm_status_text(status, text, sizeof text));
}

static apr_status_t connect_address(mailq_t *mailq, apr_sockaddr_t *address)
{
    apr_status_t status =
        apr_socket_create(&mailq->socket, address->family, SOCK_STREAM, APR_PROTO_TCP, mailq->pool);
    if (status != APR_SUCCESS)
        return status;
    apr_socket_timeout_set(mailq->socket, PATIENCE);
    status = apr_socket_connect(mailq->socket, address);
    if (status != APR_SUCCESS)
        apr_socket_close(mailq->socket);
    return status;
}

static int connect_tcp(mailq_t *mailq, const char *server, uint16_t port)
{
    int families[2] = {APR_INET6, APR_INET};
    apr_status_t status = APR_EGENERAL;
    char text[200];
    int i;

    if (mailq->four && !mailq->six) {
        families[0] = APR_INET;
        families[1] = APR_INET6;
    }
    for (i = 0; i < 2; i++) {
        apr_sockaddr_t *address;
        status = apr_sockaddr_info_get(&address, server, families[i], port, 0, mailq->pool);
        for (; status == APR_SUCCESS && address != NULL; address = address->next) {
            if (connect_address(mailq, address) == APR_SUCCESS)
                return 0;
            if (address->next == NULL)
                status = APR_ECONNREFUSED;
        }
    }
    return mailq_complain(EXIT_UNAVAILABLE, "cannot reach the scheduler at %s port %u: %s", server,
                          port, zm_status_text(status, text, sizeof text));
}

static int local_scheduler(mailq_t *mailq, zm_mailqsock_t *where)
{
    const char *pid_file =
        apr_pstrcat(mailq->pool, zm_zenv_postoffice(mailq->zenv), "/.pid.scheduler", NULL);
    const char *config =
        apr_pstrcat(mailq->pool, zm_zenv_mailshare(mailq->zenv), "/scheduler.conf", NULL);
    apr_int64_t pid;

    if (zm_pidfile_holder(&pid, pid_file, mailq->pool) != APR_SUCCESS)
        return mailq_complain(EXIT_OSFILE, "no scheduler runs on %s",
                              zm_zenv_postoffice(mailq->zenv));
    if (zm_mailqsock_parse(where, zm_mailqsock_configured(config, mailq->zenv, mailq->pool),
                           mailq->pool) != APR_SUCCESS)
        return mailq_complain(EXIT_UNAVAILABLE, "PARAMmailqsock in %s is no socket", config);
    return 0;
}

static int open_connection(mailq_t *mailq)
{
    const char *server = mailq->server;
    zm_mailqsock_t where = {0};
    int code = 0;

    if (server == NULL && mailq->port == NULL)
        server = zm_zenv_get_or(mailq->zenv, "MAILSERVER", NULL);
    if (mailq->port != NULL || server != NULL) {
        if (zm_mailqsock_parse(&where, mailq->port, mailq->pool) != APR_SUCCESS)
            return mailq_complain(64, "-p takes a port or the path of a socket");
    } else {
        code = local_scheduler(mailq, &where);
    }
    if (code != 0)
        return code;
    if (where.path != NULL)
        return connect_local(mailq, where.path);
    code = connect_tcp(mailq, server != NULL ? server : "localhost", where.port);
    if (code == 0 && server != NULL && !mailq->json && strcmp(server, "localhost") != 0)
        printf("[%s]\n", zm_machine_canonical_name(server, mailq->pool));
    return code;
}

/* -- logging in ---------------------------------------------------------------------------- */

static const char *answer(zm_str_t challenge, zm_str_t password, apr_pool_t *pool)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0, i;
    char *text = apr_pcalloc(pool, 2 * EVP_MAX_MD_SIZE + 1);
    zm_buf_t both = ZM_BUF_INIT;

    zm_buf_add_str(&both, challenge);
    zm_buf_add_str(&both, password);
    if (EVP_Digest(both.data, both.length, digest, &length, EVP_md5(), NULL) != 1)
        length = 0;
    for (i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    zm_buf_free(&both);
    return text;
}

static int log_in(mailq_t *mailq)
{
    zm_str_t challenge, reply, account = zm_str(mailq->account), user, password;
    apr_size_t i = 0;

    if (!mailq_line(mailq, &challenge, mailq->pool))
        return mailq_complain(EXIT_UNAVAILABLE, "the scheduler closed the connection");
    if (mailq->account == NULL)
        account = ZM_S("nobody/nobody");
    while (i < account.length && strchr("/:,", account.data[i]) == NULL)
        i++;
    user = zm_str_of(account.data, i);
    password = i < account.length ? zm_str_of(account.data + i + 1, account.length - i - 1)
                                  : ZM_S("nobody");
    if (mailq_command(mailq,
                      apr_pstrcat(mailq->pool, "AUTH ", zm_str_c(mailq->pool, user), " ",
                                  answer(challenge, password, mailq->pool), NULL),
                      &reply, mailq->pool))
        return 0;
    return mailq_complain(EXIT_NOPERM, "the scheduler does not admit %.*s: %.*s", (int)user.length,
                          user.data, (int)reply.length - 1, reply.data + 1);
}

int mailq_connect(mailq_t *mailq)
{
    zm_str_t greeting;
    int code = open_connection(mailq);

    if (code != 0)
        return code;
    apr_socket_timeout_set(mailq->socket, PATIENCE);
    if (!mailq_line(mailq, &greeting, mailq->pool))
        return mailq_complain(EXIT_UNAVAILABLE, "the scheduler closed the connection");
    if (zm_str_starts(greeting, ZM_S("version zmailer 2.0"))) {
        mailq->version2 = true;
        return log_in(mailq);
    }
    if (!zm_str_starts(greeting, ZM_S("version zmailer 1")))
        return mailq_complain(EXIT_UNAVAILABLE, "this is no scheduler: \"%.*s\"",
                              (int)(greeting.length < 80 ? greeting.length : 80), greeting.data);
    return 0;
}
