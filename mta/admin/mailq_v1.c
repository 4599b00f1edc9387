#include "mta/admin/mailq.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdio.h>

/* A vertex as version 1 tells it: KEY, FILE, "N; OFF,OFF", "#TEXT". */
typedef struct vertex_t {
    zm_str_t file, offsets, text;
    int64_t count;
    zm_str_t channel, host;
} vertex_t;

typedef struct queue_t {
    mailq_t *mailq;
    apr_hash_t *vertices; /* by key */
    apr_array_header_t *order;
} queue_t;

static void take_vertex(queue_t *queue, zm_str_t line)
{
    apr_pool_t *pool = queue->mailq->pool;
    vertex_t *vertex = apr_pcalloc(pool, sizeof *vertex);
    zm_str_t key, count, rest;

    if (!zm_str_cut(line, ':', &key, &rest) || rest.length == 0)
        return;
    rest = zm_str_from(rest, 1);
    if (!zm_str_cut(rest, '\t', &vertex->file, &rest) ||
        !zm_str_cut(rest, '\t', &vertex->offsets, &rest))
        return;
    vertex->text = rest.length > 0 ? zm_str_from(rest, 1) : rest;
    if (zm_str_cut(vertex->offsets, ';', &count, &vertex->offsets))
        (void)zm_str_i64(zm_str_trim(count), &vertex->count);
    apr_hash_set(queue->vertices, zm_str_c(pool, key), (apr_ssize_t)key.length, vertex);
    APR_ARRAY_PUSH(queue->order, vertex_t *) = vertex;
}

/* "NAME:\t>1>2": the name belongs to these vertices. */
static void take_name(queue_t *queue, zm_str_t line, bool channel)
{
    zm_str_t name = line, keys = ZM_S(""), key;
    apr_size_t i;
    bool more;

    for (i = 0; i + 2 < line.length; i++)
        if (line.data[i] == ':' && line.data[i + 1] == '\t' && line.data[i + 2] == '>') {
            name = zm_str_of(line.data, i);
            keys = zm_str_of(line.data + i + 3, line.length - i - 3);
            break;
        }
    more = keys.length > 0;
    while (more) {
        zm_str_t rest = ZM_S("");
        vertex_t *vertex;
        more = zm_str_cut(keys, '>', &key, &rest);
        keys = rest;
        vertex = apr_hash_get(queue->vertices, key.data, (apr_ssize_t)key.length);
        if (vertex != NULL)
            *(channel ? &vertex->channel : &vertex->host) = name;
    }
}

/* False: the connection ended within it. */
static bool read_queue(queue_t *queue)
{
    enum { VERTICES, CHANNELS, HOSTS } section = VERTICES;
    zm_str_t line;

    while (mailq_line(queue->mailq, &line, queue->mailq->pool)) {
        if (zm_str_equal_c(line, "End:"))
            return true;
        if (zm_str_equal_c(line, "Vertices:"))
            section = VERTICES;
        else if (zm_str_equal_c(line, "Channels:"))
            section = CHANNELS;
        else if (zm_str_equal_c(line, "Hosts:"))
            section = HOSTS;
        else if (section == VERTICES)
            take_vertex(queue, line);
        else
            take_name(queue, line, section == CHANNELS);
    }
    return false;
}

/* -- which of them ------------------------------------------------------------------------- */

/* What version 2 would tell of one recipient. */
static mailq_row_t row_of(const vertex_t *vertex, const mailq_file_t *file, uint64_t offset)
{
    mailq_row_t row = {.path = vertex->file, .offset = (int64_t)offset, .text = vertex->text};
    row.sender = mailq_file_sender(file, offset);
    return row;
}

/* The offset of the next recipient that is wanted; false after the last. */
static bool next_wanted(const mailq_t *mailq, const vertex_t *vertex, const mailq_file_t *file,
                        zm_str_t *offsets, uint64_t *offset, apr_pool_t *pool)
{
    while (offsets->length > 0) {
        zm_str_t one = *offsets, rest = ZM_S("");
        mailq_row_t row;
        zm_str_cut(*offsets, ',', &one, &rest);
        *offsets = rest;
        if (zm_str_u64(zm_str_trim(one), offset) != APR_SUCCESS)
            continue;
        row = row_of(vertex, file, *offset);
        if (file == NULL && mailq->filter.from != NULL)
            continue;
        if (mailq_filter_row(mailq, &row, file, pool))
            return true;
    }
    return false;
}

