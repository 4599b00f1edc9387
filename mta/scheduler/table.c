#include "mta/scheduler/table.h"

#include <string.h>

#include "mta/scheduler/memory.h"

void zm_table_init(zm_table_t *table, zm_table_hash_fn *hash, zm_table_equal_fn *equal)
{
    memset(table, 0, sizeof *table);
    table->hash = hash;
    table->equal = equal;
}

void zm_table_free(zm_table_t *table)
{
    zm_scheduler_free(table->slots);
    zm_scheduler_free(table->hashes);
    table->slots = NULL;
    table->hashes = NULL;
    table->size = table->count = 0;
}

/* As it is kept: 0 marks a free slot. */
static uint32_t kept(uint32_t hash)
{
    return hash != 0 ? hash : 1;
}

void *zm_table_find(const zm_table_t *table, uint32_t hash, const void *key)
{
    uint32_t mask = table->size - 1, i;
    if (table->count == 0)
        return NULL;
    hash = kept(hash);
    for (i = hash & mask; table->hashes[i] != 0; i = (i + 1) & mask)
        if (table->hashes[i] == hash && table->equal(table->slots[i], key))
            return table->slots[i];
    return NULL;
}

static void place(zm_table_t *table, uint32_t hash, void *item)
{
    uint32_t mask = table->size - 1, i = hash & mask;
    while (table->hashes[i] != 0)
        i = (i + 1) & mask;
    table->hashes[i] = hash;
    table->slots[i] = item;
}

static void resize(zm_table_t *table, uint32_t size)
{
    zm_table_t old = *table;
    uint32_t i;

    table->slots = zm_scheduler_alloc(size * sizeof table->slots[0]);
    table->hashes = zm_scheduler_alloc(size * sizeof table->hashes[0]);
    table->size = size;
    for (i = 0; i < old.size; i++)
        if (old.hashes[i] != 0)
            place(table, old.hashes[i], old.slots[i]);
    zm_scheduler_free(old.slots);
    zm_scheduler_free(old.hashes);
}

void zm_table_add(zm_table_t *table, void *item)
{
    if ((table->count + 1) * 4 > table->size * 3)
        resize(table, table->size == 0 ? 16 : table->size * 2);
    place(table, kept(table->hash(item)), item);
    table->count++;
}

void zm_table_remove(zm_table_t *table, const void *item)
{
    uint32_t mask = table->size - 1, hole, i;

    if (table->count == 0)
        return;
    for (hole = kept(table->hash(item)) & mask; table->slots[hole] != item;
         hole = (hole + 1) & mask)
        if (table->hashes[hole] == 0)
            return;
    /* Close the gap: move back what could stand in the hole. */
    for (i = (hole + 1) & mask; table->hashes[i] != 0; i = (i + 1) & mask) {
        uint32_t home = table->hashes[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            table->hashes[hole] = table->hashes[i];
            hole = i;
        }
    }
    table->slots[hole] = NULL;
    table->hashes[hole] = 0;
    table->count--;
}
