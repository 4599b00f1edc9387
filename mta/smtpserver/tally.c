#include "mta/smtpserver/tally.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_mmap.h>
#include <stdatomic.h>
#include <string.h>

#define BUCKETS 4096
#define MAGIC UINT64_C(0x7a6d74616c6c7933)

typedef struct slot_t {
    _Atomic uint32_t all[TALLY_CLASSES];
    _Atomic uint16_t same[TALLY_CLASSES][BUCKETS];
} slot_t;

typedef struct shared_t {
    uint64_t magic;
    uint64_t seed;
    _Atomic uint32_t slots; /* those that were ever used */
    slot_t slot[TALLY_SLOTS];
    rates_t rates, failures;
} shared_t;

struct tally_t {
    shared_t *shared;
    unsigned own;
};

static apr_status_t map(tally_t **tally, const char *path, apr_int32_t flags, apr_pool_t *pool,
                        zm_error_t *error)
{
    tally_t *made = apr_pcalloc(pool, sizeof *made);
    apr_file_t *file;
    apr_mmap_t *mapped;
    apr_status_t status =
        apr_file_open(&file, path, flags | APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_BINARY,
                      APR_FPROT_UREAD | APR_FPROT_UWRITE, pool);
    if (status == APR_SUCCESS && (flags & APR_FOPEN_CREATE))
        status = apr_file_trunc(file, sizeof(shared_t));
    if (status == APR_SUCCESS)
        status = apr_mmap_create(&mapped, file, 0, sizeof(shared_t), APR_MMAP_READ | APR_MMAP_WRITE,
                                 pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot map %s, where sessions are counted", path);
    made->shared = mapped->mm;
    *tally = made;
    return APR_SUCCESS;
}

apr_status_t tally_create(tally_t **tally, const char *path, apr_pool_t *pool, zm_error_t *error)
{
    apr_status_t status;
    (void)apr_file_remove(path, pool); /* workers of an earlier master keep theirs */
    status = map(tally, path, APR_FOPEN_CREATE | APR_FOPEN_EXCL, pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = apr_generate_random_bytes((unsigned char *)&(*tally)->shared->seed,
                                       sizeof(*tally)->shared->seed);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "no random numbers");
    (*tally)->shared->rates.seed = (*tally)->shared->failures.seed = ~(*tally)->shared->seed;
    (*tally)->shared->magic = MAGIC;
    return APR_SUCCESS;
}

apr_status_t tally_attach(tally_t **tally, const char *path, unsigned slot, apr_pool_t *pool,
                          zm_error_t *error)
{
    apr_status_t status;
    uint32_t known;
    if (slot >= TALLY_SLOTS)
        return zm_error_set(error, ZM_E_LIMIT, "there are only %d places to count in", TALLY_SLOTS);
    status = map(tally, path, 0, pool, error);
    if (status != APR_SUCCESS)
        return status;
    if ((*tally)->shared->magic != MAGIC)
        return zm_error_set(error, ZM_E_CORRUPT, "%s is not what the master made", path);
    (*tally)->own = slot;
    known = atomic_load(&(*tally)->shared->slots);
    while (known <= slot &&
           !atomic_compare_exchange_weak(&(*tally)->shared->slots, &known, slot + 1))
        continue;
    return APR_SUCCESS;
}

static unsigned bucket_of(const tally_t *tally, const zm_ip_t *ip)
{
    uint64_t hash = tally->shared->seed;
    int length = ip->family == 4 ? 4 : 8, i;
    for (i = 0; i < length; i++) {
        hash = (hash ^ ip->bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return (unsigned)(hash >> 40) % BUCKETS;
}

void tally_enter(tally_t *tally, tally_class_t what, const zm_ip_t *ip, int64_t *same, int64_t *all)
{
    shared_t *shared = tally->shared;
    unsigned bucket = bucket_of(tally, ip), i, count;
    atomic_fetch_add(&shared->slot[tally->own].all[what], 1);
    atomic_fetch_add(&shared->slot[tally->own].same[what][bucket], 1);
    *same = *all = 0;
    count = atomic_load(&shared->slots);
    for (i = 0; i < count && i < TALLY_SLOTS; i++) {
        *all += atomic_load(&shared->slot[i].all[what]);
        *same += atomic_load(&shared->slot[i].same[what][bucket]);
    }
}

int64_t tally_total(const tally_t *tally, tally_class_t what)
{
    const shared_t *shared = tally->shared;
    unsigned count = atomic_load(&shared->slots), i;
    int64_t all = 0;
    for (i = 0; i < count && i < TALLY_SLOTS; i++)
        all += atomic_load(&shared->slot[i].all[what]);
    return all;
}

void tally_leave(tally_t *tally, tally_class_t what, const zm_ip_t *ip)
{
    slot_t *slot = &tally->shared->slot[tally->own];
    atomic_fetch_sub(&slot->all[what], 1);
    atomic_fetch_sub(&slot->same[what][bucket_of(tally, ip)], 1);
}

void tally_tell(const tally_t *tally, zm_counters_t *counters)
{
    zm_counter_set(counters, ZM_COUNT_SS_ParallelSMTPconnects_G, tally_total(tally, TALLY_SMTP));
    zm_counter_set(counters, ZM_COUNT_SS_ParallelSMTPSconnects_G, tally_total(tally, TALLY_SMTPS));
    zm_counter_set(counters, ZM_COUNT_SS_ParallelSUBMITconnects_G,
                   tally_total(tally, TALLY_SUBMIT));
}

rates_t *tally_rates(tally_t *tally)
{
    return &tally->shared->rates;
}

rates_t *tally_failures(tally_t *tally)
{
    return &tally->shared->failures;
}

void tally_clear(tally_t *tally, unsigned slot)
{
    memset((void *)&tally->shared->slot[slot], 0, sizeof tally->shared->slot[slot]);
}
