#include "tests/unit/mta/net/fake_dns.h"

#include <apr_strings.h>
#include <stdlib.h>

#include "mta/net/socket.h"
#include "mta/net/stream.h"
#include "tests/unit/harness.h"

struct fake_dns_t {
    zm_loop_t *loop;
    apr_pool_t *pool;
    const fake_record_t *records;
    apr_socket_t *udp, *tcp;
    zm_watch_t *watch;
    zm_listener_t *listener;
    zm_stream_t *streams[16];
    int stream_count, udp_count, tcp_count;
    uint32_t negative_ttl;
    const char *address;
};

/* -- writing messages ----------------------------------------------------------- */

static void put16(zm_buf_t *out, unsigned value)
{
    zm_buf_add_byte(out, (char)(value >> 8));
    zm_buf_add_byte(out, (char)value);
}

static void put_name(zm_buf_t *out, const char *name)
{
    zm_str_t rest = zm_str(name), label;
    while (rest.length != 0) {
        if (!zm_str_cut(rest, '.', &label, &rest))
            rest.length = 0;
        zm_buf_add_byte(out, (char)label.length);
        zm_buf_add_str(out, label);
    }
    zm_buf_add_byte(out, 0);
}

/* One digit is an octet, more are two to the octet. */
static void put_hex(zm_buf_t *out, zm_str_t word)
{
    apr_size_t i, step = word.length > 1 ? 2 : 1;
    for (i = 0; i + step <= word.length; i += step) {
        char digits[3] = {word.data[i], step == 2 ? word.data[i + 1] : '\0', '\0'};
        zm_buf_add_byte(out, (char)strtoul(digits, NULL, 16));
    }
}

static void put_data(zm_buf_t *out, const fake_record_t *record)
{
    zm_buf_t data = ZM_BUF_INIT;
    zm_str_t rest = zm_str(record->data), word;
    zm_ip_t ip;
    uint64_t preference = 0;
    switch (record->type) {
    case ZM_DNS_A:
    case ZM_DNS_AAAA:
        ZM_ASSERT_OK(zm_ip_parse(&ip, rest));
        zm_buf_add(&data, ip.bytes, record->type == ZM_DNS_A ? 4 : 16);
        break;
    case ZM_DNS_MX:
        zm_str_word(&rest, &word);
        zm_str_u64(word, &preference);
        put16(&data, (unsigned)preference);
        put_name(&data, strchr(record->data, ' ') + 1);
        break;
    case ZM_DNS_TXT:
        while (rest.length != 0) {
            if (!zm_str_cut(rest, '|', &word, &rest))
                rest.length = 0;
            zm_buf_add_byte(&data, (char)word.length);
            zm_buf_add_str(&data, word);
        }
        break;
    case ZM_DNS_TLSA:
        while (zm_str_word(&rest, &word)) /* "3 1 1 00ff..." */
            put_hex(&data, word);
        break;
    case ZM_DNS_CNAME:
    case ZM_DNS_PTR:
        put_name(&data, record->data);
    }
    put16(out, (unsigned)data.length);
    zm_buf_add_str(out, zm_buf_str(&data));
    zm_buf_free(&data);
}

static void put_record(zm_buf_t *out, const fake_record_t *record)
{
    put_name(out, record->name);
    put16(out, record->type);
    put16(out, 1);
    put16(out, record->ttl >> 16);
    put16(out, record->ttl & 0xffff);
    put_data(out, record);
}

static void put_soa(zm_buf_t *out, uint32_t ttl)
{
    int i;
    put_name(out, "test");
    put16(out, 6);
    put16(out, 1);
    put16(out, ttl >> 16);
    put16(out, ttl & 0xffff);
    put16(out, 22);
    put16(out, 0); /* two names "." */
    for (i = 0; i < 8; i++)
        put16(out, 0);
    put16(out, ttl >> 16);
    put16(out, ttl & 0xffff);
}

/* -- answering ------------------------------------------------------------------ */

typedef struct asked_t {
    zm_str_t id, question; /* the question section as it came */
    char name[300];
    unsigned type;
    bool proof; /* it asks whether DNSSEC proves the answer, with both bits */
} asked_t;

