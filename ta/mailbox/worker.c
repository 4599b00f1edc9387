#include "ta/mailbox/worker.h"

#include <apr_strings.h>

#include "platform/child.h"
#include "ta/mailbox/wire.h"

#define KEPT 8
#define STRINGS_LIMIT 200
#define SLACK 300 /* seconds that a worker gets beyond the limits of its delivery */

static const char piece_follows[] = "P", body_ends[] = "E", body_broken[] = "X";

/* -- both ends: the request ------------------------------------------------ */

static void put_request(zm_wire_t *wire, const zm_delivery_t *delivery)
{
    const bool switches[] = {delivery->create,          delivery->make_parents,  delivery->shared,
                             delivery->dotlock,         delivery->mmdf,          delivery->escape,
                             delivery->quota_permanent, delivery->keep_read_time};
    int64_t bits = 0;
    int i, count = 0;
    for (i = 0; i < (int)(sizeof switches / sizeof switches[0]); i++)
        bits |= (int64_t)switches[i] << i;
    zm_wire_put_number(wire, delivery->kind);
    zm_wire_put_c(wire, delivery->path);
    zm_wire_put_c(wire, delivery->detail);
    zm_wire_put_number(wire, delivery->owner);
    zm_wire_put_number(wire, bits);
    zm_wire_put_number(wire, delivery->lock);
    zm_wire_put_number(wire, delivery->quota);
    zm_wire_put_number(wire, delivery->size);
    zm_wire_put_c(wire, delivery->directory);
    zm_wire_put_number(wire, delivery->stall_limit);
    zm_wire_put_number(wire, delivery->total_limit);
    zm_wire_put_number(wire, delivery->limits.cpu);
    zm_wire_put_number(wire, delivery->limits.memory);
    zm_wire_put_number(wire, delivery->limits.file_size);
    zm_wire_put_number(wire, delivery->limits.files);
    zm_wire_put_number(wire, delivery->limits.processes);
    while (delivery->environment != NULL && delivery->environment[count] != NULL)
        count++;
    zm_wire_put_number(wire, count);
    for (i = 0; i < count; i++)
        zm_wire_put_c(wire, delivery->environment[i]);
    zm_wire_put(wire, delivery->separator);
    zm_wire_put(wire, delivery->head);
}

static void get_switches(zm_delivery_t *delivery, int64_t bits)
{
    delivery->create = bits & 1;
    delivery->make_parents = bits & 2;
    delivery->shared = bits & 4;
    delivery->dotlock = bits & 8;
    delivery->mmdf = bits & 16;
    delivery->escape = bits & 32;
    delivery->quota_permanent = bits & 64;
    delivery->keep_read_time = bits & 128;
}

static void get_request(zm_wire_t *wire, zm_delivery_t *delivery, apr_pool_t *pool)
{
    const char **environment;
    int64_t count, i;
    *delivery = (zm_delivery_t){0};
    delivery->kind = (zm_store_t)zm_wire_get_number(wire);
    delivery->path = zm_wire_get_c(wire, pool);
    delivery->detail = zm_wire_get_c(wire, pool);
    delivery->owner = zm_wire_get_number(wire);
    get_switches(delivery, zm_wire_get_number(wire));
    delivery->lock = (char)zm_wire_get_number(wire);
    delivery->quota = zm_wire_get_number(wire);
    delivery->size = zm_wire_get_number(wire);
    delivery->directory = zm_wire_get_c(wire, pool);
    delivery->stall_limit = zm_wire_get_number(wire);
    delivery->total_limit = zm_wire_get_number(wire);
    delivery->limits.cpu = zm_wire_get_number(wire);
    delivery->limits.memory = zm_wire_get_number(wire);
    delivery->limits.file_size = zm_wire_get_number(wire);
    delivery->limits.files = zm_wire_get_number(wire);
    delivery->limits.processes = zm_wire_get_number(wire);
    count = zm_wire_get_number(wire);
    if (count < 0 || count > STRINGS_LIMIT)
        wire->status = ZM_E_PROTOCOL;
    if (wire->status != APR_SUCCESS)
        return;
    environment = apr_pcalloc(pool, sizeof *environment * (apr_size_t)(count + 1));
    for (i = 0; i < count; i++)
        environment[i] = zm_wire_get_c(wire, pool);
    delivery->environment = environment;
    delivery->separator = zm_str_copy(pool, zm_wire_get(wire));
    delivery->head = zm_str_copy(pool, zm_wire_get(wire));
}

