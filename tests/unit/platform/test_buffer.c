#include "platform/str.h"
#include "tests/unit/harness.h"

static void grows_and_keeps_what_was_added(void)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    int i;
    for (i = 0; i < 5000; i++)
        zm_buf_add_byte(&buffer, (char)('a' + i % 26));
    CU_ASSERT_EQUAL(buffer.length, 5000);
    CU_ASSERT_EQUAL(buffer.data[4999], 'a' + 4999 % 26);
    zm_buf_clear(&buffer);
    CU_ASSERT_EQUAL(buffer.length, 0);
    CU_ASSERT_TRUE(buffer.capacity >= 5000);
    zm_buf_free(&buffer);
    CU_ASSERT_PTR_NULL(buffer.data);
}

static void adding_nothing_is_allowed(void)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    zm_buf_add(&buffer, NULL, 0);
    zm_buf_add_str(&buffer, (zm_str_t){NULL, 0});
    CU_ASSERT_EQUAL(zm_buf_str(&buffer).length, 0);
    CU_ASSERT_PTR_NOT_NULL(zm_buf_str(&buffer).data);
    ZM_ASSERT_STR(zm_buf_c(&buffer), "");
    zm_buf_free(&buffer);
}

static void printf_appends_short_and_long_text(void)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    char *text = apr_palloc(zm_test_pool(), 1001);
    memset(text, 'x', 1000);
    text[1000] = '\0';
    zm_buf_add_c(&buffer, "a");
    zm_buf_printf(&buffer, "%d|", 7);
    zm_buf_printf(&buffer, "%s!", text);
    CU_ASSERT_EQUAL(buffer.length, 1 + 2 + 1001);
    CU_ASSERT_EQUAL(memcmp(buffer.data, "a7|xxx", 6), 0);
    CU_ASSERT_EQUAL(buffer.data[1003], '!');
    zm_buf_free(&buffer);
}

static void printf_fits_exactly_at_every_length(void)
{
    int width;
    for (width = 1; width < 200; width++) {
        zm_buf_t buffer = ZM_BUF_INIT;
        zm_buf_printf(&buffer, "%*d", width, 5);
        CU_ASSERT_EQUAL(buffer.length, (apr_size_t)width);
        CU_ASSERT_EQUAL(buffer.data[width - 1], '5');
        zm_buf_free(&buffer);
    }
}

static void consume_drops_the_front(void)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    zm_buf_add_c(&buffer, "line one\r\nline two");
    zm_buf_consume(&buffer, 0);
    zm_buf_consume(&buffer, 10);
    ZM_ASSERT_STR(zm_buf_c(&buffer), "line two");
    zm_buf_consume(&buffer, 100);
    CU_ASSERT_EQUAL(buffer.length, 0);
    zm_buf_free(&buffer);
}

ZM_TESTS("buffer", ZM_TEST(grows_and_keeps_what_was_added), ZM_TEST(adding_nothing_is_allowed),
         ZM_TEST(printf_appends_short_and_long_text), ZM_TEST(printf_fits_exactly_at_every_length),
         ZM_TEST(consume_drops_the_front))
