/* mailq --flush: has the scheduler try now what waits, all of it or what the filters choose. */
#include "mta/admin/mailq.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdio.h>

typedef struct flush_t {
    int threads, started;
    apr_hash_t *messages; /* chosen by filters that look at recipients */
    const char *refusal;  /* the first */
} flush_t;

static bool retry(mailq_t *mailq, flush_t *flush, const char *command, apr_pool_t *pool)
{
    zm_str_t reply;
    if (mailq_command(mailq, command, &reply, pool)) {
        flush->started += zm_str_starts(reply, ZM_S("+OK; delivery"));
        return true;
    }
    /* What is gone was delivered meanwhile. */
    if (flush->refusal == NULL && !zm_str_starts(reply, ZM_S("-No such")))
        flush->refusal = apr_pstrmemdup(mailq->pool, reply.data + (reply.length > 0),
                                        reply.length - (reply.length > 0));
    return false;
}

static void choose(mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                   apr_pool_t *pool)
{
    flush_t *flush = mailq->baton;
    (void)file;
    (void)pool;
    if (apr_hash_get(flush->messages, row->path.data, (apr_ssize_t)row->path.length) == NULL) {
        const char *path = zm_str_c(mailq->pool, row->path);
        apr_hash_set(flush->messages, path, (apr_ssize_t)row->path.length, path);
    }
}

static void flush_thread(mailq_t *mailq, zm_str_t channel, zm_str_t host, zm_str_t fields)
{
    flush_t *flush = mailq->baton;
    apr_pool_t *pool;
    (void)fields;
    if (mailq_filters_rows(&mailq->filter)) {
        mailq_each_row(mailq, channel, host, choose);
        return;
    }
    apr_pool_create(&pool, mailq->pool);
    flush->threads += retry(mailq, flush,
                            apr_pstrcat(pool, "RETRY THREAD ", zm_str_c(pool, channel), " ",
                                        zm_str_c(pool, host), NULL),
                            pool);
    apr_pool_destroy(pool);
}

static void flush_messages(mailq_t *mailq, flush_t *flush)
{
    apr_hash_index_t *at;
    apr_pool_t *pool;
    apr_pool_create(&pool, mailq->pool);
    for (at = apr_hash_first(mailq->pool, flush->messages); at != NULL; at = apr_hash_next(at)) {
        const char *path = apr_hash_this_val(at);
        flush->threads += retry(mailq, flush, apr_pstrcat(pool, "RETRY MSG ", path, NULL), pool);
        apr_pool_clear(pool);
    }
    apr_pool_destroy(pool);
}

int mailq_flush(mailq_t *mailq)
{
    flush_t flush = {.messages = apr_hash_make(mailq->pool)};
    bool messages = mailq_filters_rows(&mailq->filter);
    int code;

    mailq->baton = &flush;
    code = mailq_each_thread(mailq, flush_thread);
    flush_messages(mailq, &flush);
    mailq->baton = NULL;
    if (code == 0 && flush.refusal != NULL)
        code = mailq_complain(EXIT_NOPERM, "the scheduler refuses: %s", flush.refusal);
    if (code != 0)
        return code;
    if (mailq->json)
        printf("{\"%s\":%d,\"started\":%d}\n", messages ? "messages" : "destinations",
               flush.threads, flush.started);
    else
        printf("%d %s%s to be tried, delivery started for %d\n", flush.threads,
               messages ? "message" : "destination", flush.threads == 1 ? "" : "s", flush.started);
    return 0;
}
