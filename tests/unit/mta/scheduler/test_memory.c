/* The queue's memory: objects of slabs whose blocks grow. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "mta/scheduler/memory.h"
#include "tests/unit/harness.h"

#define OBJECTS 200000 /* enough for blocks that lie on large pages */
#define SIZE 44        /* rounded up by the slab */

static bool is_zero(const unsigned char *object)
{
    apr_size_t i;
    for (i = 0; i < SIZE; i++)
        if (object[i] != 0)
            return false;
    return true;
}

static void mark(unsigned char *object, uint32_t number)
{
    memset(object, 0xA5, SIZE);
    memcpy(object, &number, sizeof number);
}

static uint32_t number_of(const unsigned char *object)
{
    uint32_t number;
    memcpy(&number, object, sizeof number);
    return number;
}

static void objects_are_zeroed_and_their_own(void)
{
    unsigned char **objects = zm_scheduler_alloc(OBJECTS * sizeof *objects);
    zm_slab_t slab;
    uint32_t i, dirty = 0, overlapping = 0;
    zm_slab_init(&slab, SIZE);
    for (i = 0; i < OBJECTS; i++) {
        objects[i] = zm_slab_get(&slab);
        dirty += !is_zero(objects[i]);
        mark(objects[i], i);
    }
    for (i = 0; i < OBJECTS; i++)
        overlapping += number_of(objects[i]) != i;
    CU_ASSERT_EQUAL(dirty, 0);
    CU_ASSERT_EQUAL(overlapping, 0);
    zm_slab_end(&slab);
    zm_scheduler_free(objects);
}

static void freed_objects_are_used_again(void)
{
    zm_slab_t slab;
    void *first, *second;
    zm_slab_init(&slab, SIZE);
    first = zm_slab_get(&slab);
    second = zm_slab_get(&slab);
    mark(first, 1);
    mark(second, 2);
    zm_slab_put(&slab, first);
    CU_ASSERT_PTR_EQUAL(zm_slab_get(&slab), first);
    CU_ASSERT_TRUE(is_zero(first));
    CU_ASSERT_EQUAL(number_of(second), 2);
    zm_slab_end(&slab);
}

static void an_array_keeps_its_items_when_it_grows(void)
{
    uint32_t *array = NULL, i, lost = 0;
    apr_uint32_t capacity = 0;
    const uint32_t count = 3u << 20;
    for (i = 0; i < count; i++) {
        array = zm_scheduler_grow(array, &capacity, i + 1, sizeof *array);
        array[i] = i;
    }
    for (i = 0; i < count; i++)
        lost += array[i] != i;
    CU_ASSERT_EQUAL(lost, 0);
    CU_ASSERT_TRUE(capacity >= count);
    zm_scheduler_free(array);
}

ZM_TESTS("scheduler memory", ZM_TEST(objects_are_zeroed_and_their_own),
         ZM_TEST(freed_objects_are_used_again), ZM_TEST(an_array_keeps_its_items_when_it_grows))