static bool read_question(zm_str_t query, asked_t *asked)
{
    apr_size_t at = 12, length = 0;
    if (query.length < 17)
        return false;
    while (at < query.length && query.data[at] != 0) {
        apr_size_t label = (unsigned char)query.data[at];
        if (at + 1 + label >= query.length || length + label + 1 >= sizeof asked->name)
            return false;
        memcpy(asked->name + length, query.data + at + 1, label);
        length += label;
        asked->name[length++] = '.';
        at += label + 1;
    }
    asked->name[length > 0 ? length - 1 : 0] = '\0';
    if (at + 5 > query.length)
        return false;
    asked->type =
        (unsigned)((unsigned char)query.data[at + 1] << 8 | (unsigned char)query.data[at + 2]);
    asked->proof = (query.data[3] & 0x20) != 0 && query.length >= at + 5 + 11 &&
                   query.data[at + 5 + 2] == 41 && (query.data[at + 5 + 7] & 0x80) != 0;
    asked->id = zm_str_of(query.data, 2);
    asked->question = zm_str_of(query.data + 12, at + 5 - 12);
    return true;
}

static bool is_kind(const asked_t *asked, const char *label)
{
    return strncmp(asked->name, label, strlen(label)) == 0 && asked->name[strlen(label)] == '.';
}

static void header(zm_buf_t *out, const asked_t *asked, unsigned flags, unsigned answers,
                   unsigned authorities)
{
    zm_buf_add_str(out, asked->id);
    if (asked->proof && strstr(asked->name, "signed") != NULL)
        flags |= 0x20;
    put16(out, 0x8180 | flags);
    put16(out, 1);
    put16(out, answers);
    put16(out, authorities);
    put16(out, 0);
    zm_buf_add_str(out, asked->question);
}

static bool matches(const fake_record_t *record, const asked_t *asked)
{
    return zm_str_equal_nocase(zm_str(record->name), zm_str(asked->name));
}

/* A well-behaved reply: the records of the name, aliases followed by what the list holds next to
 * them. */
static void answer(fake_dns_t *server, const asked_t *asked, zm_buf_t *out)
{
    zm_buf_t answers = ZM_BUF_INIT;
    unsigned count = 0, known = 0;
    asked_t at = *asked;
    const fake_record_t *r;
    for (r = server->records; r->name != NULL; r++) {
        known += matches(r, &at);
        if (!matches(r, &at) || (r->type != at.type && r->type != ZM_DNS_CNAME))
            continue;
        put_record(&answers, r);
        count++;
        if (r->type == ZM_DNS_CNAME && strncmp(r->data, "apart", 5) != 0)
            apr_cpystrn(at.name, r->data, sizeof at.name);
    }
    header(out, asked, known == 0 ? 3 : 0, count, count == 0 && server->negative_ttl != 0);
    zm_buf_add_str(out, zm_buf_str(&answers));
    if (count == 0 && server->negative_ttl != 0)
        put_soa(out, server->negative_ttl);
    zm_buf_free(&answers);
}

static void misbehave(const asked_t *asked, zm_buf_t *out)
{
    if (is_kind(asked, "servfail")) {
        header(out, asked, 2, 0, 0);
    } else if (is_kind(asked, "refused")) {
        header(out, asked, 5, 0, 0);
    } else if (is_kind(asked, "wrongid")) {
        header(out, asked, 0, 0, 0);
        out->data[0] ^= 0x55;
    } else if (is_kind(asked, "garbage")) {
        header(out, asked, 0, 3, 0);
        zm_buf_add(out, "\377\377\377\0\1\377\377\300\377\77junk and more junk", 28);
    } else if (is_kind(asked, "badcount")) {
        const fake_record_t record = {asked->name, ZM_DNS_A, 60, "192.0.2.1"};
        header(out, asked, 0, 65535, 65535);
        put_record(out, &record);
    } else if (is_kind(asked, "badpointer")) {
        header(out, asked, 0, 1, 0);
        put16(out, 0xc000 | (unsigned)out->length);
        zm_buf_add(out, "\0\1\0\1\0\0\0\74\0\4\300\0\2\1", 14);
    } else if (is_kind(asked, "badlength")) {
        const fake_record_t record = {asked->name, ZM_DNS_MX, 60, "10 mail.test"};
        header(out, asked, 0, 1, 0);
        put_record(out, &record);
        out->length -= 3;
    }
}

/* Of a zone "silent" only what is in the list is told. */
static bool is_silent(const fake_dns_t *server, const asked_t *asked)
{
    const fake_record_t *r = server->records;
    if (is_kind(asked, "silent"))
        return true;
    while (r->name != NULL && (!matches(r, asked) || r->type != asked->type))
        r++;
    return r->name == NULL && strstr(asked->name, ".silent.") != NULL;
}

