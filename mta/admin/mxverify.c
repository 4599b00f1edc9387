/*
 * mxverify(8): whether the servers that DNS names for a domain take its mail.
 *
 * Each address of each server is connected to, and asked as for a report (null
 * return path) to the postmaster and to the address; no message is sent.
 */
#include <apr_general.h>
#include <apr_network_io.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/admin/lookup.h"
#include "mta/admin/spool_commands.h"
#include "mta/conf/options.h"
#include "mta/conf/site.h"

enum { EXIT_FAULT = 1, EXIT_NO_HOST = 68, EXIT_TRY_AGAIN = 75 };

#define PATIENCE apr_time_from_sec(20) /* for connecting */
#define MOST_LINES 100                 /* of one reply */

typedef struct verify_t {
    apr_pool_t *pool;
    lookup_t *lookup;
    const char *address, *domain, *hello; /* address: null when only a domain was given */
    int64_t port;
    bool json;
    int servers, faults;
    /* the conversation with one address */
    apr_socket_t *socket;
    zm_buf_t input;
    int steps;
} verify_t;

/* -- telling -------------------------------------------------------------------------- */

static void tell_server(verify_t *verify, const char *host, int preference, const char *where)
{
    if (verify->json) {
        printf("%s{\"host\":", verify->servers > 0 ? ",\n " : "");
        spool_json_string(host);
        if (preference >= 0)
            printf(",\"preference\":%d", preference);
        spool_json_text("address", where);
        printf(",\"steps\":[");
    } else {
        printf("%s", host);
        if (preference >= 0)
            printf(" (%d)", preference);
        printf(" %s\n", where);
    }
    verify->servers++;
    verify->steps = 0;
}

static void tell_step(verify_t *verify, const char *said, const char *reply)
{
    if (verify->json) {
        printf("%s{\"said\":", verify->steps++ > 0 ? "," : "");
        spool_json_string(said);
        spool_json_text("reply", reply);
        printf("}");
        return;
    }
    printf("    %-34s ", said);
    spool_print_shown(reply);
    printf("\n");
}

static void tell_result(verify_t *verify, const char *fault)
{
    verify->faults += fault != NULL;
    if (verify->json) {
        printf("],\"good\":%s", fault == NULL ? "true" : "false");
        if (fault != NULL)
            spool_json_text("fault", fault);
        printf("}");
    } else if (fault != NULL) {
        printf("    FAULT: ");
        spool_print_shown(fault);
        printf("\n");
    } else {
        printf("    ok\n");
    }
}

/* -- the conversation --------------------------------------------------------------------- */

/* The next line without its end; null: there is none any more. */
static const char *read_line(verify_t *verify, apr_time_t end)
{
    for (;;) {
        apr_ssize_t at =
            verify->input.length > 0 ? zm_str_find(zm_buf_str(&verify->input), '\n') : -1;
        apr_size_t length = 4096;
        apr_interval_time_t left = end - apr_time_now();
        if (at >= 0) {
            const char *line =
                zm_str_c(verify->pool, zm_str_trim(zm_str_of(verify->input.data, (apr_size_t)at)));
            zm_buf_consume(&verify->input, (apr_size_t)at + 1);
            return line;
        }
        if (left <= 0 || verify->input.length > 65536)
            return NULL;
        apr_socket_timeout_set(verify->socket, left);
        zm_buf_reserve(&verify->input, length);
        if (apr_socket_recv(verify->socket, verify->input.data + verify->input.length, &length) !=
                APR_SUCCESS ||
            length == 0)
            return NULL;
        verify->input.length += length;
    }
}

/* Says a command (null: nothing), and takes the reply: its code, 0 when there is none. */
static int converse(verify_t *verify, const char *command, apr_interval_time_t patience)
{
    apr_time_t end = apr_time_now() + patience;
    const char *line = NULL;
    int lines;
    if (command != NULL) {
        const char *text = apr_pstrcat(verify->pool, command, "\r\n", NULL);
        apr_size_t length = strlen(text);
        apr_socket_timeout_set(verify->socket, patience);
        (void)apr_socket_send(verify->socket, text, &length); /* reading tells */
    }
    for (lines = 0; lines < MOST_LINES; lines++) {
        line = read_line(verify, end);
        if (line == NULL || strlen(line) < 3 || line[3] != '-')
            break;
    }
    tell_step(verify, command != NULL ? command : "(greeting)", line != NULL ? line : "no reply");
    return line != NULL ? atoi(apr_pstrmemdup(verify->pool, line, strlen(line) < 3 ? 0 : 3)) : 0;
}

static bool good(int code)
{
    return code >= 200 && code < 300;
}

/* Null when all is well, else what is not. */
static const char *question(verify_t *verify)
{
    apr_interval_time_t patience = apr_time_from_sec(60);
    const char *fault = NULL;
    if (!good(converse(verify, NULL, patience)))
        return "it does not greet as an SMTP server";
    if (!good(
            converse(verify, apr_pstrcat(verify->pool, "EHLO ", verify->hello, NULL), patience)) &&
        !good(converse(verify, apr_pstrcat(verify->pool, "HELO ", verify->hello, NULL), patience)))
        return "it takes neither EHLO nor HELO from us";
    if (!good(converse(verify, "MAIL FROM:<>", patience)))
        return "it takes no reports (the null return path)";
    if (!good(converse(verify,
                       apr_pstrcat(verify->pool, "RCPT TO:<postmaster@", verify->domain, ">", NULL),
                       patience)))
        fault = "it refuses the postmaster, who must be there";
    if (verify->address != NULL &&
        !good(converse(verify, apr_pstrcat(verify->pool, "RCPT TO:<", verify->address, ">", NULL),
                       patience)))
        fault = "it refuses the address";
    (void)converse(verify, "QUIT", apr_time_from_sec(5));
    return fault;
}

