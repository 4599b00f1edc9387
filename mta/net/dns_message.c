#include "mta/net/dns_message.h"

#include <apr_general.h>
#include <apr_portable.h> /* before ares.h, which leaves fd_set to others */
#include <apr_strings.h>
#include <ares.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 12
#define SOA 6
#define CLASS_IN 1
#define MOST_ALIASES_A_REPLY 8
#define AUTHENTIC_DATA 0x20
#define LONGEST_TTL 0x7fffffffU

typedef struct resource_t {
    const char *owner;
    unsigned type, class;
    uint32_t ttl;
    const unsigned char *data;
    apr_size_t length;
} resource_t;

/* A place in a message; once failed, it gives zeros and stays failed. */
typedef struct reader_t {
    const unsigned char *message, *at, *end;
    bool failed;
    apr_pool_t *pool;
} reader_t;

/* -- pieces ------------------------------------------------------------------- */

static const unsigned char *bytes(reader_t *reader, apr_size_t count)
{
    const unsigned char *here = reader->at;
    if (reader->failed || count > (apr_size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return NULL;
    }
    reader->at += count;
    return here;
}

static unsigned number16(reader_t *reader)
{
    const unsigned char *b = bytes(reader, 2);
    return b != NULL ? (unsigned)(b[0] << 8 | b[1]) : 0;
}

static uint32_t number32(reader_t *reader)
{
    uint32_t high = number16(reader);
    return high << 16 | number16(reader);
}

/* A name, without final dot; c-ares checks its pointers and escapes what is not printable. */
static const char *domain(reader_t *reader)
{
    char *expanded;
    long used;
    const char *name;
    if (reader->failed || reader->at >= reader->end ||
        ares_expand_name(reader->at, reader->message, (int)(reader->end - reader->message),
                         &expanded, &used) != ARES_SUCCESS) {
        reader->failed = true;
        return "";
    }
    name = apr_pstrdup(reader->pool, expanded);
    ares_free_string(expanded);
    (void)bytes(reader, (apr_size_t)used);
    return name;
}

static resource_t resource(reader_t *reader)
{
    resource_t r;
    r.owner = domain(reader);
    r.type = number16(reader);
    r.class = number16(reader);
    r.ttl = number32(reader);
    if (r.ttl > LONGEST_TTL)
        r.ttl = 0; /* RFC 2181, 8 */
    r.length = number16(reader);
    r.data = bytes(reader, r.length);
    return r;
}

/* The inside of a resource as a place in the message: names in it may point out of it. */
static reader_t inside(const reader_t *reader, const resource_t *r)
{
    reader_t sub = *reader;
    sub.at = r->data;
    return sub;
}

/* Whether a record's own fields end where the record ends. */
static bool complete(const reader_t *sub, const resource_t *r)
{
    return !sub->failed && sub->at == r->data + r->length;
}

static bool same_name(const char *a, const char *b)
{
    return zm_str_equal_nocase(zm_str(a), zm_str(b));
}

/* -- records ------------------------------------------------------------------ */

static bool read_host(const reader_t *reader, const resource_t *r, const char **host)
{
    reader_t sub = inside(reader, r);
    *host = domain(&sub);
    return complete(&sub, r);
}

static bool read_address(const resource_t *r, uint8_t family, apr_size_t size, zm_ip_t *ip)
{
    if (r->length != size)
        return false;
    ip->family = family;
    memcpy(ip->bytes, r->data, size);
    return true;
}

static bool read_text(const reader_t *reader, const resource_t *r, zm_str_t *text)
{
    reader_t sub = inside(reader, r);
    char *joined = apr_palloc(reader->pool, r->length + 1);
    apr_size_t length = 0;
    sub.end = r->data + r->length;
    while (!sub.failed && sub.at < sub.end) {
        apr_size_t piece = *bytes(&sub, 1);
        const unsigned char *data = bytes(&sub, piece);
        if (data == NULL)
            return false;
        memcpy(joined + length, data, piece);
        length += piece;
    }
    joined[length] = '\0';
    *text = zm_str_of(joined, length);
    return complete(&sub, r);
}

static bool read_record(const reader_t *reader, const resource_t *r, zm_dns_record_t *record)
{
    *record = (zm_dns_record_t){.ttl = r->ttl};
    switch ((zm_dns_type_t)r->type) {
    case ZM_DNS_A:
        return read_address(r, 4, 4, &record->ip);
    case ZM_DNS_AAAA:
        return read_address(r, 6, 16, &record->ip);
    case ZM_DNS_CNAME:
    case ZM_DNS_PTR:
        return read_host(reader, r, &record->host);
    case ZM_DNS_TXT:
        return read_text(reader, r, &record->text);
    case ZM_DNS_MX: {
        reader_t sub = inside(reader, r);
        record->preference = (uint16_t)number16(&sub);
        record->host = domain(&sub);
        return complete(&sub, r);
    }
    case ZM_DNS_TLSA:
        record->text = zm_str_copy(reader->pool, zm_str_of((const char *)r->data, r->length));
        return r->length > 3;
    }
    return false;
}

/* -- mail exchangers ---------------------------------------------------------- */

static int by_preference(const void *a, const void *b)
{
    const zm_dns_record_t *x = a, *y = b;
    return (x->preference > y->preference) - (x->preference < y->preference);
}

static void shuffle(zm_dns_record_t *records, int count)
{
    int i;
    for (i = count - 1; i > 0; i--) {
        uint32_t random = 0;
        zm_dns_record_t other;
        int j;
        (void)apr_generate_random_bytes((unsigned char *)&random, sizeof random);
        j = (int)(random % (uint32_t)(i + 1));
        other = records[i];
        records[i] = records[j];
        records[j] = other;
    }
}

/* An exchanger "." says that the domain takes no mail (RFC 7505); beside others it is a mistake. */
static void drop_root_exchangers(zm_dns_answer_t *answer)
{
    int i, kept = 0;
    for (i = 0; i < answer->count; i++)
        if (answer->records[i].host[0] != '\0')
            answer->records[kept++] = answer->records[i];
    answer->null_mx = answer->count > 0 && kept == 0;
    answer->count = kept;
}

static void order_exchangers(zm_dns_answer_t *answer)
{
    int i, start = 0;
    drop_root_exchangers(answer);
    qsort(answer->records, (apr_size_t)answer->count, sizeof *answer->records, by_preference);
    for (i = 1; i <= answer->count; i++)
        if (i == answer->count ||
            answer->records[i].preference != answer->records[start].preference) {
            shuffle(answer->records + start, i - start);
            start = i;
        }
}

/* -- the whole ---------------------------------------------------------------- */

static void unusable(zm_dns_answer_t *answer, const char *reason)
{
    answer->outcome = ZM_DNS_TEMPORARY;
    answer->reason = reason;
    answer->count = 0;
    answer->ttl = 0;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Goes from name along the aliases in the reply to where they end.  False: a bad record, or a ring.
 */
static bool follow_aliases(const reader_t *reader, const resource_t *all, unsigned count,
                           zm_dns_answer_t *answer)
{
    int steps;
    for (steps = 0; steps <= MOST_ALIASES_A_REPLY; steps++) {
        unsigned i = 0;
        while (i < count &&
               !(all[i].type == ZM_DNS_CNAME && same_name(all[i].owner, answer->canonical)))
            i++;
        if (i == count)
            return true;
        if (!read_host(reader, &all[i], &answer->canonical))
            return false;
        answer->ttl = lesser(answer->ttl, all[i].ttl);
    }
    return false;
}

/* Collects the records of the wanted type at the canonical name. */
static bool collect(const reader_t *reader, const resource_t *all, unsigned count,
                    zm_dns_answer_t *answer)
{
    unsigned i;
    answer->count = 0;
    answer->records = apr_palloc(reader->pool, (count + 1) * sizeof *answer->records);
    for (i = 0; i < count; i++) {
        if (all[i].type != (unsigned)answer->type || !same_name(all[i].owner, answer->canonical))
            continue;
        if (!read_record(reader, &all[i], &answer->records[answer->count++]))
            return false;
        answer->ttl = lesser(answer->ttl, all[i].ttl);
    }
    return true;
}

/* How long a negative answer holds (RFC 2308, 5): from the SOA in the authority section.  False:
 * there is none. */
static bool negative_ttl(reader_t *reader, unsigned authorities, uint32_t *ttl)
{
    for (; authorities > 0 && !reader->failed; authorities--) {
        resource_t r = resource(reader);
        reader_t sub;
        if (reader->failed || r.type != SOA || r.length < 22)
            continue;
        sub = inside(reader, &r);
        sub.at += r.length - 4; /* the last of its numbers */
        *ttl = lesser(r.ttl, number32(&sub));
        return true;
    }
    return false;
}

static void judge(zm_dns_answer_t *answer, bool *more_alias, const char *name, unsigned code,
                  reader_t *reader, unsigned authorities)
{
    uint32_t negative = 0;
    bool authority;
    if (answer->count > 0 && code == 0) {
        if (answer->type == ZM_DNS_MX)
            order_exchangers(answer);
        answer->outcome = answer->null_mx ? ZM_DNS_NO_DATA : ZM_DNS_FOUND;
        return;
    }
    authority = negative_ttl(reader, authorities, &negative);
    answer->outcome = code == 3 ? ZM_DNS_NO_NAME : ZM_DNS_NO_DATA;
    *more_alias = code == 0 && !authority && !same_name(answer->canonical, name);
    if (!*more_alias)
        answer->ttl = lesser(answer->ttl, negative);
    answer->count = 0;
}

void zm_dns_message_read(zm_dns_answer_t *answer, bool *more_alias, const char *name,
                         zm_str_t message, apr_pool_t *pool)
{
    const unsigned char *start = (const unsigned char *)message.data;
    reader_t reader = {start, start, start + message.length, false, pool};
    unsigned flags, questions, answers, authorities, i;
    resource_t *all;

    *more_alias = false;
    answer->canonical = name;
    answer->null_mx = false;
    answer->reason = NULL;
    answer->ttl = LONGEST_TTL;
    (void)number16(&reader);
    flags = number16(&reader);
    answer->secure = (flags & AUTHENTIC_DATA) != 0;
    questions = number16(&reader);
    answers = number16(&reader);
    authorities = number16(&reader);
    (void)number16(&reader);
    for (i = 0; i < questions && !reader.failed; i++) {
        (void)domain(&reader);
        (void)bytes(&reader, 4);
    }
    /* Each record has at least eleven bytes: a count that promises more is not believed. */
    if (reader.failed || answers > (apr_size_t)(reader.end - reader.at) / 11) {
        unusable(answer, "unreadable reply");
        return;
    }
    all = apr_palloc(pool, (answers + 1) * sizeof *all);
    for (i = 0; i < answers && !reader.failed; i++) {
        all[i] = resource(&reader);
        if (all[i].class != CLASS_IN)
            all[i].type = 0;
    }
    if (reader.failed ||
        (answer->type != ZM_DNS_CNAME && !follow_aliases(&reader, all, answers, answer)) ||
        !collect(&reader, all, answers, answer)) {
        unusable(answer, "unreadable reply");
        return;
    }
    if ((flags & 15) != 0 && (flags & 15) != 3)
        unusable(answer, "server failure");
    else
        judge(answer, more_alias, name, flags & 15, &reader, authorities);
}
