#include "mta/net/dns_cache.h"

#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"

#define LONGEST_MESSAGE 4096

typedef struct entry_t entry_t;
struct entry_t {
    entry_t *chain;         /* of the same bucket */
    entry_t *older, *newer; /* by last use */
    uint32_t hash;
    zm_dns_type_t type;
    apr_time_t stored, expires; /* monotonic */
    apr_size_t message_length, name_length;
    char text[]; /* the name, then the message */
};

struct zm_dns_cache_t {
    int count, most;
    uint32_t mask;
    entry_t *oldest, *newest;
    entry_t *buckets[];
};

static uint32_t hash_of(zm_dns_type_t type, const char *name)
{
    return zm_hash(name, strlen(name)) + (uint32_t)type * 2654435761U;
}

zm_dns_cache_t *zm_dns_cache_create(int entries)
{
    zm_dns_cache_t *cache;
    uint32_t buckets = 16;
    if (entries <= 0)
        return NULL;
    while (buckets < (uint32_t)entries && buckets < 1U << 20)
        buckets *= 2;
    cache = calloc(1, sizeof *cache + buckets * sizeof(entry_t *));
    if (cache == NULL)
        return NULL;
    cache->most = entries;
    cache->mask = buckets - 1;
    return cache;
}

static void unlink_use(zm_dns_cache_t *cache, entry_t *entry)
{
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
}

static void link_newest(zm_dns_cache_t *cache, entry_t *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void drop(zm_dns_cache_t *cache, entry_t *entry)
{
    entry_t **link = &cache->buckets[entry->hash & cache->mask];
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    unlink_use(cache, entry);
    cache->count--;
    free(entry);
}

static entry_t *find(zm_dns_cache_t *cache, zm_dns_type_t type, const char *name)
{
    uint32_t hash = hash_of(type, name);
    entry_t *entry = cache->buckets[hash & cache->mask];
    while (entry != NULL &&
           (entry->hash != hash || entry->type != type || strcmp(entry->text, name) != 0))
        entry = entry->chain;
    return entry;
}

bool zm_dns_cache_find(zm_dns_cache_t *cache, zm_dns_type_t type, const char *name,
                       zm_str_t *message, uint32_t *age)
{
    apr_time_t now = zm_clock_monotonic();
    entry_t *entry = cache != NULL ? find(cache, type, name) : NULL;
    if (entry == NULL)
        return false;
    if (entry->expires <= now) {
        drop(cache, entry);
        return false;
    }
    unlink_use(cache, entry);
    link_newest(cache, entry);
    *message = zm_str_of(entry->text + entry->name_length + 1, entry->message_length);
    *age = (uint32_t)apr_time_sec(now - entry->stored);
    return true;
}

void zm_dns_cache_keep(zm_dns_cache_t *cache, zm_dns_type_t type, const char *name,
                       zm_str_t message, uint32_t seconds)
{
    apr_size_t name_length = strlen(name);
    entry_t *entry;
    if (cache == NULL || seconds == 0 || message.length > LONGEST_MESSAGE)
        return;
    entry = find(cache, type, name);
    if (entry != NULL)
        drop(cache, entry);
    else if (cache->count >= cache->most)
        drop(cache, cache->oldest);
    entry = malloc(sizeof *entry + name_length + 1 + message.length);
    if (entry == NULL)
        return;
    entry->hash = hash_of(type, name);
    entry->type = type;
    entry->stored = zm_clock_monotonic();
    entry->expires = entry->stored + apr_time_from_sec(seconds);
    entry->name_length = name_length;
    entry->message_length = message.length;
    memcpy(entry->text, name, name_length + 1);
    memcpy(entry->text + name_length + 1, message.data, message.length);
    entry->chain = cache->buckets[entry->hash & cache->mask];
    cache->buckets[entry->hash & cache->mask] = entry;
    link_newest(cache, entry);
    cache->count++;
}

void zm_dns_cache_clear(zm_dns_cache_t *cache)
{
    while (cache != NULL && cache->oldest != NULL)
        drop(cache, cache->oldest);
}

void zm_dns_cache_destroy(zm_dns_cache_t *cache)
{
    zm_dns_cache_clear(cache);
    free(cache);
}