/* Empty: no reply. */
static void reply(fake_dns_t *server, zm_str_t query, bool udp, zm_buf_t *out)
{
    asked_t asked;
    if (!read_question(query, &asked) || is_silent(server, &asked))
        return;
    misbehave(&asked, out);
    if (out->length != 0)
        return;
    if (udp && is_kind(&asked, "truncate"))
        header(out, &asked, 0x200, 0, 0);
    else
        answer(server, &asked, out);
}

/* -- transport ------------------------------------------------------------------ */

static void on_datagram(zm_watch_t *watch, int events, void *baton)
{
    fake_dns_t *server = baton;
    zm_buf_t out = ZM_BUF_INIT;
    char query[1500];
    apr_size_t length = sizeof query;
    apr_sockaddr_t *from;
    (void)watch;
    (void)events;
    apr_sockaddr_info_get(&from, "127.0.0.1", APR_INET, 0, 0, server->pool);
    if (apr_socket_recvfrom(from, server->udp, 0, query, &length) != APR_SUCCESS)
        return;
    server->udp_count++;
    reply(server, zm_str_of(query, length), true, &out);
    length = out.length;
    if (length != 0)
        ZM_ASSERT_OK(apr_socket_sendto(server->udp, from, 0, out.data, &length));
    zm_buf_free(&out);
}

static void on_stream(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    fake_dns_t *server = baton;
    zm_str_t input = zm_stream_peek(stream);
    apr_size_t length;
    zm_buf_t out = ZM_BUF_INIT;
    if (event != ZM_STREAM_INPUT || input.length < 2)
        return;
    length = (apr_size_t)((unsigned char)input.data[0] << 8 | (unsigned char)input.data[1]);
    if (input.length < length + 2)
        return;
    server->tcp_count++;
    reply(server, zm_str_of(input.data + 2, length), false, &out);
    zm_stream_take(stream, length + 2);
    zm_stream_printf(stream, "%c%c", (int)(out.length >> 8), (int)(out.length & 255));
    zm_stream_write_str(stream, zm_buf_str(&out));
    zm_buf_free(&out);
}

static void on_connection(apr_socket_t *socket, apr_pool_t *pool, void *baton)
{
    fake_dns_t *server = baton;
    (void)pool;
    ZM_ASSERT_OK(zm_stream_open(&server->streams[server->stream_count++ % 16], server->loop, socket,
                                on_stream, server));
}

/* TCP and UDP on one free port: the second may find it taken, then another is tried. */
static bool bind_both(fake_dns_t *server, zm_endpoint_t *where)
{
    apr_sockaddr_t *address;
    zm_endpoint_parse(where, zm_str("127.0.0.1:0"), 0);
    ZM_ASSERT_OK(zm_socket_listen(&server->tcp, where, 0, server->pool, NULL));
    *where = zm_socket_local_end(server->tcp);
    address = zm_endpoint_sockaddr(where, false, server->pool);
    ZM_ASSERT_OK(apr_socket_create(&server->udp, APR_INET, SOCK_DGRAM, 0, server->pool));
    if (apr_socket_bind(server->udp, address) != APR_SUCCESS)
        return false;
    apr_socket_opt_set(server->udp, APR_SO_NONBLOCK, 1);
    apr_socket_timeout_set(server->udp, 0);
    return true;
}

fake_dns_t *fake_dns_start(zm_loop_t *loop, const fake_record_t *records, apr_pool_t *pool)
{
    fake_dns_t *server = apr_pcalloc(pool, sizeof *server);
    zm_endpoint_t where;
    char text[ZM_IP_TEXT];
    int tries = 0;
    server->loop = loop;
    server->pool = pool;
    server->records = records;
    while (!bind_both(server, &where) && ++tries < 100)
        continue;
    server->address = apr_pstrdup(pool, zm_endpoint_print(&where, text));
    ZM_ASSERT_OK(zm_watch_open(&server->watch, loop, server->udp, ZM_READ, on_datagram, server));
    ZM_ASSERT_OK(zm_listener_open(&server->listener, loop, server->tcp, on_connection, server));
    return server;
}

void fake_dns_stop(fake_dns_t *server)
{
    int i;
    zm_watch_close(server->watch);
    zm_listener_close(server->listener);
    for (i = 0; i < 16; i++)
        zm_stream_close(server->streams[i]);
}

const char *fake_dns_address(const fake_dns_t *server)
{
    return server->address;
}

int fake_dns_udp_count(const fake_dns_t *server)
{
    return server->udp_count;
}

int fake_dns_tcp_count(const fake_dns_t *server)
{
    return server->tcp_count;
}

void fake_dns_negative_ttl(fake_dns_t *server, uint32_t seconds)
{
    server->negative_ttl = seconds;
}