static bool is_wanted(mailq_t *mailq, const vertex_t *vertex)
{
    apr_pool_t *pool;
    zm_str_t offsets = vertex->offsets;
    uint64_t offset;
    bool wanted;

    if (!mailq_filter_thread(mailq, vertex->channel, vertex->host))
        return false;
    if (!mailq_filters_rows(&mailq->filter))
        return true;
    apr_pool_create(&pool, mailq->pool);
    wanted =
        next_wanted(mailq, vertex, mailq_file(mailq, vertex->file, pool), &offsets, &offset, pool);
    apr_pool_destroy(pool);
    return wanted;
}

/* Leaves what is wanted. */
static void sieve(queue_t *queue)
{
    int i, kept = 0;
    for (i = 0; i < queue->order->nelts; i++) {
        vertex_t *vertex = APR_ARRAY_IDX(queue->order, i, vertex_t *);
        if (is_wanted(queue->mailq, vertex))
            APR_ARRAY_IDX(queue->order, kept++, vertex_t *) = vertex;
    }
    queue->order->nelts = kept;
}

/* -- listings ------------------------------------------------------------------------------ */

static void print_message(const mailq_t *mailq, const mailq_file_t *file, zm_str_t sender)
{
    printf("\t  id\t");
    mailq_print(file->control->log_id);
    printf("\n\t  from\t");
    mailq_print(sender.length > 0 ? sender : ZM_S("<>"));
    putchar('\n');
    if (mailq->verbose > 1)
        printf("\t  size\t%llu+%llu bytes\n\t  age\t%s\n", (unsigned long long)file->control_size,
               (unsigned long long)file->message_size, mailq_age(file, mailq->pool));
}

static void print_addresses(mailq_t *mailq, const vertex_t *vertex)
{
    apr_pool_t *pool;
    mailq_file_t *file;
    zm_str_t offsets = vertex->offsets;
    bool first = true;
    uint64_t offset;

    apr_pool_create(&pool, mailq->pool);
    file = mailq_file(mailq, vertex->file, pool);
    while (file != NULL && next_wanted(mailq, vertex, file, &offsets, &offset, pool)) {
        zm_str_t to = mailq_file_recipient(file, offset, pool);
        if (first && mailq->verbose > 0)
            print_message(mailq, file, mailq_file_sender(file, offset));
        first = false;
        if (to.length == 0)
            continue;
        printf("\t  to\t");
        mailq_print(to);
        putchar('\n');
    }
    apr_pool_destroy(pool);
}

static bool same_place(const vertex_t *one, const vertex_t *other)
{
    return zm_str_equal(one->channel, other->channel) && zm_str_equal(one->host, other->host);
}

/* -S: how much waits for each destination. */
static void print_sizes(queue_t *queue)
{
    mailq_t *mailq = queue->mailq;
    int i = 0, start;

    while (i < queue->order->nelts) {
        const vertex_t *first = APR_ARRAY_IDX(queue->order, i, vertex_t *);
        uint64_t octets = 0;
        apr_pool_t *pool;
        apr_pool_create(&pool, mailq->pool);
        for (start = i; i < queue->order->nelts; i++) {
            const vertex_t *vertex = APR_ARRAY_IDX(queue->order, i, vertex_t *);
            mailq_file_t *file;
            if (!same_place(first, vertex))
                break;
            file = mailq->sizes == 1 ? mailq_file(mailq, vertex->file, pool) : NULL;
            octets += file != NULL ? file->control_size + file->message_size : 0;
        }
        printf("%.*s/%.*s:\n\t  %d file%s", (int)first->channel.length, first->channel.data,
               (int)first->host.length, first->host.data, i - start, i - start == 1 ? "" : "s");
        if (mailq->sizes == 1 && i > start)
            printf(", %llu bytes total, %llu bytes average", (unsigned long long)octets,
                   (unsigned long long)(octets / (uint64_t)(i - start)));
        putchar('\n');
        apr_pool_destroy(pool);
    }
}

