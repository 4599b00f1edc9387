/*
 * The reader of message files, and of names in the spool.
 *
 * Header and body offsets are in order and inside; values are lines of the
 * file; a name that is accepted has the parts it was made of.
 */
#include <string.h>

#include "spool/layout.h"
#include "spool/message.h"
#include "tests/fuzz/fuzz.h"

static void check_message(zm_str_t text, apr_pool_t *pool)
{
    const zm_message_t *message = zm_message_parse(text, pool);
    apr_size_t total = 0;
    int i;
    FUZZ_EXPECT(message->body_offset <= text.length);
    FUZZ_EXPECT(message->header_offset <= message->body_offset);
    for (i = 0; i < message->envelope_count; i++) {
        const zm_envelope_line_t *line = &message->envelope[i];
        FUZZ_EXPECT(line->keyword < ZM_ENV_UNKNOWN && line->name.length > 0);
        FUZZ_EXPECT(zm_str_find(line->value, '\n') < 0);
        total += line->name.length + line->value.length;
        zm_message_todsn(message, i);
    }
    for (i = 0; i < message->field_count; i++) {
        FUZZ_EXPECT(zm_str_find(message->fields[i].name, ':') < 0);
        total += message->fields[i].value.length;
    }
    FUZZ_EXPECT(total <= text.length);
    FUZZ_EXPECT((message->fault == ZM_MESSAGE_OK) == (message->fault_line.data == NULL));
}

static void check_name(zm_str_t text)
{
    zm_name_t name;
    if (zm_layout_parse(&name, text) != APR_SUCCESS)
        return;
    FUZZ_EXPECT(name.directory.length + 1 + name.prefix.length + name.leaf.length == text.length);
    FUZZ_EXPECT(memchr(text.data, '\0', text.length) == NULL);
    FUZZ_EXPECT(zm_str_find(name.leaf, '/') < 0 && name.leaf.length > 0);
    FUZZ_EXPECT(!zm_str_equal_c(name.leaf, "..") && !zm_str_equal_c(name.directory, ".."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_str_t text = zm_str_of((const char *)data, size);
    check_message(text, fuzz_pool());
    check_name(text);
    return 0;
}
