#include "platform/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 64

/* There is no useful way on without memory: an abort leaves the spool as it is, and the supervisor
 * restarts us. */
static void out_of_memory(apr_size_t wanted)
{
    fprintf(stderr, "out of memory: cannot allocate %lu bytes\n", (unsigned long)wanted);
    abort();
}

void zm_buf_free(zm_buf_t *buffer)
{
    free(buffer->data);
    *buffer = (zm_buf_t)ZM_BUF_INIT;
}

void zm_buf_reserve(zm_buf_t *buffer, apr_size_t extra)
{
    apr_size_t needed, capacity;
    char *data;
    if (extra <= buffer->capacity - buffer->length)
        return;
    needed = buffer->length + extra;
    if (needed < extra || needed > SIZE_MAX / 2)
        out_of_memory(extra);
    capacity = buffer->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    data = realloc(buffer->data, capacity);
    if (data == NULL)
        out_of_memory(capacity);
    buffer->data = data;
    buffer->capacity = capacity;
}

void zm_buf_add(zm_buf_t *buffer, const void *data, apr_size_t length)
{
    if (length == 0)
        return;
    zm_buf_reserve(buffer, length);
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

void zm_buf_add_str(zm_buf_t *buffer, zm_str_t string)
{
    zm_buf_add(buffer, string.data, string.length);
}

void zm_buf_add_c(zm_buf_t *buffer, const char *text)
{
    zm_buf_add(buffer, text, strlen(text));
}

void zm_buf_add_byte(zm_buf_t *buffer, char byte)
{
    zm_buf_reserve(buffer, 1);
    buffer->data[buffer->length++] = byte;
}

void zm_buf_printf(zm_buf_t *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    zm_buf_vprintf(buffer, format, arguments);
    va_end(arguments);
}

/* Most lines fit into what is free already, so the text is usually made once. */
void zm_buf_vprintf(zm_buf_t *buffer, const char *format, va_list arguments)
{
    va_list again;
    apr_size_t room;
    int length;
    zm_buf_reserve(buffer, 1);
    room = buffer->capacity - buffer->length;
    va_copy(again, arguments);
    length = vsnprintf(buffer->data + buffer->length, room, format, arguments);
    if (length > 0 && (apr_size_t)length >= room) {
        zm_buf_reserve(buffer, (apr_size_t)length + 1);
        length = vsnprintf(buffer->data + buffer->length, (apr_size_t)length + 1, format, again);
    }
    va_end(again);
    if (length > 0)
        buffer->length += (apr_size_t)length;
}

void zm_buf_consume(zm_buf_t *buffer, apr_size_t count)
{
    if (count >= buffer->length) {
        buffer->length = 0;
        return;
    }
    if (count == 0)
        return;
    buffer->length -= count;
    memmove(buffer->data, buffer->data + count, buffer->length);
}

void zm_buf_clear(zm_buf_t *buffer)
{
    buffer->length = 0;
}

zm_str_t zm_buf_str(const zm_buf_t *buffer)
{
    return (zm_str_t){buffer->data != NULL ? buffer->data : "", buffer->length};
}

const char *zm_buf_c(zm_buf_t *buffer)
{
    zm_buf_reserve(buffer, 1);
    buffer->data[buffer->length] = '\0';
    return buffer->data;
}
