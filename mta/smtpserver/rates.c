#include "mta/smtpserver/rates.h"

#define TRIES 8 /* places that an address may have */

static uint64_t hash(const rates_t *rates, unsigned kind, const unsigned char *bytes,
                     apr_size_t length)
{
    uint64_t sum = rates->seed + kind;
    apr_size_t i;
    for (i = 0; i < length; i++) {
        sum = (sum ^ bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    return sum != 0 ? sum : 1;
}

static uint64_t hash_ip(const rates_t *rates, const zm_ip_t *ip)
{
    return hash(rates, ip->family, ip->bytes, ip->family == 4 ? 4 : 8);
}

#define NAME 1 /* no family of addresses */

static uint64_t hash_name(const rates_t *rates, zm_str_t name)
{
    return hash(rates, NAME, (const unsigned char *)name.data, name.length);
}

static uint32_t slot_of(apr_time_t now)
{
    return (uint32_t)(now / RATES_SLOT) + RATES_SLOTS; /* never 0 */
}

static unsigned place_of(uint64_t address, unsigned try)
{
    return (unsigned)((address >> 20) + try) % RATES_PLACES;
}

/* The place of an address; -1: it has none. */
static int find(const rates_t *rates, uint64_t address)
{
    unsigned try;
    for (try = 0; try < TRIES; try++)
        if (atomic_load(&rates->places[place_of(address, try)].address) == address)
            return (int)place_of(address, try);
    return -1;
}

static uint32_t last_slot(const rates_t *rates, unsigned place)
{
    uint32_t last = 0;
    int i;
    for (i = 0; i < RATES_SLOTS; i++) {
        uint32_t number = atomic_load(&rates->places[place].slots[i].number);
        if (number > last)
            last = number;
    }
    return last;
}

/* A free place, or that of an address which was silent longer than the others. */
static unsigned take_place(rates_t *rates, uint64_t address)
{
    unsigned try, best = place_of(address, 0);
    int i;
    for (try = 0; try < TRIES; try++) {
        unsigned place = place_of(address, try);
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&rates->places[place].address, &none, address))
            return place;
        if (last_slot(rates, place) < last_slot(rates, best))
            best = place;
    }
    atomic_store(&rates->places[best].address, address);
    for (i = 0; i < RATES_SLOTS; i++)
        atomic_store(&rates->places[best].slots[i].number, 0);
    return best;
}

static void add(rates_t *rates, uint64_t address, apr_time_t now, unsigned messages,
                unsigned recipients)
{
    uint32_t number = slot_of(now), seen;
    int place = find(rates, address);
    rates_slot_t *slot;
    if (place < 0)
        place = (int)take_place(rates, address);
    slot = &rates->places[place].slots[number % RATES_SLOTS];
    seen = atomic_load(&slot->number);
    if (seen != number && atomic_compare_exchange_strong(&slot->number, &seen, number)) {
        atomic_store(&slot->messages, 0);
        atomic_store(&slot->recipients, 0);
    }
    atomic_fetch_add(&slot->messages, messages);
    atomic_fetch_add(&slot->recipients, recipients);
}

static rates_sum_t sum_of(const rates_t *rates, uint64_t address, apr_time_t now)
{
    int place = find(rates, address), i;
    uint32_t current = slot_of(now);
    rates_sum_t sum = {0, 0};
    for (i = 0; place >= 0 && i < RATES_SLOTS; i++) {
        const rates_slot_t *slot = &rates->places[place].slots[i];
        uint32_t number = atomic_load(&slot->number);
        if (number == 0 || number > current || current - number >= RATES_SLOTS)
            continue;
        sum.messages += atomic_load(&slot->messages);
        sum.recipients += atomic_load(&slot->recipients);
    }
    return sum;
}

void rates_add(rates_t *rates, const zm_ip_t *ip, apr_time_t now, unsigned messages,
               unsigned recipients)
{
    add(rates, hash_ip(rates, ip), now, messages, recipients);
}

rates_sum_t rates_of(const rates_t *rates, const zm_ip_t *ip, apr_time_t now)
{
    return sum_of(rates, hash_ip(rates, ip), now);
}

void rates_add_name(rates_t *rates, zm_str_t name, apr_time_t now)
{
    add(rates, hash_name(rates, name), now, 1, 0);
}

uint64_t rates_of_name(const rates_t *rates, zm_str_t name, apr_time_t now)
{
    return sum_of(rates, hash_name(rates, name), now).messages;
}