static void print_queue(queue_t *queue)
{
    const vertex_t *last = NULL;
    int i;

    for (i = 0; i < queue->order->nelts; i++) {
        const vertex_t *vertex = APR_ARRAY_IDX(queue->order, i, vertex_t *);
        if (last == NULL || !same_place(last, vertex))
            printf("%.*s/%.*s:\n", (int)vertex->channel.length, vertex->channel.data,
                   (int)vertex->host.length, vertex->host.data);
        last = vertex;
        printf("\t%.*s", (int)vertex->file.length, vertex->file.data);
        if (vertex->count > 1)
            printf("/%lld", (long long)vertex->count);
        printf(":\t");
        mailq_print(vertex->text);
        putchar('\n');
        if (!queue->mailq->terse)
            print_addresses(queue->mailq, vertex);
    }
}

static void json_vertex(mailq_t *mailq, const vertex_t *vertex)
{
    zm_str_t offsets = vertex->offsets;
    bool first = true;
    mailq_file_t *file;
    apr_pool_t *pool;
    uint64_t offset;

    apr_pool_create(&pool, mailq->pool);
    file = mailq_file(mailq, vertex->file, pool);
    while (next_wanted(mailq, vertex, file, &offsets, &offset, pool)) {
        printf("%s\n  {\"file\":", first ? "" : ",");
        first = false;
        mailq_json_string(vertex->file);
        if (file != NULL) {
            mailq_json_field("from", mailq_file_sender(file, offset));
            mailq_json_field("to", mailq_file_recipient(file, offset, pool));
            mailq_json_field("message_id", file->control->log_id);
        }
        printf(",\"offset\":%llu", (unsigned long long)offset);
        mailq_json_field("diagnostic", vertex->text);
        putchar('}');
    }
    apr_pool_destroy(pool);
}

static void json_queue(queue_t *queue)
{
    const vertex_t *last = NULL;
    int i;

    printf("{\"threads\":[");
    for (i = 0; i < queue->order->nelts; i++) {
        const vertex_t *vertex = APR_ARRAY_IDX(queue->order, i, vertex_t *);
        bool same = last != NULL && zm_str_equal(last->channel, vertex->channel) &&
                    zm_str_equal(last->host, vertex->host);
        if (!same) {
            printf("%s\n {\"channel\":", last != NULL ? "]}," : "");
            mailq_json_string(vertex->channel);
            mailq_json_field("host", vertex->host);
            printf(",\"recipients\":[");
        } else {
            putchar(',');
        }
        last = vertex;
        json_vertex(queue->mailq, vertex);
    }
    printf("%s]}\n", last != NULL ? "]}" : "");
}

static int print_summary(mailq_t *mailq)
{
    zm_str_t line;
    bool end = false;
    while (mailq_line(mailq, &line, mailq->pool)) {
        if (end && !(mailq->summary >= 2 && line.length > 0 && line.data[0] == ' '))
            mailq_print_line(line);
        end |= zm_str_equal_c(line, "End:");
    }
    return 0;
}

int mailq_list_v1(mailq_t *mailq)
{
    queue_t queue = {mailq, NULL, NULL};
    bool whole;

    if (mailq->summary > 0)
        return print_summary(mailq);
    queue.vertices = apr_hash_make(mailq->pool);
    queue.order = apr_array_make(mailq->pool, 64, sizeof(vertex_t *));
    whole = read_queue(&queue);
    sieve(&queue);
    if (mailq->json)
        json_queue(&queue);
    else if (mailq->sizes > 0)
        print_sizes(&queue);
    else
        print_queue(&queue);
    if (whole && !mailq->json && queue.order->nelts == 0)
        mailq_nothing(mailq);
    return whole ? 0
                 : mailq_complain(EXIT_UNAVAILABLE,
                                  "the scheduler ended the connection; this is not all");
}
