/*
 * The header engine.  The input is a header, one field a line, with folds.
 *
 * What is printed parses into the same number of fields and prints the same
 * again; no printed line is empty; the steps of the sequence leave a consistent
 * list; encoding leaves only ASCII in unstructured fields.
 */
#include <string.h>

#include "mta/mail/complete.h"
#include "mta/mail/encoded_word.h"
#include "mta/mail/illegal.h"
#include "mta/mail/mime.h"
#include "mta/mail/msgid.h"
#include "mta/mail/print.h"
#include "mta/mail/recipients.h"
#include "mta/mail/sender.h"
#include "tests/fuzz/fuzz.h"

static bool is_name(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~')
            return false;
    return name.length > 0;
}

/** Fields as the message reader finds them; lines that are none are left out. */
static zm_headers_t *read_headers(zm_str_t text, apr_pool_t *pool)
{
    zm_headers_t *headers = zm_headers_create(zm_header_table_create(pool), pool);
    while (text.length > 0) {
        apr_size_t end = 0;
        zm_str_t name, value;
        while (end < text.length && !(text.data[end] == '\n' &&
                                      (end + 1 == text.length || !zm_is_blank(text.data[end + 1]))))
            end++;
        if (zm_str_cut(zm_str_of(text.data, end), ':', &name, &value) && is_name(name))
            zm_headers_append(headers, name, value);
        text = end < text.length ? zm_str_of(text.data + end + 1, text.length - end - 1)
                                 : zm_str_of(text.data + end, 0);
    }
    return headers;
}

static unsigned count_of(const zm_headers_t *headers)
{
    const zm_header_t *header, *before = NULL;
    unsigned count = 0;
    for (header = headers->first; header != NULL; before = header, header = header->next) {
        FUZZ_EXPECT(header->previous == before);
        count++;
    }
    FUZZ_EXPECT(headers->last == before);
    return count;
}

static zm_str_t printed(const zm_headers_t *headers, int flags, apr_pool_t *pool)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    zm_str_t text;
    zm_headers_print(&buffer, headers, flags);
    text = zm_str_copy(pool, zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return text;
}

static void check_printing(const zm_headers_t *headers, apr_pool_t *pool)
{
    zm_str_t once = printed(headers, 0, pool);
    zm_headers_t *again = read_headers(once, pool);
    FUZZ_EXPECT(count_of(again) == count_of(headers));
    FUZZ_EXPECT(zm_str_equal(printed(again, 0, pool), once));
    FUZZ_EXPECT(once.length == 0 || once.data[0] != '\n');
    FUZZ_EXPECT(strstr(once.data, "\n\n") == NULL);
    FUZZ_EXPECT(zm_str_equal(
        printed(headers, ZM_PRINT_KEEP, pool),
        printed(read_headers(printed(headers, ZM_PRINT_KEEP, pool), pool), ZM_PRINT_KEEP, pool)));
}

static void check_encoding(const zm_headers_t *headers, apr_pool_t *pool)
{
    const zm_header_t *header;
    for (header = headers->first; header != NULL; header = header->next) {
        zm_content_type_t content;
        zm_buf_t buffer = ZM_BUF_INIT;
        zm_encode_header(&buffer, header->name, header->value, "ISO-8859-1", pool);
        if (zm_str_equal_nocase(header->name, ZM_S("Subject")))
            FUZZ_EXPECT(!zm_needs_encoding(zm_buf_str(&buffer)));
        if (zm_content_type_parse(&content, header->value, pool))
            zm_content_type_add(&buffer, &content);
        zm_buf_free(&buffer);
    }
}

static bool is_never(void *baton, const zm_address_t *address)
{
    (void)baton;
    (void)address;
    return false;
}

static bool rewrite(void *baton, const zm_header_t *header, zm_str_t plain, zm_str_t *text)
{
    (void)header;
    *text = zm_str_find(plain, '@') < 0 ? ZM_S("new@example.org") : plain;
    return baton != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_headers_t *headers = read_headers(zm_str_of((const char *)data, size), pool), *copy;
    zm_address_list_t *sender = zm_sender_generate(ZM_S("Joe"), ZM_S("joe"), pool);
    bool resent = zm_headers_resent(headers);
    check_printing(headers, pool);
    check_encoding(headers, pool);
    zm_message_id_raw(headers, resent, pool);
    zm_sender_field(headers, resent);
    zm_sender_police(headers, resent, sender, is_never, NULL);
    zm_recipients_of_header(headers, resent, pool);
    zm_headers_kill(headers);
    zm_headers_complete_from(headers, resent, sender);
    zm_headers_complete_to(headers, resent);
    zm_headers_complete_date(headers, resent, 0);
    zm_headers_add_authentication_results(headers, ZM_S("mx.org; none"), "mx.org");
    zm_headers_mark_illegal(headers, "mx.org");
    count_of(headers);
    copy = zm_headers_copy(headers, pool);
    zm_headers_rewrite(copy, rewrite, pool);
    check_printing(copy, pool);
    return 0;
}