/* -- the parent's end ------------------------------------------------------ */

typedef struct worker_t {
    zm_child_t *child; /* null: a free slot */
    zm_credentials_t as;
    bool ended;
    uint64_t used; /* when, as a count of deliveries */
} worker_t;

struct zm_workers_t {
    const char *program;
    zm_loop_t *loop;
    uint64_t deliveries;
    worker_t slots[KEPT];
};

zm_workers_t *zm_workers_create(const char *program, zm_loop_t *loop, apr_pool_t *pool)
{
    zm_workers_t *workers = apr_pcalloc(pool, sizeof *workers);
    workers->program = program;
    workers->loop = loop;
    return workers;
}

static void dismiss(worker_t *worker)
{
    if (worker->child != NULL)
        zm_child_close(worker->child); /* it reads the end of input and exits */
    *worker = (worker_t){0};
}

void zm_workers_close(zm_workers_t *workers)
{
    int i;
    for (i = 0; i < KEPT; i++)
        dismiss(&workers->slots[i]);
}

static void on_worker_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    worker_t *worker = baton;
    (void)end;
    if (worker->child == child)
        worker->ended = true;
}

static apr_status_t start(zm_workers_t *workers, worker_t *worker, const zm_credentials_t *as,
                          const char *account, zm_error_t *error)
{
    const char *const argv[] = {workers->program, ZM_WORKER_ARGUMENT, NULL};
    const char *const environment[] = {NULL};
    zm_child_spec_t spec = {0};
    worker->as = *as;
    spec.argv = argv;
    spec.environment = environment;
    spec.directory = "/";
    spec.io = ZM_CHILD_CHANNEL;
    spec.as = &worker->as;
    spec.groups_of = account;
    return zm_child_start(&worker->child, &spec, workers->loop, on_worker_end, worker, error);
}

/* The worker of that identity; the slot unused for the longest time is given up for a new one. */
static worker_t *worker_for(zm_workers_t *workers, const zm_credentials_t *as, const char *account,
                            zm_error_t *error)
{
    worker_t *oldest = &workers->slots[0];
    int i;
    for (i = 0; i < KEPT; i++) {
        worker_t *worker = &workers->slots[i];
        if (worker->ended)
            dismiss(worker);
        if (worker->child != NULL && worker->as.uid == as->uid && worker->as.gid == as->gid)
            return worker;
        if (worker->used < oldest->used)
            oldest = worker;
    }
    dismiss(oldest);
    return start(workers, oldest, as, account, error) == APR_SUCCESS ? oldest : NULL;
}

static void put_body(zm_wire_t *wire, const zm_delivery_t *delivery)
{
    zm_str_t piece;
    apr_status_t status = APR_SUCCESS;
    while (wire->status == APR_SUCCESS &&
           (status = delivery->body(delivery->baton, &piece)) == APR_SUCCESS) {
        zm_wire_put_c(wire, piece_follows);
        zm_wire_put(wire, piece);
    }
    zm_wire_put_c(wire, status == APR_EOF ? body_ends : body_broken);
}

/* A worker speaks for its user: for letters to that one, not for the whole thread. */
static int believed(int64_t code)
{
    switch (code) {
    case ZM_RESULT_OK:
    case ZM_RESULT_NOUSER:
    case ZM_RESULT_NOHOST:
    case ZM_RESULT_UNAVAILABLE:
    case ZM_RESULT_SOFTWARE:
    case ZM_RESULT_OSERR:
    case ZM_RESULT_CANTCREAT:
    case ZM_RESULT_IOERR:
    case ZM_RESULT_NOPERM:
        return (int)code;
    default:
        return ZM_RESULT_TEMPFAIL;
    }
}

