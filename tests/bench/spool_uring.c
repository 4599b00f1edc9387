#define _GNU_SOURCE
#include <apr_strings.h>
#include <errno.h>

#include "tests/bench/spool_bench.h"

#ifdef HAVE_IO_URING
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * One thread makes, writes and renames; syncs are given to the kernel, those of
 * the files side by side, and one of the directory for all that wait.  Without
 * liburing, which would be one more thing to install for one measurement.
 */
#define ENTRIES 256
#define DIRECTORY 100000 /* tag of a directory's sync; other tags are slots */

typedef struct ring_t {
    int descriptor;
    unsigned *tail, *mask, *done_head, *done_tail, *done_mask;
    unsigned queued;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *done;
} ring_t;

typedef enum stage_t { FREE, FILE_SYNC, NAMED, DIRECTORY_SYNC } stage_t;

typedef struct slot_t {
    stage_t stage;
    int number;
    apr_time_t since;
    char name[40];
    zm_file_t *file;
    apr_pool_t *pool;
} slot_t;

typedef struct run_t {
    bench_t *bench;
    ring_t ring;
    zm_file_t *from, *to;
    slot_t *slots;
    bool directory_busy;
} run_t;

static void *map(int descriptor, size_t size, uint64_t what)
{
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor,
                       (off_t)what);
    if (found == MAP_FAILED)
        bench_die("io_uring", errno);
    return found;
}

static void open_ring(ring_t *ring)
{
    struct io_uring_params p = {0};
    unsigned i, *array;
    char *sq, *cq;
    ring->descriptor = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring->descriptor < 0)
        bench_die("io_uring cannot be used here", errno);
    sq =
        map(ring->descriptor, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    cq = map(ring->descriptor, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
             IORING_OFF_CQ_RING);
    ring->entries =
        map(ring->descriptor, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    ring->tail = (unsigned *)(void *)(sq + p.sq_off.tail);
    ring->mask = (unsigned *)(void *)(sq + p.sq_off.ring_mask);
    array = (unsigned *)(void *)(sq + p.sq_off.array);
    for (i = 0; i < p.sq_entries; i++)
        array[i] = i;
    ring->done_head = (unsigned *)(void *)(cq + p.cq_off.head);
    ring->done_tail = (unsigned *)(void *)(cq + p.cq_off.tail);
    ring->done_mask = (unsigned *)(void *)(cq + p.cq_off.ring_mask);
    ring->done = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
}

static void queue_sync(ring_t *ring, int descriptor, unsigned flags, uint64_t tag)
{
    unsigned tail = *ring->tail;
    ring->entries[tail & *ring->mask] = (struct io_uring_sqe){
        .opcode = IORING_OP_FSYNC, .fd = descriptor, .fsync_flags = flags, .user_data = tag};
    __atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
    ring->queued++;
}

/* Hands over what was queued and waits until something has ended. */
static void enter(ring_t *ring)
{
    long n;
    do
        n = syscall(SYS_io_uring_enter, ring->descriptor, ring->queued, 1, IORING_ENTER_GETEVENTS,
                    NULL, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        bench_die("io_uring", errno);
    ring->queued -= (unsigned)n;
}

static void begin(run_t *run, slot_t *slot, int number)
{
    slot->number = number;
    slot->since = bench_wait_until_due(run->bench, number);
    slot->file = bench_raw_write(run->bench, number, run->from, slot->name, slot->pool);
    slot->stage = FILE_SYNC;
    queue_sync(&run->ring, zm_file_descriptor(slot->file), IORING_FSYNC_DATASYNC,
               (uint64_t)(slot - run->slots));
}

static void begin_directory(run_t *run)
{
    bool wanted = false;
    int i;
    for (i = 0; i < run->bench->publishers && !run->directory_busy; i++)
        if (run->slots[i].stage == NAMED) {
            run->slots[i].stage = DIRECTORY_SYNC;
            wanted = true;
        }
    if (wanted) {
        run->directory_busy = true;
        queue_sync(&run->ring, zm_file_descriptor(run->to), 0, DIRECTORY);
    }
}

static int end_directory(run_t *run)
{
    int i, ended = 0;
    run->directory_busy = false;
    for (i = 0; i < run->bench->publishers; i++) {
        slot_t *slot = &run->slots[i];
        if (slot->stage != DIRECTORY_SYNC)
            continue;
        run->bench->latency[slot->number] = zm_clock_monotonic() - slot->since;
        apr_pool_clear(slot->pool); /* closes the file */
        slot->stage = FREE;
        ended++;
    }
    return ended;
}

static int handle(run_t *run, const struct io_uring_cqe *event)
{
    if (event->res < 0)
        bench_die("sync", -event->res);
    if (event->user_data == DIRECTORY)
        return end_directory(run);
    bench_raw_name(run->slots[event->user_data].number, run->from, run->to,
                   run->slots[event->user_data].name);
    run->slots[event->user_data].stage = NAMED;
    return 0;
}

static int handle_all(run_t *run)
{
    ring_t *ring = &run->ring;
    unsigned head = *ring->done_head;
    int ended = 0;
    for (; head != __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE); head++)
        ended += handle(run, &ring->done[head & *ring->done_mask]);
    __atomic_store_n(ring->done_head, head, __ATOMIC_RELEASE);
    return ended;
}

void bench_uring(bench_t *bench)
{
    run_t run = {.bench = bench};
    int i, ended = 0, limit = ENTRIES - 2;
    if (bench->publishers > limit)
        bench->publishers = limit;
    open_ring(&run.ring);
    run.from = bench_raw_directory(bench, "public", bench->pool);
    run.to = bench_raw_directory(bench, "router", bench->pool);
    run.slots = apr_pcalloc(bench->pool, (apr_size_t)bench->publishers * sizeof *run.slots);
    for (i = 0; i < bench->publishers; i++)
        apr_pool_create(&run.slots[i].pool, bench->pool);
    bench_start_clock(bench);
    while (ended < bench->messages) {
        for (i = 0; i < bench->publishers && bench->started < bench->messages; i++)
            if (run.slots[i].stage == FREE)
                begin(&run, &run.slots[i], bench->started++);
        begin_directory(&run);
        enter(&run.ring);
        ended += handle_all(&run);
    }
    close(run.ring.descriptor);
}
#else
void bench_uring(bench_t *bench)
{
    (void)bench;
    bench_die("io_uring", APR_ENOTIMPL);
}
#endif
