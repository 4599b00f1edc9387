/**
 * A hash table of pointers to items that hold their own keys.  Linear probing;
 * 12 bytes a slot, at most three quarters full.  An item is looked at only when
 * its hash is the wanted one, since in a long queue each look is a cache miss.
 */
#ifndef ZM_SCHEDULER_TABLE_H
#define ZM_SCHEDULER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t zm_table_hash_fn(const void *item);
typedef bool zm_table_equal_fn(const void *item, const void *key);

typedef struct zm_table_t {
    void **slots;     /**< null before the first item; null: free */
    uint32_t *hashes; /**< of the items; 0: free */
    uint32_t size;    /**< a power of two */
    uint32_t count;
    zm_table_hash_fn *hash;
    zm_table_equal_fn *equal;
} zm_table_t;

void zm_table_init(zm_table_t *table, zm_table_hash_fn *hash, zm_table_equal_fn *equal);
void zm_table_free(zm_table_t *table); /**< the table, not the items */
/** The item with that key, or null.  hash is what the item's hash function gives for it. */
void *zm_table_find(const zm_table_t *table, uint32_t hash, const void *key);
/** Adds an item; the caller knows that its key is not there. */
void zm_table_add(zm_table_t *table, void *item);
/** Removes this item; nothing happens when it is not there. */
void zm_table_remove(zm_table_t *table, const void *item);

/** Spreads a number over 64 bits. */
static inline uint64_t zm_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
