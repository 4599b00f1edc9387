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
    table->slots = NULL;
    table->size = table->count = 0;
}

void *zm_table_find(const zm_table_t *table, uint32_t hash, const void *key)
{
    uint32_t mask = table->size - 1, i;
    if (table->count == 0)
        return NULL;
    for (i = hash & mask; table->slots[i] != NULL; i = (i + 1) & mask)
        if (table->equal(table->slots[i], key))
            return table->slots[i];
    return NULL;
}

static void place(zm_table_t *table, void *item)
{
    uint32_t mask = table->size - 1, i = table->hash(item) & mask;
    while (table->slots[i] != NULL)
        i = (i + 1) & mask;
    table->slots[i] = item;
}

static void resize(zm_table_t *table, uint32_t size)
{
    void **old = table->slots;
    uint32_t i, old_size = table->size;

    table->slots = zm_scheduler_alloc(size * sizeof table->slots[0]);
    table->size = size;
    for (i = 0; i < old_size; i++)
        if (old[i] != NULL)
            place(table, old[i]);
    zm_scheduler_free(old);
}

void zm_table_add(zm_table_t *table, void *item)
{
    if ((table->count + 1) * 4 > table->size * 3)
        resize(table, table->size == 0 ? 16 : table->size * 2);
    place(table, item);
    table->count++;
}

void zm_table_remove(zm_table_t *table, const void *item)
{
    uint32_t mask = table->size - 1, hole, i;

    if (table->count == 0)
        return;
    for (hole = table->hash(item) & mask; table->slots[hole] != item; hole = (hole + 1) & mask)
        if (table->slots[hole] == NULL)
            return;
    /* Close the gap: move back what could stand in the hole. */
    for (i = (hole + 1) & mask; table->slots[i] != NULL; i = (i + 1) & mask) {
        uint32_t home = table->hash(table->slots[i]) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole] = NULL;
    table->count--;
}
