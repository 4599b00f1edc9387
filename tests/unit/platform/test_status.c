#include "platform/status.h"
#include "tests/unit/harness.h"

static void every_own_code_has_a_text(void)
{
    apr_status_t status;
    char text[200];
    for (status = ZM_E_BASE; status < ZM_E_END; status++) {
        zm_status_text(status, text, sizeof text);
        CU_ASSERT_TRUE(strlen(text) > 10);
    }
    zm_status_text(APR_ENOENT, text, sizeof text);
    CU_ASSERT_TRUE(strlen(text) > 5);
}

static void set_returns_the_status_and_fills_the_text(void)
{
    zm_error_t error;
    CU_ASSERT_EQUAL(zm_error_set(&error, ZM_E_CONFIG, "%s:%d: no such key", "zmailer.conf", 4),
                    ZM_E_CONFIG);
    CU_ASSERT_EQUAL(error.status, ZM_E_CONFIG);
    ZM_ASSERT_STR(error.text, "zmailer.conf:4: no such key");
}

static void system_appends_the_reason(void)
{
    zm_error_t error;
    CU_ASSERT_EQUAL(zm_error_system(&error, ZM_E_BUSY, "cannot lock %s", "x"), ZM_E_BUSY);
    ZM_ASSERT_STR(error.text, "cannot lock x: in use by another process");
}

static void null_error_is_allowed(void)
{
    CU_ASSERT_EQUAL(zm_error_set(NULL, ZM_E_LIMIT, "x"), ZM_E_LIMIT);
    CU_ASSERT_EQUAL(zm_error_system(NULL, ZM_E_LIMIT, "x"), ZM_E_LIMIT);
}

static void text_stays_one_line(void)
{
    zm_error_t error;
    zm_error_set(&error, ZM_E_SYNTAX, "bad \"%s\"", "a\r\nb\x7f");
    ZM_ASSERT_STR(error.text, "bad \"a  b \"");
}

static void long_text_is_cut_between_characters(void)
{
    zm_error_t error;
    char text[2000];
    apr_size_t i;
    for (i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[sizeof text - 2] = '\0';
    zm_error_set(&error, ZM_E_SYNTAX, "%s", text);
    CU_ASSERT_EQUAL(strlen(error.text), sizeof error.text - 2);
    zm_error_system(&error, ZM_E_SYNTAX, "%s", text);
    CU_ASSERT_TRUE(strlen(error.text) < sizeof error.text);
}

ZM_TESTS("status", ZM_TEST(every_own_code_has_a_text),
         ZM_TEST(set_returns_the_status_and_fills_the_text), ZM_TEST(system_appends_the_reason),
         ZM_TEST(null_error_is_allowed), ZM_TEST(text_stays_one_line),
         ZM_TEST(long_text_is_cut_between_characters))