static void converse(zm_delivered_t *result, worker_t *worker, const zm_delivery_t *delivery)
{
    int64_t limit = delivery->total_limit + SLACK;
    char status[sizeof result->status];
    zm_wire_t wire;
    int64_t code;
    zm_str_t text;
    zm_wire_init(&wire, zm_child_channel(worker->child), apr_time_from_sec(limit));
    put_request(&wire, delivery);
    put_body(&wire, delivery);
    zm_wire_flush(&wire);
    code = zm_wire_get_number(&wire);
    result->before = (uint64_t)zm_wire_get_number(&wire);
    result->added = (uint64_t)zm_wire_get_number(&wire);
    text = zm_wire_get(&wire);
    snprintf(status, sizeof status, "%.*s", (int)text.length, text.data);
    text = zm_wire_get(&wire);
    if (wire.status == APR_SUCCESS)
        zm_delivered_set(result, believed(code), status, "%.*s", (int)text.length, text.data);
    else {
        char reason[160];
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.3.0", "delivery worker: %s",
                         zm_status_text(wire.status, reason, sizeof reason));
        zm_child_kill(worker->child);
        dismiss(worker);
    }
    zm_wire_free(&wire);
}

void zm_workers_deliver(zm_delivered_t *result, zm_workers_t *workers, const zm_credentials_t *as,
                        const char *account, const zm_delivery_t *delivery)
{
    zm_error_t error = {0};
    worker_t *worker = worker_for(workers, as, account, &error);
    *result = (zm_delivered_t){0};
    if (worker == NULL) {
        zm_delivered_set(result, ZM_RESULT_OSERR, "4.3.0", "cannot start a delivery worker: %s",
                         error.text);
        return;
    }
    worker->used = ++workers->deliveries;
    converse(result, worker, delivery);
}

/* -- the worker's end ------------------------------------------------------ */

typedef struct source_t {
    zm_wire_t *wire;
    apr_status_t end; /* APR_EOF or why the body stopped; APR_SUCCESS: more to come */
} source_t;

static apr_status_t next_piece(void *baton, zm_str_t *piece)
{
    source_t *source = baton;
    zm_str_t mark;
    if (source->end != APR_SUCCESS)
        return source->end;
    mark = zm_wire_get(source->wire);
    if (zm_str_equal_c(mark, piece_follows)) {
        *piece = zm_wire_get(source->wire);
        if (source->wire->status == APR_SUCCESS && piece->length > 0)
            return APR_SUCCESS;
        return source->end = ZM_E_PROTOCOL;
    }
    return source->end = zm_str_equal_c(mark, body_ends) ? APR_EOF : ZM_E_PROTOCOL;
}

static void answer(zm_wire_t *wire, const zm_delivered_t *result)
{
    zm_wire_put_number(wire, result->result);
    zm_wire_put_number(wire, (int64_t)result->before);
    zm_wire_put_number(wire, (int64_t)result->added);
    zm_wire_put_c(wire, result->status);
    zm_wire_put_c(wire, result->text);
    zm_wire_flush(wire);
}

int zm_worker_serve(apr_socket_t *socket, zm_loop_t *loop, apr_pool_t *pool)
{
    zm_wire_t wire;
    apr_status_t status;
    zm_wire_init(&wire, socket, -1);
    for (;;) {
        zm_delivered_t result;
        zm_delivery_t delivery;
        source_t source = {&wire, APR_SUCCESS};
        apr_pool_t *job;
        zm_str_t piece;
        apr_pool_create(&job, pool);
        get_request(&wire, &delivery, job);
        if (wire.status != APR_SUCCESS)
            break;
        delivery.body = next_piece;
        delivery.baton = &source;
        zm_deliver(&result, &delivery, loop, job);
        while (next_piece(&source, &piece) == APR_SUCCESS) /* what the delivery left unread */
            ;
        answer(&wire, &result);
        apr_pool_destroy(job);
    }
    status = wire.status;
    zm_wire_free(&wire);
    return status == APR_EOF ? ZM_RESULT_OK : ZM_RESULT_IOERR;
}

/* A delivery under way is finished; the end of the parent is the end of its workers. */
static void on_control(zm_control_t event, void *baton)
{
    (void)event;
    (void)baton;
}

int zm_worker_main(apr_pool_t *pool)
{
    apr_socket_t *socket;
    zm_loop_t *loop;
    if (zm_child_own_channel(&socket, pool) != APR_SUCCESS)
        return ZM_RESULT_USAGE;
    if (zm_loop_create(&loop, pool) != APR_SUCCESS ||
        zm_control_listen(loop, on_control, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    return zm_worker_serve(socket, loop, pool);
}
