#include "mta/script/symbol.h"

#include <stdlib.h>
#include <string.h>

void zm_symbols_init(zm_symbols_t *symbols, apr_pool_t *pool)
{
    symbols->size = 1024;
    symbols->count = 0;
    symbols->pool = pool;
    symbols->buckets = calloc(symbols->size, sizeof *symbols->buckets);
    if (symbols->buckets == NULL)
        abort();
}

static uint32_t hash_of(zm_str_t name)
{
    uint32_t hash = 2166136261u;
    apr_size_t i;
    for (i = 0; i < name.length; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 16777619u;
    return hash;
}

static zm_symbol_t *find(const zm_symbols_t *symbols, zm_str_t name, uint32_t hash)
{
    zm_symbol_t *symbol = symbols->buckets[hash & (symbols->size - 1)];
    while (symbol != NULL && (symbol->hash != hash || !zm_str_equal(symbol->name, name)))
        symbol = symbol->next;
    return symbol;
}

zm_symbol_t *zm_symbol_find(const zm_symbols_t *symbols, zm_str_t name)
{
    return find(symbols, name, hash_of(name));
}

static void grow(zm_symbols_t *symbols)
{
    uint32_t size = symbols->size * 2, i;
    zm_symbol_t **buckets = calloc(size, sizeof *buckets);
    if (buckets == NULL)
        abort();
    for (i = 0; i < symbols->size; i++) {
        zm_symbol_t *symbol = symbols->buckets[i], *next;
        for (; symbol != NULL; symbol = next) {
            next = symbol->next;
            symbol->next = buckets[symbol->hash & (size - 1)];
            buckets[symbol->hash & (size - 1)] = symbol;
        }
    }
    free(symbols->buckets);
    symbols->buckets = buckets;
    symbols->size = size;
}

zm_symbol_t *zm_symbol_intern(zm_symbols_t *symbols, zm_str_t name)
{
    uint32_t hash = hash_of(name);
    zm_symbol_t *symbol = find(symbols, name, hash);
    if (symbol != NULL)
        return symbol;
    if (symbols->count >= symbols->size)
        grow(symbols);
    symbol = apr_pcalloc(symbols->pool, sizeof *symbol);
    symbol->hash = hash;
    symbol->name = zm_str_copy(symbols->pool, name);
    symbol->next = symbols->buckets[hash & (symbols->size - 1)];
    symbols->buckets[hash & (symbols->size - 1)] = symbol;
    symbols->count++;
    return symbol;
}

void zm_symbols_each(const zm_symbols_t *symbols, zm_symbol_each_fn *fn, void *baton)
{
    uint32_t i;
    zm_symbol_t *symbol;
    for (i = 0; i < symbols->size; i++)
        for (symbol = symbols->buckets[i]; symbol != NULL; symbol = symbol->next)
            fn(symbol, baton);
}
