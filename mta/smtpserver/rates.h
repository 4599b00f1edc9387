/**
 * How much mail addresses have sent within the hour, over all worker processes: memory that they
 * share (tally.h).
 *
 * Time is cut into slots of 450 seconds, of which the last eight count: a window of 52.5 to 60
 * minutes.  Only addresses that have a limit are to be counted; of more than there is place for the
 * one that was silent longest is forgotten.  An IPv6 /64 is one address.
 *
 * Nothing is locked: two workers that count one address in the same instant may lose one of the
 * two when a slot begins, and no more.
 */
#ifndef ZM_SMTPSERVER_RATES_H
#define ZM_SMTPSERVER_RATES_H

#include <stdatomic.h>

#include "mta/net/ip.h"
#include "platform/str.h"

#define RATES_PLACES 1024
#define RATES_SLOTS 8
#define RATES_SLOT apr_time_from_sec(450)

typedef struct rates_slot_t {
    _Atomic uint32_t number; /* of the slot since the beginning of time; 0: none */
    _Atomic uint32_t messages, recipients;
} rates_slot_t;

/** All zero at first, but for the seed. */
typedef struct rates_t {
    uint64_t seed; /**< secret, so that nobody can choose what falls together */
    struct {
        _Atomic uint64_t address; /* hashed; 0: free */
        rates_slot_t slots[RATES_SLOTS];
    } places[RATES_PLACES];
} rates_t;

typedef struct rates_sum_t {
    uint64_t messages, recipients;
} rates_sum_t;

/** now: monotonic. */
void rates_add(rates_t *rates, const zm_ip_t *ip, apr_time_t now, unsigned messages,
               unsigned recipients);
rates_sum_t rates_of(const rates_t *rates, const zm_ip_t *ip, apr_time_t now);
/** The same for somebody with a name: one more, and how many. */
void rates_add_name(rates_t *rates, zm_str_t name, apr_time_t now);
uint64_t rates_of_name(const rates_t *rates, zm_str_t name, apr_time_t now);

#endif
