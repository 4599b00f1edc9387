#include "mta/scheduler/text.h"

#include <stddef.h>
#include <string.h>

#include "mta/scheduler/memory.h"

static uint32_t item_hash(const void *item)
{
    return ((const zm_text_t *)item)->hash;
}

static bool item_equal(const void *item, const void *key)
{
    const zm_text_t *text = item;
    const zm_str_t *string = key;
    return zm_str_equal(zm_str_of(text->data, text->length), *string);
}

void zm_texts_init(zm_texts_t *texts)
{
    zm_table_init(&texts->table, item_hash, item_equal);
}

void zm_texts_free(zm_texts_t *texts)
{
    uint32_t i;
    for (i = 0; i < texts->table.size; i++)
        zm_scheduler_free(texts->table.slots[i]);
    zm_table_free(&texts->table);
}

zm_text_t *zm_text_find(const zm_texts_t *texts, zm_str_t string)
{
    return zm_table_find(&texts->table, zm_hash(string.data, string.length), &string);
}

zm_text_t *zm_text_get(zm_texts_t *texts, zm_str_t string)
{
    zm_text_t *text;
    if (string.length > 65536)
        string.length = 65536;
    text = zm_text_find(texts, string);
    if (text == NULL) {
        text = zm_scheduler_alloc(offsetof(zm_text_t, data) + string.length + 1);
        text->hash = zm_hash(string.data, string.length);
        text->length = (uint32_t)string.length;
        if (string.length > 0) /* the empty string has no data */
            memcpy(text->data, string.data, string.length);
        zm_table_add(&texts->table, text);
    }
    text->references++;
    return text;
}

zm_text_t *zm_text_get_lower(zm_texts_t *texts, zm_str_t string)
{
    char small[256];
    zm_buf_t large = ZM_BUF_INIT;
    char *lower = small;
    zm_text_t *text;
    apr_size_t i;

    if (string.length > sizeof small) {
        zm_buf_reserve(&large, string.length);
        lower = large.data;
    }
    for (i = 0; i < string.length; i++)
        lower[i] = (char)zm_to_lower((unsigned char)string.data[i]);
    text = zm_text_get(texts, zm_str_of(lower, string.length));
    zm_buf_free(&large);
    return text;
}

zm_text_t *zm_text_hold(zm_text_t *text)
{
    if (text != NULL)
        text->references++;
    return text;
}

void zm_text_drop(zm_texts_t *texts, zm_text_t *text)
{
    if (text == NULL || --text->references > 0)
        return;
    zm_table_remove(&texts->table, text);
    zm_scheduler_free(text);
}