static void verify_ip(verify_t *verify, const char *host, int preference, const zm_ip_t *ip)
{
    zm_endpoint_t where = {*ip, (uint16_t)verify->port};
    apr_sockaddr_t *to = zm_endpoint_sockaddr(&where, ip->family == 6, verify->pool);
    char text[ZM_IP_TEXT], reason[200];
    apr_status_t status;
    tell_server(verify, host, preference, zm_endpoint_print(&where, text));
    zm_buf_clear(&verify->input);
    status =
        apr_socket_create(&verify->socket, to->family, SOCK_STREAM, APR_PROTO_TCP, verify->pool);
    if (status != APR_SUCCESS) {
        tell_result(verify, zm_status_text(status, reason, sizeof reason));
        return;
    }
    apr_socket_timeout_set(verify->socket, PATIENCE);
    status = apr_socket_connect(verify->socket, to);
    tell_result(verify, status == APR_SUCCESS
                            ? question(verify)
                            : apr_psprintf(verify->pool, "cannot connect: %s",
                                           zm_status_text(status, reason, sizeof reason)));
    apr_socket_close(verify->socket);
}

/* -- where to ------------------------------------------------------------------------------ */

static void verify_host(verify_t *verify, const char *host, int preference)
{
    static const zm_dns_type_t types[] = {ZM_DNS_A, ZM_DNS_AAAA};
    int i, k, found = 0;
    for (i = 0; i < 2; i++) {
        const zm_dns_answer_t *answer = lookup_ask(verify->lookup, types[i], host);
        for (k = 0; answer->outcome == ZM_DNS_FOUND && k < answer->count; k++, found++)
            verify_ip(verify, host, preference, &answer->records[k].ip);
    }
    if (found == 0) {
        tell_server(verify, host, preference, "");
        tell_result(verify, "it has no address");
    }
}

static int verify_domain(verify_t *verify)
{
    const zm_dns_answer_t *answer;
    zm_ip_t ip;
    int i;
    if (zm_ip_parse_literal(&ip, zm_str(verify->domain)) == APR_SUCCESS) {
        verify_ip(verify, verify->domain, -1, &ip);
        return 0;
    }
    if ((verify->lookup = lookup_create("mxverify", verify->pool)) == NULL)
        return EXIT_TRY_AGAIN;
    answer = lookup_ask(verify->lookup, ZM_DNS_MX, verify->domain);
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        fprintf(stderr, "mxverify: DNS does not answer for %s: %s\n", verify->domain,
                answer->reason != NULL ? answer->reason : "try again");
        return EXIT_TRY_AGAIN;
    }
    if (answer->outcome == ZM_DNS_NO_NAME || answer->null_mx) {
        fprintf(stderr, "mxverify: %s %s\n", verify->domain,
                answer->null_mx ? "says in DNS that it takes no mail" : "is not in DNS");
        return EXIT_NO_HOST;
    }
    if (answer->outcome == ZM_DNS_NO_DATA)
        verify_host(verify, verify->domain, -1);
    for (i = 0; answer->outcome == ZM_DNS_FOUND && i < answer->count; i++)
        verify_host(verify, answer->records[i].host, answer->records[i].preference);
    return 0;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text > 126 || *text == '<' ||
            *text == '>')
            return false;
    return true;
}

int main(int argc, char **argv)
{
    verify_t verify = {.port = 25};
    zm_zenv_options_t site = {0};
    const zm_option_t table[] = {
        {'p', "port", ZM_OPTION_NUMBER, &verify.port, NULL, "PORT", "connect there instead of 25"},
        {0, "hello", ZM_OPTION_TEXT, &verify.hello, NULL, "NAME", "our name (that of this host)"},
        {0, "json", ZM_OPTION_FLAG, &verify.json, NULL, NULL, "as JSON"},
    };
    const zm_command_line_t line = {"mxverify",
                                    "ADDRESS | DOMAIN",
                                    "ask the servers of a domain whether they take its mail",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    zm_zenv_t *zenv;
    const char *at;
    int code;

    if (!zm_options_start(&line, &argc, argv, &verify.pool, &zenv, &code))
        return code;
    at = argc == 2 ? strrchr(argv[1], '@') : NULL;
    if (argc != 2 || !is_plain(argv[1]) || argv[1][0] == '\0' || (at != NULL && at[1] == '\0') ||
        verify.port < 1 || verify.port > 65535) {
        fprintf(stderr, "mxverify: expected an address or a domain in ASCII (xn--...)\n");
        return ZM_EXIT_USAGE;
    }
    if (verify.hello == NULL)
        verify.hello = zm_site_hostname(zenv, verify.pool);
    verify.address = at != NULL ? argv[1] : NULL;
    verify.domain = at != NULL ? at + 1 : argv[1];
    if (verify.json)
        printf("{\"servers\":[");
    code = verify_domain(&verify);
    if (code == 0 && verify.faults > 0)
        code = EXIT_FAULT;
    if (verify.json)
        printf("],\"good\":%s}\n", code == 0 ? "true" : "false");
    zm_buf_free(&verify.input);
    apr_pool_destroy(verify.pool);
    return code;
}
